"""Inputs from the field that were once read wrong, by kind, and what is right."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats_reading import claim, read
from mlreport_batch.cli import main
from mlreport_batch.formats import Outcome, Point, Result, Role
from mlreport_batch.formats.csv_log import compares, header_in
from mlreport_batch.formats.hparams import is_shared
from places import ROOT

FIELD = ROOT / "tests" / "field"

# Kind, run: metric -> (values, last value, its step).
METRICS: list[tuple[str, str, dict[str, tuple[int, float, float]]]] = [
    ("episode_length_as_step", "csv", {"reward": (8, 18, 8), "win": (8, 0, 8)}),
    ("episode_length_as_step", "jsonl", {"reward": (4, 14, 4)}),
    ("episode_length_as_step", "cumulative_ok", {"mean_reward": (3, 12.5, 3600)}),
    (
        "cells_with_dressed_numbers",
        "tensor",
        {"loss": (2, 0.4, 2), "acc": (2, 0.91, 2)},
    ),
    ("cells_with_dressed_numbers", "tensor_device", {"loss": (2, 0.4, 2)}),
    ("cells_with_dressed_numbers", "jsonl", {"loss": (2, 0.4, 2), "acc": (2, 93.5, 2)}),
    ("steps_out_of_order", "csv", {"eval_acc": (6, 0.7, 3000)}),
    ("steps_out_of_order", "tb_async", {"loss": (8, 8, 8)}),
    ("mlflow_metric_of_a_dataset", f"mlruns/1/{'1' * 32}", {"loss": (2, 0.8, 1)}),
    ("wandb_own_counter_before_global_step", "export", {"train/loss": (3, 0.85, 1500)}),
    ("logs_without_a_header", "list", {"train_loss": (3, 1.71, 2)}),
    (
        "json_histories_of_other_shapes",
        "train_and_val",
        {"train/loss": (2, 0.8, 2), "val/loss": (2, 0.9, 2)},
    ),
    ("json_histories_of_other_shapes", "below_history", {"loss": (2, 0.8, 2)}),
    (
        "json_histories_of_other_shapes",
        "rows_without_steps",
        {"g_loss": (2, 1.9, 1), "PSNR": (2, 14, 1)},
    ),
    ("json_histories_of_other_shapes", "by_epoch", {"val_loss": (2, 0.9, 2)}),
    ("mmcv_log_resumed_beside", "work", {"train/loss": (9, 1.35, 450)}),
    ("baselines_monitor", "logs", {"0.0/r": (3, -19, 2), "0.0/l": (3, 830, 2)}),
    (
        "printed_training_logs",
        "hf_stdout",
        {"loss": (4, 3.4, 0.04), "eval_loss": (1, 3.1, 0.04)},
    ),
    (
        "printed_training_logs",
        "nanogpt",
        {"val loss": (2, 2.52, 20), "loss": (2, 3.31, 10)},
    ),
    ("printed_training_logs", "megatron", {"lm loss": (3, 5.7, 300)}),
    ("printed_training_logs", "nnunet", {"val_loss": (2, -0.17, 1)}),
    ("several_batches_an_epoch", "r", {"loss": (6, 0.7, 6), "f_mae": (6, 0.5, 6)}),
]


@pytest.mark.parametrize(("kind", "run", "expected"), METRICS)
def test_what_the_field_writes_is_read_as_it_was_meant(
    kind: str,
    run: str,
    expected: dict[str, tuple[int, float, float]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    found = {each["name"]: each for each in inspected(kind, tmp_path, capsys)}[run]
    for name, wanted in expected.items():
        metric = found["metrics"][name]
        assert (metric["count"], metric["last"], metric["last_step"]) == wanted
    assert not found["problems"]


def inspected(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, Any]]:
    shutil.copytree(FIELD / kind, folder / "tree")
    assert main(["inspect", str(folder / "tree"), "--json"]) == 0
    runs: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["runs"]
    return runs


def test_trials_of_keras_tuner_are_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    first, second = inspected("keras_tuner", tmp_path, capsys)
    assert first["hparams"] == {"lr": 0.01, "units": 192}
    trial = FIELD / "keras_tuner/untitled_project/trial_0/trial.json"
    results = [r for r in read("keras_tuner", trial.read_text()) if type(r) is Result]
    told = {result.name: result.value for result in results}
    assert told == {"loss": 0.5, "score": 0.8, "val_accuracy": 0.8}
    assert (first["status"], second["status"]) == ("finished", "finished")


@pytest.mark.parametrize(
    ("status", "told"),
    [("RUNNING", "running"), ("FAILED", "failed"), ("INVALID", "failed")],
)
def test_a_trial_of_keras_tuner_says_how_it_stands(status: str, told: str):
    text = json.dumps(
        {
            "trial_id": "7",
            "hyperparameters": {"space": [], "values": {"lr": 0.1}},
            "metrics": {
                "metrics": {
                    "loss": {"observations": [{"value": [9.0]}, {"value": [1.0, 2.0]}]},
                    "none": {"observations": []},
                    "odd": 3,
                }
            },
            "score": None,
            "status": status,
        }
    )
    items = read("keras_tuner", text)
    assert [item for item in items if isinstance(item, Result)] == [Result("loss", 1.5)]
    [outcome] = [item for item in items if isinstance(item, Outcome)]
    assert outcome.status == told


def test_columns_of_pymarl_are_metrics_with_steps_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    [run] = inspected("pymarl_info_json", tmp_path, capsys)
    told = {
        k: (m["count"], m["last"], m["last_step"]) for k, m in run["metrics"].items()
    }
    assert told == {"battle_won_mean": (3, 0.3, 20110), "loss_td": (2, 0.5, 15000)}
    text = (
        '{"a": [{"py/object": "numpy.float64", "value": 0.5}], "a_T": [10], "b": [1]}'
    )
    assert read("sacred_info", text) == [Point("a", 10.0, 0.5)]


def test_hyperparameters_stand_in_files_of_made_up_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run, behaviour = inspected("hyperparameters_under_other_names", tmp_path, capsys)
    assert run["hparams"]["lr"] == 0.001
    assert run["hparams"]["batch_size"] == 32
    key = "behaviors.MoveToGoal.hyperparameters.learning_rate"
    assert behaviour["hparams"][key] == 0.0003


@pytest.mark.parametrize(
    ("name", "is_read"),
    [
        ("exp_cfg.json", True),
        ("ppo-args.yaml", True),
        ("configuration.yaml", True),
        ("model.params.json", True),
        ("tokenizer_config.json", False),
        ("generation_config.json", False),
        ("preprocessor_config.json", False),
        ("results.json", False),
        ("configure.json", False),
    ],
)
def test_names_of_configurations(name: str, is_read: bool):
    assert is_shared("hparams", name) == is_read


def test_tables_that_compare_models_or_samples_are_no_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert inspected("tables_that_compare", tmp_path, capsys) == []


def test_results_of_single_samples_are_no_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The layout of Asteroid."""
    runs = inspected("results_of_single_samples", tmp_path, capsys)
    assert [run["name"] for run in runs] == ["exp/lightning_logs/version_0"]
    text = '{"sdr": 1.5}'
    for folder in ("exp/eval_examples/ex_3", "predictions/0007", "exp/sample_12"):
        assert claim(f"{folder}/metrics.json", text)[1].role is Role.context
    for folder in ("runs/lr0.1", "results/resnet"):
        assert claim(f"{folder}/metrics.json", text)[1].role is Role.metrics


