"""What the files of a run say together."""

import math
from typing import Any

import pytest
from msgspec.structs import replace

from folding import fold_points
from mlreport_batch.formats import Intent, Outcome, Problem, Progress, Text
from mlreport_batch.read.collect import LogState
from mlreport_batch.read.run import RunState
from mlreport_batch.report.goals import headline_metric, main_metrics
from mlreport_batch.report.view import RunView, view_of
from mlreport_batch.safety.files import Signature

SIGNATURE = Signature(1, 1, 1, 1)


def log(metrics: dict[str, list[float]] | None = None, **others: Any) -> LogState:  # noqa: ANN401
    points = [
        (name, float(step), value)
        for name, values in (metrics or {}).items()
        for step, value in enumerate(values)
    ]
    return LogState("csv", SIGNATURE, metrics=fold_points(points), **others)


def together(**logs: LogState) -> RunView:
    names = {
        name.replace("__", "/").replace("_", "."): log for name, log in logs.items()
    }
    return view_of(RunState(names))


def test_the_same_values_in_two_logs_are_one_metric():
    view = together(a_csv=log({"loss": [1, 2]}), b_json=log({"loss": [1, 2]}))
    assert list(view.metrics) == ["loss"]


def test_other_values_under_one_name_are_told_apart():
    view = together(train_csv=log({"loss": [1, 2]}), val_csv=log({"loss": [3, 4]}))
    assert list(view.metrics) == ["train/loss", "val/loss"]
    view = together(a__log_csv=log({"loss": [1]}), b__log_csv=log({"loss": [2]}))
    assert list(view.metrics) == ["a/loss", "b/loss"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("metrics_backup.csv", "metrics_backup/loss"),
        ("metrics-2.csv", "metrics-2/loss"),
        ("eval/metrics.csv", "eval/loss"),
        ("artifacts/eval/metrics.csv", "eval/loss"),
        ("eval/scores.csv", "scores/loss"),
    ],
)
@pytest.mark.parametrize("main", ["metrics.csv", "out/metrics.csv"])
def test_a_name_does_not_depend_on_what_else_appears(main: str, other: str, told: str):
    """Its changes, its goal and the user's choice of metrics go by it."""
    first, second = log({"loss": [1, 2], "acc": [1]}), log({"loss": [3, 4]})
    alone = view_of(RunState({main: first}))
    folder = main.rpartition("/")[0]
    beside = f"{folder}/{other}" if folder else other
    view = view_of(RunState({main: first, beside: second}))
    assert view.metrics == alone.metrics | {told: second.metrics["loss"]}


@pytest.mark.parametrize("last", [1.0, float("nan"), float("inf")])
def test_curves_that_only_end_alike_are_told_apart(last: float):
    ends_alike = {"acc": [0.1, 0.5, last]}, {"acc": [0.1, 0.4, last]}
    view = together(train_csv=log(ends_alike[0]), val_csv=log(ends_alike[1]))
    assert list(view.metrics) == ["train/acc", "val/acc"]
    view = together(train_csv=log(ends_alike[0]), val_csv=log(ends_alike[0]))
    assert list(view.metrics) == ["acc"]


def test_names_that_would_meet_are_kept_apart():
    view = together(
        a_csv=log({"loss": [1]}), b_csv=log({"loss": [2]}), c_csv=log({"a/loss": [3]})
    )
    assert len(view.metrics) == 3
    assert {m.last for m in view.metrics.values()} == {1, 2, 3}


def test_the_first_word_on_a_value_holds():
    view = together(
        a_csv=log(hparams={"lr": 1}, results={"x": 1, "loss": 9}),
        b_csv=log({"loss": [1]}, hparams={"lr": 2, "bs": 3}, results={"x": 2}),
    )
    assert view.hparams == {"lr": 1, "bs": 3}
    assert view.results == {"x": 1}


def test_hyperparameters_of_events_give_way_to_those_of_a_file():
    """Lightning's and Accelerate's loggers write both."""
    events = replace(
        log(hparams={"a/b": "1", "tags": "('x',)", "flag": 1, "only/here": 2}),
        format="tensorboard",
    )
    file = log(hparams={"a.b": 1, "tags": '["x"]', "flag": True})
    state = RunState({"events.out.tfevents.1": events, "hparams.yaml": file})
    assert view_of(state).hparams == {
        "a.b": 1,
        "tags": '["x"]',
        "flag": True,
        "only/here": 2,
    }


