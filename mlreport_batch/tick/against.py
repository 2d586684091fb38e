"""Tell the findings of a tick against the other runs of their groups."""

import os
from collections.abc import Collection, Sequence

from msgspec.structs import replace

from mlreport_batch.report.comparison import comparison_of
from mlreport_batch.report.done import Done, describe_done
from mlreport_batch.report.model import Comparison, Digest
from mlreport_batch.report.ranking import Position, Ranking
from mlreport_batch.state.idle import LAST_NEWS_AT
from mlreport_batch.state.store import RunRow
from mlreport_batch.tick.finding import Finding, told_report
from mlreport_batch.tick.from_config import wishes_of
from mlreport_batch.tick.scope import Scope
from mlreport_batch.tick.seen import SeenRuns

DONE_MAX = 200
"""Of so many runs, the best ones, the mail about a group that is done has reports."""
_Group = tuple[str, str, str]


class Against:
    """The groups of one tick.

    Args:
        scope: The tick.
        seen: The runs that have no news.
    """

    def __init__(self, scope: Scope, seen: SeenRuns) -> None:
        self._scope, self._state, self._seen = scope, scope.state, seen
        self._wishes = wishes_of(scope.config)
        # What the first tick of all finds was over before anybody waited for it.
        is_first = not scope.state.meta(LAST_NEWS_AT)
        self._tells_done = scope.config.mail.group_done and not is_first

    def _ranking(self, finding: Finding) -> Ranking | None:
        row, run = self._state.run(finding.path), finding.brief
        if row is None or run is None:
            return None
        return self._scope.company.ranking(row, run)

    def compared(self, finding: Finding) -> Finding:
        """Return *finding* with its report told against the others of the group."""
        ranking, report = self._ranking(finding), told_report(finding)
        if ranking is None:
            return finding
        comparison = comparison_of(ranking, self._wishes, finding.brief)
        return replace(finding, report=replace(report, comparison=comparison))

    def position(self, finding: Finding) -> Position | None:
        """Return where a run stands, None where it stands alone."""
        ranking, run = self._ranking(finding), finding.brief
        return None if ranking is None or run is None else ranking.position(run)

    def boards(self, findings: Sequence[Finding]) -> tuple[Comparison, ...]:
        """Return the leaderboards of the groups that *findings* are of."""
        rankings = {
            _mark_of(each): each
            for each in map(self._ranking, findings)
            if each is not None
        }
        return tuple(comparison_of(each, self._wishes) for each in rankings.values())

    def done(self, due: Sequence[Finding]) -> list[tuple[Done, list[Finding]]]:
        """Return the groups of which the last run has ended, with those of *due*."""
        groups: dict[tuple[str, _Group], list[Finding]] = {}
        for finding in due if self._tells_done else ():
            row, ranking = self._state.run(finding.path), self._ranking(finding)
            if row is not None and ranking is not None:
                key = row.root, _mark_of(ranking)
                groups.setdefault(key, []).append(finding)
        asked = ((self._is_done(findings), findings) for findings in groups.values())
        return [(done, findings) for done, findings in asked if done is not None]

    def _is_done(self, findings: Sequence[Finding]) -> Done | None:
        row, run = self._row(findings[0]), findings[0].brief
        if run is None or not any(finding.has_ended for finding in findings):
            return None
        return self._scope.company.done(row, run, self._scope.now)

    def _row(self, finding: Finding) -> RunRow:
        row = self._state.run(finding.path)
        if row is None:
            raise AssertionError(finding.name)
        return row

    def others(self, done: Done, findings: Sequence[Finding]) -> list[Finding]:
        """Return the runs of a group that is *done* that are not among *findings*."""
        told = {finding.path for finding in findings}
        paths = self._scope.company.paths(self._row(findings[0]), done)
        wanted = [path for path in paths[:DONE_MAX] if path not in told]
        return [self.compared(other) for other in self._seen.findings(wanted)]

    def describe(self, done: Done, findings: Collection[Finding], rid: str) -> Digest:
        """Return one digest over *findings* of a group that is *done*."""
        reports = [told_report(finding) for finding in findings]
        row = self._row(next(iter(findings)))
        name = done.ranking.group or os.path.basename(row.root)
        return describe_done(done, name, reports, rid=rid, wishes=self._wishes)


def _mark_of(ranking: Ranking) -> _Group:
    return ranking.group, ranking.metric, ranking.leader.name
