"""A short attack; `./wrenn chaos` makes long ones."""

import json
import subprocess
import sys
from pathlib import Path

MINUTES = 1.5
LIMIT_SECONDS = 600


def test_an_attack_changes_nothing_that_was_kept_and_leaves_nothing() -> None:
    attack = subprocess.run(
        [sys.executable, "-m", "chaos", "--seed", "1", "--minutes", str(MINUTES)],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )

    assert attack.returncode == 0, attack.stderr
    result = json.loads(attack.stdout.splitlines()[-1])
    assert result["differences"] == result["leaks"] == 0
    assert result["operations"] > 0
    assert result["kills"] > 0
