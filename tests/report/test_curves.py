"""Which curves are drawn, which of them together, and what is marked on them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from folding import fold_points
from mlreport_batch.report.case import Case, case_of
from mlreport_batch.report.curves import chart_groups, chart_of
from mlreport_batch.report.drawn import Chart
from mlreport_batch.report.goals import headline_metric
from mlreport_batch.report.model import (
    AlertRules,
    ChartWishes,
    Wishes,
)
from mlreport_batch.report.view import Place
from views import view


def case(
    metrics: Mapping[str, Sequence[float]],
    charts: ChartWishes | None = None,
    **others: Any,  # noqa: ANN401
) -> Case:
    wishes = Wishes(charts=charts or ChartWishes())
    of = view(metrics, **others)
    return case_of(of, wishes, AlertRules(), now=1e6, has_grown=False, timezone="UTC")


def groups(of: Case) -> list[list[str]]:
    names = list(of.view.metrics)
    return [members for _, members in chart_groups(of, names, headline_metric(names))]


def chart(metrics: Mapping[str, Sequence[float]], **others: Any) -> Chart:  # noqa: ANN401
    return chart_of(case(metrics, **others), "c", list(metrics))


def falling(count: int = 12, by: float = 0.1) -> list[float]:
    return [1.0 - by * step / count for step in range(count)]


def test_what_tells_how_good_a_run_is_comes_before_how_it_runs():
    names = ("lr", "grad_norm", "x", "train_aux_loss", "acc", "val_loss", "train_loss")
    of = case({name: falling(by=0.1 + n / 50) for n, name in enumerate(names)})
    assert groups(of) == [
        ["val_loss", "train_loss"], ["train_aux_loss"], ["acc"], ["x"], ["lr"],
        ["grad_norm"],
    ]  # fmt: skip
    agent = case({"loss": falling(), "ep_len": falling(9), "ep_rew_mean": falling(8)})
    assert groups(agent)[0] == ["ep_rew_mean"]


def test_korean_splits_share_a_chart():
    of = case({"훈련 손실": falling(), "검증 손실": falling(by=0.3)})
    assert groups(of) == [["훈련 손실", "검증 손실"]]


def test_one_of_near_identical_curves_is_drawn():
    loss = falling(by=0.5)
    near = [value + 1e-4 for value in loss]
    of = case({"loss": loss, "total_loss": near, "other_loss": falling(by=0.4)})
    assert groups(of) == [["loss"], ["other_loss"]]
    assert groups(case({"a": [1, 2, 2], "b": [2, 1, 2]})) == [["a"], ["b"]]
    assert groups(case({"loss": loss, "acc": loss})) == [["loss"], ["acc"]]
    both = {"train_loss": loss, "val_loss": loss, "loss_sum": loss}
    assert groups(case(both)) == [["train_loss", "val_loss"]]
    never = [math.nan] * 3
    assert groups(case({"a_loss": never, "b_loss": never})) == [["a_loss"]]


def test_what_stays_the_same_is_drawn_only_where_it_has_a_goal():
    flat = [0.5] * 5
    assert groups(case({"momentum": flat, "loss": flat})) == [["loss"]]
    moving = case({"acc": flat, "val_loss": falling(), "grad_norm": [1, 2, 1]})
    assert groups(moving) == [["val_loss"], ["grad_norm"], ["acc"]]
    assert groups(case({"loss": [1.0]})) == []


def test_what_the_user_names_is_drawn_in_that_order_and_whole():
    wishes = ChartWishes(metrics=("lr", "*loss"))
    flat = [0.1] * 4
    of = case({"loss": falling(), "same_loss": falling(), "lr": flat}, wishes)
    assert groups(of) == [["lr"], ["loss"], ["same_loss"]]


def test_each_chart_has_a_name_of_its_own():
    of = case({f"{split}/loss": [n, n + 1.5] for n, split in enumerate("abcdefghi")})
    assert all(len(members) == 1 for members in groups(of))
    many = {f"loss_{step}": [n, n + 1.5] for n, step in enumerate(("step", "epoch"))}
    many |= {
        f"{split}_loss": [n, 5.0 * n] for n, split in enumerate(("dev", "eval"), 1)
    }
    many |= {"trn_loss": [3.0, 1], "tst_loss": [8.0, 2], "validation_loss": [9.0, 9.5]}
    found = chart_groups(case(many), list(many), None)
    assert [title for title, _ in found] == ["loss", "loss (2)"]
    assert [len(members) for _, members in found] == [4, 3]


@given(st.integers(2, 500), st.floats(0.5, 900.0))
@settings(max_examples=25)
def test_a_curve_ends_at_the_last_step_with_the_last_value(count: int, gap: float):
    """Buckets of several values stand in their middle, and the last value apart."""
    steps = [3.0 + gap * number for number in range(count)]
    values = [math.sin(step) for step in steps]
    points = [("x", step, value) for step, value in zip(steps, values, strict=True)]
    of = case({})
    of = replace(of, view=replace(of.view, metrics=fold_points(points)))
    of = case_of(of.view, of.wishes, of.rules, now=1e6, has_grown=False)
    drawn = chart_of(of, "x", ["x"])
    [curve] = drawn.series
    assert curve.last == (steps[-1], values[-1])
    assert drawn.until == steps[-1]
    assert (curve.steps[0], curve.steps[-1]) == (steps[0], steps[-1])
    assert list(curve.steps) == sorted(curve.steps)
    for start, place in zip(of.course("x"), curve.steps, strict=True):
        assert start[0] <= place


@pytest.mark.parametrize(
    ("metrics", "axis", "is_log"),
    [
        ({"loss": [125.0, 1.0]}, "auto", True),
        ({"loss": [125.0, 10.0]}, "auto", False),
        ({"loss": [125.0, 0.0]}, "auto", False),
        ({"loss": [125.0, -1.0]}, "log", False),
        ({"train_loss": [125.0, 1.0], "val_loss": [5.0, -1.0]}, "auto", False),
        ({"acc": [0.001, 0.9]}, "auto", False),
        ({"lr": [1e-6, 1e-4]}, "auto", False),
        ({"x": [1e-6, 1.0]}, "auto", True),
        ({"acc": [0.1, 0.9]}, "log", True),
        ({"loss": [125.0, 1.0]}, "linear", False),
        ({"loss": [math.nan, math.nan]}, "auto", False),
    ],
)
def test_a_logarithm_is_for_a_loss_that_falls_far(
    metrics: dict[str, list[float]],
    axis: Literal["auto", "linear", "log"],
    is_log: bool,
):
    assert chart(metrics, charts=ChartWishes(axis=axis)).is_log is is_log


def test_where_numbers_end_no_last_value_is_marked():
    found = chart({"loss": [3.0, 2.0, 1.0, math.nan, math.nan]})
    [curve] = found.series
    assert (curve.last, curve.bad_since, curve.latest) == (None, 4.0, "NaN")
    assert (curve.best, found.until) == ((3.0, 1.0), 5.0)
    long = [1.0] * 145 + [math.nan] * 55
    [wide] = chart({"loss": long}).series
    finite = [
        step for step, low in zip(wide.steps, wide.lows, strict=True) if low is not None
    ]
    assert max(finite) == wide.bad_since == 146.0


def test_the_best_of_what_is_held_out_is_marked():
    found = chart({"train_loss": [3.0, 1.0, 2.0], "val_loss": [4.0, 2.5, 3.0]})
    assert [curve.best for curve in found.series] == [None, (2.0, 2.5)]
    assert chart({"train_loss": [3.0, 1.0, 2.0]}).series[0].best == (2.0, 1.0)
    assert chart({"x": [3.0, 1.0, 2.0]}).series[0].best is None


@pytest.mark.parametrize(
    ("epochs", "unit", "planned"),
    [
        (50, "epoch", 50.0), (61, "epoch", 61.0), (62, "epoch", None),
        (40, "epoch", None), (50, "step", None),
    ],
)  # fmt: skip
def test_the_planned_end_is_drawn_where_the_chart_has_room(
    epochs: int, unit: str, planned: float | None
):
    place = Place(unit, 1, 41, 41)
    found = chart(
        {"loss": falling(41)}, hparams={"max_epochs": epochs}, places=(place,)
    )
    assert found.planned == planned
    assert found.planned_text == ("" if planned is None else f"end {planned:.0f}")
