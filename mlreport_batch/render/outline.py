"""Give a PDF its outline and its language, which the engine knows no way to set.

They are added behind the file's end, as PDF provides for (ISO 32000-1, 7.5.6); what is
there stays as it is. The places of the headings come from the file: the engine names
each that a link leads to.
"""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

_START = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*$")
_CATALOG = re.compile(rb"<< /Type /Catalog(.*?)>>\n", re.DOTALL)
_PLACE = re.compile(rb"\((\w+)\) \[(\d+ 0 R /XYZ [-\d. ]+)\]")


class Heading(Struct, frozen=True):
    """A heading: the id of its element, and what it says."""

    name: str
    title: str


def with_outline(data: bytes, headings: Sequence[Heading], language: str) -> bytes:
    """Return a PDF with an outline of *headings*, in *language*.

    Headings that no link leads to are left out. A file that is not built as expected
    is returned as it is.
    """
    trailer = data[data.rfind(b"/Type /XRef") :]
    found = [
        re.search(pattern, trailer) for pattern in (rb"/Size (\d+)", rb"/Root (\d+)")
    ]
    info, start = re.search(rb"/Info \d+ 0 R", trailer), _START.search(trailer)
    texts = list(_packed_texts(data))
    catalog = next((m for m in map(_CATALOG.search, texts) if m), None)
    if None in found or info is None or start is None or catalog is None:
        return data
    size, root = (int(match[1]) for match in found if match)
    places = {m[1].decode(): m[2].decode() for t in texts for m in _PLACE.finditer(t)}
    shown = [heading for heading in headings if heading.name in places]
    objects = {
        root: _catalog(catalog[1].decode("latin-1"), size if shown else 0, language)
    }
    objects |= _outline(shown, places, first=size)
    ends = f"/Root {root} 0 R {info[0].decode()} /Prev {start[1].decode()}"
    return data + _update(objects, max(size, *objects) + 1, len(data), ends)


def _packed_texts(data: bytes) -> Iterator[bytes]:
    """Yield what is in the file's packed objects, the last of them first."""
    at = len(data)
    while (at := data.rfind(b"/Type /ObjStm", 0, at)) >= 0:
        begin = data.find(b"stream\n", at) + len(b"stream\n")
        yield zlib.decompressobj().decompress(data[begin:])


def _catalog(was: str, outlines: int, language: str) -> str:
    more = f"/Outlines {outlines} 0 R /PageMode /UseOutlines " if outlines else ""
    return (
        f"<< /Type /Catalog{was} {more}/Lang ({language}) "
        f"/ViewerPreferences << /DisplayDocTitle true >> >>"
    )


def _outline(
    headings: Sequence[Heading], places: Mapping[str, str], *, first: int
) -> dict[int, str]:
    """Return the objects of the outline by their numbers."""
    if not headings:
        return {}
    last = first + len(headings)
    found = {
        first: f"<< /Type /Outlines /First {first + 1} 0 R /Last {last} 0 R "
        f"/Count {len(headings)} >>"
    }
    for number, heading in enumerate(headings, first + 1):
        title = heading.title.encode("utf-16-be", "replace").hex().upper()
        before = f"/Prev {number - 1} 0 R " if number > first + 1 else ""
        after = f"/Next {number + 1} 0 R " if number < last else ""
        found[number] = (
            f"<< /Title <FEFF{title}> /Parent {first} 0 R {before}{after}"
            f"/Dest [{places[heading.name]}] >>"
        )
    return found


def _update(objects: Mapping[int, str], table: int, at: int, ends: str) -> bytes:
    """Return *objects*, and as object *table* where they are, to stand at byte *at*."""
    written, offsets = b"", {}
    for number, text in objects.items():
        offsets[number] = at + len(written)
        written += f"{number} 0 obj\n{text}\nendobj\n".encode("latin-1")
    here = at + len(written)
    offsets[table] = here
    entries = b"".join(
        b"\x01" + offset.to_bytes(4, "big") + b"\0" for offset in offsets.values()
    )
    index = " ".join(f"{number} 1" for number in offsets)
    head = (
        f"{table} 0 obj\n<< /Type /XRef /Size {table + 1} /Index [{index}] /W [1 4 1] "
        f"{ends} /Length {len(entries)} >>\nstream\n"
    )
    tail = f"\nendstream\nendobj\nstartxref\n{here}\n%%EOF\n"
    return written + head.encode() + entries + tail.encode()
