"""Quotas are filled and never exceeded; waiting has an end."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

import sample_reports as samples
from google_server import GoogleServer
from google_setup import FAST, Lab, numbered
from mlreport_batch.google.api import pace as pace_module
from mlreport_batch.google.api.pace import Limiter, Pace, Patience
from mlreport_batch.google.api.transport import GoogleError
from still_clock import StillClock

QUOTA, WINDOW_S = 20, 3.0


@pytest.fixture
def server(
    clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        monkeypatch.setattr(running, "now", clock.now)  # it counts by the same clock
        yield running


@pytest.mark.no_cover
def test_a_hundred_reports_fill_the_quota_and_do_not_exceed_it(
    server: GoogleServer, tmp_path: Path, clock: StillClock
):
    lab = Lab(server, tmp_path)
    lab.as_user()
    lab.with_small_template()
    server.quotas.docs_writes = QUOTA
    server.quotas.window_s = WINDOW_S
    pace = replace(FAST, limits={"docs.write": QUOTA}, window_s=WINDOW_S)
    report = replace(samples.bare(), charts=())
    began = clock.now()
    drawn = lab.draw(*numbered(report, 100), pace=pace)
    assert all(each.error is None for each in drawn)
    assert [each.rid for each in drawn] == [f"rid{i:03d}" for i in range(100)]

    writes = [c for c in server.calls if c.method_id == "docs.documents.batchUpdate"]
    assert {call.status for call in writes} == {200}
    # A place is taken again one window after it was taken, neither sooner nor later.
    assert Counter(call.at - began for call in writes) == {
        n * WINDOW_S: QUOTA for n in range(100 // QUOTA)
    }


@pytest.mark.no_cover
def test_refusals_of_others_slow_all_threads_down(server: GoogleServer, tmp_path: Path):
    """Another program spends half of the quota: nothing is lost."""
    lab = Lab(server, tmp_path)
    lab.as_user()
    lab.with_small_template()
    server.quotas.docs_writes = 5
    server.quotas.window_s = 1.0
    pace = replace(FAST, limits={"docs.write": 10}, window_s=1.0, first_wait_s=0.3)
    drawn = lab.draw(*numbered(replace(samples.bare(), charts=()), 20), pace=pace)
    assert all(each.error is None for each in drawn)
    assert len(lab.documents()) == 20
    assert any(call.status == 429 for call in server.calls)


def test_window_never_holds_more_than_its_limit(clock: StillClock):
    limiter = clock.Limiter(Pace(limits={"x": 3}, window_s=0.3))
    done: list[tuple[float, float]] = []
    lock = threading.Lock()

    def call(_: int) -> None:
        with limiter.slot("x"):
            begun = clock.now()
            clock.sleep(0.03)
            with lock:
                done.append((begun, clock.now()))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(15)))
    # Whenever the server counts a call within its time, three fit into a window.
    for begun, _ in done:
        inside = [1 for start, end in done if begun <= start and end < begun + 0.3]
        assert len(inside) <= 3
    spent = max(end for _, end in done) - min(start for start, _ in done)
    assert 4 * 0.3 <= spent <= 4 * 0.3 + 15 * 0.03 + 1e-6


def test_calls_without_a_limit_do_not_wait(clock: StillClock):
    with clock.Limiter(Pace(limits={})).slot("y"):
        pass
    assert clock.slept_s == 0


def patience(**changes: float) -> Patience:
    pace = replace(Pace(first_wait_s=0.01), **changes)
    return Patience(pace, Limiter(pace))


def failing(*errors: GoogleError) -> tuple[list[int], object]:
    calls: list[int] = []

    def work() -> str:
        calls.append(1)
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]
        return "done"

    return calls, work


BUSY = GoogleError(429, "rateLimitExceeded", "")
LOST = GoogleError(503, "backendError", "")
WRONG = GoogleError(400, "badRequest", "")


def test_busy_is_repeated_and_wrong_is_not():
    calls, work = failing(BUSY, BUSY)
    assert patience().call(work, may_repeat=False) == "done"  # type: ignore[arg-type]
    assert len(calls) == 3
    calls, work = failing(WRONG)
    with pytest.raises(GoogleError):
        patience().call(work, may_repeat=True)  # type: ignore[arg-type]
    assert len(calls) == 1


def test_lost_is_repeated_only_where_that_does_no_harm():
    calls, work = failing(LOST)
    assert patience().call(work, may_repeat=True) == "done"  # type: ignore[arg-type]
    calls, work = failing(LOST)
    with pytest.raises(GoogleError):
        patience().call(work, may_repeat=False)  # type: ignore[arg-type]
    assert len(calls) == 1


def test_tries_and_budget_both_end(clock: StillClock):
    calls, work = failing(*[BUSY] * 50)
    with pytest.raises(GoogleError):
        patience(first_wait_s=0.001).call(work, may_repeat=True)  # type: ignore[arg-type]
    assert len(calls) == 7
    calls, work = failing(*[BUSY] * 50)
    before = clock.slept_s
    with pytest.raises(GoogleError):
        patience(budget_s=0.05).call(work, may_repeat=True)  # type: ignore[arg-type]
    assert 1 < len(calls) < 7
    assert clock.slept_s - before <= 0.05


def test_waits_at_the_same_time_count_once(
    clock: StillClock, monkeypatch: pytest.MonkeyPatch
):
    shared = patience(budget_s=0.5)
    all_wait = threading.Barrier(8, action=lambda: clock.sleep(0.3))
    monkeypatch.setattr(pace_module.time, "sleep", lambda _: all_wait.wait())
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: shared.rest(0.3), range(8)))
    assert not shared.rest(0.4)


def test_our_own_errors_pass_through():
    def work() -> str:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        patience().call(work, may_repeat=True)
