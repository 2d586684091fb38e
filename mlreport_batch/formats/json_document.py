"""Any other JSON document with results in it, such as ``metrics.json``."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Point,
    Problem,
    Result,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import (
    is_bookkeeping,
    is_log_name,
    sounds_like_metrics,
    words_of,
)
from mlreport_batch.formats.kit.documents import load, mapping_of, stem_of
from mlreport_batch.formats.kit.histories import (
    History,
    Rows,
    Single,
    prefixes,
    steps_of,
    told_in,
)
from mlreport_batch.formats.kit.json_values import decode_begun
from mlreport_batch.formats.kit.labels import is_part
from mlreport_batch.formats.kit.lines import read_json_lines
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.formats.kit.trainings import (
    tells_of_training,
)
from mlreport_batch.safety.encoding import to_text
from mlreport_batch.safety.masking.redact import shown_name

_NAMES = re.compile(r"metrics?|results?|evals?|evaluations?|scores?|summary|history")
_HISTORIES = re.compile(r"history|hist|evals|curves?|log|logs")
# A list in a file of such a name may as well be one result a sample.
_SINGLE = re.compile(r"results?|scores?|evals?|summary")
_LOG_SUFFIXES = (".csv", ".tsv", ".jsonl", ".log")
_SUFFIXES = (".json", ".log", ".txt", "")
_SAMPLES = frozenset(
    "example examples sample samples prediction predictions inference eval evals "
    "evaluation evaluations".split()
)
_VALUES = ("value", "values")
_SPLIT = re.compile(r"[^a-z]+")


def _matches_json_history(candidate: Candidate) -> Match | None:
    """Claim a document with values over steps in it."""
    stem, suffix = stem_of(candidate.name)
    if suffix not in _SUFFIXES:
        return None
    begun = _begun(candidate.head)
    found = [each for each in _told(begun, stem) if isinstance(each, History)]
    if not any(_is_log(each, stem) for each in found):
        return None
    is_list = isinstance(begun, list)
    return Match(Role.metrics, note="JSON rows" if is_list else "JSON histories")


def _parse_json_history(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield points, and results of what is no list."""
    return _parse_json_document(chunk, memory)


JSON_HISTORY = LogFormat(
    name="json_history",
    matches=_matches_json_history,
    parse=_parse_json_history,
    whole_file=True,
)
"""Lists of numbers (``evals_result``), rows, or objects by step: a log in a document.

It has a name of its own, as it counts as a log where others are looked for:
lists among results may be about classes or thresholds.
"""


def _matches_json_document(candidate: Candidate) -> Match | None:
    """Claim a JSON object whose file is named after results."""
    stem, suffix = stem_of(candidate.name)
    if suffix != ".json" or not _is_named(stem, _NAMES):
        return None
    head = candidate.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head.startswith(b"{"):
        return None
    told = _told(_begun(candidate.head), stem)
    if isinstance(next(iter(told), None), History):
        return Match(Role.metrics, note="JSON histories")
    is_alone = stem in ("metrics", "results") and not any(
        name.lower().endswith(_LOG_SUFFIXES) for name in candidate.siblings
    )
    is_run = is_alone and not _is_of_sample(candidate)
    return Match(Role.metrics if is_run else Role.context, note="JSON results")


def _parse_json_document(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield results, and points of what is a list of numbers or of rows."""
    problems: list[Problem] = []
    document = load(chunk, problems)
    if not isinstance(document, list):
        document = mapping_of(document, chunk, problems)
        yield from problems
    stem = stem_of(chunk.path.rpartition("/")[2])[0]
    told = list(_told(document, stem, is_claimed=True))
    found = [each for each in told if isinstance(each, History)]
    under = dict(zip(map(id, found), prefixes(found), strict=True))
    for each in told:
        if isinstance(each, History):
            yield from _points(each, under[id(each)], chunk.path)
        elif isinstance(document, dict):
            yield from _result(each)


JSON_DOCUMENT = LogFormat(
    name="json",
    matches=_matches_json_document,
    parse=_parse_json_document,
    whole_file=True,
)
"""Numbers are results; lists of numbers or of rows are histories."""


@lru_cache(maxsize=2)  # both formats ask
def _begun(head: bytes) -> object:
    text = to_text(head).removeprefix("\ufeff").lstrip()
    return decode_begun(text) if text.startswith(("{", "[")) else None


def _told(
    document: object, stem: str, *, is_claimed: bool = False
) -> Iterable[History | Single]:
    is_history = _is_named(stem, _HISTORIES)
    is_rows = is_claimed and isinstance(document, list)
    may_lack_steps = is_rows or (is_log_name(stem) and not _is_named(stem, _SINGLE))
    return told_in(document, is_history=is_history, may_lack_steps=may_lack_steps)


def _is_log(history: History, stem: str) -> bool:
    """Return whether it is one over steps, by its own names or by that of its file."""
    names = [name for name in history.names() if not is_bookkeeping(name)]
    if history.rows:
        return bool(names)
    if _is_named(stem, _HISTORIES) or tells_of_training(names):
        return True
    if _is_named(stem, _SINGLE):
        return False
    return is_log_name(stem) and sounds_like_metrics(names)


def _is_named(stem: str, words: re.Pattern[str]) -> bool:
    return any(words.fullmatch(word) for word in _SPLIT.split(stem) if word)


def _is_of_sample(candidate: Candidate) -> bool:
    """Return whether a folder, or that above it, is named after what was evaluated."""
    words = {word for name in candidate.parents[:2] for word in words_of(name)}
    return is_part(candidate.parents[0]) or not _SAMPLES.isdisjoint(words)


def _result(single: Single) -> Iterator[Item]:
    key = "/".join(single.keys)
    number = value_of(single.value)
    if number is not None and not is_bookkeeping(key):
        yield Result(shown_name(key), number)


def _points(history: History, prefix: str, path: str) -> Iterator[Item]:
    found = _of_rows(history.rows, path) if history.rows else _of_columns(history)
    for point in found:
        if (
            prefix and point.metric in _VALUES
        ):  # `{"loss": [{"step": 1, "value": 0.5}]}`
            yield Point(shown_name(prefix), point.step, point.value)
        elif prefix:
            name = shown_name(f"{prefix}/{point.metric}")
            yield Point(name, point.step, point.value)
        else:
            yield point


def _of_rows(rows: Rows, path: str) -> Iterator[Point]:
    """Yield the points of a list of objects, which are rows as JSON lines are."""
    data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    chunk = Chunk(path, b"", data, 0, 1)
    for item in read_json_lines(chunk, {}, is_labelled=True):
        if isinstance(item, Point):
            yield item


def _of_columns(history: History) -> Iterator[Point]:
    """Yield the points of lists of numbers, at the steps that one of them counts."""
    steps = steps_of(history.columns)
    for key, item in history.columns.items():
        values = [value_of(one) for one in item]
        counted = steps if len(steps) == len(values) else range(len(values))
        if is_bookkeeping(key):
            continue
        for step, value in zip(counted, values, strict=True):
            if value is not None:  # null is a blank
                yield Point(shown_name(key), float(step), value)
