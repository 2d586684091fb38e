"""Read much new CSV data at once: the rows of many logs in one call of pandas.

Line by line a log is read at a tenth of the speed, which does not matter for the
few kilobytes of an ordinary tick, and matters for a backlog. Rows of logs with the
same columns are joined to some megabytes, parsed together and folded with NumPy, log
by log and column by column, into the very summaries that `metrics` makes of points.

Only rows of plain numbers are read so. Anything else in a chunk (text, NaN, quotes, a
row of another length, a step that goes back) leaves that chunk to its format.
"""

import math
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final, Self, TypeVar

from mlreport_batch.bulk_fold import Piece, fold_pieces
from mlreport_batch.formats import BulkLayout, LogFormat, Memory
from mlreport_batch.metrics import LogFold, MetricSummary
from mlreport_batch.tail import HEADER_MAX, Chunk, Cursor, LogReader

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    import pandas as pd

WORTH_BYTES: Final = 6 << 20
"""New bytes from which on importing pandas costs less than it saves."""
GROUP_BYTES: Final = 6 << 20
AHEAD_BYTES: Final = 32 << 20
SMALL_BYTES: Final = 4 << 20
"""Logs with more new bytes are read by themselves, chunk after chunk."""
ALONE_BYTES: Final = 256 << 10
THREADS: Final = 2

_T = TypeVar("_T")
_slowly_read = [0]


def is_worth(size: int) -> bool:
    """Return whether *size* more new bytes are worth reading in bulk.

    What this process read line by line so far counts as well: there may be more.
    """
    if "pandas" in sys.modules:
        return size >= ALONE_BYTES
    _slowly_read[0] += size
    return _slowly_read[0] >= WORTH_BYTES


