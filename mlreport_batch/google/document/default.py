"""The default template: the document of the first mail, grown up.

It is written from its end to its start, each block at the very beginning of the body,
so no index depends on what is already there.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, Final

from msgspec import Struct

from mlreport_batch.google.document.template import length
from mlreport_batch.language.say import say

Json = dict[str, Any]
_INK: Final = (0.10, 0.11, 0.13)
_SOFT: Final = (0.36, 0.40, 0.44)
_GROUND: Final = (0.95, 0.96, 0.97)
_ALARM: Final = (0.99, 0.92, 0.92)


class Text(Struct, frozen=True):
    """A paragraph."""

    text: str
    style: str = "NORMAL_TEXT"
    size_pt: float = 11
    is_bold: bool = False
    color: tuple[float, float, float] = _INK


class Grid(Struct, frozen=True):
    """A table; its first row is a head unless it has none."""

    rows: Sequence[Sequence[str]]
    has_head: bool = True
    has_bold_first: bool = False
    right: frozenset[int] = frozenset()
    ground: tuple[float, float, float] | None = None


def blocks(language: str) -> Sequence[Text | Grid]:
    """Return the default document."""

    def w(key: str) -> str:
        return say(language, key)

    def head(*names: str) -> list[str]:
        return [w(f"table.{name}") for name in names]

    facts = [
        [w("head.run"), "{{project}} / {{run}}"],
        [w("head.status"), "{{status}}"],
        [w("head.steps"), "{{steps}}"],
        [w("head.purpose"), "{{purpose}}"],
    ]
    return (
        Text("{{date}}", size_pt=10, color=_SOFT),
        Text("Notification {{notification}}", size_pt=13, is_bold=True),
        Grid(facts, has_head=False, has_bold_first=True),
        Grid([["{{alert}}", "{{text}}"]], has_head=False, has_bold_first=True,
             ground=_ALARM),
        Text(w("part.intent"), "HEADING_2", 14, is_bold=True),
        Grid(
            [
                head("hparam", "intended", "actual", "note"),
                ["{{hparam}}", "{{intended}}", "{{value}}", "{{verdict}}"],
            ],
        ),
        Text(w("part.history"), "HEADING_2", 14, is_bold=True),
        Grid(
            [
                [*head("key", "value", "best"), "Δ", *head("step", "trend")],
                ["{{key}}", "{{value}}", "{{best}}", "{{delta}}", "{{step}}",
                 "{{trend}}"],
            ],
            right=frozenset({1, 2, 3, 4}),
        ),
        Text(w("part.checkpoints"), "HEADING_2", 14, is_bold=True),
        Grid(
            [
                [*head("file", "step", "size", "age"), ""],
                ["{{checkpoint}}", "{{step}}", "{{size}}", "{{age}}", "{{mark}}"],
            ],
            right=frozenset({1, 2, 3}),
        ),
        Text("{{time}} · {{host}}", size_pt=9, color=_SOFT),
    )  # fmt: skip


def requests(language: str) -> list[Json]:
    """Return the batch that writes the default template into a blank document."""
    made: list[Json] = []
    written = list(blocks(language))
    # A blank document has one paragraph already, and so has the place above a table.
    has_room = True
    for block in reversed(written):
        if isinstance(block, Text):
            made += _text(block, has_room=has_room)
        else:
            made += _grid(block)
        has_room = isinstance(block, Grid)
    return made


def _text(block: Text, *, has_room: bool) -> Iterator[Json]:
    yield _insert(1, block.text if has_room else f"{block.text}\n")
    span = {"startIndex": 1, "endIndex": 1 + length(block.text)}
    yield _update("Paragraph", {"range": span}, namedStyleType=block.style)
    yield _inked(span, block.size_pt, block.color, is_bold=block.is_bold)


def _grid(block: Grid) -> Iterator[Json]:
    rows, columns = len(block.rows), len(block.rows[0])
    # Cells inherit the look of the paragraph they are made in: make it a plain one.
    yield _insert(1, "\n")
    plain = {"startIndex": 1, "endIndex": 2}
    yield _update(
        "Paragraph", {"range": plain}, namedStyleType="NORMAL_TEXT", alignment=None
    )
    yield _inked(plain, 10, _INK, is_bold=False)
    # insertTable puts a line break before the table, which keeps it apart from what
    # will stand above; the table itself starts one further.
    yield {"insertTable": {"location": {"index": 1}, "rows": rows, "columns": columns}}
    start = 2
    for row, column in reversed(list(product(range(rows), range(columns)))):
        text = block.rows[row][column]
        index = start + 3 + row * (2 * columns + 1) + 2 * column
        span = {"startIndex": index, "endIndex": index + length(text)}
        is_head = block.has_head and row == 0
        if column in block.right:
            cell = {"startIndex": index, "endIndex": index + 1}
            yield _update("Paragraph", {"range": cell}, alignment="END")
        if text:
            yield _insert(index, text)
            is_bold = is_head or (block.has_bold_first and column == 0)
            color = _SOFT if is_head else _INK
            yield _inked(span, 10, color, is_bold=is_bold)
    table = {"tableStartLocation": {"index": start}}
    if ground := _GROUND if block.has_head else block.ground:
        first = {**table, "rowIndex": 0, "columnIndex": 0}
        head = {"tableCellLocation": first, "rowSpan": 1, "columnSpan": columns}
        yield _update("TableCell", {"tableRange": head}, backgroundColor=_color(ground))
    if block.has_head:
        yield {"pinTableHeaderRows": {**table, "pinnedHeaderRowsCount": 1}}
    line = {
        "color": _color((0.80, 0.82, 0.85)),
        "width": {"magnitude": 0.5, "unit": "PT"},
        "dashStyle": "SOLID",
    }
    sides = ("borderTop", "borderBottom", "borderLeft", "borderRight")
    yield _update("TableCell", table, **dict.fromkeys(sides, line))


def _insert(index: int, text: str) -> Json:
    return {"insertText": {"location": {"index": index}, "text": text}}


def _inked(
    span: Json, size_pt: float, color: tuple[float, float, float], *, is_bold: bool
) -> Json:
    return _update(
        "Text",
        {"range": span},
        bold=is_bold,
        fontSize={"magnitude": size_pt, "unit": "PT"},
        foregroundColor=_color(color),
    )


def _update(what: str, where: Json, **style: object) -> Json:
    """Return a request that sets *style*; None sets back what is inherited."""
    given = {name: value for name, value in style.items() if value is not None}
    name = f"{what[0].lower()}{what[1:]}Style"
    return {f"update{what}Style": {**where, name: given, "fields": ",".join(style)}}


def _color(rgb: tuple[float, float, float]) -> Json:
    names = ("red", "green", "blue")
    return {"color": {"rgbColor": dict(zip(names, rgb, strict=True))}}
