"""Clean Google's HTML export: only what a mail program shows well is kept.

The export is one stylesheet of generated classes, a span around every word, links
that lead through google.com, and pictures inside the text. What comes out are plain
elements with short inline styles; nothing in it points outside but real links.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct, field

from mlreport_batch.google.export.style import (
    INHERITED,
    PX,
    SIZE,
    is_bare,
    kept_style,
    own,
)
from mlreport_batch.google.export.tree import Node, parse
from mlreport_batch.render import Image

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
_IMAGE = re.compile(r"data:(image/(?:png|jpeg|gif));base64,([A-Za-z0-9+/=\s]+)\Z")
_IMPORT = re.compile(r"@import\b[^;]{0,2000};")
_WIDEST = 592
_SHORT = 11  # a cell's text so short is never broken, in tables of few columns
_FEW_COLUMNS = 6
_SCHEMES = ("http", "https", "mailto")


def inline(page: str) -> Node:
    """Return the tree of the export *page* with its styles at the elements."""
    import css_inline

    inliner = css_inline.CSSInliner(
        load_remote_stylesheets=False, keep_style_tags=False, keep_link_tags=False
    )
    # The stylesheet begins by fetching fonts.
    return parse(inliner.inline(_IMPORT.sub("", page)))


class Cleaned(Struct):
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
    cleaned = Cleaned(Node(""))
    body = root.first("body") or root
    children = list(_Cleaner(cleaned, rid).children(body, dict(INHERITED)))
    cleaned.root.children = _spaced(children)
    return cleaned


class _Cleaner:
    def __init__(self, out: Cleaned, rid: str) -> None:
        self.out = out
        self.rid = rid

    def children(self, node: Node, around: Mapping[str, str]) -> Iterator[Node | str]:
        """Yield what is kept of the children of *node*."""
        for child in node.children:
            if isinstance(child, str):
                # Between rows, white space is nothing.
                if child.strip() or not (is_bare(node.tag) or node.tag in ("", "body")):
                    yield child
            elif child.tag == "img":
                yield from _image(child, self.out, self.rid)
            elif child.tag not in _DROPPED:
                yield from self._element(child, around)

    def _element(self, node: Node, around: Mapping[str, str]) -> Iterator[Node | str]:
        style = node.style()
        if style.get("display") == "none":
            return
        given = own(node.tag, style) if node.tag in _KEPT else {}
        children = list(self.children(node, {**around, **given}))
        wanted = kept_style(node.tag, style, given, around)
        made = Node(node.tag, _attributes(node), children)
        if node.tag == "a":
            wanted.setdefault("color", "#0b4f91")
        if node.tag in ("td", "th"):
            _unwrap_cell(made, wanted)
        if node.tag in _BLOCKS or node.tag in ("td", "th"):
            _lift(made, wanted)
        if node.tag == "table":
            _keep_short(made)
        is_idle = node.tag == "a" and "href" not in made.attributes
        if node.tag not in _KEPT or is_idle or (node.tag == "span" and not wanted):
            yield from children
            return
        if wanted:
            text = ";".join(f"{name}:{value}" for name, value in wanted.items())
            made.attributes["style"] = text
        yield made


def _attributes(node: Node) -> dict[str, str]:
    """Return the attributes that stay."""
    if node.tag == "table":
        return {"width": "100%", "cellspacing": "0", "cellpadding": "6"}
    if node.tag == "tr":
        return {"valign": "top"}
    if node.tag == "a":
        href = unwrapped(node.attributes.get("href", ""))
        return {"href": href} if href else {}
    if node.tag in ("td", "th"):
        return {
            name: value
            for name in ("colspan", "rowspan")
            if (value := node.attributes.get(name, "1")).isdigit() and value != "1"
        }
    return {}


def _keep_short(table: Node) -> None:
    """Let short values stay on one line: a number broken in two reads as two."""
    rows = [node for node in table.elements() if node.tag == "tr"]
    for row in rows:
        cells = [c for c in row.children if isinstance(c, Node)]
        if len(cells) <= _FEW_COLUMNS:
            for cell in cells:
                if 0 < len(cell.text().strip()) <= _SHORT:
                    cell.attributes["nowrap"] = ""


def _lift(block: Node, wanted: dict[str, str]) -> None:
    """Give the style of the only text of a block to the block itself."""
    if len(block.children) != 1 or not isinstance(block.children[0], Node):
        return
    only = block.children[0]
    style = only.style()
    if only.tag == "span" and not {"background-color", "vertical-align"} & {*style}:
        block.children = only.children
        wanted |= style


def _unwrap_cell(cell: Node, wanted: dict[str, str]) -> None:
    """Put the only paragraph of a cell into the cell itself."""
    blocks = [child for child in cell.children if isinstance(child, Node)]
    if len(cell.children) == 1 and len(blocks) == 1 and blocks[0].tag == "p":
        inner = blocks[0].style()
        inner.pop("margin", None)
        cell.children = blocks[0].children
        wanted |= inner
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


def _image(node: Node, out: Cleaned, rid: str) -> Iterator[Node]:
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
    size = SIZE.match(node.style().get("width", ""))
    width = _WIDEST
    if size is not None:
        width = round(float(size[1]) * (PX if size[2] == "pt" else 1))
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
