"""Any other JSON document with results in it, such as ``metrics.json``."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mlreport_batch.errors import Problem
from mlreport_batch.formats import Candidate, Item, Match, Memory, Point, Result, Role
from mlreport_batch.formats._documents import load_mapping, stem_of
from mlreport_batch.formats._json import leaves
from mlreport_batch.formats._numbers import value_of
from mlreport_batch.formats.bookkeeping import is_bookkeeping
from mlreport_batch.redact import shown
from mlreport_batch.tail import Chunk

_NAMES = re.compile(r"metrics?|results?|evals?|evaluations?|scores?|summary|history")
_LOG_SUFFIXES = (".csv", ".tsv", ".jsonl", ".log", ".yaml", ".yml")
_SETTINGS = frozenset(["config", "configs", "args", "params", "hparams", "versions"])
_SPLIT = re.compile(r"[^a-z]+")
_HISTORY = re.compile(rb'\{\s*"[^"]*"\s*:\s*(?:\{\s*"[^"]*"\s*:\s*)?\[\s*[-\dNI]')


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """Numbers are results; lists of numbers (``evals_result``) are histories."""

    name: ClassVar[str] = "json"
    whole_file: ClassVar[bool] = True

    def matches(self, candidate: Candidate) -> Match | None:
        """Claim a JSON object whose file is named after results."""
        stem, suffix = stem_of(candidate.name)
        words = [word for word in _SPLIT.split(stem) if word]
        if suffix != ".json" or not any(map(_NAMES.fullmatch, words)):
            return None
        head = candidate.head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not head.startswith(b"{"):
            return None
        if _HISTORY.match(head):
            return Match(Role.metrics, note="JSON histories")
        is_alone = stem in ("metrics", "results") and not any(
            name.lower().endswith(_LOG_SUFFIXES) for name in candidate.siblings
        )
        return Match(Role.metrics if is_alone else Role.context, note="JSON results")

    def parse(self, chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG002
        """Yield results, and points of what is a list of numbers."""
        problems: list[Problem] = []
        document = load_mapping(chunk, problems)
        yield from problems
        yield from _items(document)


def _items(document: Mapping[str, Any]) -> Iterator[Item]:
    told = {key: item for key, item in document.items() if key not in _SETTINGS}
    for key, item in leaves(told):
        if is_bookkeeping(key):
            continue
        if isinstance(item, list):
            values = [value_of(entry) for entry in item]
            # A list with anything else in it (boxes, names) is no history.
            if values and all(value is not None for value in values):
                for step, value in enumerate(values):
                    if value is not None:
                        yield Point(shown(key), float(step), value)
        elif (number := value_of(item)) is not None:
            yield Result(shown(key), number)
