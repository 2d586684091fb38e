"""Files as their frameworks' sources say they are written, and their roles."""

import json
import sqlite3
from pathlib import Path

import pytest

from formats_reading import (
    claim,
    found_runs,
    items_by_file,
    parse,
    points,
    problems,
    read,
)
from mlreport_batch.formats import (
    Hparams,
    Intent,
    NotYetError,
    Outcome,
    Point,
    Result,
    Role,
    Text,
    mlflow_database,
)
from mlreport_batch.formats.mlflow_database import MLFLOW_DATABASE
from mlreport_batch.formats.registry import by_name, formats

RUN_ID = "5cf5a59f1b6343aea92621d63f6a4120"
WANDB = "wandb/run-20261102_101500-ab12cd34/files"


def test_every_format_has_its_own_name():
    names = [member.name for member in formats()]
    assert len(set(names)) == len(names) == len(by_name())


def test_lines_of_xgboost_are_read_in_the_middle_of_other_output():
    data = (
        "starting\n[0]\ttrain-rmse:0.5\tvalid-rmse:nan\n"
        "[12:01:02] WARNING: x\n[1]\ttrain-rmse:0.4+0.1\tvalid-rmse:0.6\n"
    )
    assert claim("run/train.log", data)[0] == "printed"
    found = points(read("printed", data))
    assert found["train-rmse"] == [(0, 0.5), (1, 0.4)]
    assert found["valid-rmse"][1] == (1, 0.6)


def test_lines_of_lightgbm_are_read():
    data = (
        "[LightGBM] [Info] Iteration:10, valid_1 auc : 0.5\n"
        "[10]\tvalid_0's l2: 0.25\tvalid_0's l1: 0.5 + 0.1\n"
    )
    assert points(read("printed", data)) == {
        "valid_1 auc": [(10, 0.5)],
        "valid_0's l2": [(10, 0.25)],
        "valid_0's l1": [(10, 0.5)],
    }


def test_the_best_iteration_that_lightgbm_prints_again_overtakes_nothing():
    data = (
        "[LightGBM] [Info] Iteration:10, valid_1 auc : 0.8\n"
        "[LightGBM] [Info] Iteration:20, valid_1 auc : 0.7\n"
        "[LightGBM] [Info] Output of best iteration round:\n"
        "Iteration:10, valid_1 auc : 0.8\n\n"
        "[5]\tvalid_0's l2: 0.2\n[15]\tvalid_0's l2: 0.3\n"
        "Early stopping, best iteration is:\n[3]\tvalid_0's l2: 0.1\n"
        "[5]\tvalid_1's l2: 0.2\n"
        "Did not meet early stopping. Best iteration is:\n[3]\tvalid_1's l2: 0.1\n"
    )
    assert points(read("printed", data)) == {
        "valid_1 auc": [(10, 0.8), (20, 0.7)],
        "valid_0's l2": [(5, 0.2), (15, 0.3)],
        "valid_1's l2": [(5, 0.2)],
    }


def test_lines_of_composer_are_read_with_their_hyperparameters():
    data = (
        "[hyperparameter]: lr: 0.1\n[hyperparameter]: name: x y\n[stdout]: hi\n"
        "[metric][batch=3]: metrics/eval/Acc: 0.5\n"
        "[metric][batch=4]: loss/train: tensor\n"
        "[metric][batch=4]: trainer/epoch: 1\n[trace]: x\n"
    )
    assert claim("run/logs-rank0.txt", data)[0] == "printed"
    assert read("printed", data) == [
        Hparams({"lr": 0.1}),
        Hparams({"name": "x y"}),
        Point("metrics/eval/Acc", 3, 0.5),
    ]


