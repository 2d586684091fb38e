"""Find the way back when the state file is damaged or gone.

`open_state` is how a tick opens its state. A damaged file is kept aside; yesterday's
copy takes its place, brought up to date by the records of all mails made since. What
even they do not know of is told again, unless it was told in the very same words:
then the id is the same, and its tombstone is still in ``sent/``.
"""

import contextlib
import os
import shutil
import time

from msgspec.structs import replace

from mlreport_batch.errors import DamagedStateError, StateError, reason_of
from mlreport_batch.safety.files import sync_folder
from mlreport_batch.state.database import BACKUP_AT
from mlreport_batch.state.folder import damaged, state_errors
from mlreport_batch.state.idle import ADOPT, CONFIG_KEY, DATABASE
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.record import Record, Told, read_record
from mlreport_batch.state.spool import Spool
from mlreport_batch.state.store import State

_MENDING = f"{DATABASE}.mending"
# What ticks leave half written that are killed, and what earlier versions left.
_STRAYS = (".tmp", ".tmp-journal", ".mending", ".mending-journal", ".seal", ".since")


def open_state(folder: str, spool: Spool) -> tuple[State, list[str], list[StateError]]:
    """Return the state of *folder*, mended if need be.

    The caller holds the lock.

    Returns:
        The state, what to tell about its mending, and why mails in the spool that it
        does not know could not be read.

    Raises:
        DamagedStateError: It is damaged and so is its copy.
        StateError: It cannot be opened.
    """
    path = os.path.join(folder, DATABASE)
    _remove_strays(folder)
    try:
        if not os.path.lexists(path) and os.path.lexists(f"{path}.bak"):
            raise damaged(path, "it is gone")
        return _opened(folder, spool, [])
    except DamagedStateError as exc:
        return _opened(folder, spool, [mend(folder, exc)])


def _opened(
    folder: str, spool: Spool, notices: list[str]
) -> tuple[State, list[str], list[StateError]]:
    state = State(folder)
    try:
        with state_errors(folder):
            return state, notices, adopt(state, spool)
    except BaseException:
        state.close()
        raise


def _remove_strays(folder: str) -> None:
    for name in os.listdir(folder):
        if name.startswith(DATABASE) and name.endswith(_STRAYS):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


def mend(folder: str, damage: DamagedStateError) -> str:
    """Put the daily copy in the place of a damaged state; return what to tell.

    Nothing may have it open. What is owed by the spool alone, `adopt` finds out.

    Raises:
        DamagedStateError: The copy is not sound either; all is left as it was.
        StateError: The disk fails.
    """
    path, copy = os.path.join(folder, DATABASE), os.path.join(folder, f"{DATABASE}.bak")
    mended = os.path.join(folder, _MENDING)
    try:
        if not os.path.isfile(copy):
            raise _hopeless(path, damage)
        made = time.gmtime(os.stat(copy).st_mtime)
        shutil.copyfile(copy, mended)
        os.chmod(mended, 0o600)
        _renew(folder, damage)
        aside = _keep_aside(path)
        os.rename(mended, path)
        sync_folder(folder)
    except OSError as exc:
        raise StateError(
            f"{exc.filename or path}: {reason_of(exc)}, while mending a damaged state",
            kept="The damaged file and its copy are as they were",
            advice="Free space or mend the permissions, then run again",
        ) from exc
    finally:
        for stray in (mended, f"{mended}-journal"):
            with contextlib.suppress(OSError):
                os.unlink(stray)
    kept = f"It is kept as {aside}; the" if aside else "The"
    stamp = time.strftime("%Y-%m-%d %H:%M UTC", made)
    return (
        f"{damage.message}. {kept} copy of {stamp} and the records of all mails made "
        "since took its place. No report is lost"
    )


def _renew(folder: str, damage: DamagedStateError) -> None:
    """Make the copy of the copy one that the next look at it brings up to date."""
    try:
        state = State(folder, _MENDING)
        try:
            state.check()
            with state.transaction():
                state.set_meta(ADOPT, "1")
                state.set_meta(BACKUP_AT, "0")
                state.set_meta(CONFIG_KEY, "")
        finally:
            state.close()
    except DamagedStateError as exc:
        raise _hopeless(os.path.join(folder, DATABASE), damage) from exc


def _hopeless(path: str, damage: DamagedStateError) -> DamagedStateError:
    return DamagedStateError(
        f"{damage.message}, and there is no whole copy of it",
        kept="It was left as it is",
        advice=f"Run `mv {path} {path}.1; mv {path}.bak {path}.bak.1` and then "
        "`mlreport-batch baseline` to begin anew without a flood of mails; mails that "
        "wait in spool/ are still sent",
    )


def _keep_aside(path: str) -> str:
    """Give a damaged file another name; return it, empty if there is no file.

    A death before the copy has its name leaves a state that is gone: the same way back.
    """
    aside = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    journal = f"{path}-journal"
    with contextlib.suppress(FileNotFoundError):
        if os.path.getsize(journal):
            # It belongs to the damaged file; SQLite would play it into the new one.
            os.rename(journal, f"{aside}-journal")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return ""
    return aside


