"""One tick: find what is new, report it, keep the reports, send what is owed.

The order is the promise. A run's new state is committed with a note that it has
news; its frozen mail is on disk before the commit that owes it; it is sent after
that commit, and marked sent by a rename. A tick that dies anywhere leaves either
the old state or something that the next tick finishes.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import sha256

from mlreport_batch.catalog import GONE_S, Catalog
from mlreport_batch.changes import Snapshot
from mlreport_batch.config import Config, RunsRoot
from mlreport_batch.describe import describe_digest, local_now
from mlreport_batch.dispatch import TOLD_AT, Dispatcher, Policy
from mlreport_batch.errors import ConfigError, MlreportError, RenderError, StateError
from mlreport_batch.executors import Executor, executor_of
from mlreport_batch.formats.registry import recognise
from mlreport_batch.mending import adopt, open_state
from mlreport_batch.owed_table import Owed
from mlreport_batch.pages import Pages, slug_of
from mlreport_batch.report import Digest, Report
from mlreport_batch.spool import Spool
from mlreport_batch.state import RunRow, State
from mlreport_batch.state_folder import Lock, state_errors
from mlreport_batch.wanted import rules_of, wishes_of
from mlreport_batch.work import (
    Drawn,
    DrawSettings,
    DrawTask,
    Finding,
    ReadSettings,
    RunTask,
    draw_batch,
    read_batch,
)

BATCH = 256
REPORTS = 16
BACKUP_EVERY_S = 86400.0
SINCE_MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to the config.

    Attributes:
        only: Glob on run names; other runs keep their news for another tick.
        report_all: Report every run whether or not it has news.
        dry_run: Say what would be reported and change nothing.
        baseline: Record everything as reported without sending.
        jobs: Processes to use; None leaves it to the config.
    """

    only: str = "*"
    report_all: bool = False
    dry_run: bool = False
    baseline: bool = False
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in a tick's summary."""

    name: str
    status: str
    news: tuple[str, ...]
    new_points: int
    rid: str | None
    problems: tuple[str, ...]
    alerts: tuple[str, ...]
    headline: str = ""


@dataclass(slots=True)
class TickSummary:
    """What a tick did.

    Attributes:
        runs: The runs that were looked at and have something to say.
        sent: Mails that were accepted.
        owed: Mails that wait.
        dead: Mails that were refused for good or are held.
        problems: What could not be read or done, one line each.
        errors: Failures that decide the exit code.
        notices: What a person should know although nothing failed, one line each.
        seconds: Wall time by stage.
        is_cut: Whether the tick was asked to end before all was done.
        waits_for: Why mails wait, as far as known.
        places: Where mails and pages were laid.
    """

    runs: list[RunLine] = field(default_factory=list)
    sent: int = 0
    owed: int = 0
    dead: int = 0
    problems: list[str] = field(default_factory=list)
    errors: list[MlreportError] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    is_cut: bool = False
    waits_for: str = ""
    places: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The process's exit code: the gravest failure decides."""
        codes = {error.exit_code for error in self.errors}
        for code in (74, 70, 78, 77, 75):
            if code in codes:
                return code
        return 75 if self.owed or self.is_cut else 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage of the tick."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = self.seconds.get(name, 0.0) + time.perf_counter() - start
            self.seconds[name] = round(spent, 6)