def test_objects_of_fairseq_are_read_behind_their_prefix():
    data = (
        "2026-01-01 10:00:00 | INFO | fairseq_cli.train | task\n"
        '2026-01-01 10:00:00 | INFO | train_inner | {"epoch": 1, "update": 0.5, '
        '"loss": "3.25", "ppl": "9.5", "num_updates": "100", '
        '"lr": "1e-05", "wall": "9"}\n'
        '2026-01-01 10:00:00 | INFO | valid | {"epoch": 1, "valid_loss": "2.5", '
        '"valid_num_updates": "120"}\n'
        "a line { that is no object\n"
    )
    assert claim("run/train.log", data)[0] == "json_in_text"
    items = read("json_in_text", data)
    assert points(items) == {
        "loss": [(100, 3.25)],
        "ppl": [(100, 9.5)],
        "lr": [(100, 1e-05)],
        "valid_loss": [(120, 2.5)],
    }
    assert not problems(items)


@pytest.mark.parametrize(
    "first",
    ["{'_name': None, 'common': {'log_interval': 4, 'log_format': 'json'}}",
     "x | INFO | fairseq_cli.train | Namespace(lr=[0.1], log_format='json')"],
)  # fmt: skip
def test_log_of_fairseq_is_known_before_its_first_row(first: str):
    model = "TransformerLanguageModel(\n" + 900 * "  (decoder): Linear()\n"
    assert claim("run/train.log", f"{first}\n{model}")[0] == "json_in_text"
    other = first.replace("json", "simple")
    assert claim("run/train.log", f"{other}\n{model}") is None


def test_rows_that_fairseq_wrote_again_for_each_epoch_count_once():
    row = '{"epoch": 2, "loss": "3.5", "num_updates": "10"}\n'
    data = row + row + "validation\n" + row.replace("10", "20") + row + row
    items = read("json_in_text", data)
    assert items == [
        Point("loss", 10, 3.5), Point("loss", 20, 3.5), Point("loss", 10, 3.5)
    ]  # fmt: skip


def test_epochs_of_allennlp_are_stepped_by_their_name():
    text = '{"best_epoch": 1, "epoch": 10, "training_loss": 0.5, '
    text += '"training_duration": "0:01"}'
    path = "/top/run/metrics_epoch_10.json"
    assert claim("run/metrics_epoch_10.json", text)[1].series == "allennlp"
    assert read("allennlp", text, path) == [Point("training_loss", 10, 0.5)]


def test_both_copies_of_mmengine_are_twins():
    row = b'{"lr": 0.1, "loss": 0.5, "epoch": 1, "iter": 10, "step": 10}\n'
    row += b'{"acc": 1, "step": 1}\n'
    folder = "work/20261123_101500/vis_data"
    first = claim(f"{folder}/scalars.json", row)
    second = claim(f"{folder}/20261123_101500.json", row)
    assert first[0] == second[0] == "mmengine"
    assert first[1].twin == second[1].twin
    assert first[1].rank < second[1].rank
    assert first[1].levels_up == 1
    assert points(read("mmengine", row)) == {
        "lr": [(10, 0.1)],
        "loss": [(10, 0.5)],
        "acc": [(1, 1)],
    }


def test_rows_of_detectron2_keep_their_order():
    data = (
        '{"iteration": 59, "total_loss": 1, "eta_seconds": 2, "time": 3}\n'
        '{"iteration": 49, "bbox/AP": NaN}\n'
    )
    assert claim("run/metrics.json", data)[0] == "json_lines"
    found = points(read("json_lines", data))
    assert found["total_loss"] == [(59, 1)]
    assert found["bbox/AP"][0][0] == 49
    assert found.keys() == {"total_loss", "bbox/AP"}


