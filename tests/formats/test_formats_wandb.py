"""Weights & Biases' own log, real and written here piece by piece."""

import json
import math
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_files import field
from formats_reading import claim, hparams_of, metrics_of, parse, points, problems
from mlreport_batch.formats import Hparams, Intent, Outcome, Result
from mlreport_batch.formats.registry import by_name
from places import RUNS

LOG = by_name()["wandb"]
FOLDER = "wandb/offline-run-20261123_133238-juiwztjo"
PATH = next((RUNS / "wandb_log" / "tree").rglob("*.wandb"))
BLOCK = 32768
HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)


def logged(records: list[bytes]) -> bytes:
    """Return a log of *records*, cut into pieces as LevelDB does."""
    out = bytearray(HEADER)
    for record in records:
        rest, is_first = record, True
        while is_first or rest:
            left = BLOCK - len(out) % BLOCK
            if left < 7:
                out += bytes(left)
                left = BLOCK
            piece, rest = rest[: left - 7], rest[left - 7 :]
            kind = {(1, 0): 1, (1, 1): 2, (0, 1): 3, (0, 0): 4}[is_first, bool(rest)]
            crc = zlib.crc32(piece, zlib.crc32(bytes([kind])))
            out += struct.pack("<IHB", crc, len(piece), kind) + piece
            is_first = False
    return bytes(out)


def item(key: str, value: bytes) -> bytes:
    return field(1, field(1, key.encode()) + value)


def text(value: str) -> bytes:
    return field(16, value.encode())


def history(step: int | None, *items: bytes) -> bytes:
    stepped = b"" if step is None else field(2, field(1, step))
    return field(2, b"".join(items) + stepped)


def test_a_real_log_says_what_the_run_was_for_and_how_it_ended():
    items = parse(LOG, PATH.read_bytes(), path=str(PATH))
    assert [i for i in items if isinstance(i, Intent)] == [
        Intent(purpose="what it is for")
    ]
    assert [i for i in items if isinstance(i, Result)] == [Result("best", 0.9)]
    assert Outcome("finished", "W&B noted exit code 0") in items
    assert hparams_of(items) == {
        "lr": 0.01, "net.layers": "[8, 4]", "net.act": "relu", "이름": "실험", "late": 5
    }  # fmt: skip
    # Logged were 1 / (step + 1), with NaN at 5; step / 8; step / 40 at each fourth.
    metrics = metrics_of(items)
    assert {name: found.count for name, found in metrics.items()} == {
        "train/loss": 40, "nested/a": 40, "val/acc": 10, "odd": 1
    }  # fmt: skip
    assert metrics["train/loss"].nans == 1
    assert (metrics["train/loss"].last, metrics["train/loss"].last_step) == (0.025, 39)
    assert (metrics["val/acc"].low, metrics["val/acc"].high) == (0.075, 0.975)
    assert points(items)["nested/a"] == [(step, step / 8) for step in range(40)]
    assert points(items)["odd"] == [(6, math.inf)]


def test_values_of_every_kind_are_read():
    data = logged(
        [
            history(
                3,
                item("a", text("0.5")),
                item("b", field(6, 0.25)),
                item("c", field(5, 5)),
                item("d", field(7, b"text")),
                item("e", text('{"x": 1, "y": {"z": NaN}}')),
                item("f", text('{"_type": "image-file", "size": 9}')),
                item("g", text('"Infinity"')),
                item("h", text("{")),
                item("i", text("[" * 99)),
                field(1, field(2, b"n") + field(2, b"m") + text("1")),
            ),
            history(None, item("_step", text("7")), item("a", text("1"))),
            field(3, item("best", text("1")) + item("a", text("1"))),
            field(18, field(1, -1)),
        ]
    )
    items = parse(LOG, data)
    found = points(items)
    assert found["a"] == [(3, 0.5), (7, 1)]
    assert (found["b"], found["c"], found["n/m"]) == ([(3, 0.25)], [(3, -3)], [(3, 1)])
    assert found["e/x"] == [(3, 1)]
    assert found.keys() == {"a", "b", "c", "e/x", "e/y/z", "n/m"}
    assert [message[:9] for _, message in problems(items)] == ["h: no JSO"]
    assert items[-3:-1] == [
        Outcome("failed", "W&B noted exit code -1"),
        Result("best", 1),
    ]


def test_a_configuration_is_flattened_and_names_a_run_without_notes():
    config = item("net", text('{"size": 3}')) + item("_wandb", text("{}"))
    data = logged([field(17, field(4, config) + field(8, b"calm-sea-1"))])
    assert parse(LOG, data) == [Hparams({"net.size": 3}), Intent(purpose="calm-sea-1")]


def test_values_of_many_brackets_are_read_and_deep_ones_said():
    wide = {f"layer{number}": {"units": {"n": number}} for number in range(80)}
    deep = "[" * 70 + "]" * 70
    items = parse(
        LOG,
        logged(
            [
                field(5, item("net", text(json.dumps(wide))) + item("x", text(deep))),
                history(1, item("eval", text(json.dumps(wide))), item("y", text("{"))),
            ]
        ),
    )
    assert hparams_of(items)["net.layer79.units.n"] == 79
    assert points(items)["eval/layer79/units/n"] == [(1, 79)]
    assert problems(items) == [
        (None, "x: nested deeper than 64 levels; such values are left out")
    ]


def test_records_over_several_blocks_are_joined_and_half_of_one_waits():
    long = history(1, item("a", text("1")), item("t", text(f'"{"x" * 90_000}"')))
    data = logged([long, history(2, item("a", text("2")))])
    assert points(parse(LOG, data)) == {"a": [(1, 1), (2, 2)]}
    for end in (10, 40_000, len(data) - 1):
        assert not problems(parse(LOG, data[:end]))
    assert points(parse(LOG, data[: len(data) - 1])) == {"a": [(1, 1)]}


def test_damage_costs_the_rest_of_its_block():
    records = [history(step, item("a", text("1"))) for step in range(3000)]
    data = bytearray(logged(records))
    data[100] ^= 1
    items = parse(LOG, bytes(data))
    assert problems(items) == [(None, "1 damaged records; they are left out")]
    steps = [step for step, _ in points(items)["a"]]
    assert steps[:2] == [0, 1]
    assert steps[-1] == 2999
    broken = parse(LOG, logged([b"\xff\xff", history(1, item("a", text("1")))]))
    assert points(broken) == {"a": [(1, 1)]}
    assert problems(broken)


def test_a_log_goes_before_the_summary_of_its_run():
    name, match = claim(f"{FOLDER}/run-juiwztjo.wandb", HEADER)
    summary = claim(f"{FOLDER}/files/wandb-summary.json", "{}")[1]
    assert (name, match.levels_up, summary.levels_up) == ("wandb", 0, 1)
    assert match.twin == summary.twin
    assert match.rank < summary.rank
    assert claim("other/run-juiwztjo.wandb", HEADER) is None
    assert claim(f"{FOLDER}/run-juiwztjo.wandb", b"text") is None


@pytest.mark.no_cover
@given(at=st.integers(0, 16_000), put=st.binary(max_size=30), gone=st.integers(0, 200))
def test_damaged_logs_are_survived(at: int, put: bytes, gone: int):
    data = PATH.read_bytes()
    parse(LOG, data[:at] + put + data[at + gone :])


@pytest.mark.parametrize("number", [1, 2, 3, 5, 17, 18])
@given(body=st.binary(max_size=60))
def test_any_message_is_survived(number: int, body: bytes):
    parse(LOG, logged([field(number, body), field(number, item("x", body)), body]))