def hparams_of(files: dict[str, dict[str, Any]]) -> RunView:
    logs = {
        path: replace(
            log(hparams=told), format="hydra" if ".hydra" in path else "hparams"
        )
        for path, told in files.items()
    }
    return view_of(RunState(logs))


def test_a_run_s_own_hparams_go_before_other_configurations():
    view = hparams_of(
        {
            "config.yaml": {"lr": 4, "e": 1},
            "checkpoints/args.yaml": {"lr": 3, "d": 1},
            ".hydra/config.yaml": {"lr": 1, "b": 1},
            "data/config.json": {"lr": 5, "batch_size": 1},
            "hparams.yaml": {"lr": 2, "batch_size": 32},
        }
    )
    assert view.hparams == {
        "lr": 1, "b": 1, "batch_size": 32, "d": 1, "e": 1,
    }  # fmt: skip
    assert view.problems == ()


def test_files_that_disagree_are_told_once_a_pair():
    view = hparams_of(
        {
            "args.yaml": {"lr": 1, "a": 1, "b": 1, "c": 1, "same": 0.1, "none": None},
            "hparams.yaml": {"lr": 2, "a": 2, "b": 2, "c": 2, "same": "0.10"},
            "opt.yaml": {"lr": 2, "none": "None", "betas": [1]},
            "config.yaml": {"lr": 3},
            "data/args.yaml": {"lr": 3},
        }
    )
    assert view.hparams["lr"] == 1
    assert list(map(str, view.problems)) == [
        "hparams.yaml: lr, a, b and 1 more: not as in args.yaml, which is used",
        "opt.yaml: lr: not as in args.yaml, which is used",
    ]


def test_how_a_value_is_written_is_no_dispute():
    view = hparams_of(
        {
            "args.yaml": {
                "betas": "(0.9, 0.999)",
                "flag": True,
                "text": "Adam",
                "x": math.nan,
            },
            "hparams.yaml": {
                "betas": "[0.9, 0.999]",
                "flag": "true",
                "text": "adam",
                "x": math.nan,
            },
        }
    )
    assert view.problems == ()


def test_intents_progress_and_outcome_are_put_together():
    view = together(
        a_csv=log(
            intents=(Intent({"lr": 1}, "to see", ("a@x",)),),
            progress=Progress(5, None),
            outcome=Outcome("finished", "a"),
            texts=(Text("model", "m"),),
            problems=(Problem("a.csv", 1, "x"),),
            more_problems=3,
            orphans=1,
        ),
        b_csv=log(
            intents=(Intent({"bs": 2}, "else", ("b@x",)),),
            progress=Progress(3, 10),
            outcome=Outcome("failed", "b"),
            texts=(Text("model", "other"),),
            restarts=2,
        ),
    )
    assert view.expect == {"lr": 1, "bs": 2}
    assert (view.purpose, view.to) == ("to see", ("a@x",))
    assert view.progress == Progress(5, 10)
    assert view.outcome == Outcome("failed", "b")
    assert [text.text for text in view.texts] == ["m"]
    assert [problem.message for problem in view.problems] == ["x", "3 more problems"]
    assert (view.orphans, view.restarts) == (1, 2)
    assert view.step == 5


def test_the_step_is_the_furthest_one():
    assert together(a_csv=log({"a": [1, 2, 3], "b": [1]})).step == 2
    assert together().step is None


@pytest.mark.parametrize(
    ("names", "first"),
    [
        (["lr", "train_loss", "val_loss", "val_acc"], "val_loss"),
        (["lr", "acc", "eval_acc"], "eval_acc"),
        (["lr", "something"], "something"),
        (["grad_norm"], "grad_norm"),
        (["loss_scale", "train_loss"], "train_loss"),
        (["reward_weight", "val_acc"], "val_acc"),
        (["kl_weight", "error_count_total", "api_cost", "x"], "x"),
        (["loss_scale"], "loss_scale"),
        ([], None),
    ],
)
def test_the_headline_is_about_what_matters(names: list[str], first: str | None):
    assert headline_metric(names) == first


def test_losses_come_first_and_housekeeping_last():
    view = together(a_csv=log({n: [1] for n in ("lr", "x", "val_acc", "train_loss")}))
    assert main_metrics(view) == ["train_loss", "val_acc", "x", "lr"]