def test_files_of_mlflow_belong_to_the_folder_of_the_run():
    base = f"mlruns/1/{RUN_ID}"
    name, match = claim(f"{base}/metrics/train/loss", "1700000000000 0.5 3\n")
    assert (name, match.levels_up, match.closed) == ("mlflow_metric", 2, True)
    path = f"/top/{base}/metrics/train/loss"
    items = read("mlflow_metric", "1 0.5 3\n1 nan\n\nx y z\n1 2 inf\n", path)
    assert items[0] == Point("train/loss", 3, 0.5)
    assert items[1].step == 0
    assert problems(items) == [(4, "not time, value and step; such lines are left out")]
    name, match = claim(f"{base}/params/a/b", "0.1")
    assert (name, match.levels_up, match.role) == ("mlflow_param", 2, Role.context)
    assert read("mlflow_param", "1\n2", f"/top/{base}/params/a/b") == [
        Hparams({"a/b": "1\n2"})
    ]
    assert claim(f"{base}/metrics/model.bin", b"\0\1") is None
    assert claim("metrics/train/notes.txt", "hello") is None


SHA = "0123456789abcdef0123456789abcdef01234567"


def test_mlflow_says_of_which_commit_a_run_is_and_what_was_noted():
    base = f"mlruns/1/{RUN_ID}/tags"
    name, match = claim(f"{base}/mlflow.note.content", "a\n\nb\n")
    assert (name, match.levels_up, match.role) == ("mlflow_tag", 1, Role.context)
    assert read("mlflow_tag", "a\n\nb\n", f"/top/{base}/mlflow.note.content") == [
        Text("note", "a\n\nb")
    ]
    commit = f"{base}/mlflow.source.git.commit"
    assert claim(commit, SHA)[0] == "mlflow_tag"
    assert read("mlflow_tag", f"{SHA}\n", f"/top/{commit}") == [
        Text("commit", f"commit: {SHA}")
    ]
    assert read("mlflow_tag", " \n", f"/top/{commit}") == []
    assert claim(f"{base}/mlflow.user", "me") is None
    assert claim("tags/mlflow.note.content", "x") is None


def test_a_database_of_mlflow_says_so_too():
    connection = sqlite3.connect(":memory:")
    connection.deserialize(database())
    before = [each.version for each in MLFLOW_DATABASE.members(connection.serialize())]
    connection.execute("CREATE TABLE tags (key, value, run_uuid)")
    tags = [
        ("mlflow.source.git.commit", SHA, "0" * 32),
        ("mlflow.note.content", "seen", "0" * 32),
        ("mlflow.user", "me", "0" * 32),
        ("mlflow.note.content", "of another", "1" * 32),
        ("mlflow.note.content", None, "0" * 32),
    ]
    connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", tags)
    connection.commit()
    data = connection.serialize()
    texts = [item for item in read("mlflow_database", data) if isinstance(item, Text)]
    assert texts == [Text("commit", f"commit: {SHA}"), Text("note", "seen")]
    assert [each.version for each in MLFLOW_DATABASE.members(data)] != before
    connection.execute("DROP TABLE tags")
    connection.execute("CREATE VIEW tags AS SELECT 1 AS key, 1 AS value, 1 AS run_uuid")
    assert read("mlflow_database", connection.serialize()) == read(
        "mlflow_database", database()
    )


@pytest.mark.parametrize(
    ("document", "texts"),
    [
        ({"experiment": {"repositories": [{"commit": SHA, "dirty": False}]}},
         [Text("commit", f"commit: {SHA}")]),
        ({"experiment": {"repositories": [{}, {"commit": SHA, "dirty": True}]}},
         [Text("commit", f"commit: {SHA}, changed")]),
        ({"meta": {"comment": " tried again "}}, [Text("note", "tried again")]),
        ({"experiment": {"repositories": [1, {"commit": 2}]}, "meta": {"comment": " "}},
         []),
        ({"experiment": [], "meta": 1}, []),
        ({"experiment": {"repositories": 1}}, []),
    ],
)  # fmt: skip
def test_sacred_says_of_which_commit_a_run_is_and_what_was_said(
    document: dict[str, object], texts: list[Text]
):
    assert read("sacred_run", json.dumps(document)) == texts


