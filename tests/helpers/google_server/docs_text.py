"""The text requests of documents.batchUpdate."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from .discovery import schema_properties
from .docs_model import Document, make_id
from .errors import ApiError, NotModelledError
from .units import (
    IN_PARAGRAPH,
    NORMAL_PARAGRAPH,
    Kind,
    NamedRange,
    Segment,
    Style,
    Unit,
    code_units,
    is_high,
    is_low,
    is_well_formed,
    newline,
    strip_forbidden,
    text_units,
)

Payload = Mapping[str, Any]
_BAD_DELETION = "Invalid deletion range. Cannot delete the requested range."


def location(document: Document, payload: Payload) -> tuple[Segment, int]:
    """Return segment and index of a request with location or endOfSegment."""
    if "location" in payload and "endOfSegmentLocation" in payload:
        raise ApiError(400, "oneof field 'insertion_location' is already set.")
    if "location" in payload:
        where = payload["location"]
        segment = document.segment(where)
        return segment, segment.insertion_index(where.get("index", 0))
    if "endOfSegmentLocation" in payload:
        segment = document.segment(payload["endOfSegmentLocation"])
        return segment, len(segment.units) - 1
    raise ApiError(400, "Must specify a location to insert at.")


def range_of(document: Document, payload: Payload) -> tuple[Segment, int, int]:
    """Return segment, start and end of the request's range, checked."""
    where = payload.get("range")
    if where is None:
        raise ApiError(400, "Must specify a range.")
    segment = document.segment(where)
    if "endIndex" not in where or "startIndex" not in where:
        raise ApiError(400, "The range's start and end index must be specified.")
    start, end = where["startIndex"], where["endIndex"]
    segment.check_range(start, end)
    return segment, start, end


def merged_style(
    old: Style, new: Style, fields: str, schema: str, *, read_only: Iterable[str] = ()
) -> Style:
    """Return *old* with the masked fields taken from *new*; unset ones reset."""
    known = schema_properties("docs", schema) - set(read_only)
    if not fields.strip():
        raise ApiError(400, "At least one field must be listed in 'fields'. (Use '*').")
    if fields.strip() == "*":
        kept = {key: value for key, value in old.items() if key in set(read_only)}
        return {**kept, **copy.deepcopy(dict(new))}
    style = copy.deepcopy(dict(old))
    for path in (part.strip() for part in fields.split(",")):
        names = path.split(".")
        if names[0] not in known:
            raise ApiError(400, f"Invalid field: {path}")
        _merge(style, new, names)
    return style


def _merge(style: dict[str, Any], new: Mapping[str, Any], names: list[str]) -> None:
    name = names[0]
    if len(names) > 1 and isinstance(new.get(name), Mapping):
        inner = style.setdefault(name, {})
        _merge(inner, new[name], names[1:])
    elif new.get(name) is None:
        style.pop(name, None)
    else:
        style[name] = copy.deepcopy(new[name])


def insert_text(document: Document, payload: Payload) -> None:
    """Insert text; it takes the style of the text before it."""
    if not payload.get("text"):
        raise ApiError(400, "Insert text requests must specify text to insert.")
    segment, index = location(document, payload)
    text = strip_forbidden(payload["text"])
    style = segment.insertion_style(index)
    paragraph = segment.units[segment.paragraph_end(index)]
    segment.splice(index, index, text_units(text, style, paragraph))


def delete_content_range(document: Document, payload: Payload) -> None:
    """Delete a range, with all the refusals that the schema lists."""
    segment, start, end = range_of(document, payload)
    if end == len(segment.units):
        raise ApiError(
            400,
            "The range cannot include the newline character at the end of the segment.",
        )
    check_deletable(segment, start, end)
    segment.splice(start, end, [])


