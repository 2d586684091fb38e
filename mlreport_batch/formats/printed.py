"""What trainings print: any line that states a step and says how well it goes.

Such a file is used only where a run has no log that is written for machines.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

from mlreport_batch.formats import (
    Anew,
    Candidate,
    Chunk,
    Hparams,
    Item,
    LogFormat,
    Match,
    Memory,
    Point,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import (
    AGE_RANKS,
    BATCH_RANKS,
    EPOCH_RANKS,
    inner_rank,
    is_bookkeeping,
    is_log_name,
    outer_rank,
)
from mlreport_batch.formats.kit.boxes import box_in
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.documents import flatten, stem_of
from mlreport_batch.formats.kit.json_values import load_document
from mlreport_batch.formats.kit.named_numbers import states_of
from mlreport_batch.formats.kit.numbers import to_number
from mlreport_batch.formats.kit.prints import BATCH, Print, read_print
from mlreport_batch.formats.kit.steps import StepCounters
from mlreport_batch.formats.kit.text import PRINTED, head_lines, lines_of
from mlreport_batch.formats.kit.underlined import row_in
from mlreport_batch.safety.contents import read_head
from mlreport_batch.safety.masking.redact import shown_name

_SURE_SUFFIXES: Final = (".log", ".out", ".err")
_POINTS_MIN: Final = 2  # in a file that may be any text
_TOLD_MAX: Final = 200  # metrics
_END: Final = 32 * 1024
_MORE: Final = 120 * 1024
_BEFORE_EPOCHS: Final = -1.0

_XGBOOST = re.compile(r"(?:.*\s)?\[(?P<step>\d{1,9})\]\t(?P<pairs>\S.*)")
_CATBOOST = re.compile(r"(?:.*\s)?(?P<step>\d{1,9}):\t(?P<pairs>learn: \S.*)")
_PAIR = re.compile(r"(?P<name>[^\t:]+?) ?: ?(?P<value>[^\s+]+)(?: ?\+ ?\S+)?")
_COMPOSER = re.compile(
    r"\[metric\]\[(?:batch|epoch|step|iteration)=(?P<step>\d{1,12})\]: "
    r"(?P<name>[^:]+(?::[^: ]+)*): (?P<value>\S+)"
)
_COMPOSER_HPARAM = re.compile(r"\[hyperparameter\]: (?P<name>[^:]+): (?P<value>.*)")
# LightGBM says so after an early stop, and repeats that iteration's lines below.
_BEFORE_CODE = re.compile(r"\s*File \"[^\"]*\", line \d+")  # in a stack trace
_REPEATS_NEXT = (
    "Early stopping, best iteration is:",
    "Best iteration is:",
    "Output of best iteration round:",
)


class _Lines:
    """The printed lines of one chunk; what must outlive it goes to memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._commas = Commas(memory)
        self._counters = StepCounters(memory)
        step, epoch = memory.get("step"), memory.get("epoch")
        self._step = step if isinstance(step, float) else None
        self._epoch = epoch if isinstance(epoch, float) else None
        self._is_fine = bool(memory.get("is_fine"))
        self._told_at = memory.get("told at")
        self._told = set(str(memory.get("told") or "").split())

    def read(self, lines: Iterable[str]) -> Iterator[Item]:
        """Yield what *lines* say, then put into memory what must outlive them."""
        for line in lines:
            text = line.rstrip()
            if self._memory.pop("is_code", False):
                continue
            if text.endswith(_REPEATS_NEXT):
                self._memory["again"] = True
                continue
            if _BEFORE_CODE.match(text):
                self._memory["is_code"] = True
                continue
            items = self._items_of(text)
            yield from self._unrepeated(items) if "again" in self._memory else items
        self._remember()

    def _items_of(self, text: str) -> Iterable[Item]:
        box = box_in(text, self._memory)
        if box is None:
            box = row_in(text, self._memory, self._commas)
        if box is not None:
            return [Point(shown_name(n), box.step, value) for n, value in box.values]
        own = _own_shape(text)
        return self._of_line(text) if own is None else own

    def _unrepeated(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield *items* but for points of the iteration that is printed again."""
        for item in items:
            again = self._memory.get("again")
            if type(item) is Point and again is not None:
                if again is True or again == item.step:
                    self._memory["again"] = float(item.step)
                    continue
                del self._memory["again"]
            yield item

    def _of_line(self, line: str) -> Iterator[Item]:
        """Yield the points of a line; of a bar those that it ends with."""
        shown = [
            said
            for state in states_of(line)
            if (said := read_print(state, self._commas)) is not None
        ]
        is_in_epoch = self._epoch is not None
        for at, said in enumerate(shown, 1):
            is_last = at == len(shown)
            if is_last or not said.is_drawn_over_by(shown[at], is_in_epoch=is_in_epoch):
                yield from self._of_print(said)

    def _of_print(self, said: Print) -> Iterator[Item]:
        if said.fold:
            self._memory["fold"] = said.fold
        if not said.values or not said.is_told:
            self._enter(said)
            return
        if self._is_of_other_process(said):
            return
        step = self._step_of(said)
        if self._counters.is_anew:
            self._counters.is_anew = False
            yield Anew()
        if step is None or self._is_repeated(step, said):
            return
        fold = str(self._memory.get("fold") or "")
        for name, value in said.values:
            metric = shown_name(name)
            is_first = self._is_first_at(step, metric)
            if metric and (said.counts or is_first):
                yield Point(f"{fold}/{metric}" if fold else metric, step, value)

    def _enter(self, said: Print) -> None:
        """Enter the epoch, or another count, that a line by itself announces."""
        if said.values or said.is_bar or not said.counts or said.part:
            return
        count = said.counts[0]
        if len(said.counts) > 1 or count.rank not in EPOCH_RANKS:
            is_next = self._step is None or count.number >= self._step
            # `[step=130/10000,epoch=0]`, `Iteration 100, Testing net`
            if said.is_whole or (said.is_headed and is_next):
                self._step_of(said)
            return
        self._epoch = count.number
        if not self._is_fine:
            self._step = count.number

    def _step_of(self, said: Print) -> float | None:
        """Return the step of what a line says, None where it is not to be used."""
        counts = {count.rank: count.number for count in reversed(said.counts)}
        epoch = next((counts[rank] for rank in EPOCH_RANKS if rank in counts), None)
        if said.part:  # whose batches are no steps of the training
            for rank in BATCH_RANKS:
                counts.pop(rank, None)
        elif said.inner is not None and not self._is_end(said, epoch):
            if said.is_bar and (epoch is not None or self._epoch is not None):
                return None  # the end of the bar tells more
            counts.setdefault(BATCH, said.inner.number)
        if not counts:
            return self._step if said.is_whole or said.inner is not None else None
        inner = inner_rank(counts)
        if inner is None:
            return None
        if inner in EPOCH_RANKS:
            return self._at_epoch(inner, counts[inner])
        return self._at_fine(inner, counts, epoch)

    def _is_end(self, said: Print, epoch: float | None) -> bool:
        """Return whether a count without a name only says that an epoch is over."""
        inner = said.inner
        if inner is None or inner.number != inner.total:
            return False
        if said.is_bar:
            return epoch is not None or self._epoch is not None
        return not self._is_fine and self._epoch is not None

    def _at_epoch(self, rank: float, number: float) -> float | None:
        """Return where an epoch stands among the steps of its log."""
        self._epoch = number
        if self._is_fine:
            return self._step
        self._step = self._counters.at(rank, number, None)
        return self._step

    def _at_fine(
        self, inner: float, counts: dict[float, float], epoch: float | None
    ) -> float:
        if epoch is not None:
            self._epoch = epoch
        outer = outer_rank(counts, inner)
        if outer is None:
            # What was announced above; before the first epoch it is not yet.
            stands = _BEFORE_EPOCHS if self._epoch is None else self._epoch
            found = self._counters.at(inner, counts[inner], stands)
        else:
            again = outer in AGE_RANKS
            found = self._counters.at(
                inner, counts[inner], counts[outer], begins_again=again
            )
        self._step, self._is_fine = found, True
        return found

    def _is_of_other_process(self, said: Print) -> bool:
        """Return whether another process prints the same: the first one counts."""
        if said.process is None:
            return False
        return self._memory.setdefault("process", said.process) != said.process

    def _is_first_at(self, step: float, metric: str) -> bool:
        """Return whether no line before told the same of this step.

        What follows is mostly told of one class after the other.
        """
        if self._told_at != step:
            self._told_at, self._told = step, set()
        mark = _mark_of(metric)
        if mark in self._told or len(self._told) >= _TOLD_MAX:
            return False
        self._told.add(mark)
        return True

    def _is_repeated(self, step: float, said: Print) -> bool:
        """Return whether the last points were the same: two handlers print them."""
        crc = zlib.crc32(repr((step, said.values)).encode("utf-8", "replace"))
        before, self._memory["said"] = self._memory.get("said"), crc
        return before == crc

    def _remember(self) -> None:
        memory = self._memory
        if self._step is not None:
            memory["step"] = float(self._step)
        if self._epoch is not None:
            memory["epoch"] = float(self._epoch)
        if self._is_fine:
            memory["is_fine"] = True
        if self._told:
            memory["told at"] = self._told_at
            memory["told"] = " ".join(sorted(self._told))
        self._counters.remember()


@lru_cache(maxsize=4096)
def _mark_of(metric: str) -> str:
    """Return what is kept of a metric's name."""
    return f"{zlib.crc32(metric.encode('utf-8', 'replace')):x}"


def _own_shape(text: str) -> list[Item] | None:
    """Return what a line of XGBoost, CatBoost or Composer says, None of others."""
    if "\tlearn: " in text and (found := _CATBOOST.fullmatch(text)) is not None:
        return _pairs(found)
    if "[" not in text:
        return None
    if text.startswith("[hyperparameter]"):
        told = _COMPOSER_HPARAM.fullmatch(text)
        if told is None:
            return []
        return [Hparams(flatten({told["name"]: _plain(told["value"])}))]
    found = _COMPOSER.fullmatch(text)
    if found is not None:
        return _points(found["step"], [(found["name"], found["value"])])
    found = _XGBOOST.fullmatch(text)
    return None if found is None else _pairs(found) or None


def _pairs(found: re.Match[str]) -> list[Item]:
    """Return the points of names and values between tabs."""
    pairs = (_PAIR.fullmatch(part.strip()) for part in found["pairs"].split("\t"))
    return _points(found["step"], [(p["name"], p["value"]) for p in pairs if p])


def _points(step: str, pairs: Iterable[tuple[str, str]]) -> list[Item]:
    return [
        Point(shown_name(name), float(step), value)
        for name, text in pairs
        if (value := to_number(text)) is not None and not is_bookkeeping(name)
    ]


def _plain(text: str) -> object:
    """Return a value that Composer printed as JSON."""
    try:
        return load_document(text.encode())
    except ValueError:
        return text


def _matches(candidate: Candidate) -> Match | None:
    """Claim a text with lines that state a step and say how well it goes."""
    suffix = stem_of(candidate.name)[1]
    if suffix not in PRINTED:
        return None
    is_sure = suffix in _SURE_SUFFIXES or is_log_name(candidate.name)
    if not _has_points(candidate.head, 1 if is_sure else _POINTS_MIN):
        parts = _parts_of(candidate) if is_sure else ()
        if not any(_has_points(part, _POINTS_MIN) for part in parts):
            return None
    return Match(Role.metrics, fallback=True, rank=1, note="metrics in printed lines")


def _parts_of(candidate: Candidate) -> Iterator[bytes]:
    """Yield more of a long text: its end, then what follows the head.

    Arguments and the model are often printed first, and at length.
    """
    after, size = len(candidate.head), candidate.size
    if size <= after or b"\0" in candidate.head:
        return
    try:
        yield read_head(candidate.path, _END, start=max(after, size - _END))
        yield read_head(candidate.path, _MORE, start=after)
    except OSError:
        return  # gone meanwhile


def _has_points(data: bytes, wanted: int) -> bool:
    """Return whether the whole lines in *data* say so many values, or more."""
    lines = head_lines(data[: data.rfind(b"\n") + 1], len(data))
    found = (item for item in _Lines({}).read(lines) if type(item) is Point)
    return sum(1 for _ in islice(found, wanted)) == wanted


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points, and Composer's hyperparameters."""
    items: list[Item] = []
    lines = lines_of(chunk, memory, items)
    yield from items
    yield from _Lines(memory).read(lines)


PRINTED_METRICS = LogFormat(
    name="printed",
    matches=_matches,
    parse=_parse,
)
"""Lines that people read; all that state no step, or nothing measured, are left out."""
