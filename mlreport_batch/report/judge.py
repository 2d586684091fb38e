"""Judge a run: what is new, what needs a person, and what its report says.

Ticks and previews ask here, so that the same run gives the same report.
"""

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from msgspec import Struct

from mlreport_batch.language.dates import local_now
from mlreport_batch.read.log import look_again_at
from mlreport_batch.read.run import RunState
from mlreport_batch.report.alerts import (
    Alert,
    due_alerts,
    find_alerts,
    stall_after_s,
    status_of,
)
from mlreport_batch.report.case import Case
from mlreport_batch.report.describe import describe
from mlreport_batch.report.model import Occasion, Report
from mlreport_batch.report.news import Changes, Snapshot, compare, snapshot_of


class Judged(Struct, frozen=True):
    """What is to be said of a run, against what was said before.

    Attributes:
        case: The run.
        base: What was reported last; None for nothing.
        changes: What is new since.
        alerts: The alerts that hold, worst first.
        status: The status word and its evidence.
    """

    case: Case
    base: Snapshot | None
    changes: Changes
    alerts: tuple[Alert, ...]
    status: tuple[str, str]

    @property
    def told(self) -> Mapping[str, float]:
        """When each alert was last told, seconds since the epoch."""
        return self.base.alerts if self.base else {}

    def due(self) -> list[Alert]:
        """Return the alerts that are news."""
        return due_alerts(self.alerts, self.told, self.case.rules, self.case.now)


def judge(case: Case, base: Snapshot | None) -> Judged:
    """Return what is to be said of a run whose last report showed *base*."""
    changes = compare(case.view, base)
    alerts = find_alerts(case, changes)
    status = status_of(
        case.view,
        case.rules,
        now=case.now,
        language=case.wishes.language,
        alerts=alerts,
    )
    return Judged(case, base, changes, tuple(alerts), status)


def report_of(
    judged: Judged, *, rid: str, run: str, project: str, zone: tzinfo | None
) -> Report:
    """Return the report.

    Args:
        judged: The run.
        rid: The report's id.
        run: The run's name.
        project: Name of the root folder.
        zone: Of its dates; None for the machine's.
    """
    here = local_now(zone, judged.case.now)
    return describe(
        judged.case,
        judged.base,
        judged.changes,
        judged.alerts,
        status=judged.status,
        occasion=Occasion(rid, run, project, here),
    )


def mark_of(judged: Judged, due: Sequence[Alert]) -> Snapshot:
    """Return what a report shows that tells the *due* alerts now."""
    fresh = {alert.key for alert in due}
    case = judged.case
    return snapshot_of(
        case.view,
        best={name: best and best[0] for name, best in case.bests.items()},
        alerts={
            alert.key: case.now if alert.key in fresh else judged.told[alert.key]
            for alert in judged.alerts
        },
        at=case.now,
    )


def wake_at(judged: Judged, state: RunState, told: Mapping[str, float]) -> float | None:
    """Return when time alone can make news of this run, None for never.

    Args:
        judged: The run.
        state: All that is known of it.
        told: When each alert was last told, seconds since the epoch.
    """
    case, alerts = judged.case, judged.alerts
    view, rules, now = case.view, case.rules, case.now
    times = []
    limit = stall_after_s(view, rules)
    if (
        limit is not None
        and case.has_grown
        and not any(alert.kind == "stall" for alert in alerts)
    ):
        times.append(view.updated_ns / 1e9 + limit + 1)
    reminded = [alert for alert in alerts if alert.kind in ("nan", "divergence")]
    age = now - view.updated_ns / 1e9
    if rules.remind_s and age < 3 * rules.remind_s:
        times += [told.get(alert.key, now) + rules.remind_s for alert in reminded]
    waits = (look_again_at(log, now) for log in state.logs.values())
    times += [at for at in waits if at is not None]
    return min(times, default=None)