def adopt(state: State, spool: Spool) -> list[StateError]:
    """Bring the state in line with the spool, which is the log of what was told.

    A mail in ``new/`` that is not owed was superseded, or its tick died before the
    commit that owes it: it was never sent, and its news are told anew. Where the
    state says that it is the last report of a run, the debt alone was lost. A new or
    mended state learns all that it does not know from the records.

    Returns:
        Why mails could not be read.

    Raises:
        DamagedStateError: The state is damaged.
        StateError: Spool or state cannot be used.
    """
    spool.forget_halves("new", "cur", "dead")
    places = {rid: p for p in ("new", "cur", "dead") for rid in spool.rids(p)}
    owed = {mail.rid: mail for mail in state.owed()}
    errors: list[StateError] = []
    is_new = state.meta(ADOPT) == "1"
    if is_new or not owed.keys() >= places.keys():
        with state.transaction():
            replaced = _learn(state, spool, owed) if is_new else None
            for rid in sorted(places.keys() - owed.keys()):
                try:
                    _adopt(state, spool, rid, places[rid], replaced)
                except DamagedStateError:
                    raise
                except StateError as exc:  # it is tried again by the next tick
                    errors.append(exc)
            if is_new and not errors:
                state.set_meta(ADOPT, "0")
    known = {mail.rid for mail in state.owed()}
    orphans = [r for r, p in places.items() if p == "new" and r not in known]
    if orphans and not errors:
        spool.discard(orphans, "new")
    return errors


def _learn(state: State, spool: Spool, owed: dict[str, Owed]) -> set[str]:
    """Take from the records what was told since the copy was made.

    Args:
        state: Is brought up to date.
        spool: Has the records.
        owed: What the state owes: of these it knows what they told.

    Returns:
        The waiting mails whose news others tell.
    """
    records = {
        rid: record
        for rid in spool.rids("told")
        if (record := read_record(spool, rid)) is not None
    }
    if records and not state.run_count():
        # What is told again in the same words then has the same id.
        newest = max(records.values(), key=lambda record: record.owed.created_at)
        state.set_meta("instance", newest.instance)
    places = {rid: spool.place(rid) for rid in (*records, *owed)}
    replaced: set[str] = set()
    found = [rid for rid in records if places[rid] is not None]
    while found:  # what one of them replaced had replaced others
        record = records.get(found.pop())
        more = [rid for rid in record.replaces if rid not in replaced] if record else []
        replaced.update(more)
        found += more
    # A record without its mail was never owed, is superseded, or lost with its news.
    over = {rid for rid, p in places.items() if p is None} | {
        rid for rid in replaced if places.get(rid) == "new"
    }
    for rid in records.keys() - owed.keys() - over:
        for told in records[rid].told:
            _learn_run(state, told)
    for mail in owed.values():
        record = records.get(mail.rid)
        if mail.rid in over:
            state.settle([mail.rid])
            _give_back(state, mail, record)
        elif record is not None:
            state.owe(_amended(mail, record.owed, places[mail.rid]))
    return replaced


def _amended(mail: Owed, noted: Owed, place: str | None) -> Owed:
    """Return *mail* with what was *noted* of it in its record since it was owed."""
    return replace(
        mail,
        recipients=noted.recipients,
        is_partial=mail.is_partial or noted.is_partial,
        digest=noted.digest,
        config=noted.config,
        held=(mail.held or noted.held) and place != "new",  # `retry` moved it there
    )


def _learn_run(state: State, told: Told) -> None:
    run = told.run
    known = state.run(run.path)
    if run.seq > (known.seq if known else 0):
        state.put_run(run)
        state.put_reported(run.path, told.mark)


def _give_back(state: State, mail: Owed, record: Record | None) -> None:
    """Make the news of a mail that is lost news again, unless told since."""
    bases = {told.run.path: told.base for told in record.told} if record else {}
    for path in mail.runs:
        row = state.run(path)
        if row is not None and row.rid == mail.rid:
            # Without its record, all of the run is told anew.
            state.put_reported(path, bases.get(path))
            state.wake(path)


def _adopt(
    state: State, spool: Spool, rid: str, place: str, replaced: set[str] | None
) -> None:
    """Owe a mail that the state does not know, if it should.

    Args:
        state: Owes it.
        spool: Has it.
        rid: The mail.
        place: Where it was seen.
        replaced: Mails whose news others tell; None if the state is not a new one.
    """
    record = read_record(spool, rid)
    if spool.place(rid) != place:
        return
    if record is None:
        if replaced is not None:
            state.owe(_from_headers(spool, place, rid))
        return
    rows = [state.run(told.run.path) for told in record.told]
    is_last = any(row is not None and row.rid == rid for row in rows)
    owed = record.owed
    # A new state does not know of those that others did not take the place of.
    waits = is_last if replaced is None else rid not in replaced
    if waits or owed.is_partial or place != "new":
        is_partial = owed.is_partial or not is_last
        is_held = place == "dead" or (place == "cur" and owed.held)
        state.owe(replace(owed, held=is_held, is_partial=is_partial))


def _from_headers(spool: Spool, place: str, rid: str) -> Owed:
    """Return what a mail without a record says itself of who it is from and to."""
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
