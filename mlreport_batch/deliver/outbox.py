"""Lay mails into a folder as ``.eml``: no account, no server, any mail program.

A mail's name comes from its own date, run and report id, so laying down the same
mail twice gives one file.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from mlreport_batch.deliver import Envelope, Receipt
from mlreport_batch.errors import ChannelDownError, ConfigError, DeliveryError
from mlreport_batch.safety.files import write_durably

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class OutboxChannel(Struct, frozen=True):
    """A folder that takes the mails; made when missing.

    Attributes:
        dir: The folder; ``~`` is expanded.
    """

    dir: str

    @contextmanager
    def open(self) -> Iterator["OutboxSession"]:
        """Make the folder and hand out a way into it."""
        folder = Path(self.dir).expanduser()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as exc:
            raise ConfigError(
                f"outbox.dir: {folder} is not a folder",
                kept="All mails are kept",
                advice="Name another folder or remove the file in its place",
            ) from exc
        except OSError as exc:
            raise ChannelDownError(
                f"The outbox {folder} cannot be made: {_reason(exc)}",
                kept="All mails are kept and tried again in the next tick",
                advice="Make it writable, or set outbox.dir to another folder",
            ) from exc
        yield OutboxSession(folder)

    def credential(self) -> str:
        """Return nothing: there is no credential of ours."""
        return ""

    def check(self) -> str:
        """Return one line when a mail could be laid down now."""
        folder = Path(self.dir).expanduser()
        place = folder
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir():
            raise ConfigError(
                f"outbox.dir: {place} is not a folder",
                advice="Name another folder or remove the file in its place",
            )
        if not os.access(place, os.W_OK | os.X_OK):
            raise ChannelDownError(
                f"outbox.dir: no right to write to {place}",
                advice="Make it writable, or set outbox.dir to another folder",
            )
        return f"outbox {folder}" if place == folder else f"outbox {folder}, to be made"


class OutboxSession(Struct, frozen=True):
    """An existing folder."""

    folder: Path

    def send(self, message: bytes, envelope: Envelope) -> Receipt:
        """Lay *message* down; afterwards it is on the disk, whole.

        Raises:
            DeliveryError: The disk would not take it; nothing is left behind.
        """
        path = self.folder / file_name(message, envelope.rid)
        try:
            write_durably(str(path), message)
        except OSError as exc:
            raise DeliveryError(
                f"{path} could not be written: {_reason(exc)}",
                kept="The mail is kept and tried again in the next tick",
                advice="Free some space or make the outbox writable",
            ) from exc
        return Receipt(answer=str(path))


def file_name(message: bytes, rid: str) -> str:
    """Return the name of *message* in an outbox: date, run and report id."""
    lines = message.partition(b"\r\n\r\n")[0].decode("ascii", "replace").splitlines()
    # `render.mail` writes both in one line each.
    found = dict(line.partition(": ")[::2] for line in lines)
    run = found.get("List-Id", "").lstrip("<").partition(".")[0]
    parts = (_stamp(found.get("Date", "")), run[:60], rid)
    return _UNSAFE.sub("-", "-".join(filter(None, parts))).lstrip(".") + ".eml"


def _stamp(date: str) -> str:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).strftime("%Y%m%d-%H%M%S")
    except (TypeError, ValueError):
        return ""


def _reason(exc: OSError) -> str:
    return f"{exc.strerror or exc} (errno {exc.errno})"
