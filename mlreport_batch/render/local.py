"""The local engine: one template, laid out as mail, page and PDF on this machine.

The default templates (``templates/*.j2``) are internal and may change with any
version. A user's own template speaks the placeholder vocabulary alone.
"""

import base64
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.errors import RenderError
from mlreport_batch.language.say import say
from mlreport_batch.render import (
    Image,
    Rendered,
    boards,
    budget,
    charts,
    digest,
    layout,
    own,
    pdf,
    plain,
    sparks,
)
from mlreport_batch.render.outline import Heading
from mlreport_batch.render.tables import tabulated
from mlreport_batch.report.drawn import Chart, DrawnCurve
from mlreport_batch.report.model import (
    Digest,
    Report,
)
from mlreport_batch.safety.clean import shorten
from mlreport_batch.safety.masking.redact import shown

_LATEST = 24  # a number is shorter
_CHART = sparks.Size(344, 172)
"""As wide as a phone, so that nothing written in it gets smaller there."""
_SPARKS_MAX = 12
"""Lines of a mail's table that have a small curve: each is a part of the mail."""
_NAME = 120


class _Picture(Struct, frozen=True):
    title: str
    cid: str
    alt: str
    svg: str
    legend: Sequence[DrawnCurve]
    log: bool


class _Small(Struct, frozen=True):
    """A small curve of a mail, with the picture's bytes."""

    cid: str
    size: sparks.Size
    data: bytes


class _Shown(Struct, frozen=True):
    """A sample picture as a form shows it."""

    cid: str
    source: str
    caption: str
    width: int
    data: bytes


class _Images(Struct, frozen=True):
    """What a mail refers to by cid."""

    charts: Sequence[_Picture]
    samples: Sequence[_Shown] = ()


class LocalRenderer(Struct, frozen=True):
    """Draws reports without leaving the machine.

    Attributes:
        template: Path of the user's own HTML template for reports, or None for
            the default look. A digest always has the default look.
        has_pages: Whether the page is wanted; without it, it is empty.
    """

    template: str | None = None
    has_pages: bool = True

    def render(self, report: Report | Digest) -> Rendered:
        """Draw *report* as mail, page, plain text and PDF.

        A PDF or chart that cannot be drawn is left out and said in ``note``.

        Raises:
            ConfigError: The user's template cannot be read.
            RenderError: The report could not be drawn.
        """
        if self.template is not None and isinstance(report, Report):
            return own.render_own(report, own.read_template(self.template))
        try:
            return _Drawing(report).finish(has_page=self.has_pages)
        except Exception as exc:
            raise RenderError(
                f"report {report.rid} could not be drawn: {type(exc).__name__}: {exc}",
                kept="Its news stay owed",
                advice="This is a bug of mlreport-batch; please report it",
            ) from exc


class Frame(Struct, frozen=True):
    """A mail around a document of Google's.

    Attributes:
        before: Its HTML up to the document.
        after: Its HTML from there on.
        images: The charts below the document.
    """

    before: str
    after: str
    images: tuple[Image, ...]


def frame(report: Report, notes: Sequence[str], *, most_charts: int) -> Frame:
    """Return the mail around the document of *report*.

    Args:
        report: Its headline, charts and link are shown.
        notes: What is said below the document.
        most_charts: How many charts are drawn; one that cannot be is left out.
    """
    drawing = _Drawing(report)
    pictures = drawing.draw(report.charts[:most_charts])
    images = tuple(drawing.images(pictures))
    cids = {image.cid for image in images}
    text = layout.fill(
        "document.html.j2",
        report,
        "document",
        title=report.run,
        notes=notes,
        pictures=[picture for picture in pictures if picture.cid in cids],
        link=report.link if report.link.startswith("https://") else "",
    )
    before, _, after = layout.inline(text).partition('<hr class="here">')
    return Frame(before, after, images)