def run_tick(
    config: Config,
    options: Options,
    *,
    config_key: str,
    now: float,
    progress: Callable[[str, int, int], None] = lambda *_: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TickSummary:
    """Do one tick.

    Args:
        config: All settings.
        options: What the command line adds.
        config_key: Identifies the config; a tick without news compares it.
        now: Seconds since the epoch.
        progress: Told (stage, done, total) on long work.
        should_stop: True once the process was asked to end.

    Raises:
        LockedError: Another live tick holds the lock.
        StateError: State or spool are unusable; nothing was lost.
    """
    folder = os.fspath(config.state)
    with state_errors(folder):
        return _run_in(folder, config, options, config_key, now, progress, should_stop)


def _run_in(
    folder: str,
    config: Config,
    options: Options,
    config_key: str,
    now: float,
    progress: Callable[[str, int, int], None],
    should_stop: Callable[[], bool],
) -> TickSummary:
    if options.dry_run:
        state = State.copy_in_memory(folder)
        try:
            return _Tick(config, options, state, None, now, progress, should_stop).look(
                config_key
            )
        finally:
            state.close()
    lock = Lock(folder)
    try:
        state, notice = open_state(folder)
        try:
            spool = Spool(os.path.join(folder, "spool"))
            tick = _Tick(config, options, state, spool, now, progress, should_stop)
            if notice:
                tick.summary.notices.append(notice)
            return tick.run(config_key)
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
    ) -> None:
        self.config = config
        self.options = options
        self.state = state
        self._spool = spool
        self.now = now
        self.progress = progress
        self._is_asked_to_stop = should_stop
        self.summary = TickSummary()
        self._replaced: frozenset[str] = frozenset()
        self.instance = state.meta("instance")
        self.roots = {os.path.realpath(root.path): root for root in config.runs}
        self.language = config.report.language
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
        adopt(self.state, self.spool)
        owed = self.state.owed()
        self.spool.sweep({mail.rid for mail in owed})
        with self._executor() as executor:
            paths = self._survey(config_key)
            findings = self._read(paths, executor)
            with summary.stage("report"):
                self._report(findings, executor)
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
                self._note(finding, rid=None)
        self._count()
        return self.summary

    def _executor(self) -> "Executor":
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

    # -- reading -----------------------------------------------------------------

    def _read(self, paths: Sequence[str], executor: "Executor") -> list[Finding]:
        """Read the runs in batches; each batch is committed before the next."""
        findings: list[Finding] = []
        batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
        with self.summary.stage("read"):
            results = executor.map(
                read_batch, (self._tasks(batch) for batch in batches), self.settings
            )
            for batch in results:
                self._keep_seen(batch)
                # States are large; reports are made from what is kept already.
                findings += [_lightened(finding) for finding in batch]
                self.progress("read", len(findings), len(paths))
                if len(findings) < len(paths) and self.should_stop():
                    break
        return findings

    def _tasks(self, paths: Iterable[str], *, wanted: bool = False) -> list[RunTask]:
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
            superseded = self._superseded(path)
            base = reported
            if superseded:
                base = self.state.base_of(superseded[0], path)
            tasks.append(
                RunTask(
                    run=run,
                    seen=self.state.seen(path),
                    reported=reported,
                    base=base,
                    rid=_rid(self.instance, os.fsencode(path), row.seq + 1),
                    project=os.path.basename(row.root),
                    has_grown=row.grown,
                    is_wanted=wanted or self.options.report_all,
                    record_only=self.options.baseline,
                )
            )
        return tasks

    def _superseded(self, path: str) -> list[str]:
        """Return the owed mails about a run that were surely not accepted yet."""
        if self._spool is None:
            return []
        return [
            rid
            for rid in self.state.owed_of_run(path)
            if self._spool.place(rid) == "new"
        ]

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

    # -- reporting ---------------------------------------------------------------

    def _report(self, findings: list[Finding], executor: "Executor") -> None:
        """Draw, keep and owe a report for every run that has news."""
        due = [finding for finding in findings if finding.report is not None]
        due += self._siblings(due)
        self._replaced = self._replaced_by(due)
        for finding in findings:
            if finding.report is None:
                self._note(finding, rid=None)
        due.sort(key=lambda finding: (not finding.alerts, finding.name))
        mail = self.config.mail
        alone = [] if mail.digest and len(due) > 1 else due[: mail.max_per_tick]
        if len(due) == len(alone) + 1 and alone and not mail.digest:
            alone = due  # a digest of one is a report
        together = due[len(alone) :]
        done = 0
        batches = [alone[i : i + REPORTS] for i in range(0, len(alone), REPORTS)]
        tasks = ([self._draw_task(finding) for finding in batch] for batch in batches)
        for batch, drawn in zip(batches, self._draw(tasks, executor), strict=False):
            for finding, result in zip(batch, drawn, strict=True):
                self._keep_report(finding, result)
                done += 1
                self.progress("report", done, len(due))
            if done < len(due) and self.should_stop():
                return
        for recipients, members in self._by_recipients(together).items():
            self._keep_digest(members, recipients, executor)
        if due and self.config.out is not None:
            self._put_index()

    def _draw(
        self, tasks: Iterator[list[DrawTask]], executor: "Executor"
    ) -> Iterator[list[Drawn]]:
        if self.config.render.engine == "google":
            from mlreport_batch.render.google import draw_google

            yield from draw_google(tasks, self.config, self.instance, self.state)
            return
        template = self.config.render.template
        settings = DrawSettings(None if template is None else os.fspath(template))
        yield from executor.map(draw_batch, tasks, settings)

    def _siblings(self, due: Sequence[Finding]) -> list[Finding]:
        """Return findings of the runs whose owed digest is superseded by *due*."""
        known = {finding.path for finding in due}
        more: dict[str, None] = {}
        owed = {mail.rid: mail for mail in self.state.owed()}
        for finding in due:
            for rid in self._superseded(finding.path):
                more.update(dict.fromkeys(owed[rid].runs))
        paths = [path for path in more if path not in known]
        tasks = self._tasks(paths, wanted=True)
        found = read_batch(tasks, replace(self.settings, every_s=0.0))
        return [finding for finding in found if finding.report is not None]

    def _replaced_by(self, due: Sequence[Finding]) -> frozenset[str]:
        """Return the owed mails all of whose runs are told about anew by *due*.

        A digest about a run that is not among them, such as a deleted one, must
        still go out: nothing else would tell its news.
        """
        paths = {finding.path for finding in due}
        return frozenset(
            mail.rid for mail in self.state.owed() if paths.issuperset(mail.runs)
        )

    def _recipients(self, finding: Finding) -> tuple[str, ...]:
        """Return who gets a run's report: the config decides.

        A run's own intent may only name addresses of domains that the config mails
        to: whoever can write into a run directory must not choose who reads it.
        """
        from mlreport_batch.mail import mail_domain, parse_address

        row = self.state.run(finding.path)
        root = self.roots[row.root] if row else None
        base = self.config.recipients_of(root) if root else self.config.mail.to
        known = {parse_address(text)[1].lower() for text in base}
        domains = {mail_domain(text) for text in (*base, self.config.mail.sender)}
        extra = []
        for text in finding.recipients:
            with suppress(ValueError):
                _, address = parse_address(text)
                domain = address.rpartition("@")[2].lower()
                if domain in domains and address.lower() not in known:
                    extra.append(text)
        return (*base, *extra)

    def _draw_task(self, finding: Finding) -> DrawTask:
        from mlreport_batch.mail import (
            MailHeader,
            list_id,
            mail_domain,
            message_id,
            subject,
            thread_root_id,
        )

        report = _report_of(finding)
        sender = self.config.mail.sender
        domain = mail_domain(sender)
        header = MailHeader(
            rid=report.rid,
            message_id=message_id(report.rid, sender),
            date=self._local_now(),
            sender=sender,
            recipients=self._recipients(finding),
            subject=subject(report.run),
            thread_root=thread_root_id(self.instance, finding.path, domain),
            list_id=list_id(report.run, domain),
            report_name=report.run,
            language=self.language,
        )
        return DrawTask(report, header)

    def _local_now(self) -> datetime:
        return local_now(self.config.report.zone(), self.now).replace(microsecond=0)

    def _keep_report(self, finding: Finding, drawn: Drawn) -> None:
        """Keep a drawn report: pages, frozen mail, then the commit that owes it."""
        if drawn.error is not None:
            self._not_drawn([finding], drawn.error)
            return
        if drawn.note:
            self.summary.problems.append(f"{finding.name}: {drawn.note}")
        row = self.state.run(finding.path)
        if row is None:
            return
        report = _report_of(finding)
        slug = slug_of(row.name, row.path)
        if self.config.out is not None:
            pages = Pages(os.fspath(self.config.out))
            pages.put_report(slug, drawn.page_html, drawn.pdf)
        self._owe([(finding, row)], drawn, self._recipients(finding), report.run, slug)
        self._note(finding, rid=drawn.rid)

    def _owe(
        self,
        members: Sequence[tuple[Finding, RunRow]],
        drawn: Drawn,
        recipients: Sequence[str],
        subject: str,
        slug: str = "",
    ) -> None:
        from mlreport_batch.mail import parse_address

        rid = drawn.rid
        superseded: dict[str, None] = {}
        bases: dict[str, Snapshot | None] = {}
        for _, row in members:
            old = [rid for rid in self._superseded(row.path) if rid in self._replaced]
            superseded.update(dict.fromkeys(old))
            bases[row.path] = (
                self.state.base_of(old[0], row.path)
                if old
                else self.state.reported(row.path)
            )
        self.spool.put(rid, drawn.message)
        owed = Owed(
            rid=rid,
            created_at=self.now,
            sender=parse_address(self.config.mail.sender)[1],
            recipients=tuple(parse_address(text)[1] for text in recipients),
            subject=subject,
        )
        with self.state.transaction():
            for finding, row in members:
                report = _report_of(finding)
                self.state.put_reported(row.path, finding.snapshot)
                self.state.put_run(
                    replace(
                        row,
                        seq=row.seq + 1,
                        rid=rid,
                        wake_at=finding.wake_at,
                        grown=row.grown or finding.has_grown,
                        status=finding.status,
                        headline=report.notification,
                        slug=slug or row.slug,
                        reported_at=self.now,
                    )
                )
            for mail in self.state.owed():
                if mail.rid in superseded:
                    self._give_back(
                        mail, [path for path in mail.runs if path not in bases]
                    )
            self.state.owe(owed, bases)
            self.state.settle(superseded)
        for old_rid in superseded:
            self.spool.discard(old_rid, "new")

    def _give_back(self, mail: Owed, paths: Iterable[str]) -> None:
        """Make the news that *mail* told of some runs news again."""
        for path in paths:
            if self.state.run(path) is not None:
                self.state.put_reported(path, self.state.base_of(mail.rid, path))
                self.state.wake(path)

    def _by_recipients(
        self, findings: Sequence[Finding]
    ) -> dict[tuple[str, ...], list[Finding]]:
        groups: dict[tuple[str, ...], list[Finding]] = {}
        for finding in findings:
            groups.setdefault(self._recipients(finding), []).append(finding)
        return groups

    def _keep_digest(
        self,
        findings: Sequence[Finding],
        recipients: tuple[str, ...],
        executor: "Executor",
    ) -> None:
        """Keep one mail about several runs."""
        from mlreport_batch.mail import (
            MailHeader,
            digest_subject,
            list_id,
            mail_domain,
            message_id,
        )

        seqs = b"".join(
            os.fsencode(finding.path) + _report_of(finding).rid.encode()
            for finding in findings
        )
        rid = _rid(self.instance, b"digest" + seqs, 0)
        digest = describe_digest(
            [_report_of(finding) for finding in findings],
            rid=rid,
            language=self.language,
        )
        sender = self.config.mail.sender
        title = digest_subject(len(findings), self.language)
        header = MailHeader(
            rid=rid,
            message_id=message_id(rid, sender),
            date=self._local_now(),
            sender=sender,
            recipients=recipients,
            subject=title,
            list_id=list_id("digest", mail_domain(sender)),
            report_name="digest",
            language=self.language,
        )
        [drawn] = next(iter(self._draw(iter([[DrawTask(digest, header)]]), executor)))
        if drawn.error is not None:
            self._not_drawn(findings, drawn.error)
            return
        members = [
            (finding, row)
            for finding in findings
            if (row := self.state.run(finding.path)) is not None
        ]
        if self.config.out is not None:
            pages = Pages(os.fspath(self.config.out))
            tasks = [DrawTask(_report_of(finding), header) for finding, _ in members]
            batches = (tasks[i : i + 16] for i in range(0, len(tasks), 16))
            flat = (page for batch in self._draw(batches, executor) for page in batch)
            for (_, row), page in zip(members, flat, strict=False):
                if page.error is None:
                    slug = slug_of(row.name, row.path)
                    pages.put_report(slug, page.page_html, page.pdf)
            members = [
                (finding, replace(row, slug=slug_of(row.name, row.path)))
                for finding, row in members
            ]
        self._owe(members, drawn, recipients, title)
        for finding, _ in members:
            self._note(finding, rid=rid)

    def _not_drawn(self, findings: Sequence[Finding], error: MlreportError) -> None:
        self.summary.errors.append(error)
        for finding in findings:
            self._note(finding, rid=None)
            self.summary.problems.append(f"{finding.name}: {error}")

    def _note(self, finding: Finding, rid: str | None) -> None:
        if finding.error:
            self.summary.problems.append(f"{finding.name}: {finding.error}")
            kind, advice = MlreportError, "This is a bug of mlreport-batch; report it"
            if finding.is_passing:
                kind, advice = RenderError, "It is tried again by the next tick"
            self.summary.errors.append(
                kind(
                    f"run {finding.name} could not be worked on: {finding.error}",
                    kept="Its news stay owed; the other runs were reported",
                    advice=advice,
                )
            )
        if not (finding.kinds or rid or finding.error):
            return
        report = finding.report
        self.summary.runs.append(
            RunLine(
                name=finding.name,
                status=finding.status,
                news=finding.kinds,
                new_points=finding.new_points,
                rid=rid,
                problems=finding.problems,
                alerts=finding.alerts,
                headline=report.notification if report else "",
            )
        )

    # -- finishing ---------------------------------------------------------------

    def _put_index(self) -> None:
        if self.config.out is not None:
            pages = Pages(os.fspath(self.config.out))
            pages.put_index(self.state.runs(), self._local_now(), self.language)

    def _finish_state(self, config_key: str) -> None:
        """Commit what the next tick's first glance compares; nothing if it agrees."""
        state = self.state
        if state.meta("config_key") != config_key:
            with state.transaction():
                state.set_meta("config_key", config_key)
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
        from mlreport_batch.channels import make_channel

        if not self.state.owed() and self.state.meta(TOLD_AT, "0") == "0":
            return
        dispatcher = Dispatcher(
            self.state,
            self.spool,
            make_channel(self.config),
            Policy(self.config.mail.backoff_s, self.config.mail.on_unknown),
            self.now,
            self.should_stop,
        )
        result = dispatcher.send_all()
        self.summary.sent = len(result.sent)
        self.summary.errors += result.errors
        for rid in result.vanished:
            self._owe_again(rid)

    def _owe_again(self, rid: str) -> None:
        """Put the runs of a mail whose bytes are gone back to what was reported."""
        owed = next(mail for mail in self.state.owed() if mail.rid == rid)
        with self.state.transaction():
            self._give_back(owed, owed.runs)
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
            from mlreport_batch.render.google_tidy import tidy_google

            tidy_google(self.config, self.state)

    def _count(self) -> None:
        summary, config = self.summary, self.config
        owed = self.state.owed()
        summary.owed = sum(1 for mail in owed if not mail.held)
        summary.dead = sum(1 for mail in owed if mail.held)
        waiting = [mail.why for mail in owed if not mail.held and mail.why]
        summary.waits_for = self.state.meta("channel_why", "".join(waiting[:1]))
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


def _report_of(finding: Finding) -> Report:
    if finding.report is None:
        raise AssertionError(finding.name)
    return finding.report


def _rid(instance: str, key: bytes, seq: int) -> str:
    data = b"\0".join((instance.encode(), key, str(seq).encode()))
    return sha256(data).hexdigest()[:26]


def _is_wanted(root: RunsRoot, name: str) -> bool:
    return any(fnmatchcase(name, glob) for glob in root.include) and not any(
        fnmatchcase(name, glob) for glob in root.exclude
    )


__all__ = ["Digest", "Options", "RunLine", "TickSummary", "run_tick"]
