"""Any other table that is a log and not a data set."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import (
    has_sure_step,
    is_measure,
)
from mlreport_batch.formats.kit.columns import (
    Header,
    bulk_layout,
    split_cells,
)
from mlreport_batch.formats.kit.commas import Commas, sign_in
from mlreport_batch.formats.kit.numbers import BLANK, to_number
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.tables import header_in, is_table, table_lines
from mlreport_batch.formats.kit.text import filled, head_lines
from mlreport_batch.formats.kit.trainings import (
    is_trajectory,
    may_lack_steps,
    tells_of_training,
)

_SCANNED = 20
_FEW = 3
_THINGS = frozenset(
    "model models name method algorithm experiment exp run config file filename path "
    "image sample dataset backbone architecture arch variant".split()
)
_WORD = re.compile(r"[a-z]+")
_DATE = re.compile(r"\d{2,4}[-/.:]\d{1,2}")


def _matches(candidate: Candidate) -> Match | None:
    """Claim a table of numbers that counts steps or sounds like metrics."""
    if not is_table(candidate):
        return None
    lines = table_lines(candidate)
    header = header_in(lines[0]) if lines else None
    if header is None or not header.layout.metrics:
        return None
    has_rows = len(lines) > 1
    if has_rows and not _has_number(header, lines[1:_SCANNED]):
        # What is wrong with the values of a sure log is told by its reader.
        is_log = has_sure_step(header.names) and any(map(is_measure, header.names))
        return Match(Role.metrics, note="CSV with a step column") if is_log else None
    names = header.names
    has_step = header.layout.step is not None and tells_of_training(names)
    if has_step or has_sure_step(names):
        note = "CSV with a step column"
        return None if is_trajectory(names) else Match(Role.metrics, note=note)
    if may_lack_steps(candidate.name, names) and not compares(header, lines[1:]):
        return Match(Role.metrics, note="CSV with metrics")
    return None


def why_no_log(candidate: Candidate) -> str:
    """Return why a table that nobody claims is no log; nothing for what is none."""
    if not is_table(candidate):
        return ""
    lines = table_lines(candidate)
    header = header_in(lines[0]) if lines else None
    if header is None or not _has_number(header, lines[1:_SCANNED]):
        return ""
    if is_trajectory(header.names):
        return "a table of what an agent did: it has actions beside rewards or states"
    if compares(header, lines[1:]):
        return "a table that compares: each row is about another thing"
    return "a table, but no column counts steps and no name tells of a training"


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row."""
    return read_rows(chunk, memory, header_in)


def compares(header: Header, rows: Sequence[str]) -> bool:
    """Return whether each row is about another thing: a model, a sample, a file.

    Then a column of text says in every row something else. Of fewer than three rows
    only the column's name tells that from the parts of one training.
    """
    columns = zip(*_values(header, rows), strict=True)
    for (at, _), cells in zip(header.layout.metrics, columns, strict=False):
        is_text = all(cell not in BLANK and to_number(cell) is None for cell in cells)
        is_thing = len(cells) >= _FEW or not _THINGS.isdisjoint(
            _WORD.findall(header.names[at].lower())
        )
        if not is_text or not is_thing or any(map(_DATE.match, cells)):
            continue
        if len(set(cells)) == len(cells):
            return True
    return False


def _has_number(header: Header, rows: list[str]) -> bool:
    """Return whether one of the first rows has a number where a metric may stand."""
    commas = Commas({}, header.layout.separator)
    return any(
        commas.number(cell) is not None
        for values in _values(header, rows)
        for cell in values
    )


def _values(header: Header, rows: Iterable[str]) -> Iterator[list[str]]:
    """Yield the cells of each of *rows* in which metrics may stand."""
    layout = header.layout
    for row in rows:
        cells = split_cells(row, layout.separator)
        if len(cells) == layout.width and tuple(cells) != header.names:
            yield [cells[at] for at, _ in layout.metrics]


CSV_LOG = LogFormat(
    name="csv",
    matches=_matches,
    parse=_parse,
    bulk_layout=partial(bulk_layout, build=header_in),
)
"""A table with a step column, with metrics for names, or named a log."""


def _matches_decimal(candidate: Candidate) -> Match | None:
    """Claim a log whose first numbers would be misread without what follows them."""
    if b"," not in candidate.head or not is_table(candidate):
        return None
    lines = filled(head_lines(candidate.head, candidate.size))
    header = next(filter(None, map(header_in, lines)), None)
    mark = "" if header is None else header.layout.separator
    # Between commas, one that is none of them stands in quotes.
    is_sure = mark in ("", ";") or (mark == "," and b'"' not in candidate.head)
    if is_sure or header is None or _matches(candidate) is None:
        return None
    is_unsure = False
    for values in _values(header, lines):
        sign = next(filter(None, map(sign_in, values)), "")
        if sign:
            is_needed = is_unsure and sign == "decimal"
            note = "CSV with decimal commas"
            return Match(Role.metrics, note=note) if is_needed else None
        is_unsure = is_unsure or any("," in cell for cell in values)
    return None


def _parse_decimal(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row."""
    return read_rows(chunk, memory, header_in, is_decimal=True)


DECIMAL_CSV = LogFormat(
    name="csv_decimal",
    matches=_matches_decimal,
    parse=_parse_decimal,
    is_sole=True,
)
"""A log that begins with ``"1,204"`` and goes on with ``"0,935"``: both are decimal."""
