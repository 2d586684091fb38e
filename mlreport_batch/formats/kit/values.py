"""Values in rows of JSON that are no numbers: one number in its dress, or a fault."""

import zlib
from collections.abc import Iterator, Mapping

from mlreport_batch.formats import Chunk, Memory, Problem
from mlreport_batch.formats.kit.bookkeeping import is_bookkeeping, is_measure
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.dressed import bare
from mlreport_batch.formats.kit.json_values import leaves
from mlreport_batch.formats.kit.numbers import BLANK, to_number, value_of
from mlreport_batch.safety.clean import clean, shorten
from mlreport_batch.safety.masking.redact import redact_value, shown, shown_name

TOLD_MAX = 5
_ITEMS_MAX = 20
_TEXT_MAX = 300


def may_be_measured(name: str, item: object, *, has_step: bool) -> bool:
    """Return whether *item* is a value of *name*, or, beside a step, may become one."""
    if value_of(item) is not None:
        return True
    if isinstance(item, list):
        return is_measure(name) and _only(item) is not None
    if not isinstance(item, str):
        return False
    is_number = len(item) <= _TEXT_MAX and Commas({}).number(item) is not None
    return is_number or (has_step and is_measure(name))


def count_of(item: object) -> float | None:
    """Return the number of a step, which may be dressed, or None."""
    found = value_of(item)
    if found is None and isinstance(item, str):
        return to_number(bare(item))
    return found


class Values:
    """The values of a log's rows: undresses numbers, and tells what is unreadable.

    Args:
        chunk: Whose rows are read.
        memory: See `LogFormat`.
        has_lists: Whether a measure's list of one number is that number.
    """

    def __init__(self, chunk: Chunk, memory: Memory, *, has_lists: bool) -> None:
        self._path = chunk.path
        self._memory = memory
        self._has_lists = has_lists
        self._commas = Commas(memory)
        self._problems: list[Problem] = []

    def of(self, row: Mapping[str, object], line: int) -> Iterator[tuple[str, float]]:
        """Yield (metric, value) of *row*, which stands in *line*."""
        is_looked_at = False
        for key, item in leaves(row):
            value = item if type(item) is float else value_of(item)
            if value is None and isinstance(item, str):
                if "," in item and not is_looked_at:
                    self._look_at(row)
                    is_looked_at = True
                value = self._of_text(key, item, line)
            elif value is None and isinstance(item, list) and key in row:
                value = self._of_list(key, item, line)
            if (
                value is not None
                and not is_bookkeeping(key)
                and (metric := shown_name(key))
            ):
                yield metric, value

    def problems(self) -> list[Problem]:
        """Return what is to be told, once."""
        found, self._problems = self._problems, []
        return found

    def _look_at(self, row: Mapping[str, object]) -> None:
        texts = (item for _, item in leaves(row) if isinstance(item, str))
        self._commas.look_at(text for text in texts if len(text) <= _TEXT_MAX)

    def _of_text(self, name: str, text: str, line: int) -> float | None:
        value = self._commas.number(text) if len(text) <= _TEXT_MAX else None
        if value is None and text not in BLANK:
            self._tell(name, text, line)
        return value

    def _of_list(self, name: str, items: list[object], line: int) -> float | None:
        if not self._has_lists or not is_measure(name):
            return None
        value = _only(items)
        if value is None and items:
            self._tell(name, str(items[:_ITEMS_MAX]), line)
        return value

    def _tell(self, name: str, text: str, line: int) -> None:
        known = str(self._memory.get("told") or "")
        if not is_measure(name) or is_bookkeeping(name):
            return
        mark = f" {zlib.crc32(name.encode('utf-8', 'replace')):x}"
        if mark in known or known.count(" ") >= TOLD_MAX:
            return
        self._memory["told"] = known + mark
        told = shorten(shown(str(redact_value(name, text[:_TEXT_MAX]))), 40)
        why = f"'{told}' for {shown_name(name)} is no number; such values are left out"
        self._problems.append(Problem(self._path, line, clean(why)))


def _only(items: list[object]) -> float | None:
    """Return the number in a list of one, or None."""
    while len(items) == 1:
        (item,) = items
        if not isinstance(item, list):
            return value_of(item)
        items = item
    return None