def test_a_deleted_run_of_mlflow_says_so():
    text = f"run_id: {RUN_ID}\nrun_name: first\nstatus: 4\nlifecycle_stage: %s\n"
    path = f"mlruns/1/{RUN_ID}/meta.yaml"
    assert not claim(path, text % "active")[1].is_deleted
    assert claim(path, text % "deleted")[1].is_deleted
    assert read("mlflow_meta", text % "active", "/top/meta.yaml") == [
        Outcome("failed", "meta.yaml says FAILED"),
        Intent(purpose="first"),
    ]
    assert claim("mlruns/1/meta.yaml", "experiment_id: 1\n") is None


def database(rows: int = 1) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE TABLE runs (run_uuid, name, status, lifecycle_stage, start_time);"
        "CREATE TABLE metrics (key, value, step, is_nan, run_uuid);"
        "CREATE TABLE params (key, value, run_uuid);"
    )
    for number in range(rows):
        connection.execute(
            "INSERT INTO runs VALUES (?, 'same', 'RUNNING', 'active', ?)",
            (f"{number}" * 32, number),
        )
        connection.executemany(
            "INSERT INTO metrics VALUES ('loss', ?, ?, ?, ?)",
            [
                (0.5, 1, 0, f"{number}" * 32),
                (-1.7976931348623157e308, 2, 0, f"{number}" * 32),
                ("text", 3, 0, f"{number}" * 32),
            ],
        )
        connection.execute(
            "INSERT INTO params VALUES ('lr', '0.1', ?)", (f"{number}" * 32,)
        )
    connection.commit()
    data = connection.serialize()
    connection.close()
    return data


def test_each_run_of_a_database_says_what_is_its_own():
    assert claim("mlflow.db", database())[0] == "mlflow_database"
    assert claim("my_mlruns.sqlite", database())[0] == "mlflow_database"
    assert claim("mlflow.db", "no database") is None
    assert read("mlflow_database", database(2)) == 2 * [
        Intent(purpose="same"),
        Outcome("running", "x.csv says RUNNING"),
        Hparams({"lr": "0.1"}),
        Point("loss", 1, 0.5),
        Point("loss", 2, float("-inf")),
    ]
    members = list(MLFLOW_DATABASE.members(database(2)))
    assert [each.name for each in members] == ["1" * 32, "0" * 32]  # the newest first
    assert [each.size for each in members] == [3, 3]


def test_a_run_of_a_database_is_another_only_where_it_says_something_else():
    path = sqlite3.connect(":memory:")
    path.deserialize(database(3))

    def versions() -> dict[str, int]:
        members = MLFLOW_DATABASE.members(path.serialize())
        return {each.name[0]: each.version for each in members}

    before = versions()
    for statement, changed in (
        ("INSERT INTO metrics VALUES ('acc', 1, 1, 0, '{0}')", "1"),
        ("INSERT INTO params VALUES ('b', '1', '{0}')", "2"),
        ("UPDATE runs SET status = 'FINISHED' WHERE run_uuid = '{0}'", "0"),
        ("UPDATE runs SET name = 'another' WHERE run_uuid = '{0}'", "1"),
    ):
        path.execute(statement.format(changed * 32))
        path.commit()
        after = versions()
        assert {key for key in after if after[key] != before[key]} == {changed}
        before = after
    path.execute(
        "UPDATE runs SET lifecycle_stage = 'deleted' WHERE status = 'FINISHED'"
    )
    path.commit()
    assert versions().keys() == {"1", "2"}


def test_a_damaged_database_is_tried_again():
    whole = database(3)
    for damaged in (whole[:5000], whole[:16], b"text"):
        with pytest.raises(NotYetError):
            read("mlflow_database", damaged)
    in_wal_mode = whole[:18] + b"\2\2" + whole[20:]
    assert read("mlflow_database", in_wal_mode) == read("mlflow_database", whole)


