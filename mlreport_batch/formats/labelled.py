"""Rows that say in a cell what they are about: a metric, a data split, a training.

Without this, the values of several metrics would be taken for one curve.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Point,
    Result,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import has_sure_step, is_log_name
from mlreport_batch.formats.kit.columns import Header, build_header, split_cells
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.labels import (
    Labels,
    is_kind,
    is_numbered,
    is_part,
    is_shared,
    named_column,
    of_training,
    training_column,
    under,
)
from mlreport_batch.formats.kit.numbers import BLANK, to_number
from mlreport_batch.formats.kit.rows import ANEW, read_rows
from mlreport_batch.formats.kit.tables import is_table
from mlreport_batch.formats.kit.text import filled, first_text, head_lines
from mlreport_batch.safety.clean import Scalar
from mlreport_batch.safety.masking.redact import shown_name

_OF_NUMBERS = re.sub(rb"[A-DF-Za-df-z]", b"", bytes(range(0x80)))
"""What no text is made of alone: an e may be an exponent's."""


def _first_header(candidate: Candidate) -> Header | None:
    if not is_table(candidate):
        return None
    return build_header(next(filled(head_lines(candidate.head, candidate.size)), ""))


def _matches_named_rows(candidate: Candidate) -> Match | None:
    """Claim a table with a column of names and one of values."""
    header = _first_header(candidate)
    if header is None or named_column(header.names) is None:
        return None
    if header.layout.step is not None:
        return Match(Role.metrics, note="a metric's name and value in each row")
    stem = stem_of(candidate.name)[0]
    if not is_log_name(stem):
        return None
    role = Role.metrics if stem in ("metrics", "results") else Role.context
    return Match(role, note="a result's name and value in each row")


