"""Read what was appended to a log since last time, and nothing else.

A `Cursor` says how far a log was read and what stood there. Before new bytes are
used, the bytes before the cursor are checked: the header line, the last 4 KiB,
and everything while the log is small. Any doubt reads that log from zero.
"""

import zlib
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Self

from msgspec import Struct

from mlreport_batch.formats import Chunk, ProblemKind
from mlreport_batch.safety.contents import (
    UNPACKED_MAX,
    is_packed,
    open_unpacked,
    plain_name,
)
from mlreport_batch.safety.opened import Opened

HEADER_MAX = 64 * 1024
WINDOW = 4 * 1024
CHECK_ALL_BELOW = 256 * 1024
CHECK_UNGROWN_BELOW = 16 * 1024 * 1024
CHUNK = 4 * 1024 * 1024
LINE_MAX = 1024 * 1024
TICK_MAX = 2 * 1024 * 1024 * 1024
RECORD_MAX = 64 * 1024 * 1024


class Cursor(Struct, frozen=True):
    """How far a log was read.

    Attributes:
        offset: Bytes consumed from the start; stands just after a newline, or at
            the end of an unfinished last line (see ``open_line``).
        guard: Hash of the header line and the last 4 KiB before ``offset``.
        crc: CRC-32 of all bytes before ``offset``, as long as it is compared: from
            16 MiB on, it stays as it is.
        lines: Lines consumed.
        open_line: Whether the last line had no newline when it was used.
    """

    offset: int
    guard: bytes
    crc: int
    lines: int
    open_line: bool = False


def _guard(header: bytes, window: bytes) -> bytes:
    return blake2b(
        len(header).to_bytes(4, "big") + header + window, digest_size=12
    ).digest()


def _first_line(file: Opened) -> bytes:
    line, newline, _ = file.pread(WINDOW, 0).partition(b"\n")
    if newline:
        return line
    return file.pread(HEADER_MAX, 0).partition(b"\n")[0]


def _end_of_lines(data: bytes) -> int:
    return data.rfind(b"\n") + 1


