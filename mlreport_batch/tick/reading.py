"""Find and read the runs of a tick, and commit what was seen before it is reported."""

import os
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from msgspec.structs import replace

from mlreport_batch.config.digests import next_digest
from mlreport_batch.errors import ConfigError
from mlreport_batch.language.dates import local_now
from mlreport_batch.report.alerts import Alert
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.due import holds
from mlreport_batch.safety.remote.address import is_remote
from mlreport_batch.state.catalog import Catalog
from mlreport_batch.state.database import BACKUP_AT
from mlreport_batch.state.idle import (
    BELIEVED,
    CONFIG_KEY,
    DIGEST_DUE,
    LAST_NEWS_AT,
    OWN_FORMATS,
    RECORDED_AT,
)
from mlreport_batch.state.store import RunRow
from mlreport_batch.tick.executors import Executor
from mlreport_batch.tick.finding import Finding, ReadSettings, RunTask
from mlreport_batch.tick.from_config import own_formats_of, rules_of, wishes_of
from mlreport_batch.tick.pages import PageWriter
from mlreport_batch.tick.scope import Scope
from mlreport_batch.tick.seen import BATCH, SeenRuns
from mlreport_batch.tick.work import read_apart, read_batch, rid_of

FIRST_MAX = 50
"""So many runs that were never told are reported at once, if no config asks."""