def check_deletable(segment: Segment, start: int, end: int) -> None:
    """Refuse a deletion that leaves something Docs could not hold."""
    units = segment.units
    if is_low(units[start]) or is_high(units[end - 1]):
        raise ApiError(400, "Cannot delete one code unit of a surrogate pair.")
    # neither the newline before a table nor the last one of a cell can go alone
    is_held = end < len(units) and units[end].kind not in IN_PARAGRAPH
    if units[end - 1].kind is Kind.NEWLINE and is_held:
        raise ApiError(400, _BAD_DELETION)
    depth = 0
    for unit in units[start:end]:
        depth += (unit.kind is Kind.TABLE) - (unit.kind is Kind.CLOSE)
        is_part = depth == 0 and unit.kind in {Kind.ROW, Kind.CELL}
        if depth < 0 or is_part or unit.kind is Kind.SECTION:
            raise ApiError(400, _BAD_DELETION)
    if depth or not is_well_formed(units[:start] + units[end:]):
        raise ApiError(400, _BAD_DELETION)


def replace_all_text(document: Document, payload: Payload) -> dict[str, Any]:
    """Replace text wherever it stands, keeping the style of what was there."""
    criteria = payload.get("containsText") or {}
    if criteria.get("searchByRegex"):
        raise NotModelledError("replaceAllText.searchByRegex")
    needle = code_units(criteria.get("text") or "")
    if not needle:
        raise ApiError(400, "The text to find must not be empty.")
    wanted = payload.get("tabsCriteria", {}).get("tabIds")
    tabs = [document.tab(i) for i in wanted] if wanted else document.tabs
    text = strip_forbidden(payload.get("replaceText") or "")
    same = _fold if not criteria.get("matchCase", False) else str
    count = 0
    for tab in tabs:
        for segment_id, segment in tab.segments.items():
            if segment_id and not document.replaces_in_headers:
                continue
            for index in reversed(_find(segment.units, needle, same)):
                first = segment.units[index]
                paragraph = segment.units[segment.paragraph_end(index)]
                units = text_units(text, first.style, paragraph)
                segment.splice(index, index + len(needle), units)
                count += 1
    return {"occurrencesChanged": count} if count else {}


def _fold(char: str) -> str:
    folded = char.casefold()
    return folded if len(folded) == 1 else char


def _find(
    units: list[Unit], needle: list[str], same: Callable[[str], str]
) -> list[int]:
    # one character per unit, so that positions in the string are indices
    hay = "".join(same(u.char) if u.kind is Kind.TEXT else "\0" for u in units)
    wanted = "".join(same(char) for char in needle)
    found = []
    at = hay.find(wanted)
    while at >= 0:
        found.append(at)
        at = hay.find(wanted, at + len(wanted))
    return found


def _to_style(document: Document, payload: Payload) -> tuple[Segment, int, int]:
    segment, start, end = range_of(document, payload)
    cells = sum(unit.kind is Kind.CELL for unit in segment.units[start:end])
    if document.styles_by_cell and cells:
        raise ApiError(400, "The range must be within one table cell.")
    return segment, start, end


def update_text_style(document: Document, payload: Payload) -> None:
    """Restyle the text of a range."""
    segment, start, end = _to_style(document, payload)
    new, fields = payload.get("textStyle", {}), payload.get("fields", "")
    for index in range(start, end):
        unit = segment.units[index]
        if unit.kind in IN_PARAGRAPH:
            style = merged_style(unit.style, new, fields, "TextStyle")
            segment.units[index] = replace(unit, style=style)


