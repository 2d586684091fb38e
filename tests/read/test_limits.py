"""What one run directory may cost, in values, memory and time."""

import json
import random
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counting import counted
from hostile import mlflow_database
from mlreport_batch.find.listing import walk
from mlreport_batch.find.runs import group_runs
from mlreport_batch.formats import NotYetError, wandb_binary
from mlreport_batch.formats.kit.json_values import BadJsonError, load_document
from mlreport_batch.formats.mlflow_database import MLFLOW_DATABASE
from mlreport_batch.read import log as logs
from mlreport_batch.read import run as reader
from mlreport_batch.read.collect import TEXT_MAX, VALUES_MAX
from mlreport_batch.read.fold import RESTARTS_MAX, LogFold, RestartPlan
from mlreport_batch.read.run import RunState, read_run
from mlreport_batch.report.view import view_of


def read(folder: Path) -> RunState:
    root = str(folder)
    [run] = group_runs(walk(root, root=root), root)
    return read_run(run, None)


def said(state: RunState) -> str:
    return " ".join(map(str, view_of(state).problems))


@given(st.lists(st.integers(0, 9), max_size=40))
def test_restarts_that_later_ones_make_void_need_not_be_kept(steps: list[int]):
    every: list[tuple[int, float]] = []
    fold = LogFold()
    for ordinal, step in enumerate(steps):
        if ordinal and step < steps[ordinal - 1]:
            every.append((ordinal, float(step)))
        fold.add("x", float(step), 1.0)
    whole = LogFold(plan=RestartPlan({"x": tuple(every)}))
    short = LogFold(plan=fold.plan())
    for step in steps:
        whole.add("x", float(step), 1.0)
        short.add("x", float(step), 1.0)
    assert whole.metrics() == short.metrics()
    assert whole.orphans == short.orphans


def test_a_log_of_nothing_but_restarts_is_bounded():
    fold = LogFold()
    for number in range(5 * RESTARTS_MAX):
        fold.add("x", float(number + 10_000_000), 1.0)
        fold.add("x", float(number), 1.0)
    assert len(fold.restarts["x"]) <= RESTARTS_MAX


def test_a_file_cannot_fill_the_state_with_values(tmp_path: Path):
    (tmp_path / "metrics.csv").write_text("step,loss\n1,0.5\n")
    many = ", ".join(f'"k{n}": 1.5' for n in range(VALUES_MAX + 100))
    (tmp_path / "eval_results.json").write_text(f"{{{many}}}")
    (tmp_path / "hparams.json").write_text('{"text": "' + "word " * 9_000 + '"}')
    state = read(tmp_path)
    assert len(state.logs["eval_results.json"].results) == VALUES_MAX
    assert len(str(state.logs["hparams.json"].hparams["text"])) == TEXT_MAX
    assert "more than 5,000 values; the rest is left out" in said(state)


def test_a_document_cannot_yield_points_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logs, "ITEMS_MAX", 1000)
    (tmp_path / "history.json").write_text('{"loss": [' + "0.5, " * 1500 + "0.5]}")
    state = read(tmp_path)
    assert state.logs["history.json"].points == 1000
    assert "more than 1,000 values; the rest is left out" in said(state)


def test_a_run_has_only_so_many_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reader, "NAMES_MAX", 25)
    for number in range(9):
        columns = ",".join(f"loss_{n}" for n in range(10))
        row = ",".join(["0.5"] * 10)
        (tmp_path / f"log_{number}.csv").write_text(f"step,{columns}\n1,{row}\n")
    state = read(tmp_path)
    assert list(state.logs) == ["log_0.csv", "log_1.csv", "log_2.csv"]
    assert "6 more files are left out" in said(state)


def test_hyperparameters_and_results_are_among_the_names_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reader, "NAMES_MAX", 25)
    settings = json.dumps({f"rate_{n}": n for n in range(15)})
    results = json.dumps({f"acc_{n}": 0.5 for n in range(15)})
    (tmp_path / "a_metrics.csv").write_text("step,loss\n1,0.5\n")
    (tmp_path / "hparams.json").write_text(settings)
    (tmp_path / "results.json").write_text(results)
    (tmp_path / "z_metrics.csv").write_text("step,loss\n1,0.5\n")
    state = read(tmp_path)
    assert "z_metrics.csv" not in state.logs
    assert "1 more files are left out" in said(state)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[" + b"{}," * 600_000 + b"{}]", "lists and objects"),
        (b"[" + b"0," * 2_100_000 + b"0]", "values"),
    ],
)
def test_json_that_would_swell_in_memory_is_refused(data: bytes, says: str):
    with pytest.raises(BadJsonError, match=says):
        load_document(data)


def test_files_whose_names_look_alike_are_all_read(tmp_path: Path):
    for number, name in enumerate(("m\x01.csv", "m\x02.csv", "m\udcff.csv")):
        (tmp_path / name).write_text(f"step,loss_{number}\n1,0.5\n2,0.25\n")
    state = read(tmp_path)
    assert len(state.logs) == 3
    assert set(view_of(state).metrics) == {"loss_0", "loss_1", "loss_2"}
    assert read(tmp_path).logs.keys() == state.logs.keys()


def test_many_logs_with_the_same_metric_are_told_apart_in_time(tmp_path: Path):
    for number in range(1500):
        (tmp_path / f"m.{number}.csv").write_text(f"step,loss\n1,0.{number}\n")
    state = read(tmp_path)
    calls, view = counted(lambda: view_of(state))
    assert calls < 200 * 1500  # 50 for each; to compare each with all took 2,000
    assert len(view.metrics) > 1000


def test_damage_all_over_a_binary_log_is_passed_over_in_time():
    data = random.Random(1).randbytes(6_000_000)
    damaged: list[int] = []
    calls, records = counted(lambda: list(wandb_binary._records(data, damaged)))
    assert records == []
    assert damaged
    assert calls < 10_000  # it goes on with the next of 183 blocks, not the next byte


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ("TABLE params (run_uuid, key, value AS (hex(key)) VIRTUAL)", "generated"),
        ("VIEW params AS SELECT 1 AS run_uuid, 2 AS key, 3 AS value", "no tables"),
        ("VIRTUAL TABLE params USING fts5 (run_uuid, key, value)", "no tables"),
    ],
)
def test_a_database_that_computes_is_refused(params: str, says: str, tmp_path: Path):
    path = tmp_path / "mlflow.db"
    mlflow_database(path)
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE params")
        db.execute(f"CREATE {params}")
    db.close()
    with pytest.raises(NotYetError, match=says):
        list(MLFLOW_DATABASE.members(path.read_bytes()))


def test_half_a_document_is_waited_for():
    with pytest.raises(NotYetError):
        load_document(b'{"a": [1, 2')
