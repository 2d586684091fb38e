from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import sample_reports
from briefs import brief
from mlreport_batch.language.say import say
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.done import GAP_S, LEAST, Done, describe_done, done_of
from mlreport_batch.report.model import Wishes
from mlreport_batch.report.ranking import rank

NOW = 1e9


def run(name: str, began: float, took: float = 1000.0, **fields: object) -> Brief:
    """Return a run that began so many seconds after the first one."""
    start = NOW - 1e6 + began
    made = brief(name, [0.5, 0.1 + len(name) / 100], hparams={"lr": ord(name[0])})
    times = {"oldest": start, "started": start, "written": start + took}
    return replace(made, **(times | fields))  # type: ignore[arg-type]


def done(*runs: Brief, now: float = NOW) -> Done | None:
    ranking = rank("sweep", runs)
    assert ranking is not None
    return done_of(ranking, now)


PARALLEL = (run("a", 0), run("b", 10, 5000), run("c", 20))


@pytest.mark.parametrize("status", ["finished", "failed", "killed", "quiet"])
def test_a_group_is_done_once_none_of_its_runs_goes_on(status: str):
    last = replace(PARALLEL[1], status="running", written=NOW - 60)
    assert done(PARALLEL[0], last, PARALLEL[2]) is None
    found = done(PARALLEL[0], replace(last, status=status), PARALLEL[2])
    assert found is not None
    assert (found.began, found.ended) == (NOW - 1e6, NOW - 60)


def test_runs_that_cannot_be_compared_are_runs_of_it_too():
    broken = run("broken", 5, status="failed", metric="", goal="", best=None)
    found = done(*PARALLEL)
    assert found is not None
    found = replace(found, everyone=(*found.everyone, broken))
    report = replace(sample_reports.fine(), run="a")
    digest = describe_done(found, "sweep", [report], rid="r", wishes=Wishes())
    assert digest.headline.startswith("All 4 runs of sweep are over")
    assert digest.done.startswith("3 finished, 1 failed; the last 3 took")


def test_it_does_not_wait_for_ever_for_runs_that_said_nothing_of_their_end():
    silent = replace(PARALLEL[2], status="running", written=PARALLEL[2].written)
    assert done(*PARALLEL[:2], silent)
    slow = replace(silent, oldest=NOW - 1e6, written=NOW - 3e5)
    assert done(*PARALLEL[:2], slow) is None
    assert done(*PARALLEL[:2], slow, now=NOW + 1e6)


def test_runs_one_after_another_are_a_batch_unless_each_was_made_by_hand():
    in_a_row = [run(name, n * 1100.0) for n, name in enumerate("abcd")]
    found = done(*in_a_row)
    assert found is not None
    assert len(found.batch) == 4
    by_hand = [run(name, n * (1001.0 + GAP_S)) for n, name in enumerate("abcd")]
    assert done(*by_hand) is None
    found = done(*by_hand[:1], *[run(n, 9000.0) for n in "xyz"])
    assert found is not None
    assert sorted(each.name for each in found.batch) == ["x", "y", "z"]
    assert done(*PARALLEL[: LEAST - 1]) is None


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10)), min_size=2, max_size=9)
)
def test_a_batch_is_what_hangs_together_with_the_last_run(spans: list[tuple[int, int]]):
    """One hangs together with another that began before it was over, or soon after."""
    unit = GAP_S / 2
    runs = [run(f"r{n}", a * unit, d * unit) for n, (a, d) in enumerate(spans)]
    together = {max(runs, key=lambda each: each.written).name}
    while (
        more := {
            first.name
            for first in runs
            for second in runs
            if second.name in together - {first.name}
            and first.oldest <= second.written + GAP_S
            and second.oldest <= first.written + GAP_S
        }
        - together
    ):
        together |= more
    found = done(*runs)
    batch = set() if found is None else {each.name for each in found.batch}
    assert batch == (together if len(together) >= LEAST else set())


@pytest.mark.parametrize(
    ("language", "headline", "what"),
    [
        (
            "en",
            "All 4 runs of sweep are over; best: a with val_loss 0.11",
            "3 finished, 1 failed; the last 3 took 1 h 23 min",
        ),
        (
            "ko",
            "sweep의 실행 4개 모두 종료, 최고는 a: val_loss 0.11",
            "완료 3개, 실패 1개; 마지막 3개에 걸린 시간 1시간 23분",
        ),
    ],
)
def test_it_is_told_with_the_best_run_and_the_time_it_took(
    language: str, headline: str, what: str
):
    found = done(*PARALLEL, run("old", -90_000, status="failed"))
    assert found is not None
    at = datetime.fromtimestamp(NOW, UTC)
    first = replace(sample_reports.fine(), at=at, run="a")
    kept = next(each for each in first.checkpoints if each.mark == "best")
    digest = describe_done(
        found, "sweep", [first] * 4, rid="r", wishes=Wishes(language=language)
    )
    assert digest.headline == headline
    assert digest.done.startswith(what)
    assert digest.subject == ("sweep", say(language, "done_subject", total="4"))
    [board] = digest.boards
    assert board.notes[0].endswith(f"{kept.path} ({kept.size})")
    assert [row.run for row in board.rows] == ["a", "b", "c", "old"]
    assert board.chart is not None
    assert [curve.key for curve in board.chart.series] == ["a", "b", "c"]
