"""Rows that say in a cell what they are about: a metric, a data split, a training.

Without this, the values of several metrics would be taken for one curve.
"""

from collections.abc import Iterable, Iterator

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
    is_shared,
    labelled,
    named_column,
    of_training,
    split_column,
    training_column,
)
from mlreport_batch.formats.kit.numbers import to_number
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.tables import is_table
from mlreport_batch.formats.kit.text import filled, first_text, head_lines
from mlreport_batch.safety.masking.redact import shown_name


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
    if header is None or at is None or not has_sure_step(header.names):
        return None
    if len(header.layout.metrics) < 2:  # noqa: PLR2004
        return None
    rows = filled(head_lines(candidate.head, candidate.size))
    if not is_shared(_trainings(header, at, rows)):
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
    """Claim a log with a step column and a column named after splits."""
    header = _first_header(candidate)
    if header is None or split_column(header.names) is None:
        return None
    if not has_sure_step(header.names) or len(header.layout.metrics) < 2:  # noqa: PLR2004
        return None
    return Match(Role.metrics, note="CSV with a step column and a split")


def _parse_split_rows(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row, under the name of its split."""
    return read_rows(chunk, memory, rename=_by_split)


SPLIT_ROWS = LogFormat(
    name="split_rows",
    matches=_matches_split_rows,
    parse=_parse_split_rows,
)
"""``epoch,phase,loss``: rows of training and validation take turns."""


def _by_name(header: Header, cells: list[str], name: str) -> str:
    """Return the metric that a row names, or nothing for its other columns."""
    found = named_column(header.names)
    if found is None:
        return name
    of_name, of_value = found
    if name != header.names[of_value]:
        return ""
    metric = shown_name(cells[of_name])
    at = split_column(header.names)
    return labelled(cells[at], metric) if metric and at is not None else metric


def _by_split(header: Header, cells: list[str], name: str) -> str:
    at = split_column(header.names)
    return name if at is None else labelled(cells[at], name)


def _trainings(
    header: Header, at: int, rows: Iterable[str]
) -> Iterator[tuple[str, float | None]]:
    """Yield training and step of each of the first rows."""
    step = header.layout.step
    for row in rows:
        cells = split_cells(row, header.layout.separator)
        if len(cells) == header.layout.width and step is not None:
            yield cells[at], to_number(cells[step])


def _by_training(header: Header, cells: list[str], name: str) -> str:
    at = training_column(header.names)
    if at is None:
        return _by_split(header, cells, name)
    if name == header.names[at]:
        return ""
    return of_training(header.names[at], cells[at], _by_split(header, cells, name))
