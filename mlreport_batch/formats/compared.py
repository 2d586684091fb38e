"""A table of results: each row is about a class, a task or a data set.

::

    class,precision,recall,support
    cat,0.91,0.88,100
    big dog,0.88,0.91,100

Its results are named as those of a JSON document of the same: ``cat/precision``.
"""

import csv
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    NotYetError,
    Result,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import (
    has_sure_step,
    is_bookkeeping,
    is_metric_name,
    words_of,
)
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.labels import is_part
from mlreport_batch.formats.kit.numbers import BLANK, to_number
from mlreport_batch.safety.encoding import to_text
from mlreport_batch.safety.masking.redact import shown_name

_MARKS: Final = {".csv": ",", ".tsv": "\t"}
_FILES: Final = frozenset(
    "benchmark benchmarks class classes eval evals evaluation evaluations metric "
    "metrics report result results score scores".split()
)
_THINGS: Final = frozenset(
    "attribute benchmark category class corpus dataset domain entity label lang "
    "language subject subset task tasks".split()
)
_ROWS_MAX: Final = 200
_NAME_MAX: Final = 80


class _Table(Struct, frozen=True):
    """Names of things, and what was measured of them.

    Attributes:
        columns: The names of the columns, that of the things first.
        rows: As many cells each.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def _matches(candidate: Candidate) -> Match | None:
    """Claim a table that is named after results, with one row for each thing."""
    suffix = stem_of(candidate.name)[1]
    if suffix not in _MARKS or _FILES.isdisjoint(words_of(candidate.name)):
        return None
    if not _may_begin(candidate.head, _MARKS[suffix]):
        return None
    whole = candidate.head
    if candidate.size > len(whole):
        whole = whole[: whole.rfind(b"\n") + 1]
    table = _table_in(to_text(whole), suffix)
    return Match(Role.context, note="a table of results") if table else None


def _may_begin(head: bytes, mark: str) -> bool:
    """Return whether the first cell may name things; most logs are told by it."""
    first = head[:_NAME_MAX].partition(mark.encode())[0]
    return _names_things(to_text(first).removeprefix("\ufeff").strip(' "\r\n'))


def _names_things(column: str) -> bool:
    return not column or not _THINGS.isdisjoint(words_of(column))


def _table_in(text: str, suffix: str) -> _Table | None:
    """Return the table that a text is, if each row is about another thing."""
    head, _, rest = text.removeprefix("\ufeff").lstrip("\r\n").partition("\n")
    mark = _MARKS.get(suffix, ",")
    try:
        columns = next(csv.reader([head], delimiter=mark), [])
        if not columns or not _is_head(columns):
            return None
        cells = csv.reader(rest.splitlines()[: _ROWS_MAX + 1], delimiter=mark)
        rows = [row for row in cells if len(row) == len(columns)]
    except csv.Error:
        return None
    things = [row[0].strip() for row in rows]
    is_about_things = 1 < len(set(things)) == len(things) <= _ROWS_MAX and all(
        0 < len(thing) <= _NAME_MAX
        and thing not in BLANK
        and to_number(thing) is None
        and not is_part(thing)
        for thing in things
    )
    return _Table(columns, rows) if is_about_things else None


def _is_head(columns: Sequence[str]) -> bool:
    """Return whether the first column names things, and others measure them."""
    first, *others = columns
    is_measured = any(map(is_metric_name, others))
    return is_measured and _names_things(first.strip()) and not has_sure_step(others)


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield a result for each number.

    Raises:
        NotYetError: It is no such table, or half of one.
    """
    table = _table_in(to_text(chunk.data), stem_of(chunk.path)[1])
    if table is None:
        raise NotYetError("no table of results so far")
    for thing, *cells in table.rows:
        for column, cell in zip(table.columns[1:], cells, strict=True):
            value = to_number(cell.strip())
            if value is not None and not is_bookkeeping(column):
                yield Result(shown_name(f"{thing.strip()}/{column.strip()}"), value)


COMPARED_ROWS = LogFormat(
    name="compared_rows",
    matches=_matches,
    parse=_parse,
    whole_file=True,
    is_sole=True,
)
"""``class,precision,recall``: one row for each thing that was evaluated."""
