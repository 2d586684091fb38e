"""JSON and YAML: lines, documents, settings and what is cut off."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats_reading import claim, hparams_of, parse, points, problems, read
from mlreport_batch.find.listing import walk
from mlreport_batch.formats import (
    Hparams,
    Intent,
    NotYetError,
    Outcome,
    Point,
    Progress,
    Result,
    Role,
    Text,
)
from mlreport_batch.formats.kit.json_values import BadJsonError, load_document
from mlreport_batch.formats.registry import by_name
from mlreport_batch.safety.masking.redact import shown_name

VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_lines_yield_nested_numbers_and_numbers_in_text():
    data = (
        '{"step": 1, "loss": NaN, "eval": {"acc": 0.5, "n": {"x": "1e-3"}}}\n'
        '{"step": 2, "loss": -Infinity, "ok": true, "list": [1], "none": null}\n'
    )
    found = points(read("json_lines", data))
    assert found["eval/acc"] == [(1, 0.5)]
    assert found["eval/n/x"] == [(1, 0.001)]
    assert found["loss"][1] == (2, -math.inf)
    assert math.isnan(found["loss"][0][1])
    assert found.keys() == {"loss", "eval/acc", "eval/n/x"}


def test_the_surest_step_key_of_each_row_counts():
    data = (
        '{"epoch": 1, "global_step": 100, "loss": 1}\n{"epoch": 1, "val_loss": 2}\n'
        '{"val_loss": 3}\n'
    )
    found = points(read("json_lines", data))
    assert found["loss"] == [(100, 1)]
    assert found["val_loss"] == [(1, 2), (1, 3)]
    assert points(read("json_lines", '{"loss": 1}\n\n{"loss": 2}\n'))["loss"] == [
        (0, 1),
        (1, 2),
    ]


def test_a_line_that_sums_up_those_above_is_no_point():
    rows = [{"epoch": 1, "loss": 3}, {"epoch": "best", "loss": 1}]
    text = "".join(f"{json.dumps(row)}\n" for row in [rows[1], rows[0], rows[1]])
    items = read("json_lines", text)
    assert points(items) == {"loss": [(0, 1), (1, 3)]}
    assert problems(items) == [(3, "'best' where others count; such rows are left out")]
    text = '{"step": 1, "stage": "a", "loss": 3}\n{"stage": "b", "loss": 1}\n'
    assert [p[1] for p in points(read("json_lines", text))["loss"]] == [3, 1]


def test_the_first_line_that_is_no_object_is_reported():
    deep = "[" * 70 + "]" * 70
    data = f'{{"step": 1, "loss": 1}}\nhello\n[1]\n{deep}\n{{"step": 2, "loss": 2}}\r\n'
    items = read("json_lines", data)
    assert points(items)["loss"] == [(1, 1), (2, 2)]
    assert problems(items) == [
        (2, "no JSON (Expecting value); such lines are left out")
    ]
    items = read("json_lines", f'{{"a": {deep}}}\n')
    assert problems(items) == [(1, "nested deeper than 64 levels")]


def test_line_separators_inside_text_do_not_cut_a_line():
    items = read("json_lines", '{"step": 1, "note": "a\u2028b", "loss": 1}\n')
    assert points(items) == {"loss": [(1, 1)]}
    assert not problems(items)


def test_numbers_of_thousands_of_digits_are_survived():
    items = read("json_lines", '{"step": 1, "loss": ' + "9" * 5000 + ', "acc": 0.5}\n')
    assert points(items) == {"loss": [(1, math.inf)], "acc": [(1, 0.5)]}


def test_a_config_in_every_row_is_yielded_when_it_changes():
    row = '{"training_iteration": %d, "loss": 1, "config": {"lr": %s}, "done": %s}\n'
    data = (
        row % (1, "0.1", "false") + row % (2, "0.1", "false") + row % (3, "1", "true")
    )
    items = read("ray_result", data)
    assert [item.values for item in items if isinstance(item, Hparams)] == [
        {"lr": 0.1},
        {"lr": 1},
    ]
    assert [item.status for item in items if isinstance(item, Outcome)] == ["finished"]


@pytest.mark.parametrize(
    ("path", "data", "name"),
    [
        ("run/log.jsonl", '{"step": 1, "loss": 1}\n', "json_lines"),
        ("run/metrics.json", '{"iteration": 9, "loss": 1}\n', "json_lines"),
        ("run/metrics.json", '{"loss": 1}\n{"loss": 2}\n', "json_lines"),
        ("run/train.log", '{"loss": 1, "acc": 2}\n', "json_lines"),
        ("run/metrics.json", '{"loss": 1, "acc": 0.5}', "json"),
        ("run/metrics.json", '{\n "loss": 1,\n "acc": 0.5\n}\n', "json"),
        ("run/test_results.json", '{"acc": 0.5}', "hf_results"),
        ("run/eval-scores.json", '{"acc": 0.5}', "json"),
        ("run/evals_result.json", '{"train": {"rmse": [1, 2]}}', "json_history"),
        ("run/results.json", '{"thresholds": [0.1, 0.2]}', "json"),
        ("run/result.json", '{"loss": 1, "training_iteration": 1}\n', "ray_result"),
        ("run/progress.json", '{"time/total_timesteps": 1}\n', "sb3_json"),
        ("run/args.yaml", "lr: 1\n", "hparams"),
        ("run/hparams.json", '{"lr": 1}', "hparams"),
        ("run/config.yaml", "lr: 1\n", "hparams"),
        ("run/config.json", '{"model_type": "bert"}', "model_config"),
        ("run/intent.yml", "purpose: x\n", "intent"),
        ("run/model.json", '{"class_name": "F", "config": {}}', "model_text"),
        ("run/model_summary.txt", "Layer (type) Param #", "model_text"),
        ("run/.hydra/config.yaml", "lr: 1\n", "hydra"),
        ("run/.hydra/overrides.yaml", "- lr=1\n", "hydra_overrides"),
    ],
)
def test_documents_and_lines_are_told_apart(path: str, data: str, name: str):
    assert claim(path, data)[0] == name


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("data/train.jsonl", '{"text": "hello", "label": 3}\n'),
        ("data/items.json", '{"a": 1}\n'),
        ("run/package.json", '{"name": "x"}'),
        ("run/metrics.json", "[1, 2]"),
        ("run/tokenizer_config.json", '{"a": 1}'),
        ("run/notes.txt", "epoch 1 loss 2\n"),
        ("run/log.jsonl", '{"step": 1'),
        ("run/log.jsonl", "[" * 100 + "\n"),
        ("run/model.txt", "tree\nversion=v4\nnum_class=1 param"),
        ("run/args.json", "[1]"),
        ("run/metrics.csv", ""),
        ("run/error.txt", "no trial"),
    ],
)
def test_other_files_are_left_alone(path: str, data: str):
    assert claim(path, data) is None


def test_a_first_row_longer_than_the_head_is_recognised():
    row = json.dumps({"training_iteration": 1, "loss": 2, "config": {"x": "y" * 9000}})
    assert claim("run/metrics.json", row + "\n")[0] == "json_lines"


def test_documents_yield_results_and_histories():
    items = read(
        "json", '{"acc": 0.5, "per": {"a": "0.1", "n": [1, "x"]}, "config": {"n": 1}}'
    )
    assert items == [Result("acc", 0.5), Result("per/a", 0.1)]
    items = read("json", '{"train": {"rmse": [3, 2, NaN]}}')
    assert [(i.step, i.metric) for i in items if isinstance(i, Point)] == [
        (0, "train/rmse"),
        (1, "train/rmse"),
        (2, "train/rmse"),
    ]


@pytest.mark.no_cover
@given(VALUES)
def test_every_cut_of_a_document_is_not_there_yet_or_wrong_never_a_crash(value: object):
    whole = json.dumps(value).encode()
    load_document(whole)
    for end in range(len(whole)):
        try:
            load_document(whole[:end])
        except NotYetError:
            continue
        except BadJsonError:
            raise AssertionError(whole[:end]) from None


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b'{"a": 1,\n "b" 2}', 2, "Expecting ':' delimiter"),
        (b'{"a": 1}\n{"a": 2}', 2, "Extra data"),
        (b"[" * 65 + b"]" * 65, 1, "nested deeper than 64 levels"),
    ],
)
def test_broken_documents_say_where(data: bytes, line: int, message: str):
    assert problems(parse(by_name()["json"], data, path="/top/run/metrics.json")) == [
        (line, message)
    ]


def test_documents_in_utf_16_are_read():
    assert load_document('{"손실": 1}'.encode("utf-16")) == {"손실": 1}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
def test_lines_in_any_encoding_with_a_mark_are_read(encoding: str):
    text = '\ufeff{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.4}\n'
    data = text.encode(encoding)
    name, _ = claim("run/metrics.jsonl", data)
    assert points(read(name, data)) == {"loss": [(1, 0.5), (2, 0.4)]}


def test_utf_32_is_taken_for_no_other_encoding(tmp_path: Path):
    data = "step,loss\n1,0.5\n".encode("utf-32")
    assert claim("run/metrics.csv", data) is None
    (tmp_path / "metrics.csv").write_bytes(data)
    (folder,) = walk(str(tmp_path), root=str(tmp_path))
    assert folder.files["metrics.csv"].why.startswith("UTF-32 text")


def test_brackets_in_text_are_no_depth():
    text = json.dumps({"a": "[" * 500, "b": '\\"[' * 90})
    assert load_document(text.encode())["a"] == "[" * 500


def test_settings_are_flattened_and_wandb_values_unwrapped():
    items = read("hparams", "a: {b: 1, c: [1, 2]}\nd: x\n", "/top/run/hparams.yaml")
    assert hparams_of(items) == {"a.b": 1, "a.c": "[1, 2]", "d": "x"}
    wrapped = (
        "wandb_version: 1\n_wandb: {value: {a: 1}}\nlr: {desc: null, value: 0.1}\n"
    )
    assert hparams_of(read("hparams", wrapped, "/top/config.yaml")) == {"lr": 0.1}
    assert problems(read("hparams", "a: [\n", "/top/args.yaml"))
    assert problems(read("hparams", "- 1\n", "/top/args.yaml")) == [
        (1, "a list where names with values were expected")
    ]
    assert problems(read("hparams", "just text\n", "/top/args.yaml"))
    with pytest.raises(NotYetError):
        read("hparams", "", "/top/hparams.yaml")


def test_the_intent_of_a_run_is_read_and_unknown_keys_are_named():
    text = "purpose: beat\n  the base\nexpect: {optimizer: {lr: 0.1}}\n"
    text += "to: a@b.example\nx: 1\n"
    items = read("intent", text, "/top/run/intent.yaml")
    assert items[-1] == Intent({"optimizer.lr": 0.1}, "beat the base", ("a@b.example",))
    assert problems(items) == [(None, "unknown key 'x'; known are expect, purpose, to")]
    items = read("intent", '{"expect": [1], "to": ["a", 2]}', "/top/run/intent.json")
    assert items[-1] == Intent({}, "", ("a",))
    assert problems(items) == [
        (None, "expect must be names with values; it is passed over")
    ]


def test_overrides_that_choose_a_group_are_no_hyperparameters():
    text = (
        "hydra:\n  overrides:\n    task: [model=big, +lr=1e-3, ++a.b=x, ~gone, c=]\n"
        "  runtime:\n    choices: {model: big}\n"
    )
    (item,) = read("hydra_overrides", text, "/top/run/.hydra/hydra.yaml")
    assert item == Intent({"lr": 0.001, "a.b": "x", "c": None})
    (item,) = read(
        "hydra_overrides",
        "- opt.lr=0.1\n- 'l=[1,2]'\n- 'bad=['\n",
        "/r/.hydra/overrides.yaml",
    )
    assert item == Intent({"opt.lr": 0.1, "l": "[1, 2]", "bad": "["})


def test_the_trainer_state_with_the_most_steps_is_used():
    state = b'{"global_step": %d, "log_history": []}'
    _, root = claim("bert/trainer_state.json", state % 16)
    _, old = claim("bert/checkpoint-16/trainer_state.json", state % 16)
    _, new = claim("bert/checkpoint-104/trainer_state.json", state % 104)
    assert sorted([old, root, new], key=lambda match: match.rank) == [new, root, old]
    assert (root.levels_up, old.levels_up) == (0, 1)
    assert (
        claim("bert/trainer_log.jsonl", '{"current_steps": 1, "loss": 2}\n')[1].rank > 0
    )


def test_trainer_states_of_odd_content_are_survived():
    text = '{"global_step": "x", "max_steps": -1, "best_metric": 2, '
    text += '"log_history": [1, {"loss": [1]}]}'
    assert read("trainer_state", text, "/top/trainer_state.json") == [
        Hparams({"max_steps": -1}),
        Result("best_metric", 2.0),
    ]


def test_progress_of_llamafactory_is_read():
    items = read("llamafactory", '{"current_steps": 5, "total_steps": 60, "loss": 1}\n')
    assert items == [Progress(5, 60), Point("loss", 5, 1)]


def test_models_are_described_in_a_few_lines():
    model = {
        "class_name": "Sequential",
        "config": {
            "name": "m",
            "layers": [{"class_name": "Dense", "config": {"units": 3}}],
        },
    }
    (item,) = read("model_text", json.dumps(model), "/top/model.json")
    assert item == Text("model", "Sequential m\n  Dense(units=3)")
    (item,) = read("model_config", '{"architectures": ["A", "B"], "n": 1, "x": {}}')
    assert item == Text("model", "architectures: A, B\nn: 1")


def test_results_make_a_run_only_where_nothing_else_does():
    text = '{"acc": 0.5}'
    assert claim("run/metrics.json", text)[1].role is Role.metrics
    assert claim("run/metrics.json", text, beside=["log.csv"])[1].role is Role.context
    assert claim("run/eval.json", text)[1].role is Role.context
    assert claim("hf/all_results.json", text)[1].role is Role.metrics
    beside = ["checkpoint-8"]
    assert claim("hf/all_results.json", text, beside=beside)[1].role is Role.context


def test_long_runs_of_escapes_are_passed_over_in_one_go():
    hostile = "[" * 65 + '"' + '\\"' * 200_000
    with pytest.raises(BadJsonError):
        load_document(hostile.encode())


def test_long_names_are_metrics_like_others():
    name = "loss" * 200
    assert points(read("json_lines", json.dumps({"step": 1, name: 2}) + "\n")) == {
        shown_name(name): [(1, 2)]
    }


def test_a_row_of_many_small_lists_is_read():
    row = {"step": 1, "loss": 0.5, "per_class": [{"ap": 0.5}] * 80, "text": "[" * 90}
    data = json.dumps(row) + "\n"
    assert claim("run/metrics.jsonl", data)[0] == "json_lines"
    assert points(read("json_lines", data)) == {"loss": [(1, 0.5)]}
    deep = '{"step": 1, "loss": 0.5, "x": ' + "[" * 70 + "]" * 70 + "}\n"
    assert claim("run/metrics.jsonl", deep) is None
    assert problems(read("json_lines", deep)) == [(1, "nested deeper than 64 levels")]


def test_lines_that_name_their_metric_are_one_curve_a_name():
    data = (
        '{"step": 1, "name": "loss", "value": 0.5}\n'
        '{"step": 1, "tag": "acc", "value": "0.1", "wall": 3}\n'
        '{"step": 2, "key": "loss", "value": 0.4, "seed": 7}\n'
    )
    assert claim("run/metrics.jsonl", data)[0] == "json_lines"
    assert points(read("json_lines", data)) == {
        "loss": [(1, 0.5), (2, 0.4)],
        "acc": [(1, 0.1)],
    }


def test_lines_of_training_and_validation_are_told_apart():
    data = (
        '{"mode": "train", "iter": 50, "loss": 0.5}\n'
        '{"mode": "val", "iter": 50, "loss": 0.6, "val_map": 0.1}\n'
        '{"mode": "max", "iter": 60, "loss": 0.7}\n'
    )
    assert points(read("json_lines", data)) == {
        "train/loss": [(50, 0.5)],
        "val/loss": [(50, 0.6)],
        "val_map": [(50, 0.1)],
        "loss": [(60, 0.7)],
    }


def test_lines_of_several_trainings_are_told_apart():
    rows = [{"fold": f, "epoch": e, "loss": f + e} for f in (0, 1) for e in (1, 2)]
    data = "".join(json.dumps(row) + "\n" for row in rows)
    name, _ = claim("run/log.jsonl", data)
    assert points(read(name, data)) == {
        "fold_0/loss": [(1, 1), (2, 2)],
        "fold_1/loss": [(1, 2), (2, 3)],
    }
    same = '{"seed": 1, "step": 1, "loss": 2}\n' * 3
    assert claim("run/log.jsonl", same)[0] == "json_lines"
    other = '{"fold": true, "step": 1, "loss": 2}\n{"fold": 1, "step": 1, "loss": 2}\n'
    assert claim("run/log.jsonl", other)[0] == "json_lines"
    assert points(read(name, other))["loss"] == [(1, 2)]


def test_iterations_that_begin_again_with_each_epoch_are_counted_on():
    """mmcv's evaluation states how many batches it had, and moves no axis."""
    rows = []
    for epoch in (1, 2, 3):
        rows += [{"mode": "train", "epoch": epoch, "iter": i} for i in (50, 100)]
        rows += [{"mode": "val", "epoch": epoch, "iter": 700}]
    data = "".join(json.dumps({**row, "loss": 1}) + "\n" for row in rows)
    assert points(read("json_lines", data)) == {
        "train/loss": [(step, 1) for step in (50, 100, 150, 200, 250, 300)],
        "val/loss": [(100, 1), (200, 1), (300, 1)],
    }
    document = json.dumps([{**row, "loss": 1} for row in rows])
    assert points(read("json_history", document)) == points(read("json_lines", data))


