"""The work on one run, apart from state, spool and channels.

`read_batch` turns files into `Finding`s (new state, news, report). It is a pure
function of picklable values, so a tick can map it over batches of runs with any
executor; so is `render.draw.draw_batch`, which turns reports into frozen mails.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.errors import MlreportError
from mlreport_batch.find.ahead import plan_reading
from mlreport_batch.find.runs import RunDir, RunFile
from mlreport_batch.formats import Problem
from mlreport_batch.read.bulk.ahead import Bulk, Unread, worthwhile
from mlreport_batch.read.run import (
    RunState,
    files_with_news,
    plan_of,
    read_run,
    unread_logs,
)
from mlreport_batch.report.alerts import texts_of
from mlreport_batch.report.brief import brief_of
from mlreport_batch.report.card import Card, card_of
from mlreport_batch.report.case import Case, case_of
from mlreport_batch.report.judge import Judged, judge, mark_of, report_of, wake_at
from mlreport_batch.report.model import Wishes
from mlreport_batch.report.news import Snapshot
from mlreport_batch.report.values import judged_metric
from mlreport_batch.report.view import RunView, view_of
from mlreport_batch.safety.clean import Scalar
from mlreport_batch.safety.masking.redact import redact_text
from mlreport_batch.safety.remote.address import is_remote
from mlreport_batch.tick.finding import Finding, ReadSettings, RunTask
from mlreport_batch.tick.pictures import with_pictures


class _Planned(Struct, frozen=True):
    """A run with what is to be read of it, in groups, and which logs have news."""

    task: RunTask
    plan: list[list[RunFile]] | None = None
    unread: list[Unread] = field(default_factory=list)


APART_S = 300
"""Seconds that one run may take to be read in a child of its own."""


def read_batch(tasks: Sequence[RunTask], settings: ReadSettings) -> list[Finding]:
    """Return a finding for each task; a run that fails does not fail the others."""
    now_ns = int(settings.now * 1e9)
    plans = [_planned(task, now_ns) for task in tasks]
    unread = (log for plan in plans for log in plan.unread)
    kinds = worthwhile(unread, len(tasks) / max(1, len(tasks), settings.runs))
    if not kinds:
        return [_safely_read(plan, settings, None) for plan in plans]
    with Bulk(kinds) as bulk:
        ahead = bulk.ahead((plan, plan.unread) for plan in plans)
        return [_safely_read(plan, settings, bulk) for plan in ahead]


def read_apart(tasks: Sequence[RunTask], settings: ReadSettings) -> list[Finding]:
    """Return what `read_batch` does, with each run in a child of its own.

    For when one of them, nobody knows which, has killed the process that read it.
    """
    from mlreport_batch.safety.child import BoundedChild, ChildFailedError

    findings = []
    for task in tasks:
        child = BoundedChild(
            partial(_safely_read, settings=settings, bulk=None),
            cpu_s=APART_S,
            wall_s=APART_S,
        )
        try:
            findings.append(child.call(_Planned(task)))
        except ChildFailedError as exc:
            findings.append(_failed(task.run, MemoryError(f"its reader {exc}")))
        finally:
            child.close()
    return findings


def _planned(task: RunTask, now_ns: int) -> "_Planned":
    if task.is_gone:
        return _Planned(task)
    try:
        plan = plan_of(task.run)
        if is_remote(task.run.path):
            plan_reading(files_with_news(plan, task.seen))
        return _Planned(task, plan, unread_logs(plan, task.seen, now_ns))
    except Exception:  # noqa: BLE001 - reading the run says it
        return _Planned(task)


def _safely_read(
    planned: "_Planned", settings: ReadSettings, bulk: Bulk | None
) -> Finding:
    try:
        return _read(planned.task, planned.plan, settings, bulk)
    except Exception as exc:  # noqa: BLE001 - one bad run never holds up the others
        return _failed(planned.task.run, exc)


def _failed(run: RunDir, exc: Exception) -> Finding:
    text = (
        str(exc) if isinstance(exc, MlreportError) else f"{type(exc).__name__}: {exc}"
    )
    is_passing = isinstance(exc, OSError | MemoryError)
    return Finding(run.path, run.name, error=redact_text(text), is_passing=is_passing)


def _read(
    task: RunTask,
    plan: list[list[RunFile]] | None,
    settings: ReadSettings,
    bulk: Bulk | None,
) -> Finding:
    if task.is_gone:
        return _last_words(task, settings)
    state = read_run(
        task.run,
        task.seen,
        now_ns=int(settings.now * 1e9),
        redact=settings.redact,
        bulk=bulk,
        plan=plan,
    )
    return _found(task, state, settings)


def _last_words(task: RunTask, settings: ReadSettings) -> Finding:
    """Return what was read of a run that is gone and not told yet, if anything."""
    run, state = task.run, task.seen
    finding = Finding(run.path, run.name)
    if state is not None:
        # Its silence is no news, and nothing will come that a report could wait for.
        rules = replace(settings.rules, stall_s=None)
        settings = replace(settings, rules=rules, every_s=0.0, held_until=0.0)
        finding = _found(task, state, settings)
        if finding.kinds == ("alerts",) and not task.is_wanted:
            # It is over, so nobody need be reminded.
            finding = replace(finding, kinds=(), report=None, snapshot=None)
        if finding.report is not None:
            place = f"{os.path.basename(run.path)}/"
            note = Problem(place, None, "deleted; what was read before is told here")
            state = replace(state, problems=(*state.problems, note))
            finding = _found(task, state, settings)
    return replace(finding, state=None, is_changed=False, wake_at=None, is_gone=True)


def _found(task: RunTask, state: RunState, settings: ReadSettings) -> Finding:
    """Return what is to be told of a run whose files say *state*."""
    run, now = task.run, settings.now
    case = _case(task, state, settings)
    judged = judge(case, task.reported, task.needless)
    view, has_grown = case.view, case.has_grown
    kinds = judged.kinds()
    finding = Finding(
        path=run.path,
        name=run.name,
        state=state,
        is_changed=task.seen is None or _differs(task.seen, state),
        has_grown=has_grown,
        kinds=kinds,
        new_points=judged.changes.total_points,
        status=case.status.word,
        alerts=texts_of(judged.alerts),
        problems=tuple(map(str, view.problems)),
        recipients=view.to,
        wake_at=wake_at(judged, state),
        values=_values(view, case.wishes) if settings.with_values else {},
        brief=brief_of(case, run.name),
        needless=tuple(alert.key for alert in task.needless),
        is_first=task.reported is None,
        card=_card(judged) if settings.has_pages else None,
    )
    if _only_recorded(task, view, settings):
        return replace(finding, kinds=(), snapshot=mark_of(judged))
    if not (kinds or task.is_wanted):
        return finding
    waits_until = _waits_until(task, settings)
    if now < waits_until and not (task.is_wanted or judged.is_urgent()):
        wakes = [at for at in (finding.wake_at, waits_until) if at is not None]
        return replace(finding, wake_at=min(wakes))
    mark = mark_of(judged)
    if task.base is not task.reported:
        # The mail that this one supersedes told of changes that nobody has read.
        judged = judge(case, task.base, task.needless)
    return replace(
        finding,
        has_ended=case.status.is_over and "status" in judged.changes.kinds,
        alerts=texts_of(judged.alerts),
        report=with_pictures(
            report_of(
                judged,
                rid=_rid(task.rid_seed, mark),
                run=run.name,
                project=task.project,
            ),
            run.path,
            view.started_ns,
        ),
        snapshot=mark,
    )


def _values(view: RunView, wishes: Wishes) -> dict[str, dict[str, Scalar | None]]:
    return {
        name: judged_metric(name, each, wishes.goals)
        for name, each in view.metrics.items()
    }


def _waits_until(task: RunTask, settings: ReadSettings) -> float:
    """Return until when what does not hurry is held back, seconds since the epoch."""
    last = task.reported.at if task.reported else 0.0
    # A clock that was set back must not hold up reports until it has caught up.
    every_until = last + settings.every_s if last <= settings.now else 0.0
    return max(every_until, settings.held_until)


def _case(task: RunTask, state: RunState, settings: ReadSettings) -> Case:
    wishes = settings.wishes
    if task.expect:
        wishes = replace(wishes, expect={**wishes.expect, **task.expect})
    return case_of(
        view_of(state),
        wishes,
        settings.rules,
        now=settings.now,
        has_grown=task.has_grown
        or (task.seen is not None and _points(task.seen) < _points(state)),
        timezone=settings.timezone,
    )


def _card(judged: Judged) -> Card:
    return card_of(judged.case, judged.alerts)


def card_batch(
    tasks: Sequence[RunTask], settings: ReadSettings
) -> list[tuple[str, Card]]:
    """Return path and card of each run that was seen, by what is known of it."""
    return [
        (task.run.path, _card(judge(_case(task, seen, settings), task.reported)))
        for task in tasks
        if (seen := task.seen) is not None
    ]


def seen_batch(tasks: Sequence[RunTask], settings: ReadSettings) -> list[Finding]:
    """Return a finding for each run that was seen, by what is known of it.

    One that fails is left out: what is new of another does not wait for it.
    """
    found = []
    for task in tasks:
        if task.seen is not None:
            with suppress(Exception):
                found.append(_found(task, task.seen, settings))
    return found


def rid_of(*parts: bytes) -> str:
    """Return the id of a report that is made from *parts* alone."""
    return sha256(b"\0".join(parts)).hexdigest()[:26]


def _rid(seed: str, snapshot: Snapshot) -> str:
    """Return a report's id: another one whenever it tells something else.

    Also when an old state comes back, as from a backup of the disk, that would count
    the same reports anew: one id never has two contents.
    """
    timeless = {
        key: tuple(replace(each, at=0.0) for each in earlier)
        for key, earlier in snapshot.history.items()
    }
    alerts = dict.fromkeys(snapshot.alerts, 0.0)
    told = replace(snapshot, at=0.0, alerts=alerts, history=timeless)
    shown = msgspec.msgpack.encode(told, order="deterministic")
    return rid_of(seed.encode(), shown)


def _points(state: RunState) -> int:
    return sum(log.points for log in state.logs.values() if not log.is_continued)


def _only_recorded(task: RunTask, view: RunView, settings: ReadSettings) -> bool:
    if task.record_only:
        return True
    if task.seen is not None or task.reported is not None or task.is_wanted:
        return False  # it was seen before: what it says now is news
    limit = settings.first_seen_max_age_s
    return limit is not None and settings.now - view.updated_ns / 1e9 > limit


def _differs(before: RunState, after: RunState) -> bool:
    """Return whether two states differ in more than how recently files were read."""

    def bare(state: RunState) -> RunState:
        logs = {
            path: replace(log, signature=replace(log.signature, ctime_ns=0))
            for path, log in state.logs.items()
        }
        return replace(state, logs=logs)

    return bare(before) != bare(after)
