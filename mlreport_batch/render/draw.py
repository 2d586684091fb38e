"""Draw reports and put them into frozen mails, in a child process with limits."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.errors import ConfigError, MlreportError, RenderError
from mlreport_batch.language.say import say
from mlreport_batch.render import Rendered
from mlreport_batch.render.mail import MailHeader, compose
from mlreport_batch.report.model import Digest, Report
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.masking.redact import redact_text

if TYPE_CHECKING:
    from mlreport_batch.safety.child import BoundedChild


class DrawTask(Struct, frozen=True):
    """One report to draw.

    Attributes:
        report: The report or digest.
        header: What its mail says about itself.
    """

    report: Report | Digest
    header: MailHeader


class Drawn(Struct, frozen=True):
    """One report in the forms it travels in.

    Attributes:
        rid: Its id.
        message: The frozen mail.
        page_html: The page for ``reports/``, if pages are wanted.
        pdf: The PDF for ``reports/``.
        note: What went another way than planned.
        error: Why it could not be drawn; then nothing else is set.
    """

    rid: str
    message: bytes = b""
    page_html: str = ""
    pdf: bytes | None = None
    note: str = ""
    error: MlreportError | None = None


class DrawSettings(Struct, frozen=True):
    """How reports are drawn: the local engine's settings."""

    template: str | None = None
    has_pages: bool = True


def draw_batch(tasks: Sequence[DrawTask], settings: DrawSettings) -> list[Drawn]:
    """Return each report drawn by the local engine and put into its frozen mail.

    The drawing happens in a child process with limits. A report that cannot be
    drawn goes out as plain text, marked.
    """
    return [_draw_bounded(task, settings) for task in tasks]


def _draw_bounded(task: DrawTask, settings: DrawSettings) -> Drawn:
    from mlreport_batch.safety.child import ChildFailedError

    try:
        drawn = _child(settings).call(task)
    except ChildFailedError as exc:
        return draw_plainly(task, f"the renderer {exc}")
    if drawn.error is None or isinstance(drawn.error, ConfigError):
        return drawn
    return draw_plainly(task, str(drawn.error.message))


@cache
def _child(settings: DrawSettings) -> "BoundedChild[DrawTask, Drawn]":
    from mlreport_batch.safety.child import BoundedChild, end_at_exit

    child = BoundedChild(partial(_draw_local, settings=settings))
    end_at_exit(child)
    return child


def _draw_local(task: DrawTask, settings: DrawSettings) -> Drawn:
    from mlreport_batch.render.local import LocalRenderer

    renderer = LocalRenderer(settings.template, settings.has_pages)
    return draw(partial(renderer.render, task.report), task)


def draw_plainly(task: DrawTask, why: str) -> Drawn:
    """Return a report as plain text only, for when its engine failed."""
    import html

    from mlreport_batch.render import plain

    note = say(task.report.language, "drawn_plainly", why=redact_text(clean(why)))
    text = f"{plain.write(task.report)}\n{note}\n"
    page = (
        '<!doctype html><meta charset="utf-8"><pre style="white-space:pre-wrap;'
        f'font:13px/1.5 monospace">{html.escape(text)}</pre>'
    )
    rendered = Rendered(mail_html=page, page_html=page, text=text, pdf=None)
    return replace(_composed(task, rendered), note=note)


def draw(render: Callable[[], Rendered], task: DrawTask) -> Drawn:
    """Return one report, which *render* lays out, put into its frozen mail."""
    try:
        return _composed(task, render())
    except MlreportError as exc:
        return Drawn(task.report.rid, error=exc)
    except Exception as exc:  # noqa: BLE001 - one bad report never holds up the others
        error = RenderError(
            redact_text(f"{type(exc).__name__}: {exc}"),
            kept="Its news stay owed",
            advice="This is a bug of mlreport-batch; please report it",
        )
        return Drawn(task.report.rid, error=error)


def _composed(task: DrawTask, rendered: Rendered) -> Drawn:
    return Drawn(
        task.report.rid,
        compose(rendered, header=task.header),
        rendered.page_html,
        rendered.pdf,
        rendered.note,
    )