def test_a_log_may_begin_with_a_line_about_the_machine():
    machine = (
        '{"env_info": "Linux", "config": "a = 1", "seed": 0, "exp_name": "x.py"}\n'
    )
    row = '{"mode": "train", "epoch": 1, "iter": 50, "loss": 0.5}\n'
    name, _ = claim("run/20200101_000000.log.json", machine + row)
    assert points(read(name, machine + row)) == {"train/loss": [(50, 0.5)]}
    assert claim("run/20200101_000000.log.json", machine) is None
    assert claim("run/data.jsonl", machine + row) is None


def test_each_kind_of_step_is_counted_by_itself():
    data = (
        '{"epoch": 0, "global_step": 10, "loss": 1}\n'
        '{"epoch": 0, "global_step": 20, "loss": 1}\n'
        '{"epoch": 1, "iter": 0, "val_loss": 2}\n'
        '{"epoch": 1, "iter": 1, "val_loss": 2}\n'
        '{"epoch": 1, "global_step": 30, "loss": 1}\n'
        '{"epoch": 2, "iter": 0, "val_loss": 2}\n{"iter": 1, "val_loss": 2}\n'
    )
    assert points(read("json_lines", data)) == {
        "loss": [(10, 1), (20, 1), (30, 1)],
        "val_loss": [(0, 2), (1, 2), (2, 2), (3, 2)],
    }


