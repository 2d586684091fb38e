"""What YAML scalars and tags mean to a report: plain values, never objects.

Files that frameworks wrote hold Python tags (``!!python/tuple``, NumPy scalars,
paths). Nothing named by a tag is imported, opened or run: a tag decides only how
the value is shown.
"""

import binascii
import re
import struct
from collections.abc import Mapping
from typing import Any

from mlreport_batch.safety.clean import Scalar

_YAML_TAG = "tag:yaml.org,2002:"
_MAX_INT_CHARS = 80  # as written, with base prefix and underscores
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

# YAML 1.2 words only: to a person `no` and `on` are values, not booleans.
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF"), float("inf")),
    **dict.fromkeys(("+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_NUMBER_START = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+)\Z")
# An exponent needs no dot, unlike in YAML 1.1: `1e-3` is a number.
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?\Z"
)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+\Z")

_CALLS = ("python/object/apply:", "python/object/new:")
_CALL_KEYS = {"args", "kwds", "state", "listitems", "dictitems"}
# NumPy type code -> struct code; its scalars are written as type and bytes.
_NUMPY_CODES = {
    "f2": "e",
    "f4": "f",
    "f8": "d",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "b1": "?",
}


class YamlError(ValueError):
    """YAML that is broken or too big.

    Attributes:
        line: Where, counted from 1, or None when the whole file is meant.
        message: What is wrong, without the place.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.message = message
        self.line = line

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message, self.line))


class MarkedMap(dict[str, Any]):
    """A mapping that knows its own line and the line of each key.

    Attributes:
        line: Where the mapping starts, counted from 1.
        lines: Line of each key.
        problems: (line, message) of repeated keys and of tags, in the whole
            document; filled in the outermost mapping only.
    """

    __slots__ = ("line", "lines", "problems")

    def __init__(self, line: int = 1) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}
        self.problems: list[tuple[int, str]] = []


class MarkedList(list[Any]):
    """A list that knows the line of each of its items."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


class BinaryText(str):
    """The text shown for binary data; remembers the bytes for NumPy scalars."""

    __slots__ = ("data",)
    data: bytes


def bounded(number: int) -> int | str:
    """Return *number*, or its digits when it does not fit 64 bits."""
    if _INT64_MIN <= number <= _INT64_MAX:
        return number
    try:
        return str(number)
    except ValueError:  # more digits than Python converts
        return hex(number)


def plain_value(text: str) -> Scalar:
    """Return what the plain (unquoted) scalar *text* stands for.

    Dates, ``1:30``, ``0755`` and whole numbers beyond 64 bits stay text: as
    written is how a person recognises them.
    """
    if text[:1] not in _NUMBER_START:
        return _WORDS.get(text, text)
    try:
        if _INT.match(text):
            number = int(text, 0) if len(text) <= _MAX_INT_CHARS else _INT64_MAX + 1
            return number if _INT64_MIN <= number <= _INT64_MAX else text
        if _FLOAT.match(text) and not _LEADING_ZERO.match(text):
            real = float(text)
            return text if real in (float("inf"), float("-inf")) else real
    except ValueError:  # an underscore at the end, or two in a row
        return text
    return _WORDS.get(text, text)


def tagged_scalar(tag: str, text: str) -> Scalar:
    """Return the value of scalar *text* that carries an explicit *tag*."""
    kind = tag.removeprefix(_YAML_TAG).removeprefix("python/")
    if kind in {"!", "str", "unicode", "timestamp", "complex"}:
        return text
    if kind in {"binary", "bytes"}:
        return _binary(text)
    if kind.startswith(("name:", "module:")):
        return kind.partition(":")[2]
    value = None if kind in {"null", "none"} else plain_value(text)
    if kind == "float" and type(value) is int:
        return float(value)
    is_bare = not text and kind not in {"null", "none"}
    return (kind.partition(":")[2] or kind) if is_bare else value


def _binary(text: str) -> str:
    try:
        data = binascii.a2b_base64(text.encode("ascii", "replace"))
    except binascii.Error:
        return "<binary data>"
    shown = BinaryText(f"<{len(data)} bytes>")
    shown.data = data
    return shown


def tagged_collection(tag: str, value: object) -> object:
    """Return what a mapping or list with an explicit *tag* stands for."""
    kind = tag.removeprefix(_YAML_TAG)
    if kind == "set" and isinstance(value, Mapping):
        return list(value)
    if kind == "omap":
        return _from_pairs(value)
    if kind.startswith(_CALLS):
        return _call(kind.partition(":")[2], value)
    return value


def _call(name: str, value: object) -> object:
    """Return what is shown of an object that is made by calling *name*."""
    arguments, state = value, None
    if isinstance(value, Mapping):
        if not value or not value.keys() <= _CALL_KEYS:
            return value
        content = value.get("dictitems") or value.get("listitems")
        if content:
            return content
        state = value.get("state")
        arguments = value.get("args") or value.get("kwds") or state
    if isinstance(arguments, list):
        return _called(name, arguments, state)
    return name if arguments is None else arguments


def _called(name: str, arguments: list[Any], state: object) -> object:
    """Return how the call of *name* that a file asks for is shown."""
    if name.startswith("pathlib."):
        return "/".join(str(part) for part in arguments).replace("//", "/", 1)
    if name == "numpy.dtype" and arguments:
        swapped = isinstance(state, list) and ">" in state
        return f"{'>' if swapped else ''}{arguments[0]}"
    if name.endswith(".multiarray.scalar") and len(arguments) == len(("type", "data")):
        return _numpy_scalar(str(arguments[0]), arguments[1])
    if name == "collections.OrderedDict" and len(arguments) == 1:
        return _from_pairs(arguments[0])
    if any(isinstance(argument, list | Mapping) for argument in arguments):
        return [str(a) if isinstance(a, BinaryText) else a for a in arguments]
    return f"{name}({', '.join(str(argument) for argument in arguments)})"


def _numpy_scalar(dtype: str, shown: object) -> object:
    code = _NUMPY_CODES.get(dtype.lstrip(">"))
    if code is None or not isinstance(shown, BinaryText):
        return str(shown)
    order = ">" if dtype.startswith(">") else "<"
    try:
        (number,) = struct.unpack(order + code, shown.data)
    except struct.error:
        return str(shown)
    return bounded(number) if type(number) is int else number


def _from_pairs(pairs: object) -> object:
    """Return ``[[key, value], ...]`` or ``[{key: value}, ...]`` as a mapping."""
    if not isinstance(pairs, list):
        return pairs
    found: dict[str, object] = {}
    for pair in pairs:
        if isinstance(pair, Mapping) and len(pair) == 1:
            found.update(pair)
        elif isinstance(pair, list) and len(pair) == len(("key", "value")):
            found[str(pair[0])] = pair[1]
        else:
            return pairs
    return found