EVALUATED = ("precision", "recall", "f1-score", "iou", "acc", "auc", "ap", "top5", "f1")
COMPARED = ("", "class_id", "threshold", "fold", "model_size", "label", "id", "bin")


@given(
    st.lists(st.sampled_from(EVALUATED), min_size=1, max_size=4, unique=True),
    st.sampled_from(COMPARED),
    st.sampled_from(["report", "results", "roc_curve", "per_class", "test_summary"]),
    st.integers(2, 9),
)
def test_what_is_evaluated_for_each_of_some_things_is_no_training(
    names: list[str], thing: str, stem: str, count: int
):
    rows = [f"{at}" + ",0.5" * len(names) for at in range(count)]
    text = "\n".join([",".join([thing, *names]), *rows, ""])
    assert claim(f"run/{stem}.csv", text) is None
    told = text.replace(names[0], f"{names[0]},val_{names[0]}", 1)
    told = told.replace("\n", ",0.5\n").replace(",0.5\n", "\n", 1)
    assert claim(f"run/{stem}.csv", told) is not None


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("walk.csv", "time,acc_x,acc_y,acc_z"),
        ("episode_3.csv", "step,action,reward,done"),
        ("trajectory.csv", "t,x,y,reward"),
        ("stats_history.csv", "Timestamp,User Count,Requests/s,Failures/s"),
        ("log.csv", "hour,temp,humidity"),
        ("results.csv", "lr,wd,val_acc,test_acc"),
    ],
)
def test_tables_of_other_things_are_no_runs(name: str, header: str):
    rows = [",".join(["1"] * header.count(",") + [str(at)]) for at in range(9)]
    assert claim(f"data/{name}", "\n".join([header, *rows, ""])) is None


def test_a_score_that_cannot_be_measured_raises_no_alarm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """detectron2#1482, detectron2#1008."""
    shutil.copytree(FIELD / "nan_that_means_nothing_to_measure", tmp_path / "tree")
    call = ["run", str(tmp_path / "tree"), "--out", str(tmp_path / "out"), "--json"]
    assert main(call) == 0
    [run] = json.loads(capsys.readouterr().out)["runs"]
    assert run["alerts"] == []


def test_a_printed_norm_that_is_no_number_raises_an_alarm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(FIELD / "printed_training_logs", tmp_path / "tree")
    call = ["run", str(tmp_path / "tree"), "--out", str(tmp_path / "out"), "--json"]
    assert main(call) == 0
    runs = {run["name"]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    [alert] = runs["megatron"]["alerts"]
    assert "grad norm" in str(alert)


@given(
    st.lists(st.text("abcxyz_", min_size=1, max_size=8), min_size=3, max_size=12),
    st.integers(0, 2),
)
def test_a_text_that_differs_in_every_row_makes_a_table(words: list[str], at: int):
    """One that comes again tells parts of one training: ``train``, ``val``."""
    names, rows = ["loss", "acc"], [["0.5", "0.9"] for _ in words]
    names.insert(at, "what")
    for number, word in enumerate(words):
        rows[number].insert(at, word)
    header = header_in(",".join(names))
    assert header is not None
    is_table = len(set(words)) == len(words)
    assert compares(header, [",".join(row) for row in rows]) == is_table
