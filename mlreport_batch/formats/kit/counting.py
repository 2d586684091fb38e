"""Whether numbers, row after row, count something."""

import re
from collections.abc import Sequence
from typing import Final

_WHOLE = re.compile(r"\d{1,15}(?:\.0*)?")
# Seconds and milliseconds since 1970, from 2001 to 2096: a clock, whatever its name.
_CLOCKS: Final = ((1e9, 4e9), (1e12, 4e12))
_RISES_MIN: Final = 3  # before a resume


def whole(cell: str) -> float | None:
    """Return the whole number in a cell, zero or above, or None."""
    return float(cell) if _WHOLE.fullmatch(cell) else None


def falls_in(values: Sequence[float | None]) -> int | None:
    """Return how often whole *values* that else rise in every row fall, for resumes.

    A resume comes after some rows, seldom, and goes back to no less than the first
    value. None means that they do not count anything; so does a single row.
    """
    first = values[0]
    if first is None or any(low <= first < high for low, high in _CLOCKS):
        return None
    rises = falls = 0
    before = first
    for value in values[1:]:
        if value is None or value < first or value == before:
            return None
        if value > before:
            rises += 1
        elif rises < _RISES_MIN:
            return None
        else:
            falls += 1
        before = value
    return falls if rises and 3 * falls <= rises else None
