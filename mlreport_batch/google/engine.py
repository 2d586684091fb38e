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
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.config.settings import Config
from mlreport_batch.deliver.waits import (
    ENGINE_REFUSED,
    is_told,
    refusal,
    still_refused,
)
from mlreport_batch.errors import (
    ConfigError,
    CredentialError,
    MlreportError,
    RenderError,
)
from mlreport_batch.google.api.account import DRIVE, credential_of, load_account
from mlreport_batch.google.api.client import DOCUMENT, GoogleClient
from mlreport_batch.google.api.pace import Pace
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.google.document.make import (
    Made,
    Source,
    is_for_all,
    make,
    translated,
)
from mlreport_batch.google.document.template import Template, analyse
from mlreport_batch.google.export import mail as export_mail
from mlreport_batch.google.tidy import known_scope, scope_key, tidy
from mlreport_batch.language.say import say
from mlreport_batch.render import Rendered
from mlreport_batch.render.draw import Drawn, DrawTask, draw
from mlreport_batch.render.local import LocalRenderer
from mlreport_batch.report.model import Digest, Report
from mlreport_batch.state.owed import DocumentRow
from mlreport_batch.state.store import State

_T = TypeVar("_T")
_NOT_FOUND = 404
_AHEAD = 48  # reports begun before the first of them is handed out
_CACHE = 1  # version of what is kept of a template


def draw_google(
    tasks: Iterable[Sequence[DrawTask]],
    config: Config,
    instance: str,
    state: State,
    *,
    pace: Pace | None = None,
) -> Iterator[list[Drawn]]:
    """Yield each batch of *tasks* drawn, in order.

    A digest has no template and is always drawn on this machine.

    Args:
        tasks: Batches; taken a little ahead of what is yielded.
        config: All settings.
        instance: Which state the documents belong to.
        state: Its lock is held by the caller.
        pace: How fast Google may be asked; tests scale it.
    """
    engine = _Engine(config, instance, state, pace or Pace())
    try:
        yield from engine.draw(tasks)
    finally:
        engine.close()


class _Flight(Struct, frozen=True):
    """A report on its way: the future of its document, unless it has none."""

    task: DrawTask
    made: "Future[Made] | None" = None
    begun_at: float = 0.0


class _WithNote:
    """The local engine, which says why it stands in."""

    def __init__(self, note: str) -> None:
        self.note = note

    def render(self, report: Report | Digest) -> Rendered:
        """Draw *report* on this machine."""
        rendered = LocalRenderer().render(report)
        return export_mail.with_note(rendered, self.note)


