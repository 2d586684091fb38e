"""Which of a log's counts tell its rows apart.

``for step, batch in enumerate(loader)`` counts from 0 in each epoch. Read as they
stand, such steps go back, and all epochs but the last would seem overtaken by a
resume. Where the epoch of the same row rises, nothing was overtaken: the steps are
counted on. And where it rises in each row, it alone counts the rows: ``steps`` beside
``episode`` are how long one was, and beside ``epoch`` may be always the same.
"""

from bisect import bisect_right
from typing import Final

from mlreport_batch.formats import COUNTS, HINT, PLACE, Memory
from mlreport_batch.formats.kit.bookkeeping import unit_of_rank

_BASES_MAX: Final = 256
_NAN: Final = float("nan")
_OUTER: Final = "outer"
_PAIR: Final = "pair"


class StepCounter:
    """Makes one rising count of the steps of many epochs.

    A step that goes back while its epoch rises goes on from the highest step so far,
    as far as the log's first two steps lie apart; so do the other steps of that
    epoch. An epoch that comes again, after a resume, keeps the place it had.

    Attributes:
        epoch: The epoch stated last, NaN before the first.
        first: The epoch stated first, NaN before it.
        high: The highest step since the epoch last went back, NaN before the first.
        rise: How far the log's first two steps lie apart, NaN until it has them.
        last: The step stated last, NaN before the first.
        is_alone: Whether no two rows had the same epoch so far.
        is_anew: Whether the rows so far were taken for something else: the log must be
            read from its start.
    """

    __slots__ = (
        "_base", "_bases", "_epochs", "_key", "_way", "epoch", "first", "high",
        "is_alone", "is_anew", "last", "rise",
    )  # fmt: skip

    def __init__(self, memory: Memory, key: str = "counter") -> None:
        self._key = key
        self._way = str(memory.get(f"{HINT}{key}") or "")
        self.is_anew = False
        self.last, self.is_alone = _NAN, key not in memory
        rows = memory.get(f"{key} rows")
        if isinstance(rows, str):
            last, alone = rows.split()
            self.last, self.is_alone = float(last), alone == "1"
        self._epochs: list[float] = []
        self._bases: list[float] = []
        self.epoch = self.high = self.rise = self.first = _NAN
        known = memory.get(key)
        if isinstance(known, str):
            self.epoch, self.high, self.rise, *pairs = map(float, known.split())
            self._epochs, self._bases = pairs[::2], pairs[1::2]
        self._base = self._base_of(self.epoch)
        place = str(memory.get(PLACE) or "").split()
        if len(place) > 1:
            self.first = float(place[-2])

    def at(
        self, step: float, epoch: float | None, *, begins_again: bool = True
    ) -> float:
        """Return the step of a row.

        Args:
            step: The finite step that it states.
            epoch: The epoch, or another count, that it states beside it.
            begins_again: Whether steps may begin again with this epoch.
        """
        if self.is_alone or self._way == _OUTER:
            self._look(step, epoch)
        self.last = step
        if self.first != self.first and epoch is not None and epoch - epoch == 0:
            self.first = epoch
        if self._way == _OUTER:
            self.epoch = self.epoch if epoch is None else epoch
            return self.epoch
        if epoch is not None and epoch != self.epoch and epoch - epoch == 0:
            if begins_again:
                self._enter(epoch, step)
            else:
                self.epoch = epoch
        if self._base:
            step += self._base
        if not step <= self.high:
            if self.rise != self.rise:
                self.rise = step - self.high
            self.high = step
        return step

    def _look(self, step: float, epoch: float | None) -> None:
        """Find out which of the two counts the rows."""
        rises = epoch is not None and not epoch <= self.epoch
        goes_on = not step <= self.last
        if self._way == _OUTER:
            if not rises and epoch == self.epoch and goes_on:
                self._way, self.is_alone, self.is_anew = _PAIR, False, True
        elif not rises:
            self.is_alone = False
        elif not goes_on and self._way != _PAIR:
            self._way, self.is_anew = _OUTER, True

    def goes_on_at(self, step: float, epoch: float, alone: int, strict: int) -> bool:
        """Return whether steps from *step* on stand as written while they rise.

        Args:
            step: The first one.
            epoch: The first one, NaN for none.
            alone: In how many rows after the first the epoch rises each time.
            strict: In how many the step does.
        """
        if self._way or self._epochs or step < self.high:
            return False
        rises = epoch == epoch and not epoch <= self.epoch  # noqa: PLR0124 - NaN
        if not self.is_alone or not rises:
            return True
        return strict >= alone and not step <= self.last

    def pass_over(
        self,
        steps: tuple[float, float, float],
        epochs: tuple[float, float, float],
        *,
        is_alone: bool,
    ) -> None:
        """Take over many rows whose steps rise and for which `goes_on_at` holds.

        Args:
            steps: The first, the first above it (NaN for none) and the last one.
            epochs: That of the first row, the first and the last one stated, NaN for
                none.
            is_alone: Whether the epoch rises in each row.
        """
        first_epoch, stated, epoch = epochs
        if self.first != self.first:
            self.first = stated
        rises = first_epoch == first_epoch and not first_epoch <= self.epoch  # noqa: PLR0124
        self.is_alone = self.is_alone and is_alone and rises
        first, second, last = steps
        if self.rise != self.rise:
            self.rise = (first if first > self.high else second) - (
                self.high if self.high == self.high else first
            )
        self.high = self.last = last
        if epoch == epoch:  # noqa: PLR0124 - NaN
            self.epoch = epoch

    def remember(self, memory: Memory) -> None:
        """Put into *memory* what must outlive a chunk."""
        numbers = [self.epoch, self.high, self.rise]
        for pair in zip(self._epochs, self._bases, strict=True):
            numbers += pair
        # Adding zero makes -0.0 a zero: which of both came first is forgotten.
        memory[self._key] = " ".join(f"{number + 0.0:.17g}" for number in numbers)
        memory[f"{self._key} rows"] = f"{self.last + 0.0:.17g} {self.is_alone:d}"
        if self._way:
            memory[f"{HINT}{self._key}"] = self._way

    def place(self, unit: str, outer: str) -> str:
        """Return what stands under `PLACE`, of steps and epochs of such units."""
        if self._way == _OUTER:
            return outer
        if outer != "epoch" or self.epoch != self.epoch:
            return unit
        return f"{unit or '-'} {self.first + 0.0:.12g} {self.epoch + 0.0:.12g}"

    def _enter(self, epoch: float, step: float) -> None:
        base = self._base_of(epoch)
        if epoch < self.epoch:
            self.high = min(self.high, base + step)
        elif epoch > self.epoch and (
            base + step < self.high
            or (base + step == self.high and (self._epochs or self._way))
        ):
            rise = self.rise if self.rise == self.rise else 1.0
            base = self.high + rise - step
            known = bisect_right(self._epochs, epoch)
            if known and self._epochs[known - 1] == epoch:
                known -= 1
            self._epochs[known:], self._bases[known:] = [epoch], [base]
            del self._epochs[:-_BASES_MAX], self._bases[:-_BASES_MAX]
        self.epoch, self._base = epoch, base

    def _base_of(self, epoch: float) -> float:
        known = bisect_right(self._epochs, epoch)
        if known:
            return self._bases[known - 1]
        # Where the first ones were forgotten, the first one that is known.
        return self._bases[0] if len(self._bases) == _BASES_MAX else 0.0


