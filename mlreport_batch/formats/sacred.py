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
from mlreport_batch.formats.kit.documents import load_mapping
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.safety.masking.redact import shown_name, shown_tail

_STATUS = {
    "QUEUED": "running", "RUNNING": "running", "COMPLETED": "finished",
    "FAILED": "failed", "INTERRUPTED": "failed", "TIMED_OUT": "failed",
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
    trace = document.get("fail_trace")
    if isinstance(trace, list) and trace:
        yield Text("error", shown_tail("".join(map(str, trace[-400:]))))


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