def test_of_a_database_the_newest_runs_are_read_and_others_are_said(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(mlflow_database, "_RUNS_MAX", 2)
    data = database(3).replace(b"2" * 32, b"../" + b"2" * 29)
    kept, *said = reversed(list(MLFLOW_DATABASE.members(data)))
    assert kept.name == "1" * 32
    assert {each.message for each in said} == {
        "only the newest 2 runs in it are read",
        "1 runs with ids that are none of MLflow's are left out",
    }


def test_a_view_in_the_place_of_a_table_is_not_asked():
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE VIEW runs AS WITH RECURSIVE n(run_uuid) AS (SELECT 1 UNION ALL "
        "SELECT run_uuid + 1 FROM n) SELECT run_uuid, 'x' AS name, 'x' AS status, "
        "'active' AS lifecycle_stage, 1 AS start_time FROM n;"
    )
    connection.commit()
    data = connection.serialize()
    connection.close()
    with pytest.raises(NotYetError):
        read("mlflow_database", data)


def test_files_of_wandb_belong_to_the_folder_above():
    for name, data in {
        "wandb-summary.json": "{}",
        "wandb-history.jsonl": '{"_step": 0}\n',
        "config.yaml": "lr: {value: 1}\n",
        "wandb-metadata.json": "{}",
    }.items():
        found, match = claim(f"{WANDB}/{name}", data)
        assert found.startswith("wandb_")
        assert match.levels_up == 1
        assert claim(f"other/{name}", "[]") is None or name == "config.yaml"
        old = claim(f"wandb/dryrun-20180130_144602-my-id.1/{name}", data)
        assert (old[0], old[1].levels_up) == (found, 0)
    text = '{"_step": 5, "loss": 0.5, "top": "Infinity", "_wandb": {"runtime": 1}}'
    assert read("wandb_summary", text) == [Point("loss", 5, 0.5)]
    assert read(
        "wandb_metadata", '{"os": "Linux", "args": ["--lr", "1"]}', "/m.json"
    ) == [Text("environment", 'os: Linux\nargs: ["--lr", "1"]')]


def test_metadata_of_old_wandb_says_what_a_run_was_for_and_how_it_ended():
    told = read(
        "wandb_metadata", '{"name": "a", "notes": "", "exitcode": 1}', "/m.json"
    )
    assert told[:2] == [
        Intent(purpose="a"), Outcome("failed", "W&B noted exit code 1")
    ]  # fmt: skip


def test_media_in_the_history_of_wandb_are_no_metrics():
    row = '{"loss": 0.5, "v": {"t": {"_type": "table-file", "nrows": 2}}, "_step": 3}\n'
    assert read("wandb_history", row) == [Point("loss", 3, 0.5)]
    assert read("wandb_summary", row) == [Point("loss", 3, 0.5)]


def test_a_run_of_sacred_says_how_it_ended():
    text = (
        '{"experiment": {}, "command": "main", "status": "TIMED_OUT", "result": 0.5, '
        '"fail_trace": ["Traceback\\n", "ValueError\\n"]}'
    )
    assert claim("runs/1/run.json", text)[1].closed
    assert read("sacred_run", text) == [
        Outcome("out_of_time", "run.json says TIMED_OUT"),
        Result("result", 0.5),
        Text("error", "Traceback\nValueError"),
    ]
    assert claim("runs/1/run.json", "{}") is None
    columns = '{"a": {"steps": [1, null], "values": [2, 3]}, "b": 1, "c": {"steps": 1}}'
    assert claim("r/metrics.json", columns, beside=["run.json"])[0] == "sacred_metrics"
    assert read("sacred_metrics", columns) == [Point("a", 1, 2), Point("a", 1, 3)]


def test_a_failed_trial_of_ray_has_its_error_shown():
    beside = ["result.json", "params.json"]
    assert claim("trial/error.txt", "Failure # 1\n", beside=beside)[0] == "ray_error"
    outcome, text = read("ray_error", "Failure # 1\n\x1b[36mray\x1b[39m\n")
    assert outcome.status == "failed"
    assert text == Text("error", "Failure # 1\nray")
    assert not parse(by_name()["ray_error"], b" \n")
    assert (
        claim("trial/result.json", '{"config": {', beside=["progress.csv"]) is not None
    )


def test_monitors_of_several_environments_are_told_apart():
    data = '#{"t_start": 1.5, "env_id": "x"}\r\nr,l,t,success\r\n34.0,34,4.9,1\r\n'
    name, match = claim("run/3.monitor.csv", data)
    assert (name, match.prefix, match.twin) == ("sb3_monitor", "3", "")
    assert claim("run/monitor.csv", data)[1].twin == "sb3"
    assert points(read("sb3_monitor", data)) == {
        "r": [(0, 34)],
        "l": [(0, 34)],
        "success": [(0, 1)],
    }


def test_the_folder_of_a_dvclive_metric_goes_before_its_name():
    data = "step\ttimestamp\tloss\n3\t1700000000000\t0.5\n"
    name, match = claim("exp/plots/metrics/a/b/loss.tsv", data)
    assert (name, match.levels_up, match.prefix) == ("dvclive", 4, "a/b")
    assert points(read("dvclive", data)) == {"loss": [(3, 0.5)]}
    assert claim("exp/plots/metrics/x.tsv", "a\tb\n") is None
    text = '{"train": {"loss": "nan"}, "step": 3, "best": 1}'
    assert claim("exp/metrics.json", text, beside=["plots"])[0] == "dvclive_summary"
    assert [item.name for item in read("dvclive_summary", text)] == [
        "train/loss",
        "best",
    ]


def test_both_files_of_catboost_have_their_set_before_the_name():
    data = "iter\tLogloss\tAUC\n0\t0.5\t0.75\n"
    name, match = claim("catboost_info/test_error.tsv", data)
    assert (name, match.prefix, match.closed) == ("catboost", "test", True)
    assert points(read("catboost", data)) == {"Logloss": [(0, 0.5)], "AUC": [(0, 0.75)]}
    assert (
        claim("catboost_info/time_left.tsv", "iter\tPassed\tRemaining\n0\t0\t2\n")
        is None
    )
    assert by_name()["catboost"].bulk_layout(b"iter\ta").step == 0
    assert by_name()["catboost"].bulk_layout(b"a\tb") is None


@pytest.mark.parametrize(
    ("name", "params", "result"),
    [
        ("optuna", "best_params", "best_value"),
        ("ax", "best_evaluated_params", "best_evaluated_result"),
        ("nevergrad", "best_evaluated_params", "best_evaluated_result"),
    ],
)
def test_a_sweep_of_hydra_says_what_was_best(
    name: str, params: str, result: str, tmp_path: Path
):
    sweep = tmp_path / "multirun" / "12-00-00"
    for job in ("0", "1"):
        (sweep / job / ".hydra").mkdir(parents=True)
        (sweep / job / ".hydra" / "config.yaml").write_text(f"lr: 0.{job}\n")
    (sweep / "optimization_results.yaml").write_text(
        f"name: {name}\n{params}:\n  lr: 0.1\n{result}: 0.9\n"
    )
    runs = found_runs(tmp_path)
    assert list(runs) == [f"multirun/12-00-00{end}" for end in ("", "/0", "/1")]
    items = [
        item
        for log in items_by_file(runs["multirun/12-00-00"]).values()
        for item in log
    ]
    assert Hparams({"lr": 0.1}) in items
    assert Result(result, 0.9) in items
    text = "name: optuna\nsolutions:\n- params: {lr: 1}\n  values: [0.5, 2]\n"
    found = read("hydra_sweep", text, "/top/optimization_results.yaml")
    assert Result("solutions/0/1", 2.0) in found
