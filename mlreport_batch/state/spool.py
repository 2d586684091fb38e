"""Frozen mails on disk: what is owed, being sent, sent, or refused for good.

::

    new/RID.eml    finished bytes, owed
    cur/RID.eml    a send was started; nobody may know how it ended
    sent/RID       tombstone: the mail was accepted
    dead/RID.eml   refused for good, kept until a person decides
    cur/RID.left   who still waits for a mail that others took

Every move is one rename followed by an fsync of both folders. A rename needs no
free block, so "sent" can be marked on a full disk.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from hashlib import sha256

from mlreport_batch.errors import StateError, reason_of
from mlreport_batch.safety.files import TEMPORARY, sync_folder, write_durably

TOMBSTONE_S = 14 * 86400.0
FOLDERS = ("new", "cur", "sent", "dead")
_LEFT = ".left"


def digest_of(message: bytes) -> str:
    """Return what tells whether a mail is as it was written."""
    return sha256(message).hexdigest()


def spool_of(state_folder: str) -> str:
    """Return where the spool of a state folder lies."""
    return os.path.join(state_folder, "spool")


class Spool:
    """The mails of one state folder; its user holds the state's lock.

    Args:
        folder: The spool folder; made with its four folders if missing.

    Raises:
        StateError: It cannot be made or is not ours alone.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        try:
            for name in ("", *FOLDERS):
                os.makedirs(os.path.join(folder, name), mode=0o700, exist_ok=True)
        except OSError as exc:
            raise _unusable(exc, folder) from exc

    def path(self, place: str, rid: str) -> str:
        """Return where the mail *rid* lies while it is at *place*."""
        return os.path.join(
            self.folder, place, rid if place == "sent" else f"{rid}.eml"
        )

    def place(self, rid: str) -> str | None:
        """Return ``sent``, ``dead``, ``cur`` or ``new``: where *rid* is, or None.

        Raises:
            StateError: It cannot be told.
        """
        for place in ("sent", "dead", "cur", "new"):
            path = self.path(place, rid)
            try:
                os.lstat(path)
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise _unusable(exc, path) from exc
            return place
        return None

    def put(self, rid: str, message: bytes, place: str = "new") -> None:
        """Keep a finished mail at *place*, instead of what is there under its id.

        Raises:
            StateError: It may not survive a power loss; nothing may be owed.
        """
        path = self.path(place, rid)
        try:
            write_durably(path, message)
        except OSError as exc:
            raise _unusable(exc, path) from exc

    def read(self, rid: str, place: str) -> bytes:
        """Return the frozen bytes of *rid*.

        Raises:
            StateError: They are gone or unreadable.
        """
        path = self.path(place, rid)
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError as exc:
            raise _unusable(exc, path) from exc

    def move(self, rid: str, start: str, end: str) -> None:
        """Move *rid* from one place to another, durably.

        Raises:
            StateError: The move may not have happened.
        """
        try:
            os.rename(self.path(start, rid), self.path(end, rid))
            sync_folder(os.path.join(self.folder, end))
            sync_folder(os.path.join(self.folder, start))
        except OSError as exc:
            raise _unusable(exc, self.path(start, rid)) from exc

    def discard(self, rid: str, place: str) -> None:
        """Remove *rid* from *place*, durably; it may be gone already.

        Raises:
            StateError: It cannot be removed.
        """
        try:
            os.unlink(self.path(place, rid))
            sync_folder(os.path.join(self.folder, place))
        except FileNotFoundError:
            return
        except OSError as exc:
            raise _unusable(exc, self.path(place, rid)) from exc

    def leave(self, rid: str, recipients: Sequence[str]) -> None:
        """Note who still waits for the mail *rid*, which the others have.

        Raises:
            StateError: It may not be noted.
        """
        path = self._left(rid)
        try:
            write_durably(path, json.dumps(recipients).encode())
        except OSError as exc:
            raise _unusable(exc, path) from exc

    def left(self, rid: str) -> tuple[str, ...] | None:
        """Return who still waits for *rid*, None where nothing is noted.

        Raises:
            StateError: It cannot be told.
        """
        path = self._left(rid)
        try:
            with open(path, "rb") as file:
                found = json.loads(file.read())
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise _unusable(exc, path) from exc
        except ValueError:
            return None  # damaged: the state's word stands
        return tuple(map(str, found)) if isinstance(found, list) else None

    def forget_left(self, rid: str) -> None:
        """Forget who waits for *rid*: the state knows."""
        with contextlib.suppress(OSError):
            os.unlink(self._left(rid))

    def _left(self, rid: str) -> str:
        return os.path.join(self.folder, "cur", f"{rid}{_LEFT}")

    def rids(self, place: str) -> list[str]:
        """Return the ids of the mails at *place*, sorted."""
        return sorted(
            name.removesuffix(".eml")
            for name in os.listdir(os.path.join(self.folder, place))
            if not name.endswith((TEMPORARY, _LEFT))
        )

    def sweep(self, owed: set[str]) -> None:
        """Remove what no commit knows of: half files, orphaned mails and notes.

        A mail in ``new/`` was never sent: its run is read again and makes it anew. One
        in ``cur/`` is kept: only committed mails are ever moved there.

        Raises:
            StateError: Something cannot be removed.
        """
        with self._errors():
            for path in self._paths("new"):
                if os.path.basename(path).removesuffix(".eml") not in owed:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(path)
            for path in self._paths("cur"):
                name = os.path.basename(path)
                is_note = name.endswith(_LEFT) and name.removesuffix(_LEFT) not in owed
                if is_note or name.endswith(TEMPORARY):
                    os.unlink(path)

    def forget_sent(self, owed: set[str], *, now: float) -> None:
        """Remove the tombstones that are older than two weeks; costs a look at each.

        Raises:
            StateError: One cannot be removed.
        """
        with self._errors():
            for path in self._paths("sent"):
                with contextlib.suppress(FileNotFoundError):
                    is_old = now - os.lstat(path).st_ctime > TOMBSTONE_S
                    if is_old and os.path.basename(path) not in owed:
                        os.unlink(path)

    def _paths(self, place: str) -> list[str]:
        folder = os.path.join(self.folder, place)
        return [os.path.join(folder, name) for name in os.listdir(folder)]

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise _unusable(exc, os.fspath(exc.filename or self.folder)) from exc

    def bury_tombstone(self, rid: str) -> None:
        """Empty the tombstone of *rid*: its bytes are no longer needed."""
        with contextlib.suppress(OSError):
            os.truncate(self.path("sent", rid), 0)


def _unusable(exc: OSError, path: str) -> StateError:
    return StateError(
        f"{path}: {reason_of(exc)}",
        kept="What was not sent stays owed",
        advice="Free space or mend the folder's permissions, then run again",
    )
