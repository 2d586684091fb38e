"""The state: what was seen, what was reported, what is owed."""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.errors import DamagedStateError
from mlreport_batch.read.run import RunState
from mlreport_batch.report.news import Snapshot
from mlreport_batch.state.briefs import BriefTable
from mlreport_batch.state.database import checked
from mlreport_batch.state.folders import FolderTable
from mlreport_batch.state.owed import OwedTable
from mlreport_batch.state.rows import damaged_row, decode, encode

LEFT_OUT = math.inf
"""When to look again at a run that the config leaves out: once it takes it in."""
_SHOWN = "gone_at IS NULL AND COALESCE(wake_at, 0) < 9e999"  # not left out
_T = TypeVar("_T")


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


class State(FolderTable, OwedTable, BriefTable):
    """The state of one folder: its folders, its runs, and what is owed.

    Args:
        folder: The state folder; the caller holds its `Lock` to write.

    Raises:
        StateError: It is damaged or cannot be opened.
        NewerStateError: A later version wrote it.
    """

    def runs(self) -> Iterator[RunRow]:
        """Yield all runs by path."""
        return self._runs("gone_at IS NULL")

    def _runs(self, where: str, *values: float) -> Iterator[RunRow]:
        # Not by an index: one that is damaged would hide a run.
        query = f"SELECT * FROM runs NOT INDEXED WHERE {where} ORDER BY path"  # noqa: S608
        for row in self._db.execute(query, values).fetchall():
            yield _run_row(row)

    def known_runs(self) -> Iterator[RunRow]:
        """Yield all runs by path, those that are gone included."""
        return self._runs("TRUE")

    def run_count(self) -> int:
        """Return how many runs are known."""
        query = "SELECT COUNT(*) FROM runs WHERE gone_at IS NULL"
        return int(self._db.execute(query).fetchone()[0])

    def shown_runs(self) -> Iterator[RunRow]:
        """Yield the runs that a page over all runs shows, by path."""
        return self._runs(_SHOWN)

    def shown_count(self) -> int:
        """Return how many they are."""
        query = f"SELECT COUNT(*) FROM runs WHERE {_SHOWN}"  # noqa: S608
        return int(self._db.execute(query).fetchone()[0])

    def latest_runs(self, count: int) -> list[RunRow]:
        """Return those of them that were reported last."""
        query = f"SELECT * FROM runs WHERE {_SHOWN} ORDER BY reported_at DESC LIMIT ?"  # noqa: S608
        return [_run_row(row) for row in self._db.execute(query, (count,))]

    def gone_since(self, at: float) -> list[str]:
        """Return the runs that were found to be gone at that time or later."""
        query = "SELECT path FROM runs WHERE gone_at >= ?"
        return [os.fsdecode(path) for (path,) in self._db.execute(query, (at,))]

    def run(self, path: str) -> RunRow | None:
        """Return one run."""
        query = "SELECT * FROM runs WHERE path=?"
        row = self._db.execute(query, (os.fsencode(path),)).fetchone()
        if row is None:
            self._lacks("runs")
        return None if row is None else _run_row(row)

    def put_run(self, row: RunRow) -> None:
        """Keep what is known of a run."""
        self._write("runs", run_values(row))

    def mark_gone(self, path: str, now: float) -> None:
        """Note that a run vanished; it is kept for 30 days."""
        row = self.run(path)
        if row is not None:
            self.put_run(replace(row, gone_at=now, wake_at=None))

    def forget_gone(self, before: float) -> None:
        """Forget runs that vanished before a time."""
        for row in self._runs("gone_at < ?", before):
            for table in ("marks", "briefs", "runs"):
                self._db.execute(
                    f"DELETE FROM {table} WHERE path=?",  # noqa: S608
                    (os.fsencode(row.path),),
                )

    def wake(self, path: str) -> None:
        """Have a run looked at by the next tick, unless the config leaves it out.

        Of one that is gone, what was read is told once more.
        """
        row = self.run(path)
        if row is not None and row.wake_at != LEFT_OUT:
            self.put_run(replace(row, wake_at=0.0, gone_at=None))

    def forget_recorded(self, after: float) -> None:
        """Forget what is known of runs that were only recorded, *after* some time.

        They are seen for the first time again.
        """
        for row in self._runs("seq=0"):
            reported = self.reported(row.path)
            if reported is not None and reported.at > after:
                key = os.fsencode(row.path)
                self._db.execute("DELETE FROM marks WHERE path=?", (key,))

    def wake_all(self) -> None:
        """Have every run looked at by this tick that the config does not leave out."""
        sleeps = "COALESCE(wake_at, 1) NOT IN (0, 9e999)"
        for row in self._runs(f"gone_at IS NULL AND {sleeps}"):
            self.put_run(replace(row, wake_at=0.0))

    def due_runs(self, now: float) -> list[str]:
        """Return the runs that must be looked at although no file changed."""
        return [row.path for row in self._runs("wake_at <= ?", now)]

    def seen(self, path: str) -> RunState | None:
        """Return the *seen* mark of a run; None has its logs read from the start."""
        try:
            (data,) = self._marks(path, "seen")
            return _decoded(data, RunState, path)
        except DamagedStateError:
            return None

    def reported(self, path: str) -> Snapshot | None:
        """Return the *reported* mark of a run."""
        (data,) = self._marks(path, "reported")
        return _decoded(data, Snapshot, path)

    def marks(self, run: RunRow) -> tuple[RunState | None, Snapshot | None]:
        """Return both marks of a run, at less cost than one after the other."""
        seen, reported = self._marks(run.path, "seen", "reported", run=run)
        snapshot = _decoded(reported, Snapshot, run.path)
        try:
            return _decoded(seen, RunState, run.path), snapshot
        except DamagedStateError:
            return None, snapshot

    def _marks(
        self, path: str, *columns: str, run: RunRow | None = None
    ) -> Sequence[object]:
        """Return what the *columns* of a run's marks hold; *run* is what is known."""
        query = f"SELECT {', '.join(columns)} FROM marks WHERE path=?"  # noqa: S608
        row: Sequence[object] | None
        row = self._db.execute(query, (os.fsencode(path),)).fetchone()
        if row is not None:
            return row
        run = self.run(path) if run is None else run
        if run is not None and run.seq:
            raise damaged_row(path, "nothing is known of it any more")
        return (None,) * len(columns)

    def put_seen(self, path: str, state: RunState) -> None:
        """Keep the *seen* mark of a run."""
        self._put_mark(path, "seen", state)

    def put_reported(self, path: str, snapshot: Snapshot | None) -> None:
        """Keep the *reported* mark of a run."""
        self._put_mark(path, "reported", snapshot)

    def _put_mark(self, path: str, column: str, mark: object) -> None:
        key = os.fsencode(path)
        self._db.execute(
            f"INSERT INTO marks (path, {column}) VALUES (?, ?) "  # noqa: S608
            f"ON CONFLICT (path) DO UPDATE SET {column}=excluded.{column}",
            (key, None if mark is None else encode(mark, key)),
        )


def run_values(row: RunRow) -> tuple[Any, ...]:
    """Return a run as its row holds it; `run_of` is the way back."""
    return (
        os.fsencode(row.path), os.fsencode(row.root), row.name, row.seq,
        int(row.grown), _real(row.wake_at), row.rid, row.status, row.headline,
        row.slug, _real(row.reported_at), _real(row.gone_at),
    )  # fmt: skip


def run_of(values: Sequence[Any]) -> RunRow:
    """Return a run from what `run_values` gave."""
    path, root, name, seq, grown, *rest = values
    return RunRow(os.fsdecode(path), os.fsdecode(root), name, seq, bool(grown), *rest)


def _run_row(row: Sequence[Any]) -> RunRow:
    return run_of(checked(row, f"run {row[2]}"))


def _real(value: float | None) -> float | None:
    return None if value is None else float(value)


def _decoded(data: object, kind: type[_T], path: str) -> _T | None:
    return None if data is None else decode(data, kind, os.fsencode(path), path)
