"""Exports of a document: HTML in Google's manner, PDF, plain text, zipped HTML."""

import base64
import io
import urllib.parse
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from mlreport_batch.render.pdf import FONTS

from .docs_model import Document, Tab

Json = Mapping[str, Any]
KNOWN_FORMATS = frozenset(
    {
        "text/html",
        "application/pdf",
        "text/plain",
        "text/markdown",
        "application/zip",
        "application/rtf",
        "application/epub+zip",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    }
)
_TAGS = {f"HEADING_{level}": f"h{level}" for level in range(1, 7)}
_ALIGN = {"START": "left", "CENTER": "center", "END": "right", "JUSTIFIED": "justify"}
_FIXED_CSS = (
    "@import url('https://themes.googleusercontent.com/fonts/css?kit=fpjTOVmKbO4Lz34"
    "iLyptLUXza5VhXqVC6o75Eld_V98');ol{margin:0;padding:0}table td,table th{padding:0}"
)
_LAST_CSS = (
    ".title{padding-top:0pt;color:#000000;font-size:26pt;padding-bottom:3pt;"
    'font-family:"Arial";line-height:1.15;page-break-after:avoid;text-align:left}'
    'li{color:#000000;font-size:11pt;font-family:"Arial"}'
    'p{margin:0;color:#000000;font-size:11pt;font-family:"Arial"}'
    "h1{padding-top:20pt;color:#000000;font-size:20pt;padding-bottom:6pt;"
    'font-family:"Arial";line-height:1.15;page-break-after:avoid;text-align:left}'
)


def entities(text: str) -> str:
    """Escape *text* as Google does: pure ASCII, the rest as references."""
    out = escape(text, quote=True).replace("&#x27;", "&#39;")
    out = out.replace("  ", "&nbsp; ").replace("\u00a0", "&nbsp;")
    return out.encode("ascii", "xmlcharrefreplace").decode()


def google_link(url: str) -> str:
    """Return *url* wrapped the way exports wrap links."""
    quoted = urllib.parse.quote(url, safe=":/")
    return (
        f"https://www.google.com/url?q={quoted}&sa=D&source=editors"
        "&ust=1763900000000000&usg=AOvVaw0testtesttesttesttest"
    )


@dataclass(slots=True)
class Look:
    """What an export shows of a document.

    Attributes:
        has_headers: Whether headers and footers are in the HTML.
        tables_missing: How many tables of the body's first are not in the HTML.
        images_inside: Whether pictures are inside the HTML, not behind links.
    """

    has_headers: bool = True
    tables_missing: int = 0
    images_inside: bool = True


