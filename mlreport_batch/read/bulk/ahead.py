"""Read much new CSV data at once: the rows of many logs in one call of pandas.

Line by line a log is read at a tenth of the speed, which does not matter for the
few kilobytes of an ordinary tick, and matters for a backlog. Rows of logs with the
same columns are joined to some megabytes, parsed together and folded with NumPy, log
by log and column by column, into the very summaries that `fold` makes of points.

Only rows of plain numbers are read so. Anything else in a chunk (text, NaN, quotes, a
row of another length, a step that goes back) leaves that chunk to its format.
"""

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self, TypeVar

from msgspec import Struct

from mlreport_batch.find.tail import Cursor, LogReader
from mlreport_batch.formats import BulkLayout, Chunk, LogFormat, Memory
from mlreport_batch.read.bulk.rows import (
    Folded,
    Rows,
    counts_of,
    fold_rows,
    goes_on,
    remember,
    rows_of,
)
from mlreport_batch.read.fold import LogFold
from mlreport_batch.read.summary import MetricSummary

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

WORTH_BYTES: Final = 6 << 20
"""New bytes from which on importing pandas costs less than it saves."""
GROUP_BYTES: Final = 6 << 20
AHEAD_BYTES: Final = 32 << 20
SMALL_BYTES: Final = 4 << 20
"""Logs with more new bytes are read by themselves, chunk after chunk."""
ALONE_BYTES: Final = 256 << 10
THREADS: Final = 2

_T = TypeVar("_T")


def is_worth(size: int, of_all: float = 1.0) -> bool:
    """Return whether *size* new bytes are worth reading in bulk.

    Args:
        size: New bytes of a batch.
        of_all: Which share of all that is to be read this batch is, from 0 to 1: what
            pandas costs to be imported is saved by all of it.
    """
    if "pandas" in sys.modules:
        return size >= ALONE_BYTES
    return size >= max(ALONE_BYTES, WORTH_BYTES * of_all)


class Unread(Struct, frozen=True):
    """A log that a reading will read on.

    Attributes:
        path: The file.
        log_format: How it is read.
        size: Its new bytes, as far as the last listing knows.
        since: Where the last reading stopped; None reads from zero.
        use_open_line: See `LogReader`.
        memory: What the format's reader kept.
        metrics: What was folded so far.
        prefix: Put before every metric name, with ``/`` between.
    """

    path: str
    log_format: LogFormat
    size: int
    since: Cursor | None
    use_open_line: bool
    memory: Memory
    metrics: Mapping[str, MetricSummary]
    prefix: str


_Read = list[tuple[LogReader | None, Folded | None]]
"""The logs of one group: read ahead, and folded where they are plain numbers."""


class _Group(Struct):
    """Logs that are read together: a future of `_Read` once that has begun."""

    logs: list[Unread]
    size: int = 0
    future: "Future[_Read] | None" = None


class Bulk:
    """Reads the logs of a batch of runs ahead, and folds their rows.

    Use it as a context manager: ``ahead()`` yields the runs of the batch while their
    logs are read, `reader` and `fold` give what was read.
    """

    def __init__(self) -> None:
        # Linear algebra is not used here; its threads would cost time to start, and
        # a process that has threads is no good to fork.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        self._open = _Group([])
        self._places: dict[str, tuple[_Group, int]] = {}
        self._folded: dict[tuple[str, int], Folded] = {}
        self._bytes_ahead = 0
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def ahead(self, runs: Iterable[tuple[_T, Sequence[Unread]]]) -> Iterator[_T]:
        """Yield the first of each pair in order, while the logs of others are read."""
        waiting: deque[_T] = deque()
        for run, logs in runs:
            for log in logs:
                if 0 < log.size <= SMALL_BYTES:
                    self._add(log)
            waiting.append(run)
            while waiting and self._bytes_ahead > AHEAD_BYTES:
                yield waiting.popleft()
        if self._open.logs:
            self._begin()
        yield from waiting

    def _add(self, log: Unread) -> None:
        group = self._open
        self._places[log.path] = (group, len(group.logs))
        group.logs.append(log)
        group.size += log.size
        self._bytes_ahead += log.size
        if group.size >= GROUP_BYTES:
            self._begin()

    def _begin(self) -> None:
        """Have the open group read in the background, and open another one."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(THREADS)
        group, self._open = self._open, _Group([])
        group.future = self._pool.submit(_read_group, group.logs)

    def reader(
        self, path: str, since: Cursor | None, *, use_open_line: bool
    ) -> LogReader | None:
        """Return the reader of a log that was read ahead from *since* on, once."""
        found = self._places.pop(path, None)
        if found is None:
            return None
        group, index = found
        if group.future is None:
            self._begin()
        log = group.logs[index]
        self._bytes_ahead -= log.size
        if group.future is None or (since, use_open_line) != (
            log.since,
            log.use_open_line,
        ):
            return None
        reader, folded = group.future.result()[index]
        group.future.result()[index] = (None, None)
        if reader is not None and folded is not None:
            self._folded[path, folded.start] = folded
        return reader

    def fold(
        self,
        log_format: LogFormat,
        chunk: Chunk,
        memory: Memory,
        fold: LogFold,
        prefix: str,
    ) -> bool:
        """Fold the rows of *chunk* in, or return False if its format must read it."""
        known = fold.folded()
        if known is None:
            return False
        folded = self._folded.pop((chunk.path, chunk.start), None)
        if folded is None:
            if len(chunk.data) < ALONE_BYTES:
                return False
            lines = chunk.data.count(b"\n")
            rows = rows_of(log_format, chunk, lines, memory, known, prefix)
            folded = None if rows is None else fold_rows([rows])[0]
        if folded is None or folded.counts != counts_of(known):
            return False
        if not goes_on(memory, folded):
            return False
        if not fold.join(folded.parts, folded.steps[0]):
            return False
        remember(memory, chunk, folded, prefix)
        return True


def _read_group(logs: Sequence[Unread]) -> _Read:
    """Read *logs* into memory and fold the rows of those with the same layout."""
    try:
        return _read_together(logs)
    except Exception:  # noqa: BLE001 - then they are read one by one, and that says it
        return [(None, None) for _ in logs]


def _read_together(logs: Sequence[Unread]) -> _Read:
    read: _Read = []
    same: dict[tuple[BulkLayout, bool], list[tuple[int, Rows]]] = {}
    for index, log in enumerate(logs):
        reader, rows = _read_log(log)
        read.append((reader, None))
        if rows is not None:
            same.setdefault((rows.layout, rows.texts), []).append((index, rows))
    for found in same.values():
        folded = fold_rows([rows for _, rows in found])
        for (index, _), one in zip(found, folded, strict=True):
            read[index] = (read[index][0], one)
    return read


def _read_log(log: Unread) -> tuple[LogReader | None, Rows | None]:
    try:
        reader = LogReader(log.path, log.since, use_open_line=log.use_open_line)
        if reader.unread_bytes > SMALL_BYTES:
            with reader:
                return None, None
        chunks = reader.read_ahead()
    except OSError:
        return None, None  # the ordinary path meets it too, and says it
    if not chunks or reader.skipped_lines:
        return reader, None
    chunk, zero = chunks[0], reader.is_from_zero
    end = chunks[1].first_line if len(chunks) > 1 else reader.cursor.lines + 1
    memory = {} if zero else log.memory
    known = {} if zero else log.metrics
    lines = end - chunk.first_line
    return reader, rows_of(log.log_format, chunk, lines, memory, known, log.prefix)
