"""Weights & Biases' local folder: ``wandb/run-<time>-<id>/files/``.

What lies there beside the log itself (`wandb_binary`): the summary, the configuration
and, from old versions, the history as JSON lines.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from mlreport_batch.errors import Problem
from mlreport_batch.formats import (
    Candidate,
    Hparams,
    Item,
    Match,
    Memory,
    Point,
    Role,
    Text,
)
from mlreport_batch.formats._documents import flatten, load_mapping
from mlreport_batch.formats._json import leaves
from mlreport_batch.formats._lines import read_json_lines
from mlreport_batch.formats._numbers import value_of
from mlreport_batch.formats.bookkeeping import is_bookkeeping
from mlreport_batch.formats.hparams import unwrapped
from mlreport_batch.redact import shown, shown_block
from mlreport_batch.tail import Chunk

RUN_FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-\w+")
_OWN = ("_wandb",)


def _is_in_run(candidate: Candidate) -> bool:
    parents = candidate.parents
    return (
        len(parents) > 1
        and parents[0] == "files"
        and bool(RUN_FOLDER.fullmatch(parents[1]))
    )


@dataclass(frozen=True, slots=True)
class WandbHistory:
    """``wandb-history.jsonl``, which old versions wrote."""

    name: ClassVar[str] = "wandb_history"
    whole_file: ClassVar[bool] = False

    def matches(self, candidate: Candidate) -> Match | None:
        """Claim it for the folder of the run."""
        if candidate.name != "wandb-history.jsonl" or not _is_in_run(candidate):
            return None
        return Match(
            Role.metrics, levels_up=1, closed=True, twin="wandb", note="W&B history"
        )

    def parse(self, chunk: Chunk, memory: Memory) -> Iterable[Item]:
        """Yield the points of each row."""
        return read_json_lines(chunk, memory, steps=("_step",), leave_out=_OWN)


@dataclass(frozen=True, slots=True)
class WandbSummary:
    """``wandb-summary.json``: the last value of each metric, at ``_step``."""

    name: ClassVar[str] = "wandb_summary"
    whole_file: ClassVar[bool] = True

    def matches(self, candidate: Candidate) -> Match | None:
        """Claim it for the folder of the run, after a history."""
        if candidate.name != "wandb-summary.json" or not _is_in_run(candidate):
            return None
        return Match(
            Role.metrics,
            levels_up=1,
            closed=True,
            twin="wandb",
            rank=1,
            note="W&B summary",
        )

    def parse(self, chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG002
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
                yield Point(shown(key), at, value)


@dataclass(frozen=True, slots=True)
class WandbConfig:
    """``config.yaml``: every value wrapped in ``{value: x}``."""

    name: ClassVar[str] = "wandb_config"
    whole_file: ClassVar[bool] = True

    def matches(self, candidate: Candidate) -> Match | None:
        """Claim it for the folder of the run."""
        if candidate.name != "config.yaml" or not _is_in_run(candidate):
            return None
        return Match(Role.hparams, levels_up=1, closed=True, note="W&B config")

    def parse(self, chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG002
        """Yield the unwrapped values."""
        problems: list[Problem] = []
        values = flatten(unwrapped(load_mapping(chunk, problems)))
        yield from problems
        if values:
            yield Hparams(values)


@dataclass(frozen=True, slots=True)
class WandbMetadata:
    """``wandb-metadata.json``: program, arguments, machine and commit."""

    name: ClassVar[str] = "wandb_metadata"
    whole_file: ClassVar[bool] = True

    def matches(self, candidate: Candidate) -> Match | None:
        """Claim it for the folder of the run."""
        if candidate.name != "wandb-metadata.json" or not _is_in_run(candidate):
            return None
        return Match(Role.context, levels_up=1, note="W&B metadata")

    def parse(self, chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG002
        """Yield the values as text, one a line."""
        problems: list[Problem] = []
        values = flatten(load_mapping(chunk, problems))
        yield from problems
        lines = [
            f"{key}: {value}" for key, value in values.items() if value is not None
        ]
        if lines:
            yield Text("environment", shown_block("\n".join(lines)))
