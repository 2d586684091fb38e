"""What the state owes: mails, and the Google documents that belong to them."""

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from mlreport_batch.state.database import Database, checked


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
    _of_runs: dict[str, list[Owed]]
    _owed_as_of = -1

    def owed(self) -> list[Owed]:
        """Return the mails that are owed, oldest first."""
        # Many ask in one tick; what no write came between is read once.
        as_of = self._db.total_changes
        if as_of != self._owed_as_of:
            rows = self._db.execute("SELECT * FROM owed ORDER BY created_at, rid")
            self._owed = [owed_of(checked(row, f"mail {row[0]}")) for row in rows]
            self._of_runs = {}
            for mail in self._owed:
                for path in () if mail.is_partial else mail.runs:
                    self._of_runs.setdefault(path, []).append(mail)
            self._owed_as_of = as_of
        return list(self._owed)

    def _forget_what_was_read(self) -> None:
        self._owed_as_of = -1  # a rollback does not count as a change

    def owed_of_run(self, path: str) -> list[Owed]:
        """Return the owed mails about a run that nobody has, oldest first."""
        self.owed()
        return self._of_runs.get(path, [])

    def owe(self, owed: Owed) -> None:
        """Keep that a mail is owed, and how the sending of it stands."""
        self._write("owed", owed_values(owed))

    def settle(self, rids: Iterable[str]) -> None:
        """Forget mails that are owed no longer."""
        for rid in rids:
            self._db.execute("DELETE FROM owed WHERE rid=?", (rid,))

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
            self._db.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?)",
                (r.rid, r.run, r.document, r.made_at, int(r.has_doubt), int(r.is_sent)),
            )

    def drop_documents(self, rids: Iterable[str]) -> None:
        """Forget documents: they are settled."""
        for rid in rids:
            self._db.execute("DELETE FROM documents WHERE rid=?", (rid,))


def owed_values(owed: Owed) -> tuple[Any, ...]:
    """Return a mail as its row holds it; `owed_of` is the way back."""
    return (
        owed.rid, float(owed.created_at), owed.sender, json.dumps(owed.recipients),
        owed.subject, owed.attempts, owed.unknowns, float(owed.next_at),
        int(owed.held), owed.why, int(owed.is_partial), owed.digest,
        os.fsencode(owed.config), b"\0".join(map(os.fsencode, owed.runs)),
    )  # fmt: skip


def owed_of(values: Sequence[Any]) -> Owed:
    """Return a mail from what `owed_values` gave."""
    (
        rid, created_at, sender, recipients, subject, attempts, unknowns, next_at,
        held, why, is_partial, digest, config, runs,
    ) = values  # fmt: skip
    return Owed(
        rid, created_at, sender, tuple(json.loads(recipients)), subject, attempts,
        unknowns, next_at, bool(held), why, bool(is_partial),
        tuple(map(os.fsdecode, runs.split(b"\0") if runs else ())), digest,
        os.fsdecode(config),
    )  # fmt: skip
