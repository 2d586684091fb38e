"""The work on one run, apart from state, spool and channels.

`read_batch` turns files into `Finding`s (new state, news, report). It is a pure
function of picklable values, so a tick can map it over batches of runs with any
executor; so is `render.draw.draw_batch`, which turns reports into frozen mails.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.errors import MlreportError
from mlreport_batch.find.runs import RunDir, RunFile
from mlreport_batch.formats import Problem
from mlreport_batch.read.bulk.ahead import Bulk, Unread, worthwhile
from mlreport_batch.read.run import RunState, plan_of, read_run, unread_logs
from mlreport_batch.report.alerts import texts_of
from mlreport_batch.report.case import case_of
from mlreport_batch.report.judge import judge, mark_of, report_of, wake_at
from mlreport_batch.report.model import AlertRules, Report, Wishes
from mlreport_batch.report.news import Snapshot
from mlreport_batch.report.view import RunView, view_of
from mlreport_batch.safety.clean import Scalar
from mlreport_batch.safety.masking.redact import redact_text


class ReadSettings(Struct, frozen=True):
    """What reading and judging a run needs to know.

    Attributes:
        wishes: What the user wants in reports.
        rules: Which alerts are wanted.
        redact: The user's globs on names of secrets.
        timezone: Name of the zone of dates, or empty for the machine's.
        now: When the tick began, seconds since the epoch.
        every_s: Least time between two reports of a run.
        first_seen_max_age_s: Runs that were quiet for longer when first seen are
            only recorded; None reports them all.
        runs: How many runs this tick reads, in all batches.
    """

    wishes: Wishes
    rules: AlertRules
    redact: tuple[str, ...]
    timezone: str
    now: float
    every_s: float = 0.0
    first_seen_max_age_s: float | None = None
    runs: int = 0


class RunTask(Struct, frozen=True):
    """One run to read.

    Attributes:
        run: The directory.
        seen: Its state at the last tick.
        reported: What its last report showed, delivered or still owed.
        base: What its last report showed that may have been delivered; changes are
            told against it. The same as ``reported`` unless a mail is superseded.
        rid_seed: What the id of its next report is made from.
        project: Name of the root folder.
        has_grown: Whether an earlier tick saw it grow.
        is_wanted: Whether it is reported even without news.
        record_only: Whether what is there now counts as reported without a report.
        is_gone: Whether the directory is gone, so that nothing can be read any more.
        expect: What the config means the runs of its root, or of its name, to have.
    """

    run: RunDir
    seen: RunState | None
    reported: Snapshot | None
    base: Snapshot | None
    rid_seed: str
    project: str
    has_grown: bool = False
    is_wanted: bool = False
    record_only: bool = False
    is_gone: bool = False
    expect: Mapping[str, Scalar] = field(default_factory=dict)


class Finding(Struct, frozen=True):
    """What reading a run brought.

    Attributes:
        path: The run directory.
        name: Its name.
        state: Its state now, None where it could not be read.
        is_changed: Whether the state must be kept anew.
        has_grown: Whether values were added since the state before.
        kinds: What is news; empty for none.
        new_points: Values not reported yet.
        status: Its status word.
        report: The report, if one is due.
        snapshot: What that report shows; without a report, what counts as reported.
        alerts: Texts of the alerts that hold.
        problems: What could not be read.
        recipients: Who asks for its reports, by the run's own intent.
        wake_at: When to look again even if no file changes.
        error: Why the run could not be worked on.
        is_passing: Whether that was the machine's fault and not ours.
        is_gone: Whether the directory is gone: this is the last that is told of it.
    """

    path: str
    name: str
    state: RunState | None = None
    is_changed: bool = False
    has_grown: bool = False
    kinds: tuple[str, ...] = ()
    new_points: int = 0
    status: str = ""
    report: Report | None = None
    snapshot: Snapshot | None = None
    alerts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    wake_at: float | None = None
    error: str = ""
    is_passing: bool = False
    is_gone: bool = False


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
        settings = replace(settings, rules=rules, every_s=0.0)
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
    view = view_of(state)
    has_grown = task.has_grown or (
        task.seen is not None and _points(task.seen) < _points(state)
    )
    wishes = settings.wishes
    if task.expect:
        wishes = replace(wishes, expect={**wishes.expect, **task.expect})
    case = case_of(
        view,
        wishes,
        settings.rules,
        now=now,
        has_grown=has_grown,
        timezone=settings.timezone,
    )
    judged = judge(case, task.reported)
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
    )
    if _only_recorded(task, view, settings):
        return replace(finding, kinds=(), snapshot=mark_of(judged))
    if not (kinds or task.is_wanted):
        return finding
    last = task.reported.at if task.reported else 0.0
    waits_until = last + settings.every_s
    # A clock that was set back must not hold up reports until it has caught up.
    may_wait = not (task.is_wanted or judged.is_urgent())
    if last <= now < waits_until and may_wait:
        wakes = [at for at in (finding.wake_at, waits_until) if at is not None]
        return replace(finding, wake_at=min(wakes))
    mark = mark_of(judged)
    if task.base is not task.reported:
        # The mail that this one supersedes told of changes that nobody has read.
        judged = judge(case, task.base)
    return replace(
        finding,
        alerts=texts_of(judged.alerts),
        report=report_of(
            judged,
            rid=_rid(task.rid_seed, mark),
            run=run.name,
            project=task.project,
        ),
        snapshot=mark,
    )


def rid_of(*parts: bytes) -> str:
    """Return the id of a report that is made from *parts* alone."""
    return sha256(b"\0".join(parts)).hexdigest()[:26]


def _rid(seed: str, snapshot: Snapshot) -> str:
    """Return a report's id: another one whenever it tells something else.

    Also when an old state comes back, as from a backup of the disk, that would count
    the same reports anew: one id never has two contents.
    """
    told = replace(snapshot, at=0.0, alerts=dict.fromkeys(snapshot.alerts, 0.0))
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