class _HtmlWriter:
    """Writes one document; styles become classes c0, c1 … in order of use."""

    def __init__(
        self, document: Document, look: Look, image_folder: str | None = None
    ) -> None:
        self._document = document
        self._look = look
        self._missing = look.tables_missing
        self._classes: dict[str, str] = {}
        self._image_folder = image_folder
        self.images: dict[str, bytes] = {}

    def page(self) -> str:
        body_class = self._class(
            "background-color:#ffffff;max-width:468pt;padding:72pt 72pt 72pt 72pt"
        )
        inner = "".join(self._tab(tab) for tab in self._document.tabs)
        rules = "".join(f".{name}{{{css}}}" for css, name in self._classes.items())
        return (
            '<html><head><meta content="text/html; charset=UTF-8" '
            'http-equiv="content-type"><style type="text/css">'
            f"{_FIXED_CSS}{rules}{_LAST_CSS}</style></head>"
            f'<body class="{body_class} doc-content">{inner}</body></html>'
        )

    def _class(self, css: str) -> str:
        return self._classes.setdefault(css, f"c{len(self._classes)}")

    def _tab(self, tab: Tab) -> str:
        data = tab.to_json(run_length=None)
        out = ""
        if len(self._document.tabs) > 1:
            name = self._class("padding-top:0pt;text-align:left")
            out += f'<p class="{name} title"><span>{entities(tab.title)}</span></p>'
        if not self._look.has_headers:
            data = {**data, "headers": {}, "footers": {}}
        for header in data.get("headers", {}).values():
            out += f"<div>{self._blocks(tab, header['content'])}</div>"
        out += self._blocks(tab, data["body"]["content"])
        for footer in data.get("footers", {}).values():
            out += f"<div>{self._blocks(tab, footer['content'])}</div>"
        return out

    def _blocks(self, tab: Tab, content: list[Json]) -> str:
        out = ""
        for element in content:
            if "paragraph" in element:
                out += self._paragraph(tab, element["paragraph"])
            elif "table" in element and self._missing:
                self._missing -= 1
            elif "table" in element:
                out += self._table(tab, element["table"])
        return out

    def _table(self, tab: Tab, table: Json) -> str:
        frame = self._class(
            "border-spacing:0;border-collapse:collapse;margin-right:auto"
        )
        row_class = self._class("height:0pt")
        rows = ""
        for row in table["tableRows"]:
            cells = "".join(self._cell(tab, cell) for cell in row["tableCells"])
            rows += f'<tr class="{row_class}">{cells}</tr>'
        return f'<a id="t.0"></a><table class="{frame}">{rows}</table>'

    def _cell(self, tab: Tab, cell: Json) -> str:
        style = cell["tableCellStyle"]
        css = "padding:5pt 5pt 5pt 5pt;vertical-align:top"
        for side in ("Left", "Right", "Top", "Bottom"):
            border = style.get(f"border{side}", {})
            width = border.get("width", {}).get("magnitude", 0 if border else 1)
            color = _color(border.get("color", {})) or "#000000"
            name = f"border-{side.lower()}"
            css += f";{name}-style:solid;{name}-width:{width}pt;{name}-color:{color}"
        if color := _color(style.get("backgroundColor", {})):
            css += f";background-color:{color}"
        return (
            f'<td class="{self._class(css)}" colspan="{style.get("columnSpan", 1)}" '
            f'rowspan="{style.get("rowSpan", 1)}">'
            f"{self._blocks(tab, cell['content'])}</td>"
        )

    def _paragraph(self, tab: Tab, paragraph: Json) -> str:
        style = paragraph["paragraphStyle"]
        named = style.get("namedStyleType", "NORMAL_TEXT")
        side = style.get("alignment", "START")
        is_rtl = style.get("direction") == "RIGHT_TO_LEFT"
        if is_rtl:
            side = {"START": "END", "END": "START"}.get(side, side)
        css = f"padding-top:0pt;text-align:{_ALIGN[side]}"
        classes = self._class(css)
        tag = _TAGS.get(named, "p")
        if named in {"TITLE", "SUBTITLE"}:
            classes += f" {named.lower()}"
        spans = "".join(self._span(tab, part) for part in paragraph["elements"])
        if not spans:
            classes += " " + self._class("height:11pt")
            spans = f'<span class="{self._class(_text_css({}))}"></span>'
        anchor = f' id="{style["headingId"]}"' if "headingId" in style else ""
        anchor += ' dir="rtl"' if is_rtl else ""
        return f'<{tag} class="{classes}"{anchor}>{spans}</{tag}>'

    def _span(self, tab: Tab, part: Json) -> str:
        if "inlineObjectElement" in part:
            return self._image(part["inlineObjectElement"]["inlineObjectId"])
        if "pageBreak" in part:
            return '<hr style="page-break-before:always;display:none;">'
        if "person" in part:
            return entities(part["person"]["personProperties"]["email"])
        run = part.get("textRun", {"content": "", "textStyle": {}})
        text = run["content"].removesuffix("\n")
        if not text:
            return ""
        inner = entities(text).replace("\x0b", "<br>")
        url = run["textStyle"].get("link", {}).get("url")
        if url:
            name = self._class("color:inherit;text-decoration:inherit")
            inner = f'<a class="{name}" href="{entities(google_link(url))}">{inner}</a>'
        return (
            f'<span class="{self._class(_text_css(run["textStyle"]))}">{inner}</span>'
        )

    def _image(self, object_id: str) -> str:
        data = self._document.images.get(object_id, b"")
        if self._image_folder:
            source = f"{self._image_folder}/image{len(self.images) + 1}.png"
            self.images[source] = data
        elif not self._look.images_inside:
            source = f"https://lh7-rt.googleusercontent.com/docsz/{object_id}"
        else:
            source = "data:image/png;base64," + base64.b64encode(data).decode()
        return (
            '<span style="overflow: hidden; display: inline-block; margin: 0.00px '
            "0.00px; border: 0.00px solid #000000; transform: rotate(0.00rad) "
            'translateZ(0px); width: 300.00px; height: 200.00px;"><img alt="" '
            f'src="{source}" style="width: 300.00px; height: 200.00px; margin-left: '
            '0.00px; margin-top: 0.00px;" title=""></span>'
        )


