"""A clock for the pace of Google's calls that stands still until somebody waits.

Whoever waits moves it on at once, so no test sleeps, and how long a call takes on this
machine counts for nothing. A wait for a place in a quota moves it only once no call is
under way any more, as if calls took no time at all.
"""

import threading
from types import SimpleNamespace

import pytest

from mlreport_batch.google.api import client, pace


class StillClock:
    """The clock, put in the place of the real one.

    Attributes:
        slept_s: How long everybody slept, in all.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lock = threading.Lock()
        self._now = 1_000_000.0
        self.slept_s = 0.0
        time = SimpleNamespace(monotonic=self.now, sleep=self.sleep)
        monkeypatch.setattr(pace, "time", time)
        clock = self

        class Limiter(pace.Limiter):
            def __init__(self, given: pace.Pace) -> None:
                super().__init__(given)
                self._condition = _Condition(clock, self)

        self.Limiter = Limiter
        monkeypatch.setattr(client, "Limiter", Limiter)

    def now(self) -> float:
        """Return the time."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move the clock on."""
        with self._lock:
            self._now += max(0.0, seconds)
            self.slept_s += max(0.0, seconds)


class _Condition(threading.Condition):
    """Waits in no time, but never before the calls that are under way have ended."""

    def __init__(self, clock: StillClock, limiter: pace.Limiter) -> None:
        super().__init__()
        self._clock, self._limiter = clock, limiter

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        ended = sum(map(len, self._limiter._free_at.values()))
        if sum(self._limiter._taken.values()) > ended:
            return super().wait()  # the end of a call notifies
        self._clock.sleep(timeout)
        return True