def update_paragraph_style(document: Document, payload: Payload) -> None:
    """Restyle every paragraph that the range touches."""
    segment, start, end = _to_style(document, payload)
    new, fields = payload.get("paragraphStyle", {}), payload.get("fields", "")
    if "pageBreakBefore" in fields and any(
        unit.kind is Kind.CELL for unit in segment.units[:start]
    ):
        raise NotModelledError("pageBreakBefore below the start of a table")
    stop = end
    if segment.units[end - 1].kind in IN_PARAGRAPH:
        stop = segment.paragraph_end(end - 1) + 1
    for index in range(start, stop):
        unit = segment.units[index]
        if unit.kind is not Kind.NEWLINE:
            continue
        old = unit.extra.get("paragraphStyle", NORMAL_PARAGRAPH)
        style = dict(
            merged_style(old, new, fields, "ParagraphStyle", read_only=["headingId"])
        )
        style.setdefault("namedStyleType", "NORMAL_TEXT")
        if style["namedStyleType"] != old.get("namedStyleType"):
            style.pop("headingId", None)
            if style["namedStyleType"].startswith("HEADING"):
                style["headingId"] = make_id("h.")
            _clear_bold(segment, index)
        extra = {**unit.extra, "paragraphStyle": style}
        segment.units[index] = replace(segment.units[index], extra=extra)


def _clear_bold(segment: Segment, end: int) -> None:
    # seen by others on the live service: a new named style drops bold
    index = end
    while index >= 0 and (index == end or not segment.is_paragraph_start(index + 1)):
        unit = segment.units[index]
        style = {key: value for key, value in unit.style.items() if key != "bold"}
        segment.units[index] = replace(unit, style=style)
        index -= 1


def create_named_range(document: Document, payload: Payload) -> dict[str, Any]:
    """Give a range a name that moves with the text."""
    segment, start, end = range_of(document, payload)
    name = payload.get("name") or ""
    if not 1 <= len(code_units(name)) <= 256:
        raise ApiError(400, "The name must have 1 to 256 UTF-16 code units.")
    item = NamedRange(make_id("kix."), name, start, end)
    segment.ranges.append(item)
    return {"namedRangeId": item.range_id}


def delete_named_range(document: Document, payload: Payload) -> None:
    """Forget named ranges; their content stays."""
    name, range_id = payload.get("name"), payload.get("namedRangeId")
    if not name and not range_id:
        raise ApiError(400, "ID or name for named range must be set")
    for tab in document.tabs:
        for segment in tab.segments.values():
            segment.ranges = [
                item
                for item in segment.ranges
                if item.name != name and item.range_id != range_id
            ]


def create_header_or_footer(kind: str) -> Callable[[Document, Payload], Payload]:
    """Return the request that creates the default header (or footer)."""

    def create(document: Document, payload: Payload) -> Payload:
        if payload.get("type") != "DEFAULT":
            raise ApiError(400, f"The {kind} type must be DEFAULT.")
        where = payload.get("sectionBreakLocation")
        if where is not None:  # observed on the live service
            raise ApiError(500, "Internal error encountered.")
        tab = document.tab()
        ids = tab.headers if kind == "header" else tab.footers
        if ids:
            raise ApiError(400, f"A {kind} of the specified type already exists.")
        segment_id = make_id("kix.")
        ids.append(segment_id)
        tab.segments[segment_id] = Segment([newline()])
        tab.style[f"default{kind.title()}Id"] = segment_id
        return {f"{kind}Id": segment_id}

    return create


def insert_page_break(document: Document, payload: Payload) -> None:
    """Insert a page break and a newline into the body."""
    segment, index = location(document, payload)
    if segment is not document.tab().segments[""]:
        raise ApiError(400, "Page breaks can only be inserted inside the body.")
    style = segment.insertion_style(index)
    end = replace(segment.units[segment.paragraph_end(index)], style=style)
    mark = Unit(Kind.OBJECT, "", style, {"pageBreak": {}})
    segment.splice(index, index, [mark, end])


def update_document_style(document: Document, payload: Payload) -> None:
    """Change margins, page size and the like."""
    tab = document.tab(payload.get("tabId"))
    new, fields = payload.get("documentStyle", {}), payload.get("fields", "")
    tab.style = dict(merged_style(tab.style, new, fields, "DocumentStyle"))
