"""Read JSON lines into points, whatever framework wrote them."""

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from mlreport_batch.formats import (
    Anew,
    Chunk,
    Hparams,
    Item,
    Memory,
    Outcome,
    Point,
    Problem,
    Progress,
)
from mlreport_batch.formats.kit.bookkeeping import (
    has_sure_step,
    inner_rank,
    is_bookkeeping,
    may_begin_again,
    outer_rank,
    step_rank,
)
from mlreport_batch.formats.kit.documents import flatten
from mlreport_batch.formats.kit.json_values import (
    BadJsonError,
    check_depth,
    decode,
    leaves,
)
from mlreport_batch.formats.kit.labels import (
    Labels,
    is_evaluation,
    is_kind,
    named_in,
    of_training,
    training_in,
    under,
)
from mlreport_batch.formats.kit.numbers import is_word, value_of
from mlreport_batch.formats.kit.steps import StepCounters
from mlreport_batch.formats.kit.text import lines_of
from mlreport_batch.formats.kit.values import Values, count_of, may_be_measured
from mlreport_batch.safety.clean import clean, shorten
from mlreport_batch.safety.masking.redact import redact_value, shown

NUMBER_KEY = re.compile(r'"([^"\\]{1,80})":\s*(?:-?\d|NaN|-?Infinity)')
_SETTINGS = frozenset(["config", "seed"])
_NO_METRICS = frozenset(["percentage", "total_steps"])  # LLaMA-Factory: a plan


def read_json_lines(
    chunk: Chunk,
    memory: Memory,
    *,
    is_mixed: bool = False,
    steps: tuple[str, ...] = (),
    leave_out: Iterable[str] = (),
    is_labelled: bool = False,
    is_shared: bool = False,
) -> Iterator[Item]:
    """Yield the points of *chunk*; each row is stepped by its surest step key.

    Args:
        chunk: Whole lines.
        memory: See `LogFormat`.
        is_mixed: Whether other text may stand between and before the objects, and
            an object may be printed again (by fairseq, once for each handler that it
            has opened); otherwise the first line that is no object is a problem.
        steps: Step keys that go before the usual ones, surest first.
        leave_out: Top-level keys that are no metrics.
        is_labelled: Whether a row may say in a text which metric, or which part of
            the data, it is about.
        is_shared: Whether a row says which of several trainings it is about.
    """
    items: list[Item] = []
    lines = lines_of(chunk, memory, items)
    yield from items
    row = int(memory.get("row") or 0)
    stood = memory.get("step")
    last = stood if isinstance(stood, float) else None
    counters = StepCounters(memory)
    values = Values(chunk, memory, has_lists=is_labelled)
    hidden = _SETTINGS.union(leave_out)
    labels = Labels(memory)
    for number, line in enumerate(lines, chunk.first_line):
        text = line[max(0, line.find("{")) :] if is_mixed else line
        try:
            entry = _object(text)
        except BadJsonError as error:
            if not is_mixed and not memory.get("bad_lines"):
                yield Problem(chunk.path, number, clean(error.message, 120))
            memory["bad_lines"] = int(memory.get("bad_lines") or 0) + 1
            continue
        if entry is None or (is_mixed and _is_repeated(text, memory)):
            continue
        stated = _step(entry, steps, counters)
        if stated is None and last is not None and (word := _word_for_step(entry)):
            yield from _left_out(word, chunk.path, number, memory)
            continue
        last = last if stated is None else stated
        step = float(row) if last is None else last
        row += 1
        yield from _settings(entry, memory, counters)
        texts = _texts_in(entry) if is_labelled else {}
        words = labels.of(texts) if texts else []
        training = training_in(entry) if is_shared else None
        skipped = hidden if training is None else hidden | {training[0]}
        told = _told(entry, skipped, is_labelled=is_labelled)
        found = list(values.of(told, number))
        for metric, value in found:
            yield Point(_under(words, training, metric), step, value)
        if texts and found:
            labels.watch(found[0][0], texts, stated)
        yield from values.problems()
        yield from labels.items()
    memory["row"] = row
    if last is not None:
        memory["step"] = last
    counters.remember()
    labels.remember()


def _word_for_step(entry: Mapping[str, object]) -> str:
    """Return the word that stands where others count, if any: ``"epoch": "best"``.

    Such a row sums up those above.
    """
    for key, item in entry.items():
        if isinstance(item, str) and is_word(item) and has_sure_step([key]):
            return shorten(shown(str(redact_value(key, item))), 40)
    return ""


def _left_out(word: str, path: str, number: int, memory: Memory) -> Iterator[Problem]:
    """Yield that rows with a *word* for a step are left out, once a log."""
    if not memory.get("sums_up"):
        memory["sums_up"] = True
        text = f"'{word}' where others count; such rows are left out"
        yield Problem(path, number, text)


def _texts_in(entry: Mapping[str, object]) -> dict[str, str]:
    """Return the texts in a row by their names, but for those of clocks."""
    return {
        key: item
        for key, item in entry.items()
        if type(item) is str and (not is_bookkeeping(key) or is_kind(key))
    }


