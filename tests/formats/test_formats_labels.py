"""Rows that say in a text what kind of row they are: each kind is a curve."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats_reading import claim, points, reread
from lengths import examples
from mlreport_batch.formats.kit.labels import is_kind

KIND = st.sampled_from(
    ["type", "kind", "event", "set", "dataset", "phase", "mode", "split", "data_split",
     "class", "client", "stage", "subset", "row_type", "dataset_name"]
)  # fmt: skip
WORDS = st.lists(
    st.sampled_from(
        ["train", "val", "test", "labelled", "source", "target", "cat", "dog", "훈련",
         "검증", "warmup", "client a", "T", "V"]
    ),
    min_size=2, max_size=4, unique=True,
)  # fmt: skip


def curves(rows: list[tuple[int, str, float]]) -> dict[str, list[tuple[float, float]]]:
    """Return the curve of each word, as it is meant."""
    found: dict[str, list[tuple[float, float]]] = {}
    for step, word, value in rows:
        found.setdefault(f"{word}/loss", []).append((step, value))
    return found


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[int, str, float]]:
    """Return rows of which each word has some, in turns or one after the other."""
    words = draw(WORDS)
    steps = range(1, draw(st.integers(2, 5)) + 1)
    rows = [(step, word) for step in steps for word in words]
    if draw(st.booleans()):
        rows.sort(key=lambda row: (words.index(row[1]), row[0]))
    values = st.floats(0, 9, allow_nan=False)
    return [(step, word, draw(values)) for step, word in rows]


@given(kind=KIND, rows=logs())
@settings(max_examples=examples(80), deadline=None)
def test_words_under_the_name_of_a_kind_tell_curves_apart(
    kind: str, rows: list[tuple[int, str, float]]
):
    table = f"epoch,{kind},loss\n" + "".join(f"{e},{w},{v!r}\n" for e, w, v in rows)
    lines = "".join(
        json.dumps({"epoch": e, kind: w, "loss": v}) + "\n" for e, w, v in rows
    )
    for path, text in (("run/log.csv", table), ("run/log.jsonl", lines)):
        found = claim(path, text)
        assert found is not None
        assert points(reread(found[0], text)) == curves(rows)


@given(rows=logs(), name=st.sampled_from(["which", "who", "대상", "corpus"]))
@settings(max_examples=examples(60), deadline=None)
def test_words_under_any_name_do_where_they_come_again_at_one_step(
    rows: list[tuple[int, str, float]], name: str
):
    assert not is_kind(name)
    rows = sorted(rows, key=lambda row: row[0])
    table = f"epoch,{name},loss\n" + "".join(f"{e},{w},{v!r}\n" for e, w, v in rows)
    found = claim("run/log.csv", table)
    assert found is not None
    assert points(reread(found[0], table)) == curves(rows)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("improved", ["yes", "no", "yes", "yes"]),
        ("best", ["True", "False", "True", "False"]),
        ("event", ["epoch 1: loss 5", "epoch 2: loss 4", "epoch 2: loss 3", "done"]),
        ("device", ["cuda"] * 4),
        ("dataset", ["cifar10"] * 4),
        ("saved", ["a.pt", "b.pt", "a.pt", "c.pt"]),
        ("phase", ["", "", "", ""]),
        ("message", [f"m{at}" for at in range(14)] * 2),
    ],
)
def test_texts_that_tell_no_curves_apart(name: str, texts: list[str]):
    some = 1 if len(texts) == 4 else 2  # rows of each step
    rows = [(at // some + 1, text, 1 / (1 + at)) for at, text in enumerate(texts)]
    table = f"epoch,{name},loss\n" + "".join(f"{e},{t},{v}\n" for e, t, v in rows)
    lines = "".join(
        json.dumps({"epoch": e, name: t, "loss": v}) + "\n" for e, t, v in rows
    )
    for path, text in (("run/log.csv", table), ("run/log.jsonl", lines)):
        found = claim(path, text)
        assert found is not None
        assert points(reread(found[0], text)) == {"loss": [(e, v) for e, _, v in rows]}


def test_epochs_of_a_client_begin_again_with_each_round():
    rows = [(r, c, e) for r in (0, 1) for c in (0, 1) for e in (0, 1, 2)]
    table = "round,client,local_epoch,loss\n"
    table += "".join(f"{r},{c},{e},{r + c + e}\n" for r, c, e in rows)
    keys = "round", "client", "local_epoch"
    lines = "".join(
        json.dumps({**dict(zip(keys, row, strict=True)), "loss": sum(row)}) + "\n"
        for row in rows
    )
    for path, text in (("run/log.csv", table), ("run/log.jsonl", lines)):
        found = claim(path, text)
        assert found is not None
        assert points(reread(found[0], text)) == {
            f"client_{client}/loss": [
                (3 * r + e, r + client + e) for r in (0, 1) for e in (0, 1, 2)
            ]
            for client in (0, 1)
        }


def test_clients_told_by_numbers_are_curves_of_their_own():
    rows = [(step, client) for step in (1, 2) for client in (0, 1, 2)]
    table = "round,client,loss\n" + "".join(f"{s},{c},{s + c}\n" for s, c in rows)
    lines = "".join(
        json.dumps({"round": s, "client_id": c, "loss": s + c}) + "\n" for s, c in rows
    )
    for path, text, word in (
        ("run/log.csv", table, "client"),
        ("run/log.jsonl", lines, "client_id"),
    ):
        found = claim(path, text)
        assert found is not None
        assert points(reread(found[0], text)) == {
            f"{word}_{client}/loss": [(1, 1 + client), (2, 2 + client)]
            for client in (0, 1, 2)
        }
