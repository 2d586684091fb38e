"""Waiting for what another process does."""

import time
from collections.abc import Callable

HANGS_S = 120.0


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds; the limit only ends a test that hangs."""
    ends = time.monotonic() + HANGS_S
    while not condition():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.002)
