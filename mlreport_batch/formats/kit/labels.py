"""Words by which a row says which metric, part of the data or training it is about."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from mlreport_batch.formats.kit.bookkeeping import is_metric_name
from mlreport_batch.safety.masking.redact import shown_name

_NAMES = ("metric", "metric_name", "name", "key", "tag", "variable", "scalar")
_VALUES = ("value", "metric_value", "scalar_value")
_SPLITS = ("phase", "split", "mode", "stage", "subset", "data_split", "dataset_split")
_TRAININGS = (
    "fold", "fold_id", "kfold", "k_fold", "cv_fold", "run", "run_id", "run_name",
    "trial", "trial_id", "seed",
)  # fmt: skip
_PARTS = frozenset(
    "train training val valid validation eval evaluation test testing dev".split()
)
_FIRST_WORD = re.compile(r"[^a-z]")


def _normal(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _index(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    normal = [_normal(name) for name in names]
    return next((normal.index(name) for name in wanted if name in normal), None)


@lru_cache(maxsize=256)
def named_column(names: tuple[str, ...]) -> tuple[int, int] | None:
    """Return the indexes of the column of names and of that of values, or None.

    Beside other metrics, a name is that of a run, and a value one of them.
    """
    of_name, of_value = _index(names, _NAMES), _index(names, _VALUES)
    if of_name is None or of_value is None:
        return None
    others = (name for at, name in enumerate(names) if at not in (of_name, of_value))
    return None if any(map(is_metric_name, others)) else (of_name, of_value)


@lru_cache(maxsize=256)
def split_column(names: tuple[str, ...]) -> int | None:
    """Return the index of the column that says which part of the data, or None."""
    return _index(names, _SPLITS)


@lru_cache(maxsize=256)
def training_column(names: tuple[str, ...]) -> int | None:
    """Return the index of the column that says which fold, run or seed, or None."""
    return _index(names, _TRAININGS)


def training_in(entry: Mapping[str, object]) -> tuple[str, str] | None:
    """Return the key and text by which a JSON object says which fold, run or seed."""
    for key in _TRAININGS:
        value = entry.get(key)
        if isinstance(value, int | str) and not isinstance(value, bool) and value != "":
            return key, str(value)
    return None


def is_shared(rows: Iterable[tuple[str, float | None]]) -> bool:
    """Return whether several trainings count their steps in the same log.

    Args:
        rows: Training and step of each row. One seed for all of them, or another
            one for every step, tells nothing apart.
    """
    before, highest = "", -math.inf
    for training, step in rows:
        if step is None or not training:
            continue
        if training != before and step <= highest:
            return True
        before, highest = training, max(highest, step)
    return False


def split_in(entry: Mapping[str, object]) -> str:
    """Return the part of the data that a JSON object is about, or nothing."""
    for key in _SPLITS:
        value = entry.get(key)
        if isinstance(value, str) and is_part(value):
            return value
    return ""


def is_evaluation(entry: Mapping[str, object]) -> bool:
    """Return whether a JSON object is mmcv's word on an evaluation.

    The ``iter`` in it is the number of batches that were evaluated, whatever stands
    the training had reached (mmcv 1.x, ``EvalHook`` and ``TextLoggerHook``).
    """
    return entry.get("mode") == "val" and "iter" in entry and "epoch" in entry


def named_in(entry: Mapping[str, object]) -> tuple[str, object] | None:
    """Return the name and value that a JSON object is about, or None."""
    value = entry.get("value")
    if value is None:
        return None
    if any(is_metric_name(key) for key in entry if key not in _NAMES):
        return None
    for key in _NAMES:
        name = entry.get(key)
        if isinstance(name, str) and name:
            return name, value
    return None


def is_part(name: str) -> bool:
    """Return whether *name* is that of a part of the data, and no more."""
    return _normal(name) in _PARTS


def labelled(split: str, name: str) -> str:
    """Return *name* under its *split*, where that is one and *name* says none."""
    part = _normal(split)
    if part not in _PARTS or _FIRST_WORD.split(_normal(name))[0] in _PARTS:
        return name
    return f"{part}/{name}"


def of_training(key: str, training: str, name: str) -> str:
    """Return *name* under the *training* that its row is about: ``fold_0/loss``."""
    return f"{_normal(key)}_{shown_name(training)}/{name}" if training else name
