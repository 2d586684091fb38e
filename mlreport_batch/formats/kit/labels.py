"""Words by which a row says which metric, part of the data or training it is about."""

import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from mlreport_batch.formats import HINT, Anew, Item, Memory
from mlreport_batch.formats.kit.bookkeeping import is_metric_name, words_of
from mlreport_batch.formats.kit.numbers import to_number
from mlreport_batch.safety.masking.redact import shown_name

_NAMES = ("metric", "metric_name", "name", "key", "tag", "variable", "scalar")
_VALUES = ("value", "metric_value", "scalar_value")
_KINDS = frozenset(
    "class client data dataset domain event fold group kind loop mode part partition "
    "phase set source split stage subset type".split()
)
_TRAININGS = (
    "fold", "fold_id", "kfold", "k_fold", "cv_fold", "run", "run_id", "run_name",
    "trial", "trial_id", "seed", "client", "client_id", "class", "class_id", "worker",
    "worker_id", "agent", "agent_id", "rank", "node",
)  # fmt: skip
_PARTS = frozenset(
    "train training val valid validation eval evaluation test testing dev "
    "학습 훈련 검증 평가".split()
)
_FLAGS = frozenset("true false yes no on off".split())
_LABEL_MAX = 40
_ROWS_MAX = 8
_WORDS_MAX, _KINDS_MAX = 12, 200
_TOLD = f"{HINT}labels"
_ROWS = "labels"
_LABEL_ENDS = re.compile(r"[][():|,;<>{}=*-]+")
_LABEL_WORDS = 4
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
def training_column(names: tuple[str, ...]) -> int | None:
    """Return the index of the column that says which fold, run or seed, or None."""
    return _index(names, _TRAININGS)


def training_in(entry: Mapping[str, object]) -> tuple[str, str] | None:
    """Return the key and text by which a JSON object says which fold, run or seed."""
    for key in _TRAININGS:
        value = entry.get(key)
        if isinstance(value, bool) or value == "":
            continue
        if isinstance(value, int) or (
            isinstance(value, str) and is_numbered(key, value)
        ):
            return key, str(value)
    return None


def is_numbered(name: str, training: str) -> bool:
    """Return whether a column's *name* goes before what it says: ``fold_0``.

    A text under the name of a kind tells by itself what it is.
    """
    return not is_kind(name) or to_number(training) is not None


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


@lru_cache(maxsize=1024)
def is_kind(name: str) -> bool:
    """Return whether a column's *name* says that it tells kinds of rows apart."""
    words = words_of(name)
    return bool(words) and not _KINDS.isdisjoint((words[0], words[-1]))


class Labels:
    """Which texts in the rows of a log tell its curves apart.

    A part of the data (``train``) under the name of a kind (``phase``, ``event``)
    does from the first row on. Any other word does where a metric stands in rows of
    another one as well; and under any other name where it does so at the same step.
    What was read before that is seen must be read again.
    """

    __slots__ = ("_is_anew", "_memory", "_rows", "_told")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        told = memory.get(_TOLD)
        self._told = tuple(told.split("\n")) if isinstance(told, str) else ()
        rows = memory.get(_ROWS)
        self._rows = dict(
            line.split(" ", 1) for line in str(rows or "").splitlines() if " " in line
        )
        self._is_anew = False

    def of(self, texts: Mapping[str, str]) -> list[str]:
        """Return the words under which the metrics of a row go.

        Args:
            texts: What texts stand in the row, by the names of their columns.
        """
        told = self._told
        return [
            text
            for name, text in texts.items()
            if text and (name in told or (is_part(text) and is_kind(name)))
        ]

    def watch(self, metric: str, texts: Mapping[str, str], step: float | None) -> None:
        """Look whether one more text tells rows apart.

        Args:
            metric: What the row measures, or the first of it.
            texts: As above.
            step: The step that the row states.
        """
        told = (text for name, text in texts.items() if name in self._told)
        under_told = under(told, metric)
        for name, text in texts.items():
            may_tell = 0 < len(text) <= _LABEL_MAX and text.lower() not in _FLAGS
            if may_tell and name not in self._told:
                key = f"{_crc(name)}{_crc(under_told)}"
                self._look(name, key, _crc(text), str(step))

    def _look(self, name: str, key: str, text: str, step: str) -> None:
        before = self._rows.get(key)
        if before is None:
            if len(self._rows) < _ROWS_MAX:
                self._rows[key] = f"{step} {text}"
            return
        at, *seen = before.split(" ")
        if not seen:
            return  # it says too much to tell kinds
        last = seen[-1]
        # A message says something else in every row.
        comes_again = text in seen and len(seen) > 1
        if text in seen:
            seen.remove(text)
        elif len(seen) >= (_KINDS_MAX if is_kind(name) else _WORDS_MAX):
            self._rows[key] = "-"
            return
        self._rows[key] = " ".join([step, *seen, text])
        is_at_one_step = text != last and at == step != "None"
        if comes_again and (is_kind(name) or is_at_one_step):
            self._told = (*self._told, name)
            self._memory[_TOLD] = "\n".join(self._told)
            self._is_anew = True

    def items(self) -> Iterator[Item]:
        """Yield that the log must be read from its start, once where it must."""
        if self._is_anew:
            self._is_anew = False
            yield Anew()

    def remember(self) -> None:
        """Put into the memory what must outlive a chunk."""
        if self._rows:
            rows = (f"{key} {value}" for key, value in self._rows.items())
            self._memory[_ROWS] = "\n".join(rows)


def _crc(text: str) -> str:
    return f"{zlib.crc32(text.encode('utf-8', 'replace')):08x}"


def under(labels: Iterable[str], name: str) -> str:
    """Return *name* under the words that its row goes by."""
    for label in labels:
        name = (
            labelled(label, name) if is_part(label) else f"{shown_name(label)}/{name}"
        )
    return name


def part_in(text: str) -> str:
    """Return the part of the data that the last label in *text* names, or nothing.

    ``2026 | INFO | valid |`` and ``Test set:`` are about one, a sentence is not.
    """
    label = next(filter(str.strip, reversed(_LABEL_ENDS.split(text))), "")
    words = label.lower().split()
    if words and len(words) <= _LABEL_WORDS and words[0].strip("'\"") in _PARTS:
        return words[0].strip("'\"")
    return ""


def labelled(split: str, name: str) -> str:
    """Return *name* under its *split*, where that is one and *name* says none."""
    part = _normal(split)
    if part not in _PARTS or _FIRST_WORD.split(_normal(name))[0] in _PARTS:
        return name
    return f"{part}/{name}"


def of_training(key: str, training: str, name: str) -> str:
    """Return *name* under the *training* that its row is about: ``fold_0/loss``."""
    return f"{_normal(key)}_{shown_name(training)}/{name}" if training else name
