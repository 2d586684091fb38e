"""Find the way back when the state file is damaged or gone.

`open_state` is how a tick opens its state. A damaged file is kept aside; yesterday's
copy, brought up to the last commit by what was noted since, takes its place. What
even that does not know of is told again, unless it was told in the very same words:
then the id is the same, and its tombstone is still in ``sent/``.
"""

import contextlib
import os
import shutil
import sqlite3
import time

from mlreport_batch.errors import DamagedStateError, StateError, reason_of
from mlreport_batch.safety.files import sync_folder
from mlreport_batch.state.database import ADOPT, SCHEMA
from mlreport_batch.state.idle import CONFIG_KEY, DATABASE
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.seal import Seal, Since
from mlreport_batch.state.spool import Spool
from mlreport_batch.state.store import State


def open_state(folder: str) -> tuple[State, str]:
    """Return the state of *folder*, mended if need be, and what to tell about that.

    The caller holds the lock.

    Raises:
        DamagedStateError: It is damaged and so is its copy.
        StateError: It cannot be opened.
    """
    path = os.path.join(folder, DATABASE)
    _remove_strays(folder)
    is_lost = not os.path.lexists(path) and os.path.lexists(f"{path}.bak")
    try:
        state = State(folder)
    except DamagedStateError as exc:
        aside = _mend(path, exc)
        return State(folder), (
            f"{exc.message}. It is kept as {aside}; the copy of {_age(path)} and all "
            "that was noted since took its place. No report is lost"
        )
    told = f"{path} is gone: every run counts as seen for the first time"
    return state, told if is_lost else ""


def _remove_strays(folder: str) -> None:
    """Remove what a killed tick left half written."""
    ends = (".tmp", ".tmp-journal", ".mending", ".mending-journal")
    for name in os.listdir(folder):
        if name.startswith(DATABASE) and name.endswith(ends):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


def _age(path: str) -> str:
    made = time.gmtime(os.stat(f"{path}.bak").st_mtime)
    return time.strftime("%Y-%m-%d %H:%M UTC", made)


def _mend(path: str, damage: DamagedStateError) -> str:
    """Put the copy in the place of the file at *path*; return where that is kept."""
    mended = f"{path}.mending"
    try:
        _copy(path, mended, damage)
        _bring_up_to_date(path, mended, damage)
        aside = _keep_aside(path)
        Seal(path).take_away()
        os.rename(mended, path)
        sync_folder(os.path.dirname(path))
    except OSError as exc:
        raise StateError(
            f"{exc.filename or path}: {reason_of(exc)}, while mending a damaged state",
            kept="The damaged file and its copy are as they were",
            advice="Free space or mend the permissions, then run again",
        ) from exc
    finally:
        with contextlib.suppress(OSError):
            os.unlink(mended)
    return aside


def _copy(path: str, mended: str, damage: DamagedStateError) -> None:
    copy = f"{path}.bak"
    seal = Seal(copy)
    if not os.path.isfile(copy) or (seal.is_there and not seal.fits()):
        raise damage
    for stray in (mended, f"{mended}-journal"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(stray)
    shutil.copyfile(copy, mended)
    os.chmod(mended, 0o600)


def _bring_up_to_date(path: str, mended: str, damage: DamagedStateError) -> None:
    try:
        with contextlib.closing(sqlite3.connect(mended, isolation_level=None)) as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if not 1 <= version <= SCHEMA or found != "ok":
                raise damage
            db.execute("PRAGMA synchronous=FULL")
            db.execute("BEGIN IMMEDIATE")
            for statements in Since(f"{path}.since").statements():
                for sql, values in statements:
                    db.execute(sql, values)
            # A copy is made at the end of this tick, and the spool is looked through.
            for key, value in (
                (ADOPT, "1"),
                ("backup_at", "0"),
                (CONFIG_KEY, ""),
            ):
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
            db.execute("COMMIT")
    except sqlite3.OperationalError as exc:
        raise StateError(
            f"{mended}: {reason_of(exc)}", kept="The damaged state is as it was"
        ) from exc
    except sqlite3.DatabaseError as exc:
        raise damage from exc


def _keep_aside(path: str) -> str:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = f"{path}.damaged-{stamp}"
    with contextlib.suppress(FileExistsError):
        try:
            os.link(path, aside)
        except PermissionError:  # file systems without links
            shutil.copyfile(path, aside)
    journal = f"{path}-journal"
    with contextlib.suppress(FileNotFoundError):
        if os.path.getsize(journal):
            # It belongs to the damaged file; SQLite would play it into the new one.
            os.rename(journal, f"{aside}-journal")
    return aside


def adopt(state: State, spool: Spool) -> list[StateError]:
    """Owe the mails in the spool that a new or mended state does not know.

    Who they are from and to, they say themselves. Then sweep the spool, unless a mail
    could not be read: it is tried again by the next tick.

    Returns:
        Why mails could not be read.

    Raises:
        StateError: It could not be kept.
    """
    errors: list[StateError] = []
    if state.meta(ADOPT) == "1":
        errors = _adopt(state, spool)
    if not errors:
        spool.sweep({mail.rid for mail in state.owed()})
    return errors


def _adopt(state: State, spool: Spool) -> list[StateError]:
    known = {mail.rid for mail in state.owed()}
    found: list[Owed] = []
    errors: list[StateError] = []
    for place in ("new", "cur", "dead"):
        for rid in spool.rids(place):
            if rid not in known and spool.place(rid) == place:
                try:
                    found.append(_owed(spool, place, rid))
                except StateError as exc:
                    errors.append(exc)
    with state.transaction():
        for mail in found:
            state.owe(mail, {})
        state.set_meta(ADOPT, "1" if errors else "0")
    return errors


def _owed(spool: Spool, place: str, rid: str) -> Owed:
    from email import policy
    from email.parser import BytesHeaderParser

    head = spool.read(rid, place).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    headers = BytesHeaderParser(policy=policy.default).parsebytes(head)

    def addresses(name: str) -> tuple[str, ...]:
        values = headers.get_all(name, [])
        return tuple(a.addr_spec for value in values for a in value.addresses)

    return Owed(
        rid=rid,
        created_at=os.stat(spool.path(place, rid)).st_mtime,
        sender=next(iter(addresses("From")), ""),
        recipients=addresses("To"),
        subject=str(headers.get("Subject", "")),
        held=place == "dead",
    )