ROWS = [{"epoch": 1, "loss": 0.5, "val": {"acc": 0.1}}, {"epoch": 2, "loss": 0.4}]


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("history.json", ROWS),
        ("train_log.json", ROWS),
        ("results.json", ROWS),
        ("results.json", {"config": {"lr": 1}, "history": ROWS, "classes": []}),
        (
            "history.json",
            {"epoch": [1, 2], "loss": [0.5, 0.4], "val/acc": [0.1], "x": [[1], [2]]},
        ),
    ],
)
def test_rows_and_lists_in_one_document_keep_their_steps(name: str, document: object):
    for text in (json.dumps(document), json.dumps(document, indent=4)):
        found, match = claim(f"run/{name}", text)
        assert found in ("json", "json_history")
        assert match.role is Role.metrics
        seen = points(read("json", text))
        assert seen["loss"] == [(1, 0.5), (2, 0.4)]
        assert seen.keys() == {"loss", "val/acc"}


def test_null_in_a_history_is_a_blank():
    text = '{"loss": [3, null, 1], "x": [null, "a"], "acc": [null, 0.5], "n": [null]}'
    assert claim("run/history.json", text)[0] == "json_history"
    assert points(read("json_history", text)) == {
        "loss": [(0, 3), (2, 1)],
        "acc": [(1, 0.5)],
    }
    text = '{"loss": [null, 2, 1], "epoch": [1, 2, 3]}'
    assert claim("run/history.json", text)[0] == "json_history"
    assert points(read("json_history", text)) == {"loss": [(2, 2), (3, 1)]}


