"""News is what a run has that its last report did not show."""

import math
from typing import Any

import pytest

from mlreport_batch.find.checkpoints import Checkpoint
from mlreport_batch.formats import Outcome, Problem
from mlreport_batch.report.news import Snapshot, compare, snapshot_of
from mlreport_batch.report.view import RunView
from views import view


def reported(of: RunView) -> Snapshot:
    return snapshot_of(of, best={}, alerts={}, at=1.0)


FULL: dict[str, Any] = {
    "hparams": {"lr": 0.1, "n": math.nan},
    "expect": {"lr": 0.1, "x": math.nan},
    "results": {"test": 0.5, "bad": math.nan},
    "checkpoints": (Checkpoint("a.pt", 10, 20),),
    "outcome": Outcome("running", ""),
    "problems": (Problem("a", 1, "x"),),
}


def test_a_first_report_is_all_news():
    changes = compare(view({"a": [1, 2]}, **FULL), None)
    assert changes.kinds == (
        "metrics", "hparams", "results", "checkpoints", "problems",
    )  # fmt: skip
    assert changes.new_points == {"a": 2}
    assert changes.changed_hparams == {}


@pytest.mark.parametrize("values", [[1.0, 2.0], [1.0, math.nan], [math.inf]])
def test_what_was_shown_is_no_news(values: list[float]):
    now = view({"a": values}, **FULL)
    changes = compare(now, reported(now))
    assert changes.kinds == ()
    assert changes.total_points == 0


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"hparams": {"lr": 0.2, "n": math.nan}}, "hparams"),
        ({"hparams": {**FULL["hparams"], "more": 1}}, "hparams"),
        ({"expect": {"lr": 0.2}}, "hparams"),
        ({"results": {**FULL["results"], "test": 0.6}}, "results"),
        ({"checkpoints": (Checkpoint("a.pt", 11, 20),)}, "checkpoints"),
        ({"checkpoints": (Checkpoint("a.pt", 10, 21),)}, "checkpoints"),
        ({"problems": (Problem("a", 1, "x"), Problem("b", 1, "y"))}, "problems"),
    ],
)
def test_each_kind_of_change_is_news(change: dict[str, Any], kind: str):
    before = view({"a": [1, 2]}, **FULL)
    after = view({"a": [1, 2]}, **(FULL | change))
    assert compare(after, reported(before)).kinds == (kind,)


def test_an_end_is_news_once():
    run = view({"a": [1, 2]}, **FULL)
    assert compare(run, reported(run), "finished").kinds == ("status",)
    known = snapshot_of(run, best={}, alerts={}, at=0, outcome="finished")
    assert compare(run, known, "finished").kinds == ()
    assert compare(run, known, "failed").kinds == ("status",)
    assert compare(run, known).kinds == ()


@pytest.mark.parametrize(
    "change",
    [
        {"hparams": {"lr": 0.1}},
        {"checkpoints": ()},
        {"problems": ()},
        {"results": {}},
        {"outcome": None},
    ],
)
def test_what_went_away_is_no_news(change: dict[str, Any]):
    before = view({"a": [1, 2]}, **FULL)
    assert not compare(view(**(FULL | change)), reported(before)).kinds


@pytest.mark.parametrize(
    ("before", "after", "gained"),
    [
        ([1, 2], [1, 2, 3], 1),
        ([1, 2], [1, 5], 2),
        ([1, 2, 3], [1], 1),
        ([1, math.nan], [1, 2], 2),
        ([], [1, 2], 2),
    ],
)
def test_new_values_are_counted(before: list[float], after: list[float], gained: int):
    changes = compare(view({"a": after}), reported(view({"a": before})))
    assert changes.new_points == {"a": gained}
    assert changes.total_points == gained


def test_a_changed_hyperparameter_is_told_with_both_values():
    changes = compare(view(hparams={"lr": 0.2}), reported(view(hparams={"lr": 0.1})))
    assert changes.changed_hparams == {"lr": (0.1, 0.2)}
