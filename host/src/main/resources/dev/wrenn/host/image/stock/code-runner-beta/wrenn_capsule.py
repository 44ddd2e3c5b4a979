"""Makes a kernel that many capsules were copied from each capsule's own.

The kernel runs already when a capsule begins. Before the first cell in a new capsule the
generators of pseudo-random numbers get new seeds, so that no two capsules draw the same numbers,
and the environment names the capsule it is in.
"""

import os
import random
import sys
from pathlib import Path

_MARKS = {
    name: Path(f"/run/wrenn/.{name}") for name in ("WRENN_SANDBOX", "WRENN_SANDBOX_ID", "WRENN_TEMPLATE_ID")
}


def _identity():
    try:
        return {name: path.read_text() for name, path in _MARKS.items()}
    except OSError:
        return {}  # not in a capsule


def load_ipython_extension(shell):
    known = _identity()

    def before_cell(*_):
        nonlocal known
        now = _identity()
        if now != known:
            known = now
            os.environ.update(now)
            random.seed()
            if "numpy" in sys.modules:
                sys.modules["numpy"].random.seed()

    shell.events.register("pre_execute", before_cell)
