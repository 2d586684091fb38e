"""Keras Tuner: ``PROJECT/trial_N/trial.json``, one file a trial."""

import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Hparams,
    Item,
    LogFormat,
    Match,
    Memory,
    Outcome,
    Problem,
    Result,
    Role,
)
from mlreport_batch.formats.kit.documents import flatten, load_mapping
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.safety.masking.redact import shown_name

_KEYS = (b'"trial_id"', b'"hyperparameters"')
_STATUS = {
    "RUNNING": "running", "COMPLETED": "finished", "STOPPED": "finished",
    "FAILED": "failed", "INVALID": "failed",
}  # fmt: skip


def _matches(candidate: Candidate) -> Match | None:
    """Claim a ``trial.json`` that tells of a trial."""
    is_trial = all(key in candidate.head for key in _KEYS)
    if candidate.name != "trial.json" or not is_trial:
        return None
    return Match(Role.metrics, closed=True, note="Keras Tuner trial")


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield what was tried, what came out of it, and how the trial stands."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    tried = _mapping(document, "hyperparameters", "values")
    if tried:
        yield Hparams(flatten(tried))
    for name, metric in _mapping(document, "metrics", "metrics").items():
        value = _last(metric)
        if value is not None:
            yield Result(shown_name(name), value)
    score = value_of(document.get("score"))
    if score is not None:
        yield Result("score", score)
    status = document.get("status")
    if isinstance(status, str) and status in _STATUS:
        yield Outcome(_STATUS[status], f"trial.json says {status}")


KERAS_TUNER = LogFormat(
    name="keras_tuner",
    matches=_matches,
    parse=_parse,
    whole_file=True,
)
"""``trial.json``: ``hyperparameters.values``, ``metrics``, ``score``, ``status``.

The value of a metric is the mean of its executions, as the tuner takes it.
"""


def _mapping(document: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _last(metric: object) -> float | None:
    """Return the last observation of a metric, None if there is none."""
    observations = metric.get("observations") if isinstance(metric, dict) else None
    if not isinstance(observations, list) or not observations:
        return None
    values = list(_values(observations[-1]))
    return statistics.fmean(values) if values else None


def _values(observation: object) -> Iterator[float]:
    found = observation.get("value") if isinstance(observation, dict) else None
    for item in found if isinstance(found, list) else [found]:
        value = value_of(item)
        if value is not None:
            yield value
