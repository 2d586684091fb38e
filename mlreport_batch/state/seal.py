"""Notice that the state file was damaged, and keep what it takes to mend it.

Beside ``state.db`` lie::

    state.db.seal       hash of state.db as the last tick left it; none while one writes
    state.db.bak        a copy, made once a day, with a seal of its own
    state.db.since      what was committed since that copy, one line a commit

SQLite finds damage only where it stumbles over it; the seal finds every flipped bit.
A tick takes it away, durably, before it first writes, and puts a new one at its end.
So a seal that does not fit means damage, and a missing one that a tick was killed.
"""

import contextlib
import errno
import hashlib
import os
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence

import msgspec

from mlreport_batch.safety.files import sync_folder, write_durably

Statement = tuple[str, Sequence[str | bytes | int | float | None]]


def fingerprint(path: str) -> bytes:
    """Return the hash of a file.

    Raises:
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, hashlib.blake2b).hexdigest().encode()


class Seal:
    """Tells whether a file is as it was when it was sealed.

    Args:
        path: The file; its seal has the same name and ``.seal``.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._seal = f"{path}.seal"

    @property
    def is_there(self) -> bool:
        """Whether there is a seal, whatever it says."""
        return os.path.lexists(self._seal)

    def fits(self) -> bool:
        """Return whether the file is what was sealed.

        Raises:
            OSError: One of the two cannot be read.
        """
        with open(self._seal, "rb") as file:
            return file.read(1000) == fingerprint(self._path)

    def put(self) -> None:
        """Seal the file as it is now.

        Raises:
            OSError: It is not sealed.
        """
        write_durably(self._seal, fingerprint(self._path))

    def put_void(self) -> None:
        """Put a seal that fits no file.

        Raises:
            OSError: It is not there.
        """
        write_durably(self._seal, b"void")

    def take_away(self) -> None:
        """Remove the seal, so that even a power loss does not bring it back.

        Raises:
            OSError: It may still be there.
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._seal)
            sync_folder(os.path.dirname(self._seal))


class Since:
    """The commits since the last copy, each a line with a checksum.

    A line that was only half written, or is damaged, is passed over. The lines are
    not synced: losing some with a power loss costs a repeated report at most, and
    only if the state is damaged too.

    Args:
        path: The file; made when first needed.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def add(self, statements: Sequence[Statement]) -> None:
        """Append what is about to be committed.

        Raises:
            OSError: It is not there; nothing must be committed.
        """
        data = b64encode(msgspec.msgpack.encode(statements))
        line = b"\n%08x %s\n" % (zlib.crc32(data), data)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
        finally:
            os.close(descriptor)

    def statements(self) -> Iterator[list[Statement]]:
        """Yield what was committed, oldest first.

        Raises:
            OSError: It cannot be read.
        """
        try:
            with open(self._path, "rb") as file:
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            checksum, _, data = line.partition(b" ")
            if checksum == b"%08x" % zlib.crc32(data):
                with contextlib.suppress(ValueError, msgspec.MsgspecError):
                    yield msgspec.msgpack.decode(b64decode(data))

    def size_bytes(self) -> int:
        """Return how much there is."""
        try:
            return os.path.getsize(self._path)
        except OSError:
            return 0

    def clear(self) -> None:
        """Forget all: there is a newer copy.

        Raises:
            OSError: It is still there; replaying it would change nothing.
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
