"""The oldest release of the SDK that is meant to work, in an environment of its own."""

import os
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest
from outside.api import Api

PYTHON = os.environ.get("WRENN_E2E_OLDEST_SDK", "")
LIMIT = 120.0


@pytest.mark.skipif(not PYTHON, reason="the oldest SDK is not installed")
def test_the_oldest_sdk_does_all_that_it_can(api: Api) -> None:
    tour = subprocess.run(
        [PYTHON, Path(__file__).with_name("oldest_sdk.py"), f"oldest-{uuid4().hex[:8]}"],
        env={**os.environ, "WRENN_BASE_URL": api.base_url, "WRENN_API_KEY": api.key},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert tour.returncode == 0, tour.stdout + tour.stderr
    assert tour.stdout.split() == ["commands", "files", "git", "terminal", "pauses", "snapshots"]