def _color(value: Json) -> str:
    rgb = value.get("color", {}).get("rgbColor")
    if rgb is None:
        return ""
    parts = [round(255 * rgb.get(name, 0)) for name in ("red", "green", "blue")]
    return "#" + "".join(f"{part:02x}" for part in parts)


def _text_css(style: Json) -> str:
    size = style.get("fontSize", {}).get("magnitude", 11)
    family = style.get("weightedFontFamily", {}).get("fontFamily", "Arial")
    lines = [
        name
        for name, key in (("underline", "underline"), ("line-through", "strikethrough"))
        if style.get(key)
    ]
    css = [
        f"color:{_color(style.get('foregroundColor', {})) or '#000000'}",
        f"font-weight:{700 if style.get('bold') else 400}",
        f"text-decoration:{' '.join(lines) or 'none'}",
        "vertical-align:baseline",
        f"font-size:{size}pt",
        f'font-family:"{family}"',
        f"font-style:{'italic' if style.get('italic') else 'normal'}",
    ]
    if background := _color(style.get("backgroundColor", {})):
        css.append(f"background-color:{background}")
    return ";".join(css)


_PLAIN = Look()


def to_html(document: Document, look: Look = _PLAIN) -> bytes:
    """Return the document as ``text/html`` with images as data: URIs."""
    return _HtmlWriter(document, look).page().encode("ascii")


def to_zip(document: Document, look: Look = _PLAIN) -> bytes:
    """Return the document as a zip of HTML and an ``images`` folder."""
    writer = _HtmlWriter(document, look, "images")
    page = writer.page()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        name = document.title.replace(" ", "").replace("/", "_") or "document"
        archive.writestr(f"{name}.html", page)
        for path, data in writer.images.items():
            archive.writestr(path, data)
    return buffer.getvalue()


def to_pdf(document: Document, _: Look = _PLAIN) -> bytes:
    """Return the document as a small real PDF."""
    import plutoprint

    # The program's own fonts: a machine may have none for Hangul.
    plutoprint.plutobook_set_fontconfig_path(FONTS)
    page = _HtmlWriter(document, _PLAIN).page().replace(_FIXED_CSS, "")
    book = plutoprint.Book(plutoprint.PAGE_SIZE_A4)
    book.load_html(page)
    buffer = io.BytesIO()
    book.write_to_pdf_stream(buffer)
    return buffer.getvalue()


def to_text(document: Document, _: Look = _PLAIN) -> bytes:
    """Return the document as ``text/plain``: a BOM and CRLF, as Google does."""
    lines = (unit for tab in document.tabs for unit in [tab.segments[""].units])
    text = "".join(unit.char for units in lines for unit in units)
    data = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return ("\ufeff" + data.replace("\n", "\r\n")).encode()


EXPORTERS: Mapping[str, Callable[[Document, Look], bytes]] = {
    "text/html": to_html,
    "application/pdf": to_pdf,
    "text/plain": to_text,
    "application/zip": to_zip,
}
