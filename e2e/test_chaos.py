"""Short attacks; `./wrenn chaos` makes long ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MINUTES = 1.2
LIMIT_SECONDS = 900


@pytest.mark.parametrize("seed", [1, 2])
def test_an_attack_changes_nothing_that_was_kept_and_leaves_nothing(seed: int) -> None:
    attack = subprocess.run(
        [sys.executable, "-m", "chaos", "--seed", str(seed), "--minutes", str(MINUTES)],
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
    assert result["faults"] > 0
