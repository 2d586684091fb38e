"""Sacred's FileStorageObserver: ``<number>/{run,config,metrics}.json``."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Outcome,
    Point,
    Problem,
    Result,
    Role,
    Text,
)
from mlreport_batch.formats.kit.commits import commit_text
from mlreport_batch.formats.kit.documents import load_mapping
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.safety.masking.redact import shown_block, shown_name, shown_tail

_STEPS = "_T"
_STATUS = {
    "QUEUED": "running", "RUNNING": "running", "COMPLETED": "finished",
    "FAILED": "failed", "INTERRUPTED": "killed", "TIMED_OUT": "out_of_time",
}  # fmt: skip


def _matches_sacred_run(candidate: Candidate) -> Match | None:
    """Claim a ``run.json`` that tells of an experiment."""
    keys = (b'"experiment"', b'"command"')
    is_sacred = all(key in candidate.head for key in keys)
    if candidate.name != "run.json" or not is_sacred:
        return None
    return Match(Role.hparams, closed=True, note="Sacred run")


def _parse_sacred_run(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield status, result and traceback."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    status = document.get("status")
    if isinstance(status, str) and status in _STATUS:
        yield Outcome(_STATUS[status], f"run.json says {status}")
    result = value_of(document.get("result"))
    if result is not None:
        yield Result("result", result)
    yield from _told_texts(document)
    trace = document.get("fail_trace")
    if isinstance(trace, list) and trace:
        yield Text("error", shown_tail("".join(map(str, trace[-400:]))))


def _told_texts(document: Mapping[str, Any]) -> Iterator[Text]:
    """Yield the commit of the program, and what was said of the run on its start."""
    experiment, meta = document.get("experiment"), document.get("meta")
    places = experiment.get("repositories") if isinstance(experiment, dict) else None
    for place in places if isinstance(places, list) else ():
        commit = place.get("commit") if isinstance(place, dict) else None
        if isinstance(commit, str) and commit:
            yield commit_text(commit, is_dirty=place.get("dirty") is True)
            break
    note = meta.get("comment") if isinstance(meta, dict) else None
    if isinstance(note, str) and note.strip():
        yield Text("note", shown_block(note.strip()))


SACRED_RUN = LogFormat(
    name="sacred_run",
    matches=_matches_sacred_run,
    parse=_parse_sacred_run,
    whole_file=True,
)
"""``run.json``: how the run stands, what it returned, why it failed."""


def _matches_sacred_metrics(candidate: Candidate) -> Match | None:
    """Claim a ``metrics.json`` of columns, with ``run.json`` beside it."""
    if candidate.name != "metrics.json" or "run.json" not in candidate.siblings:
        return None
    if b'"steps"' not in candidate.head:
        return None
    return Match(Role.metrics, closed=True, note="Sacred metrics")


def _parse_sacred_metrics(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the points, metric after metric."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    for name, columns in document.items():
        if isinstance(columns, dict):
            yield from _points(shown_name(name), columns)


SACRED_METRICS = LogFormat(
    name="sacred_metrics",
    matches=_matches_sacred_metrics,
    parse=_parse_sacred_metrics,
    whole_file=True,
)
"""``metrics.json``: per metric its steps and values, rewritten at heartbeats."""


def _matches_sacred_info(candidate: Candidate) -> Match | None:
    """Claim an ``info.json`` of columns, as PyMARL's, with ``run.json`` beside it."""
    if candidate.name != "info.json" or "run.json" not in candidate.siblings:
        return None
    if _STEPS.encode() + b'"' not in candidate.head:
        return None
    return Match(Role.metrics, closed=True, note="Sacred info")


def _parse_sacred_info(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the points, metric after metric."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    for name, values in document.items():
        steps = document.get(f"{name}{_STEPS}")
        if isinstance(values, list) and isinstance(steps, list):
            found = [_unpickled(item) for item in values]
            yield from _points(shown_name(name), {"steps": steps, "values": found})


SACRED_INFO = LogFormat(
    name="sacred_info",
    matches=_matches_sacred_info,
    parse=_parse_sacred_info,
    whole_file=True,
)
"""``info.json``: a list of values for each name, and of their steps for ``NAME_T``."""


def _unpickled(item: object) -> object:
    """Return the number that jsonpickle made an object of."""
    return item["value"] if isinstance(item, dict) and "value" in item else item


def _points(name: str, columns: Mapping[str, Any]) -> Iterator[Point]:
    steps, values = columns.get("steps"), columns.get("values")
    if not isinstance(steps, list) or not isinstance(values, list):
        return
    # A value can be a jsonpickled object; only the numbers are taken.
    for number, (stated, item) in enumerate(zip(steps, values, strict=False)):
        step, value = value_of(stated), value_of(item)
        if value is not None:
            is_step = step is not None and step - step == 0
            yield Point(name, step if is_step and step is not None else number, value)
