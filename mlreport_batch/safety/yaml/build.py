"""Build plain values from YAML events, one by one and within a budget.

PyYAML's own composer and constructors are never used: 50,000 nested brackets
crash the C composer (no ``try`` catches that), and nine lines of aliases unfold
to a billion values. Here nothing recurses, and an alias costs what it unfolds to.
"""

import json
from collections.abc import Iterable
from typing import Any, cast

import yaml

from mlreport_batch.safety.yaml.values import (
    BinaryText,
    MarkedList,
    MarkedMap,
    YamlError,
    plain_value,
    tagged_collection,
    tagged_scalar,
)

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_Collection = dict[str, Any] | list[Any]
_MISSING = object()
_MERGE = object()


class _Frame:
    """A collection that is being filled."""

    __slots__ = (
        *("anchor", "cost", "height", "is_map", "key", "line", "merges", "tag"),
        "value",
    )

    def __init__(
        self, value: _Collection, event: yaml.CollectionStartEvent, *, is_map: bool
    ) -> None:
        self.value: Any = value
        self.is_map = is_map
        self.tag = event.tag
        self.anchor = event.anchor
        self.line = _line(event)
        self.key: object = _MISSING
        self.merges: list[Any] = []
        self.cost = 1  # values within, itself included
        self.height = 0  # levels below


class Builder:
    """Builds one document and raises `YamlError` where the budget ends.

    Args:
        max_depth: Deepest nesting, aliases unfolded.
        max_aliases: Most aliases.
        max_nodes: Most values, aliases unfolded.
        marked: Make `MarkedMap` and `MarkedList`, and collect problems.
    """

    def __init__(
        self, *, max_depth: int, max_aliases: int, max_nodes: int, marked: bool
    ) -> None:
        self._max_depth = max_depth
        self._max_aliases = max_aliases
        self._max_nodes = max_nodes
        self._marked = marked
        self._nodes = 0
        self._aliases = 0
        self._stack: list[_Frame] = []
        # name -> (value, values it unfolds to, levels below), None while open
        self._anchors: dict[str, tuple[object, int, int] | None] = {}
        self._problems: list[tuple[int, str]] = []
        self._result: object = None

    def build(self, events: Iterable[yaml.Event]) -> object:
        """Return the only document among *events*, or None when there is none."""
        documents = 0
        for event in events:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(cast("yaml.ScalarEvent", event))
            elif kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
                self._open(cast("yaml.CollectionStartEvent", event))
            elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
                self._close(self._stack.pop())
            elif kind is yaml.AliasEvent:
                self._alias(cast("yaml.AliasEvent", event))
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise YamlError("a second document begins here", _line(event))
        if isinstance(self._result, MarkedMap):
            self._result.problems = self._problems
        return self._result

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        text: str = event.value
        stack = self._stack
        is_key = bool(stack) and stack[-1].is_map and stack[-1].key is _MISSING
        value: object = text
        if event.tag is not None:
            self._note_tag(event)
            value = tagged_scalar(event.tag, text)
        elif event.implicit[0]:
            if not is_key:
                value = plain_value(text)
            elif text == "<<":
                value = _MERGE
        if event.anchor:
            self._anchors[event.anchor] = (value, 1, 0)
        line = _line(event)
        self._spend(1, line)
        self._put(value, 1, 0, line)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        line = _line(event)
        if len(self._stack) >= self._max_depth:
            raise YamlError(f"nested deeper than {self._max_depth} levels", line)
        if event.tag is not None:
            self._note_tag(event)
        is_map = type(event) is yaml.MappingStartEvent
        value: _Collection
        if self._marked:
            value = MarkedMap(line) if is_map else MarkedList()
        else:
            value = {} if is_map else []
        if event.anchor:
            self._anchors[event.anchor] = None
        self._spend(1, line)
        self._stack.append(_Frame(value, event, is_map=is_map))

    def _close(self, frame: _Frame) -> None:
        for source in frame.merges:
            _merge(frame.value, source)
        value = frame.value
        if frame.tag is not None:
            value = tagged_collection(frame.tag, value)
        if frame.anchor:
            self._anchors[frame.anchor] = (value, frame.cost, frame.height)
        self._put(value, frame.cost, frame.height, frame.line)

    def _alias(self, event: yaml.AliasEvent) -> None:
        line = _line(event)
        name = str(event.anchor)
        self._aliases += 1
        if self._aliases > self._max_aliases:
            raise YamlError(f"more than {self._max_aliases} aliases", line)
        if name not in self._anchors:
            raise YamlError(f"the alias *{name} is defined nowhere above", line)
        known = self._anchors[name]
        if known is None:
            raise YamlError(f"*{name} contains itself", line)
        value, cost, height = known
        if len(self._stack) + height > self._max_depth:
            raise YamlError(f"nested deeper than {self._max_depth} levels", line)
        self._spend(cost, line)
        self._put(value, cost, height, line)

    def _spend(self, cost: int, line: int) -> None:
        self._nodes += cost
        if self._nodes > self._max_nodes:
            raise YamlError(f"more than {self._max_nodes:,} values", line)

    def _put(self, value: object, cost: int, height: int, line: int) -> None:
        """Put a finished value where it belongs."""
        if not self._stack:
            self._result = str(value) if isinstance(value, BinaryText) else value
            return
        frame = self._stack[-1]
        frame.cost += cost
        frame.height = max(frame.height, height + 1)
        if isinstance(value, BinaryText) and "/apply:" not in (frame.tag or ""):
            value = str(value)
        if not frame.is_map:
            frame.value.append(value)
            if self._marked:
                frame.value.lines.append(line)
        elif frame.key is _MISSING:
            frame.key = value if value is _MERGE else _key_text(value)
            if self._marked and value is not _MERGE:
                self._mark_key(frame.value, str(frame.key), line)
        else:
            if frame.key is _MERGE and isinstance(value, dict):
                frame.merges.append(value)
            elif frame.key is _MERGE and _are_mappings(value):
                frame.merges.extend(cast("list[Any]", value))
            else:
                frame.value["<<" if frame.key is _MERGE else frame.key] = value
            frame.key = _MISSING

    def _note_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if self._marked:
            shown = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            self._problems.append(
                (_line(event), f"the tag {shown} has no meaning here")
            )

    def _mark_key(self, target: MarkedMap, key: str, line: int) -> None:
        first = target.lines.setdefault(key, line)
        if key in target:
            message = f"'{key}' is already set in line {first}"
            self._problems.append((line, message))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _key_text(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _are_mappings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _merge(own: dict[str, Any], source: dict[str, Any]) -> None:
    """Add to *own* what ``<<`` brings from *source*; keys that are there win."""
    for key, value in source.items():
        if key not in own:
            own[key] = value
            if isinstance(own, MarkedMap) and isinstance(source, MarkedMap):
                own.lines[key] = source.lines.get(key, source.line)
