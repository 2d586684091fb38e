"""Short ways to write test documents: paragraphs, runs, tables, headers, tabs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .docs_model import BODY, Document, Tab, blank_document, body_start, make_id
from .units import (
    NO_STYLE,
    NORMAL_PARAGRAPH,
    Kind,
    Segment,
    Style,
    Unit,
    code_units,
    is_well_formed,
    newline,
)


@dataclass(frozen=True, slots=True)
class Run:
    """Text in one style, or with ``element`` an object such as a chip.

    With ``suggestion`` it is only suggested, under that id.
    """

    text: str
    style: Style = field(default_factory=dict)
    element: Style | None = None
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of several runs; a plain string is one unstyled run."""

    runs: Sequence[str | Run]
    style: Style = field(default_factory=lambda: NORMAL_PARAGRAPH)


@dataclass(frozen=True, slots=True)
class Table:
    """A table; a cell is a string, a run, a paragraph or a list of blocks."""

    rows: Sequence[Sequence[Any]]
    spans: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    cell_style: Style = field(default_factory=dict)


Block = str | Run | Paragraph | Table


def heading(text: str, level: int = 1) -> Paragraph:
    """Return a heading of *level*."""
    style = {**NORMAL_PARAGRAPH, "namedStyleType": f"HEADING_{level}"}
    return Paragraph([text], {**style, "headingId": make_id("h.")})


def person_chip(email: str) -> Run:
    """Return a smart chip, which is one unit and no text."""
    element = {
        "person": {"personId": make_id(), "personProperties": {"email": email}},
    }
    return Run("", element=element)


def document(
    *blocks: Block,
    title: str = "Template",
    header: Iterable[Block] | None = None,
    footer: Iterable[Block] | None = None,
    tabs: Sequence[Iterable[Block]] = (),
) -> Document:
    """Return a document of *blocks*; ``tabs`` are the bodies of further tabs."""
    made = blank_document(title)
    made.tabs[0].segments[BODY] = _body(blocks)
    for kind, content in (("header", header), ("footer", footer)):
        if content is None:
            continue
        segment_id = make_id("kix.")
        made.tabs[0].segments[segment_id] = _checked(_blocks(content))
        ids = made.tabs[0].headers if kind == "header" else made.tabs[0].footers
        ids.append(segment_id)
        made.tabs[0].style[f"default{kind.title()}Id"] = segment_id
    for number, content in enumerate(tabs, 2):
        made.tabs.append(
            Tab(make_id("t."), f"Tab {number}", {BODY: _body(tuple(content))})
        )
    return made


def _body(blocks: Sequence[Block]) -> Segment:
    units = [body_start(), *_blocks(blocks)]
    if units[-1].kind is not Kind.NEWLINE:
        units.append(newline())  # a body ends with a paragraph
    return _checked(units)


def _checked(units: list[Unit]) -> Segment:
    if not is_well_formed(units):
        raise ValueError("Docs cannot hold this: a table needs a paragraph before it")
    return Segment(units)


def _blocks(blocks: Iterable[Block]) -> list[Unit]:
    out: list[Unit] = []
    for block in blocks:
        out.extend(_table(block) if isinstance(block, Table) else _paragraph(block))
    return out


def _paragraph(block: str | Run | Paragraph) -> list[Unit]:
    if not isinstance(block, Paragraph):
        block = Paragraph([block])
    out: list[Unit] = []
    style: Style = NO_STYLE
    for run in block.runs:
        if isinstance(run, str):
            run = Run(run)  # noqa: PLW2901
        style = run.style
        if run.element is not None:
            out.append(Unit(Kind.OBJECT, "", style, run.element))
        by = {"suggestedInsertionIds": [run.suggestion]} if run.suggestion else {}
        out.extend(Unit(Kind.TEXT, char, style, by) for char in code_units(run.text))
    return [*out, newline(block.style, style)]


def _table(table: Table) -> list[Unit]:
    out = [Unit(Kind.TABLE)]
    for row_number, row in enumerate(table.rows):
        out.append(Unit(Kind.ROW))
        for column, cell in enumerate(row):
            spans = table.spans.get((row_number, column))
            style = dict(table.cell_style)
            if spans:
                style.update(rowSpan=spans[0], columnSpan=spans[1])
            out.append(Unit(Kind.CELL, style=style))
            out.extend(_blocks(cell if isinstance(cell, list) else [cell]))
    return [*out, Unit(Kind.CLOSE)]
