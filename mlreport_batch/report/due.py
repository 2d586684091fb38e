"""Which alerts are told now: new ones, and what was told and is over.

Each is told once, and again at most once per ``alerts.remind`` while the run goes on
with it. What was told and still holds stands in one quiet line.
"""

from collections.abc import Mapping, Sequence

from mlreport_batch.report.alerts import Alert
from mlreport_batch.report.model import AlertRules

REMINDED = ("nan", "divergence")
CAN_END = (*REMINDED, "stall", "failed", "intent")
HOLDING = (*CAN_END, "plateau")
ONCE = ("repeat", "behind")
"""What is told once, and not again whatever becomes of it."""
RECOVERED = "was "
"""How the key of an alert begins that was told and is over."""
FLAPS_S = 86400.0
"""So long a single value is no news that is none, where another was told before."""


def due_alerts(
    alerts: Sequence[Alert],
    told: Mapping[str, float],
    rules: AlertRules,
    now: float,
    *,
    goes_on: bool,
) -> list[Alert]:
    """Return the alerts that are news.

    Args:
        alerts: Those that hold.
        told: When each was last told, by its key, seconds since the epoch.
        rules: How often an alert that holds is told.
        now: Seconds since the epoch.
        goes_on: Whether the run wrote values since the last report.
    """
    due = []
    for alert in alerts:
        at = told_at(alert, told)
        if at is None:
            before = told.get(RECOVERED + alert.key)
            if not alert.is_brief or before is None or now - before >= FLAPS_S:
                due.append(alert)
        elif goes_on and alert.kind in REMINDED and _is_long_ago(at, rules, now):
            due.append(alert)
    return due


def _is_long_ago(at: float, rules: AlertRules, now: float) -> bool:
    return rules.remind_s is not None and now - at >= rules.remind_s


def told_at(alert: Alert, told: Mapping[str, float]) -> float | None:
    """Return when an alert was last told, None for never.

    Earlier versions told of each metric apart.
    """
    found = told.get(alert.key)
    if found is not None or alert.subject or alert.kind not in REMINDED:
        return found
    start = f"{alert.kind}:"
    others = [
        at for key, at in told.items() if key.startswith(start) and key != "nan:norm"
    ]
    return max(others, default=None)


def gone(alerts: Sequence[Alert], told: Mapping[str, float]) -> list[str]:
    """Return the keys of the alerts that were told and hold no longer.

    Of a loss that is no number any more, what its norm was is a part.
    """
    keys = {alert.key for alert in alerts}
    kinds = {alert.key.partition(":")[0] for alert in alerts}
    return [
        key
        for key in told
        if (kind := key.partition(":")[0]) in CAN_END
        and key not in keys
        and not (kind in REMINDED and kind in kinds)
    ]


def holds(told: Mapping[str, float]) -> bool:
    """Return whether an alert of those that were told holds.

    That something changed while a run went on is told once, and holds no longer.
    """
    return any(key.partition(":")[0] in HOLDING for key in told)


def told_after(
    alerts: Sequence[Alert],
    due: Sequence[Alert],
    told: Mapping[str, float],
    now: float,
) -> dict[str, float]:
    """Return when each alert was last told once the *due* ones are told *now*."""
    fresh = {alert.key for alert in due}
    after = {}
    for alert in alerts:
        at = now if alert.key in fresh else told_at(alert, told)
        if at is not None:
            after[alert.key] = at
    after.update((k, at) for k, at in told.items() if k.partition(":")[0] in ONCE)
    for key in gone(alerts, told):
        after[RECOVERED + key] = told[key]
    for key, at in told.items():
        if key.startswith(RECOVERED) and 0 <= now - at < FLAPS_S:
            after.setdefault(key, at)
    return after