def test_a_history_without_steps_counts_its_rows():
    """As skorch writes it, with the batches of each epoch first."""
    row = {"batches": [{"train_loss": 0.5}] * 900, "train_loss": 0.5, "best": True}
    text = json.dumps([row, row])
    assert len(text) > 8192
    assert claim("run/history.json", text)[0] == "json_history"
    assert points(read("json", text)) == {"train_loss": [(0, 0.5), (1, 0.5)]}


def test_lists_of_rows_below_a_name_go_by_that_name():
    text = json.dumps({"train": ROWS, "test": [{"step": 5, "acc": 1}], "n": [{"a": 1}]})
    assert points(read("json", text)) == {
        "train/loss": [(1, 0.5), (2, 0.4)],
        "train/val/acc": [(1, 0.1)],
        "test/acc": [(5, 1)],
    }


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("data/results.json", [{"image_id": 1, "category_id": 3, "score": 0.5}]),
        ("data/results.json", [{"question": "x", "accuracy": 1.0}]),
        ("data/annotations.json", [{"id": 1, "bbox": [1, 2]}]),
        ("data/history.json", [{"user": "a", "text": "hello", "id": 1}]),
        ("data/stats.json", {"mean": [0.5, 0.4], "std": [0.2, 0.2]}),
        ("data/log.json", [1, 2]),
        ("data/log.json", [{"epoch": 1}]),
        ("data/log.json", []),
    ],
)
def test_a_list_of_samples_is_no_log(path: str, document: object):
    assert claim(path, json.dumps(document)) is None


def test_lists_in_a_log_by_its_name_are_histories():
    text = json.dumps({"train_loss": [0.5, 0.4], "epochs": [3, 4]}, indent=1)
    assert claim("run/training_log.json", text)[0] == "json_history"
    assert points(read("json", text)) == {"train_loss": [(3, 0.5), (4, 0.4)]}
