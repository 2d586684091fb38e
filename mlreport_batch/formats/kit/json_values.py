"""Read JSON that nobody vouches for: whole documents and single lines."""

import json
import math
import re
from collections.abc import Iterator, Mapping

from mlreport_batch.formats import NotYetError
from mlreport_batch.formats.kit.text import is_utf16
from mlreport_batch.safety.encoding import to_text

DEPTH_MAX = 64
CONTAINERS_MAX = 500_000
VALUES_MAX = 2_000_000
# To the end where it is not closed: else every quote in it would be tried.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)', re.DOTALL)
_MARKS = re.compile(_STRING.pattern + r"|[\[\]{},]", re.DOTALL)
_INT_DIGITS = 4000
_LITERALS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")


class BadJsonError(ValueError):
    """JSON that is broken or too deep.

    Attributes:
        line: Where, counted from 1.
        message: What is wrong.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def load_document(data: bytes) -> object:
    """Return the one JSON value in *data*.

    Raises:
        NotYetError: It ends before it is complete.
        BadJsonError: It is wrong elsewhere, or nested too deeply.
    """
    text = data.decode("utf-16", "replace") if is_utf16(data) else to_text(data)
    text = text.removeprefix("\ufeff").rstrip("\0 \r\n\t")
    if not text:
        raise NotYetError("empty so far")
    check_size(text)
    check_depth(text)
    try:
        return decode(text)
    except json.JSONDecodeError as error:
        if _is_cut_off(text, error):
            raise NotYetError("cut off at its end") from error
        raise BadJsonError(error.msg, error.lineno) from error


def decode(text: str) -> object:
    """Return the JSON value in *text*; whole numbers of any length are survived.

    Raises:
        json.JSONDecodeError: It is no JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a whole number of more digits than Python converts
        return json.loads(text, parse_int=_guarded_int)


def _guarded_int(digits: str) -> float:
    if len(digits) < _INT_DIGITS:
        return int(digits)
    return -math.inf if digits.startswith("-") else math.inf


def check_size(text: str) -> None:
    """Refuse what would take twenty times its size in memory: ``[{},{},{},...``.

    Raises:
        BadJsonError: Too many values; those within strings count as well.
    """
    if text.count("[") + text.count("{") > CONTAINERS_MAX:
        raise BadJsonError(f"more than {CONTAINERS_MAX:,} lists and objects", 1)
    if text.count(",") > VALUES_MAX:
        raise BadJsonError(f"more than {VALUES_MAX:,} values", 1)


def check_depth(text: str) -> None:
    """Refuse nesting that recursion could not survive.

    Raises:
        BadJsonError: More than 64 levels.
    """
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return
    depth = 0
    for match in re.finditer(r"[\[{\]}]", _STRING.sub('""', text)):
        depth += 1 if match[0] in "[{" else -1
        if depth > DEPTH_MAX:
            raise BadJsonError(f"nested deeper than {DEPTH_MAX} levels", 1)


def _is_cut_off(text: str, error: json.JSONDecodeError) -> bool:
    """Return whether *error* is at the end of *text*, where more is to come."""
    if error.msg.startswith("Unterminated string"):
        return True
    rest = text[error.pos :]
    if not rest:
        return True
    if any(literal.startswith(rest) for literal in _LITERALS):
        return True
    if error.msg.startswith("Invalid \\"):
        return '"' not in rest.replace('\\"', "")
    # A number that ends in `.`, `e` or a sign, or a comma before what is missing.
    return re.fullmatch(r"[-+.eE]{1,2}|,", rest) is not None and text[-1] in "-+.eE,"


def decode_begun(text: str) -> object:
    """Return what the beginning of a JSON value says; None if it is no JSON.

    What is not complete at its end is left out.
    """
    try:
        check_depth(text)
        return decode(text)
    except BadJsonError:
        return None
    except json.JSONDecodeError:
        pass
    try:
        return decode(_closed(text))
    except json.JSONDecodeError:
        return None


def _closed(text: str) -> str:
    """Return *text* up to its last complete value, with all brackets closed."""
    stack: list[str] = []
    end, open_then = 0, ""
    for match in _MARKS.finditer(text):
        mark = match[0]
        if mark in "[{":
            stack.append("]" if mark == "[" else "}")
        elif mark in "]}" and (not stack or stack.pop() != mark):
            break
        if mark in "[{]}":
            end = match.end()
        elif mark == ",":
            end = match.start()
        else:
            continue
        open_then = "".join(reversed(stack))
    return text[:end] + open_then


def leaves(
    value: Mapping[str, object], separator: str = "/"
) -> Iterator[tuple[str, object]]:
    """Yield (joined name, value) of all that is no mapping in nested mappings.

    W&B's media, mappings with a ``_type``, are passed over.
    """
    stack = [("", iter(value.items()))]
    while stack:
        prefix, rest = stack[-1]
        for key, item in rest:
            if type(item) is dict:
                if "_type" in item:
                    continue
                stack.append((f"{prefix}{key}{separator}", iter(item.items())))
                break
            yield prefix + key, item
        else:
            stack.pop()
