"""Hyperparameters in files that are named after them, whatever wrote them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mlreport_batch.errors import Problem
from mlreport_batch.formats import Candidate, Hparams, Item, Match, Memory, Role
from mlreport_batch.formats.kit.documents import (
    YAML_SUFFIXES,
    flatten,
    load_mapping,
    stem_of,
)
from mlreport_batch.read.tail import Chunk

# These say that a training ran here.
_OWN = frozenset([
    "hparams", "hparam", "hyperparams", "hyperparameters", "hyper_params",
    "hyper_parameters", "hps", "hyp", "args", "arguments", "opt", "opts",
    "training_args", "train_args",
])  # fmt: skip
# These stand in data sets, pretrained models and repositories as well.
_SHARED = frozenset([
    "config", "configs", "cfg", "conf", "params", "parameters", "settings",
    "train_config", "training_config", "experiment_config", "run_config",
])  # fmt: skip
# Accelerate puts them into a folder that is named by the time, below the run.
_TIME_FOLDER = re.compile(r"\d{10}\.\d+")


@dataclass(frozen=True, slots=True)
class HparamsFile:
    """``hparams.yaml``, ``args.json``, ``config.yaml`` and their like.

    Python tags are shown, never obeyed; W&B's ``{value: x}`` is unwrapped.
    """

    name: ClassVar[str] = "hparams"
    whole_file: ClassVar[bool] = True

    def matches(self, candidate: Candidate) -> Match | None:
        """Claim a mapping whose file is named after hyperparameters."""
        stem, suffix = stem_of(candidate.name)
        if suffix not in (*YAML_SUFFIXES, ".json"):
            return None
        if suffix == ".json" and candidate.head.lstrip()[:1] not in (b"{", b"\xef"):
            return None
        if stem in _OWN:
            is_below = any(map(_TIME_FOLDER.fullmatch, candidate.parents[:1]))
            return Match(
                Role.hparams,
                levels_up=int(is_below),
                note="hyperparameters by its name",
            )
        if stem in _SHARED and candidate.head.strip():
            return Match(Role.context, note="configuration by its name")
        return None

    def parse(self, chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG002
        """Yield the values, flattened."""
        problems: list[Problem] = []
        document = unwrapped(load_mapping(chunk, problems))
        yield from problems
        if document:
            yield Hparams(flatten(document))


def is_shared(form: str, path: str) -> bool:
    """Return whether a file that *form* read is named as others' configurations are."""
    name = path.rpartition("/")[2]
    return form == HparamsFile.name and stem_of(name)[0] in _SHARED


def unwrapped(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return W&B's ``{lr: {desc: null, value: 0.1}}`` as ``{lr: 0.1}``."""
    own = {key: value for key, value in document.items() if key != "wandb_version"}
    wrapped = own and all(
        isinstance(value, dict)
        and "value" in value
        and value.keys() <= {"value", "desc"}
        for value in own.values()
    )
    if not wrapped:
        return document
    return {key: value["value"] for key, value in own.items() if key != "_wandb"}
