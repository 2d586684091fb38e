"""Values without a header: the file's name says what they are.

``train_loss.txt`` with a number a line, ``val_acc.csv`` with step and value, d3rlpy's
``critic_loss.csv`` with epoch, step and value, and DeepLabCut's ``learning_stats.csv``
with iteration, loss and learning rate.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Point,
    Problem,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import is_measured_in
from mlreport_batch.formats.kit.columns import split_cells
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.counting import falls_in, whole
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.numbers import to_number
from mlreport_batch.formats.kit.text import filled, head_lines, lines_of
from mlreport_batch.safety.clean import shorten
from mlreport_batch.safety.masking.redact import redact_value, shown, shown_name

_SUFFIXES = (".txt", ".csv", ".tsv", ".dat", ".log", "")
_D3RLPY: Final = 3  # epoch, step, value
_ROWS_MIN: Final = 2  # a number alone is a result, or anything
_COLUMNS: Final = {"learning_stats.csv": ("loss", "learning_rate")}  # behind a step


def _matches(candidate: Candidate) -> Match | None:
    """Claim rows of one to three numbers in a file that is named after a metric."""
    stem, suffix = _stem_in(candidate.name), stem_of(candidate.name)[1]
    is_d3rlpy = suffix == ".csv" and "params.json" in candidate.siblings
    names = _COLUMNS.get(candidate.name)
    if suffix not in _SUFFIXES or not (names or is_d3rlpy or is_measured_in(stem)):
        return None
    lines = [
        line
        for line in filled(head_lines(candidate.head, candidate.size))
        if not line.startswith("#")
    ]
    separator = _separator_in(lines[0]) if lines else " "
    rows = [split_cells(line, separator) for line in lines]
    if names is not None:
        return Match(Role.metrics, note="DeepLabCut") if _fit(rows, names) else None
    if not rows or not _are_values(rows, separator):
        return None
    if is_d3rlpy and len(rows[0]) == _D3RLPY:
        return Match(Role.metrics, note="d3rlpy")
    if len(rows) < _ROWS_MIN or not is_measured_in(stem):
        return None
    return Match(Role.metrics, note="values of the metric that it is named after")


def _stem_in(name: str) -> str:
    return name.rpartition(".")[0] or name


def _separator_in(row: str) -> str:
    """Return what separates numbers; where it is no comma, that may be a point."""
    return next((mark for mark in ";\t," if mark in row), " ")


def _are_values(rows: Sequence[Sequence[str]], separator: str) -> bool:
    """Return whether *rows* are numbers alone or behind a count, alike in all."""
    width = len(rows[0])
    if not 1 <= width <= _D3RLPY or any(len(cells) != width for cells in rows):
        return False
    commas = Commas({}, separator)
    if any(commas.number(cells[-1]) is None for cells in rows):
        return False
    if width == _D3RLPY and any(whole(cells[0]) is None for cells in rows):
        return False
    if width == 1:
        return True
    counts = [whole(cells[-2]) for cells in rows]
    return falls_in(counts) is not None or (len(rows) == 1 and counts[0] is not None)


def _fit(rows: Sequence[Sequence[str]], names: Sequence[str]) -> bool:
    """Return whether *rows* are a step that rises, and a number for each of *names*."""
    if any(len(cells) != 1 + len(names) for cells in rows):
        return False
    if any(to_number(cell) is None for cells in rows for cell in cells[1:]):
        return False
    steps = [whole(cells[0]) for cells in rows]
    if len(steps) == 1:
        return steps[0] is not None
    return bool(steps) and falls_in(steps) is not None


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points; a number alone is stepped by its row.

    Rows are of the width of the first one.
    """
    items: list[Item] = []
    lines = lines_of(chunk, memory, items)
    yield from items
    name = chunk.path.rpartition("/")[2]
    names = _COLUMNS.get(name)
    metric = shown_name(_stem_in(name))
    for number, line in enumerate(lines, chunk.first_line):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        place = Problem(chunk.path, number, "")
        yield from (
            _row(text, metric, memory, place)
            if names is None
            else _named_row(text, names, memory, place)
        )


def _named_row(
    text: str, names: Sequence[str], memory: Memory, place: Problem
) -> Iterator[Item]:
    step, *values = map(to_number, split_cells(text, _separator_in(text)))
    if step is None or step - step != 0 or len(values) != len(names):
        yield from _bad_row(text, names[0], memory, place)
        return
    for name, value in zip(names, values, strict=True):
        if value is not None:
            yield Point(name, step, value)


def _row(text: str, metric: str, memory: Memory, place: Problem) -> Iterator[Item]:
    separator = str(memory.setdefault("separator", _separator_in(text)))
    cells = split_cells(text, separator)
    width = int(memory.setdefault("width", len(cells)) or 0)
    row = int(memory.get("row") or 0)
    memory["row"] = row + 1
    commas = Commas(memory, separator)
    if len(cells) == width <= _D3RLPY:
        commas.look_at(cells[-1:])
        value = commas.number(cells[-1])
        step = float(row) if width == 1 else commas.count(cells[-2])
        if value is not None and step is not None and step - step == 0:
            yield Point(metric, step, value)
            return
    yield from _bad_row(text, metric, memory, place)


def _bad_row(text: str, metric: str, memory: Memory, place: Problem) -> Iterator[Item]:
    if not memory.get("bad_rows"):
        told = shorten(shown(str(redact_value(metric, text))), 40)
        why = f"'{told}' is no row of numbers as the others; such rows are left out"
        yield Problem(place.path, place.line, why)
    memory["bad_rows"] = int(memory.get("bad_rows") or 0) + 1


HEADLESS = LogFormat(
    name="headless",
    matches=_matches,
    parse=_parse,
)
"""``2.31``, ``10 2.31`` or ``1,1000,0.91`` in each line: a value behind its step."""
