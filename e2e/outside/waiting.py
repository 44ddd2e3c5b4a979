"""Waiting for something to become true, without sleeping longer than needed."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_INTERVAL = 0.05


def eventually(what: str, look: Callable[[], T], limit: float = 10.0) -> T:
    """The first true result of `look`; fails naming `what` and the last result."""
    deadline = time.monotonic() + limit
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit} s: {what}; last seen: {seen!r}")
        time.sleep(LOOK_INTERVAL)
