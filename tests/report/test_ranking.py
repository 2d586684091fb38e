"""Rankings, correlations and seeds, against pandas on random groups."""

import math

import numpy as np  # noqa: TID253 - an oracle
import pandas as pd  # noqa: TID253 - an oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from briefs import brief
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.ranking import (
    at_step,
    baseline_of,
    links,
    one_before,
    rank,
    seeds,
    spearman,
)

GOALS = st.sampled_from(["min", "max"])
BESTS = st.lists(st.integers(-5, 5), min_size=2, max_size=20)


def group(
    bests: list[float | None], goal: str = "min", **others: object
) -> list[Brief]:
    return [
        brief(f"g/run-{n:02d}", [] if best is None else [best], goal=goal, **others)
        for n, best in enumerate(bests)
    ]


@settings(max_examples=60)
@given(BESTS, GOALS)
def test_places_are_those_of_pandas(bests: list[int], goal: str):
    ranking = rank("g", group([float(best) for best in bests], goal))
    assert ranking is not None
    places = pd.Series(bests).rank(method="min", ascending=goal == "min")
    for number, place in enumerate(places):
        assert ranking.place(f"g/run-{number:02d}") == place
    assert ranking.leader.best == (min(bests) if goal == "min" else max(bests))


def test_runs_without_a_value_come_last_and_have_no_place():
    ranking = rank("g", group([None, 2.0, 1.0]))
    assert ranking is not None
    names = [run.name for run in ranking.members]
    assert names == ["g/run-02", "g/run-01", "g/run-00"]
    assert ranking.place("g/run-00") is None
    assert rank("g", group([None, None])) is None
    assert rank("g", group([1.0])) is None


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2))
def test_spearman_is_that_of_ranks_by_pandas(pairs: list[tuple[int, int]]):
    frame = pd.DataFrame(pairs)
    found = spearman(*map(list, zip(*pairs, strict=True)))
    if frame.nunique().min() == 1:
        assert found is None
    else:
        ranks = frame.rank()
        expected = np.corrcoef(ranks[0], ranks[1])[0, 1]
        assert found == pytest.approx(expected)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=16), GOALS)
def test_nothing_is_claimed_of_fewer_than_eight_runs(bests: list[int], goal: str):
    runs = [
        brief(f"r{n}", [float(best)], goal=goal, hparams={"lr": n, "opt": "ab"[n % 2]})
        for n, best in enumerate(bests)
    ]
    ranking = rank("", runs)
    found = links(ranking) if ranking else []
    if len(runs) < 8:
        assert found == []
    for link in found:
        assert link.runs == len(runs)
        if link.rho is not None:
            sign = 1 if goal == "max" else -1
            frame = pd.DataFrame({"lr": range(len(bests)), "b": bests}).rank()
            expected = sign * np.corrcoef(frame["lr"], frame["b"])[0, 1]
            assert link.rho == pytest.approx(expected)
            assert abs(link.rho) >= 0.5
        else:
            table = pd.DataFrame({"opt": list("ab" * 8)[: len(bests)], "b": bests})
            medians = table.groupby("opt")["b"].agg(["median", "size"])
            assert {value: (median, n) for value, median, n in link.medians} == {
                str(k): (m, n) for k, m, n in medians.itertuples()
            }


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.1, 0.01]), st.integers(0, 9), st.integers(0, 9)),
        min_size=2,
        max_size=12,
        unique_by=lambda each: each[:2],
    )
)
def test_seeds_have_the_mean_and_spread_of_pandas(runs: list[tuple[float, int, int]]):
    frame = pd.DataFrame(runs, columns=["lr", "seed", "best"])
    ranking = rank(
        "",
        [
            brief(f"r{n}", [float(best)], hparams={"lr": lr, "seed": seed})
            for n, (lr, seed, best) in enumerate(runs)
        ],
    )
    assert ranking is not None
    stats = frame.groupby("lr")["best"].agg(["mean", "std", "size"])
    expected = sorted(
        (mean, std, n) for mean, std, n in stats.itertuples(index=False) if n > 1
    )
    found = [(each.mean, each.spread, len(each.names)) for each in seeds(ranking)]
    assert found == sorted(found, key=lambda each: each[0])
    assert sorted(found) == [pytest.approx(each) for each in expected]


def test_others_are_compared_where_they_were_at_the_runs_step():
    run = brief("young", [0.9, 0.5], status="running")
    others = [
        brief("fast", [0.8, 0.4, 0.3, 0.2]),
        brief("slow", [1.0, 0.9, 0.1]),
        brief("younger", [0.1], status="running"),
    ]
    ranking = rank("", [run, *others])
    assert ranking is not None
    found = at_step(ranking, run)
    assert found is not None
    assert [(each.name, round(value, 3)) for each, value in found] == [
        ("fast", 0.4), ("young", 0.5), ("slow", 0.9),
    ]  # fmt: skip
    assert at_step(ranking, others[0]) is None


def test_the_baseline_is_the_best_finished_run_or_the_one_that_is_named():
    run = brief("g/a", [0.5], oldest=3)
    others = [
        brief("g/b", [0.1], status="running", oldest=1),
        brief("g/c", [0.2], oldest=2),
    ]
    ranking = rank("g", [run, *others])
    assert ranking is not None
    assert getattr(baseline_of(ranking, run, None), "name", "") == "g/c"
    assert getattr(baseline_of(ranking, run, "b"), "name", "") == "g/b"
    assert baseline_of(ranking, run, "z") is None
    assert getattr(one_before(ranking, run), "name", "") == "g/c"
    assert one_before(ranking, others[0]) is None
    assert math.isclose(ranking.position(run).leader_best or 0, 0.1)
