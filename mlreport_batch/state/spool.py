"""Frozen mails on disk: what is owed, being sent, sent, or refused for good.

::

    new/RID.eml    finished bytes, owed
    cur/RID.eml    a send was started; nobody may know how it ended
    sent/RID       tombstone: the mail was accepted
    dead/RID.eml   refused for good, kept until a person decides
    told/RID       what the mail tells, from before it is owed: see `record`

Every move is one rename followed by an fsync of both folders. A rename needs no
free block, so "sent" can be marked on a full disk. A record stays where it is as long
as its mail or tombstone, so that no death comes between the two.
"""

import contextlib
import os
from collections.abc import Collection, Iterator
from hashlib import sha256

from mlreport_batch.errors import StateError, reason_of
from mlreport_batch.safety.files import TEMPORARY, replace_file, sync_folder

TOMBSTONE_S = 14 * 86400.0
FOLDERS = ("new", "cur", "sent", "dead", "told")
NOTE = ".left"
"""The end of what earlier versions noted beside a mail; see `upgrade`."""
_STRAYS = (TEMPORARY, NOTE)
_PLACES = ("sent", "dead", "cur", "new")


def digest_of(message: bytes) -> str:
    """Return what tells whether a mail is as it was written."""
    return sha256(message).hexdigest()


def spool_of(state_folder: str) -> str:
    """Return where the spool of a state folder lies."""
    return os.path.join(state_folder, "spool")


def has_traces(state_folder: str) -> bool:
    """Return whether anything was ever told from a state folder."""
    for place in FOLDERS:
        with contextlib.suppress(OSError):
            if os.listdir(os.path.join(spool_of(state_folder), place)):
                return True
    return False


class Spool:
    """The mails of one state folder; its user holds the state's lock.

    Args:
        folder: The spool folder; made with the folders in it if missing.

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
        name = rid if place in ("sent", "told") else f"{rid}.eml"
        return os.path.join(self.folder, place, name)

    def place(self, rid: str) -> str | None:
        """Return ``sent``, ``dead``, ``cur`` or ``new``: where *rid* is, or None.

        Raises:
            StateError: It cannot be told.
        """
        for place in _PLACES:
            path = self.path(place, rid)
            try:
                os.lstat(path)
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise _unusable(exc, path) from exc
            return place
        return None

    def put(self, rid: str, data: bytes, place: str) -> None:
        """Keep a mail or a record at *place*, instead of what is there under its id.

        Its name survives a power loss once `sync` was called.

        Raises:
            StateError: It is not there; nothing may be owed.
        """
        path = self.path(place, rid)
        with self._errors(path):
            replace_file(path, data)

    def sync(self, *places: str) -> None:
        """Make the names at *places* survive a power loss.

        Raises:
            StateError: They may not.
        """
        for place in places:
            path = os.path.join(self.folder, place)
            with self._errors(path):
                sync_folder(path)

    def read(self, rid: str, place: str) -> bytes:
        """Return the frozen bytes of *rid*.

        Raises:
            StateError: They are gone or unreadable.
        """
        path = self.path(place, rid)
        with self._errors(path), open(path, "rb") as file:
            return file.read()

    def has_record(self, rid: str) -> bool:
        """Return whether there is a record of *rid*."""
        return os.path.lexists(self.path("told", rid))

    def move(self, rid: str, start: str, end: str) -> None:
        """Move *rid* from one place to another, durably.

        Raises:
            StateError: The move may not have happened.
        """
        with self._errors(self.path(start, rid)):
            os.rename(self.path(start, rid), self.path(end, rid))
        self.sync(end, start)

    def discard(self, rids: Collection[str], place: str) -> None:
        """Remove mails from *place*, durably; they may be gone already.

        Raises:
            StateError: One cannot be removed.
        """
        for rid in rids:
            with self._errors(self.path(place, rid)):
                _unlink(self.path(place, rid))
        if rids:
            self.sync(place)

    def rids(self, place: str) -> list[str]:
        """Return the ids of the mails at *place*, sorted."""
        return sorted(
            os.path.basename(path).removesuffix(".eml")
            for path in self._paths(place)
            if not path.endswith(_STRAYS)
        )

    def forget_halves(self, *places: str) -> None:
        """Remove what a killed tick left half written at *places*.

        Raises:
            StateError: Something cannot be removed.
        """
        for place in places:
            for path in self._paths(place):
                if path.endswith(_STRAYS):
                    with self._errors(path):
                        _unlink(path)

    def forget_sent(self, owed: set[str], *, now: float) -> None:
        """Remove the tombstones that are older than two weeks, and stray records.

        It costs a look at each.

        Raises:
            StateError: One cannot be removed.
        """
        for path in self._paths("sent"):
            with self._errors(path), contextlib.suppress(FileNotFoundError):
                is_old = now - os.lstat(path).st_ctime > TOMBSTONE_S
                if is_old and os.path.basename(path) not in owed:
                    _unlink(self.path("told", os.path.basename(path)))
                    _unlink(path)
        self.forget_halves("told")
        self.discard(
            [r for r in self.rids("told") if r not in owed and self.place(r) is None],
            "told",
        )

    def _paths(self, place: str) -> list[str]:
        folder = os.path.join(self.folder, place)
        with self._errors(folder):
            return [os.path.join(folder, name) for name in os.listdir(folder)]

    @staticmethod
    @contextlib.contextmanager
    def _errors(path: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise _unusable(exc, path) from exc

    def bury_tombstone(self, rid: str) -> None:
        """Empty the tombstone of *rid*: its bytes are no longer needed."""
        with contextlib.suppress(OSError):
            os.truncate(self.path("sent", rid), 0)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _unusable(exc: OSError, path: str) -> StateError:
    return StateError(
        f"{path}: {reason_of(exc)}",
        kept="What was not sent stays owed",
        advice="Free space or mend the folder's permissions, then run again",
    )
