"""Settle the documents of earlier ticks: keep, trim, and find what was lost.

Only documents are touched that bear the id of a report of this state. They go to the
trash, where they stay for 30 days.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from mlreport_batch.config.settings import Config
from mlreport_batch.errors import MlreportError
from mlreport_batch.google.api.account import drive_scope, load_account
from mlreport_batch.google.api.client import GoogleClient
from mlreport_batch.google.api.pace import Pace
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.state.owed import DocumentRow
from mlreport_batch.state.spool import TOMBSTONE_S, Spool, spool_of
from mlreport_batch.state.store import State

STRAY_AFTER_S = 86_400.0
_MOST = 50  # documents trashed by one tick; the next goes on


def tidy_google(config: Config, state: State, *, now: float | None = None) -> None:
    """Settle what is due, with a connection of its own; failures wait for later."""
    rows = state.documents()
    if not rows:
        return
    settings = config.google
    client = None
    try:
        account = load_account(settings, [drive_scope(settings)])
        client = GoogleClient(settings, account, Pace(budget_s=10.0))
        tidy(state, config, client, now=now)
    except MlreportError:
        return
    finally:
        if client is not None:
            client.close()


def tidy(
    state: State, config: Config, client: GoogleClient, *, now: float | None = None
) -> None:
    """Settle the documents that need nothing more, as ``google.keep`` wants.

    Args:
        state: Knows the documents; its lock is held by the caller.
        config: Names the spool, which knows what was sent.
        client: Calls Drive; only where something must go.
        now: Seconds since the epoch.
    """
    rows = state.documents()
    if rows:
        spool = Spool(spool_of(os.fspath(config.state)))
        now = time.time() if now is None else now
        tidying = _Tidying(client, spool, config.google.keep, now)
        tidying.go(rows)
        with state.transaction():
            state.put_documents(tidying.marked)
            state.drop_documents(tidying.settled)


class _Tidying:
    def __init__(
        self, client: GoogleClient, spool: Spool, keep: bool | int, now: float
    ) -> None:
        self.client = client
        self.spool = spool
        self.keep = keep
        self.now = now
        self.left = _MOST
        self.settled: list[str] = []
        self.marked: list[DocumentRow] = []

    def go(self, rows: Sequence[DocumentRow]) -> None:
        """Find out what became of each document, oldest first."""
        sent: list[DocumentRow] = []
        for row in rows:
            place = "sent" if row.is_sent else self.spool.place(row.rid)
            if place == "sent":
                sent.append(row)
                if not row.is_sent:
                    self.marked.append(replace(row, is_sent=True))
            elif place is None:
                self._lost(row)
        unwanted = {row.rid for row in _unwanted(sent, self.keep)}
        for row in sent:
            if row.rid in unwanted:
                self._trash(row)
            else:
                self._kept(row)

    def _lost(self, row: DocumentRow) -> None:
        """Settle a document whose mail is not there, or was never made."""
        age = self.now - row.made_at
        if row.document and age > TOMBSTONE_S - STRAY_AFTER_S:
            # The mail may have been sent and its tombstone be gone: leave it.
            self.settled.append(row.rid)
        elif row.document or age > STRAY_AFTER_S:
            # Superseded, dropped, or never owed because of a crash.
            self._trash(row)

    def _kept(self, row: DocumentRow) -> None:
        """Settle a document that stays; late copies of it go."""
        if row.has_doubt:
            if self.now - row.made_at <= STRAY_AFTER_S or not self.left:
                return
            self.left -= 1
            try:
                for file in self.client.find(row.rid):
                    if file["id"] != row.document:
                        _trash(self.client, file["id"])
            except GoogleError:
                return
            self.marked.append(replace(row, has_doubt=False, is_sent=True))
        if self.keep is True:
            self.settled.append(row.rid)

    def _trash(self, row: DocumentRow) -> None:
        if self.left:
            self.left -= 1
            if _trash_all(self.client, row):
                self.settled.append(row.rid)


def _trash_all(client: GoogleClient, row: DocumentRow) -> bool:
    """Trash the document of *row* and, in doubt, every other copy of it."""
    try:
        if row.document:
            _trash(client, row.document)
        if row.has_doubt:
            for file in client.find(row.rid):
                _trash(client, file["id"])
    except GoogleError as exc:
        # Somebody else's to trash (a shared drive): nothing more to do.
        return not exc.may_pass
    return True


def _trash(client: GoogleClient, document: str) -> None:
    try:
        client.trash(document)
    except GoogleError as exc:
        if exc.status != 404:  # noqa: PLR2004
            raise


def _unwanted(sent: list[DocumentRow], keep: bool | int) -> Iterator[DocumentRow]:
    """Yield the documents that ``google.keep`` does not want any longer."""
    if keep is True:
        return
    by_run: dict[str, list[DocumentRow]] = defaultdict(list)
    for row in sent:  # oldest first
        by_run[row.run].append(row)
    for rows in by_run.values():
        yield from rows[: len(rows) - int(keep)] if len(rows) > int(keep) else ()
