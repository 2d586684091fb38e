"""A table of results: each row is about a class, a task or a data set.

::

    class,precision,recall,support
    cat,0.91,0.88,100
    big dog,0.88,0.91,100

Its results are named as those of a JSON document of the same: ``cat/precision``.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import chain
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
    is_outcome,
    words_of,
)
from mlreport_batch.formats.kit.columns import FreeNames, separator_of
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.labels import is_part
from mlreport_batch.formats.kit.numbers import BLANK, to_number
from mlreport_batch.formats.kit.rows import shown_cell
from mlreport_batch.formats.kit.text import names_separator
from mlreport_batch.safety.encoding import to_text
from mlreport_batch.safety.masking.redact import shown_name

_SUFFIXES: Final = (".csv", ".tsv")
_FILES: Final = frozenset(
    "benchmark benchmarks class classes eval evals evaluation evaluations metric "
    "metrics report result results score scores".split()
)
_FILES_KOREAN: Final = ("결과", "평가", "지표", "성능", "점수")
_THINGS: Final = frozenset(
    "attribute benchmark category class corpus dataset domain entity label lang "
    "language subject subset task tasks "
    "클래스 범주 분류 항목 과제 과목 언어 데이터셋 라벨 레이블 도메인".split()
)
_FIRST_CELL: Final = re.compile(rb"[^,;|\t\r\n]*")
_ROWS_MAX: Final = 200
_NAME_MAX: Final = 80


class _Table(Struct, frozen=True):
    """Names of things, and what was measured of them.

    Attributes:
        columns: The names of the columns, that of the things first.
        mark: What stands between the cells.
        rows: As many cells each, with the line in which they end.
        count: How many rows there are, those beyond the limit included.
        odd: The line and length of the first row of another length, if there is one.
    """

    columns: Sequence[str]
    mark: str
    rows: Sequence[tuple[int, Sequence[str]]]
    count: int
    odd: tuple[int, int] | None


def _matches(candidate: Candidate) -> Match | None:
    """Claim a table that is named after results, with one row for each thing."""
    if not (_is_of_results(candidate.name) and _may_begin(candidate.head)):
        return None
    whole = candidate.head
    if candidate.size > len(whole):
        whole = whole[: whole.rfind(b"\n") + 1]
    table = _table_in(to_text(whole))
    return Match(Role.context, note="a table of results") if table else None


def _is_of_results(name: str) -> bool:
    """Return whether a file is a table by its suffix, and named after results."""
    if stem_of(name)[1] not in _SUFFIXES:
        return False
    is_korean = any(word in name for word in _FILES_KOREAN)
    return is_korean or not _FILES.isdisjoint(words_of(name))


def _may_begin(head: bytes) -> bool:
    """Return whether the first cell may name things; most logs are told by it."""
    first = _FIRST_CELL.match(head[:_NAME_MAX])
    text = to_text(first[0]) if first else ""
    return text.startswith("sep=") or _names_things(text.strip('\ufeff "'))


def _names_things(column: str) -> bool:
    return not column or not _THINGS.isdisjoint(words_of(column))


def _table_in(text: str) -> _Table | None:
    """Return the table that a text is, if each row is about another thing."""
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    above, first = _head_of(lines)
    mark = separator_of(first)
    if mark == " ":
        return None
    reader = csv.reader(chain([first], lines), delimiter=mark)
    try:
        columns = next(reader)
        if not _is_head(columns):
            return None
        found = [(above + reader.line_num, row) for row in reader if row]
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
    columns = [column.strip() for column in columns]
    return _Table(columns, mark, fitting[:_ROWS_MAX], len(fitting), next(odd, None))


def _head_of(lines: Iterable[str]) -> tuple[int, str]:
    """Return how many lines are above the header, and it; nothing where none is."""
    for above, line in enumerate(lines):
        if line.strip() and not names_separator(line):
            return above, line
    return 0, ""


def _are_things(things: Sequence[str]) -> bool:
    return 1 < len(set(things)) == len(things) and all(
        0 < len(thing) <= _NAME_MAX
        and thing not in BLANK
        and to_number(thing) is None
        and not is_part(thing)
        for thing in things
    )


def _is_head(columns: Sequence[str]) -> bool:
    """Return whether the first column names things, and others measure them."""
    first, *others = columns
    is_measured = any(is_metric_name(name) or is_outcome(name) for name in others)
    return is_measured and _names_things(first.strip()) and not has_sure_step(others)


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield a result for each number.

    Raises:
        NotYetError: It is no such table, or half of one.
    """
    table = _table_in(to_text(chunk.data))
    if table is None:
        raise NotYetError("no table of results so far")
    width = len(table.columns)
    if table.odd is not None:
        at, count = table.odd
        text = f"{count} cells where the header has {width}; such rows are left out"
        yield Problem(chunk.path, at, text)
    if table.count > _ROWS_MAX:
        text = (
            f"{table.count:,} rows; results beyond the first {_ROWS_MAX} are left out"
        )
        yield Problem(chunk.path, None, text)
    free = FreeNames(table.columns)
    measured = [
        (index, free.name_like(column))
        for index, column in enumerate(table.columns)
        if index and not is_bookkeeping(column)
    ]
    commas = Commas(memory, table.mark)
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
