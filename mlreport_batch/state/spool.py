"""Frozen mails on disk: what is owed, being sent, sent, or refused for good.

::

    new/RID.eml    finished bytes, owed
    cur/RID.eml    a send was started; nobody may know how it ended
    sent/RID       tombstone: the mail was accepted
    dead/RID.eml   refused for good, kept until a person decides

Every move is one rename followed by an fsync of both folders. A rename needs no
free block, so "sent" can be marked on a full disk.
"""

import contextlib
import os
from collections.abc import Iterator

from mlreport_batch.errors import StateError, reason_of
from mlreport_batch.safety.files import TEMPORARY, sync_folder, write_durably

TOMBSTONE_S = 14 * 86400.0
FOLDERS = ("new", "cur", "sent", "dead")


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

    def rids(self, place: str) -> list[str]:
        """Return the ids of the mails at *place*, sorted."""
        return sorted(
            name.removesuffix(".eml")
            for name in os.listdir(os.path.join(self.folder, place))
            if not name.endswith(TEMPORARY)
        )

    def sweep(self, owed: set[str]) -> None:
        """Remove what no commit knows of from ``new/``: half mails and orphans.

        Such a mail was never sent: its run is read again and makes it anew. One in
        ``cur/`` is kept: only committed mails are ever moved there.

        Raises:
            StateError: Something cannot be removed.
        """
        with self._errors():
            for path in self._paths("new"):
                if os.path.basename(path).removesuffix(".eml") not in owed:
                    with contextlib.suppress(FileNotFoundError):
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
