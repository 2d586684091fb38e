"""Weights & Biases' local folder: ``wandb/run-<time>-<id>/files/``.

What lies there beside the log itself (`wandb_binary`): the summary, the configuration
and, from versions before 0.10, the history as JSON lines. Those had no ``files/`` and
called an offline run ``dryrun-<time>-<id>``.
"""

import re
from collections.abc import Iterable

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Hparams,
    Intent,
    Item,
    LogFormat,
    Match,
    Memory,
    Outcome,
    Point,
    Problem,
    Role,
    Text,
)
from mlreport_batch.formats.hparams import unwrapped
from mlreport_batch.formats.kit.bookkeeping import TRAINING_STEPS, is_bookkeeping
from mlreport_batch.formats.kit.documents import flatten, load_mapping
from mlreport_batch.formats.kit.json_values import leaves
from mlreport_batch.formats.kit.lines import read_json_lines
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.masking.redact import redact_text, shown_block, shown_name

RUN_FOLDER = re.compile(r"(?:offline-|dry)?run-\d{8}_\d{6}-.+", re.DOTALL)
_OWN = ("_wandb",)


def _levels_up(candidate: Candidate, name: str) -> int | None:
    """Return how far above the run's folder lies, or None if it is no such file."""
    if candidate.name != name:
        return None
    at = int(candidate.parents[:1] == ("files",))
    folder = candidate.parents[at : at + 1]
    return at if folder and RUN_FOLDER.fullmatch(folder[0]) else None


def purpose_of(notes: object, name: object) -> Intent | None:
    """Return what a run says it is for: its notes, else the name it was given."""
    said = next((t for t in (notes, name) if isinstance(t, str) and t.strip()), "")
    if not said:
        return None
    return Intent(purpose=clean(redact_text(said[:20_000]), 2000))


def _matches_wandb_history(candidate: Candidate) -> Match | None:
    """Claim it for the folder of the run."""
    levels_up = _levels_up(candidate, "wandb-history.jsonl")
    if levels_up is None:
        return None
    return Match(
        Role.metrics,
        levels_up=levels_up,
        closed=True,
        twin="wandb",
        note="W&B history",
    )


def _parse_wandb_history(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row."""
    steps = (*TRAINING_STEPS, "_step")
    return read_json_lines(chunk, memory, steps=steps, leave_out=_OWN)


WANDB_HISTORY = LogFormat(
    name="wandb_history",
    matches=_matches_wandb_history,
    parse=_parse_wandb_history,
)
"""``wandb-history.jsonl``, which old versions wrote."""


def _matches_wandb_summary(candidate: Candidate) -> Match | None:
    """Claim it for the folder of the run, after a history."""
    levels_up = _levels_up(candidate, "wandb-summary.json")
    if levels_up is None:
        return None
    return Match(
        Role.metrics,
        levels_up=levels_up,
        closed=True,
        twin="wandb",
        rank=1,
        note="W&B summary",
    )


def _parse_wandb_summary(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield one point per number; text is no metric here."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    step = value_of(document.get("_step"))
    at = 0.0 if step is None or step - step != 0 else step
    for key, item in leaves(document):
        value = None if isinstance(item, str) else value_of(item)
        hidden = key.startswith("_wandb/") or is_bookkeeping(key)
        if value is not None and not hidden:
            yield Point(shown_name(key), at, value)


WANDB_SUMMARY = LogFormat(
    name="wandb_summary",
    matches=_matches_wandb_summary,
    parse=_parse_wandb_summary,
    whole_file=True,
)
"""``wandb-summary.json``: the last value of each metric, at ``_step``."""


def _matches_wandb_config(candidate: Candidate) -> Match | None:
    """Claim it for the folder of the run."""
    levels_up = _levels_up(candidate, "config.yaml")
    if levels_up is None:
        return None
    return Match(Role.hparams, levels_up=levels_up, closed=True, note="W&B config")


def _parse_wandb_config(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the unwrapped values."""
    problems: list[Problem] = []
    values = flatten(unwrapped(load_mapping(chunk, problems)))
    yield from problems
    if values:
        yield Hparams(values)


WANDB_CONFIG = LogFormat(
    name="wandb_config",
    matches=_matches_wandb_config,
    parse=_parse_wandb_config,
    whole_file=True,
)
"""``config.yaml``: every value wrapped in ``{value: x}``."""


def _matches_wandb_metadata(candidate: Candidate) -> Match | None:
    """Claim it for the folder of the run."""
    levels_up = _levels_up(candidate, "wandb-metadata.json")
    if levels_up is None:
        return None
    return Match(Role.context, levels_up=levels_up, note="W&B metadata")


def _parse_wandb_metadata(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the values as text, one a line, and what they say of the run."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    values = flatten(document)
    yield from problems
    purpose = purpose_of(document.get("notes"), document.get("name"))
    if purpose is not None:
        yield purpose
    code = document.get("exitcode")  # before 0.10
    if isinstance(code, int):
        status = "failed" if code else "finished"
        yield Outcome(status, f"W&B noted exit code {code}")
    lines = [f"{key}: {value}" for key, value in values.items() if value is not None]
    if lines:
        yield Text("environment", shown_block("\n".join(lines)))


WANDB_METADATA = LogFormat(
    name="wandb_metadata",
    matches=_matches_wandb_metadata,
    parse=_parse_wandb_metadata,
    whole_file=True,
)
"""``wandb-metadata.json``: program, arguments, machine, commit; the end, once."""
