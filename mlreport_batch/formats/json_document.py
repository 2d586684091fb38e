"""Any other JSON document with results in it, such as ``metrics.json``."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

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
    has_sure_step,
    is_bookkeeping,
    is_log_name,
    sounds_like_metrics,
    step_rank,
)
from mlreport_batch.formats.kit.documents import load, mapping_of, stem_of
from mlreport_batch.formats.kit.json_values import leaves
from mlreport_batch.formats.kit.lines import NUMBER_KEY, numbers_in, read_json_lines
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.safety.masking.redact import shown_name

_NAMES = re.compile(r"metrics?|results?|evals?|evaluations?|scores?|summary|history")
_HISTORIES = re.compile(r"history|hist|evals|curves?|log|logs")
# A list in a file of such a name may as well be one result a sample.
_SINGLE = re.compile(r"results?|scores?|evals?|summary")
_LOG_SUFFIXES = (".csv", ".tsv", ".jsonl", ".log", ".yaml", ".yml")
_SETTINGS = frozenset(["config", "configs", "args", "params", "hparams", "versions"])
_SPLIT = re.compile(r"[^a-z]+")
_HISTORY = re.compile(rb'\{\s*"[^"]*"\s*:\s*(?:\{\s*"[^"]*"\s*:\s*)?\[\s*[-\dNIn]')
_LIST_KEY = re.compile(r'"([^"\\]{1,80})"\s*:\s*\[')
_RECORDS = re.compile(r"\[\s*(?=\{)")
_TOLD_BY_NAME = frozenset(["history", "log_history", "log", "logs", "epochs"])


def _matches_json_history(candidate: Candidate) -> Match | None:
    """Claim what begins with such a list and is named after a log or results."""
    stem, suffix = stem_of(candidate.name)
    if suffix != ".json":
        return None
    head = candidate.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    text = head.decode("utf-8", "replace")
    if head.startswith(b"["):
        is_log = _is_rows(text, is_log_name(stem) and not _is_named(stem, _SINGLE))
        return Match(Role.metrics, note="JSON rows") if is_log else None
    if not _HISTORY.match(head):
        return None
    if not _is_named(stem, _HISTORIES) and not _is_log(stem, text):
        return None
    return Match(Role.metrics, note="JSON histories")


def _parse_json_history(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield points, and results of what is no list."""
    return _parse_json_document(chunk, memory)


JSON_HISTORY = LogFormat(
    name="json_history",
    matches=_matches_json_history,
    parse=_parse_json_history,
    whole_file=True,
)
"""Lists of numbers (``evals_result``) or of rows: a log in one document.

It has a name of its own, as it counts as a log where others are looked for:
lists among results may be about classes or thresholds.
"""


def _matches_json_document(candidate: Candidate) -> Match | None:
    """Claim a JSON object whose file is named after results."""
    stem, suffix = stem_of(candidate.name)
    head = candidate.head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if suffix != ".json" or not head.startswith(b"{"):
        return None
    if not _is_named(stem, _NAMES):
        return None
    if _HISTORY.match(head):
        return Match(Role.metrics, note="JSON histories")
    is_alone = stem in ("metrics", "results") and not any(
        name.lower().endswith(_LOG_SUFFIXES) for name in candidate.siblings
    )
    return Match(Role.metrics if is_alone else Role.context, note="JSON results")


def _parse_json_document(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield results, and points of what is a list of numbers or of rows."""
    problems: list[Problem] = []
    document = load(chunk, problems)
    if isinstance(document, list):
        yield from _rows(document, chunk.path)
    else:
        document = mapping_of(document, chunk, problems)
        yield from problems
        yield from _items(document, chunk.path)


JSON_DOCUMENT = LogFormat(
    name="json",
    matches=_matches_json_document,
    parse=_parse_json_document,
    whole_file=True,
)
"""Numbers are results; lists of numbers or of rows are histories."""


def _is_named(stem: str, words: re.Pattern[str]) -> bool:
    return any(words.fullmatch(word) for word in _SPLIT.split(stem) if word)


def _is_log(stem: str, text: str) -> bool:
    if _is_named(stem, _SINGLE):
        return False
    return is_log_name(stem) and sounds_like_metrics(_LIST_KEY.findall(text))


def _is_rows(text: str, may_lack_steps: bool) -> bool:
    """Return whether *text* begins a list of objects such as a log's rows."""
    opened = _RECORDS.match(text)
    if opened is None:
        return False
    try:
        first, _ = json.JSONDecoder().raw_decode(text, opened.end())
        names = numbers_in(json.dumps(first)) or []
    except (ValueError, RecursionError):
        names = NUMBER_KEY.findall(text)
    if all(map(is_bookkeeping, names)):
        return False
    return has_sure_step(names) or (may_lack_steps and sounds_like_metrics(names))


def _rows(rows: Sequence[object], path: str, prefix: str = "") -> Iterator[Item]:
    """Yield the points of a list of objects, which are rows as JSON lines are."""
    data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    chunk = Chunk(path, b"", data, 0, 1)
    for item in read_json_lines(chunk, {}, is_labelled=True):
        if prefix and isinstance(item, Point):
            yield Point(f"{prefix}/{item.metric}", item.step, item.value)
        elif isinstance(item, Point):
            yield item


def _items(document: Mapping[str, Any], path: str) -> Iterator[Item]:
    told = {key: item for key, item in document.items() if key not in _SETTINGS}
    found = dict(leaves(told))
    steps = _step_lists(found)
    for key, item in found.items():
        if is_bookkeeping(key):
            continue
        if isinstance(item, list):
            yield from _listed(key, item, steps.get(key.rpartition("/")[0], ()), path)
        elif (number := value_of(item)) is not None:
            yield Result(shown_name(key), number)


def _listed(
    key: str, item: list[object], steps: Sequence[float], path: str
) -> Iterator[Item]:
    """Yield the points of a list of rows, or of a list of numbers at *steps*."""
    if item and isinstance(item[0], dict):
        if _has_steps(item[0]):
            is_plain = key.rpartition("/")[2] in _TOLD_BY_NAME
            yield from _rows(item, path, "" if is_plain else shown_name(key))
        return
    values = [value_of(one) for one in item]
    # A list with anything else in it (boxes, names) is no history.
    if any(v is None and one is not None for v, one in zip(values, item, strict=True)):
        return
    counted = steps if len(steps) == len(values) else range(len(values))
    for step, value in zip(counted, values, strict=True):
        if value is not None:  # null is a blank
            yield Point(shown_name(key), float(step), value)


def _has_steps(row: Mapping[str, object]) -> bool:
    return has_sure_step(key for key in row if value_of(row[key]) is not None)


def _step_lists(found: Mapping[str, object]) -> dict[str, list[float]]:
    """Return, for each mapping's name, the list in it that best counts steps."""
    best: dict[str, tuple[float, list[float]]] = {}
    for key, item in found.items():
        above, _, name = key.rpartition("/")
        rank = step_rank(name)
        if rank is None or not isinstance(item, list):
            continue
        values = [value for value in map(value_of, item) if value is not None]
        is_whole = len(values) == len(item) and all(v - v == 0 for v in values)
        if is_whole and (above not in best or rank < best[above][0]):
            best[above] = rank, values
    return {above: values for above, (_, values) in best.items()}