def _apart(lines: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield *lines* in order, each line over 1 MiB for itself and marked."""
    half = LINE_MAX // 2
    if len(lines) <= LINE_MAX or all(
        lines.find(b"\n", at, at + half) >= 0 for at in range(0, len(lines), half)
    ):
        yield lines, False
        return
    start = at = 0
    while at < len(lines):
        end = lines.index(b"\n", at) + 1
        if end - 1 - at > LINE_MAX:
            if start < at:
                yield lines[start:at], False
            yield lines[at:end], True
            start = end
        at = end
    if start < len(lines):
        yield lines[start:], False


class LogReader:
    """The new lines of one log, in chunks.

    Use it as a context manager, iterate ``chunks()`` to the end, then take
    ``cursor``. ``rewritten`` tells why the log is read from zero, or is empty.

    Args:
        path: The log, which may be packed.
        since: Where the last reading stopped; None reads from zero.
        use_open_line: Whether a last line without a newline is used as it is.
        split: Returns how many bytes at the start of its argument are whole
            records, for logs that are not made of lines; "lines" then counts bytes.

    Raises:
        OSError: The log is gone, unreadable or no regular file.
    """

    def __init__(
        self,
        path: str,
        since: Cursor | None,
        *,
        use_open_line: bool = False,
        split: Callable[[bytes], int] | None = None,
    ) -> None:
        self.path = plain_name(path)
        self._file, self.signature, self._size = open_unpacked(path)
        try:
            self.header = _first_line(self._file)
            self.rewritten = "" if since is None else self._doubt(since)
        except BaseException:
            self._file.close()
            raise
        self._use_open_line = use_open_line
        self._split = split
        start = since if since is not None and not self.rewritten else None
        self._offset = start.offset if start else 0
        self._crc = start.crc if start else 0
        self._lines = start.lines if start else 0
        self._open_line = start.open_line if start else False
        self._start = start
        self.skipped_lines: list[int] = []
        self.notes: list[tuple[str, ProblemKind]] = []
        if self._size == UNPACKED_MAX and is_packed(path):
            note = "over 256 MiB unpacked; the rest is not read"
            self.notes.append((note, ProblemKind.lasting))
        self._ahead: list[Chunk] | None = None
        self._cursor: Cursor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def unread_bytes(self) -> int:
        """How many bytes stand after the cursor."""
        return self._size - self._offset

    def read_ahead(self) -> list[Chunk]:
        """Read all new lines into memory now and close the log; return the chunks.

        ``chunks()`` then yields these, and ``cursor`` stands after the last one.
        """
        with self:
            self._ahead = list(self.chunks())
            self._cursor = self.cursor
        return self._ahead

    @property
    def is_from_zero(self) -> bool:
        """Whether the chunks begin at the start of the log."""
        return self._start is None

    @property
    def has_open_line(self) -> bool:
        """Whether bytes after the cursor wait for their newline."""
        return self._offset < self._size

    def _doubt(self, since: Cursor) -> str:
        size = self._size
        if size < since.offset:
            return "shrank"
        header, window = self._before(since.offset)
        if _guard(header, window) != since.guard:
            return "rewritten"
        check_all = CHECK_ALL_BELOW if size > since.offset else CHECK_UNGROWN_BELOW
        if since.offset <= check_all and self._crc_of_first(since.offset) != since.crc:
            return "rewritten"
        if since.open_line and size > since.offset:
            following = self._file.pread(2, since.offset)
            if not following.startswith((b"\n", b"\r\n")):
                return "continued"
        return ""

    def _before(self, offset: int) -> tuple[bytes, bytes]:
        window_start = max(0, offset - WINDOW)
        window = self._file.pread(offset - window_start, window_start)
        return self.header[:offset], window

    def _crc_of_first(self, size: int) -> int:
        crc = position = 0
        while position < size:
            part = self._file.pread(min(1 << 20, size - position), position)
            if not part:
                break
            crc = zlib.crc32(part, crc)
            position += len(part)
        return crc

    def _consume(self, data: bytes, lines: int) -> None:
        if self._offset + len(data) <= CHECK_UNGROWN_BELOW:
            self._crc = zlib.crc32(data, self._crc)
        self._offset += len(data)
        self._lines += lines

    def chunks(self, size: int = CHUNK) -> Iterator[Chunk]:
        """Yield the new whole lines, up to the size the log had when opened.

        Lines over 1 MiB are passed over and noted in ``skipped_lines``; holes of
        sparse files are jumped.
        """
        if self._ahead is not None:
            yield from self._ahead
            return
        limit = self._size
        stop_at = self._offset + TICK_MAX
        self._end_open_line()
        pending = b""
        position = self._offset
        while 0 <= position < limit:
            if position >= stop_at:
                note = "over 2 GiB of new lines; the rest comes next"
                self.notes.append((note, ProblemKind.more_comes))
                return
            part = self._file.pread(min(size, limit - position), position)
            if not part:
                break
            position += len(part)
            pending = pending + part if pending else part
            split = self._split or _end_of_lines
            if cut := split(pending):
                # What is left is read again: to join it to the next part took longer.
                position -= len(pending) - cut
                whole, pending = pending[:cut], b""
                yield from self._take_whole(whole)
            elif self._split is None and len(pending) > LINE_MAX:
                position = self._skip_line(pending, position, limit)
                pending = b""
            elif len(pending) > RECORD_MAX:
                note = "a record over 64 MiB; the rest is not read"
                self.notes.append((note, ProblemKind.lasting))
                return
        if pending and self._use_open_line:
            first, start = self._lines + 1, self._offset
            self._consume(pending, 1)
            self._open_line = True
            yield Chunk(self.path, self.header, pending + b"\n", start, first, lines=1)

    def _end_open_line(self) -> None:
        """Pass over the line end of a last line that was used without it."""
        if self._open_line and self._offset < self._size:
            end = self._file.pread(2, self._offset)
            self._consume(b"\r\n" if end == b"\r\n" else b"\n", 0)
            self._open_line = False

    def _take_whole(self, whole: bytes) -> Iterator[Chunk]:
        """Yield *whole* without the lines that are too long, however it was cut."""
        if self._split is not None:
            first, start = self._lines + 1, self._offset
            self._consume(whole, len(whole))
            yield Chunk(self.path, self.header, whole, start, first)
            return
        for lines, is_too_long in _apart(whole):
            first, start = self._lines + 1, self._offset
            count = 1 if is_too_long else lines.count(b"\n")
            self._consume(lines, count)
            if is_too_long:
                self.skipped_lines.append(first)
            else:
                yield Chunk(self.path, self.header, lines, start, first, lines=count)

    def _skip_line(self, pending: bytes, position: int, limit: int) -> int:
        """Pass over a line that is too long; return where reading goes on, or -1.

        Nothing is consumed unless the line's end is found: a line that is still
        being written is left for the next tick.
        """
        crc, crossed = zlib.crc32(pending, self._crc), len(pending)
        zeros: bytes = bytes(1 << 20)
        left = TICK_MAX
        while position < limit:
            part = self._file.pread(min(1 << 20, limit - position), position)
            left -= len(part)
            if not part or left < 0:
                return -1
            if part == zeros:
                # A hole: its zeros need no reading, and no line end can be in it.
                try:
                    data = self._file.data_from(position)
                except OSError:
                    return -1
                if data > position + len(part):
                    if self._offset + crossed + data - position <= CHECK_UNGROWN_BELOW:
                        crc = zlib.crc32(bytes(data - position), crc)
                    # Further down, the CRC is never compared; the guard is.
                    crossed += data - position
                    position = data
                    continue
            end = part.find(b"\n") + 1
            taken = part[:end] if end else part
            crc = zlib.crc32(taken, crc)
            crossed += len(taken)
            position += len(taken)
            if end:
                self.skipped_lines.append(self._lines + 1)
                self._crc = crc
                self._offset += crossed
                self._lines += 1
                return position
        return -1

    @property
    def cursor(self) -> Cursor:
        """How far the log was read by the chunks taken so far."""
        if self._cursor is not None:
            return self._cursor
        header, window = self._before(self._offset)
        return Cursor(
            self._offset,
            _guard(header, window),
            self._crc,
            self._lines,
            self._open_line,
        )
