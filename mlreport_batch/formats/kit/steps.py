"""Steps that begin again with every epoch, counted on.

``for step, batch in enumerate(loader)`` counts from 0 in each epoch. Read as they
stand, such steps go back, and all epochs but the last would seem overtaken by a
resume. Where the epoch of the same row rises, nothing was overtaken.
"""

from bisect import bisect_right
from typing import Final

from mlreport_batch.formats import Memory

_BASES_MAX: Final = 256
_NAN: Final = float("nan")


class StepCounter:
    """Makes one rising count of the steps of many epochs.

    A step that goes back while its epoch rises goes on from the highest step so far,
    as far as the log's first two steps lie apart; so do the other steps of that
    epoch. An epoch that comes again, after a resume, keeps the place it had.

    Attributes:
        epoch: The epoch stated last, NaN before the first.
        high: The highest step since the epoch last went back, NaN before the first.
        rise: How far the log's first two steps lie apart, NaN until it has them.
    """

    __slots__ = ("_base", "_bases", "_epochs", "_key", "epoch", "high", "rise")

    def __init__(self, memory: Memory, key: str = "counter") -> None:
        self._key = key
        self._epochs: list[float] = []
        self._bases: list[float] = []
        self.epoch = self.high = self.rise = _NAN
        known = memory.get(key)
        if isinstance(known, str):
            self.epoch, self.high, self.rise, *pairs = map(float, known.split())
            self._epochs, self._bases = pairs[::2], pairs[1::2]
        self._base = self._base_of(self.epoch)

    def at(self, step: float, epoch: float | None) -> float:
        """Return the step of a row that states a finite *step*, maybe an *epoch*."""
        if epoch is not None and epoch != self.epoch and epoch - epoch == 0:
            self._enter(epoch, step)
        if self._base:
            step += self._base
        if not step <= self.high:
            if self.rise != self.rise:
                self.rise = step - self.high
            self.high = step
        return step

    def goes_on_at(self, step: float) -> bool:
        """Return whether steps from *step* on stand as written while they rise."""
        return not self._epochs and not step < self.high

    def pass_over(self, steps: tuple[float, float, float], epoch: float) -> None:
        """Take over many rows whose steps rise and for which `goes_on_at` holds.

        Args:
            steps: The first, the first above it (NaN for none) and the last one.
            epoch: The last one stated, NaN for none.
        """
        first, second, last = steps
        if self.rise != self.rise:
            self.rise = (first if first > self.high else second) - (
                self.high if self.high == self.high else first
            )
        self.high = last
        if epoch == epoch:  # noqa: PLR0124 - NaN
            self.epoch = epoch

    def remember(self, memory: Memory) -> None:
        """Put into *memory* what must outlive a chunk."""
        numbers = [self.epoch, self.high, self.rise]
        for pair in zip(self._epochs, self._bases, strict=True):
            numbers += pair
        # Adding zero makes -0.0 a zero: which of both came first is forgotten.
        memory[self._key] = " ".join(f"{number + 0.0:.17g}" for number in numbers)

    def _enter(self, epoch: float, step: float) -> None:
        base = self._base_of(epoch)
        if epoch < self.epoch:
            self.high = min(self.high, base + step)
        elif epoch > self.epoch and (
            base + step < self.high or (self._epochs and base + step == self.high)
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

    def at(self, rank: float, step: float, epoch: float | None) -> float:
        """Return the step of a row; *rank* is that of the step's name."""
        counter = self._counters.get(rank)
        if counter is None:
            key = f"counter {rank}"
            if epoch is None and key not in self._memory:
                return step
            counter = self._counters[rank] = StepCounter(self._memory, key)
        return counter.at(step, epoch)

    def remember(self) -> None:
        """Put into the memory what must outlive a chunk."""
        for counter in self._counters.values():
            counter.remember(self._memory)
