"""Work counted in calls: how long it takes says more about the machine."""

import sys
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def counted(work: Callable[[], _T]) -> tuple[int, _T]:
    """Return how many functions *work* called, built-in ones too, and its result."""
    calls = 0

    def count(_frame: object, event: str, _about: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        result = work()
    finally:
        sys.setprofile(before)
    return calls, result
