"""The Google engine: every report becomes a document of its own, and a mail of it.

Reports are made several at a time on threads that only talk to Google; state, charts
and mails stay with the caller's thread, which hands the results out in order. Before
a copy is asked for, its report's id is in the state, so whatever a crash leaves
behind is found again.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial

import msgspec
from msgspec.structs import replace

from mlreport_batch.config.settings import Config
from mlreport_batch.deliver.waits import (
    ENGINE_REFUSED,
    is_refusal,
    is_told,
    refusal,
    still_refused,
)
from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
    MlreportError,
    RenderError,
)
from mlreport_batch.google.api.account import credential_of, drive_scope
from mlreport_batch.google.api.client import DOCUMENT, GoogleClient
from mlreport_batch.google.api.explain import explained
from mlreport_batch.google.api.pace import Pace
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.google.document.make import Made, Making
from mlreport_batch.google.document.template import Template, analyse
from mlreport_batch.google.export import mail as export_mail
from mlreport_batch.google.tidy import tidy
from mlreport_batch.language.say import say
from mlreport_batch.render import Rendered
from mlreport_batch.render.draw import Drawn, DrawTask, draw
from mlreport_batch.render.local import LocalRenderer
from mlreport_batch.report.model import Report
from mlreport_batch.state.owed import DocumentRow
from mlreport_batch.state.store import State

_AHEAD = 48  # reports begun before the first of them is handed out
_CACHE = 5  # version of what is kept of a template


def draw_google(
    tasks: Iterable[Sequence[DrawTask]],
    config: Config,
    instance: str,
    state: State,
    *,
    pace: Pace | None = None,
) -> Iterator[list[Drawn]]:
    """Yield each batch of *tasks* drawn, in order; a few are taken ahead of that.

    A digest has no template and is always drawn on this machine. The documents belong
    to the state called *instance*, whose lock is held by the caller.
    """
    with closing(_Engine(config, instance, state, pace or Pace())) as engine:
        yield from engine.draw(tasks)


_Flight = tuple[DrawTask, "Future[Made] | None"]
"""A report on its way; a digest has no document."""


class _Engine:
    def __init__(self, config: Config, instance: str, state: State, pace: Pace) -> None:
        self.config = config
        self.settings = config.google
        self.instance = instance
        self.state = state
        self.pace = pace
        self.pool = ThreadPoolExecutor(pace.width, thread_name_prefix="google")
        self.client: GoogleClient | None = None
        self.making: Callable[[Report, bool], Making] | None = None
        self.known: set[str] = set()
        self._refusal: MlreportError | None = None
        self._outage: MlreportError | None = None
        self._blocker: MlreportError | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give up what was not begun and close all connections."""
        self.pool.shutdown(wait=True, cancel_futures=True)
        if self.client is not None:
            self.client.close()

    def draw(self, tasks: Iterable[Sequence[DrawTask]]) -> Iterator[list[Drawn]]:
        """Yield the drawn batches, a little behind those that are begun."""
        flying: deque[list[_Flight]] = deque()
        for batch in tasks:
            flying.append(self._begin(batch))
            while sum(map(len, flying)) > _AHEAD:
                yield self._finish(flying.popleft())
        while flying:
            yield self._finish(flying.popleft())

    # -- beginning ---------------------------------------------------------------

    def _begin(self, batch: Sequence[DrawTask]) -> list[_Flight]:
        """Note what will be made, then let the threads make it."""
        reports = [t.report for t in batch if isinstance(t.report, Report)]
        if reports and self.making is None and self._blocker is None:
            self._prepare()
        if self._blocker is None:
            self._keep([_row(report, "", has_doubt=True) for report in reports])
        return [
            (
                task,
                self.pool.submit(self._make, task.report)
                if isinstance(task.report, Report)
                else None,
            )
            for task in batch
        ]

    def _keep(self, rows: Sequence[DocumentRow]) -> None:
        if rows:
            with self.state.transaction():
                self.state.put_documents(rows)

    def _make(self, report: Report) -> Made:
        """Make one document, on a thread of the pool."""
        if self._blocker is not None or self.making is None:
            raise self._blocker or AssertionError
        try:
            return self.making(report, report.rid in self.known).run()
        except (GoogleError, MlreportError) as exc:
            raise self._note(exc) from exc

    def _note(self, exc: GoogleError | MlreportError) -> MlreportError:
        """Return what *exc* means; begin no more where it will meet all others.

        All outages of a tick are one to the reader.
        """
        error = self._explained(exc)
        with self._lock:
            if is_refusal(error):
                self._blocker = self._blocker or error
            elif not isinstance(exc, GoogleError) or exc.may_pass:
                self._outage = error = self._outage or error
        return error

    def _explained(self, exc: GoogleError | MlreportError) -> MlreportError:
        if isinstance(exc, GoogleError) and self.client is not None:
            return explained(exc, self.client.account, self.settings)
        if isinstance(exc, ChannelDownError):  # of a call for a token
            return RenderError(exc.message, kept=exc.kept, advice=exc.advice)
        assert isinstance(exc, MlreportError)  # noqa: S101 - only a client calls
        return exc

    def _prepare(self) -> None:
        """Log in, read the template and settle what is left from earlier ticks."""
        settings = self.settings
        try:
            self.client = GoogleClient(settings, [drive_scope(settings)], self.pace)
            template = self._template(self.client)
            tidy(self.state, self.config, self.client)
        except (GoogleError, MlreportError) as exc:
            self._blocker = self._explained(exc)
            return
        self.making = partial(Making, self.client, settings, template, self.instance)
        self.known = {row.rid for row in self.state.documents()}
        if self.state.meta(ENGINE_REFUSED):
            with self.state.transaction():
                self.state.set_meta(ENGINE_REFUSED, "")

    def _template(self, client: GoogleClient) -> Template:
        """Return what the template asks for; it is read when it has changed."""
        template_id = self.settings.template
        if not template_id:
            raise ConfigError(
                "google.template is missing", advice="Run `template create`"
            )
        found = client.file(template_id, "id,name,mimeType,version,trashed")
        name = found.get("name", template_id)
        if found.get("trashed") or found.get("mimeType") != DOCUMENT:
            state = "is in the trash" if found.get("trashed") else "is no Google Doc"
            raise ConfigError(
                f"google.template: {name!r} {state}",
                kept="The news stay owed",
                advice="Restore it, or open it in Docs and save it as a Google Doc",
            )
        version = f"{_CACHE} {template_id} {found['version']}"
        if self.state.meta("google.template.version") == version:
            cached = self.state.meta("google.template")
            template = msgspec.json.decode(cached, type=Template)
        else:
            template = analyse(client.document(template_id))
            kept = msgspec.json.encode(template).decode()
            with self.state.transaction():
                self.state.set_meta("google.template", kept)
                self.state.set_meta("google.template.version", version)
        if template.problems:
            raise ConfigError(
                f"google.template: {name!r} cannot be filled",
                problems=template.problems,
                kept="The news stay owed",
                advice="Mend the template",
            )
        return template

    # -- finishing ---------------------------------------------------------------

    def _finish(self, flights: Sequence[_Flight]) -> list[Drawn]:
        """Wait for a batch and compose its mails."""
        rows: list[DocumentRow] = []
        drawn = [self._drawn(task, made, rows) for task, made in flights]
        self._keep(rows)
        return drawn

    def _drawn(
        self, task: DrawTask, made: "Future[Made] | None", rows: list[DocumentRow]
    ) -> Drawn:
        report = task.report
        if made is None or not isinstance(report, Report):
            return draw(partial(LocalRenderer().render, report), task)
        failure = made.exception()
        if isinstance(failure, MlreportError):
            return self._failed(task, report, failure)
        if failure is None:
            got = made.result()
            rows.append(_row(report, got.document_id, has_doubt=got.has_doubt))
        # What else it raises, `draw` says of it as of any engine.
        return draw(lambda: _composed(report, made.result()), task)

    def _failed(self, task: DrawTask, report: Report, error: MlreportError) -> Drawn:
        """Draw locally instead, or say why the report waits."""
        if is_refusal(error) and self.settings.fallback == "local":
            note = say(report.language, "document_local", why=error.message)
            return draw(partial(_drawn_here, report, note), task)
        if isinstance(error, CredentialError):
            self._refusal = error = self._refusal or self._told_once(error)
        return Drawn(report.rid, error=error)

    def _told_once(self, error: CredentialError) -> MlreportError:
        """Return what is said of *error*: all of it once, then that it still holds."""
        mark = refusal(error, credential_of(self.settings))
        if is_told(self.state.meta, mark):
            return still_refused(error.message, error.exit_code)
        with self.state.transaction():
            self.state.set_meta(ENGINE_REFUSED, mark)
        return error


def _row(report: Report, document: str, *, has_doubt: bool) -> DocumentRow:
    """Return what is noted of the *document* of *report*."""
    run = f"{report.project}/{report.run}"
    return DocumentRow(report.rid, run, document, time.time(), has_doubt=has_doubt)


def _drawn_here(report: Report, note: str) -> Rendered:
    """Draw *report* on this machine, which *note* explains."""
    rendered = LocalRenderer().render(report)
    return replace(rendered, note="; ".join(filter(None, (rendered.note, note))))


def _composed(report: Report, made: Made) -> Rendered:
    """Return the mail of *made*; what Google would not export is drawn here."""
    report = replace(report, link=made.link)
    missing = {"document_pdf": made.pdf, "document_html": made.export}
    lacks = [say(report.language, key) for key, got in missing.items() if got is None]
    notes = [*made.notes, *lacks]
    if made.export is None:
        rendered = _drawn_here(report, " ".join(notes))
        return replace(rendered, pdf=made.pdf or rendered.pdf)
    pdf = made.pdf or LocalRenderer().render(report).pdf
    return export_mail.render(report, made.export, pdf, notes)
