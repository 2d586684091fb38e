"""Histories in JSON documents of any shape, and objects over several lines."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats_reading import claim, points, problems, read
from lengths import examples

NAMES = st.sampled_from(["loss", "val_loss", "acc", "dev_acc", "lr", "psnr", "r2"])
TABLES = st.integers(1, 6).flatmap(
    lambda length: st.dictionaries(
        NAMES,
        st.lists(
            st.floats(-1e6, 1e6) | st.just(float("nan")),
            min_size=length,
            max_size=length,
        ),
        min_size=1,
        max_size=4,
    )
)
PLAIN = ("history", "log", "training_log", "metrics", "results_history", "epochs")


def shapes(table: dict[str, list[float]], first: int) -> dict[str, Any]:
    """Return the same history in each shape that is written."""
    epochs = [first + i for i in range(len(next(iter(table.values()))))]
    rows = [
        {name: column[at] for name, column in table.items()}
        for at in range(len(epochs))
    ]
    told = [{"epoch": epoch, **row} for epoch, row in zip(epochs, rows, strict=True)]
    return {
        "rows": told,
        "columns": {"epoch": epochs, **table},
        "by_number": {str(e): row for e, row in zip(epochs, rows, strict=True)},
        "by_word": {f"epoch_{e}": row for e, row in zip(epochs, rows, strict=True)},
        "frame": {
            "epoch": {str(at): epoch for at, epoch in enumerate(epochs)},
            **{n: {str(at): v for at, v in enumerate(c)} for n, c in table.items()},
        },
    }


@given(
    table=TABLES,
    first=st.integers(0, 90),
    shape=st.sampled_from(["rows", "columns", "by_number", "by_word", "frame"]),
    above=st.lists(st.sampled_from(PLAIN), max_size=3, unique=True),
    part=st.sampled_from(["", "train", "validation"]),
    indent=st.sampled_from([None, 2]),
)
@settings(max_examples=examples(150), deadline=None)
def test_a_history_says_the_same_in_every_shape(
    table: dict[str, list[float]],
    first: int,
    shape: str,
    above: list[str],
    part: str,
    indent: int | None,
):
    document = shapes(table, first)[shape]
    for key in [*([part] if part else []), *above]:
        document = {key: document}
    text = json.dumps(document, indent=indent)
    found = claim("run/training_history.json", text)
    assert found is not None
    assert found[0] == "json_history"
    prefix = f"{part}/" if part else ""
    seen = points(read(found[0], text, "/top/run/training_history.json"))
    assert repr(seen) == repr(
        {
            prefix + name: [(float(first + i), v) for i, v in enumerate(column)]
            for name, column in table.items()
        }
    )


@given(
    curves=st.dictionaries(
        NAMES,
        st.dictionaries(
            st.integers(0, 90), st.floats(-1e6, 1e6), min_size=2, max_size=5
        ),
        min_size=1,
        max_size=3,
    ),
    above=st.lists(st.sampled_from(PLAIN), max_size=2, unique=True),
    shape=st.sampled_from(["pairs", "objects", "lists"]),
)
@settings(max_examples=examples(60), deadline=None)
def test_each_curve_of_a_document_may_have_steps_of_its_own(
    curves: dict[str, dict[int, float]], above: list[str], shape: str
):
    document: dict[str, Any] = {}
    for name, curve in curves.items():
        told = sorted(curve.items())
        if shape == "pairs":
            document[name] = [list(pair) for pair in told]
        elif shape == "objects":
            document[name] = [{"step": at, "value": value} for at, value in told]
        else:
            steps, values = zip(*told, strict=True)
            document[name] = {"steps": steps, "values": values}
    for key in above:
        document = {key: document}
    text = json.dumps(document)
    found = claim("run/training_history.json", text)
    assert found is not None
    seen = points(read(found[0], text, "/top/run/training_history.json"))
    assert seen == {name: sorted(curve.items()) for name, curve in curves.items()}


def test_pairs_that_are_no_curve_are_none():
    document = {
        "loss": [[1, 0.5], [2, 0.4]],
        "polygon": [[0, 1], [2, 3]],
        "val_loss": [[2, 0.5], [1, 0.5]],
        "acc": [[3, 0.75]],
        "map": [[3, 4]],
        "f1": [[1, "a"], [2, "b"]],
    }
    found = points(read("json_history", json.dumps(document), "/top/x_history.json"))
    assert found == {
        "loss": [(1, 0.5), (2, 0.4)],
        "acc": [(3, 0.75)],
        "val_loss/0": [(0, 2), (1, 0.5)],
        "val_loss/1": [(0, 1), (1, 0.5)],
    }


def test_rounds_of_a_training_are_rows():
    rows = [{"round": at, "accuracy": at / 10, "loss": 1 / at} for at in (1, 2)]
    found = claim("run/results.json", json.dumps(rows))
    assert found is not None
    assert points(read(found[0], json.dumps(rows)))["loss"] == [(1, 1), (2, 0.5)]


@given(
    tables=st.tuples(TABLES, TABLES),
    keys=st.sampled_from(
        [("train", "val"), ("train_log", "val_log"), ("fold_0", "fold_1")]
    ),
)
@settings(max_examples=examples(60), deadline=None)
def test_no_value_hides_behind_one_of_the_same_name(
    tables: tuple[dict[str, list[float]], ...], keys: tuple[str, str]
):
    document = {
        key: shapes(table, 1)["rows"] for key, table in zip(keys, tables, strict=True)
    }
    seen = points(
        read("json_history", json.dumps(document), "/top/run/training_history.json")
    )
    stated = [column for table in tables for column in table.values()]
    assert sorted(map(repr, stated)) == sorted(
        repr([value for _, value in column]) for column in seen.values()
    )


@pytest.mark.parametrize(
    ("path", "document"),
    [
        (
            "run/report.json",
            {"0": {"precision": 0.5, "recall": 1}, "1": {"precision": 0.5}},
        ),
        (
            "run/class_log.json",
            {"0": {"precision": 0.5, "support": 3}, "1": {"precision": 0.5}},
        ),
        ("run/labels.json", {"0": {"name": "cat"}, "1": {"name": "dog"}}),
        ("run/id2label.json", {"0": "cat", "1": "dog"}),
        ("run/sizes.json", {"images": [{"id": 1, "width": 2}, {"id": 2, "width": 2}]}),
        ("run/log", {"level": "info", "message": "started"}),
    ],
)
def test_objects_by_number_that_are_no_steps(path: str, document: object):
    assert claim(path, json.dumps(document)) is None


def test_chainer_writes_its_rows_to_a_file_without_a_suffix():
    rows = [{"epoch": e, "iteration": 600 * e, "main/loss": 1 / e} for e in (1, 2)]
    text = json.dumps(rows, indent=4)
    assert claim("run/log", text)[0] == "json_history"
    assert points(read("json_history", text, "/top/run/log")) == {
        "main/loss": [(600, 1), (1200, 0.5)]
    }


def streamed(rows: list[dict[str, Any]], between: str = "\n") -> str:
    return between.join(json.dumps(row, indent=2) for row in rows) + "\n"


@pytest.mark.parametrize("between", ["\n", "", ",\n", "\n\n"])
def test_objects_over_several_lines_are_rows(between: str):
    rows = [{"epoch": e, "train": {"loss": 1 / e}, "note": "{ }"} for e in (1, 2, 4)]
    text = streamed(rows, between)
    assert claim("run/metrics.json", text)[0] == "json_stream"
    assert points(read("json_stream", text)) == {
        "train/loss": [(1, 1), (2, 0.5), (4, 0.25)]
    }


def test_half_an_object_hides_none_behind_it():
    rows = [{"epoch": e, "loss": 1 / e} for e in (1, 2)]
    text = streamed(rows[:1]) + '{\n  "epoch": 2,\n  "no' + streamed(rows[1:])
    items = read("json_stream", text)
    assert points(items) == {"loss": [(1, 1), (2, 0.5)]}
    [(line, why)] = problems(items)
    assert line == 5
    assert "no JSON" in why


def test_one_object_is_a_document_until_the_next_one_comes():
    rows = [{"epoch": e, "loss": 1 / e} for e in (1, 2)]
    assert claim("run/metrics.json", streamed(rows[:1]))[0] == "json"
    assert claim("run/package.json", streamed([{"name": "x"}, {"name": "y"}])) is None


def test_lists_of_several_trainings_are_curves_of_their_own():
    document = {"train_losses": [[3, 2], [5, 4, 3]], "val_accs": [[0.5], [0.6]]}
    text = json.dumps(document | {"confusion": [[3, 4], [5, 6]]})
    assert claim("run/cv_results.json", text)[0] == "json_history"
    assert points(read("json_history", text, "/top/run/cv_results.json")) == {
        "train_losses/0": [(0, 3), (1, 2)],
        "train_losses/1": [(0, 5), (1, 4), (2, 3)],
        "val_accs/0": [(0, 0.5)],
        "val_accs/1": [(0, 0.6)],
    }


# What pandas 3.1 writes of a frame: `to_json(orient="split")`.
SPLIT = (
    '{"columns":["epoch","loss","note"],"index":[0,1,2],'
    '"data":[[1,0.9,"a"],[2,null,"b"],[3,0.7,"c"]]}'
)


def test_names_in_one_list_and_rows_in_another_are_a_table():
    found = claim("run/metrics_history.json", SPLIT)
    assert found is not None
    path = "/top/run/metrics_history.json"
    assert points(read(found[0], SPLIT, path)) == {"loss": [(1, 0.9), (3, 0.7)]}


def test_the_index_of_such_a_table_counts_where_no_column_does():
    table = {
        "columns": ["loss", "val_loss"],
        "index": [10, 20],
        "data": [[2, 3], [1, 2]],
    }
    found = points(read("json_history", json.dumps(table), "/top/run/history.json"))
    assert found == {"loss": [(10, 2), (20, 1)], "val_loss": [(10, 3), (20, 2)]}
    table["index"] = ["a", "b"]
    found = points(read("json_history", json.dumps(table), "/top/run/history.json"))
    assert found == {"loss": [(0, 2), (1, 1)], "val_loss": [(0, 3), (1, 2)]}


def test_a_long_table_is_known_by_its_beginning():
    rows = [[epoch, 1 / epoch] for epoch in range(1, 9000)]
    table = {"columns": ["epoch", "loss"], "index": [*range(8999)], "data": rows}
    found = claim("run/history.json", json.dumps(table))
    assert found is not None
    assert points(read(found[0], json.dumps(table)))["loss"][-1] == (8999, 1 / 8999)


def test_a_tight_table_names_its_index_too():
    # What pandas 3.1 writes of a frame: `json.dumps(frame.to_dict(orient="tight"))`.
    table = {
        "index": [0, 1],
        "columns": ["epoch", "loss"],
        "data": [[1, 0.9], [2, 0.8]],
        "index_names": [None],
        "column_names": [None],
    }
    found = claim("run/history.json", json.dumps(table))
    assert found is not None
    assert points(read(found[0], json.dumps(table))) == {"loss": [(1, 0.9), (2, 0.8)]}


@pytest.mark.parametrize(
    "document",
    [
        {"columns": ["price", "area"], "index": [4, 9], "data": [[1, 2], [3, 4]]},
        {"columns": ["epoch", "loss"], "data": [[1, 2, 3], [1, 2, 3]]},
        {"columns": ["loss", "loss"], "data": [[1, 2]]},
        {"columns": [], "index": [], "data": []},
    ],
)
def test_a_data_set_of_that_shape_is_no_log(document: dict[str, Any]):
    assert claim("run/train.json", json.dumps(document)) is None
