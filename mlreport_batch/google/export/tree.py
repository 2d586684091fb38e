"""A small tree of HTML elements: read an export, look at it, write it out again."""

import html
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser

from msgspec import Struct, field

from mlreport_batch.render.placeholders import PLACEHOLDER

VOID = frozenset({"br", "hr", "img", "col", "meta", "link", "input", "wbr", "base"})
_BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "li"})
_DECLARATION = re.compile(
    r"""([-a-zA-Z]+)\s*:\s*((?:[^;"'(]|"[^"]*"|'[^']*'|\([^)]*\))+)"""
)


class Node(Struct):
    """An element; children are elements and texts."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Node | str"] = field(default_factory=list)

    def elements(self) -> Iterator["Node"]:
        """Yield this element and all below it, in document order."""
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.elements()

    def text(self) -> str:
        """Return the text below; a line break counts as one character."""
        if self.tag == "br":
            return "\x0b"
        return "".join(
            child if isinstance(child, str) else child.text() for child in self.children
        )

    def first(self, tag: str) -> "Node | None":
        """Return the first element called *tag*, this one included."""
        return next((node for node in self.elements() if node.tag == tag), None)

    def style(self) -> dict[str, str]:
        """Return the declarations of its style attribute."""
        text = self.attributes.get("style", "")
        return {
            match[1].lower(): match[2].replace("!important", "").strip()
            for match in _DECLARATION.finditer(text)
        }

    def write(self) -> str:
        """Return the element as HTML, texts and values escaped."""
        if not self.tag:
            return self._inner()
        start = "".join(
            f' {name}="{html.escape(value)}"' for name, value in self.attributes.items()
        )
        if self.tag in VOID:
            return f"<{self.tag}{start}>"
        return f"<{self.tag}{start}>{self._inner()}</{self.tag}>"

    def _inner(self) -> str:
        return "".join(
            html.escape(child, quote=False) if isinstance(child, str) else child.write()
            for child in self.children
        )


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("")
        self.open = [self.root]

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
    return builder.root


def count_placeholders(root: Node) -> int:
    """Return how often the text of *root* looks like a placeholder."""
    return sum(
        len(PLACEHOLDER.findall(node.text()))
        for node in root.elements()
        if node.tag in _BLOCKS
    )


def count_rows(root: Node) -> Counter[int]:
    """Return how many tables have how many rows."""
    rows: dict[int, int] = {}

    def walk(node: Node, table: int) -> None:
        if node.tag == "table":
            table = id(node)
            rows[table] = 0
        elif node.tag == "tr" and table:
            rows[table] += 1
        for child in node.children:
            if isinstance(child, Node):
                walk(child, table)

    walk(root, 0)
    return Counter(rows.values())
