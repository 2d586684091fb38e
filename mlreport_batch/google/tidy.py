"""Settle the documents of earlier ticks: keep, trim, and find what was lost.

Only documents are touched that bear the id of a report of this state. They go to the
trash, where they stay for 30 days.
"""

import os
import time
from collections import Counter
from contextlib import closing, suppress

from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.config.settings import Config
from mlreport_batch.errors import MlreportError
from mlreport_batch.google.api.account import drive_scope
from mlreport_batch.google.api.client import GoogleClient
from mlreport_batch.google.api.pace import Pace
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.state.owed import DocumentRow
from mlreport_batch.state.spool import TOMBSTONE_S, Spool, spool_of
from mlreport_batch.state.store import State

STRAY_AFTER_S = 86_400.0
_MOST = 50  # documents looked for or trashed by one tick; the next goes on


def tidy_google(config: Config, state: State, *, now: float | None = None) -> None:
    """Settle what is due, with a connection of its own; failures wait for later."""
    if not state.documents():
        return
    settings, pace = config.google, Pace(budget_s=10.0)
    with suppress(MlreportError):
        made = GoogleClient(settings, [drive_scope(settings)], pace)
        with closing(made) as client:
            tidy(state, config, client, now=now)


def tidy(
    state: State, config: Config, client: GoogleClient, *, now: float | None = None
) -> None:
    """Settle the documents that need nothing more, as ``google.keep`` wants.

    The lock of *state* is held by the caller. Drive is called only where something
    must go. *now* is in seconds since the epoch.
    """
    rows = state.documents()
    if rows:
        spool = Spool(spool_of(os.fspath(config.state)))
        places = {
            row.rid: "sent" if row.is_sent else spool.place(row.rid) for row in rows
        }
        tidying = _Tidying(client, time.time() if now is None else now)
        keep = config.google.keep
        later = Counter(row.run for row in rows if places[row.rid] == "sent")
        for row in rows:  # oldest first
            if places[row.rid] is None:
                tidying.lost(row)
            elif places[row.rid] == "sent":
                later[row.run] -= 1
                if not row.is_sent:
                    tidying.marked[row.rid] = replace(row, is_sent=True)
                if keep is True or later[row.run] < int(keep):
                    tidying.kept(row, is_done=keep is True)
                else:
                    tidying.trash(row)
        with state.transaction():
            state.put_documents(tidying.marked.values())
            state.drop_documents(tidying.settled)


class _Tidying(Struct):
    client: GoogleClient
    now: float
    left: int = _MOST
    settled: list[str] = field(default_factory=list)
    marked: dict[str, DocumentRow] = field(default_factory=dict)

    def lost(self, row: DocumentRow) -> None:
        """Settle a document whose mail is not there, or was never made."""
        age = self.now - row.made_at
        if row.document and age > TOMBSTONE_S - STRAY_AFTER_S:
            # The mail may have been sent and its tombstone be gone: leave it.
            self.settled.append(row.rid)
        elif row.document or age > STRAY_AFTER_S:
            # Superseded, dropped, or never owed because of a crash.
            self.trash(row)

    def kept(self, row: DocumentRow, *, is_done: bool) -> None:
        """Settle a document that stays; late copies of it go."""
        if row.has_doubt:
            if self.now - row.made_at <= STRAY_AFTER_S or not self.left:
                return
            self.left -= 1
            try:
                self._sweep(row.rid, but=row.document)
            except GoogleError:
                return
            self.marked[row.rid] = replace(row, has_doubt=False, is_sent=True)
        if is_done:
            self.settled.append(row.rid)

    def trash(self, row: DocumentRow) -> None:
        """Trash the document of *row* and, in doubt, every other copy of it."""
        if not self.left:
            return
        self.left -= 1
        try:
            if row.document:
                self._trash(row.document)
            if row.has_doubt:
                self._sweep(row.rid)
        except GoogleError as exc:
            if exc.may_pass:
                return
            # Somebody else's to trash (a shared drive): nothing more to do.
        self.settled.append(row.rid)

    def _sweep(self, rid: str, *, but: str = "") -> None:
        for file in self.client.find(rid):
            if file["id"] != but:
                self._trash(file["id"])

    def _trash(self, document: str) -> None:
        try:
            self.client.trash(document)
        except GoogleError as exc:
            if exc.status != 404:  # noqa: PLR2004
                raise