class StepCounters:
    """A `StepCounter` for each kind of step that the rows of a log state."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._counters: dict[float, StepCounter] = {}
        self._last: tuple[float, float | None] | None = None
        self.is_anew = False
        """Whether the log must be read from its start."""

    def at(
        self,
        rank: float,
        step: float,
        epoch: float | None,
        *,
        outer: float | None = None,
        begins_again: bool = True,
    ) -> float:
        """Return the step of a row.

        Args:
            rank: Of the step's name.
            step: The finite step that it states.
            epoch: The count that it states beside it.
            outer: The rank of its name.
            begins_again: Whether steps may begin again with it.
        """
        self._last = rank, outer
        counter = self._counters.get(rank)
        if counter is None:
            if epoch is None and _key(rank) not in self._memory:
                return step
            counter = self._counters[rank] = StepCounter(self._memory, _key(rank))
        found = counter.at(step, epoch, begins_again=begins_again)
        if counter.is_anew:
            counter.is_anew, self.is_anew = False, True
        return found

    def reached(self, rank: float) -> float | None:
        """Return the highest step so far of the name of that *rank*, if any."""
        counter = self._counters.get(rank)
        if counter is None and _key(rank) in self._memory:
            counter = self._counters[rank] = StepCounter(self._memory, _key(rank))
        return None if counter is None or counter.high != counter.high else counter.high

    def remember(self) -> None:
        """Put into the memory what must outlive a chunk."""
        for counter in self._counters.values():
            counter.remember(self._memory)
        if self._last is not None:
            unit, outer = map(unit_of_rank, self._last)
            counted = self._counters.get(self._last[0])
            note_place(self._memory, counted.place(unit, outer) if counted else unit)


def note_place(memory: Memory, place: str) -> None:
    """Put into *memory* what the steps of a log count, where that is known."""
    if place:
        memory[PLACE] = place


def _key(rank: float) -> str:
    return f"{COUNTS}{rank}"
