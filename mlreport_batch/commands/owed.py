"""Settle by hand what is owed: ``retry`` and ``drop``."""

import argparse
import contextlib
import os
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from mlreport_batch.commands.call import state_folder
from mlreport_batch.config.locate import find_config, identity
from mlreport_batch.errors import StateError, UsageError
from mlreport_batch.printing import tell
from mlreport_batch.state.folder import Lock, LockedError, state_errors
from mlreport_batch.state.idle import DATABASE
from mlreport_batch.state.mend import open_state
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.record import amend
from mlreport_batch.state.spool import Spool, spool_of
from mlreport_batch.state.store import State


def _is_outrun(state: State, mail: Owed) -> bool:
    """Return whether a later report was made of one of the mail's runs."""
    rows = map(state.run, mail.runs)
    return any(row is not None and row.rid != mail.rid for row in rows)


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[tuple[State, Spool, list[str]]]:
    path = os.path.join(folder, DATABASE)
    if not os.path.exists(path) and not os.path.exists(f"{path}.bak"):
        raise UsageError(
            f"there is no state in {folder}",
            advice="-c or --out names another; a first `run` makes one",
        )
    try:
        lock = Lock(folder)
    except LockedError as exc:
        raise StateError(
            "another tick is running", kept="Nothing was changed", advice="Try again"
        ) from exc
    try:
        spool = Spool(spool_of(folder))
        # What cannot be read, the next tick says.
        state, notices, _ = open_state(folder, spool)
        try:
            with state_errors(folder):
                yield state, spool, notices
        finally:
            state.close()
    finally:
        lock.release()


def retry(folder: str, rids: Sequence[str], config: str = "") -> list[str]:
    """Owe dead or held mails again, all of them if none is named.

    Those that wait for another config too: *config* sends them from now on. What
    waits after a refusal is tried by the next tick.

    Raises:
        UsageError: There is no such mail.
    """
    with _opened(folder) as (state, spool, lines):
        mails = {mail.rid: mail for mail in state.owed()}
        wanted = list(rids) or [
            rid
            for rid, mail in mails.items()
            if mail.held or (config and not mail.is_of(config))
        ]
        others = [] if rids else [m for m in mails.values() if m.rid not in wanted]
        for rid in wanted:
            mail = mails.get(rid)
            if mail is None:
                raise UsageError(
                    f"no mail {rid} is owed or dead",
                    advice="`mlreport-batch status` lists them",
                )
            place = spool.place(rid)
            fresh = replace(
                mail,
                held=False,
                attempts=0,
                unknowns=0,
                next_at=0.0,
                is_partial=mail.is_partial
                or place == "cur"
                or mail.unknowns > 0
                or _is_outrun(state, mail),
                config=config or mail.config,
            )
            # First the debt, then the move: the other way round, a crash in between
            # would leave an orphan that the next tick sweeps away.
            with state.transaction():
                state.owe(fresh)
                state.set_meta("channel_next_at", "0")
            amend(spool, fresh)
            if place in ("dead", "cur"):
                spool.move(rid, place, "new")
            lines.append(f"{rid}  {mail.subject}: sent by the next run")
        return [*lines, *_hurry(state, others)] or ["no mails wait"]


def _hurry(state: State, waiting: Sequence[Owed]) -> list[str]:
    """End all waits after refusals; return a line for each waiting mail."""
    with state.transaction():
        state.set_meta("channel_next_at", "0")
        for mail in waiting:
            state.owe(replace(mail, next_at=0.0))
    return [f"{mail.rid}  {mail.subject}: tried by the next run" for mail in waiting]


def drop(folder: str, rid: str) -> list[str]:
    """Give up a mail; what it told counts as reported.

    Raises:
        UsageError: There is no such mail.
    """
    with _opened(folder) as (state, spool, lines):
        mails = {mail.rid: mail for mail in state.owed()}
        if rid not in mails:
            raise UsageError(
                f"no mail {rid} is owed or dead",
                advice="`mlreport-batch status` lists them",
            )
        place = spool.place(rid)
        if place is None:
            spool.put(rid, b"", "sent")
            spool.sync("sent")
        else:
            spool.move(rid, place, "sent")  # as if told
            spool.bury_tombstone(rid)
        with state.transaction():
            state.settle([rid])
        return [*lines, f"{rid}  {mails[rid].subject}: dropped"]


def _config(args: argparse.Namespace) -> str:
    """Return the config file of this call, empty for none."""
    return identity(None if args.out and not args.config else find_config(args.config))


def main(args: argparse.Namespace) -> int:
    """Owe mails anew, or give one up; return the exit code."""
    folder = state_folder(args)
    if args.command == "retry":
        lines = retry(folder, args.rids, _config(args))
    else:
        lines = drop(folder, args.rid)
    for line in lines:
        tell(line)
    return 0
