"""A brief tells of a run what the run itself tells."""

import math

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from mlreport_batch.report.brief import HPARAMS_MAX, POINTS, Brief, brief_of
from mlreport_batch.report.case import case_of
from mlreport_batch.report.model import AlertRules, Wishes
from views import view

VALUES = st.lists(
    st.one_of(st.floats(-50, 50, width=32), st.just(math.nan)), max_size=400
)


def made(values: list[float], name: str = "val_loss", **others: object) -> Brief:
    found = view({name: values} if values else {}, **others)
    case = case_of(found, Wishes(), AlertRules(), now=1.0, has_grown=False)
    return brief_of(case, "sweep/a")


@settings(max_examples=60)
@given(VALUES, st.sampled_from(["val_loss", "val_acc"]), st.integers(1, 400))
def test_the_best_by_a_step_is_never_one_that_came_later(
    values: list[float], name: str, step: int
):
    run = made(values, name)
    pick = min if name == "val_loss" else max
    until = [value for value in values[:step] if math.isfinite(value)]
    found = run.best_by(step)
    if len(values) <= POINTS:
        assert found == (pick(until) if until else None)
    elif found is not None:
        assert found in until
        assert not run.is_better(found, pick(until))


@settings(max_examples=30)
@given(VALUES)
def test_a_brief_survives_being_kept(values: list[float]):
    run = made(values)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(run), type=Brief)
    assert repr(again) == repr(run)  # NaN is not equal to itself


def test_a_run_without_metrics_has_a_brief_of_its_hyperparameters():
    run = made([], hparams={"lr": 0.1})
    assert (run.metric, run.goal, run.score, run.best_by(9)) == ("", "", None, None)
    assert run.hparams == {"lr": 0.1}


def test_a_brief_is_small_whatever_the_run_states():
    many = {f"key{n}": "x" * 500 for n in range(2 * HPARAMS_MAX)}
    assert len(made([1.0], hparams=many).hparams) == HPARAMS_MAX
    long = made([1.0 / n for n in range(1, 5000)])
    assert len(msgspec.msgpack.encode(long)) < 700