@dataclass(frozen=True, slots=True)
class Unread:
    """A log that a reading will read on.

    Attributes:
        path: The file.
        member: Its format.
        size: Its new bytes, as far as the last listing knows.
        since: Where the last reading stopped; None reads from zero.
        use_open_line: See `LogReader`.
        memory: What the format's reader kept.
        metrics: What was folded so far.
        prefix: Put before every metric name, with ``/`` between.
    """

    path: str
    member: LogFormat
    size: int
    since: Cursor | None
    use_open_line: bool
    memory: Memory
    metrics: Mapping[str, MetricSummary]
    prefix: str


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one chunk, which begins at ``start``, and how to read them."""

    start: int
    layout: BulkLayout
    texts: bool
    piece: Piece
    data: memoryview | bytes


@dataclass(frozen=True, slots=True)
class _Folded:
    """What a chunk holds: ``counts`` says how many values were thought before it."""

    start: int
    counts: Mapping[str, int]
    parts: Mapping[str, MetricSummary]
    layout: BulkLayout
    rows: int
    first_step: float
    last_step: float


_Read = list[tuple[LogReader | None, _Folded | None]]
"""The logs of one group: read ahead, and folded where they are plain numbers."""


@dataclass(slots=True)
class _Group:
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
        self._open = _Group([])
        self._places: dict[str, tuple[_Group, int]] = {}
        self._folded: dict[tuple[str, int], _Folded] = {}
        self._held = 0
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
            while waiting and self._held > AHEAD_BYTES:
                yield waiting.popleft()
        if self._open.logs:
            self._begin()
        yield from waiting

    def _add(self, log: Unread) -> None:
        group = self._open
        self._places[log.path] = (group, len(group.logs))
        group.logs.append(log)
        group.size += log.size
        self._held += log.size
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
        self._held -= log.size
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
        member: LogFormat,
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
            rows = _rows_of(member, chunk, lines, memory, known, prefix)
            folded = None if rows is None else _fold_rows([rows])[0]
        if folded is None or folded.counts != _counts(known):
            return False
        if not fold.join(folded.parts, folded.first_step):
            return False
        _remember(memory, chunk, folded, prefix)
        return True


def _read_group(logs: Sequence[Unread]) -> _Read:
    """Read *logs* into memory and fold the rows of those with the same layout."""
    try:
        return _read_together(logs)
    except Exception:  # noqa: BLE001 - then they are read one by one, and that says it
        return [(None, None) for _ in logs]


def _read_together(logs: Sequence[Unread]) -> _Read:
    read: _Read = []
    same: dict[tuple[BulkLayout, bool], list[tuple[int, _Rows]]] = {}
    for index, log in enumerate(logs):
        reader, rows = _read_log(log)
        read.append((reader, None))
        if rows is not None:
            same.setdefault((rows.layout, rows.texts), []).append((index, rows))
    for found in same.values():
        folded = _fold_rows([rows for _, rows in found])
        for (index, _), one in zip(found, folded, strict=True):
            read[index] = (read[index][0], one)
    return read


def _read_log(log: Unread) -> tuple[LogReader | None, _Rows | None]:
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
    return reader, _rows_of(log.member, chunk, lines, memory, known, log.prefix)


def _counts(metrics: Mapping[str, MetricSummary]) -> dict[str, int]:
    return {name: summary.count for name, summary in metrics.items()}


def _rows_of(
    member: LogFormat,
    chunk: Chunk,
    lines: int,
    memory: Memory,
    metrics: Mapping[str, MetricSummary],
    prefix: str,
) -> _Rows | None:
    """Return the rows of *chunk*, or None where it takes its format to read them."""
    layout = _layout_of(member, chunk.header)
    start = _first_row(chunk, memory)
    if chunk.first_line == 1:
        lines -= 1
    if layout is None or start < 0 or not lines:
        return None
    data = chunk.data
    first = data[start : data.index(b"\n", start)].split(layout.separator.encode())
    if len(first) != layout.width:
        return None
    used = {index for index, _ in layout.metrics} | {layout.step}
    texts = not all(_is_number(cell) for at, cell in enumerate(first) if at not in used)
    rows: memoryview | bytes = memoryview(data)[start:]
    if chunk.header.endswith(b"\r"):
        rows = data[start:].replace(b"\r\n", b"\n")
    row = memory.get("row")
    piece = Piece(lines, int(row or 0), metrics, prefix)
    return _Rows(chunk.start, layout, texts, piece, rows)


def _layout_of(member: LogFormat, header: bytes) -> BulkLayout | None:
    layout_of = getattr(member, "bulk_layout", None)
    if layout_of is None or len(header) >= HEADER_MAX - 1:
        return None
    layout: BulkLayout | None = layout_of(header)
    if layout is None or layout.width < 2 or layout.separator == " ":  # noqa: PLR2004
        return None
    names = {name for _, name in layout.metrics}
    return layout if names and len(names) == len(layout.metrics) else None


def _first_row(chunk: Chunk, memory: Memory) -> int:
    """Return where the rows begin in *chunk*, or -1 where only its format knows."""
    header = chunk.header
    if chunk.first_line == 1:
        # A byte order mark or NUL bytes in it are the format's business.
        odd = header.startswith(b"\xef") or b"\0" in header
        start = len(header) + 1
        return -1 if memory or odd or chunk.data[: start - 1] != header else start
    if memory.get("header") is not True:
        return -1
    odd = any(memory.get(key) for key in ("refused", "text", "pending"))
    return -1 if odd else 0


def _is_number(cell: bytes) -> bool:
    try:
        return not cell or math.isfinite(float(cell))
    except ValueError:
        return False


def _fold_rows(group: Sequence[_Rows]) -> list[_Folded | None]:
    """Return what each of *group* holds; None where its format must read it."""
    layout = group[0].layout
    frame = _parsed(group)
    if frame is None:
        if len(group) == 1:
            return [None]
        return [found for rows in group for found in _fold_rows([rows])]
    columns = [(name, frame[at].to_numpy()) for at, name in layout.metrics]
    steps = None if layout.step is None else frame[layout.step].to_numpy()
    found = fold_pieces([rows.piece for rows in group], columns, steps)
    return [
        None
        if one is None
        else _Folded(
            rows.start, _counts(rows.piece.metrics), one.parts, layout, rows.piece.rows,
            one.first_step, one.last_step,
        )
        for rows, one in zip(group, found, strict=True)
    ]  # fmt: skip


def _parsed(group: Sequence[_Rows]) -> "pd.DataFrame | None":
    """Return the rows of *group* as numbers, or None if one holds anything else.

    pandas fills up short rows, so the separators are counted; it refuses long rows
    only while all columns are wanted, so where some hold text each row is looked at.
    """
    import numpy as np
    import pandas as pd

    layout, texts = group[0].layout, group[0].texts
    data = b"".join(rows.data for rows in group)
    count = sum(rows.piece.rows for rows in group)
    mark = ord(layout.separator)
    letters = np.frombuffer(data, np.uint8)
    if np.count_nonzero(letters == mark) != count * (layout.width - 1):
        return None
    columns = None
    if texts:
        if b'"' in data or b"\0" in data or b"#" in data:
            return None
        ends = letters[(letters == mark) | (letters == ord("\n"))]
        if np.any(ends[layout.width - 1 :: layout.width] != ord("\n")):
            return None
        columns = [at for at, _ in layout.metrics]
        columns += [] if layout.step is None else [layout.step]
    try:
        frame = pd.read_csv(
            BytesIO(data), sep=layout.separator, lineterminator="\n", header=None,
            names=range(layout.width), usecols=columns, dtype="float64", engine="c",
            low_memory=False, keep_default_na=False, na_values=[""], quoting=3,
            skip_blank_lines=False,
        )  # fmt: skip
    except (ValueError, OverflowError, MemoryError):
        return None
    if len(frame) != count or _may_be_booleans(frame, data):
        return None
    return frame


def _may_be_booleans(frame: "pd.DataFrame", data: bytes) -> bool:
    """Return whether a column may have been made of ``True`` and ``False``.

    pandas turns such a column into ones and zeros, whatever it was asked for.
    """
    for name in frame.columns:
        column = frame[name].to_numpy()
        for part in (column[:64], column):
            if not ((part != part) | (part == 0) | (part == 1)).all():  # noqa: PLR0124
                break
        else:
            # No number has one of these letters.
            return any(letter in data for letter in (b"u", b"U", b"l", b"L"))
    return False


def _remember(memory: Memory, chunk: Chunk, folded: _Folded, prefix: str) -> None:
    """Put into *memory* what reading the rows line by line would have put there."""
    layout = folded.layout
    if chunk.first_line == 1:
        memory["header"] = True
        undecided = {at for at, _ in layout.metrics}
    else:
        undecided = {int(part) for part in str(memory.get("open") or "").split()}
    memory["row"] = int(memory.get("row") or 0) + folded.rows
    if layout.step is not None:
        memory["step"] = folded.last_step
    filled = folded.parts
    undecided -= {
        at
        for at, name in layout.metrics
        if (f"{prefix}/{name}" if prefix else name) in filled
    }
    if undecided or "open" in memory:
        memory["open"] = " ".join(map(str, sorted(undecided)))
