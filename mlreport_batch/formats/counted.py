"""Logs whose steps have a name that nobody knows: a column that counts is one.

The rows at the top of the file tell which column that is; each one it can be has a
format of its own, so that reading needs no second look at rows that are gone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Final

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
)
from mlreport_batch.formats.csv_log import CSV_LOG
from mlreport_batch.formats.json_lines import JSON_LINES
from mlreport_batch.formats.kit.bookkeeping import (
    is_bookkeeping,
    is_count,
    is_measure,
)
from mlreport_batch.formats.kit.columns import (
    Build,
    Header,
    bulk_layout,
    header_of,
    split_cells,
)
from mlreport_batch.formats.kit.counting import falls_in, whole
from mlreport_batch.formats.kit.lines import (
    numbers_in,
    object_in,
    read_json_lines,
    step_in,
)
from mlreport_batch.formats.kit.numbers import is_word, value_of
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.tables import header_in, is_table
from mlreport_batch.formats.kit.text import filled, first_text, head_lines
from mlreport_batch.formats.kit.trainings import (
    is_sample,
    may_lack_steps,
)

COLUMNS: Final = 8
_LINES: Final = (".jsonl", ".ndjson", ".jsonlines")


def may_count(name: str) -> bool:
    """Return whether a column of this *name* may count steps, if its cells say so."""
    return not is_bookkeeping(name) and not is_measure(name)


@lru_cache(maxsize=2)
def _counting(head: bytes, size: int) -> tuple[int, Header] | None:
    """Return the index of the column of a table that counts, and its header.

    One that rises in every row goes before one that was resumed.
    """
    lines = filled(head_lines(head, size))
    header = next(filter(None, map(header_in, lines)), None)
    if header is None or header.layout.step is not None or not header.layout.metrics:
        return None
    rows = list(rows_below(header, lines))
    if len(rows) < 2:  # noqa: PLR2004 - one row tells nothing
        return None
    found: list[tuple[bool, int]] = []
    for at, name in enumerate(header.names[:COLUMNS]):
        if not may_count(name):
            continue
        values = [whole(cell) for cell in _counted_in(rows, at)]
        falls = falls_in(values)
        if falls is not None or (is_count(name) and _are_distinct(values)):
            found.append((falls != 0, at))
    return (min(found)[1], header) if found else None


def _are_distinct(values: Sequence[float | None]) -> bool:
    return None not in values and len(set(values)) == len(values)


def _counted_in(rows: Sequence[list[str]], at: int) -> list[str]:
    """Return the cells of a column but for words at its end: ``mean`` below numbers."""
    cells = [row[at] for row in rows]
    while len(cells) > 1 and is_word(cells[-1]):
        del cells[-1]
    return cells


def rows_below(header: Header, lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the cells of those *lines* that are rows of the *header*."""
    for line in lines:
        cells = split_cells(line, header.layout.separator)
        if len(cells) == header.layout.width and tuple(cells) != header.names:
            yield cells


def _has_subject(header: Header, at: int, rows: Sequence[list[str]]) -> bool:
    """Return whether before the count stands another thing in every row: a model."""
    for before in range(at):
        words = {row[before] for row in rows if is_word(row[before])}
        if len(words) == len(rows) and not is_bookkeeping(header.names[before]):
            return True
    return False


def _is_log(candidate: Candidate, at: int, header: Header) -> bool:
    """Return whether the table would be a log if its steps had a known name."""
    lines = filled(head_lines(candidate.head, candidate.size))
    if _has_subject(header, at, list(rows_below(header, lines))):
        return False
    if CSV_LOG.matches(candidate) is not None:
        return True
    others = (*header.names[:at], *header.names[at + 1 :])
    return not is_sample(header.names) and may_lack_steps(candidate.name, others)


def _matches(candidate: Candidate, *, column: int) -> Match | None:
    """Claim a table whose *column* is the first that counts, where none is named so."""
    if not is_table(candidate):
        return None
    found = _counting(candidate.head, candidate.size)
    if found is None or found[0] != column or not _is_log(candidate, *found):
        return None
    return Match(Role.metrics, note=f"CSV; column {column + 1} counts the steps")


def _header(line: str, *, column: int) -> Header | None:
    found = header_in(line)
    if found is None or found.layout.step is not None:
        return found
    layout = found.layout
    if column >= layout.width:
        return found
    made = header_of(line, layout.separator, names=found.names, step=column)
    return found if made is None else made


def _parse(chunk: Chunk, memory: Memory, *, build: Build) -> Iterable[Item]:
    """Yield the points of each row."""
    return read_rows(chunk, memory, build)


def read_by(
    name: str, matches: Callable[[Candidate], Match | None], build: Build
) -> LogFormat:
    """Return the format of a CSV whose rows tell how its header is to be taken."""
    return LogFormat(
        name=name,
        matches=matches,
        parse=partial(_parse, build=build),
        is_sole=True,
        bulk_layout=partial(bulk_layout, build=build),
    )


def _counted(column: int) -> LogFormat:
    return read_by(
        f"csv_counted_{column + 1}",
        partial(_matches, column=column),
        partial(_header, column=column),
    )


COUNTED_CSV = tuple(map(_counted, range(COLUMNS)))
"""``interactions,loss``: no name of a step, and a column of whole numbers that rises.

The first such column counts the steps and is no metric. One row is no rise: such a log
is read as any other CSV until it has two.
"""


def _key_in(line: str) -> str:
    """Return the first key of a row that may count steps, or nothing."""
    entry = object_in(line)
    if entry is None or step_in(entry) is not None:
        return ""
    for key, item in entry.items():
        value = None if isinstance(item, str) else value_of(item)
        if value is not None and value.is_integer() and value >= 0 and may_count(key):
            return key
    return ""


def _are_log_lines(candidate: Candidate, first: str, key: str) -> bool:
    """Return whether the lines would be a log if *key* had the name of a step."""
    if JSON_LINES.matches(candidate) is not None:
        return True
    if not candidate.name.lower().endswith(_LINES) or is_sample((key,)):
        return False
    others = [name for name in numbers_in(first) or () if name != key]
    return bool(others) and may_lack_steps(candidate.name, others)


def _matches_lines(candidate: Candidate) -> Match | None:
    """Claim JSON lines without a known step whose first key of whole numbers counts."""
    first = first_text(candidate.head.partition(b"\n")[0])
    key = _key_in(first) if first.startswith("{") else ""
    if not key or not _are_log_lines(candidate, first, key):
        return None
    lines = filled(head_lines(candidate.head, candidate.size))
    rows = [row for line in lines if (row := object_in(line)) is not None]
    if len(rows) < 2 or any(step_in(row) is not None for row in rows):  # noqa: PLR2004
        return None
    values = [value_of(row.get(key)) for row in rows]
    if any(value is None or not value.is_integer() for value in values):
        return None
    if falls_in(values) is None:
        return None
    return Match(Role.metrics, note="JSON lines; their first whole number counts")


def _parse_lines(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row; the first one says which key counts."""
    key = _key_in(first_text(chunk.header))
    return read_json_lines(
        chunk, memory, steps=(key,), leave_out=(key,), is_labelled=True
    )


COUNTED_LINES = LogFormat(
    name="lines_counted",
    matches=_matches_lines,
    parse=_parse_lines,
    is_sole=True,
)
"""JSON lines such as ``{"interactions": 10, "loss": 0.5}``."""
