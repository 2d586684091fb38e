"""JSON objects one after another, each over several lines: ``json.dump(indent=2)``."""

import re
from collections.abc import Iterable, Iterator

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import (
    has_sure_step,
    is_bookkeeping,
)
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.lines import numbers_in, read_json_lines
from mlreport_batch.formats.kit.trainings import (
    may_lack_steps,
)
from mlreport_batch.safety.encoding import to_text

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".log", ".txt", ".out", "")
# A string ends with its line at the latest: half an object hides none behind it.
_TOKEN = re.compile(rb'"[^"\\\n]*(?:\\.[^"\\\n]*)*("?)|[\[\]{},:]')
_BETWEEN = b" \t\r\n,\0"


def _matches(candidate: Candidate) -> Match | None:
    """Claim what begins with two objects, the first one over several lines."""
    suffix = stem_of(candidate.name)[1]
    if suffix not in _SUFFIXES:
        return None
    head = candidate.head.removeprefix(b"\xef\xbb\xbf").lstrip(_BETWEEN)
    if not head.startswith(b"{"):
        return None
    end = next(_ends(head), len(head))
    first, rest = head[:end], head[end:].lstrip(_BETWEEN)
    if b"\n" not in first or not rest.startswith(b"{"):
        return None
    names = numbers_in(to_text(_line(first))) or []
    if all(map(is_bookkeeping, names)):
        return None
    if not has_sure_step(names) and not may_lack_steps(candidate.name, names):
        return None
    return Match(Role.metrics, note="JSON objects")


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each object, which is a row as JSON lines are."""
    data = chunk.data.removeprefix(b"\xef\xbb\xbf")
    start, line = 0, chunk.first_line
    for end in (*_ends(data), len(data)):  # the brace behind a broken one is not in it
        text = data[start:end].lstrip(_BETWEEN)
        begins = line + data.count(b"\n", start, end - len(text))
        row = Chunk(chunk.path, b"", _line(text) + b"\n", 0, begins)
        yield from read_json_lines(row, memory, is_labelled=True)
        line += data.count(b"\n", start, end)
        start = end


def _split(data: bytes) -> int:
    """Return how many bytes at the start of *data* are whole objects."""
    end = 0
    for end in _ends(data):  # noqa: B007
        pass
    return end


JSON_STREAM = LogFormat(
    name="json_stream",
    matches=_matches,
    parse=_parse,
    is_sole=True,
    split=_split,
)
"""Objects such as JSON lines hold, but printed over several lines each."""


def _ends(data: bytes) -> Iterator[int]:
    """Yield where the objects in *data* end.

    An object that breaks off ends where a brace stands that cannot be part of it.
    """
    opened: list[bytes] = []
    before = b""
    for match in _TOKEN.finditer(data):
        token, at = match[0], match.start()
        if token[:1] == b'"' and b"{" in token and _breaks_off(match):
            token, at = b"{", match.start() + token.rindex(b"{")
        if token == b"{" and opened and opened[-1] == b"{" and before != b":":
            yield at
            opened = [token]
        elif token in (b"{", b"["):
            opened.append(token)
        elif token in (b"}", b"]") and opened:
            opened.pop()
            if not opened:
                yield match.end()
        before = token


def _breaks_off(string: re.Match[bytes]) -> bool:
    """Return whether a *string* has no end, and its line has one."""
    behind = string.string[string.end() : string.end() + 2]
    return not string[1] and (behind[:1] == b"\n" or behind == b"\\\n")


def _line(text: bytes) -> bytes:
    """Return an object on one line; within strings no line ends."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ")
