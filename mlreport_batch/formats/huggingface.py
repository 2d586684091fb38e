"""Hugging Face Trainer: ``trainer_state.json``, ``*_results.json``, ``config.json``."""

import re
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
    Point,
    Problem,
    Progress,
    Result,
    Role,
    Text,
)
from mlreport_batch.formats.kit.bookkeeping import is_bookkeeping
from mlreport_batch.formats.kit.documents import load_mapping
from mlreport_batch.formats.kit.json_values import leaves
from mlreport_batch.formats.kit.lines import read_json_lines
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.safety.masking.redact import shown_block, shown_name

_CHECKPOINT = re.compile(r"checkpoint-(\d{1,15})")
_GLOBAL_STEP = re.compile(rb'"global_step":\s*(\d{1,15})\b')
_SETTINGS = (
    "num_train_epochs", "train_batch_size", "max_steps", "logging_steps", "save_steps",
    "eval_steps",
)  # fmt: skip
_MODEL_KEYS = ("model_type", "architectures", "transformers_version")


def _matches_trainer_state(candidate: Candidate) -> Match | None:
    """Claim ``trainer_state.json``, in ``checkpoint-N`` for the folder above."""
    if candidate.name != "trainer_state.json":
        return None
    folder = candidate.parents[0] if candidate.parents else ""
    checkpoint = _CHECKPOINT.fullmatch(folder)
    stated = _GLOBAL_STEP.search(candidate.head)
    step = int(stated[1]) if stated else int(checkpoint[1]) if checkpoint else 0
    return Match(
        Role.metrics,
        levels_up=1 if checkpoint else 0,
        closed=True,
        twin="trainer_state",
        series="trainer_state",
        rank=-2 * step - (0 if checkpoint else 1),
        note=f"Hugging Face Trainer, step {step}",
    )


def _parse_trainer_state(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the log history, the settings that stand in it and the progress."""
    problems: list[Problem] = []
    state = load_mapping(chunk, problems)
    yield from problems
    if not state:
        return
    settings = {key: state[key] for key in _SETTINGS if key in state}
    yield Hparams(
        {
            key: value
            for key, value in settings.items()
            if isinstance(value, int | float | str)
        }
    )
    history = state.get("log_history")
    entries = [
        entry
        for entry in (history if isinstance(history, list) else [])
        if isinstance(entry, dict)
    ]
    yield from _points(entries)
    step, total = (
        value_of(state.get("global_step")),
        value_of(state.get("max_steps")),
    )
    if step is not None:
        yield Progress(step, total if total and total > 0 else None)
        if total and step >= total and any("train_runtime" in e for e in entries):
            evidence = f"trainer_state.json: step {step:.0f} of {total:.0f}"
            yield Outcome("finished", evidence)
    best = value_of(state.get("best_metric"))
    if best is not None:
        yield Result("best_metric", best)


TRAINER_STATE = LogFormat(
    name="trainer_state",
    matches=_matches_trainer_state,
    parse=_parse_trainer_state,
    whole_file=True,
)
"""The whole history, saved with each checkpoint and by ``save_state()``.

Of all copies in a run the one with the highest ``global_step`` counts: a
resumed run goes past the copy in its root, which is written last.
"""


def _points(entries: Iterable[Mapping[str, Any]]) -> Iterator[Point]:
    step = 0.0
    for entry in entries:
        stated = value_of(entry.get("step"))
        if stated is not None and stated - stated == 0:
            step = stated
        for key, item in leaves(entry):
            if not is_bookkeeping(key) and (value := value_of(item)) is not None:
                yield Point(shown_name(key), step, value)


def _matches_results_file(candidate: Candidate) -> Match | None:
    """Claim the four names that ``Trainer.save_metrics`` writes by default."""
    stem, _, suffix = candidate.name.rpartition("_")
    known = stem in ("train", "eval", "test", "predict", "all")
    if suffix != "results.json" or not known or b'"' not in candidate.head:
        return None
    is_alone = "trainer_state.json" not in candidate.siblings and not any(
        map(_CHECKPOINT.fullmatch, candidate.siblings)
    )
    return Match(Role.metrics if is_alone else Role.context, note="final results")


def _parse_results_file(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield each number as a result."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    for key, item in leaves(document):
        value = value_of(item)
        if value is not None and not is_bookkeeping(key):
            yield Result(shown_name(key), value)


RESULTS_FILE = LogFormat(
    name="hf_results",
    matches=_matches_results_file,
    parse=_parse_results_file,
    whole_file=True,
)
"""``train_results.json`` and its like: the last evaluation, without history."""


def _matches_model_config(candidate: Candidate) -> Match | None:
    """Claim a ``config.json`` that says which model it is."""
    if candidate.name != "config.json":
        return None
    if not any(f'"{key}"'.encode() in candidate.head for key in _MODEL_KEYS):
        return None
    folder = candidate.parents[0] if candidate.parents else ""
    checkpoint = _CHECKPOINT.fullmatch(folder)
    # The model is the same in all checkpoints: one description is enough.
    return Match(
        Role.context,
        levels_up=1 if checkpoint else 0,
        twin="model_config",
        rank=int(checkpoint[1]) if checkpoint else 0,
        note="model configuration",
    )


def _parse_model_config(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the plain values as text, one a line."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    lines = [
        f"{key}: {_shown(value)}"
        for key, value in document.items()
        if isinstance(value, str | int | float | list) and value != []
    ]
    if lines:
        yield Text("model", shown_block("\n".join(lines)))


MODEL_CONFIG = LogFormat(
    name="model_config",
    matches=_matches_model_config,
    parse=_parse_model_config,
    whole_file=True,
)
"""``config.json`` of a pretrained model: it describes the model, not the run."""


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value[:8])) + (", …" if len(value) > 8 else "")  # noqa: PLR2004
    return str(value)


def _matches_trainer_log(candidate: Candidate) -> Match | None:
    """Claim it by its name and its step key."""
    if candidate.name != "trainer_log.jsonl":
        return None
    if b'"current_steps"' not in candidate.head:
        return None
    return Match(
        Role.metrics,
        closed=True,
        series="trainer_state",
        rank=1,
        extends=True,
        note="LLaMA-Factory",
    )


def _parse_trainer_log(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points and the progress of each row."""
    return read_json_lines(chunk, memory, steps=("current_steps",))


TRAINER_LOG = LogFormat(
    name="llamafactory",
    matches=_matches_trainer_log,
    parse=_parse_trainer_log,
)
"""LLaMA-Factory's ``trainer_log.jsonl``: a live copy of a part of the history.

A ``trainer_state.json`` has more metrics, and is as old as the newest checkpoint: the
log goes on from there.
"""