class RunReader:
    """Turns folders into findings."""

    def __init__(self, scope: Scope, pages: PageWriter) -> None:
        config, self._options = scope.config, scope.options
        self._scope, self._state, self._debts = scope, scope.state, scope.debts
        self._summary, self._now = scope.summary, scope.now
        self._company = scope.company
        self._instance = scope.state.meta("instance").encode()
        never = {os.path.realpath(path) for path in config.never_enter}
        own = own_formats_of(config)
        self._own_key = repr(own) if own else ""
        self._is_own_new = self._state.meta(OWN_FORMATS) != self._own_key
        self._catalog = Catalog(
            scope.state, self._scope.accepts, frozenset(never), (own, self._is_own_new)
        )
        self._settings = ReadSettings(
            wishes=wishes_of(config),
            rules=rules_of(config),
            redact=config.redact,
            timezone=config.report.timezone or "",
            now=scope.now,
            every_s=config.report.every,
            first_seen_max_age_s=config.report.first_seen_max_age,
            with_values=scope.options.with_values,
            held_until=self._held_until(),
            has_pages=pages.is_on,
        )
        self._pages = pages
        self.seen = SeenRuns(scope, self._settings)
        self.is_incomplete = False
        """Whether a root could not be read."""

    def _held_until(self) -> float:
        """Return when the next digest at set times is due; 0 if it is this tick's.

        The first news there ever is does not wait.
        """
        when, due = self._scope.config.mail.digest, self._state.meta(DIGEST_DUE)
        is_due = due != "" and float(due) <= self._now
        if not isinstance(when, str) or is_due or not self._state.meta(LAST_NEWS_AT):
            return 0.0
        here = local_now(self._scope.config.report.zone(), self._now)
        return next_digest(when, here).timestamp()

    def settle_digest(self) -> None:
        """Note that what was held back for a digest is told, if this tick's was one."""
        if not self._settings.held_until and self._state.meta(DIGEST_DUE):
            with self._state.transaction():
                self._state.set_meta(DIGEST_DUE, "")

    def _note_held(self, findings: Sequence[Finding]) -> None:
        """Note when a digest is due, if something waits for it."""
        at, due = self._settings.held_until, self._state.meta(DIGEST_DUE)
        waits = any(f.kinds and f.report is None and not f.error for f in findings)
        if at and waits and not (due and float(due) <= at):
            self._state.set_meta(DIGEST_DUE, repr(at))

    def survey(self, config_key: str) -> list[str]:
        """Return the runs to look at: dirty, due, or all of them."""
        catalog, state, summary = self._catalog, self._state, self._summary
        survey = catalog.survey(
            list(self._scope.roots), self._now, self._options.changed, shared=BATCH
        )
        if state.meta(CONFIG_KEY) != config_key:
            catalog.choose_anew(self._now)
        self._believe_the_clock()
        self.is_incomplete = bool(survey.problems)
        if self._is_own_new and not self.is_incomplete:
            with state.transaction():
                state.set_meta(OWN_FORMATS, self._own_key)
        summary.notices += [
            f"{problem}; what is in it is reported once it can be"
            for problem in survey.unlisted
        ]
        summary.problems += [str(problem) for problem in survey.problems]
        summary.errors += [
            ConfigError(
                str(problem),
                kept="What is known of its runs is kept",
                advice=advice_on_root(problem.path),
            )
            for problem in survey.problems
        ]
        paths = dict.fromkeys(survey.dirty)
        paths.update(dict.fromkeys(state.due_runs(self._now)))
        if self._options.report_all or self._options.baseline:
            paths.update(dict.fromkeys(row.path for row in state.runs()))
        return list(paths)

    def _believe_the_clock(self) -> None:
        """Look at all runs once if the clock was set back since there was news.

        What waits for a time noted by a clock that was ahead would wait that long, and
        what seemed too old to be told when it was first seen may not be.
        """
        state = self._state
        ahead = [key for key in BELIEVED if float(state.meta(key, "0")) > self._now]
        if ahead:
            with state.transaction():
                state.forget_recorded(self._now)
                state.wake_all()
                for key in ahead:
                    state.set_meta(key, repr(self._now))

    def read(self, paths: Sequence[str], executor: Executor) -> list[Finding]:
        """Read the runs in batches; each batch is committed before the next."""
        findings: list[Finding] = []
        batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
        results = executor.map(
            read_batch,
            (self._tasks(batch) for batch in batches),
            replace(self._settings, runs=len(paths)),
            read_apart,
        )
        for batch in results:
            self._keep_seen(batch)
            self._pages.take(batch)
            # States are large; reports are made from what is kept already.
            findings += [_lightened(finding) for finding in batch]
            self._scope.progress("read", len(findings), len(paths))
            if len(findings) < len(paths) and self._scope.should_stop():
                break
        self._state.commit()
        return self._not_too_many(self._in_company(findings))

    def _not_too_many(self, findings: Sequence[Finding]) -> list[Finding]:
        """Record the older ones of very many runs that were never told.

        That is for calls that name folders: a config has ``first_seen_max_age``.
        """
        new = [f for f in findings if f.report is not None and f.is_first]
        new.sort(key=lambda f: -(f.brief.written if f.brief else 0.0))
        over = new[FIRST_MAX:]
        options = self._options
        if not over or self._scope.config.source is not None or options.report_all:
            return list(findings)
        with self._state.transaction():
            self._note_recorded()
            for finding in over:
                row = self._state.run(finding.path)
                if row is not None:
                    self._state.put_run(replace(row, wake_at=finding.wake_at))
                    self._state.put_reported(finding.path, finding.snapshot)
        self._summary.notices.append(
            f"the {FIRST_MAX} newest of {len(new):,} new runs are reported; the others "
            "are known now and reported once they have news, or by `--all`"
        )
        left_out = {finding.path for finding in over}
        return [finding for finding in findings if finding.path not in left_out]

    def _in_company(self, findings: Sequence[Finding]) -> list[Finding]:
        """Judge anew the runs of which their groups say more than was known before.

        What they all were read as is kept by now.
        """
        self._company.forget()
        again = [
            finding.path
            for finding in findings
            if finding.kinds
            and finding.is_changed
            and (row := self._state.run(finding.path)) is not None
            and self._is_told_more(row, finding)
        ]
        found = read_batch(self._tasks(again), self._settings) if again else []
        self._keep_seen(found)
        anew = {finding.path: _lightened(finding) for finding in found}
        return [anew.get(finding.path, finding) for finding in findings]

    def _is_told_more(self, row: RunRow, finding: Finding) -> bool:
        alerts = self._needless(row, finding.brief)
        return {alert.key for alert in alerts} != set(finding.needless)

    def _needless(self, row: RunRow, brief: Brief | None) -> tuple[Alert, ...]:
        """Return what the group of a run says of it, as far as it is known."""
        if brief is None:
            return ()
        rules, language = self._settings.rules, self._settings.wishes.language
        return self._company.needless(row, brief, rules, language)

    def _tasks(
        self,
        paths: Iterable[str],
        *,
        wanted: bool = False,
        replaced: Collection[str] | None = None,
    ) -> list[RunTask]:
        """Return what to read; *replaced* are the waiting mails told of anew."""
        with self._state.reading():
            found = [self._task(path, replaced, wanted=wanted) for path in paths]
        return [task for task in found if task is not None]

    def _task(
        self, path: str, replaced: Collection[str] | None, *, wanted: bool
    ) -> RunTask | None:
        row = self._state.run(path)
        if row is None or not self._scope.accepts(row.root, row.name):
            return None
        if not fnmatchcase(row.name, self._options.only):
            return None
        run = self._catalog.run_dir(row)
        is_gone = run.is_deleted or not run.files
        if is_gone and row.wake_at != 0:
            return None  # all that was read of it is told
        seen, reported = self._state.marks(row)
        superseded = self._debts.superseded(path)
        if replaced is not None:
            superseded = [rid for rid in superseded if rid in replaced]
        base = reported
        if superseded:
            base = self._debts.base_of(superseded[0], path)
        return RunTask(
            run=run,
            is_gone=is_gone,
            seen=seen,
            reported=reported,
            base=base,
            rid_seed=rid_of(self._instance, os.fsencode(path), b"%d" % (row.seq + 1)),
            project=os.path.basename(row.root),
            has_grown=row.grown,
            is_wanted=wanted or self._options.report_all,
            record_only=self._options.baseline,
            expect=self._scope.roots[row.root].expected_of(row.name),
            needless=self._needless(row, self._state.brief(path)),
        )

    def _keep_seen(self, findings: Sequence[Finding]) -> None:
        """Commit what was read, with a note on every run that has news."""
        changed = []
        with self._state.reading():
            rows = [self._state.run(finding.path) for finding in findings]
        for row, finding in zip(rows, findings, strict=True):
            if row is None:
                continue
            after = self._row_after(row, finding)
            recorded = finding.report is None and finding.snapshot is not None
            if finding.is_changed or after != row or recorded:
                changed.append((after, finding, recorded))
        if not changed:
            return
        with self._state.transaction():
            self._pages.fall_behind()
            if any(recorded for *_, recorded in changed):
                self._note_recorded()
            if any(finding.kinds for finding in findings):
                self._state.set_meta(LAST_NEWS_AT, repr(self._now))
                self._note_held(findings)
            for row, finding, recorded in changed:
                self._keep_run(row, finding, recorded=recorded)

    def _keep_run(self, row: RunRow, finding: Finding, *, recorded: bool) -> None:
        """Keep what was read of a run, in a transaction of the caller."""
        self._state.put_run(row)
        if finding.is_changed and finding.state is not None:
            self._state.put_seen(row.path, finding.state)
        if finding.brief is not None:
            self._company.put(row, finding.brief)
        if recorded:
            self._state.put_reported(row.path, finding.snapshot)

    def _note_recorded(self) -> None:
        """Note that runs count as told that no mail tells of."""
        if self._options.baseline:  # whatever the clock says
            self._state.set_meta(BACKUP_AT, "0")  # only a copy will know of it
        else:
            self._state.set_meta(RECORDED_AT, repr(self._now))

    def _row_after(self, row: RunRow, finding: Finding) -> RunRow:
        """Return what is known of a run once what was read of it is committed."""
        wake_at = 0.0 if finding.report is not None else finding.wake_at
        is_over = finding.is_gone and finding.report is None and not finding.error
        return replace(
            row,
            wake_at=row.wake_at if finding.error else wake_at,
            gone_at=self._now if is_over else row.gone_at,
            grown=row.grown or finding.has_grown,
            status=finding.status or row.status,
        )

    def alerted(self) -> list[str]:
        """Return the names of the runs of which an alert that was told holds."""
        state = self._state
        return [
            row.name
            for row in state.runs()
            if self._scope.accepts(row.root, row.name)
            and fnmatchcase(row.name, self._options.only)
            and (mark := state.reported(row.path)) is not None
            and holds(mark.alerts)
        ]

    def settled(self, due: Sequence[Finding]) -> tuple[list[Finding], frozenset[str]]:
        """Return *due* with the siblings, and the waiting mails told anew with them.

        Each is told from what is told elsewhere on: a waiting mail that is not
        superseded, such as a digest about a run that is gone, still tells its news.
        """
        siblings = self._siblings(due)
        replaced = self._debts.replaced_by({f.path for f in (*due, *siblings)})
        due = [*due, *(f for f in siblings if self._is_in(f, replaced))]
        again = {
            finding.path
            for finding in due
            if not replaced.issuperset(self._debts.superseded(finding.path))
        }
        if not again:
            return due, replaced
        tasks = self._tasks(again, wanted=True, replaced=replaced)
        found = read_batch(tasks, replace(self._settings, every_s=0.0, held_until=0.0))
        anew = {finding.path: finding for finding in found if finding.report}
        return [anew.get(finding.path, finding) for finding in due], replaced

    def _is_in(self, finding: Finding, mails: Collection[str]) -> bool:
        return any(rid in mails for rid in self._debts.superseded(finding.path))

    def _siblings(self, due: Sequence[Finding]) -> list[Finding]:
        """Return findings of the runs whose owed digest is superseded by *due*."""
        known = {finding.path for finding in due}
        more: dict[str, None] = {}
        owed = {mail.rid: mail for mail in self._state.owed()}
        for finding in due:
            for rid in self._debts.superseded(finding.path):
                more.update(dict.fromkeys(owed[rid].runs))
        paths = [path for path in more if path not in known]
        tasks = self._tasks(paths, wanted=True)
        found = read_batch(tasks, replace(self._settings, every_s=0.0, held_until=0.0))
        return [finding for finding in found if finding.report is not None]


def advice_on_root(path: str) -> str:
    """Return what to do about a folder of runs in the config that cannot be read."""
    if is_remote(path):
        return "Look at its credentials, or change `runs`"
    return "Mount it, mend its permissions, or change `runs`"


def _lightened(finding: Finding) -> Finding:
    """Return *finding* without what is kept already."""
    snapshot = None if finding.report is None else finding.snapshot
    return replace(finding, state=None, snapshot=snapshot, card=None)
