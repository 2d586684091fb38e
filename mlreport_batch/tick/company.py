"""The other runs of a run's group, out of the state: loaded once for a tick."""

from collections.abc import Mapping

from msgspec.structs import replace

from mlreport_batch.config.settings import RunsRoot
from mlreport_batch.report.alerts import Alert
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.done import Done, done_of, goes_on
from mlreport_batch.report.groups import BY_FOLDER, group_of, peers_of
from mlreport_batch.report.model import AlertRules
from mlreport_batch.report.needless import Experience
from mlreport_batch.report.ranking import Ranking, rank
from mlreport_batch.state.store import RunRow, State

_Key = tuple[str, str, str]


class Company:
    """The groups of one state.

    Args:
        state: Has the briefs.
        roots: The roots of the config by their real paths.
    """

    def __init__(self, state: State, roots: Mapping[str, RunsRoot]) -> None:
        self._state = state
        self._roots = roots
        self._members: dict[_Key, tuple[int, dict[str, Brief]]] = {}
        self._paths: dict[tuple[str, str], str] = {}
        self._experience: dict[_Key, Experience] = {}
        self._rankings: dict[tuple[_Key, frozenset[str]], Ranking | None] = {}
        self._of_runs: dict[str, Ranking | None] = {}

    def group(self, row: RunRow) -> str:
        """Return the group of a run."""
        return group_of(row.name, self._groups(row.root))

    def _groups(self, root: str) -> tuple[str, ...]:
        found = self._roots.get(root)
        return (BY_FOLDER,) if found is None else found.group

    def forget(self) -> None:
        """Read anew what is asked for next: runs were read since."""
        self._members.clear()
        self._experience.clear()
        self._rankings.clear()
        self._of_runs.clear()

    def put(self, row: RunRow, brief: Brief) -> None:
        """Keep what a run is compared by, in a transaction of the caller."""
        self._state.put_brief(row.path, self.group(row), brief)

    def _key(self, row: RunRow, run: Brief) -> _Key:
        return row.root, self.group(row), run.metric

    def _of(self, key: _Key) -> tuple[int, dict[str, Brief]]:
        """Return how many members a group has, and those that are looked at."""
        if key not in self._members:
            count, found = self._state.members(*key)
            self._members[key] = count, {brief.name: brief for _, brief in found}
            self._paths.update(((key[0], each.name), path) for path, each in found)
        return self._members[key]

    def needless(
        self, row: RunRow, run: Brief, rules: AlertRules, language: str
    ) -> tuple[Alert, ...]:
        """Return what the other runs of its group say of a run."""
        if run.is_over or not (rules.repeat or rules.behind):
            return ()
        key = self._key(row, run)
        if key not in self._experience:
            self._experience[key] = Experience(self._of(key)[1].values())
        return self._experience[key].needless(run, rules, language)

    def ranking(self, row: RunRow, run: Brief) -> Ranking | None:
        """Return the ranking that a run stands in, None where it stands alone."""
        if not run.goal:
            return None
        if row.path not in self._of_runs:
            self._of_runs[row.path] = self._rank(row, run)
        return self._of_runs[row.path]

    def _rank(self, row: RunRow, run: Brief) -> Ranking | None:
        key = self._key(row, run)
        count, members = self._of(key)
        is_chosen = self._groups(row.root) != (BY_FOLDER,)
        peers = peers_of(run, members | {run.name: run}, chosen=is_chosen)
        mark = key, frozenset(peer.name for peer in peers)
        if mark not in self._rankings:
            total = count if len(peers) == len(members) else len(peers)
            self._rankings[mark] = rank(key[1], peers, total)
        return self._rankings[mark]

    def done(self, row: RunRow, run: Brief, now: float) -> Done | None:
        """Return the group that a run stands in if all its runs are over by *now*.

        Those that cannot be compared are runs of it, too. Of a group that is larger
        than what is compared, nobody knows.
        """
        ranking = self.ranking(row, run)
        done = None if ranking is None else done_of(ranking, now)
        if done is None:
            return None
        count, members = self._of((row.root, self.group(row), ""))
        everyone = tuple((members | {run.name: run}).values())
        awaits = count > len(members) or any(goes_on(each, now) for each in everyone)
        return None if awaits else replace(done, everyone=everyone)

    def paths(self, row: RunRow, done: Done) -> list[str]:
        """Return where the runs of a group that is done lie, the best first.

        Those that are known are: one that was not read since there are briefs is none.
        """
        keys = ((row.root, run.name) for run in done.ranking.members)
        return [self._paths[key] for key in keys if key in self._paths]
