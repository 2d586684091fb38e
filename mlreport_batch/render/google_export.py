"""Clean Google's HTML export: only what a mail program shows well is kept.

The export is one stylesheet of generated classes, a span around every word, links
that lead through google.com, and pictures inside the text. What comes out are plain
elements with short inline styles; nothing in it points outside but real links.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

from mlreport_batch.render import Image
from mlreport_batch.render.google_tree import Node, parse

_DROPPED: Final = frozenset(
    {
        *("head", "title", "style", "script", "meta", "link", "base", "object"),
        *("iframe", "svg", "math", "form", "input", "button", "template", "noscript"),
    }
)
_KEPT: Final = frozenset(
    {
        *("p", "h1", "h2", "h3", "h4", "h5", "h6", "div", "span", "a", "br", "hr"),
        *("table", "tbody", "thead", "tr", "td", "th", "ul", "ol", "li", "img"),
        *("b", "strong", "i", "em", "u", "s", "sup", "sub"),
    }
)
_BLOCKS: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "div", "li"})
_INHERITED: Final[Mapping[str, str]] = {
    # property: what the mail around the document says
    "color": "#000000",
    "font-family": "arial",
    "font-size": "11pt",
    "font-style": "normal",
    "font-weight": "400",
    "text-align": "left",
}
_VALUE = re.compile(r"[-#%.,\w\s()'\"]{1,80}\Z")
_IMAGE = re.compile(r"data:(image/(?:png|jpeg|gif));base64,([A-Za-z0-9+/=\s]+)\Z")
_IMPORT = re.compile(r"@import\b[^;]{0,2000};")
_SIZE = re.compile(r"([0-9.]+)(pt|px)\Z")
_WIDEST = 592
_LARGEST_PX = 27.0
_PX = 4 / 3
_SCHEMES = ("http", "https", "mailto")


def inline(page: str) -> Node:
    """Return the tree of the export *page* with its styles at the elements."""
    import css_inline

    inliner = css_inline.CSSInliner(
        load_remote_stylesheets=False, keep_style_tags=False, keep_link_tags=False
    )
    # The stylesheet begins by fetching fonts.
    return parse(inliner.inline(_IMPORT.sub("", page)))


@dataclass(slots=True)
class Cleaned:
    """A document for a mail.

    Attributes:
        root: Its elements, without a body around them.
        images: Its pictures, named by cid.
        lost: How many pictures could not be taken along.
    """

    root: Node
    images: list[Image] = field(default_factory=list)
    lost: int = 0


def clean(root: Node, rid: str) -> Cleaned:
    """Return what a mail shows of *root*, the tree of an export."""
    body = root.first("body") or root
    cleaned = Cleaned(Node(""))
    children = list(_children(body, dict(_INHERITED), cleaned, rid))
    cleaned.root.children = _spaced(children)
    return cleaned


def _children(
    node: Node, around: Mapping[str, str], out: Cleaned, rid: str
) -> Iterator[Node | str]:
    for child in node.children:
        if isinstance(child, str):
            if child.strip() or node.tag not in _LAYOUT:
                yield child
        elif child.tag not in _DROPPED:
            yield from _element(child, around, out, rid)


_BARE: Final = frozenset({"table", "tbody", "thead", "tr", "ul", "ol"})
_LAYOUT: Final = frozenset({"", "body", "table", "tbody", "thead", "tr", "ul", "ol"})


def _element(
    node: Node, around: Mapping[str, str], out: Cleaned, rid: str
) -> Iterator[Node | str]:
    style = node.style()
    if style.get("display") == "none":
        return
    if node.tag == "img":
        yield from _image(node, style, out, rid)
        return
    own = {
        name: value
        for name in _INHERITED
        if name in style and (value := _plain(name, style[name]))
    }
    if node.tag in _BARE or node.tag not in _KEPT:
        own = {}
    children = list(_children(node, {**around, **own}, out, rid))
    if node.tag not in _KEPT:
        yield from children
        return
    made = Node(node.tag, {}, children)
    shown = _shown(node.tag, style, own, around)
    if node.tag == "a":
        href = unwrapped(node.attributes.get("href", ""))
        if not href:
            yield from children
            return
        made.attributes["href"] = href
        shown.setdefault("color", "#0b4f91")
    for name in ("colspan", "rowspan"):
        value = node.attributes.get(name, "1")
        if node.tag in ("td", "th") and value.isdigit() and value != "1":
            made.attributes[name] = value
    if node.tag in ("td", "th"):
        _unwrap_cell(made, shown)
    if node.tag == "table":
        made.attributes |= {"width": "100%", "cellspacing": "0", "cellpadding": "6"}
    if node.tag == "tr":
        made.attributes["valign"] = "top"
    if shown:
        made.attributes["style"] = ";".join(f"{k}:{v}" for k, v in shown.items())
    if node.tag == "span" and not shown:
        yield from children
    else:
        yield made


def _shown(
    tag: str,
    style: Mapping[str, str],
    own: Mapping[str, str],
    around: Mapping[str, str],
) -> dict[str, str]:
    """Return the declarations that the element really needs."""
    shown = {
        name: _sized(value) if name == "font-size" else _font(name, value)
        for name, value in own.items()
        if value != around.get(name)
    }
    line = style.get("text-decoration", style.get("text-decoration-line", "none"))
    if tag != "a" and line.split(" ")[0] in ("underline", "line-through"):
        shown["text-decoration"] = line.split(" ")[0]
    if style.get("vertical-align") in ("sub", "super", "middle", "bottom"):
        shown["vertical-align"] = style["vertical-align"]
    paper = _plain("color", style.get("background-color", ""))
    if paper and paper not in ("#ffffff", "transparent") and tag != "body":
        shown["background-color"] = paper
        # A light ground needs its dark ink beside it, whatever the screen does.
        shown.setdefault("color", own.get("color", around["color"]))
    if tag in ("td", "th"):
        shown |= _border(style)
    elif tag == "table":
        shown = {"border-collapse": "collapse", "margin": "6px 0 14px"}
    elif tag in ("p", "div"):
        shown["margin"] = "0 0 6px"
    elif tag in ("ul", "ol"):
        shown = {"margin": "0 0 8px", "padding-left": "22px"}
    elif tag.startswith("h") and tag != "hr":
        shown["margin"] = "18px 0 6px"
        # Programs make headings bold by themselves.
        shown.setdefault("font-weight", own.get("font-weight", around["font-weight"]))
        shown.setdefault("font-size", _sized(own.get("font-size", around["font-size"])))
    return shown


def _border(style: Mapping[str, str]) -> dict[str, str]:
    """Return one border for a cell, the one that its sides agree on most."""
    text = style.get("border", "")
    width = _SIZE.match(style.get("border-bottom-width", text.split(" ")[0]))
    if width is None or not float(width[1]):
        return {}
    color = style.get("border-bottom-color") or text.rpartition(" ")[2]
    return {"border": f"1px solid {_plain('color', color) or '#000000'}"}


def _plain(name: str, value: str) -> str:
    """Return *value* in one spelling, or nothing where it is not understood."""
    value = value.strip().lower()
    if (
        not _VALUE.match(value)
        or "url" in value
        or ("(" in value and "rgb" not in value)
    ):
        return ""
    if name == "color":
        numbers = re.findall(r"[0-9.]+", value) if value.startswith("rgb") else []
        if len(numbers) >= 3:  # noqa: PLR2004
            value = "#" + "".join(f"{min(255, int(float(n))):02x}" for n in numbers[:3])
        if re.fullmatch(r"#[0-9a-f]{3}", value):
            value = "#" + "".join(2 * c for c in value[1:])
        return "#000000" if value == "black" else value
    if name == "font-family":
        return value.split(",")[0].strip("'\" ")
    if name == "font-weight":
        return {"normal": "400", "bold": "700"}.get(value, value)
    if name == "text-align":
        return {"start": "left", "end": "right", "justify": "left"}.get(value, value)
    return value


def _sized(value: str) -> str:
    """Return a font size in pixels that a phone can show."""
    match = _SIZE.match(value)
    if match is None:
        return value
    pixels = float(match[1]) * (_PX if match[2] == "pt" else 1)
    return f"{min(_LARGEST_PX, max(12.0, pixels)):.0f}px"


def _font(name: str, value: str) -> str:
    if name != "font-family":
        return value
    is_mono = any(part in value for part in ("mono", "courier", "consolas", "code"))
    return f"'{value}',{'monospace' if is_mono else 'sans-serif'}"


def _unwrap_cell(cell: Node, shown: dict[str, str]) -> None:
    """Put the only paragraph of a cell into the cell itself."""
    blocks = [child for child in cell.children if isinstance(child, Node)]
    if len(cell.children) == 1 and len(blocks) == 1 and blocks[0].tag == "p":
        inner = blocks[0].style()
        inner.pop("margin", None)
        cell.children = blocks[0].children
        shown |= inner
    else:
        cell.children = _spaced(cell.children)


def _spaced(children: Sequence[Node | str]) -> list[Node | str]:
    """Return *children* with one small gap where there were empty paragraphs."""
    out: list[Node | str] = []
    gap = False
    for child in children:
        if isinstance(child, Node) and child.tag in _BLOCKS and _is_empty(child):
            gap = bool(out)
            continue
        if gap and not (isinstance(child, Node) and child.tag.startswith("h")):
            out.append(Node("div", {"style": "height:10px;line-height:10px"}, ["\xa0"]))
        gap = False
        out.append(child)
    return out


def _is_empty(node: Node) -> bool:
    return not node.text().strip("\x0b \xa0\n\t") and node.first("img") is None


def unwrapped(address: str) -> str:
    """Return where a link of an export really leads, or nothing."""
    parts = urlsplit(address)
    if parts.netloc in ("www.google.com", "google.com") and parts.path == "/url":
        found = parse_qs(parts.query).get("q", [""])
        address = found[0]
        parts = urlsplit(address)
    return address if parts.scheme in _SCHEMES else ""


def _image(
    node: Node, style: Mapping[str, str], out: Cleaned, rid: str
) -> Iterator[Node]:
    match = _IMAGE.match(node.attributes.get("src", ""))
    data = b""
    if match is not None:
        try:
            data = base64.b64decode(match[2])
        except (ValueError, binascii.Error):
            match = None
    if match is None or not data:
        out.lost += 1
        return
    stem = re.sub(r"[^A-Za-z0-9]+", "-", rid).strip("-")[:60]
    cid = f"doc{len(out.images) + 1}.{stem or 'report'}@mlreport-batch"
    alt = node.attributes.get("alt") or node.attributes.get("title") or ""
    out.images.append(Image(cid, match[1], data, alt))
    size = _SIZE.match(style.get("width", ""))
    width = _WIDEST
    if size is not None:
        width = round(float(size[1]) * (_PX if size[2] == "pt" else 1))
    width = max(1, min(width, _WIDEST))
    yield Node(
        "img",
        {
            "src": f"cid:{cid}",
            "alt": alt,
            "width": str(width),
            "style": "max-width:100%;height:auto;border:0",
        },
    )
