"""Make a mail of Google's document: our frame around it, our charts below it."""

import base64
import html
from collections.abc import Sequence
from typing import Final

from mlreport_batch.google.export.clean import clean
from mlreport_batch.google.export.tree import Node
from mlreport_batch.language.say import say
from mlreport_batch.render import Image, Rendered, layout, plain
from mlreport_batch.render.budget import MAIL_BYTES
from mlreport_batch.render.local import frame
from mlreport_batch.report.model import Report

CHARTS_MAX: Final = 8
_ROW_STEPS: Final = (400, 200, 100, 60, 30, 15, 8)
_POLICY: Final = (
    '<head><meta http-equiv="Content-Security-Policy" content="default-src'
    " 'none'; style-src 'unsafe-inline'; img-src data:\">"
)


def render(
    report: Report, export: Node, pdf: bytes | None, notes: Sequence[str]
) -> Rendered:
    """Return the mail of *report*, which has the document's link.

    The document is both *export*, as `clean.inline` gives it, and a PDF; the *notes*
    stand below it.
    """
    cleaned = clean(export, report.rid)
    said = list(notes)
    if cleaned.lost:
        said.append(say(report.language, "document_images", count=cleaned.lost))
    mail, charts = _fitting(report, cleaned.root, said)
    images = tuple(i for i in (*cleaned.images, *charts) if f"cid:{i.cid}" in mail)
    text = plain.write(report)
    if said:
        text = f"{text.rstrip()}\n\n" + "\n".join(said) + "\n"
    # As a page of its own: pictures inside, nothing from outside.
    page = mail.replace("<head>", _POLICY, 1)
    for image in images:
        data = base64.b64encode(image.data).decode("ascii")
        inside = f"data:{image.media_type};base64,{data}"
        page = page.replace(f"cid:{image.cid}", inside)
    return Rendered(mail, page, layout.safe(text), pdf, images)


def _fitting(
    report: Report, root: Node, notes: Sequence[str]
) -> tuple[str, Sequence[Image]]:
    """Return the fullest mail that is not clipped, and the charts in it."""
    around = frame(report, notes, most_charts=CHARTS_MAX)
    tables = {id(node): len(node.rows()) for node in root.elements()}
    for most in (None, *_ROW_STEPS):
        if most is not None:
            _cut(root, most, tables, report.language)
        mail = layout.safe(around.before + root.write() + around.after)
        if len(mail.encode()) <= MAIL_BYTES:
            return mail, around.images
    long = [say(report.language, "document_long"), *notes]
    around = frame(report, long, most_charts=CHARTS_MAX)
    short = html.escape(plain.write(report)[:20_000]).replace("\n", "<br>")
    return f"{around.before}<p>{layout.safe(short)}</p>{around.after}", around.images


def _cut(root: Node, most: int, totals: dict[int, int], language: str) -> None:
    """Leave at most *most* rows to each table, and one more that says so.

    By their ``id``, *totals* are how many rows the tables had before any cut.
    """
    for node in root.elements():
        if node.tag != "table" or totals[id(node)] <= most:
            continue
        rows = node.rows()
        gone = {id(row) for row in rows[most:]}
        for part in node.elements():
            part.children = [c for c in part.children if id(c) not in gone]
        text = say(language, "document_rows", shown=most, total=totals[id(node)])
        style = {"style": "font-size:13px;color:#5c6570"}
        cell = Node("td", {"colspan": str(len(list(rows[0].inner()))), **style}, [text])
        node.children.append(Node("tbody", {}, [Node("tr", {}, [cell])]))
