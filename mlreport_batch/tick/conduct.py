"""One tick: find what is new, report it, keep the reports, send what is owed.

The order is the promise. A run's new state is committed with a note that it has
news; its frozen mail is on disk before the commit that owes it; it is sent after
that commit, and marked sent by a rename. A tick that dies anywhere leaves either
the old state or something that the next tick finishes.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

from mlreport_batch.config.locate import identity
from mlreport_batch.config.settings import Config
from mlreport_batch.deliver import Policy
from mlreport_batch.deliver.dispatch import Dispatcher
from mlreport_batch.errors import DamagedStateError, StateError
from mlreport_batch.render.lighten import lighten
from mlreport_batch.safety.clean import clean
from mlreport_batch.state.catalog import GONE_S
from mlreport_batch.state.database import BACKUP_AT
from mlreport_batch.state.folder import Lock, claim, state_errors
from mlreport_batch.state.idle import CONFIG_KEY, EVERY_TICK, INCOMPLETE, TOLD_AT
from mlreport_batch.state.mend import mend, open_state
from mlreport_batch.state.spool import Spool, spool_of
from mlreport_batch.state.store import State
from mlreport_batch.tick.debts import Debts
from mlreport_batch.tick.executors import Executor, executor_of
from mlreport_batch.tick.from_config import make_channel
from mlreport_batch.tick.pages import PageWriter
from mlreport_batch.tick.reading import RunReader
from mlreport_batch.tick.reporting import Reporter
from mlreport_batch.tick.scope import Scope
from mlreport_batch.tick.summary import Options, TickSummary

if TYPE_CHECKING:
    from mlreport_batch.tick.elsewhere import Elsewhere

BACKUP_EVERY_S = 86400.0
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

    def scope(state: State, spool: Spool | None) -> Scope:
        debts = Debts(state, spool, identity(config.source))
        return Scope(config, options, state, debts, now, progress, should_stop)

    if options.dry_run:
        with state_errors(folder):
            state = State.copy_in_memory(folder)
            try:
                return _Tick(scope(state, None), must_stop).look(config_key)
            finally:
                state.close()
    watch = _watch(config, options, now, must_stop)
    try:
        summary = _locked(
            folder,
            config,
            lambda: _with_state(folder, scope, config_key, must_stop),
            watch,
        )
    except Exception as exc:
        if watch is not None:
            watch.failed(exc)
        raise
    if watch is not None:
        watch.end(summary)
    return summary


def _watch(
    config: Config, options: Options, now: float, must_stop: Callable[[], bool]
) -> "Elsewhere | None":
    """Return what tells others of this tick, where the config names any."""
    if not config.tells_elsewhere or options.baseline:
        return None
    from mlreport_batch.tick.elsewhere import Elsewhere

    return Elsewhere(config, now, must_stop)


def _locked(
    folder: str,
    config: Config,
    work: Callable[[], TickSummary],
    watch: "Elsewhere | None",
) -> TickSummary:
    with state_errors(folder):
        lock = Lock(folder)
    try:
        if watch is not None:
            watch.begin()
        with state_errors(folder):
            _claim(config)
            return work()
    except DamagedStateError as exc:
        with state_errors(folder):
            raise StateError(
                mend(folder, exc),
                kept="What is owed stays owed",
                advice="The next tick goes on",
            ) from exc
    finally:
        lock.release()


def _claim(config: Config) -> None:
    """Note whose the state folder is, and the one that shards share."""
    owner = identity(config.source)
    claim(os.fspath(config.state), owner)
    if config.shard is not None:
        with suppress(OSError):  # another shard notes the same just now
            claim(os.fspath(config.state.parent), owner)


def _with_state(
    folder: str,
    scope: Callable[[State, Spool | None], Scope],
    config_key: str,
    must_stop: Callable[[], bool],
) -> TickSummary:
    spool = Spool(spool_of(folder))
    state, notices, errors = open_state(folder, spool)
    try:
        tick = _Tick(scope(state, spool), must_stop)
        tick.summary.notices += notices
        tick.summary.errors += errors
        return tick.run(config_key)
    finally:
        state.close()


class _Tick:
    def __init__(self, scope: Scope, must_stop: Callable[[], bool]) -> None:
        self.scope = scope
        self.config, self.options = scope.config, scope.options
        self.state, self.debts = scope.state, scope.debts
        self.summary, self.now = scope.summary, scope.now
        self._must_stop = must_stop
        self.pages = PageWriter(scope)
        self.reader = RunReader(scope, self.pages)
        self.reporter = Reporter(scope, self.pages, self.reader.seen)

    def run(self, config_key: str) -> TickSummary:
        """Read, report, keep and send."""
        summary = self.summary
        self.pages.begin(config_key)
        with self._executor() as executor:
            with summary.stage("discover"):
                paths = self.reader.survey(config_key)
            with summary.stage("read"):
                findings = self.reader.read(paths, executor)
            with summary.stage("report"):
                due = [finding for finding in findings if finding.report is not None]
                for finding in findings:
                    if finding.report is None:
                        self.reporter.note(finding, rid=None)
                due, replaced = self.reader.settled(due)
                self.reporter.report(due, replaced, executor)
                if not summary.is_cut:
                    self.reader.settle_digest()
                self.pages.finish(partial(self.reader.seen.cards, executor=executor))
        self._finish_state(config_key)
        with summary.stage("deliver"):
            self._deliver()
            self._tidy_documents()
        self._back_up()
        self._count()
        return summary

    @contextmanager
    def _executor(self) -> Iterator[Executor]:
        """Give the executor, and tell of what it did not bring."""
        name, jobs, lost = self.config.executor, self.options.jobs, list[str]()
        with executor_of(name, jobs, list(self.scope.roots), lost.append) as executor:
            yield executor
        if lost:
            self.summary.notices.append(
                f"executor: {name} did not bring {len(lost):,} of its batches "
                f"({clean(lost[-1], 200)}); they were done here"
            )

    def look(self, config_key: str) -> TickSummary:
        """Find out what would be reported, on a copy of the state."""
        with self._executor() as executor:
            with self.summary.stage("discover"):
                paths = self.reader.survey(config_key)
            with self.summary.stage("read"):
                findings = self.reader.read(paths, executor)
            for finding in findings:
                self.reporter.note(finding, rid=None)
        self._count()
        return self.summary

    def _finish_state(self, config_key: str) -> None:
        """Commit what an idle tick compares; nothing if it agrees already."""
        state = self.state
        # A root that was never read is no folder that an idle tick looks at.
        wanted = {
            CONFIG_KEY: config_key,
            EVERY_TICK: "1" if self.config.tells_every_tick else "",
            INCOMPLETE: "1" if self.reader.is_incomplete else "",
            **self.pages.settled(),
        }
        if any(state.meta(key) != value for key, value in wanted.items()):
            with state.transaction():
                for key, value in wanted.items():
                    state.set_meta(key, value)

    def _back_up(self) -> None:
        """Copy the state once a day; a copy that fails does not undo the tick."""
        state = self.state
        backup_at = float(state.meta(BACKUP_AT, "0"))
        if 0 <= self.now - backup_at < BACKUP_EVERY_S:
            return
        owed = {mail.rid for mail in state.owed()}
        try:
            state.backup()
            with state.transaction():
                state.forget_gone(self.now - GONE_S)
                state.set_meta(BACKUP_AT, repr(self.now))
            # What the records say, the copy knows from now on.
            self.debts.spool.forget_sent(owed, now=self.now)
        except DamagedStateError:
            raise
        except StateError as exc:
            self.summary.errors.append(exc)

    def _deliver(self) -> None:
        if not self.state.owed() and self.state.meta(TOLD_AT, "0") == "0":
            return
        dispatcher = Dispatcher(
            self.state,
            self.debts.spool,
            make_channel(self.config, self.state),
            Policy(
                self.config.mail.backoff_s,
                self.config.mail.on_unknown,
                self.debts.config,
            ),
            self.now,
            self._stops_sending(time.monotonic() + SEND_S),
            lighten,
        )
        result = dispatcher.send_all()
        self.summary.sent = len(result.sent)
        self.summary.errors += result.errors
        for rid, how in result.vanished.items():
            self._owe_again(rid, how)

    def _stops_sending(self, ends: float) -> Callable[[], bool]:
        """Return what ends the sending: a reading that took too long does not."""

        def stops() -> bool:
            if self._must_stop() or time.monotonic() > ends:
                self.summary.is_cut = True
                return True
            return False

        return stops

    def _owe_again(self, rid: str, how: str) -> None:
        owed = self.debts.owe_again(rid)
        self.summary.errors.append(
            StateError(
                f"mail {rid} ({owed.subject}) {how}",
                kept="Its news are reported anew by the next tick",
                advice="Leave the files below spool/ alone and look after the disk; "
                "`mlreport-batch drop` gives a mail up",
            )
        )

    def _tidy_documents(self) -> None:
        """Trim the Google documents whose mails were accepted, as ``keep`` says."""
        if self.config.render.engine == "google" and self.summary.sent:
            from mlreport_batch.google.tidy import tidy_google

            tidy_google(self.config, self.state)

    def _count(self) -> None:
        summary, config = self.summary, self.config
        summary.errors += self.debts.errors
        owed = self.state.owed()
        summary.owed = sum(1 for mail in owed if not mail.held)
        summary.dead = sum(1 for mail in owed if mail.held)
        waiting = [mail.why for mail in owed if not mail.held and mail.why]
        summary.waits_for = self.state.meta("channel_why") or "".join(waiting[:1])
        if config.mail.via == "outbox":
            summary.places["mails"] = str(config.outbox.dir)
        if config.pages_folder is not None:
            summary.places["pages"] = str(config.pages_folder / "index.html")
        if self.options.count_alerts or config.prometheus.is_on:
            summary.alerted = self.reader.alerted()
        if config.prometheus.is_on:
            told = (row.status or "untold" for row in self.state.runs())
            summary.statuses = Counter(told)
        if config.source is None and not self.state.run_count():
            roots = ", ".join(self.scope.roots)
            summary.notices.append(
                f"no runs found in {roots}; `mlreport-batch inspect` says what was read"
            )
        elif self.options.only != "*" and not any(
            fnmatchcase(row.name, self.options.only) for row in self.state.runs()
        ):
            summary.notices.append(f"no run is called {self.options.only}")
