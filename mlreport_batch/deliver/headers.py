"""Read and change the header of a frozen mail; whatever else it holds stays."""

import re
from collections.abc import Callable
from typing import Final

_FIELD: Final = rb"(?im)^(%s):[ \t]*([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)\r\n"


def fields(message: bytes, names: bytes) -> list[tuple[bytes, bytes]]:
    """Return the header fields of *message* called *names*, which are alternatives."""
    head = message.partition(b"\r\n\r\n")[0] + b"\r\n"
    return re.findall(_FIELD % names, head)


def rewritten(
    message: bytes, gone: bytes, name: bytes, line: Callable[[re.Match[bytes]], bytes]
) -> bytes:
    """Return *message* without the fields *gone*, and with *line* for each *name*."""
    head, gap, body = message.partition(b"\r\n\r\n")
    head = re.sub(_FIELD % gone, b"", head + b"\r\n")
    head = re.sub(_FIELD % name, line, head)
    return head.removesuffix(b"\r\n") + gap + body


def named(message: bytes) -> set[str]:
    """Return the bare addresses of those whom *message* is to, or a copy of it."""
    from email.utils import getaddresses

    texts = [value.decode("utf-8", "replace") for _, value in fields(message, b"To|Cc")]
    return {address for _, address in getaddresses(texts)}


def addressed(message: bytes, recipients: tuple[str, ...]) -> bytes:
    """Return *message* with only those recipients that are still owed, as its To."""
    if {each.lower() for each in named(message)} == {
        each.lower() for each in recipients
    }:
        return message
    line = ("To: " + ",\r\n ".join(recipients) + "\r\n").encode()
    return rewritten(message, b"Cc", b"To", lambda _: line)
