"""Judge a run: what is new, what needs a person, and what its report says.

Ticks and previews ask here, so that the same run gives the same report.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.read.log import look_again_at
from mlreport_batch.read.run import RunState
from mlreport_batch.report.alerts import Alert, find_alerts
from mlreport_batch.report.case import Case
from mlreport_batch.report.describe import describe
from mlreport_batch.report.due import due_alerts, gone, told_after
from mlreport_batch.report.model import Occasion, Report, Verdict
from mlreport_batch.report.news import (
    Changes,
    Snapshot,
    compare,
    history_of,
    snapshot_of,
)
from mlreport_batch.report.plan import goal_of_run
from mlreport_batch.report.status import BROKEN, believed_at, patience_s

OLD_S = 7 * 86400.0
"""An end that is older than this, and was reported on since, is no news: an earlier
version may not have known of it."""


class Judged(Struct, frozen=True):
    """What is to be said of a run, against what was said before.

    Attributes:
        case: The run.
        base: What was reported last; None for nothing.
        changes: What is new since.
        alerts: The alerts that hold, worst first.
    """

    case: Case
    base: Snapshot | None
    changes: Changes
    alerts: tuple[Alert, ...]

    @property
    def told(self) -> Mapping[str, float]:
        """When each alert was last told, seconds since the epoch."""
        return self.base.alerts if self.base else {}

    def due(self) -> list[Alert]:
        """Return the alerts that are news."""
        case = self.case
        goes_on = bool(self.changes.new_points)
        return due_alerts(self.alerts, self.told, case.rules, case.now, goes_on=goes_on)

    def recovered(self) -> list[str]:
        """Return the keys of the alerts that were told and are over."""
        return [key for key in gone(self.alerts, self.told) if self._is_over(key)]

    def _is_over(self, key: str) -> bool:
        """Return whether an alert that holds no longer was over by the run's doing.

        It may only be that nobody wants to know of it any more.
        """
        case, (kind, _, subject) = self.case, key.partition(":")
        match kind:
            case "nan":
                return case.rules.nan
            case "divergence":
                return case.rules.divergence
            case "intent":
                return any(
                    item.key == subject and item.verdict is Verdict.right
                    for item in case.compared
                )
            case _:
                return case.view.updated_ns / 1e9 > self.told[key]

    def kinds(self) -> tuple[str, ...]:
        """Return what is news."""
        has_alerts = self.due() or self.recovered()
        return self.changes.kinds + (("alerts",) if has_alerts else ())

    def is_urgent(self) -> bool:
        """Return whether somebody must know at once: an alert, its end, or the end."""
        return not {"alerts", "status"}.isdisjoint(self.kinds())


def judge(case: Case, base: Snapshot | None, needless: Sequence[Alert] = ()) -> Judged:
    """Return what is to be said of a run whose last report showed *base*.

    Args:
        case: The run.
        base: What its last report showed.
        needless: What the other runs of its group say of it; each is told once.
    """
    status = case.status
    outcome = status.word if status.is_over else ""
    is_old = base is not None and _ended_long_ago(case, base)
    changes = compare(case.view, base, "" if is_old else outcome)
    alerts = find_alerts(case, changes, base.alerts if base else ())
    if is_old:
        alerts = [alert for alert in alerts if alert.kind not in BROKEN]
    told = base.alerts if base else {}
    alerts += [alert for alert in needless if alert.key not in told]
    if base is not None and _is_lost(case, base, alerts):
        kinds = tuple(k for k in changes.kinds if k not in ("metrics", "checkpoints"))
        changes = replace(changes, kinds=kinds)
    return Judged(case, base, changes, tuple(alerts))


def _ended_long_ago(case: Case, base: Snapshot) -> bool:
    was_told = "failed:" in base.alerts
    was_there = base.at >= case.view.updated_ns / 1e9
    return case.status.silent_s > OLD_S and was_there and not was_told


def _is_lost(case: Case, base: Snapshot, alerts: Sequence[Alert]) -> bool:
    """Return whether a run only adds to a loss that is known to be no number.

    A better value of any metric says that there is more to tell.
    """
    known = {key for key in base.alerts if key.startswith("nan:")} - {"nan:norm"}
    if not known or not any(a.kind == "nan" and not a.subject for a in alerts):
        return False
    return all(
        name in base.metrics and (best is None or best[0] == base.metrics[name].best)
        for name, best in case.bests.items()
    )


def report_of(judged: Judged, *, rid: str, run: str, project: str) -> Report:
    """Return the report.

    Args:
        judged: The run.
        rid: The report's id.
        run: The run's name.
        project: Name of the root folder.
    """
    due = judged.due()
    return describe(
        judged.case,
        judged.base,
        judged.changes,
        due,
        standing=[alert for alert in judged.alerts if alert not in due],
        recovered=judged.recovered(),
        occasion=Occasion(rid, run, project, judged.case.here()),
    )


def mark_of(judged: Judged) -> Snapshot:
    """Return what a report shows that tells the alerts that are due now."""
    case, status = judged.case, judged.case.status
    step = case.view.step
    return snapshot_of(
        case.view,
        best={name: best and best[0] for name, best in case.bests.items()},
        alerts=told_after(judged.alerts, judged.due(), judged.told, case.now),
        at=case.now,
        outcome=status.word if status.is_over else "",
        history=history_of(judged.base, judged.changes, step=step, at=case.now),
    )


def wake_at(judged: Judged, state: RunState) -> float | None:
    """Return when time alone can make news of this run, None for never.

    An alert is told again only of a run that goes on, and so is looked at.

    Args:
        judged: The run.
        state: All that is known of it.
    """
    case = judged.case
    status, rules, now = case.status, case.rules, case.now
    times = []
    patience = patience_s(case.view, rules)
    if not status.is_over and status.silent_s <= patience:
        goal = goal_of_run(case.view)
        is_near = goal is not None and goal.is_near
        waits_for_end = is_near or any(e.status for e in case.view.endings.values())
        if waits_for_end or (case.has_grown and rules.stall_s is not None):
            times.append(case.view.updated_ns / 1e9 + patience + 1)
        if any(e.status and not e.is_sure for e in case.view.endings.values()):
            times.append(believed_at(case.view) + 1)
    waits = (look_again_at(log, now) for log in state.logs.values())
    times += [at for at in waits if at is not None]
    return min((at for at in times if at > now or not at), default=None)
