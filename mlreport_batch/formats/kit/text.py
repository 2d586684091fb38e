"""Bytes of a chunk as lines of text: encodings, NUL bytes, colours, line ends."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from mlreport_batch.formats import Chunk, Item, Memory, Problem
from mlreport_batch.safety.encoding import to_text
from mlreport_batch.safety.patterns import late

PRINTED = (".log", ".txt", ".out", ".err", "")
"""How files of captured output end."""

_UTF8_MARK = b"\xef\xbb\xbf"
_ESCAPE = late(r"\x1b(?:\[[0-9;?]*+[ -/]*+[@-~]|[()][A-Z0-9]|[=>78])")
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def is_utf16(data: bytes) -> bool:
    """Return whether *data* starts with the byte order mark of UTF-16."""
    # That of UTF-32, which nothing here writes, begins alike.
    return data[:2] in _UTF16 and data[2:4] != b"\0\0"


def without_marks(data: bytes) -> bytes:
    """Return *data* without the marks of UTF-8 at its start; some write it twice."""
    while data.startswith(_UTF8_MARK):
        data = data.removeprefix(_UTF8_MARK)
    return data


def without_colours(text: str) -> str:
    """Return *text* without what tells a terminal its colours or where to write."""
    return _ESCAPE.sub("", text) if "\x1b" in text else text


def lines_of(chunk: Chunk, memory: Memory, items: list[Item]) -> list[str]:
    """Return the lines of *chunk* without their ends; problems go to *items*.

    UTF-8 is expected, UTF-16 known by its byte order mark. NUL bytes, which a power
    loss leaves, are taken out, and the first line that had one is reported. So are the
    colours of a terminal, of which nothing is said.
    """
    data = chunk.data
    if chunk.first_line == 1 and is_utf16(data):
        memory["encoding"] = _UTF16[data[:2]]
        data = data[2:]
    encoding = memory.get("encoding")
    if isinstance(encoding, str):
        text = _from_utf16(data, encoding)
    else:
        if chunk.first_line == 1:
            data = without_marks(data)
        if b"\0" in data:
            _report_nul(chunk, memory, items)
            data = data.replace(b"\0", b"")
        text = to_text(data)
    lines = without_colours(text).replace("\r\n", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _report_nul(chunk: Chunk, memory: Memory, items: list[Item]) -> None:
    if memory.get("nul"):
        return
    memory["nul"] = True
    line = chunk.first_line + chunk.data.count(b"\n", 0, chunk.data.index(b"\0"))
    text = "NUL bytes, as a power loss leaves them; they are passed over"
    items.append(Problem(chunk.path, line, text))


def _from_utf16(data: bytes, encoding: str) -> str:
    """Return the text in *data*, whose lines were cut at bytes of value 10.

    The other half of a line end stands before or behind the cut. The few letters
    with such a byte in them are lost.
    """
    lines = []
    for line in data.split(b"\n"):
        whole = line.removeprefix(b"\0") if encoding == "utf-16-le" else line
        lines.append(whole[: len(whole) // 2 * 2].decode(encoding, "replace"))
    return "\n".join(lines)


def first_text(line: bytes) -> str:
    """Return a log's first *line* as `lines_of` would."""
    raw = without_marks(line).replace(b"\0", b"")
    return without_colours(to_text(raw)).strip("\r")


# Every format asks for the lines of the same file.
@lru_cache(maxsize=2)
def head_lines(head: bytes, size: int) -> Sequence[str]:
    """Return the complete lines of a file's *head*, up to a NUL byte.

    A first line longer than the head counts as complete.
    """
    if is_utf16(head):
        end = len(head) // 2 * 2
        text = head[2:end].decode(_UTF16[head[:2]], "replace")
        head = text.encode("utf-8", "replace")
        size = min(size, len(head))
    else:
        head = without_marks(head)
        if (nul := head.find(b"\0")) >= 0:
            head, size = head[:nul], nul
    end = head.rfind(b"\n")
    if end < 0:
        if size <= len(head) + len(_UTF8_MARK):
            return ()
        end = len(head)
    text = without_colours(to_text(head[:end])).replace("\r\n", "\n")
    return tuple(text.split("\n"))


def filled(lines: Iterable[str]) -> Iterator[str]:
    """Yield the *lines* that are neither empty nor blank, nor a word to Excel."""
    kept = (line.strip() for line in lines if line and not line.isspace())
    return (line for line in kept if not names_separator(line))


def names_separator(line: str) -> bool:
    """Return whether a *line* tells Excel what is between the cells: ``sep=;``."""
    return line.startswith("sep=") and len(line.rstrip()) <= len("sep=;")
