"""Read rows of separated values into points, whatever framework wrote them."""

import math
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from mlreport_batch.formats import Anew, BulkLayout, Chunk, Item, Memory, Point, Problem
from mlreport_batch.formats.kit.bookkeeping import (
    is_measure,
)
from mlreport_batch.formats.kit.columns import (
    COLUMNS_MAX,
    Build,
    Header,
    build_header,
    is_all_names,
    is_open,
    is_rule,
    joined,
    says_nothing,
    split_cells,
)
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.numbers import BLANK, is_word
from mlreport_batch.formats.kit.steps import StepCounter, note_place
from mlreport_batch.formats.kit.text import first_text, lines_of, names_separator
from mlreport_batch.formats.kit.values import TOLD_MAX
from mlreport_batch.safety.clean import shorten
from mlreport_batch.safety.masking.redact import redact_value, shown

_NAN: Final = math.nan
_QUOTED_MAX = 4096
# In place of a number that there is not, so no sign that a column holds texts.
_FOR_NONE = BLANK | {"skipped", "skip", "pending", "tbd", "TBD", "undefined", "waiting"}
_OF_MANY = re.compile(r"(?<=\d)\s?/\s?\d+\Z")  # `3/100` is the third

Repair = Callable[[Header, list[str]], list[str] | None]
"""Brings a row of the wrong length into the header's, or returns None."""

Rename = Callable[[Header, list[str], str], str]
"""Returns the metric that a column stands for in a row, or nothing for none.

It may put `ANEW` into the memory, if it takes the rows for something else from now on.
"""

ANEW: Final = "anew"


def read_rows(
    chunk: Chunk,
    memory: Memory,
    build: Build = build_header,
    *,
    repair: Repair | None = None,
    rename: Rename | None = None,
    is_decimal: bool = False,
) -> Iterator[Item]:
    """Yield the points of *chunk*.

    A line that repeats the header is where a framework restarted and says nothing
    itself; another header takes over from there on. Rows of another length and
    cells that are no numbers are reported once per log, or column, and counted in
    *memory* (``bad_rows``, ``bad_cells``); the rest of such a row is used. A column
    whose first cell is a text holds texts, unless its name is that of a measure.

    Args:
        chunk: Whole lines.
        memory: See `LogFormat`.
        build: Makes the header.
        repair: Mends rows of another length.
        rename: Names what a column is in a row.
        is_decimal: Whether the log is known to have decimal commas.
    """
    items: list[Item] = []
    lines = lines_of(chunk, memory, items)
    yield from items
    rows = _Rows(chunk, memory, build, repair, rename, is_decimal=is_decimal)
    yield from rows.read(lines)


