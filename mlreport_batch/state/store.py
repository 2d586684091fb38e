"""The state: what was seen, what was reported, what is owed."""

import os
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from mlreport_batch.read.run import RunState
from mlreport_batch.report.news import Snapshot
from mlreport_batch.state.database import decode, encode
from mlreport_batch.state.folders import FolderTable
from mlreport_batch.state.owed import OwedTable


class RunRow(Struct, frozen=True):
    """What the state knows of a run besides its marks.

    Attributes:
        path: The run directory.
        root: The root it was found under.
        name: Its name.
        seq: How many reports were made of it.
        grown: Whether a tick saw it grow.
        wake_at: When it must be looked at again even if no file changed, seconds
            since the epoch; None for never, 0 for news not reported yet, infinite
            while the config leaves it out.
        rid: Its last report.
        status: As last told.
        headline: As last told.
        slug: Its folder under ``reports/``.
        reported_at: When its last report was made.
        gone_at: When it was found to have vanished; it is kept for 30 days.
    """

    path: str
    root: str
    name: str
    seq: int = 0
    grown: bool = False
    wake_at: float | None = None
    rid: str | None = None
    status: str = ""
    headline: str = ""
    slug: str = ""
    reported_at: float | None = None
    gone_at: float | None = None


class State(FolderTable, OwedTable):
    """The state of one folder: its folders, its runs, and what is owed.

    Args:
        folder: The state folder; the caller holds its `Lock` to write.

    Raises:
        StateError: It is damaged or cannot be opened.
        NewerStateError: A later version wrote it.
    """

    def runs(self) -> Iterator[RunRow]:
        """Yield all runs by path."""
        for row in self._db.execute(
            f"SELECT {_RUN_COLUMNS} FROM runs WHERE gone_at IS NULL "  # noqa: S608
            "ORDER BY path"
        ):
            yield _run_row(row)

    def run_count(self) -> int:
        """Return how many runs are known."""
        query = "SELECT COUNT(*) FROM runs WHERE gone_at IS NULL"
        return int(self._db.execute(query).fetchone()[0])

    def run(self, path: str) -> RunRow | None:
        """Return one run."""
        row = self._db.execute(
            f"SELECT {_RUN_COLUMNS} FROM runs WHERE path=?",  # noqa: S608
            (os.fsencode(path),),
        ).fetchone()
        return None if row is None else _run_row(row)

    def put_run(self, row: RunRow) -> None:
        """Keep what is known of a run."""
        self._write(
            "INSERT OR REPLACE INTO runs (path, root, name, seq, grown, wake_at, rid, "
            "status, headline, slug, reported_at, gone_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                os.fsencode(row.path), os.fsencode(row.root), row.name, row.seq,
                int(row.grown), row.wake_at, row.rid, row.status, row.headline,
                row.slug, row.reported_at, row.gone_at,
            ),
        )  # fmt: skip

    def mark_gone(self, path: str, now: float) -> None:
        """Note that a run vanished; it is kept for 30 days."""
        self._write(
            "UPDATE runs SET gone_at=?, wake_at=NULL WHERE path=?",
            (now, os.fsencode(path)),
        )

    def forget_gone(self, before: float) -> int:
        """Forget runs that vanished before a time; return how many."""
        gone = "SELECT path FROM runs WHERE gone_at < ?"
        marks = f"DELETE FROM marks WHERE path IN ({gone})"  # noqa: S608
        self._write(marks, (before,))
        return self._write("DELETE FROM runs WHERE gone_at < ?", (before,))

    def wake(self, path: str) -> None:
        """Have a run looked at by the next tick, unless the config leaves it out.

        Of one that is gone, what was read is told once more.
        """
        self._write(
            "UPDATE runs SET wake_at=0, gone_at=NULL WHERE path=? "
            "AND (wake_at IS NULL OR wake_at < 9e99)",
            (os.fsencode(path),),
        )

    def forget_recorded(self, after: float) -> None:
        """Forget what is known of runs that were only recorded, *after* some time.

        They are seen for the first time again.
        """
        rows = self._db.execute("SELECT path FROM runs WHERE seq=0").fetchall()
        for (path,) in rows:
            reported = self.reported(os.fsdecode(path))
            if reported is not None and reported.at > after:
                self._write("DELETE FROM marks WHERE path=?", (path,))

    def wake_all(self) -> None:
        """Have every run looked at by this tick that the config does not leave out."""
        self._write(
            "UPDATE runs SET wake_at=0 WHERE gone_at IS NULL "
            "AND wake_at IS NOT 0 AND (wake_at IS NULL OR wake_at < 9e99)",
            (),
        )

    def due_runs(self, now: float) -> list[str]:
        """Return the runs that must be looked at although no file changed."""
        rows = self._db.execute("SELECT path FROM runs WHERE wake_at <= ?", (now,))
        return [os.fsdecode(row[0]) for row in rows]

    def seen(self, path: str) -> RunState | None:
        """Return the *seen* mark of a run."""
        data = self._mark(path, "seen")
        return None if data is None else decode(data, RunState, path)

    def reported(self, path: str) -> Snapshot | None:
        """Return the *reported* mark of a run."""
        data = self._mark(path, "reported")
        return None if data is None else decode(data, Snapshot, path)

    def _mark(self, path: str, column: str) -> bytes | None:
        row = self._db.execute(
            f"SELECT {column} FROM marks WHERE path=?",  # noqa: S608
            (os.fsencode(path),),
        ).fetchone()
        return None if row is None else row[0]

    def put_seen(self, path: str, state: RunState) -> None:
        """Keep the *seen* mark of a run."""
        self._put_mark(path, "seen", encode(state))

    def put_reported(self, path: str, snapshot: Snapshot | None) -> None:
        """Keep the *reported* mark of a run."""
        data = None if snapshot is None else encode(snapshot)
        self._put_mark(path, "reported", data)

    def _put_mark(self, path: str, column: str, data: bytes | None) -> None:
        sql = (
            f"INSERT INTO marks (path, {column}) VALUES (?, ?) "  # noqa: S608
            f"ON CONFLICT (path) DO UPDATE SET {column}=excluded.{column}"
        )
        values = (os.fsencode(path), data)
        if column == "seen":
            self._db.execute(sql, values)  # large, and in the logs anyway
        else:
            self._write(sql, values)


_RUN_COLUMNS = (
    "path, root, name, seq, grown, wake_at, rid, status, headline, slug, reported_at, "
    "gone_at"
)


def _run_row(row: tuple[Any, ...]) -> RunRow:
    path, root, name, seq, grown, *rest = row
    return RunRow(os.fsdecode(path), os.fsdecode(root), name, seq, bool(grown), *rest)
