"""The briefs of all runs: what others are compared with, without their marks.

All of it can be found out again by looking at the runs: a brief that is damaged or
not there yet is one that nobody compares with until its run is looked at.
"""

import os
from collections.abc import Iterable, Iterator

from mlreport_batch.errors import DamagedStateError
from mlreport_batch.report.brief import Brief
from mlreport_batch.state.database import Database
from mlreport_batch.state.rows import decode, encode

MEMBERS_MAX = 400
"""So many runs of a group are compared, the best ones; of all, only the rank is."""
_HERE = (
    "briefs b JOIN runs r USING (path) "
    "WHERE r.gone_at IS NULL AND (r.wake_at IS NULL OR r.wake_at < 9e999)"
)


class BriefTable(Database):
    """The part of the state that is about runs against each other."""

    def put_brief(self, path: str, group: str, brief: Brief) -> None:
        """Keep the brief of a run, if it is another than before."""
        key = os.fsencode(path)
        row = (group, brief.metric, brief.score, encode(brief, key))
        query = "SELECT grp, metric, score, brief FROM briefs WHERE path=?"
        if self._db.execute(query, (key,)).fetchone() != row:
            self._db.execute(
                "INSERT INTO briefs VALUES (?, ?, ?, ?, ?) ON CONFLICT (path) DO "
                "UPDATE SET grp=excluded.grp, metric=excluded.metric, "
                "score=excluded.score, brief=excluded.brief",
                (key, *row),
            )

    def brief(self, path: str) -> Brief | None:
        """Return the brief of one run, None where there is none."""
        query = "SELECT path, brief FROM briefs WHERE path=?"
        rows = self._db.execute(query, (os.fsencode(path),))
        return next((brief for _, brief in _decoded(rows)), None)

    def members(
        self, root: str, group: str, metric: str
    ) -> tuple[int, list[tuple[str, Brief]]]:
        """Return how many runs a group has, and (path, brief) of the best of them.

        Args:
            root: The root of the runs.
            group: As it was kept.
            metric: What they are ranked by; empty for all of them.
        """
        where = f"{_HERE} AND b.grp=? AND r.root=?"
        values: list[str | bytes] = [group, os.fsencode(root)]
        if metric:
            where += " AND b.metric=?"
            values.append(metric)
        query = f"SELECT COUNT(*) FROM {where}"  # noqa: S608
        count = int(self._db.execute(query, values).fetchone()[0])
        query = (
            f"SELECT b.path, b.brief FROM {where} "  # noqa: S608
            f"ORDER BY b.score IS NULL, b.score LIMIT {MEMBERS_MAX}"
        )
        return count, list(_decoded(self._db.execute(query, values)))

    def briefs(self) -> Iterator[tuple[str, str, Brief]]:
        """Yield (path, group, brief) of all runs that are there, by path."""
        query = f"SELECT b.path, b.brief, b.grp FROM {_HERE} ORDER BY b.path"  # noqa: S608
        for path, data, group in self._db.execute(query):
            for found, brief in _decoded([(path, data)]):
                yield found, str(group), brief


def _decoded(rows: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, Brief]]:
    for key, data in rows:
        path = os.fsdecode(key)
        try:
            yield path, decode(data, Brief, key, path)
        except DamagedStateError:
            continue