class _Rows:
    """The state of reading one chunk; what must outlive it goes to memory."""

    def __init__(
        self,
        chunk: Chunk,
        memory: Memory,
        build: Build,
        repair: Repair | None,
        rename: Rename | None,
        *,
        is_decimal: bool,
    ) -> None:
        self.chunk = chunk
        self.is_decimal = is_decimal
        self.commas = Commas(memory, is_decimal=is_decimal)
        self.memory = memory
        self.build = build
        self.repair = repair
        self.rename = rename
        self.problems: list[Problem] = []
        self.header: Header | None = None
        self.open: set[int] = set()
        self.text: set[int] = set()
        self.used: list[tuple[int, str]] = []
        self.mark: str | None = None
        pending = memory.get("pending")
        self.pending = pending if isinstance(pending, str) else None
        self.row = int(memory.get("row") or 0)
        step = memory.get("step")
        self.step = step if isinstance(step, float) else _NAN
        self.counter = StepCounter(memory)
        known = memory.get("header")
        if known is not None:
            first = first_text(self.chunk.header)
            header = build(first if known is True else str(known))
            if header is not None:
                self._take(header, _indexes(memory, "open"), _indexes(memory, "text"))

    def _take(self, header: Header, undecided: set[int], text: set[int]) -> None:
        self.header, self.open, self.text = header, undecided, text
        mark = header.layout.separator
        self.mark = None if mark == " " else mark
        self.commas = Commas(self.memory, mark, is_decimal=self.is_decimal)
        self.used = [pair for pair in header.layout.metrics if pair[0] not in text]

    def read(self, lines: list[str]) -> Iterator[Item]:
        """Yield what *lines* say, then put into memory what must outlive them."""
        for number, line in enumerate(lines, self.chunk.first_line):
            header = self.header
            if header is None:
                self._find_header(line, number)
                yield from self._reported()
                continue
            if line == header.line:
                continue
            found = self._plain(line, header.layout)
            if found is None:
                found = self._careful(line, number, header)
                yield from self._reported()
                if self.memory.pop(ANEW, False):
                    yield Anew()
            step, values = found
            if self.counter.is_anew:
                self.counter.is_anew = False
                yield Anew()
            for name, value in values:
                yield Point(name, step, value)
        self._remember()

    def _plain(
        self, line: str, layout: BulkLayout
    ) -> tuple[float, list[tuple[str, float]]] | None:
        """Return step and values of a row of numbers, None if it is anything else."""
        if self.pending is not None or self.rename is not None or '"' in line:
            return None
        cells = line.split(self.mark)
        # Python's float takes more than numbers; such lines go the careful way.
        if len(cells) != layout.width or "_" in line or not line.isascii():
            return None
        try:
            values = [(name, float(cells[at])) for at, name in self.used if cells[at]]
            step = float(self.row if layout.step is None else cells[layout.step])
            at = layout.epoch
            epoch = None if at is None or not cells[at] else float(cells[at])
        except ValueError:
            return None
        if step - step != 0:
            return None
        self.row += 1
        if layout.step is not None:
            if layout.epoch is not None:
                again = layout.begins_again
                step = self.counter.at(step, epoch, begins_again=again)
            self.step = step
        if self.open:
            self.open = {at for at in self.open if not cells[at]}
        return step, values

    def _reported(self) -> list[Problem]:
        problems, self.problems = self.problems, []
        return problems

    def _find_header(self, line: str, number: int) -> None:
        line = line.strip("\r")
        if not line or line.isspace() or is_rule(line) or names_separator(line):
            return
        header = self.build(line)
        if header is not None:
            self._start(header)
            if len(header.layout.metrics) == COLUMNS_MAX:
                text = (
                    f"{header.layout.width:,} columns; metrics beyond the first "
                    f"{COLUMNS_MAX:,} are left out"
                )
                self.problems.append(Problem(self.chunk.path, number, text))
        elif not line.lstrip().startswith("#") and not self.memory.get("headless"):
            self.memory["headless"] = True
            text = "no column names; rows before a header line are left out"
            self.problems.append(Problem(self.chunk.path, number, text))

    def _start(self, header: Header) -> None:
        self._take(header, {at for at, _ in header.layout.metrics}, set())
        is_first = header.line == first_text(self.chunk.header)
        self.memory["header"] = True if is_first else header.line

    def _careful(
        self, line: str, number: int, header: Header
    ) -> tuple[float, list[tuple[str, float]]]:
        """Return step and values of an unusual row; notes what is wrong with it."""
        layout = header.layout
        line = line.strip("\r")
        if self.pending is not None or is_open(line, layout.separator):
            line = self._joined(line, number, header)
        if says_nothing(line):
            return _NAN, []
        cells = split_cells(line, layout.separator)
        if tuple(cells) == header.names:
            return _NAN, []
        if (other := self._other_header(line, cells, header)) is not None:
            self._start(other)
            return _NAN, []
        cells = self._fitted(cells, header)
        self.row += 1
        if len(cells) != layout.width:
            self._bad_row(number, len(cells), layout.width)
            return _NAN, []
        if self._sums_up(cells, layout.step, number):
            return _NAN, []
        step = self._step_of(cells, layout)
        if '"' in line or (self.mark != "," and "," in line):
            self.commas.look_at(cells[at] for at, _ in self.used)
        self._decide(cells)
        return step, self._values_in(cells, number, header)

    def _values_in(
        self, cells: list[str], number: int, header: Header
    ) -> list[tuple[str, float]]:
        values = []
        for at, name in self.used:
            cell = cells[at]
            value = self.commas.number(cell)
            metric = self.rename(header, cells, name) if self.rename else name
            if not metric:
                continue
            if value is not None:
                values.append((metric, value))
            elif cell not in BLANK:
                self._bad_cell(number, cell, name)
        return values

    def _joined(self, line: str, number: int, header: Header) -> str:
        """Return the row that *line* completes; empty while a quote is open.

        A line that is a whole row by itself ends a quote that was never closed.
        """
        before, self.pending = self.pending, None
        is_open = line.count('"') % 2 == 1
        if before is None:
            self.pending = line
            return ""
        if is_open:
            return f"{before}\n{line}"
        width, separator = header.layout.width, header.layout.separator
        alone = len(split_cells(line, separator))
        if alone != width and len(before) + len(line) < _QUOTED_MAX:
            self.pending = f"{before}\n{line}"
            return ""
        self.row += 1
        self._bad_row(number - 1, len(split_cells(before, separator)), width)
        return line

    def _fitted(self, cells: list[str], header: Header) -> list[str]:
        width = header.layout.width
        if len(cells) == width:
            return cells
        if len(cells) > width and not any(cells[width:]):
            return cells[:width]
        if self.repair is not None and (mended := self.repair(header, cells)):
            return mended
        if len(cells) > width and self.mark:
            whole = joined(cells, self.mark)
            return whole if len(whole) == width else cells
        return cells

    def _sums_up(self, cells: list[str], step: int | None, number: int) -> bool:
        """Return whether a row has a word where those above count; notes the first.

        ``mean`` and ``best`` below numbers are about the rows above, and no points.
        """
        at = step or 0
        cell = cells[at]
        if not is_word(cell) or cell in _FOR_NONE or self.header is None:
            return False
        name = self.header.names[at]
        has_counted = not math.isnan(self.step)
        if step is None and not is_measure(name):
            has_counted = at not in self.open and any(
                at == used[0] for used in self.used
            )
        if not has_counted or self.commas.number(cell) is not None:
            return False
        if not self.memory.get("sums_up"):
            self.memory["sums_up"] = True
            word = shown_cell(name, cell)
            text = f"'{word}' where {name} counts; such rows are left out"
            self.problems.append(Problem(self.chunk.path, number, text))
        return True

    def _step_of(self, cells: list[str], layout: BulkLayout) -> float:
        step = self._count_in(cells, layout.step)
        if step is not None and math.isfinite(step):
            if layout.epoch is not None:
                epoch = self._count_in(cells, layout.epoch)
                again = layout.begins_again
                step = self.counter.at(step, epoch, begins_again=again)
            self.step = step
            return step
        # Blank, or no number: the step the log stood at, else the number of the row.
        return float(self.row - 1) if math.isnan(self.step) else self.step

    def _count_in(self, cells: list[str], at: int | None) -> float | None:
        """Return the step or epoch in a cell, or None."""
        return None if at is None else self.commas.count(_OF_MANY.sub("", cells[at]))

    def _decide(self, cells: list[str]) -> None:
        """Settle which of the undecided columns hold text, and so no metric."""
        decided = {at for at in self.open if cells[at] not in _FOR_NONE}
        self.open -= decided
        header = self.header
        texts = {
            at
            for at in decided
            if self.commas.number(cells[at]) is None
            and header is not None
            and not is_measure(header.names[at])
        }
        if texts and header is not None:
            self._take(header, self.open, self.text | texts)

    def _other_header(
        self, line: str, cells: list[str], header: Header
    ) -> Header | None:
        known = set(header.names).intersection(cells) - {""}
        is_kin = known and len(known) * 2 >= min(len(cells), len(header.names))
        if not is_kin and not is_all_names(cells, len(header.names)):
            return None
        other = self.build(line)
        if other is None:
            return None
        lost_step = other.layout.step is None and header.layout.step is not None
        return None if lost_step else other

    def _bad_row(self, number: int, cells: int, width: int) -> None:
        count = self.memory["bad_rows"] = int(self.memory.get("bad_rows") or 0) + 1
        if count == 1:
            text = f"{cells} cells where the header has {width}; such rows are left out"
            self.problems.append(Problem(self.chunk.path, number, text))

    def _bad_cell(self, number: int, cell: str, name: str) -> None:
        memory = self.memory
        memory["bad_cells"] = int(memory.get("bad_cells") or 0) + 1
        known = str(memory.get("told") or "")
        mark = f" {zlib.crc32(name.encode()):x}"
        if mark not in known and known.count(" ") < TOLD_MAX:
            memory["told"] = known + mark
            told = shown_cell(name, cell)
            text = f"'{told}' for {name} is no number; such cells are left out"
            self.problems.append(Problem(self.chunk.path, number, text))

    def _remember(self) -> None:
        memory = self.memory
        memory["row"] = self.row
        memory.pop("pending", None)
        if self.pending is not None:
            memory["pending"] = self.pending
        if not math.isnan(self.step):
            memory["step"] = float(self.step)
        if self.header is not None:
            layout = self.header.layout
            if layout.epoch is not None:
                self.counter.remember(memory)
            note_place(memory, self.counter.place(layout.unit, layout.outer_unit))
        for key, indexes in (("open", self.open), ("text", self.text)):
            if indexes or key in memory:
                memory[key] = " ".join(map(str, sorted(indexes)))


def shown_cell(name: str, cell: str) -> str:
    """Return what a message shows of a *cell* in the column *name*."""
    return shorten(shown(str(redact_value(name, cell))), 40)


def _indexes(memory: Memory, key: str) -> set[int]:
    return {int(part) for part in str(memory.get(key) or "").split()}
