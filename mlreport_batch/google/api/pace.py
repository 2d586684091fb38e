"""How fast and how often Google is asked: quotas filled, refusals waited for.

Google counts per user and minute. A place in the window is free again one window
after the *answer* of the call that took it, so a slow line never makes us exceed.
"""

import math
import random
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Final, TypeVar

from msgspec import Struct, field

from mlreport_batch.google.api.transport import GoogleError

_T = TypeVar("_T")

_WAIT_MAX_S = 32.0
_TRIES = 7

# Calls per user and minute, of those quotas that five calls a report can reach:
# developers.google.com, 2026-05.
LIMITS: Final[Mapping[str, int]] = {"docs.write": 60, "gmail": 60}


class Pace(Struct, frozen=True):
    """How fast we may go.

    Attributes:
        limits: Calls per window by bucket.
        window_s: Length of the window.
        budget_s: Most waiting for refusals and outages in one tick, all threads
            together counted once.
        first_wait_s: First wait after a refusal; it doubles up to 32 s.
        settle_s: First wait before looking for a copy whose answer was lost; the
            index of Drive lags.
        timeout_s: Longest wait for an answer; 0 is the default.
        width: Reports in flight.
    """

    limits: Mapping[str, int] = field(default_factory=lambda: LIMITS)
    window_s: float = 60.0
    budget_s: float = 240.0
    first_wait_s: float = 1.0
    settle_s: float = 2.0
    timeout_s: float = 0.0
    width: int = 8


class Limiter:
    """Lets calls through so that no window ever holds more than its limit."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._condition = threading.Condition()
        self._taken: Counter[str] = Counter()
        self._free_at: dict[str, deque[float]] = defaultdict(deque)
        self._not_before = 0.0

    @contextmanager
    def slot(self, bucket: str) -> Iterator[None]:
        """Wait for a place in *bucket*, and hold it while the call is made."""
        with self._condition:
            while (wait := self._wait(bucket)) > 0:
                self._condition.wait(wait)
            self._taken[bucket] += 1
        try:
            yield
        finally:
            with self._condition:
                self._free_at[bucket].append(time.monotonic() + self._pace.window_s)
                self._condition.notify_all()

    def _wait(self, bucket: str) -> float:
        now = time.monotonic()
        if now < self._not_before:
            return self._not_before - now
        waiting = self._free_at[bucket]
        while waiting and waiting[0] <= now:
            self._taken[bucket] -= 1
            waiting.popleft()
        if self._taken[bucket] < self._pace.limits.get(bucket, math.inf):
            return 0.0
        # Calls still under way have no end yet; their end notifies.
        return waiting[0] - now if waiting else 60.0

    def pause(self, seconds: float) -> None:
        """Let nobody through for *seconds*: quotas are per user, not per thread."""
        with self._condition:
            self._not_before = max(self._not_before, time.monotonic() + seconds)


class Patience:
    """Retries what may pass in a moment, within a budget for the whole tick.

    Its limiter pauses everybody where Google says that we are too fast.
    """

    def __init__(self, pace: Pace, limiter: Limiter) -> None:
        self._pace = pace
        self.limiter = limiter
        self._left_s = pace.budget_s
        self._lock = threading.Lock()
        self._spent_until = 0.0

    def call(
        self, work: Callable[[], _T], *, may_repeat: bool = True, is_new: bool = False
    ) -> _T:
        """Return what *work* returns.

        Args:
            work: Makes one call.
            may_repeat: Whether it may be made again when nobody knows if the first
                took effect. What was surely not done is always made again.
            is_new: Whether the document may not be known everywhere yet.

        Raises:
            GoogleError: The last failure.
        """
        for attempt in count(1):
            try:
                return work()
            except GoogleError as exc:
                may_help = exc.may_pass or (is_new and exc.status == 404)  # noqa: PLR2004
                if exc.is_lost and not may_repeat:
                    raise
                wait_s = max(exc.retry_after_s or 0.0, self._wait(attempt))
                if not may_help or attempt == _TRIES or not self._spend(wait_s):
                    raise
                if exc.is_busy:
                    self.limiter.pause(wait_s)
                time.sleep(wait_s)
        raise AssertionError

    def rest(self, seconds: float) -> bool:
        """Sleep on the budget; False where it does not reach."""
        if not self._spend(seconds):
            return False
        time.sleep(seconds)
        return True

    def _wait(self, attempt: int) -> float:
        first = self._pace.first_wait_s
        spread = random.uniform(0, first)  # noqa: S311 - only spreads callers
        return float(min(first * 2 ** (attempt - 1) + spread, _WAIT_MAX_S))

    def _spend(self, seconds: float) -> bool:
        """Take a wait off the budget; waits at the same time count once."""
        with self._lock:
            now = time.monotonic()
            ends = max(now + seconds, self._spent_until)
            more = ends - max(now, self._spent_until)
            if more > self._left_s:
                return False
            self._left_s -= more
            self._spent_until = ends
            return True
