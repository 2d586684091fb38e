"""A small tree of HTML elements: read an export, look at it, write it out again."""

import html
import re
from collections.abc import Iterator
from functools import lru_cache
from html.parser import HTMLParser

from msgspec import Struct, field

VOID = frozenset({"br", "hr", "img", "col", "meta", "link", "input", "wbr", "base"})
BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "li"})
_DECLARATION = re.compile(
    r"""([-a-zA-Z]+)\s*:\s*((?:[^;"'(]|"[^"]*"|'[^']*'|\([^)]*\))+)"""
)


class Node(Struct):
    """An element; children are elements and texts."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Node | str"] = field(default_factory=list)

    def inner(self) -> Iterator["Node"]:
        """Yield the elements that are children."""
        return (child for child in self.children if isinstance(child, Node))

    def elements(self) -> Iterator["Node"]:
        """Yield this element and all below it, in document order."""
        yield self
        for child in self.inner():
            yield from child.elements()

    def rows(self) -> list["Node"]:
        """Return the rows below that stand in no table further below."""
        return [
            row
            for child in self.inner()
            if child.tag != "table"
            for row in ([child] if child.tag == "tr" else child.rows())
        ]

    def text(self) -> str:
        """Return the text below; a line break is one character, as is a block's end."""
        if self.tag == "br":
            return "\x0b"
        text = "".join(c if isinstance(c, str) else c.text() for c in self.children)
        return f"{text}\n" if self.tag in BLOCKS else text

    def first(self, tag: str) -> "Node | None":
        """Return the first element called *tag*, this one included."""
        return next((node for node in self.elements() if node.tag == tag), None)

    def style(self) -> dict[str, str]:
        """Return the declarations of its style attribute."""
        return dict(_declared(self.attributes.get("style", "")))

    def write(self) -> str:
        """Return the element as HTML, texts and values escaped."""
        inner = "".join(
            html.escape(child, quote=False) if isinstance(child, str) else child.write()
            for child in self.children
        )
        if not self.tag:
            return inner
        given = self.attributes.items()
        start = "".join(f' {name}="{html.escape(value)}"' for name, value in given)
        end = "" if self.tag in VOID else f"{inner}</{self.tag}>"
        return f"<{self.tag}{start}>{end}"


@lru_cache(512)  # an export says the same of hundreds of elements
def _declared(style: str) -> dict[str, str]:
    found = _DECLARATION.finditer(style)
    return {m[1].lower(): m[2].replace("!important", "").strip() for m in found}


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Node("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self.open) - 1, 0, -1):
            if self.open[depth].tag == tag:
                del self.open[depth:]
                return

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(page: str) -> Node:
    """Return *page* as a tree; comments are left out."""
    builder = _Builder()
    builder.feed(page)
    builder.close()
    return builder.open[0]
