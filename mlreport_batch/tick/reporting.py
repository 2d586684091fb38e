"""Make a tick's reports: draw them, keep them, and owe them.

A report's frozen mail is on disk before the commit that owes it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from mlreport_batch.config.load import Config
from mlreport_batch.errors import MlreportError, RenderError, StateError
from mlreport_batch.language.dates import local_now
from mlreport_batch.render.draw import Drawn, DrawSettings, DrawTask, draw_batch
from mlreport_batch.render.pages import Pages, slug_of
from mlreport_batch.report.describe import describe_digest
from mlreport_batch.report.model import Report
from mlreport_batch.report.news import Snapshot
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.spool import Spool
from mlreport_batch.state.store import RunRow, State
from mlreport_batch.tick.executors import Executor
from mlreport_batch.tick.summary import RunLine, TickSummary
from mlreport_batch.tick.work import Finding

REPORTS = 16


class Reporter:
    """Turns findings into mails that are owed.

    Args:
        config: All settings.
        state: Takes what was reported, and what is owed.
        spool: Takes the mails; None for a dry run, which may only `note`.
        summary: Takes what is to be said of each run.
        now: Seconds since the epoch.
        progress: Told (stage, done, total).
        should_stop: True at a safe point if the tick is to end.
    """

    def __init__(
        self,
        config: Config,
        state: State,
        spool: Spool | None,
        summary: TickSummary,
        now: float,
        progress: Callable[[str, int, int], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.config = config
        self.state = state
        self._spool = spool
        self.summary = summary
        self.now = now
        self.progress = progress
        self.should_stop = should_stop
        self._replaced: frozenset[str] = frozenset()
        self.instance = state.meta("instance")
        self.roots = {os.path.realpath(root.path): root for root in config.runs}
        self.language = config.report.language

    @property
    def spool(self) -> Spool:
        """The spool.

        Raises:
            StateError: It is a dry run.
        """
        if self._spool is None:
            raise StateError("a dry run has no spool")
        return self._spool

    def rid_of(self, path: str, seq: int) -> str:
        """Return the id of a run's report number *seq*."""
        return _rid(self.instance, os.fsencode(path), seq)

    def superseded(self, path: str) -> list[str]:
        """Return the owed mails about a run that were surely not accepted yet."""
        if self._spool is None:
            return []
        return [
            rid
            for rid in self.state.owed_of_run(path)
            if self._spool.place(rid) == "new"
        ]

    def report(self, due: list[Finding], executor: Executor) -> None:
        """Draw, keep and owe a report for every run that has news."""
        self._replaced = self.replaced_by(due)
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
        self, tasks: Iterator[list[DrawTask]], executor: Executor
    ) -> Iterator[list[Drawn]]:
        if self.config.render.engine == "google":
            from mlreport_batch.google.engine import draw_google

            yield from draw_google(tasks, self.config, self.instance, self.state)
            return
        template = self.config.render.template
        settings = DrawSettings(None if template is None else os.fspath(template))
        yield from executor.map(draw_batch, tasks, settings)

    def replaced_by(self, due: Sequence[Finding]) -> frozenset[str]:
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
        from mlreport_batch.safety.address import mail_domain, parse_address

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
        from mlreport_batch.render.mail import (
            MailHeader,
            list_id,
            message_id,
            subject,
            thread_root_id,
        )
        from mlreport_batch.safety.address import mail_domain

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
        self.note(finding, rid=drawn.rid)

    def _owe(
        self,
        members: Sequence[tuple[Finding, RunRow]],
        drawn: Drawn,
        recipients: Sequence[str],
        subject: str,
        slug: str = "",
    ) -> None:
        from mlreport_batch.safety.address import parse_address

        rid = drawn.rid
        superseded: dict[str, None] = {}
        bases: dict[str, Snapshot | None] = {}
        for _, row in members:
            old = [rid for rid in self.superseded(row.path) if rid in self._replaced]
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
                        headline=report.headline,
                        slug=slug or row.slug,
                        reported_at=self.now,
                    )
                )
            for mail in self.state.owed():
                if mail.rid in superseded:
                    self.give_back(
                        mail, [path for path in mail.runs if path not in bases]
                    )
            self.state.owe(owed, bases)
            self.state.settle(superseded)
        for old_rid in superseded:
            self.spool.discard(old_rid, "new")

    def give_back(self, mail: Owed, paths: Iterable[str]) -> None:
        """Make the news that *mail* told of some runs news again."""
        for path in paths:
            if self.state.run(path) is not None:
                base = self.state.base_of(mail.rid, path)
                self.state.put_reported(path, base)
                # A later mail that still waits is superseded by what comes next.
                self.state.put_base(path, base)
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
        executor: Executor,
    ) -> None:
        """Keep one mail about several runs."""
        from mlreport_batch.render.mail import (
            MailHeader,
            digest_subject,
            list_id,
            message_id,
        )
        from mlreport_batch.safety.address import mail_domain

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
            self.note(finding, rid=rid)

    def _not_drawn(self, findings: Sequence[Finding], error: MlreportError) -> None:
        self.summary.errors.append(error)
        for finding in findings:
            self.note(finding, rid=None)
            self.summary.problems.append(f"{finding.name}: {error}")

    def note(self, finding: Finding, rid: str | None) -> None:
        """Say in the summary what became of a run; *rid* is its report, if any."""
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
                headline=report.headline if report else "",
            )
        )

    def _put_index(self) -> None:
        if self.config.out is not None:
            pages = Pages(os.fspath(self.config.out))
            pages.put_index(self.state.runs(), self._local_now(), self.language)


def _report_of(finding: Finding) -> Report:
    if finding.report is None:
        raise AssertionError(finding.name)
    return finding.report


def _rid(instance: str, key: bytes, seq: int) -> str:
    data = b"\0".join((instance.encode(), key, str(seq).encode()))
    return sha256(data).hexdigest()[:26]
