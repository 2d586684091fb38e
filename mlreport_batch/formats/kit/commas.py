"""What a comma between digits means: ``0,935`` is below one, ``1,000`` a thousand."""

import re
from collections.abc import Iterable

from mlreport_batch.formats import Memory
from mlreport_batch.formats.kit.dressed import bare
from mlreport_batch.formats.kit.numbers import BLANK, to_number

_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?")
_DECIMAL = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")


def sign_in(text: str) -> str:
    """Return ``decimal`` or ``grouped`` if a cell can only be one, else nothing."""
    if "," not in text:
        return ""
    text = bare(text)
    is_decimal = _DECIMAL.fullmatch(text) is not None
    is_grouped = _GROUPED.fullmatch(text) is not None
    if is_decimal == is_grouped:
        return ""
    return "decimal" if is_decimal else "grouped"


class Commas:
    """Reads the numbers of one log, dressed or not, with commas or not.

    ``0,935`` and ``12,5`` can only be decimals, ``1,234,567`` and ``1,234.5`` only
    groups, and are read so wherever they stand. ``1,234`` can be both: the first sure
    sign among the values of the log, those of the same row included, decides for what
    follows; before it, and without one, it is a thousand. Steps are counts: the first
    comma among them decides, and ``1,000`` is a group then.

    Args:
        memory: See `LogFormat`.
        separator: What stands between cells; where that is ``;``, commas are decimal.
        is_decimal: Whether the commas among the values are known to be decimal.
    """

    def __init__(
        self, memory: Memory, separator: str = ",", *, is_decimal: bool = False
    ) -> None:
        self._memory = memory
        self._is_semicolon = separator == ";"
        self._is_decimal = is_decimal or self._is_semicolon

    def look_at(self, values: Iterable[str]) -> None:
        """Look for a sure sign among the *values* of a row, which come next."""
        if self._is_decimal or self._memory.get("commas"):
            return
        sign = next(filter(None, map(sign_in, values)), "")
        if sign:
            self._memory["commas"] = sign

    def number(self, text: str) -> float | None:
        """Return the number in the text of a value, or None."""
        value = to_number(text)
        if value is not None or text in BLANK:
            return value
        text, written = bare(text), text
        if text is written and "," not in text:
            return None
        is_decimal = self._is_decimal or self._memory.get("commas") == "decimal"
        return _number(text, is_decimal=is_decimal) if "," in text else to_number(text)

    def count(self, text: str) -> float | None:
        """Return the number in the text of a step, or None."""
        value = to_number(text)
        if value is not None or text in BLANK:
            return value
        text = bare(text)
        if "," not in text:
            return to_number(text)
        if self._is_semicolon:
            return _number(text, is_decimal=True)
        is_grouped = _GROUPED.fullmatch(text) is not None
        if not is_grouped and _DECIMAL.fullmatch(text) is None:
            return None
        first = "grouped" if is_grouped else "decimal"
        known = self._memory.setdefault("step commas", first)
        if known == "grouped" and not is_grouped:
            return None
        return _number(text, is_decimal=known == "decimal")


def _number(text: str, *, is_decimal: bool) -> float | None:
    """Return the number in *text*, which has a comma; a sure one is what it is."""
    is_grouped = _GROUPED.fullmatch(text) is not None
    if _DECIMAL.fullmatch(text) and (is_decimal or not is_grouped):
        return to_number(text.replace(",", "."))
    return to_number(text.replace(",", "")) if is_grouped else None
