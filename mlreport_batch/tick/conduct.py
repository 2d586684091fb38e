"""One tick: find what is new, report it, keep the reports, send what is owed.

The order is the promise. A run's new state is committed with a note that it has
news; its frozen mail is on disk before the commit that owes it; it is sent after
that commit, and marked sent by a rename. A tick that dies anywhere leaves either
the old state or something that the next tick finishes.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from mlreport_batch.config.load import Config, RunsRoot
from mlreport_batch.deliver.dispatch import TOLD_AT, Dispatcher, Policy
from mlreport_batch.errors import ConfigError, DamagedStateError, StateError
from mlreport_batch.formats.registry import recognise
from mlreport_batch.state.catalog import GONE_S, Catalog
from mlreport_batch.state.folder import Lock, state_errors
from mlreport_batch.state.mend import adopt, open_state
from mlreport_batch.state.spool import Spool
from mlreport_batch.state.store import State
from mlreport_batch.tick.executors import Executor, executor_of
from mlreport_batch.tick.from_config import rules_of, wishes_of
from mlreport_batch.tick.reporting import Reporter
from mlreport_batch.tick.summary import Options, TickSummary
from mlreport_batch.tick.work import (
    Finding,
    ReadSettings,
    RunTask,
    read_apart,
    read_batch,
)

BATCH = 256
BACKUP_EVERY_S = 86400.0
SINCE_MAX_BYTES = 4 << 20
SEND_S = 300.0
"""How long a tick goes on sending, however long it took to read and draw."""


def run_tick(
    config: Config,
    options: Options,
    *,
    config_key: str,
    now: float,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    should_stop: Callable[[], bool] = lambda: False,
    must_stop: Callable[[], bool] = lambda: False,
) -> TickSummary:
    """Do one tick.

    Args:
        config: All settings.
        options: What the command line adds.
        config_key: Identifies the config; a tick without news compares it.
        now: Seconds since the epoch.
        progress: Told (stage, done, total) on long work.
        should_stop: True once the process was asked to end, or has run long enough.
        must_stop: True once it was asked to end: only that holds up the sending.

    Raises:
        LockedError: Another live tick holds the lock.
        StateError: State or spool are unusable; nothing was lost.
    """
    folder = os.fspath(config.state)
    with state_errors(folder):
        return _run_in(
            folder, config, options, config_key, now, progress, should_stop, must_stop
        )


def _run_in(
    folder: str,
    config: Config,
    options: Options,
    config_key: str,
    now: float,
    progress: Callable[[str, int, int], None],
    should_stop: Callable[[], bool],
    must_stop: Callable[[], bool],
) -> TickSummary:
    if options.dry_run:
        state = State.copy_in_memory(folder)
        try:
            return _Tick(
                config, options, state, None, now, progress, should_stop, must_stop
            ).look(config_key)
        finally:
            state.close()
    lock = Lock(folder)
    try:
        state, notice = open_state(folder)
        try:
            spool = Spool(os.path.join(folder, "spool"))
            tick = _Tick(
                config, options, state, spool, now, progress, should_stop, must_stop
            )
            if notice:
                tick.summary.notices.append(notice)
            return tick.run(config_key)
        except DamagedStateError:
            state.condemn()
            raise
        finally:
            state.close()
    finally:
        lock.release()


class _Tick:
    def __init__(
        self,
        config: Config,
        options: Options,
        state: State,
        spool: Spool | None,
        now: float,
        progress: Callable[[str, int, int], None],
        should_stop: Callable[[], bool],
        must_stop: Callable[[], bool],
    ) -> None:
        self.config = config
        self.options = options
        self.state = state
        self._spool = spool
        self.now = now
        self.progress = progress
        self._is_asked_to_stop = should_stop
        self._must_stop = must_stop
        self.summary = TickSummary()
        self._is_incomplete = False
        self.roots = {os.path.realpath(root.path): root for root in config.runs}
        self.reporter = Reporter(
            config, state, spool, self.summary, now, progress, self.should_stop
        )
        self.settings = ReadSettings(
            wishes=wishes_of(config),
            rules=rules_of(config),
            redact=config.redact,
            timezone=config.report.timezone or "",
            now=now,
            every_s=config.report.every,
            first_seen_max_age_s=config.report.first_seen_max_age,
        )

    def should_stop(self) -> bool:
        """Return whether to end at this safe point, and note it for the exit code."""
        if self._is_asked_to_stop():
            self.summary.is_cut = True
        return self.summary.is_cut

    @property
    def spool(self) -> Spool:
        if self._spool is None:
            raise StateError("a dry run has no spool")
        return self._spool

    # -- the tick ----------------------------------------------------------------

    def run(self, config_key: str) -> TickSummary:
        """Read, report, keep and send."""
        summary = self.summary
        summary.errors += adopt(self.state, self.spool)
        with self._executor() as executor:
            paths = self._survey(config_key)
            findings = self._read(paths, executor)
            with summary.stage("report"):
                for finding in findings:
                    if finding.report is None:
                        self.reporter.note(finding, rid=None)
                due = [finding for finding in findings if finding.report is not None]
                self.reporter.report(self._settled(due), executor)
        self._finish_state(config_key)
        with summary.stage("deliver"):
            self._deliver()
            self._tidy_documents()
        self._back_up()
        self._count()
        return summary

    def look(self, config_key: str) -> TickSummary:
        """Find out what would be reported, on a copy of the state."""
        with self._executor() as executor:
            for finding in self._read(self._survey(config_key), executor):
                self.reporter.note(finding, rid=None)
        self._count()
        return self.summary

    def _executor(self) -> Executor:
        return executor_of(self.config.executor, self.options.jobs)

    def _accept(self, root: str, name: str) -> bool:
        found = self.roots.get(root)
        return found is not None and _is_wanted(found, name)

    def _survey(self, config_key: str) -> list[str]:
        """Return the runs to look at: dirty, due, or all of them."""
        with self.summary.stage("discover"):
            never = {os.path.realpath(path) for path in self.config.never_enter}
            catalog = self.catalog = Catalog(
                self.state, recognise, self._accept, frozenset(never)
            )
            survey = catalog.survey(list(self.roots), self.now)
            if self.state.meta("config_key") != config_key:
                catalog.choose_anew()
            self._believe_the_clock()
            self._is_incomplete = bool(survey.problems)
            self.summary.notices += [
                f"{problem}; what is in it is reported once it can be"
                for problem in survey.unlisted
            ]
            self.summary.problems += [str(problem) for problem in survey.problems]
            self.summary.errors += [
                ConfigError(
                    str(problem),
                    kept="What is known of its runs is kept",
                    advice="Mount it, mend its permissions, or change `runs`",
                )
                for problem in survey.problems
            ]
            paths = dict.fromkeys(survey.dirty)
            paths.update(dict.fromkeys(self.state.due_runs(self.now)))
            if self.options.report_all or self.options.baseline:
                paths.update(dict.fromkeys(row.path for row in self.state.runs()))
            return list(paths)

    def _believe_the_clock(self) -> None:
        """Wake all runs once if the clock was set back since there was news.

        What waits for a time noted by a clock that was ahead would wait that long.
        """
        state = self.state
        if float(state.meta("last_news_at", "0")) > self.now:
            with state.transaction():
                state.wake_all()
                state.set_meta("last_news_at", repr(self.now))

    # -- reading -----------------------------------------------------------------

    def _read(self, paths: Sequence[str], executor: Executor) -> list[Finding]:
        """Read the runs in batches; each batch is committed before the next."""
        findings: list[Finding] = []
        batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
        with self.summary.stage("read"):
            results = executor.map(
                read_batch,
                (self._tasks(batch) for batch in batches),
                self.settings,
                read_apart,
            )
            for batch in results:
                self._keep_seen(batch)
                # States are large; reports are made from what is kept already.
                findings += [_lightened(finding) for finding in batch]
                self.progress("read", len(findings), len(paths))
                if len(findings) < len(paths) and self.should_stop():
                    break
        return findings

    def _tasks(
        self,
        paths: Iterable[str],
        *,
        wanted: bool = False,
        replaced: Collection[str] | None = None,
    ) -> list[RunTask]:
        """Return what to read; *replaced* are the waiting mails told of anew."""
        tasks = []
        for path in paths:
            row = self.state.run(path)
            if row is None or not self._accept(row.root, row.name):
                continue
            if not fnmatchcase(row.name, self.options.only):
                continue
            run = self.catalog.run_dir(row)
            if run.is_deleted or not run.files:
                continue  # gone since it was last told about
            reported = self.state.reported(path)
            superseded = self.reporter.superseded(path)
            if replaced is not None:
                superseded = [rid for rid in superseded if rid in replaced]
            base = reported
            if superseded:
                base = self.state.base_of(superseded[0], path)
            tasks.append(
                RunTask(
                    run=run,
                    seen=self.state.seen(path),
                    reported=reported,
                    base=base,
                    rid=self.reporter.rid_of(path, row.seq + 1),
                    project=os.path.basename(row.root),
                    has_grown=row.grown,
                    is_wanted=wanted or self.options.report_all,
                    record_only=self.options.baseline,
                )
            )
        return tasks

    def _keep_seen(self, findings: Sequence[Finding]) -> None:
        """Commit what was read, with a note on every run that has news."""
        changed = []
        for finding in findings:
            row = self.state.run(finding.path)
            if row is None:
                continue
            wake_at = 0.0 if finding.report is not None else finding.wake_at
            if finding.error:
                wake_at = row.wake_at
            after = replace(
                row,
                wake_at=wake_at,
                grown=row.grown or finding.has_grown,
                status=finding.status or row.status,
            )
            recorded = finding.report is None and finding.snapshot is not None
            if finding.is_changed or after != row or recorded:
                changed.append((after, finding, recorded))
        if not changed:
            return
        with self.state.transaction():
            for row, finding, recorded in changed:
                self.state.put_run(row)
                if finding.is_changed and finding.state is not None:
                    self.state.put_seen(row.path, finding.state)
                if recorded:
                    self.state.put_reported(row.path, finding.snapshot)

    def _settled(self, due: Sequence[Finding]) -> list[Finding]:
        """Return *due* with the siblings, each told from what is told elsewhere on.

        A waiting mail that is not superseded, such as a digest about a run that is
        gone, still tells its news: they are left out here.
        """
        siblings = self._siblings(due)
        replaced = self.reporter.replaced_by([*due, *siblings])
        due = [*due, *(f for f in siblings if self._is_in(f, replaced))]
        again = {
            finding.path
            for finding in due
            if not replaced.issuperset(self.reporter.superseded(finding.path))
        }
        if not again:
            return due
        tasks = self._tasks(again, wanted=True, replaced=replaced)
        found = read_batch(tasks, replace(self.settings, every_s=0.0))
        anew = {finding.path: finding for finding in found if finding.report}
        return [anew.get(finding.path, finding) for finding in due]

    def _is_in(self, finding: Finding, mails: Collection[str]) -> bool:
        return any(rid in mails for rid in self.reporter.superseded(finding.path))

    def _siblings(self, due: Sequence[Finding]) -> list[Finding]:
        """Return findings of the runs whose owed digest is superseded by *due*."""
        known = {finding.path for finding in due}
        more: dict[str, None] = {}
        owed = {mail.rid: mail for mail in self.state.owed()}
        for finding in due:
            for rid in self.reporter.superseded(finding.path):
                more.update(dict.fromkeys(owed[rid].runs))
        paths = [path for path in more if path not in known]
        tasks = self._tasks(paths, wanted=True)
        found = read_batch(tasks, replace(self.settings, every_s=0.0))
        return [finding for finding in found if finding.report is not None]

    # -- finishing ---------------------------------------------------------------

    def _finish_state(self, config_key: str) -> None:
        """Commit what the next tick's first glance compares; nothing if it agrees."""
        state = self.state
        # A root that was never read is no folder that the glance knows of.
        wanted = {
            "config_key": config_key,
            "incomplete": "1" if self._is_incomplete else "",
        }
        if any(state.meta(key) != value for key, value in wanted.items()):
            with state.transaction():
                for key, value in wanted.items():
                    state.set_meta(key, value)
        if self.summary.runs:
            with state.transaction():
                state.set_meta("last_news_at", repr(self.now))

    def _back_up(self) -> None:
        """Copy the state once a day; a copy that fails does not undo the tick."""
        state = self.state
        backup_at = float(state.meta("backup_at", "0"))
        is_fresh = 0 <= self.now - backup_at < BACKUP_EVERY_S
        if is_fresh and state.since_bytes < SINCE_MAX_BYTES:
            return
        owed = {mail.rid for mail in state.owed()}
        try:
            self.spool.forget_sent(owed, now=self.now)
            state.backup()
            with state.transaction():
                state.forget_gone(self.now - GONE_S)
                state.set_meta("backup_at", repr(self.now))
        except StateError as exc:
            self.summary.errors.append(exc)

    def _deliver(self) -> None:
        from mlreport_batch.tick.from_config import make_channel

        if not self.state.owed() and self.state.meta(TOLD_AT, "0") == "0":
            return
        dispatcher = Dispatcher(
            self.state,
            self.spool,
            make_channel(self.config),
            Policy(self.config.mail.backoff_s, self.config.mail.on_unknown),
            self.now,
            self._stops_sending(time.monotonic() + SEND_S),
        )
        result = dispatcher.send_all()
        self.summary.sent = len(result.sent)
        self.summary.errors += result.errors
        for rid in result.vanished:
            self._owe_again(rid)

    def _stops_sending(self, ends: float) -> Callable[[], bool]:
        """Return what ends the sending: a reading that took too long does not."""

        def stops() -> bool:
            if self._must_stop() or time.monotonic() > ends:
                self.summary.is_cut = True
                return True
            return False

        return stops

    def _owe_again(self, rid: str) -> None:
        """Put the runs of a mail whose bytes are gone back to what was reported."""
        owed = next(mail for mail in self.state.owed() if mail.rid == rid)
        with self.state.transaction():
            self.reporter.give_back(owed, owed.runs)
            self.state.settle([rid])
        self.summary.errors.append(
            StateError(
                f"mail {rid} ({owed.subject}) is gone from the spool",
                kept="Its news are reported anew by the next tick",
                advice="Do not delete files below spool/; `mlreport-batch drop` does",
            )
        )

    def _tidy_documents(self) -> None:
        """Trim the Google documents whose mails were accepted, as ``keep`` says."""
        if self.config.render.engine == "google" and self.summary.sent:
            from mlreport_batch.google.tidy import tidy_google

            tidy_google(self.config, self.state)

    def _count(self) -> None:
        summary, config = self.summary, self.config
        owed = self.state.owed()
        summary.owed = sum(1 for mail in owed if not mail.held)
        summary.dead = sum(1 for mail in owed if mail.held)
        waiting = [mail.why for mail in owed if not mail.held and mail.why]
        summary.waits_for = self.state.meta("channel_why") or "".join(waiting[:1])
        if config.mail.via == "outbox":
            summary.places.append(f"mails: {config.outbox.dir}")
        if config.out is not None:
            summary.places.append(f"pages: {config.out / 'index.html'}")
        if config.source is None and not self.state.run_count():
            roots = ", ".join(self.roots)
            summary.notices.append(
                f"no runs found in {roots}; `mlreport-batch inspect` says what was read"
            )
        elif self.options.only != "*" and not any(
            fnmatchcase(row.name, self.options.only) for row in self.state.runs()
        ):
            summary.notices.append(f"no run is called {self.options.only}")


def _lightened(finding: Finding) -> Finding:
    """Return *finding* without what is kept already."""
    snapshot = None if finding.report is None else finding.snapshot
    return replace(finding, state=None, snapshot=snapshot)


def _is_wanted(root: RunsRoot, name: str) -> bool:
    return any(fnmatchcase(name, glob) for glob in root.include) and not any(
        fnmatchcase(name, glob) for glob in root.exclude
    )
