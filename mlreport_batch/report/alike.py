"""Which hyperparameters tell runs apart, and which runs have the same ones.

A hyperparameter is told by its name: a seed, or one that says where and when a run
was made and nothing of what it learns (its own name, places, devices, workers, times).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from mlreport_batch.report.intended import canonical
from mlreport_batch.safety.clean import Scalar

Role = Literal["", "seed", "incidental"]

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PLACES = frozenset(
    "dir dirs directory path paths folder root file filename cwd log logs out "
    "output outputs".split()
)
_DATA = frozenset(
    "data dataset datasets train val valid validation test corpus model pretrained "
    "init weights".split()
)
_DEVICES = frozenset("device devices gpu gpus cuda accelerator hostname host".split())
_WORKERS = frozenset("workers jobs threads prefetch procs processes".split())
_TIMES = frozenset("time date timestamp datetime".split())
_OWN = frozenset(
    "run exp experiment trial job session sweep wandb mlflow name id uuid version "
    "number index tag tags note notes group project entity hash commit git sha user "
    "pid port created started updated at".split()
)
_WRAPS = frozenset("args kwargs init params config cfg conf opts options".split())
_KEEPERS = _OWN | frozenset("logger loggers logging tracker tracking hydra".split())
"""Sections that tell of the run; of any other section, the name is what it is."""
_RANKS = frozenset("local global node process".split())

Settings = tuple[tuple[str, str], ...]
"""(hyperparameter, canonical value), sorted: equal for runs that learn the same."""


@lru_cache(maxsize=8192)
def role_of(key: str) -> Role:
    """Return what a hyperparameter is for: empty for what a run learns with.

    A path that leads to data or to a model is one of those; LoRA's rank is too, and
    so is the name of an optimizer, ``optim.name``.
    """
    *sections, words = map(_words, key.replace("/", ".").split("."))
    if "seed" in words or words[-2:] == ["random", "state"]:
        return "seed"
    if not words:
        return ""
    last = words[-1]
    is_place = last in _PLACES and _DATA.isdisjoint(words)
    is_machine = not _DEVICES.isdisjoint(words) or last in _WORKERS
    is_rank = last == "rank" and words[0] in _RANKS
    is_own = _OWN.issuperset(words) and _is_of_run(sections)
    is_incidental = is_place or is_machine or is_rank or is_own or last in _TIMES
    return "incidental" if is_incidental else ""


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _is_of_run(sections: Sequence[Sequence[str]]) -> bool:
    """Return whether what stands in some sections tells of the run as a whole."""
    telling = (words for words in reversed(sections) if not _WRAPS.issuperset(words))
    return not _KEEPERS.isdisjoint(next(telling, _OWN))


def settings_of(hparams: Mapping[str, Scalar]) -> Settings:
    """Return what a run learns with, whatever its seed, place, machine and time."""
    return _of_role(hparams, "")


def seeds_of(hparams: Mapping[str, Scalar]) -> Settings:
    """Return the seeds of a run."""
    return _of_role(hparams, "seed")


def _of_role(hparams: Mapping[str, Scalar], role: Role) -> Settings:
    return tuple(
        sorted((k, canonical(v)) for k, v in hparams.items() if role_of(k) == role)
    )


def varying(runs: Mapping[str, Mapping[str, Scalar]]) -> tuple[str, ...]:
    """Return the hyperparameters that differ among *runs*, in the order they state.

    One that some runs do not state differs too. Text that only repeats the run's own
    name tells nothing.

    Args:
        runs: Hyperparameters by the run's name.
    """
    return tuple(key for key in _union(runs.values()) if _varies(key, runs))


def _union(mappings: Iterable[Mapping[str, Scalar]]) -> Sequence[str]:
    keys: dict[str, None] = {}
    for each in mappings:
        keys.update(dict.fromkeys(each))
    return [key for key in keys if not role_of(key)]


def _varies(key: str, runs: Mapping[str, Mapping[str, Scalar]]) -> bool:
    values = {
        canonical(hparams[key]) if key in hparams else None for hparams in runs.values()
    }
    return len(values) > 1 and not all(
        _is_name(hparams.get(key), name) for name, hparams in runs.items()
    )


def _is_name(value: Scalar, name: str) -> bool:
    own = name.rpartition("/")[2]
    return isinstance(value, str) and len(own) > 1 and own in value


def differing(
    first: Mapping[str, Scalar], second: Mapping[str, Scalar]
) -> tuple[str, ...]:
    """Return the hyperparameters that two runs do not share."""
    return varying({"": first, " ": second})
