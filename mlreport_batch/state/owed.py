"""What the state owes: mails, and the Google documents that belong to them."""

import json
import os
from collections.abc import Iterable, Mapping

from msgspec import Struct

from mlreport_batch.report.news import Snapshot
from mlreport_batch.state.database import Database, decode, encode


class Owed(Struct, frozen=True):
    """A mail that is owed.

    Attributes:
        rid: Its id.
        created_at: When it was committed, seconds since the epoch.
        sender: Bare address.
        recipients: Bare addresses still owed a copy.
        subject: For messages.
        attempts: Sends that were not accepted.
        unknowns: Sends of which nobody knows.
        next_at: Not before, seconds since the epoch.
        held: Whether a person must decide.
        why: The last answer.
        is_partial: Whether somebody has it already, or may have it; no other mail
            takes its place then.
        runs: The runs it tells about.
        digest: Of its bytes, as `state.spool.digest_of` gives it; empty where it was
            not noted.
        config: The config file that owes it; empty where it was not noted.
    """

    rid: str
    created_at: float
    sender: str
    recipients: tuple[str, ...]
    subject: str
    attempts: int = 0
    unknowns: int = 0
    next_at: float = 0.0
    held: bool = False
    why: str = ""
    is_partial: bool = False
    runs: tuple[str, ...] = ()
    digest: str = ""
    config: str = ""

    def is_of(self, config: str) -> bool:
        """Return whether the config file *config* is to send it.

        That of another config waits for it, as long as there is that config.
        """
        return self.config in ("", config) or not os.path.exists(self.config)


class DocumentRow(Struct, frozen=True):
    """A Google document that something is still to be done about.

    Attributes:
        rid: Its report.
        run: Whose report, as ``project/name``.
        document: Its id, empty while nobody knows whether there is one.
        made_at: When it was begun, seconds since the epoch.
        has_doubt: Whether another copy may show up.
        is_sent: Whether the mail about it was accepted.
    """

    rid: str
    run: str
    document: str
    made_at: float
    has_doubt: bool = False
    is_sent: bool = False


class OwedTable(Database):
    """The part of the state that is about what is owed."""

    _owed: list[Owed]
    _owed_as_of = -1

    def owed(self) -> list[Owed]:
        """Return the mails that are owed, oldest first."""
        # Many ask in one tick; what no write came between is read once.
        as_of = self._db.total_changes
        if as_of != self._owed_as_of:
            self._owed, self._owed_as_of = self._read_owed(), as_of
        return list(self._owed)

    def _forget_what_was_read(self) -> None:
        self._owed_as_of = -1  # a rollback does not count as a change

    def _read_owed(self) -> list[Owed]:
        runs: dict[str, list[str]] = {}
        for rid, path in self._db.execute(
            "SELECT rid, path FROM owed_runs ORDER BY path"
        ):
            runs.setdefault(rid, []).append(os.fsdecode(path))
        rows = self._db.execute(
            "SELECT rid, created_at, sender, recipients, subject, attempts, unknowns, "
            "next_at, held, why, is_partial, digest, config "
            "FROM owed LEFT JOIN frozen USING (rid) ORDER BY created_at, rid"
        )
        return [
            Owed(
                row[0], row[1], row[2], tuple(json.loads(row[3])), row[4], row[5],
                row[6], row[7], bool(row[8]), row[9], bool(row[10]),
                tuple(runs.get(row[0], ())), row[11] or "",
                os.fsdecode(row[12] or b""),
            )
            for row in rows
        ]  # fmt: skip

    def owed_of_run(self, path: str) -> list[str]:
        """Return the owed mails about a run that nobody has, oldest first."""
        rows = self._db.execute(
            "SELECT rid FROM owed_runs JOIN owed USING (rid) "
            "WHERE path=? AND is_partial=0 ORDER BY created_at, rid",
            (os.fsencode(path),),
        )
        return [row[0] for row in rows]

    def base_of(self, rid: str, path: str) -> Snapshot | None:
        """Return what was reported of a run before the owed mail *rid*."""
        row = self._db.execute(
            "SELECT base FROM owed_runs WHERE rid=? AND path=?",
            (rid, os.fsencode(path)),
        ).fetchone()
        if row is None or row[0] is None:
            return None
        return decode(row[0], Snapshot, path)

    def owe(self, owed: Owed, bases: Mapping[str, Snapshot | None]) -> None:
        """Note that a mail is owed, and what its runs had reported before it."""
        self.update_owed(owed)
        if owed.digest or owed.config:
            self.put_frozen(owed.rid, owed.digest, owed.config)
        for path, base in bases.items():
            data = None if base is None else encode(base)
            self._write(
                "INSERT OR REPLACE INTO owed_runs VALUES (?, ?, ?)",
                (owed.rid, os.fsencode(path), data),
            )

    def put_base(self, path: str, base: Snapshot | None) -> None:
        """Let all owed mails about a run be made anew from *base*."""
        data = None if base is None else encode(base)
        self._write(
            "UPDATE owed_runs SET base=? WHERE path=?", (data, os.fsencode(path))
        )

    def update_owed(self, owed: Owed) -> None:
        """Keep how the sending of a mail stands."""
        self._write(
            "INSERT OR REPLACE INTO owed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                owed.rid, owed.created_at, owed.sender, json.dumps(owed.recipients),
                owed.subject, owed.attempts, owed.unknowns, owed.next_at,
                int(owed.held), owed.why, int(owed.is_partial),
            ),
        )  # fmt: skip

    def put_frozen(self, rid: str, digest: str, config: str) -> None:
        """Keep what tells whether a mail is as it was written, and who owes it."""
        values = (rid, digest, os.fsencode(config))
        self._write("INSERT OR REPLACE INTO frozen VALUES (?, ?, ?)", values)

    def settle(self, rids: Iterable[str]) -> None:
        """Forget mails that are owed no longer."""
        for rid in rids:
            self._write("DELETE FROM owed WHERE rid=?", (rid,))
            self._write("DELETE FROM owed_runs WHERE rid=?", (rid,))
            self._write("DELETE FROM frozen WHERE rid=?", (rid,))

    def documents(self) -> list[DocumentRow]:
        """Return the Google documents that are not settled, oldest first."""
        rows = self._db.execute(
            "SELECT rid, run, document, made_at, doubt, sent FROM documents "
            "ORDER BY made_at, rid"
        )
        return [
            DocumentRow(rid, run, document, made_at, bool(doubt), bool(sent))
            for rid, run, document, made_at, doubt, sent in rows
        ]

    def put_documents(self, rows: Iterable[DocumentRow]) -> None:
        """Keep how documents stand."""
        for r in rows:
            self._write(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?)",
                (r.rid, r.run, r.document, r.made_at, int(r.has_doubt), int(r.is_sent)),
            )

    def drop_documents(self, rids: Iterable[str]) -> None:
        """Forget documents: they are settled."""
        for rid in rids:
            self._write("DELETE FROM documents WHERE rid=?", (rid,))
