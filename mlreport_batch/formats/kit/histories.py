"""Histories in a JSON document, whatever their shape and however deep they lie."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from mlreport_batch.formats.kit.bookkeeping import (
    has_sure_step,
    is_bookkeeping,
    is_log_name,
    is_loss,
    is_measure,
    sounds_like_metrics,
    step_rank,
    words_of,
)
from mlreport_batch.formats.kit.json_values import leaves
from mlreport_batch.formats.kit.labels import is_part
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.formats.kit.trainings import tells_of_training

_SETTINGS = frozenset(["config", "configs", "args", "params", "hparams", "versions"])
_COUNTED = re.compile(r"(?i)([^\W\d_]*)[ _:-]*([0-9]{1,12})")
_TRAININGS_MAX = 100
_HOLDERS = frozenset("data entries epochs points records rows steps values".split())

_SPLIT = frozenset("columns index data index_names column_names".split())

Rows = Sequence[Mapping[str, object]]
Columns = Mapping[str, Sequence[object]]


class History(Struct, frozen=True):
    """Values over steps at one place of a document: rows, or else columns.

    Attributes:
        above: The keys above it, outermost first.
        rows: Objects of names and values.
        columns: Lists of numbers and blanks by their names.
    """

    above: tuple[str, ...]
    rows: Rows = ()
    columns: Columns = {}

    def names(self) -> list[str]:
        """Return what has a number in its first row, or the names of its columns."""
        return _numbers_of(self.rows[0]) if self.rows else list(self.columns)


class Single(Struct, frozen=True):
    """A value that is part of no history, and the keys that lead to it."""

    keys: tuple[str, ...]
    value: object


def told_in(
    document: object, *, is_history: bool, may_lack_steps: bool
) -> Iterator[History | Single]:
    """Yield what a *document* holds, in its order; settings are passed over.

    Args:
        document: What the JSON says.
        is_history: Whether the file's name says that its values are such over steps:
            elsewhere ``{"0": 0.5, "1": 0.4}`` may be about two classes.
        may_lack_steps: Whether rows without a step are counted.
    """
    if isinstance(document, list):
        if _are_rows(document, may_lack_steps):
            yield History((), rows=document)
    elif isinstance(document, dict):
        told = {key: item for key, item in document.items() if key not in _SETTINGS}
        yield from _told(told, (), is_history, may_lack_steps)


def _told(
    node: Mapping[str, object],
    above: tuple[str, ...],
    is_history: bool,
    may_lack_steps: bool,
) -> Iterator[History | Single]:
    node = _joined(node)
    if rows := _rows_by_step(node, is_history):
        yield History(above, rows=rows)
        return
    if columns := _columns_of(node, is_history):
        yield History(above, columns=columns)
    for key, item in node.items():
        here = (*above, key)
        if key in columns:
            continue
        if pairs := _pairs_in(key, item):
            steps, values = zip(*pairs, strict=True)
            yield History(above, columns={"step": steps, key: values})
            continue
        if isinstance(item, dict):
            if "_type" not in item:  # W&B's media
                yield from _told(item, here, is_history, may_lack_steps)
        elif isinstance(item, list):
            if _are_rows(item, may_lack_steps):
                yield History(here, rows=item)
        else:
            yield Single(here, item)


def _joined(node: Mapping[str, object]) -> Mapping[str, object]:
    """Return the columns of a table that has its names in one list, rows in another.

    ``{"columns": ["epoch", "loss"], "index": [0], "data": [[1, 0.5]]}`` is what pandas
    writes (``orient="split"`` and ``"tight"``). An index that does not count rows from
    0 is the step where no column is. Other nodes are returned as they are.
    """
    names, rows = node.get("columns"), node.get("data")
    if (
        not isinstance(names, list)
        or not isinstance(rows, list)
        or node.keys() - _SPLIT
    ):
        return node
    keys = [name for name in names if isinstance(name, str)]
    # The last row of a document that was read in part may be cut.
    cells = [row for row in rows if isinstance(row, list) and len(row) == len(keys)]
    is_table = 0 < len(keys) == len(set(keys)) == len(names)
    if not is_table or not cells or len(rows) - len(cells) > (rows[-1] != cells[-1]):
        return node
    columns: dict[str, object] = {
        key: [row[at] for row in cells] for at, key in enumerate(keys)
    }
    index = node.get("index")
    if not isinstance(index, list) or any(step_rank(key) is not None for key in keys):
        return columns
    steps = [step for step in index[: len(cells)] if type(step) is int]
    is_count = len(steps) == len(cells) and steps == sorted(set(steps))
    if is_count and steps[0] >= 0 and steps != list(range(len(steps))):
        return {"step": steps, **columns} if tells_of_training(keys) else columns
    return columns


def _are_rows(items: list[object], may_lack_steps: bool) -> bool:
    if not items or not all(isinstance(item, dict) for item in items):
        return False
    names = _numbers_of(items[0])
    if all(map(is_bookkeeping, names)):
        names = [name for item in items[1:2] for name in _numbers_of(item)]
    if has_sure_step(names) or (may_lack_steps and sounds_like_metrics(names)):
        return True
    return tells_of_training(names) and any(step_rank(n) is not None for n in names)


def _numbers_of(row: object) -> list[str]:
    """Return the names of a row's numbers, or of those of its first inner row."""
    if not isinstance(row, dict):
        return []
    found = [key for key, item in leaves(row) if value_of(item) is not None]
    inner = (item[0] for item in row.values() if isinstance(item, list) and item)
    return found or next(filter(None, map(_numbers_of, inner)), [])


