"""The local engine: one template, laid out as mail, page and PDF on this machine.

The default templates (``templates/*.j2``) are internal and may change with any
version. A user's own template speaks the placeholder vocabulary alone.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlreport_batch import charts, placeholders
from mlreport_batch.errors import ConfigError, RenderError
from mlreport_batch.render import Image, Rendered, budget, pdf, plain
from mlreport_batch.report import Chart, Digest, Report, Series
from mlreport_batch.words import known, word

MAIL_BYTES: Final = 90_000
"""Gmail clips the body at 102 KB and hides what follows."""

_TEMPLATES = Path(__file__).with_name("templates")
_STYLES: Final[Mapping[str, Sequence[tuple[str, bool]]]] = {
    # file, and whether it is kept as it is instead of being inlined
    "mail": (("base.css", False), ("mail.css", False), ("mail-keep.css", True)),
    "page": (("base.css", False), ("page.css", False)),
    "print": (("base.css", False), ("print.css", False)),
}
# What no encoder or parser takes, and what reorders text. Reports are clean
# already; this is the last wall before libraries written in C.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufffe\uffff]"
)
_BREAK = re.compile(r"(?<=[/_=:])(?=[^\s/_=:])|(?<=[a-z]\.)(?=[a-z])", re.IGNORECASE)
_SHORT = 16
_MONTHS: Final[Sequence[str]] = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_UNBROKEN = 26  # a value up to this long, such as any number, stays on one line


@dataclass(frozen=True, slots=True)
class _Picture:
    title: str
    cid: str
    alt: str
    svg: str
    width: int
    height: int
    legend: Sequence[Series]
    log: bool


@dataclass(frozen=True, slots=True)
class _Style:
    text: str
    keep: bool


@dataclass(frozen=True)
class LocalRenderer:
    """Draws reports without leaving the machine.

    Attributes:
        template: Path of the user's own HTML template for reports, or None for
            the default look. A digest always has the default look.
    """

    template: str | None = None

    def render(self, report: Report | Digest) -> Rendered:
        """Draw *report* as mail, page, plain text and PDF.

        A PDF or chart that cannot be drawn is left out and said in ``note``.

        Raises:
            ConfigError: The user's template cannot be read.
            RenderError: The report could not be drawn.
        """
        if self.template is not None and isinstance(report, Report):
            return _render_own(report, read_template(self.template))
        try:
            return _Drawing(report).finish()
        except Exception as exc:
            raise RenderError(
                f"report {report.rid} could not be drawn: {type(exc).__name__}: {exc}",
                kept="its news stay owed",
                advice="this is a bug of mlreport-batch; please report it",
            ) from exc


def read_template(path: str) -> str:
    """Return the user's template at *path*.

    Raises:
        ConfigError: It is missing, unreadable or not UTF-8.
    """
    try:
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"template {path} cannot be read: {exc}",
            kept="nothing was sent",
            advice="correct render.template in the config",
        ) from exc


class _Drawing:
    """One report on its way through all forms; pictures are drawn once."""

    def __init__(self, report: Report | Digest) -> None:
        self.report = report
        self.notes: list[str] = []
        self._pictures: dict[int, _Picture | None] = {}

    def finish(self) -> Rendered:
        say = functools.partial(word, self.report.language)
        mail, images = self._mail(say("more.pdf"))
        page, _ = self._document("page", budget.PAGE, say("more.run"))
        paper, _ = self._document("print", budget.PDF, say("more.run"))
        document = self._pdf(paper)
        return Rendered(
            mail_html=mail,
            page_html=page,
            text=safe(plain.write(self.report)),
            pdf=document,
            images=tuple(self._images(images)),
            note="; ".join(dict.fromkeys(self.notes)),
        )

    def _mail(self, where: str) -> tuple[str, Sequence[_Picture]]:
        """Return the fullest mail that fits, and its pictures."""
        *tries, least = budget.MAIL
        for limits in tries:
            document, pictures = self._mail_of(limits, where)
            if len(document.encode()) <= MAIL_BYTES:
                return document, pictures
        return self._mail_of(least, where)

    def _mail_of(
        self, limits: budget.Limits, where: str
    ) -> tuple[str, Sequence[_Picture]]:
        document, pictures = self._document("mail", limits, where)
        return _inliner().inline(document), pictures

    def _document(
        self, form: str, limits: budget.Limits, where: str
    ) -> tuple[str, Sequence[_Picture]]:
        report = self.report
        if isinstance(report, Digest):
            return self._digest(report, form, limits, where)
        fitted = budget.fit(report, limits, where=where)
        pictures = self._draw(fitted.report.charts)
        text = _fill(
            "report.html.j2",
            fitted.report,
            form,
            title=report.run,
            notes=fitted.notes,
            pictures=pictures,
            link=report.link if report.link.startswith("https://") else "",
        )
        return text, pictures

    def _digest(
        self, digest: Digest, form: str, limits: budget.Limits, where: str
    ) -> tuple[str, Sequence[_Picture]]:
        fitted = budget.fit_digest(digest, limits, where=where)
        details = [
            {
                "report": one.report,
                "notes": one.notes,
                "pictures": self._draw(one.report.charts),
            }
            for one in fitted.details
        ]
        text = _fill(
            "digest.html.j2",
            fitted.digest,
            form,
            title=digest.notification,
            notes=fitted.notes,
            rows=fitted.rows,
            counts=fitted.alert_counts,
            details=details,
        )
        return text, [picture for one in details for picture in one["pictures"]]  # type: ignore[attr-defined]

    def _draw(self, wanted: Sequence[Chart]) -> Sequence[_Picture]:
        pictures = []
        for chart in wanted:
            if id(chart) not in self._pictures:
                self._pictures[id(chart)] = self._picture(chart)
            picture = self._pictures[id(chart)]
            if picture is not None:
                pictures.append(picture)
        return pictures

    def _picture(self, chart: Chart) -> _Picture | None:
        try:
            svg = safe(charts.svg(chart))
        except (ValueError, ArithmeticError):
            self.notes.append(word(self.report.language, "note.charts"))
            return None
        width, height = charts.size(chart)
        shown = chart.series[: charts.MAX_SERIES]
        number = len(self._pictures) + 1
        stem = re.sub(r"[^A-Za-z0-9]+", "-", self.report.rid).strip("-")[:80]
        return _Picture(
            title=chart.title,
            cid=f"chart{number}.{stem or 'report'}@mlreport-batch",
            alt=word(
                self.report.language,
                "chart.alt",
                title=chart.title,
                latest=", ".join(f"{s.key} {s.latest}" for s in shown),
            )[:300],
            svg=svg,
            width=width,
            height=height,
            legend=shown,
            log=charts.is_log(chart),
        )

    def _images(self, pictures: Sequence[_Picture]) -> list[Image]:
        images = []
        for picture in pictures:
            data = pdf.write_png(
                picture.svg, width=picture.width, height=picture.height
            )
            images.append(Image(picture.cid, "image/png", data, safe(picture.alt)))
        return images

    def _pdf(self, html: str) -> bytes | None:
        try:
            return pdf.write_pdf(
                html,
                title=safe(_title(self.report)),
                made_at=iso_date(self.report.date),
            )
        except (ValueError, RuntimeError, MemoryError) as exc:
            self.notes.append(f"{word(self.report.language, 'note.pdf')}: {exc}")
            return None


def _render_own(report: Report, template: str) -> Rendered:
    """Draw *report* in the user's template: no charts, the same PDF engine."""
    page = safe(placeholders.fill_html(template, report))
    note = ""
    try:
        document = pdf.write_pdf(
            page, title=safe(report.run), made_at=iso_date(report.date)
        )
    except (ValueError, RuntimeError, MemoryError) as exc:
        document, note = None, f"{word(report.language, 'note.pdf')}: {exc}"
    return Rendered(
        mail_html=_inliner().inline(page),
        page_html=page,
        text=safe(plain.write(report)),
        pdf=document,
        note=note,
    )


