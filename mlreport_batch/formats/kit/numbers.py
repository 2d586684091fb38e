"""Numbers as logs write them, more strictly than Python reads them."""

import math

BLANK = frozenset([
    "", "NA", "N/A", "n/a", "na", "<NA>", "None", "none", "null", "NULL", "-", "?",
    "--", "---", "\u2013", "\u2014", "N.A.", "n.a.", "Null", "nil", "Na",
    "missing",
])  # fmt: skip
_DIGITS_MAX = 60


def is_word(text: str) -> bool:
    """Return whether *text* begins with a letter and is no number."""
    return text[:1].isalpha() and to_number(text) is None


def to_number(text: str) -> float | None:
    """Return the number in *text*, or None.

    ``nan`` and ``inf`` are numbers; ``1_000`` and digits of other scripts, which
    Python's ``float`` takes as well, are not.
    """
    if "_" in text or not text.isascii():
        return None
    try:
        return float(text)
    except ValueError:
        return None


def value_of(value: object) -> float | None:
    """Return what a JSON or YAML value means as a metric, or None.

    Numbers in text count (fairseq, DVCLive), booleans do not.
    """
    if type(value) is float:
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str) and 0 < len(value) <= _DIGITS_MAX:
        return to_number(value)
    return None
