"""Read much new data at once: the rows or records of many logs in one call.

One by one they are read at a tenth of the speed, which does not matter for the few
kilobytes of an ordinary tick, and matters for a backlog. Rows with the same columns,
and records of the same format, are joined to some megabytes, read together and folded
with NumPy, log by log and metric by metric, into the very summaries that `fold` makes
of points.

Only plain numbers are read so. Anything else in a chunk (text, NaN, quotes, a row of
another length, a damaged record, a step that goes back) leaves that chunk to its
format.
"""

import os
import sys
from collections import Counter, deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Self, TypeVar

from msgspec import Struct

from mlreport_batch.find.tail import Cursor, LogReader
from mlreport_batch.formats import Chunk, Item, LogFormat, Memory
from mlreport_batch.read.bulk.fold import Folded, counts_of
from mlreport_batch.read.bulk.records import Records, fold_records, records_of
from mlreport_batch.read.bulk.rows import Rows, fold_rows, rows_of
from mlreport_batch.read.fold import LogFold
from mlreport_batch.read.summary import MetricSummary

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

GROUP_BYTES: Final = 6 << 20
AHEAD_BYTES: Final = 32 << 20
SMALL_BYTES: Final = 4 << 20
"""Logs with more new bytes are read by themselves, chunk after chunk."""
THREADS: Final = 2


class Kind(Struct, frozen=True):
    """A way to read much at once.

    Attributes:
        library: What it needs.
        worth_bytes: New bytes from which on importing that costs less than it saves.
        alone_bytes: Those from which on it pays once that is imported.
    """

    library: str
    worth_bytes: int
    alone_bytes: int


ROWS: Final = Kind("numpy", 2 << 20, 256 << 10)
RECORDS: Final = Kind("numpy", 512 << 10, 16 << 10)


def kind_of(log_format: LogFormat) -> Kind | None:
    """Return how logs of a format can be read at once, None for not at all."""
    if log_format.columns is not None:
        return RECORDS
    return None if log_format.bulk_layout is None else ROWS


_T = TypeVar("_T")


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


def worthwhile(logs: Iterable[Unread], of_all: float = 1.0) -> frozenset[Kind]:
    """Return the kinds of which there is enough to read at once.

    Args:
        logs: Those of a batch.
        of_all: Which share of all that is to be read this batch is, from 0 to 1: what
            a library costs to be imported is saved by all of it.
    """
    sizes: Counter[Kind] = Counter()
    for log in logs:
        if (kind := kind_of(log.log_format)) is not None:
            sizes[kind] += log.size
    return frozenset(
        kind
        for kind, size in sizes.items()
        if size >= kind.alone_bytes
        and (kind.library in sys.modules or size >= kind.worth_bytes * of_all)
    )


class _Group(Struct):
    """Logs that are read together: a future of `_Read` once that has begun."""

    logs: list[Unread]
    size: int = 0
    future: "Future[_Read] | None" = None


class Bulk:
    """Reads the logs of a batch of runs ahead, and folds their rows.

    Use it as a context manager: ``ahead()`` yields the runs of the batch while their
    logs are read, `reader` and `fold` give what was read.

    Args:
        kinds: What is read so; all else is left to its format.
    """

    def __init__(self, kinds: Collection[Kind]) -> None:
        # Linear algebra is not used here; its threads would cost time to start, and
        # a process that has threads is no good to fork.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        self._kinds = kinds
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
                is_wanted = kind_of(log.log_format) in self._kinds
                if is_wanted and 0 < log.size <= SMALL_BYTES:
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
    ) -> tuple[Item, ...] | None:
        """Fold the points of *chunk* in and return what else it says.

        None is returned, and nothing folded, if its format must read it.
        """
        known = fold.folded()
        if known is None:
            return None
        folded = self._folded.pop((chunk.path, chunk.start), None)
        if folded is None:
            folded = self._folded_alone(log_format, chunk, memory, known, prefix)
        if folded is None or folded.counts != counts_of(known):
            return None
        if not folded.goes_on(memory) or not fold.join(folded.parts):
            return None
        folded.remember(memory, chunk, prefix)
        return folded.rest

    def _folded_alone(
        self,
        log_format: LogFormat,
        chunk: Chunk,
        memory: Memory,
        known: Mapping[str, MetricSummary],
        prefix: str,
    ) -> Folded | None:
        kind = kind_of(log_format)
        if kind is None or kind not in self._kinds:
            return None
        if len(chunk.data) < kind.alone_bytes:
            return None
        plain = _plain(log_format, chunk, memory, known, prefix)
        return None if plain is None else _fold([plain])[0]


def _plain(
    log_format: LogFormat,
    chunk: Chunk,
    memory: Memory,
    metrics: Mapping[str, MetricSummary],
    prefix: str,
) -> Rows | Records | None:
    """Return what may be read at once of *chunk*."""
    if kind_of(log_format) is RECORDS:
        return records_of(log_format, chunk, memory, metrics, prefix)
    return rows_of(log_format, chunk, memory, metrics, prefix)


def _fold(group: Sequence[Rows | Records]) -> Sequence[Folded | None]:
    """Return each of *group*, which are of one kin, folded if it is plain."""
    rows = [one for one in group if isinstance(one, Rows)]
    if rows:
        return fold_rows(rows)
    return fold_records([one for one in group if isinstance(one, Records)])


def _read_group(logs: Sequence[Unread]) -> _Read:
    """Read *logs* into memory and fold those that are plain together."""
    try:
        return _read_together(logs)
    except Exception:  # noqa: BLE001 - then they are read one by one, and that says it
        return [(None, None) for _ in logs]


def _read_together(logs: Sequence[Unread]) -> _Read:
    read: _Read = []
    same: dict[Hashable, list[tuple[int, Rows | Records]]] = {}
    for index, log in enumerate(logs):
        reader, plain = _read_log(log)
        read.append((reader, None))
        if plain is not None:
            same.setdefault(plain.kin, []).append((index, plain))
    for found in same.values():
        folded = _fold([plain for _, plain in found])
        for (index, _), one in zip(found, folded, strict=True):
            read[index] = (read[index][0], one)
    return read


def _read_log(log: Unread) -> tuple[LogReader | None, Rows | Records | None]:
    try:
        reader = LogReader(
            log.path,
            log.since,
            use_open_line=log.use_open_line,
            split=log.log_format.split,
        )
        if reader.unread_bytes > SMALL_BYTES:
            with reader:
                return None, None
        chunks = reader.read_ahead()
    except OSError:
        return None, None  # the ordinary path meets it too, and says it
    if not chunks or reader.skipped_lines:
        return reader, None
    chunk, zero = chunks[0], reader.is_from_zero
    memory = {} if zero else log.memory
    known = {} if zero else log.metrics
    return reader, _plain(log.log_format, chunk, memory, known, log.prefix)
