"""Make a tick's reports: draw them, lay down their pages, and owe their mails."""

import copy
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mlreport_batch.errors import MlreportError, RenderError
from mlreport_batch.render.draw import Drawn, DrawSettings, DrawTask, draw_batch
from mlreport_batch.render.mail import MailHeader
from mlreport_batch.render.pages import slug_of
from mlreport_batch.report.describe import describe_digest
from mlreport_batch.report.done import Done
from mlreport_batch.safety.clean import clean
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.store import RunRow
from mlreport_batch.tick.addressing import Addressing
from mlreport_batch.tick.against import Against
from mlreport_batch.tick.debts import Frozen
from mlreport_batch.tick.executors import Executor
from mlreport_batch.tick.finding import Finding, told_report
from mlreport_batch.tick.pages import PageWriter
from mlreport_batch.tick.scope import Scope
from mlreport_batch.tick.seen import SeenRuns
from mlreport_batch.tick.summary import RunLine
from mlreport_batch.tick.work import rid_of

if TYPE_CHECKING:
    from mlreport_batch.tick.noticing import NoticeTaker

REPORTS = 16


class Reporter:
    """Turns findings into mails that are owed."""

    def __init__(self, scope: Scope, pages: PageWriter, seen: SeenRuns) -> None:
        config = self._config = scope.config
        self._scope, self._state, self._debts = scope, scope.state, scope.debts
        self._summary, self._now = scope.summary, scope.now
        self._replaced: frozenset[str] = frozenset()
        self._instance = scope.state.meta("instance")
        self._addressing = Addressing(config, scope.roots, self._instance, scope.now)
        self._pages = pages
        self._undrawn: dict[str, tuple[MlreportError, list[str]]] = {}
        self._notices = notices_of(scope)
        self._against = Against(scope, seen)

    def report(
        self, due: list[Finding], replaced: frozenset[str], executor: Executor
    ) -> None:
        """Draw, keep and owe a report for every run that has news.

        Args:
            due: The runs.
            replaced: The waiting mails whose news they tell anew.
            executor: Where they are drawn.
        """
        self._replaced = replaced
        self._pages.take(due)
        if due:
            self._pages.fall_behind()
        try:
            self._report(due, executor)
        finally:
            self._tell_undrawn()

    def _report(self, due: list[Finding], executor: Executor) -> None:
        due[:] = [self._against.compared(finding) for finding in due]
        self._summary.boards += self._against.boards(due)
        due.sort(key=lambda finding: (not finding.alerts, finding.name))
        most = self._config.mail.max_per_tick
        groups = self._against.done(due)[:most]
        told = {finding.path for _, findings in groups for finding in findings}
        others = [finding for finding in due if finding.path not in told]
        alone = self._alone(others, most - len(groups))
        together = others[len(alone) :]
        done = 0
        batches = [alone[i : i + REPORTS] for i in range(0, len(alone), REPORTS)]
        tasks = ([self._draw_task(finding) for finding in batch] for batch in batches)
        for batch, drawn in zip(batches, self._draw(tasks, executor), strict=False):
            self._keep_reports(list(zip(batch, drawn, strict=True)))
            done += len(batch)
            self._scope.progress("report", done, len(due))
            if done < len(due) and self._scope.should_stop():
                return
        for recipients, members in self._by_recipients(together).items():
            self._keep_digest(members, recipients, executor)
        for group, findings in groups:
            for recipients, members in self._by_recipients(findings).items():
                self._keep_digest(members, recipients, executor, group)

    def _alone(self, due: list[Finding], most: int) -> list[Finding]:
        """Return those of *due* that have mails of their own, the first *most*.

        A person who names folders, with more runs in them than one would read mails
        about, has one digest of all.
        """
        mail = self._config.mail
        is_much = self._config.source is None and len(due) > mail.max_per_tick
        if is_much or (mail.digest and len(due) > 1):
            return []
        alone = due[:most]
        if len(due) == len(alone) + 1 and not mail.digest:
            return due  # a digest of one is a report
        return alone

    def _draw(
        self, tasks: Iterator[list[DrawTask]], executor: Executor
    ) -> Iterator[list[Drawn]]:
        if self._config.render.engine == "google":
            from mlreport_batch.google.engine import draw_google

            yield from draw_google(tasks, self._config, self._instance, self._state)
            return
        template = self._config.render.template
        path = None if template is None else os.fspath(template)
        settings = DrawSettings(path, self._pages.is_on)
        yield from executor.map(draw_batch, tasks, settings)

    def _recipients(self, finding: Finding) -> tuple[str, ...]:
        return self._addressing.recipients(self._root(finding), finding.recipients)

    def _root(self, finding: Finding) -> str | None:
        row = self._state.run(finding.path)
        return None if row is None else row.root

    def _by_recipients(
        self, findings: Sequence[Finding]
    ) -> dict[tuple[str, ...], list[Finding]]:
        groups: dict[tuple[str, ...], list[Finding]] = {}
        for finding in findings:
            groups.setdefault(self._recipients(finding), []).append(finding)
        return groups

    def _draw_task(self, finding: Finding) -> DrawTask:
        report, recipients = told_report(finding), self._recipients(finding)
        return DrawTask(
            report, self._addressing.of_run(report, finding.path, recipients)
        )

    def _keep_reports(self, batch: Sequence[tuple[Finding, Drawn]]) -> None:
        """Keep drawn reports: pages, frozen mails, then the commit that owes them."""
        mails: list[Frozen] = []
        kept: list[tuple[Finding, Drawn]] = []
        for finding, drawn in batch:
            row = self._state.run(finding.path)
            if drawn.error is not None:
                self._not_drawn([finding], drawn.error)
            elif row is not None:
                slug = slug_of(row.name, row.path)
                self._pages.put_report(slug, drawn)
                told = [(finding, replace(row, slug=slug))]
                recipients, report = self._recipients(finding), told_report(finding)
                mails.append(self._frozen(told, drawn, recipients, report.run))
                kept.append((finding, drawn))
        if mails:
            self._debts.owe(mails, self._replaced)
        for finding, drawn in kept:
            if self._notices is not None:
                slug = slug_of(finding.name, finding.path)
                self._notices.take(told_report(finding), slug)
            if drawn.note:
                self._summary.problems.append(f"{finding.name}: {drawn.note}")
            self.note(finding, rid=drawn.rid)

    def _keep_digest(
        self,
        findings: Sequence[Finding],
        recipients: tuple[str, ...],
        executor: Executor,
        done: Done | None = None,
    ) -> None:
        """Keep one mail about several runs, or about a group that is *done*."""
        seqs = b"".join(
            os.fsencode(finding.path) + told_report(finding).rid.encode()
            for finding in findings
        )
        rid = rid_of(self._instance.encode(), b"digest" + seqs, b"0")
        if done is None:
            digest = describe_digest(
                [told_report(finding) for finding in findings],
                rid=rid,
                language=self._config.report.language,
                boards=self._against.boards(findings),
            )
        else:
            others = [
                other
                for other in self._against.others(done, findings)
                if self._recipients(other) == recipients
            ]
            digest = self._against.describe(done, [*findings, *others], rid)
        head = self._addressing.of_digest(digest, recipients)
        [drawn] = next(iter(self._draw(iter([[DrawTask(digest, head)]]), executor)))
        if drawn.error is not None:
            self._not_drawn(findings, drawn.error)
            return
        members = [
            (finding, row)
            for finding in findings
            if (row := self._state.run(finding.path)) is not None
        ]
        if self._pages.is_on:
            members = [
                (finding, replace(row, slug=slug_of(row.name, row.path)))
                for finding, row in members
            ]
            self._put_pages(members, head, executor)
        mail = self._frozen(members, drawn, recipients, head.subject)
        self._debts.owe([mail], self._replaced)
        if self._notices is not None:
            self._notices.take_digest(digest, head.subject)
        for finding, _ in members:
            self.note(finding, rid=rid)

    def _put_pages(
        self,
        members: Sequence[tuple[Finding, RunRow]],
        head: MailHeader,
        executor: Executor,
    ) -> None:
        """Lay down the pages of runs whose mail is a digest."""
        tasks = [DrawTask(told_report(finding), head) for finding, _ in members]
        batches = (tasks[i : i + REPORTS] for i in range(0, len(tasks), REPORTS))
        flat = (page for batch in self._draw(batches, executor) for page in batch)
        for (_, row), page in zip(members, flat, strict=False):
            if page.error is None:
                self._pages.put_report(row.slug, page)

    def _frozen(
        self,
        members: Sequence[tuple[Finding, RunRow]],
        drawn: Drawn,
        recipients: Sequence[str],
        subject: str,
    ) -> Frozen:
        owed = Owed(
            rid=drawn.rid,
            created_at=self._now,
            sender=self._addressing.sender,
            recipients=self._addressing.envelope(recipients),
            subject=subject,
        )
        told = [
            (
                replace(
                    row,
                    seq=row.seq + 1,
                    rid=drawn.rid,
                    wake_at=finding.wake_at,
                    grown=row.grown or finding.has_grown,
                    status=finding.status,
                    headline=told_report(finding).headline,
                    reported_at=self._now,
                    gone_at=self._now if finding.is_gone else None,
                ),
                finding.snapshot,
            )
            for finding, row in members
        ]
        return Frozen(owed, drawn.message, told)

    def _not_drawn(self, findings: Iterable[Finding], error: MlreportError) -> None:
        _, names = self._undrawn.setdefault(str(error), (error, []))
        for finding in findings:
            self.note(finding, rid=None)
            names.append(finding.name)

    def _tell_undrawn(self) -> None:
        """Say each reason once, with the number of runs that wait for it."""
        for error, names in self._undrawn.values():
            counted = copy.copy(error)
            counted.message = f"{_waiting(names)}: {error.message}"
            self._summary.errors.append(counted)
            self._summary.problems.append(str(counted))

    def note(self, finding: Finding, rid: str | None) -> None:
        """Say in the summary what became of a run; *rid* is its report, if any."""
        if finding.error:
            self._summary.problems.append(f"{finding.name}: {finding.error}")
            kind, advice = MlreportError, "This is a bug of mlreport-batch; report it"
            if finding.is_passing:
                kind, advice = RenderError, "It is tried again by the next tick"
            self._summary.errors.append(
                kind(
                    f"run {finding.name} could not be worked on: {finding.error}",
                    kept="Its news stay owed; the other runs were reported",
                    advice=advice,
                )
            )
        # A dry run makes no report of what it would report.
        would = self._scope.options.dry_run and finding.report is not None
        if not (finding.kinds or rid or finding.error or would):
            return
        refused = self._addressing.refused(self._root(finding), finding.recipients)
        self._summary.problems += [
            f"{finding.name}: its intent asks for a mail to {clean(text, 80)}, whom "
            "mail.allow_to does not allow"
            for text in refused
        ]
        report = finding.report
        self._summary.runs.append(
            RunLine(
                name=finding.name,
                status=finding.status,
                news=finding.kinds,
                new_points=finding.new_points,
                rid=rid,
                problems=finding.problems,
                alerts=finding.alerts,
                headline=report.headline if report else "",
                path=finding.path,
                page=self._page(finding) if rid else "",
                values=finding.values,
                position=self._against.position(finding),
                courses={row.key: row.spark for row in report.metrics}
                if report
                else {},
            )
        )

    def _page(self, finding: Finding) -> str:
        """Return where a run's page lies, empty without pages."""
        if not self._pages.is_on:
            return ""
        return self._pages.report_path(slug_of(finding.name, finding.path))


def notices_of(scope: Scope) -> "NoticeTaker | None":
    """Return what keeps reports in a few words, where they are told so."""
    if not scope.config.notify.is_on:
        return None
    from mlreport_batch.tick.noticing import NoticeTaker

    return NoticeTaker(scope.config, scope.summary.told)


def _waiting(names: Sequence[str]) -> str:
    """Return how many runs wait, by name where it is one."""
    return f"run {names[0]} waits" if len(names) == 1 else f"{len(names):,} runs wait"
