"""Read YAML that nobody vouches for: hparams of runs, and the config file."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mlreport_batch.safety.clean import Scalar
from mlreport_batch.safety.encoding import to_text
from mlreport_batch.safety.yaml.values import YamlError, bounded

if TYPE_CHECKING:
    import yaml

_MAX_TAG_DIRECTIVES = 64  # libyaml compares each of them with all before it
# Written as what is forbidden: to compile all that is not takes `re` 4 ms.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]"
)


def load(
    data: bytes,
    *,
    max_bytes: int = 1_000_000,
    max_depth: int = 64,
    max_aliases: int = 64,
    max_nodes: int = 20_000,
    marked: bool = False,
) -> object:
    """Return the one document in *data* as mappings, lists and scalars.

    Only ``true`` and ``false`` are booleans, ``1e-3`` is a number, dates and
    ``1:30`` are text, keys are text, the last of equal keys wins. Tags decide how
    a value is shown and nothing else. An empty document is None.

    Args:
        data: UTF-8, or UTF-16/32 with a byte order mark; wrong bytes become U+FFFD.
        max_bytes: Longest document that is looked at.
        max_depth: Deepest nesting, aliases unfolded.
        max_aliases: Most aliases (``*name``).
        max_nodes: Most values, aliases unfolded.
        marked: Return `MarkedMap` and `MarkedList`, with repeated keys and tags
            as their problems: for files that a person maintains.

    Raises:
        YamlError: Not YAML, or more than the budget allows.
    """
    if len(data) > max_bytes:
        raise YamlError(f"more than {max_bytes:,} bytes")
    text = _decoded(data)

    import yaml

    from mlreport_batch.safety.yaml.build import LOADER, Builder

    builder = Builder(
        max_depth=max_depth,
        max_aliases=max_aliases,
        max_nodes=max_nodes,
        marked=marked,
    )
    try:
        return builder.build(yaml.parse(text, Loader=LOADER))
    except yaml.MarkedYAMLError as error:
        raise _translated(error) from error
    except YamlError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML without libyaml meets impossible escapes in chr().
        raise YamlError(f"not YAML: {error}") from error


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        text = data.decode("utf-32", errors="replace")
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
    else:
        text = to_text(data).removeprefix("\ufeff")
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise YamlError("a NUL byte; this is not a text file", line)
    if text.count("%TAG") > _MAX_TAG_DIRECTIVES:
        raise YamlError("too many %TAG directives")
    # One control character would cost the whole file: YAML forbids them.
    return _FORBIDDEN.sub("\ufffd", text)


def _translated(error: "yaml.MarkedYAMLError") -> YamlError:
    message = str(error.problem or error.context)
    mark = error.problem_mark or error.context_mark
    if error.context and error.context_mark:
        start = error.context_mark.line + 1
        message = f"{message} ({error.context} that starts in line {start})"
    return YamlError(message, None if mark is None else mark.line + 1)


def flatten(
    value: object, *, sep: str = ".", max_items: int = 5_000
) -> dict[str, Scalar]:
    """Return nested mappings as one level, keys joined with *sep*.

    A list becomes its JSON text, unless it holds a mapping: then its items follow
    under their index. What is empty is ``{}`` or ``[]``. Anything but a mapping or
    a list on top gives nothing. Beyond *max_items*, one entry says what was cut.
    """
    flat: dict[str, Scalar] = {}
    if not isinstance(value, Mapping | list | tuple):
        return flat
    stack = [("", _items(value))]
    while stack:
        prefix, items = stack[-1]
        for key, item in items:
            name = f"{prefix}{key}"
            if isinstance(item, Mapping | list | tuple) and _unfolds(item):
                stack.append((name + sep, _items(item)))
                break
            if len(flat) >= max_items:
                flat["…"] = f"cut after {max_items:,} values"
                return flat
            flat[name] = _leaf(item)
        else:
            stack.pop()
    return flat


_Collection = Mapping[str, object] | list[object] | tuple[object, ...]


def _items(value: _Collection) -> Iterator[tuple[object, object]]:
    return iter(value.items() if isinstance(value, Mapping) else enumerate(value))


def _unfolds(value: _Collection) -> bool:
    """Whether *value* is, or holds at any depth, a mapping with entries."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, Mapping):
            if current:
                return True
        else:
            pending += [i for i in current if isinstance(i, Mapping | list | tuple)]
    return False


def _leaf(item: object) -> Scalar:
    if isinstance(item, Mapping):
        return "{}"
    if isinstance(item, list | tuple):
        return json.dumps(item, ensure_ascii=False, default=str)
    if isinstance(item, bool | float | str) or item is None:
        return item
    return bounded(item) if isinstance(item, int) else str(item)
