"""Make a mail of Google's document: the document as paper, our charts below it.

A document has colours of its own, so its sheet stays light on dark screens: every
ink stands beside its ground. What was left out for size is said.
"""

import base64
import html
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.google.export.clean import Cleaned, clean
from mlreport_batch.google.export.tree import Node
from mlreport_batch.language.say import say
from mlreport_batch.render import Image, Rendered, charts, layout, pdf, plain
from mlreport_batch.render.budget import MAIL_BYTES
from mlreport_batch.report.model import Chart, Report
from mlreport_batch.safety.clean import shorten

CHARTS_MAX: Final = 8
_ROW_STEPS: Final = (400, 200, 100, 60, 30, 15, 8)
_INK = "color:#1a1d21"
_SOFT = "color:#5c6570"
_FONT = (
    "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Arial,"
    "'Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR',sans-serif"
)


class _Picture(Struct, frozen=True):
    chart: Chart
    image: Image


def render(
    report: Report, export: Node, document: bytes | None, notes: Sequence[str]
) -> Rendered:
    """Return the mail of *report*.

    Args:
        report: With the document's link.
        export: The document, as `clean.inline` gives it.
        document: The document as PDF.
        notes: What to say below the document.
    """
    cleaned = clean(export, report.rid)
    said = list(notes)
    if cleaned.lost:
        said.append(say(report.language, "document_images", count=cleaned.lost))
    pictures = _pictures(report)
    mail = _fitting(report, cleaned, pictures, said)
    images = [*cleaned.images, *(picture.image for picture in pictures)]
    text = plain.write(report)
    if said:
        text = f"{text.rstrip()}\n\n" + "\n".join(said) + "\n"
    return Rendered(
        mail_html=mail,
        page_html=_page(mail, images),
        text=layout.safe(text),
        pdf=document,
        images=tuple(image for image in images if f"cid:{image.cid}" in mail),
    )


def _fitting(
    report: Report, cleaned: Cleaned, pictures: Sequence[_Picture], notes: Sequence[str]
) -> str:
    """Return the fullest mail that is not clipped."""
    mail = ""
    for most in (None, *_ROW_STEPS):
        body = cleaned.root if most is None else _with_rows(cleaned.root, most, report)
        mail = layout.safe(_mail(report, body.write(), pictures, notes))
        if len(mail.encode()) <= MAIL_BYTES:
            return mail
    short = f"<p>{html.escape(plain.write(report)[:20_000])}</p>".replace("\n", "<br>")
    return layout.safe(
        _mail(report, short, pictures, [say(report.language, "document_long"), *notes])
    )


def _with_rows(node: Node, most: int, report: Report) -> Node:
    """Return a copy of *node* whose tables have at most *most* rows."""
    children: list[Node | str] = []
    for child in node.children:
        if isinstance(child, str):
            children.append(child)
            continue
        made = _with_rows(child, most, report)
        children.append(made)
        rows = sum(1 for inner in made.elements() if inner.tag == "tr")
        if child.tag == "table" and rows > most:
            _cut(made, most)
            text = say(report.language, "document_rows", shown=most, total=rows)
            style = f"margin:0 0 12px;font-size:13px;{_SOFT}"
            children.append(Node("p", {"style": style}, [text]))
    return Node(node.tag, node.attributes, children)


def _cut(table: Node, most: int) -> None:
    left = most
    for body in table.elements():
        if any(isinstance(c, Node) and c.tag == "tr" for c in body.children):
            rows = [c for c in body.children if isinstance(c, Node) and c.tag == "tr"]
            body.children = list(rows[:left])
            left -= len(body.children)


