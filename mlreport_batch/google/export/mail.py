"""Make a mail of Google's document: our frame around it, our charts below it.

What was left out for size is said.
"""

import base64
import html
from collections.abc import Sequence
from typing import Final

from mlreport_batch.google.export.clean import Cleaned, clean
from mlreport_batch.google.export.tree import Node
from mlreport_batch.language.say import say
from mlreport_batch.render import Image, Rendered, layout, plain
from mlreport_batch.render.budget import MAIL_BYTES
from mlreport_batch.render.local import frame
from mlreport_batch.report.model import Report

CHARTS_MAX: Final = 8
_ROW_STEPS: Final = (400, 200, 100, 60, 30, 15, 8)
_SOFT = "color:#5c6570"


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
    mail, charts = _fitting(report, cleaned, said)
    images = tuple(i for i in (*cleaned.images, *charts) if f"cid:{i.cid}" in mail)
    text = plain.write(report)
    if said:
        text = f"{text.rstrip()}\n\n" + "\n".join(said) + "\n"
    return Rendered(mail, _page(mail, images), layout.safe(text), document, images)


def _fitting(
    report: Report, cleaned: Cleaned, notes: Sequence[str]
) -> tuple[str, Sequence[Image]]:
    """Return the fullest mail that is not clipped, and the charts in it."""
    around = frame(report, notes, most_charts=CHARTS_MAX)
    for most in (None, *_ROW_STEPS):
        body = cleaned.root if most is None else _with_rows(cleaned.root, most, report)
        mail = layout.safe(around.before + body.write() + around.after)
        if len(mail.encode()) <= MAIL_BYTES:
            return mail, around.images
    long = [say(report.language, "document_long"), *notes]
    around = frame(report, long, most_charts=CHARTS_MAX)
    short = html.escape(plain.write(report)[:20_000]).replace("\n", "<br>")
    return f"{around.before}<p>{layout.safe(short)}</p>{around.after}", around.images


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
