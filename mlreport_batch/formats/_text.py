"""Bytes of a chunk as lines of text: encodings, NUL bytes, line ends."""

from collections.abc import Iterator

from mlreport_batch.errors import Problem
from mlreport_batch.formats import Item, Memory
from mlreport_batch.tail import Chunk

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def lines_of(chunk: Chunk, memory: Memory, items: list[Item]) -> list[str]:
    """Return the lines of *chunk* without their ends; problems go to *items*.

    UTF-16 is refused by name, for good. NUL bytes, which a power loss leaves, are
    taken out, and the first line that had one is reported.
    """
    if memory.get("refused"):
        return []
    data = chunk.data
    if chunk.first_line == 1:
        if data.startswith(_UTF16):
            memory["refused"] = True
            text = "UTF-16 text; logs are read as UTF-8, so it is left out"
            items.append(Problem(chunk.path, 1, text))
            return []
        data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        if not memory.get("nul"):
            memory["nul"] = True
            line = chunk.first_line + data.count(b"\n", 0, data.index(b"\0"))
            text = "NUL bytes, as a power loss leaves them; they are passed over"
            items.append(Problem(chunk.path, line, text))
        data = data.replace(b"\0", b"")
    lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def head_lines(head: bytes, size: int) -> list[str]:
    """Return the complete lines of a file's *head*; UTF-16 and binary have none.

    A first line longer than the head counts as complete.
    """
    if head.startswith(_UTF16) or b"\0" in head:
        return []
    head = head.removeprefix(b"\xef\xbb\xbf")
    end = head.rfind(b"\n")
    if end < 0:
        if size <= len(head) + 3:
            return []
        end = len(head)
    return head[:end].decode("utf-8", "replace").replace("\r\n", "\n").split("\n")


def filled(lines: list[str]) -> Iterator[str]:
    """Yield the *lines* that are neither empty nor blank."""
    return (line.strip() for line in lines if line and not line.isspace())