def _mail(
    report: Report, body: str, pictures: Sequence[_Picture], notes: Sequence[str]
) -> str:
    language = report.language
    escape = html.escape
    figures = "".join(_figure(picture, language) for picture in pictures)
    if figures:
        head = say(language, "part.charts")
        figures = (
            f'<p style="margin:22px 0 8px;font-weight:700;{_INK}">{head}</p>{figures}'
        )
    link = ""
    if report.link.startswith("https://"):
        link = (
            f'<p style="margin:22px 0 0"><a href="{escape(report.link)}" style="color:'
            f'#0b4f91">{escape(say(language, "link.document"))}</a></p>'
        )
    said = "".join(
        f'<p style="margin:8px 0 0;font-size:13px;line-height:18px;{_SOFT}">'
        f"{escape(note)}</p>"
        for note in notes
    )
    preheader = escape(shorten(report.headline, 300))
    made = escape(f"{say(language, 'foot.made', host=report.host)} · {report.rid}")
    # The preheader is what a list of mails shows beside the subject.
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light only">'
        '<meta name="supported-color-schemes" content="light">'
        '<meta name="x-apple-disable-message-reformatting">'
        '<meta name="format-detection" content="telephone=no, date=no, address=no">'
        f"<title>{escape(report.run)}</title><style>{_STYLE}</style></head>"
        f'<body style="margin:0;padding:0;background-color:#f1f3f5;{_INK}">'
        '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all;font-size:'
        f'1px;line-height:1px;color:#f1f3f5">{preheader}'
        '</div><table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
        'style="background-color:#f1f3f5"><tr><td class="desk" align="center" style='
        '"padding:20px 10px"><!--[if mso]><table role="presentation" width="640"><tr>'
        '<td><![endif]--><table role="presentation" width="100%" cellpadding="0" '
        'cellspacing="0" style="max-width:640px;background-color:#ffffff;border-radius:'
        f'12px"><tr><td class="sheet" align="left" style="padding:24px;{_FONT};'
        f'font-size:15px;line-height:1.45;{_INK};overflow-wrap:anywhere"><div class="'
        f'doc">{body}</div>{figures}{link}{said}<p style="margin:28px 0 0;padding-top:'
        f'12px;border-top:1px solid #e4e7eb;font-size:12px;line-height:18px;{_SOFT}">'
        f"{made}</p></td></tr></table><!--[if mso]></td></tr></table><![endif]-->"
        "</td></tr></table></body></html>"
    )


_STYLE = (
    ":root{color-scheme:light only}"
    "@media (max-width:560px){.desk{padding:0!important}"
    ".sheet{padding:18px 14px!important;border-radius:0!important}"
    ".doc td{padding:4px!important;font-size:12px!important;line-height:16px}}"
)


def _pictures(report: Report) -> list[_Picture]:
    """Draw our charts; one that cannot be drawn is left out."""
    pictures = []
    stem = re.sub(r"[^A-Za-z0-9]+", "-", report.rid).strip("-")[:60] or "report"
    for number, chart in enumerate(report.charts[:CHARTS_MAX], 1):
        try:
            svg = layout.safe(charts.svg(chart))
            data = pdf.write_png(svg, width=charts.WIDTH, height=charts.HEIGHT)
        except (ValueError, ArithmeticError, RuntimeError):
            continue
        shown = chart.series[: charts.MAX_SERIES]
        alt = say(
            report.language,
            "chart.alt",
            title=chart.title,
            latest=", ".join(f"{s.key} {s.latest}" for s in shown),
        )
        cid = f"chart{number}.{stem}@mlreport-batch"
        image = Image(cid, "image/png", data, layout.safe(alt[:300]))
        pictures.append(_Picture(chart, image))
    return pictures


def _figure(picture: _Picture, language: str) -> str:
    chart = picture.chart
    title = html.escape(chart.title)
    if charts.is_log(chart):
        title += f" ({html.escape(say(language, 'chart.log'))})"
    legend = " ".join(
        f'<span style="margin-right:14px"><span style="color:{colour}">&#9632;</span> '
        f"{html.escape(series.key)} {html.escape(shorten(series.latest, 26))}</span>"
        for colour, series in zip(
            charts.COLOURS, chart.series[: charts.MAX_SERIES], strict=False
        )
    )
    return (
        f'<p style="margin:0 0 6px;font-size:14px;font-weight:600;{_INK}">{title}</p>'
        f'<img src="cid:{picture.image.cid}" alt="{html.escape(picture.image.alt)}" '
        f'width="{charts.WIDTH}" style="display:block;width:100%;max-width:592px;'
        'height:auto;border:1px solid #dfe3e7;background-color:#ffffff">'
        f'<p style="margin:6px 0 20px;font-size:13px;line-height:20px;{_INK}">'
        f"{legend}</p>"
    )


def _page(mail: str, images: Sequence[Image]) -> str:
    """Return the mail as a page of its own: pictures inside, nothing from outside."""
    page = mail.replace(
        "<head>",
        '<head><meta http-equiv="Content-Security-Policy" content="default-src'
        " 'none'; style-src 'unsafe-inline'; img-src data:\">",
        1,
    )
    for image in images:
        data = base64.b64encode(image.data).decode("ascii")
        page = page.replace(
            f"cid:{image.cid}", f"data:{image.media_type};base64,{data}"
        )
    return page


def with_note(rendered: Rendered, note: str) -> Rendered:
    """Return *rendered* with another thing to say."""
    joined = "; ".join(part for part in (rendered.note, note) if part)
    return replace(rendered, note=joined)
