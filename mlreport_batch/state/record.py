"""What each mail in the spool tells: the log that a lost state is made anew from.

A record is written before its mail is owed, and lies in ``told/`` as long as the mail
or its tombstone. The daily copy of the state and the records give the state again.
"""

import os
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.errors import DamagedStateError
from mlreport_batch.report.news import Snapshot
from mlreport_batch.state.owed import Owed, owed_of, owed_values
from mlreport_batch.state.rows import decode, encode
from mlreport_batch.state.spool import Spool
from mlreport_batch.state.store import RunRow, run_of


class Told(Struct, frozen=True, array_like=True):
    """What a mail tells of one run.

    Attributes:
        values: The run as it is once the mail is owed, as `run_values` gives it.
        mark: What was reported once the mail is owed.
        base: What was reported before.
    """

    values: tuple[Any, ...]
    mark: Snapshot | None
    base: Snapshot | None

    @property
    def run(self) -> RunRow:
        """The run."""
        return run_of(self.values)

    def is_about(self, path: str) -> bool:
        """Return whether it is about the run at *path*; cheap, digests have many."""
        return bool(self.values[0] == os.fsencode(path))


class Record(Struct, frozen=True, array_like=True):
    """The side record of one mail.

    Attributes:
        values: The mail, as `owed_values` gives it; its digest is of the mail's bytes.
        instance: Of the state that owes it.
        told: What it tells, run by run.
        replaces: The waiting mails whose news it tells.
    """

    values: tuple[Any, ...]
    instance: str
    told: tuple[Told, ...] = ()
    replaces: tuple[str, ...] = ()

    @property
    def owed(self) -> Owed:
        """The mail."""
        return owed_of(self.values)


def put_record(spool: Spool, record: Record) -> None:
    """Keep a record; its name is durable once ``told`` is synced.

    Raises:
        StateError: It is not there; its mail must not be owed.
    """
    rid = record.values[0]
    spool.put(rid, encode(record, rid.encode()), "told")


def read_record(spool: Spool, rid: str) -> Record | None:
    """Return the record of the mail *rid*, None if there is none that can be read.

    Raises:
        StateError: The disk fails.
    """
    if not spool.has_record(rid):
        return None
    try:
        data = spool.read(rid, "told")
        record = decode(data, Record, rid.encode(), f"mail {rid}")
    except DamagedStateError:
        return None
    return record if record.values[0] == rid else None


def left_of(spool: Spool, owed: Owed) -> tuple[str, ...]:
    """Return who still waits for a mail, as noted before others had it."""
    record = read_record(spool, owed.rid)
    left = record.owed.recipients if record else ()
    return tuple(r for r in owed.recipients if r in left) or owed.recipients


def amend(spool: Spool, owed: Owed) -> None:
    """Keep in its record that a mail is now *owed* in another way.

    Raises:
        StateError: The record may be as it was.
    """
    record = read_record(spool, owed.rid)
    if record is not None:
        put_record(spool, replace(record, values=owed_values(owed)))
        spool.sync("told")