def safe(text: str) -> str:
    """Return *text* without anything a parser or encoder could choke on."""
    return _UNSAFE.sub("\ufffd", text)


def iso_date(date: str) -> str:
    """Return a report's local *date* as ISO 8601, for the PDF's metadata.

    It is the report's date instead of the clock's, so that drawing the same
    report again gives the same bytes.
    """
    parts = re.findall(r"\d+|[a-z]{3,}", date.lower())
    numbers = [_MONTHS.index(p[:3]) + 1 if p[:3] in _MONTHS else p for p in parts]
    try:
        year, month, day = (int(number) for number in numbers[:3])
    except ValueError:
        return "2000-01-01T00:00:00Z"
    return f"{year:04d}-{month:02d}-{day:02d}T00:00:00Z"


def _title(report: Report | Digest) -> str:
    return report.run if isinstance(report, Report) else report.notification


def _fill(name: str, report: Report | Digest, form: str, **parts: object) -> str:
    template = _environment().get_template(name)
    return safe(
        template.render(
            r=report,
            form=form,
            language=report.language,
            w=functools.partial(word, report.language),
            styles=_styles(form),
            **parts,
        )
    )


@functools.cache
def _styles(form: str) -> Sequence[_Style]:
    dark = _css("dark.css")
    return [
        _Style(_markup(_css(name).replace("DARK\n", dark)), keep)
        for name, keep in _STYLES[form]
    ]


def _css(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _markup(text: str) -> str:
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - our own stylesheet, read from the package


@functools.cache
def _environment() -> Any:  # noqa: ANN401
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(wrap=_wrap, cell=_cell, kind=_kind, evidence=_evidence)
    return environment


@functools.cache
def _inliner() -> Any:  # noqa: ANN401
    import css_inline

    return css_inline.CSSInliner(
        load_remote_stylesheets=False, keep_link_tags=True, minify_css=True
    )


def _wrap(text: str) -> str:
    """Return *text* escaped, with places where a long name may break."""
    from markupsafe import Markup, escape

    if len(text) <= _SHORT:
        return escape(text)
    return Markup("<wbr>").join(_BREAK.split(text))


def _cell(value: str) -> str:
    """Return the classes of a value's cell; a number never breaks."""
    return "v nw" if len(value) <= _UNBROKEN and " " not in value else "v"


def _kind(status: str) -> str:
    return known(f"status.{status}", "status.quiet").removeprefix("status.")


def _evidence(report: Report) -> str:
    """Return the status text without the word that the pill already says."""
    spoken = word(report.language, f"status.{_kind(report.status)}")
    text = report.status_text
    if text.lower().startswith(spoken.lower()):
        text = text[len(spoken) :].lstrip(" ,;:·-\N{EN DASH}\N{EM DASH}")
    return text