def _parse_named_rows(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points; results where nothing counts steps."""
    header = build_header(first_text(chunk.header))
    has_step = header is None or header.layout.step is not None
    for item in read_rows(chunk, memory, rename=_by_name):
        if isinstance(item, Point) and not has_step:
            yield Result(item.metric, item.value)
        else:
            yield item


NAMED_ROWS = LogFormat(
    name="named_rows",
    matches=_matches_named_rows,
    parse=_parse_named_rows,
)
"""``step,metric,value``: one value a row, and its name in a cell."""


def _matches_training_rows(candidate: Candidate) -> Match | None:
    """Claim a log in which the steps of one training come again in another."""
    header = _first_header(candidate)
    at = None if header is None else training_column(header.names)
    if header is None or at is None or header.layout.step is None:
        return None
    if len(header.layout.metrics) < 2:  # noqa: PLR2004
        return None
    rows = filled(head_lines(candidate.head, candidate.size))
    told = list(_trainings(header, at, rows))
    if not all(is_numbered(header.names[at], training) for training, _ in told):
        return None
    if not is_shared(told):
        return None
    return Match(Role.metrics, note="CSV with a step column and several trainings")


def _parse_training_rows(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row, under the name of its training."""
    return read_rows(chunk, memory, rename=_by_training)


TRAINING_ROWS = LogFormat(
    name="training_rows",
    matches=_matches_training_rows,
    parse=_parse_training_rows,
    is_sole=True,
)
"""``fold,epoch,loss``: several trainings, one after the other or in turns."""


def _matches_split_rows(candidate: Candidate) -> Match | None:
    """Claim a log with a step column and one whose texts tell its rows apart."""
    header = _first_header(candidate)
    if header is None or not has_sure_step(header.names):
        return None
    if len(_telling(header.names, header.layout.metrics)) < 2:  # noqa: PLR2004
        return None
    has_kind = any(map(is_kind, header.names))
    body = candidate.head.partition(b"\n")[2]
    has_texts = body.translate(None, _OF_NUMBERS)
    if not has_texts and (body.strip() or not has_kind):
        return None
    rows = list(_rows(header, filled(head_lines(candidate.head, candidate.size))))
    if not has_kind and not _tells_apart(header, rows):
        return None
    if rows and not any(_texts_in(header, cells) for cells in rows):
        return None
    return Match(Role.metrics, note="CSV with a step column and kinds of rows")


def _parse_split_rows(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row, under the words that tell it from others."""
    rename = _ByLabels(memory)
    yield from read_rows(chunk, memory, rename=rename)
    rename.labels.remember()


SPLIT_ROWS = LogFormat(
    name="split_rows",
    matches=_matches_split_rows,
    parse=_parse_split_rows,
    is_sole=True,
)
"""``epoch,phase,loss``: rows of training and validation take turns."""


class _ByLabels:
    """Names a column by the texts in its row, as far as they tell rows apart."""

    def __init__(self, memory: Memory) -> None:
        self.labels = Labels(memory)
        self._memory = memory
        self._cells: list[str] = []
        self._texts: dict[str, str] = {}
        self._words: list[str] = []

    def __call__(self, header: Header, cells: list[str], name: str) -> str:
        is_first = cells is not self._cells
        if is_first:
            self._cells, self._texts = cells, _texts_in(header, cells)
            self._words = self.labels.of(self._texts)
        metric = under(self._words, name)
        if is_first and name in self._texts:
            self._cells = []
        elif is_first:
            step = header.layout.step
            at = None if step is None else to_number(cells[step])
            self.labels.watch(name, self._texts, at)
            if any(self.labels.items()):
                self._memory[ANEW] = True
        return metric


def _tells_apart(header: Header, rows: Iterable[list[str]]) -> bool:
    """Return whether texts in the first rows tell those of one step apart."""
    memory: dict[str, Scalar] = {}
    rename = _ByLabels(memory)
    for cells in rows:
        for at, name in header.layout.metrics:
            if to_number(cells[at]) is not None:
                rename(header, cells, name)
        if memory.get(ANEW):
            return True
    return False


def _rows(header: Header, lines: Iterable[str]) -> Iterator[list[str]]:
    for line in lines:
        cells = split_cells(line, header.layout.separator)
        if len(cells) == header.layout.width and tuple(cells) != header.names:
            yield cells


def _texts_in(header: Header, cells: list[str]) -> dict[str, str]:
    """Return the texts of a row that may say what it is about, by their columns."""
    return {
        name: cell
        for at, name in _telling(header.names, header.layout.metrics)
        if (cell := cells[at])[:1].isalpha()
        and cell not in BLANK
        and to_number(cell) is None
    }


@lru_cache(maxsize=64)
def _telling(
    names: tuple[str, ...], metrics: tuple[tuple[int, str], ...]
) -> list[tuple[int, str]]:
    """Return the columns where metrics may stand, or kinds: a ``stage`` may be both."""
    wanted = {at for at, _ in metrics}
    return [
        (at, name) for at, name in enumerate(names) if at in wanted or is_kind(name)
    ]


def _by_name(header: Header, cells: list[str], name: str) -> str:
    """Return the metric that a row names, or nothing for its other columns."""
    found = named_column(header.names)
    if found is None:
        return name
    of_name, of_value = found
    if name != header.names[of_value]:
        return ""
    metric = shown_name(cells[of_name])
    return _by_part(header, cells, metric) if metric else ""


def _by_part(header: Header, cells: list[str], name: str) -> str:
    """Return a metric under the part of the data that its row says it is about."""
    texts = _texts_in(header, cells)
    return under((t for n, t in texts.items() if is_part(t) and is_kind(n)), name)


def _trainings(
    header: Header, at: int, rows: Iterable[str]
) -> Iterator[tuple[str, float | None]]:
    """Yield training and step of each of the first rows."""
    step = header.layout.step
    for cells in _rows(header, rows):
        if step is not None:
            yield cells[at], to_number(cells[step])


def _by_training(header: Header, cells: list[str], name: str) -> str:
    at = training_column(header.names)
    if at is None:
        return _by_part(header, cells, name)
    if name == header.names[at]:
        return ""
    return of_training(header.names[at], cells[at], _by_part(header, cells, name))
