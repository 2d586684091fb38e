"""Numbers as logs write them, more strictly than Python reads them."""

import math
import re

BLANK = frozenset([
    "", "NA", "N/A", "n/a", "na", "<NA>", "None", "none", "null", "NULL", "-", "?",
])  # fmt: skip
_DIGITS_MAX = 60
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")


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


def cell_number(text: str, separator: str) -> float | None:
    """Return the number in a cell, or None.

    Where ``;`` separates the cells, the comma of other languages is a decimal point.
    In a quoted cell between commas it is between thousands: ``"1,000"``.
    """
    if separator == ";" and _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    elif separator == "," and "," in text and _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    return to_number(text)


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
