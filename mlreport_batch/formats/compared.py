"""A table of results: each row is about a class, a task or a data set.

::

    class,precision,recall,support
    cat,0.91,0.88,100
    big dog,0.88,0.91,100

Its results are named as those of a JSON document of the same: ``cat/precision``.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import islice
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
    Problem,
    Result,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import (
    has_sure_step,
    is_bookkeeping,
    is_measure,
    is_metric_name,
    words_of,
)
from mlreport_batch.formats.kit.columns import FreeNames
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.labels import is_part
from mlreport_batch.formats.kit.numbers import BLANK, to_number
from mlreport_batch.formats.kit.rows import shown_cell
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
        rows: As many cells each, with the line in which they end.
        odd: The line and length of the first row of another length, if there is one.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]
    odd: tuple[int, int] | None


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
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    reader = csv.reader(lines, delimiter=_MARKS.get(suffix, ","))
    try:
        columns = next(filter(None, reader), [])
        if not columns or not _is_head(columns):
            return None
        found = [(reader.line_num, row) for row in islice(reader, _ROWS_MAX + 1) if row]
    except csv.Error:
        return None
    width = len(columns)
    fitting = [
        (at, [cell.strip() for cell in row[:width]])
        for at, row in found
        if len(row) >= width and not any(row[width:])
    ]
    if not _are_things([row[0] for _, row in fitting]):
        return None
    if found and not text.endswith(("\n", "\r")):
        del found[-1]  # it may be half of a row
    odd = ((at, len(row)) for at, row in found if len(row) < width or any(row[width:]))
    return _Table([column.strip() for column in columns], fitting, next(odd, None))


def _are_things(things: Sequence[str]) -> bool:
    return 1 < len(set(things)) == len(things) <= _ROWS_MAX and all(
        0 < len(thing) <= _NAME_MAX
        and thing not in BLANK
        and to_number(thing) is None
        and not is_part(thing)
        for thing in things
    )


def _is_head(columns: Sequence[str]) -> bool:
    """Return whether the first column names things, and others measure them."""
    first, *others = columns
    is_measured = any(map(is_metric_name, others))
    return is_measured and _names_things(first.strip()) and not has_sure_step(others)


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield a result for each number.

    Raises:
        NotYetError: It is no such table, or half of one.
    """
    table = _table_in(to_text(chunk.data), stem_of(chunk.path)[1])
    if table is None:
        raise NotYetError("no table of results so far")
    width = len(table.columns)
    if table.odd is not None:
        at, count = table.odd
        text = f"{count} cells where the header has {width}; such rows are left out"
        yield Problem(chunk.path, at, text)
    free = FreeNames(table.columns)
    measured = [
        (index, free.name_like(column))
        for index, column in enumerate(table.columns)
        if index and not is_bookkeeping(column)
    ]
    commas = Commas(memory)
    told: set[int] = set()
    for at, cells in table.rows:
        commas.look_at(cells[1:])
        for index, name in measured:
            cell = cells[index]
            value = commas.number(cell)
            if value is not None:
                yield Result(shown_name(f"{cells[0]}/{name}"), value)
            elif is_measure(name) and cell not in BLANK and index not in told:
                told.add(index)
                text = (
                    f"'{shown_cell(name, cell)}' for {shown_name(name)} is no number; "
                    "such cells are left out"
                )
                yield Problem(chunk.path, at, text)


COMPARED_ROWS = LogFormat(
    name="compared_rows",
    matches=_matches,
    parse=_parse,
    whole_file=True,
    is_sole=True,
)
"""``class,precision,recall``: one row for each thing that was evaluated."""
