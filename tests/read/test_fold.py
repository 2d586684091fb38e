"""The fold: cutting a log into chunks never changes what it says."""

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from folding import fold_points
from mlreport_batch.read import fold as folds
from mlreport_batch.read import summary as metrics
from mlreport_batch.read.fold import LogFold, RestartPlan
from mlreport_batch.read.summary import (
    CURVE_BUCKETS,
    MetricSummary,
    join_summaries,
    width_for,
)

Points = Sequence[tuple[str, float, float]]

values = st.floats(width=32) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])
rising = st.builds(
    lambda size, found: [
        ("a", float(step), found[step * 7 % len(found)]) for step in range(size)
    ],
    st.integers(0, 700),
    st.lists(values, min_size=1, max_size=30),
)
wandering = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 12).map(float), values),
    max_size=60,
)


def kept(points: Points) -> list[tuple[str, float, float]]:
    """Leave out, naively, what a later restart of the same metric overtook.

    A stretch of steps that do not go back is a resume if one of its steps stands in an
    earlier stretch: it overtakes what was written from its first step on.
    """
    result: list[tuple[str, float, float]] = []
    for metric in dict.fromkeys(name for name, _, _ in points):
        kept_so_far: list[tuple[str, float, float]] = []
        written: set[float] = set()
        for stretch in _stretches([p for p in points if p[0] == metric]):
            steps = {step for _, step, _ in stretch}
            if written & steps:
                start = stretch[0][1]
                kept_so_far = [p for p in kept_so_far if p[1] < start]
            written |= steps
            kept_so_far += stretch
        result += sorted(kept_so_far, key=lambda p: p[1])
    return result


def _stretches(points: Points) -> list[list[tuple[str, float, float]]]:
    found: list[list[tuple[str, float, float]]] = []
    for point in points:
        if not found or point[1] < found[-1][-1][1]:
            found.append([])
        found[-1].append(point)
    return found


def check(summary: MetricSummary, wanted: Points):
    found = [value for _, _, value in wanted]
    finite = [value for value in found if math.isfinite(value)]
    assert summary.count == len(found)
    assert summary.nans == sum(map(math.isnan, found))
    assert summary.infinities == sum(map(math.isinf, found))
    assert summary.first_step == wanted[0][1]
    assert summary.last_step == wanted[-1][1]
    assert summary.last == found[-1] or math.isnan(summary.last) == math.isnan(
        found[-1]
    )
    assert summary.low == min(finite, default=None)
    assert summary.high == max(finite, default=None)
    if finite:
        assert summary.low_step == next(s for _, s, v in wanted if v == min(finite))
        assert summary.high_step == next(s for _, s, v in wanted if v == max(finite))
    points = summary.curve.points()
    assert 0 < len(points) <= CURVE_BUCKETS
    width = summary.curve.width
    assert width == width_for(len(found))
    for index, (step, low, high) in enumerate(points):
        part = wanted[index * width : (index + 1) * width]
        real = [value for _, _, value in part if math.isfinite(value)]
        assert step == part[0][1]
        assert low == pytest.approx(min(real), rel=1e-6) if real else low is None
        assert high == pytest.approx(max(real), rel=1e-6) if real else high is None


@given(rising)
def test_a_summary_is_what_a_naive_count_finds(points: Points):
    found = fold_points(points)
    assert set(found) == ({"a"} if points else set())
    if points:
        check(found["a"], points)


@given(wandering)
def test_points_overtaken_by_a_restart_are_left_out(points: Points):
    found = fold_points(points)
    wanted = kept(points)
    assert set(found) == {metric for metric, _, _ in wanted}
    for name, summary in found.items():
        check(summary, [p for p in wanted if p[0] == name])


@pytest.mark.no_cover
@given(rising, st.lists(st.integers(0, 700), max_size=6))
def test_chunks_do_not_matter(points: Points, cuts: list[int]):
    whole = LogFold()
    for point in points:
        whole.add(*point)
    known: dict[str, MetricSummary] = {}
    edges = [0, *sorted(min(cut, len(points)) for cut in cuts), len(points)]
    for start, end in pairwise(edges):
        fold = LogFold(known)
        for point in points[start:end]:
            fold.add(*point)
        known = fold.metrics()
        assert not fold.restarts
    assert repr(known) == repr(whole.metrics())


@given(rising.filter(lambda points: len(points) > 1), st.integers(1, 699))
def test_joined_summaries_are_those_of_the_whole(points: Points, cut: int):
    cut = min(cut, len(points) - 1)
    before = fold_points(points[:cut])["a"]
    width = width_for(len(points))
    rest = points[cut:]
    left = -cut % width
    buckets = [rest[:left]] if left else []
    buckets += [rest[i : i + width] for i in range(left, len(rest), width)]
    courses = [fold_points(bucket)["a"] for bucket in buckets]
    after = fold_points(rest)["a"]
    curve = metrics.Curve(
        width,
        b"".join(course.curve.steps[:8] for course in courses),
        _packed([course.low for course in courses]),
        _packed([course.high for course in courses]),
    )
    joined = join_summaries(before, replace(after, curve=curve))
    assert repr(joined) == repr(fold_points(points)["a"])


