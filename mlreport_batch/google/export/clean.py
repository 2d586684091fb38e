"""Clean Google's HTML export: only what a mail program shows well is kept.

The export is one stylesheet of generated classes, a span around every word, links
that lead through google.com, and pictures inside the text. What comes out are plain
elements with short inline styles; nothing in it points outside but real links.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct, field

from mlreport_batch.google.export.tree import BLOCKS, Node, parse
from mlreport_batch.render import Image, layout

_DROPPED: Final = frozenset(
    {
        *("head", "title", "style", "script", "meta", "link", "base", "object"),
        *("iframe", "svg", "math", "form", "input", "button", "template", "noscript"),
    }
)
_KEPT: Final = BLOCKS | {
    *("div", "span", "a", "br", "hr", "table", "tbody", "thead", "tr", "td", "th"),
    *("ul", "ol", "img", "b", "strong", "i", "em", "u", "s", "sup", "sub"),
}
_CELLS: Final = ("td", "th")
_LIST: Final = {"margin": "0 0 8px", "padding-left": "22px"}
_BARE: Final[Mapping[str, Mapping[str, str]]] = {
    "table": {"border-collapse": "collapse", "margin": "6px 0 14px"},
    "ul": _LIST,
    "ol": _LIST,
    **{tag: {} for tag in ("tbody", "thead", "tr")},
}
"""What passes no style of its own on."""
_INHERITED: Final[Mapping[str, str]] = {
    # property: what the mail around the document says
    "color": "#000000",
    "font-family": "arial",
    "font-size": "11pt",
    "font-style": "normal",
    "font-weight": "400",
    "text-align": "left",
}
_SPELLINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "color": {"black": "#000000", "white": "#ffffff"},
    "font-weight": {"normal": "400", "bold": "700"},
    "text-align": {"start": "left", "end": "right", "justify": "left"},
}
_SIZE: Final = re.compile(r"([0-9.]+)(pt|px)\Z")
_VALUE = re.compile(r"[-#%.,\w\s()'\"]{1,80}\Z")
_SMALLEST_PX, _LARGEST_PX = 12.0, 27.0
_IMAGE = re.compile(r"data:(image/(?:png|jpeg|gif));base64,([A-Za-z0-9+/=\s]+)\Z")
_IMPORT = re.compile(r"@import\b[^;]{0,2000};")
_WIDEST = 592
_SHORT = 11  # a cell's text so short is never broken, in tables of few columns
_FEW_COLUMNS = 6


def inline(page: str) -> Node:
    """Return the tree of the export *page* with its styles at the elements."""
    # The stylesheet begins by fetching fonts.
    return parse(layout.inline(_IMPORT.sub("", page)))


class Cleaned(Struct):
    """A document for a mail.

    Attributes:
        rid: The report's id, which names its pictures.
        root: Its elements, without a body around them.
        images: Its pictures, named by cid.
        lost: How many pictures could not be taken along.
    """

    rid: str
    root: Node = field(default_factory=lambda: Node(""))
    images: list[Image] = field(default_factory=list)
    lost: int = 0

    def children(self, node: Node, around: Mapping[str, str]) -> Iterator[Node | str]:
        """Yield what is kept of the children of *node*."""
        for child in node.children:
            if isinstance(child, str):
                # Between rows, white space is nothing.
                if child.strip() or node.tag not in (*_BARE, "", "body"):
                    yield child
            elif child.tag == "img":
                yield from self._image(child)
            elif child.tag not in _DROPPED:
                yield from self._element(child, around)

    def _element(self, node: Node, around: Mapping[str, str]) -> Iterator[Node | str]:
        tag, style = node.tag, node.style()
        if style.get("display") == "none":
            return
        given = {} if tag in _BARE or tag not in _KEPT else _passed_on(style)
        inside = {**around, **given}
        children = list(self.children(node, inside))
        wanted = _kept(tag, style, inside, around)
        made = Node(tag, _attributes(node), children)
        if tag in _CELLS and not _lift(made, "p", wanted):
            made.children = _spaced(children)
        if tag in (*BLOCKS, "div", *_CELLS):
            _lift(made, "span", wanted)
        if tag == "table":
            _keep_short(made)
        is_idle = tag == "a" and "href" not in made.attributes
        if tag not in _KEPT or is_idle or (tag == "span" and not wanted):
            yield from children
            return
        if wanted:
            text = ";".join(f"{name}:{value}" for name, value in wanted.items())
            made.attributes["style"] = text
        yield made

    def _image(self, node: Node) -> Iterator[Node]:
        match, data = _IMAGE.match(node.attributes.get("src", "")), b""
        if match is not None:
            with suppress(ValueError):  # no base64
                data = base64.b64decode(match[2])
        if match is None or not data:
            self.lost += 1
            return
        stem = re.sub(r"[^A-Za-z0-9]+", "-", self.rid).strip("-")[:60] or "report"
        cid = f"doc{len(self.images) + 1}.{stem}@mlreport-batch"
        alt = node.attributes.get("alt") or node.attributes.get("title") or ""
        self.images.append(Image(cid, match[1], data, alt))
        width = _pixels(node.style().get("width", "")) or _WIDEST
        shown = {"width": str(round(max(1, min(width, _WIDEST))))}
        style = {"style": "max-width:100%;height:auto;border:0"}
        yield Node("img", {"src": f"cid:{cid}", "alt": alt, **shown, **style})


def clean(root: Node, rid: str) -> Cleaned:
    """Return what a mail shows of *root*, the tree of an export."""
    cleaned = Cleaned(rid)
    body = root.first("body") or root
    cleaned.root.children = _spaced(list(cleaned.children(body, _INHERITED)))
    return cleaned


# -- elements ------------------------------------------------------------------


def _attributes(node: Node) -> dict[str, str]:
    """Return the attributes that stay."""
    given = node.attributes
    if node.tag == "table":
        return {"width": "100%", "cellspacing": "0", "cellpadding": "6"}
    if node.tag == "tr":
        return {"valign": "top"}
    if node.tag == "a" and (href := unwrapped(given.get("href", ""))):
        return {"href": href}
    if node.tag in _CELLS:
        spans = {name: given.get(name, "1") for name in ("colspan", "rowspan")}
        return {name: n for name, n in spans.items() if n.isdigit() and n != "1"}
    return {"dir": "rtl"} if given.get("dir") == "rtl" else {}


def _keep_short(table: Node) -> None:
    """Let short values stay on one line: a number broken in two reads as two."""
    for row in table.rows():
        cells = list(row.inner())
        for cell in cells if len(cells) <= _FEW_COLUMNS else ():
            text = cell.text().strip()
            is_one = " " not in text or any(map(str.isdecimal, text))
            if is_one and 0 < len(text) <= _SHORT:
                cell.attributes["nowrap"] = ""


def _lift(outer: Node, tag: str, wanted: dict[str, str]) -> bool:
    """Put what is in the only child, a *tag*, and its style into *outer* itself."""
    only = outer.children[0] if len(outer.children) == 1 else ""
    if not isinstance(only, Node) or only.tag != tag:
        return False
    style = only.style()
    if tag == "span" and {"background-color", "vertical-align"} & {*style}:
        return False
    style.pop("margin", None)  # a cell has room of its own
    outer.children = only.children
    wanted |= style
    return True


def _spaced(children: Sequence[Node | str]) -> list[Node | str]:
    """Return *children* with one small gap where there were empty paragraphs."""
    out: list[Node | str] = []
    gap = False
    for child in children:
        tag = child.tag if isinstance(child, Node) else ""
        if isinstance(child, Node) and tag in (*BLOCKS, "div") and _is_empty(child):
            gap = bool(out)
            continue
        if gap and not tag.startswith("h"):
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
        address = parse_qs(parts.query).get("q", [""])[0]
    return address if urlsplit(address).scheme in ("http", "https", "mailto") else ""


# -- styles --------------------------------------------------------------------


def _passed_on(style: Mapping[str, str]) -> dict[str, str]:
    """Return what an element says of the properties that are inherited."""
    said = {name: plain(name, style[name]) for name in _INHERITED if name in style}
    return {name: value for name, value in said.items() if value}


def _kept(
    tag: str,
    style: Mapping[str, str],
    inside: Mapping[str, str],
    around: Mapping[str, str],
) -> dict[str, str]:
    """Return the declarations that an element needs: those that change anything."""
    if tag in _BARE:
        return dict(_BARE[tag])
    wanted = {
        name: _spelt(name, value)
        for name, value in inside.items()
        if value != around[name]
    }
    line = style.get("text-decoration", style.get("text-decoration-line", ""))
    line = line.split(" ")[0]
    if tag != "a" and line in ("underline", "line-through"):
        wanted["text-decoration"] = line
    if style.get("vertical-align") in ("sub", "super", "middle", "bottom"):
        wanted["vertical-align"] = style["vertical-align"]
    ground = plain("color", style.get("background-color", ""))
    if ground not in ("", "#ffffff", "transparent"):
        wanted["background-color"] = ground
        # A ground needs its ink beside it, whatever the screen does with colours.
        wanted.setdefault("color", inside["color"])
    if tag == "a":
        wanted.setdefault("color", "#0b4f91")
    elif tag in _CELLS:
        wanted |= _border(style)
    elif tag in ("p", "div"):
        wanted["margin"] = "0 0 6px"
    elif tag[0] == "h" and tag != "hr":
        wanted["margin"] = "18px 0 6px"
        # Programs make headings large and bold by themselves.
        for name in ("font-weight", "font-size"):
            wanted.setdefault(name, _spelt(name, inside[name]))
    return wanted


def _border(style: Mapping[str, str]) -> dict[str, str]:
    """Return one border for a cell: that of its lower side."""
    text = style.get("border", "")
    if not _pixels(style.get("border-bottom-width", text.split(" ")[0])):
        return {}
    color = plain("color", style.get("border-bottom-color") or text.rpartition(" ")[2])
    return {"border": f"1px solid {color or '#000000'}"}


@lru_cache(2048)
def plain(name: str, value: str) -> str:
    """Return *value* in one spelling, or nothing where it is not understood."""
    value = value.strip().lower()
    is_call = "(" in value and not value.startswith("rgb")
    if not _VALUE.match(value) or is_call or value in ("inherit", "initial"):
        return ""
    if name == "font-family":
        return value.split(",")[0].strip("'\" ")
    if name == "color":
        numbers = re.findall(r"[0-9.]+", value) if value.startswith("rgb") else []
        if len(numbers) >= 3:  # noqa: PLR2004
            return "#" + "".join(f"{min(255, int(float(n))):02x}" for n in numbers[:3])
        if re.fullmatch(r"#[0-9a-f]{3}", value):
            return "#" + "".join(2 * digit for digit in value[1:])
    return _SPELLINGS.get(name, {}).get(value, value)


def _spelt(name: str, value: str) -> str:
    """Return a value as the mail writes it."""
    if name == "font-size" and (pixels := _pixels(value)):
        return f"{min(_LARGEST_PX, max(_SMALLEST_PX, pixels)):.0f}px"
    if name == "font-family":
        is_mono = any(part in value for part in ("mono", "courier", "consolas", "code"))
        return f"'{value}',{'monospace' if is_mono else 'sans-serif'}"
    return value


def _pixels(size: str) -> float:
    """Return a length in pixels, or 0 where it is none."""
    match = _SIZE.match(size)
    return float(match[1]) * (4 / 3 if match[2] == "pt" else 1) if match else 0.0