def _rows_by_step(node: Mapping[str, object], is_history: bool) -> Rows:
    """Return the rows of ``{"epoch_1": {"loss": 0.5}, ...}``, each with its step."""
    counted = _counts(node)
    if counted is None or not all(isinstance(item, dict) for item in node.values()):
        return ()
    name, counts = counted
    rows = [item for item in node.values() if isinstance(item, dict)]
    names = [one for row in rows[:2] for one in _numbers_of(row)]
    if not name and not is_history and not any(map(is_loss, names)):
        return ()
    if not names or not sounds_like_metrics(names) or "support" in names:
        return ()  # a report of classes
    step = name or "step"
    return [{step: at, **row} for at, row in zip(counts, rows, strict=True)]


def _counts(node: Mapping[str, object]) -> tuple[str, list[int]] | None:
    """Return the word and numbers of keys that count upwards, None for others."""
    found = [_COUNTED.fullmatch(key) for key in node]
    matches = [match for match in found if match is not None]
    if not matches or len(matches) < len(found):
        return None
    words = {match[1] for match in matches}
    counts = [int(match[2]) for match in matches]
    if len(words) > 1 or counts != sorted(set(counts)):
        return None
    (word,) = words
    return None if word and step_rank(word) is None else (word, counts)


def _columns_of(node: Mapping[str, object], is_history: bool) -> Columns:
    """Return the lists of numbers in *node*; a list with a name in it is none."""
    columns: dict[str, Sequence[object]] = {}
    is_told = is_history or any(is_loss(key) or step_rank(key) == 0 for key in node)
    for key, item in node.items():
        if _pairs_in(key, item):
            continue
        if trainings := _trainings_in(key, item):
            columns |= {f"{key}/{at}": inner for at, inner in enumerate(trainings)}
            continue
        if isinstance(item, list) and item:
            values: Sequence[object] = item
        elif is_told and isinstance(item, dict) and item and _counts(item) is not None:
            values = list(item.values())  # as pandas writes a frame
        else:
            continue
        if all(one is None or value_of(one) is not None for one in values):
            columns[key] = values
    return columns


def _pairs_in(key: str, item: object) -> list[tuple[float, object]]:
    """Return the steps and values of ``"loss": [[10, 0.5], [20, 0.4]]``, if it is such.

    Of one pair alone nobody knows, but a whole number before a fraction.
    """
    if not isinstance(item, list) or not item or not is_measure(key):
        return []
    pairs: list[tuple[float, object]] = []
    for one in item:
        if not isinstance(one, list) or len(one) != 2:  # noqa: PLR2004
            return []
        step, value = value_of(one[0]), value_of(one[1])
        if step is None or not step.is_integer() or step < 0:
            return []
        if value is None and one[1] is not None:
            return []
        if pairs and step <= pairs[-1][0]:
            return []
        pairs.append((step, one[1]))
    only = value_of(pairs[0][1])
    is_sure = len(pairs) > 1 or (only is not None and not only.is_integer())
    return pairs if is_sure else []


def _trainings_in(key: str, item: object) -> list[list[object]]:
    """Return the lists of what was measured in each of several trainings, if any."""
    is_trained = is_measure(key) and (is_loss(key) or any(map(is_part, words_of(key))))
    if not is_trained or not isinstance(item, list) or len(item) > _TRAININGS_MAX:
        return []
    inner = [one for one in item if isinstance(one, list) and one]
    is_all = len(inner) == len(item)
    numbers = (value_of(number) for one in inner for number in one)
    return inner if is_all and None not in numbers else []


def steps_of(columns: Columns) -> list[float]:
    """Return the finite values of the column that best counts steps, if any."""
    best: tuple[float, list[float]] | None = None
    for key, item in columns.items():
        rank = step_rank(key)
        if rank is None:
            continue
        values = [value for value in map(value_of, item) if value is not None]
        is_whole = len(values) == len(item) and all(v - v == 0 for v in values)
        if is_whole and (best is None or rank < best[0]):
            best = rank, values
    return [] if best is None else best[1]


def prefixes(found: Sequence[History]) -> list[str]:
    """Return what stands before the names of each history, or nothing.

    ``{"history": {"loss": ...}}`` is ``loss``, ``{"train": ..., "val": ...}`` tell
    their parts. ``{"train_log": ..., "val_log": ...}`` do where their names are equal.
    """
    short = ["/".join(_kept(history.above, is_short=True)) for history in found]
    names: dict[str, int] = {}
    for prefix, history in zip(short, found, strict=True):
        for name in {f"{prefix}/{name}" for name in history.names()}:
            if not is_bookkeeping(name.rpartition("/")[2]):
                names[name] = names.get(name, 0) + 1
    return [
        "/".join(_kept(history.above, is_short=False))
        if any(names.get(f"{prefix}/{name}", 0) > 1 for name in history.names())
        else prefix
        for prefix, history in zip(short, found, strict=True)
    ]


def _kept(above: tuple[str, ...], *, is_short: bool) -> Iterator[str]:
    """Yield those of the keys that tell histories apart."""
    for key in above:
        words = words_of(key)
        others = [word for word in words if not _is_holder(word)]
        if is_part(key) or any(not is_part(word) for word in others) or not words:
            yield key
        elif not is_short:
            yield "_".join(others) or key


@lru_cache(maxsize=256)
def _is_holder(word: str) -> bool:
    return (is_log_name(word) or word in _HOLDERS) and not is_part(word)
