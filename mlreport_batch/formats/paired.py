"""Logs that two columns count together, one of which has a name that nobody knows.

``cycle,epoch`` and ``resolution,epoch``: the epochs begin again in each. ``epoch,i``:
so do the batches. The rows at the top of the file tell which column that is.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import pairwise, takewhile
from typing import Final

from mlreport_batch.formats import (
    Candidate,
    LogFormat,
    Match,
    Role,
)
from mlreport_batch.formats.counted import COLUMNS, may_count, read_by, rows_below
from mlreport_batch.formats.csv_log import CSV_LOG
from mlreport_batch.formats.kit.bookkeeping import EPOCH_RANKS, is_index, step_rank
from mlreport_batch.formats.kit.columns import Header, header_of
from mlreport_batch.formats.kit.counting import whole
from mlreport_batch.formats.kit.tables import header_in, is_table
from mlreport_batch.formats.kit.text import filled, head_lines

_ROWS_MIN: Final = 4

_Pairs = Sequence[tuple[float, float]]


@lru_cache(maxsize=2)
def _beside(head: bytes, size: int) -> int | None:
    """Return the index of the column that counts beside the one of a known name."""
    lines = filled(head_lines(head, size))
    header = next(filter(None, map(header_in, lines)), None)
    layout = None if header is None else header.layout
    if header is None or layout is None or layout.step is None:
        return None
    rows = list(rows_below(header, lines)) if layout.epoch is None else []
    if len(rows) < _ROWS_MIN:
        return None
    known = _whole_in(rows, layout.step)
    for at, name in enumerate(header.names[:COLUMNS]):
        if at == layout.step or not (may_count(name) or is_index(name)):
            continue
        pairs = list(zip(known, _whole_in(rows, at), strict=False))
        counts = _are_batches if _is_inner(header, at) else _begins_again
        if len(pairs) == len(rows) and counts(pairs):
            return at
    return None


def _whole_in(rows: Sequence[list[str]], at: int) -> list[float]:
    """Return the whole numbers in a column, up to the first cell that is none."""
    found = map(whole, (cells[at] for cells in rows))
    return [value for value in takewhile(_is_there, found) if value is not None]


def _is_there(value: float | None) -> bool:
    return value is not None


def _is_inner(header: Header, at: int) -> bool:
    step = header.layout.step
    is_epoch = step is not None and step_rank(header.names[step]) in EPOCH_RANKS
    return is_epoch and is_index(header.names[at])


def _are_batches(pairs: _Pairs) -> bool:
    """Return whether (epoch, batch) rise together, several batches an epoch."""
    is_rising = all(before < after for before, after in pairwise(pairs))
    return is_rising and len({epoch for epoch, _ in pairs}) < len(pairs)


def _begins_again(pairs: _Pairs) -> bool:
    """Return whether steps begin again where, and only where, another count rises."""
    first, falls = pairs[0][0], 0
    for (step, other), (next_step, next_other) in pairwise(pairs):
        if next_step > step:
            if next_other != other:
                return False
        elif next_step != first or next_other <= other:
            return False
        else:
            falls += 1
    return falls > 0


def _matches(candidate: Candidate, *, column: int) -> Match | None:
    """Claim a log of which *column* counts beside the one that is known to."""
    if not is_table(candidate) or _beside(candidate.head, candidate.size) != column:
        return None
    if CSV_LOG.matches(candidate) is None:
        return None
    return Match(
        Role.metrics, note=f"CSV; column {column + 1} counts the steps as well"
    )


def _header(line: str, *, column: int) -> Header | None:
    found = header_in(line)
    step = None if found is None else found.layout.step
    if found is None or step is None or not column < found.layout.width:
        return found
    inner, outer = (column, step) if _is_inner(found, column) else (step, column)
    mark = found.layout.separator
    made = header_of(line, mark, names=found.names, step=inner, outer=outer)
    return found if made is None else made


def _paired(column: int) -> LogFormat:
    return read_by(
        f"csv_paired_{column + 1}",
        partial(_matches, column=column),
        partial(_header, column=column),
    )


PAIRED_CSV = tuple(map(_paired, range(COLUMNS)))
"""``cycle,epoch,loss`` and ``epoch,i,loss``: no row overtakes another one."""