class _Engine:
    def __init__(self, config: Config, instance: str, state: State, pace: Pace) -> None:
        self.config = config
        self.settings = config.google
        self.instance = instance
        self.state = state
        self.pace = pace
        self.pool = ThreadPoolExecutor(pace.width, thread_name_prefix="google")
        self.client: GoogleClient | None = None
        self.source: Source | None = None
        self.known: dict[str, DocumentRow] = {}
        self._refusal: MlreportError | None = None
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
        if reports and self.source is None and self._blocker is None:
            self._prepare()
        now = time.time()
        if self._blocker is None and reports:
            with self.state.transaction():
                self.state.put_documents(
                    DocumentRow(r.rid, _run(r), "", now, has_doubt=True)
                    for r in reports
                )
        return [
            _Flight(task, self._submit(task.report), now)
            if isinstance(task.report, Report)
            else _Flight(task)
            for task in batch
        ]

    def _submit(self, report: Report) -> "Future[Made] | None":
        if self._blocker is not None:
            return None
        is_doubtful = report.rid in self.known
        return self.pool.submit(self._make, report, is_doubtful)

    def _make(self, report: Report, is_doubtful: bool) -> Made:
        """Make one document, on a thread of the pool."""
        if self._blocker is not None or self.client is None or self.source is None:
            raise self._blocker or AssertionError
        client, source = self.client, self.source
        try:
            return with_wider_scope(
                client, lambda: make(client, source, report, is_doubtful=is_doubtful)
            )
        except GoogleError as exc:
            raise self._note(self._translated(exc)) from exc
        except MlreportError as exc:
            raise self._note(exc) from exc

    def _note(self, error: MlreportError) -> MlreportError:
        """Stop beginning more when *error* will meet all others too."""
        if is_for_all(error):
            with self._lock:
                self._blocker = self._blocker or error
        return error

    def _translated(self, error: GoogleError) -> MlreportError:
        if self.client is None:
            raise AssertionError
        where = (self.settings.template, self.settings.folder)
        return translated(error, self.client, where)

    def _prepare(self) -> None:
        """Log in, read the template and settle what is left from earlier ticks."""
        try:
            self._open()
        except MlreportError as exc:
            self._blocker = exc
        except GoogleError as exc:
            self._blocker = self._translated(exc)
        else:
            self.known = {row.rid: row for row in self.state.documents()}
            if self.state.meta(ENGINE_REFUSED):
                with self.state.transaction():
                    self.state.set_meta(ENGINE_REFUSED, "")

    def _open(self) -> None:
        settings = self.settings
        scope = known_scope(self.state, settings)
        account = load_account(settings, [scope])
        self.client = GoogleClient(settings, account, self.pace)
        template = with_wider_scope(self.client, self._template)
        self.source = Source(
            settings.template or "", template, settings.folder, self.instance
        )
        tidy(self.state, self.config, self.client)

    def _template(self) -> Template:
        """Return what the template asks for; it is read when it has changed."""
        if self.client is None or not self.settings.template:
            raise ConfigError(
                "google.template is missing", advice="Run `template create`"
            )
        template_id = self.settings.template
        found = self.client.file(template_id, "id,name,mimeType,version,trashed")
        if found.get("trashed") or found.get("mimeType") != DOCUMENT:
            state = "is in the trash" if found.get("trashed") else "is no Google Doc"
            raise ConfigError(
                f"google.template: {found.get('name', template_id)!r} {state}",
                kept="The news stay owed",
                advice="Restore it, or open it in Docs and save it as a Google Doc",
            )
        version = f"{_CACHE} {template_id} {found['version']}"
        if self.state.meta("google.template.version") == version:
            cached = self.state.meta("google.template")
            template = msgspec.json.decode(cached.encode(), type=Template)
        else:
            template = analyse(self.client.document(template_id))
            kept = msgspec.json.encode(template).decode()
            with self.state.transaction():
                self.state.set_meta("google.template", kept)
                self.state.set_meta("google.template.version", version)
        if template.problems:
            raise ConfigError(
                f"google.template: {found.get('name')!r} cannot be filled",
                problems=template.problems,
                kept="The news stay owed",
                advice="Mend the template",
            )
        return template

    # -- finishing ---------------------------------------------------------------

    def _finish(self, flights: Sequence[_Flight]) -> list[Drawn]:
        """Wait for a batch and compose its mails."""
        drawn: list[Drawn] = []
        rows: list[DocumentRow] = []
        for flight in flights:
            if not isinstance(flight.task.report, Report):
                drawn.append(draw(LocalRenderer(), flight.task))
                continue
            try:
                made = self._result(flight)
            except MlreportError as exc:
                drawn.append(self._failed(flight.task, exc))
                continue
            except Exception as exc:  # noqa: BLE001 - as `draw` does for other engines
                drawn.append(draw(_Raising(exc), flight.task))
                continue
            rows.append(_row(flight, made))
            report = replace(flight.task.report, link=made.link)
            task = DrawTask(report, flight.task.header)
            drawn.append(draw(_Composer(made), task))
        if rows and self.client is not None:
            with self.state.transaction():
                self.state.put_documents(rows)
                if DRIVE in self.client.account.scopes:
                    self.state.set_meta("google.wide", scope_key(self.settings))
        return drawn

    def _result(self, flight: _Flight) -> Made:
        if flight.made is None:
            raise self._blocker or AssertionError
        return flight.made.result()

    def _failed(self, task: DrawTask, error: MlreportError) -> Drawn:
        """Draw locally instead, or say why the report waits."""
        if is_for_all(error) and self.settings.fallback == "local":
            note = say(task.report.language, "document_local", why=error.message)
            return draw(_WithNote(note), task)
        rid = task.report.rid
        if not is_for_all(error):
            if not isinstance(error, RenderError):  # ChannelDownError of a token call
                error = RenderError(error.message, kept=error.kept, advice=error.advice)
            return Drawn(rid, error=error)
        if isinstance(error, CredentialError):
            self._refusal = error = self._refusal or self._told_once(error)
        return Drawn(rid, error=error)

    def _told_once(self, error: CredentialError) -> MlreportError:
        """Return what is said of *error*: all of it once, then that it still holds."""
        mark = refusal(error, credential_of(self.settings))
        if is_told(self.state.meta, mark):
            return still_refused(error.message, error.exit_code)
        with self.state.transaction():
            self.state.set_meta(ENGINE_REFUSED, mark)
        return error


class _Raising:
    def __init__(self, exc: Exception) -> None:
        self.exc = exc

    def render(self, report: Report | Digest) -> Rendered:
        """Raise what happened on the thread."""
        del report
        raise self.exc


class _Composer:
    """Makes the mail of a finished document."""

    def __init__(self, made: Made) -> None:
        self.made = made

    def render(self, report: Report | Digest) -> Rendered:
        """Draw the mail of *report*; what Google would not export is drawn here."""
        assert isinstance(report, Report)  # noqa: S101 - digests have no document
        made, notes = self.made, list(self.made.notes)
        local = None
        if made.export is None or made.pdf is None:
            local = LocalRenderer().render(report)
        if local is not None and made.pdf is None:
            notes.append(say(report.language, "document_pdf"))
        if local is not None and made.export is None:
            notes.append(say(report.language, "document_html"))
            rendered = replace(local, pdf=made.pdf or local.pdf)
            return export_mail.with_note(rendered, " ".join(notes))
        if made.export is None:
            raise AssertionError
        document = made.pdf if local is None else local.pdf
        return export_mail.render(report, made.export, document, notes)


def with_wider_scope(client: GoogleClient, work: Callable[[], _T]) -> _T:
    """Return what *work* returns; ask for the scope ``drive`` where it is needed.

    The scope ``drive.file`` covers what this program made. A template or a folder
    that somebody else made is not to be seen with it, and an administrator may have
    allowed ``drive`` alone.

    Raises:
        GoogleError: The wider scope does not help either.
        CredentialError: No scope is granted.
    """
    account = client.account
    can_help = account.can_widen
    try:
        return work()
    except (GoogleError, CredentialError) as exc:
        is_hidden = isinstance(exc, CredentialError) or exc.status == _NOT_FOUND
        if not is_hidden or not can_help:
            raise
        account.widen()
        try:
            return work()
        except CredentialError:
            raise exc from None


def _run(report: Report) -> str:
    return f"{report.project}/{report.run}"


def _row(flight: _Flight, made: Made) -> DocumentRow:
    report = flight.task.report
    run = _run(report) if isinstance(report, Report) else ""
    return DocumentRow(
        report.rid, run, made.document_id, flight.begun_at, has_doubt=made.has_doubt
    )
