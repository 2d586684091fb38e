"""Hyperparameters in files that are named after them, whatever wrote them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Hparams,
    Item,
    LogFormat,
    Match,
    Memory,
    Problem,
    Role,
)
from mlreport_batch.formats.kit.documents import (
    SETTINGS_SUFFIXES,
    YAML_SUFFIXES,
    flatten,
    load_mapping,
    stem_of,
)
from mlreport_batch.formats.kit.settings_text import are_settings
from mlreport_batch.safety.encoding import to_text

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
# What a name ends in that was made up: `exp_cfg`, `ppo-args`. As the shared ones.
_ENDS = frozenset([
    "config", "configs", "cfg", "conf", "configuration", "args", "arguments", "params",
    "parameters", "hparams", "hyperparams", "hyperparameters", "settings", "opts",
    "opt", "options",
])  # fmt: skip
# Of models, tokenizers, data and programs, and no setting of a training.
_OTHERS = frozenset([
    "tokenizer", "tokens", "generation", "preprocessor", "processor", "extractor",
    "adapter", "dataset", "data", "log", "logging", "logger", "deploy", "docker",
    "launch", "test", "eval", "export", "quantization", "quantize",
])  # fmt: skip
_WORD = re.compile(r"[a-z]+")
# Accelerate puts them into a folder that is named by the time, below the run.
_TIME_FOLDER = re.compile(r"\d{10}\.\d+")


def _matches(candidate: Candidate) -> Match | None:
    """Claim a mapping whose file is named after hyperparameters."""
    stem, suffix = stem_of(candidate.name)
    if suffix not in (*YAML_SUFFIXES, *SETTINGS_SUFFIXES, ".json"):
        return None
    if suffix in (".json", ".txt") and not _is_mapping(candidate.head, suffix):
        return None
    if stem in _OWN:
        is_below = any(map(_TIME_FOLDER.fullmatch, candidate.parents[:1]))
        return Match(
            Role.hparams,
            levels_up=int(is_below),
            note="hyperparameters by its name",
        )
    is_named = _is_shared_name(stem) or (
        suffix in YAML_SUFFIXES and candidate.parents[:1] == ("params",)
    )
    if is_named and candidate.head.strip():
        return Match(Role.context, note="configuration by its name")
    return None


def _is_mapping(head: bytes, suffix: str) -> bool:
    if head.lstrip()[:1] in (b"{", b"\xef"):
        return True
    return suffix == ".txt" and are_settings(to_text(head))


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the values, flattened."""
    problems: list[Problem] = []
    document = unwrapped(load_mapping(chunk, problems))
    yield from problems
    if document:
        yield Hparams(flatten(document))


HPARAMS_FILE = LogFormat(
    name="hparams",
    matches=_matches,
    parse=_parse,
    whole_file=True,
)
"""``hparams.yaml``, ``args.json``, ``config.toml``, ``opt.txt`` and their like.

So are the files in Isaac Lab's ``params/``, ``agent.yaml`` and ``env.yaml``.
Python tags are shown, never obeyed; W&B's ``{value: x}`` is unwrapped.
"""


def is_shared(form: str, path: str) -> bool:
    """Return whether a file that *form* read is named as others' configurations are."""
    name = path.rpartition("/")[2]
    return form == HPARAMS_FILE.name and _is_shared_name(stem_of(name)[0])


def _is_shared_name(stem: str) -> bool:
    """Return whether a name, in small, is that of a configuration of something."""
    if stem in _OWN:
        return False
    words = _WORD.findall(stem)
    is_named = bool(words) and words[-1] in _ENDS and _OTHERS.isdisjoint(words)
    return is_named or stem in _SHARED


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