@pytest.mark.no_cover
@given(rising.filter(bool), st.integers(0, 700))
def test_a_fold_takes_over_what_was_folded_elsewhere(points: Points, cut: int):
    cut = min(cut, len(points) - 1)
    fold = LogFold(fold_points(points[:cut]))
    rest = points[cut:]
    known = fold.folded()
    assert known is not None
    width = width_for(len(points), known["a"].curve.width if cut else 1)
    left = min(-cut % width, len(rest))
    parts = fold_points(rest)["a"]
    buckets = [rest[:left]] if left else []
    buckets += [rest[i : i + width] for i in range(left, len(rest), width)]
    courses = [fold_points(bucket)["a"] for bucket in buckets]
    curve = metrics.Curve(
        width,
        b"".join(course.curve.steps[:8] for course in courses),
        _packed([course.low for course in courses]),
        _packed([course.high for course in courses]),
    )
    assert fold.join({"a": replace(parts, curve=curve)})
    assert repr(fold.metrics()) == repr(fold_points(points))
    fold.add("a", 1e9, 1.0)
    assert fold.metrics()["a"].count == len(points) + 1


def test_a_fold_takes_nothing_over_where_a_step_goes_back(
    monkeypatch: pytest.MonkeyPatch,
):
    known = fold_points([("a", 5, 1.0)])
    later = fold_points([("a", 4, 1.0)])
    assert not LogFold(known).join(later)
    assert not LogFold(plan=LogFold().plan()).join(later)
    fold = LogFold()
    fold.add("a", 5, 1.0)
    assert not fold.join(later)
    monkeypatch.setattr(folds, "METRICS_MAX", 1)
    assert not fold.join(fold_points([("b", 6, 1.0)]))
    fold.add("b", 7, 1.0)
    assert fold.folded() is None


def _packed(found: list[float | None]) -> bytes:
    from array import array

    return array("f", [math.nan if x is None else x for x in found]).tobytes()


def test_a_restart_is_noted_with_the_number_of_its_first_point():
    fold = LogFold()
    for step in (1, 2, 3, 2, 3):
        fold.add("a", step, 0.5)
    assert fold.restarts == {"a": [(3, 2)]}
    second = LogFold(plan=fold.plan())
    for step in (1, 2, 3, 2, 3):
        second.add("a", step, 0.5)
    assert second.orphans == 2
    assert second.metrics()["a"].count == 3


def test_a_restart_is_noticed_across_chunks():
    first = LogFold()
    first.add("a", 10, 0.5)
    second = LogFold(first.metrics())
    second.add("a", 9, 0.5)
    assert second.restarts == {"a": [(1, 9)]}


def test_every_metric_begins_again_where_the_log_says_so():
    points: list[tuple[str, float, float]] = [
        ("a", 1, 0.1), ("b", 5, 0.1), ("c", 9, 0.1), ("c", 2, 0.1),
    ]  # fmt: skip

    def fold_all(fold: LogFold) -> LogFold:
        for point in points:
            fold.add(*point)
        fold.restart_all(5)
        fold.add("b", 5, 0.2)
        return fold

    first = fold_all(LogFold(plan=RestartPlan({})))
    second = fold_all(LogFold(plan=first.plan()))
    # What was not written in order is overtaken where it lies above the restart.
    assert {name: s.count for name, s in second.metrics().items()} == {
        "a": 1, "b": 1, "c": 1,
    }  # fmt: skip
    assert second.metrics()["c"].last_step == 2
    assert second.metrics()["b"].last == 0.2
    assert second.plan() == first.plan()


def test_a_restart_of_all_concerns_what_earlier_chunks_wrote():
    first = LogFold()
    first.add("a", 8, 0.1)
    second = LogFold(first.metrics())
    second.restart_all(9)
    assert not second.restarts
    second.restart_all(8)
    assert second.restarts == {"a": [(1, 8)]}


def test_a_metric_of_nothing_but_orphans_is_none():
    plan = RestartPlan({"a": ((1, 2.0),)})
    fold = LogFold(plan=plan)
    fold.add("a", 5.0, 0.1)
    fold.add("b", 1.0, 0.1)
    assert list(fold.metrics()) == ["b"]
    assert fold.orphans == 1


@given(st.permutations(range(12)), st.lists(values, min_size=12, max_size=12))
def test_steps_that_are_never_written_twice_all_stay(
    order: Sequence[int], found: Sequence[float]
):
    """Two writers that take turns, or workers that end in any order."""
    points = [
        ("a", float(step), value) for step, value in zip(order, found, strict=True)
    ]
    summary = fold_points(points)["a"]
    check(summary, sorted(points, key=lambda point: point[1]))
    assert [step for step, _, _ in summary.curve.points()] == list(range(12))


def test_beyond_so_many_steps_all_that_go_back_count_as_a_resume(
    monkeypatch: pytest.MonkeyPatch,
):
    points = [("a", 1.0, 0.1), ("a", 3.0, 0.2), ("a", 2.0, 0.3)]
    assert fold_points(points)["a"].count == 3
    monkeypatch.setattr(folds, "STEPS_HELD_MAX", 2)
    assert fold_points(points)["a"].count == 2


def test_metrics_beyond_the_limit_are_named_however_they_came(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(folds, "METRICS_MAX", 3)
    first = LogFold()
    first.add("a", 1, 1)
    first.add("b", 1, 1)
    second = LogFold(first.metrics())
    for name in "abcd":
        second.add(name, 2, 1)
    assert list(second.metrics()) == ["a", "b", "c"]
    assert second.left_out == {"d"}


def test_values_beyond_float32_stay_in_the_curve():
    curve = fold_points([("a", 0, 1e300), ("a", 1, -1e300)])["a"].curve
    [(_, first, _), (_, second, _)] = curve.points()
    assert first is not None
    assert second is not None
    assert math.isfinite(first)
    assert first > 0 > second