def _told(
    entry: Mapping[str, object], hidden: frozenset[str], *, is_labelled: bool
) -> dict[str, object]:
    """Return what of *entry* may be metrics."""
    if is_labelled and (named := named_in(entry)) is not None:
        return dict([named])
    skipped = hidden | _NO_METRICS if "current_steps" in entry else hidden
    return {key: item for key, item in entry.items() if key not in skipped}


def _under(words: Sequence[str], training: tuple[str, str] | None, metric: str) -> str:
    """Return *metric* under the words and the training that its row is about."""
    name = under(words, metric) if words else metric
    return name if training is None else of_training(*training, name)


def _is_repeated(text: str, memory: Memory) -> bool:
    """Return whether the object before was the same to the letter."""
    crc = zlib.crc32(text.encode("utf-8", "replace"))
    before, memory["object"] = memory.get("object"), crc
    return before == crc


def step_in(entry: Mapping[str, object]) -> float | None:
    """Return the step that a JSON object states by the surest of its names."""
    counts = _counts_in(entry)
    return counts[min(counts)] if counts else None


def object_in(line: str) -> dict[str, Any] | None:
    """Return the JSON object that *line* is, or None."""
    try:
        return _object(line)
    except BadJsonError:
        return None


def numbers_in(line: str) -> list[str] | None:
    """Return the names of the numbers in an object; None if it is none.

    A data set has a few numbers among its texts and gives an empty list.
    """
    try:
        check_depth(line)
        entry = decode(line)
    except BadJsonError:
        return None
    except json.JSONDecodeError as error:
        # Ray repeats its config in each row, so a row can be longer than the head.
        is_cut = error.pos >= len(line) - 1 or error.msg.startswith("Unterminated")
        return NUMBER_KEY.findall(line) if is_cut and len(line) > 4000 else None  # noqa: PLR2004
    if not isinstance(entry, dict):
        return None
    found = list(leaves(entry))
    has_step = has_sure_step(key for key, item in found if count_of(item) is not None)
    names = [
        key for key, item in found if may_be_measured(key, item, has_step=has_step)
    ]
    return names if has_step or 2 * len(names) >= len(found) else []


def _object(line: str) -> dict[str, Any] | None:
    """Return the JSON object in *line*, or None for a blank line.

    Raises:
        BadJsonError: It is something else, or nested too deeply.
    """
    if not line or line.isspace():
        return None
    check_depth(line)
    try:
        entry = decode(line)
    except json.JSONDecodeError as error:
        raise BadJsonError(
            f"no JSON ({error.msg}); such lines are left out", 1
        ) from error
    if not isinstance(entry, dict):
        raise BadJsonError("no JSON object; such lines are left out", 1)
    return entry


def _step(
    entry: Mapping[str, object], preferred: tuple[str, ...], counters: StepCounters
) -> float | None:
    """Return the step that a row states, None for none.

    Frameworks' own step keys, *preferred*, count on over epochs.
    """
    for key in preferred:
        found = count_of(entry.get(key))
        if found is not None and found - found == 0:
            return found
    return step_of(entry, counters)


def step_of(entry: Mapping[str, object], counters: StepCounters) -> float | None:
    """Return the step of a row by the surest names in it, None for none."""
    counts = _counts_in(entry)
    inner, outer, again = _counted_by(tuple(counts))
    if inner is None:
        return None
    if is_evaluation(entry) and (reached := counters.reached(inner)) is not None:
        return reached
    epoch = None if outer is None else counts[outer]
    return counters.at(inner, counts[inner], epoch, outer=outer, begins_again=again)


@lru_cache(maxsize=256)
def _counted_by(
    ranks: tuple[float, ...],
) -> tuple[float | None, float | None, bool]:
    """Return which of the counts of a row steps finest, and which stands beside it."""
    inner = inner_rank(ranks)
    outer = None if inner is None else outer_rank(ranks, inner)
    return inner, outer, outer is not None and may_begin_again(outer)


def _counts_in(entry: Mapping[str, object]) -> dict[float, float]:
    """Return the finite steps and epochs of a row by the ranks of their names."""
    counts: dict[float, float] = {}
    for key, item in entry.items():
        rank = step_rank(key)
        if rank is not None and rank not in counts:
            found = count_of(item)
            if found is not None and found - found == 0:
                counts[rank] = found
    return counts


def _settings(
    entry: Mapping[str, Any], memory: Memory, counters: StepCounters
) -> Iterator[Item]:
    """Yield what a row says beside its metrics.

    Ray repeats ``config`` in every row; it is yielded when it changed.
    """
    if counters.is_anew:
        counters.is_anew = False
        yield Anew()
    config = entry.get("config")
    if isinstance(config, dict) and config:
        text = json.dumps(config, sort_keys=True, default=str)
        crc = zlib.crc32(text.encode("utf-8", "replace"))
        if memory.get("config") != crc:
            memory["config"] = crc
            yield Hparams(flatten(config))
    if "current_steps" in entry and "total_steps" in entry:
        step, total = value_of(entry["current_steps"]), value_of(entry["total_steps"])
        if step is not None and total:
            yield Progress(step, total)
    if entry.get("done") is True and "training_iteration" in entry:
        yield Outcome("finished", "the last row says done")