class _Drawing:
    """One report on its way through all forms; pictures are drawn once."""

    def __init__(self, report: Report | Digest) -> None:
        self.report = report
        self.notes: list[str] = []
        self._pictures: dict[int, _Picture | None] = {}
        self._small: Mapping[str, _Small] = {}

    def finish(self, *, has_page: bool) -> Rendered:
        said = functools.partial(say, self.report.language)
        self._small = self._small_curves()
        mail, images = budget.fullest(functools.partial(self._mail, said("more.pdf")))
        page = ""
        if has_page:
            page, _ = self._laid_out("page", budget.PAGE, said("more.run"))
        paper, _ = self._laid_out("print", budget.PDF, said("more.run"))
        printed = self._pdf(paper)
        return Rendered(
            mail_html=mail,
            page_html=page,
            text=layout.safe(plain.write(self.report)),
            pdf=printed,
            images=(
                *self.images(images.charts),
                *self._small_images(mail),
                *_sample_images(images.samples),
            ),
            note="; ".join(dict.fromkeys(self.notes)),
        )

    def _mail(self, where: str, limits: budget.Limits) -> tuple[str, _Images]:
        page, images = self._laid_out("mail", limits, where)
        if len(page) > budget.MAIL_BYTES:  # and styles will only add to it
            return page, images
        return layout.inline(page), images

    def _laid_out(
        self, form: str, limits: budget.Limits, where: str
    ) -> tuple[str, _Images]:
        report = self.report
        if isinstance(report, Digest):
            return self._digest(report, form, limits, where)
        fitted = budget.fit(report, limits, where=where)
        pictures = self.draw(fitted.report.charts)
        samples = _samples(fitted.report, form, self._cid)
        board, versus = self._board(report, limits, form)
        text = layout.fill(
            "report.html.j2",
            fitted.report,
            form,
            title=report.run,
            notes=fitted.notes,
            pictures=pictures,
            sparks=self._small,
            samples=samples,
            board=board,
            versus=versus,
            link=report.link if report.link.startswith("https://") else "",
        )
        return text, _Images([*pictures, *versus], samples)

    def _board(
        self, report: Report, limits: budget.Limits, form: str
    ) -> tuple[boards.FittedBoard | None, Sequence[_Picture]]:
        """Return the run against the others, cut to *limits*, and its pictures."""
        found = report.comparison
        if found is None:
            return None, ()
        columns = boards.PHONE_COLUMNS if form == "mail" else None
        rows = min(10, limits.results)
        board = boards.fit_board(
            found, limits.cell, report.language, rows=rows, columns=columns
        )
        is_drawn = found.chart is not None and limits.charts > 1
        return board, self.draw([found.chart] if found.chart and is_drawn else [])

    def _digest(
        self, told: Digest, form: str, limits: budget.Limits, where: str
    ) -> tuple[str, _Images]:
        fitted = digest.fit_digest(told, limits, where=where, is_mail=form == "mail")
        details = [
            {
                "report": section.fitted.report,
                "notes": section.fitted.notes,
                "pictures": self.draw(section.fitted.report.charts),
                "link": section.link,
            }
            for section in fitted.sections
        ]
        versus = self.draw([b.board.chart for b in fitted.boards if b.board.chart])
        text = layout.fill(
            "digest.html.j2",
            fitted.digest,
            form,
            title=told.headline,
            notes=fitted.notes,
            troubles=fitted.troubles,
            boards=fitted.boards,
            group=fitted.group,
            metric=fitted.metric,
            lines=fitted.lines,
            details=details,
            versus=versus,
        )
        shown = [picture for one in details for picture in one["pictures"]]  # type: ignore[attr-defined]
        return text, _Images([*versus, *shown])

    def draw(self, wanted: Sequence[Chart]) -> Sequence[_Picture]:
        """Return the pictures of *wanted*; one that cannot be drawn is left out."""
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
            size = _CHART
            svg = layout.safe(charts.svg(chart, width=size.width, height=size.height))
        except (ArithmeticError, LookupError, TypeError, ValueError):
            self.notes.append(say(self.report.language, "note.charts"))
            return None
        shown = chart.series[: charts.MAX_SERIES]
        number = len(self._pictures) + 1
        return _Picture(
            title=chart.title,
            cid=self._cid(f"chart{number}"),
            alt=say(
                self.report.language,
                "chart.alt",
                title=chart.title,
                latest=", ".join(f"{s.key} {s.latest}" for s in shown),
            )[:300],
            svg=layout.markup(svg),
            legend=[
                replace(
                    s,
                    key=s.key if len(shown) > 1 else "",  # the title says it
                    latest=shorten(s.latest, _LATEST),
                )
                for s in shown
            ],
            log=charts.is_log(chart),
        )

    def images(self, pictures: Sequence[_Picture]) -> Iterator[Image]:
        """Yield *pictures* as parts of a mail."""
        for picture in pictures:
            alt = layout.safe(picture.alt)
            try:
                data = pdf.write_png(
                    picture.svg, width=_CHART.width, height=_CHART.height
                )
            except pdf.FAILURES:
                self.notes.append(say(self.report.language, "note.charts"))
                continue
            yield Image(picture.cid, "image/png", data, alt)

    def _small_curves(self) -> Mapping[str, _Small]:
        """Return the small curves of a mail by the labels of their lines.

        The main metric's large one is called ``hero``.
        """
        report = self.report
        if isinstance(report, Digest) or report.main_row is None:
            return {}
        table = tabulated(report.metrics)
        lines = {line.label: line for line in (*table.families, *table.singles)}
        wanted = {"hero": (table.line_of(report.main_row), sparks.HERO)} | {
            label: (line, sparks.ROW) for label, line in lines.items() if line.curves
        }
        wanted = dict(list(wanted.items())[: _SPARKS_MAX + 1])
        drawn = [
            (sparks.spark(line.curves, size, "#000000"), size.width, size.height)
            for line, size in wanted.values()
        ]
        try:
            pictures = pdf.write_inked(drawn, ink=sparks.INK)
        except pdf.FAILURES:
            self.notes.append(say(report.language, "note.charts"))
            return {}
        return {
            label: _Small(self._cid(f"curve{number}"), size, data)
            for number, ((label, (_, size)), data) in enumerate(
                zip(wanted.items(), pictures, strict=True)
            )
        }

    def _small_images(self, mail: str) -> Iterator[Image]:
        for small in self._small.values():
            if f"cid:{small.cid}" in mail:
                yield Image(small.cid, "image/png", small.data, "")

    def _headings(self, paper: str) -> Sequence[Heading]:
        return [
            Heading(part, say(self.report.language, f"part.{part}"))
            for part in re.findall(r'<h2 id="(\w+)"', paper)
        ]

    def _cid(self, name: str) -> str:
        stem = re.sub(r"[^A-Za-z0-9]+", "-", self.report.rid).strip("-")[:60]
        return f"{name}.{stem or 'report'}@mlreport-batch"

    def _pdf(self, paper: str) -> bytes | None:
        try:
            return pdf.write_pdf(
                paper,
                title=layout.safe(_title(self.report)),
                made_at=pdf.iso_date(self.report.at),
                language=self.report.language,
                headings=self._headings(paper),
            )
        except pdf.FAILURES as exc:
            reason = shown(str(exc))
            self.notes.append(f"{say(self.report.language, 'note.pdf')}: {reason}")
            return None


def _samples(report: Report, form: str, cid: Callable[[str], str]) -> list[_Shown]:
    """Return the pictures that the run saved; a mail has them as parts of its own."""
    found = []
    for number, sample in enumerate(report.samples, 1):
        part = cid(f"sample{number}")
        inside = f"data:image/png;base64,{base64.b64encode(sample.data).decode()}"
        name = shorten(sample.name, _NAME)
        caption = say(report.language, "sample.name", name=name, at=sample.at)
        source = f"cid:{part}" if form == "mail" else inside
        found.append(_Shown(part, source, caption, sample.width, sample.data))
    return found


def _sample_images(samples: Sequence[_Shown]) -> Iterator[Image]:
    for each in samples:
        yield Image(each.cid, "image/png", each.data, layout.safe(each.caption))


def _title(report: Report | Digest) -> str:
    return report.run if isinstance(report, Report) else report.headline
