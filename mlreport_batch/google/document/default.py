"""The default template: the document of the first mail, grown up.

It is written from its end to its start, each block at the very beginning of the body,
so no index depends on what is already there.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final

from msgspec import Struct

from mlreport_batch.google.document.merge import insert, restyle
from mlreport_batch.google.document.template import length
from mlreport_batch.language.say import say

Json = dict[str, Any]
_Color = tuple[float, float, float]
_INK: Final = (0.10, 0.11, 0.13)
_SOFT: Final = (0.36, 0.40, 0.44)
_GROUND: Final = (0.95, 0.96, 0.97)
_ALARM: Final = (0.99, 0.92, 0.92)
_LINE: Final = (0.80, 0.82, 0.85)


class Text(Struct, frozen=True):
    """A paragraph."""

    text: str
    style: str = "NORMAL_TEXT"
    size_pt: float = 11
    is_bold: bool = False
    color: _Color = _INK


class Grid(Struct, frozen=True):
    """A table; its first row is a head, or else its first column is bold."""

    rows: Sequence[Sequence[str]]
    has_head: bool = True
    right: frozenset[int] = frozenset()
    ground: _Color | None = None


Blocks = Sequence[Text | Grid]


def blocks(language: str) -> Blocks:
    """Return the default document."""

    def w(key: str) -> str:
        return say(language, key)

    def head(*names: str) -> list[str]:
        return [w(f"table.{name}") for name in names]

    facts = [[w("head.run"), "{{project}} / {{run}}"]] + [
        [w(f"head.{name}"), f"{{{{{name}}}}}"]
        for name in ("status", "steps", "purpose")
    ]

    def titled(part: str, *rows: Sequence[str], right: Sequence[int] = ()) -> Blocks:
        title = Text(w(f"part.{part}"), "HEADING_2", 14, is_bold=True)
        return title, Grid(rows, ground=_GROUND, right=frozenset(right))

    return (
        Text("{{date}}", size_pt=10, color=_SOFT),
        Text(
            f"{w('head.notification')} {{{{notification}}}}", size_pt=13, is_bold=True
        ),
        Grid(facts, has_head=False),
        Grid([["{{alert}}", "{{text}}"]], has_head=False, ground=_ALARM),
        *titled(
            "intent",
            head("hparam", "intended", "actual", "note"),
            ["{{hparam}}", "{{intended}}", "{{value}}", "{{verdict}}"],
        ),
        *titled(
            "history",
            # A sixth column would squeeze the keys on a phone.
            [*head("key", "value", "best"), "Δ", *head("trend")],
            ["{{key}}", "{{value}}", "{{best}}", "{{delta}}", "{{trend}}"],
            right=(1, 2, 3),
        ),
        *titled(
            "checkpoints",
            [*head("file", "step", "size", "age"), ""],
            ["{{checkpoint}}", "{{step}}", "{{size}}", "{{age}}", "{{mark}}"],
            right=(1, 2, 3),
        ),
        Text("{{time}} · {{host}}", size_pt=9, color=_SOFT),
    )


def requests(language: str) -> list[Json]:
    """Return the batch that writes the default template into a blank document."""
    made: list[Json] = []
    # A blank document has one paragraph already, and so has the place above a table.
    has_room = True
    for block in reversed(blocks(language)):
        if isinstance(block, Text):
            made += _text(block, has_room=has_room)
        else:
            made += _grid(block)
        has_room = isinstance(block, Grid)
    return made


def _text(block: Text, *, has_room: bool) -> Iterator[Json]:
    yield insert(1, block.text if has_room else f"{block.text}\n")
    place = _place(1, block.text)
    yield from restyle("Paragraph", place, {"namedStyleType": block.style})
    yield from _inked(place, block.size_pt, block.color, is_bold=block.is_bold)


def _grid(block: Grid) -> Iterator[Json]:
    rows, columns = len(block.rows), len(block.rows[0])
    # Cells inherit the look of the paragraph they are made in: make it a plain one.
    yield insert(1, "\n")
    plain = _place(1, "\n")
    normal = {"namedStyleType": "NORMAL_TEXT"}
    yield from restyle("Paragraph", plain, normal, ["alignment"])
    yield from _inked(plain, 10, _INK, is_bold=False)
    # insertTable puts a line break before the table, which keeps it apart from what
    # will stand above; the table itself starts one further.
    yield {"insertTable": {"location": {"index": 1}, "rows": rows, "columns": columns}}
    for row, column in reversed(list(product(range(rows), range(columns)))):
        text = block.rows[row][column]
        index = 5 + row * (2 * columns + 1) + 2 * column
        if column in block.right:
            yield from restyle("Paragraph", _place(index, "\n"), {"alignment": "END"})
        if text:
            yield insert(index, text)
            is_bold = (row if block.has_head else column) == 0
            color = _SOFT if block.has_head and row == 0 else _INK
            yield from _inked(_place(index, text), 10, color, is_bold=is_bold)
    table = {"tableStartLocation": {"index": 2}}
    if block.ground:
        first = {**table, "rowIndex": 0, "columnIndex": 0}
        head = {"tableCellLocation": first, "rowSpan": 1, "columnSpan": columns}
        ground = {"backgroundColor": _color(block.ground)}
        yield from restyle("TableCell", {"tableRange": head}, ground)
    if block.has_head:
        yield {"pinTableHeaderRows": {**table, "pinnedHeaderRowsCount": 1}}
    width = {"magnitude": 0.5, "unit": "PT"}
    line = {"color": _color(_LINE), "width": width, "dashStyle": "SOLID"}
    sides = ("borderTop", "borderBottom", "borderLeft", "borderRight")
    yield from restyle("TableCell", table, dict.fromkeys(sides, line))


def _place(index: int, text: str) -> Json:
    return {"range": {"startIndex": index, "endIndex": index + length(text)}}


def _inked(
    place: Json, size_pt: float, color: _Color, *, is_bold: bool
) -> Iterator[Json]:
    size = {"magnitude": size_pt, "unit": "PT"}
    style = {"bold": is_bold, "fontSize": size, "foregroundColor": _color(color)}
    yield from restyle("Text", place, style)


def _color(rgb: _Color) -> Json:
    red, green, blue = rgb
    return {"color": {"rgbColor": {"red": red, "green": green, "blue": blue}}}
