"""TensorBoard's event files, written here byte by byte."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_files import field, record, varint
from formats_reading import claim, parse, points, problems
from mlreport_batch.formats import Hparams, Restart, tensorboard
from mlreport_batch.formats.kit import events
from mlreport_batch.formats.registry import by_name
from places import RUNS

BOARD = by_name()["tensorboard"]
NAME = "events.out.tfevents.1795437849.vm.9648.0"


def simple(value: float) -> bytes:
    return varint(2 << 3 | 5) + struct.pack("<f", value)


def scalar(tag: str, step: int, body: bytes) -> bytes:
    value = field(1, tag.encode()) + body
    return record(field(1, 1.5) + field(2, step) + field(5, field(1, value)))


def tensor(dtype: int, body: bytes, *, shape: bytes = b"") -> bytes:
    return field(8, field(1, dtype) + field(2, shape) + body)


VERSION = record(field(1, 1.5) + field(3, b"brain.Event:2"))


def test_the_checksum_is_crc32c_rotated():
    # RFC 3720 B.4: 32 bytes of zeroes have the CRC-32C 0x8A9136AA.
    crc = 0x8A9136AA
    rotated = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert events.masked_crc(bytes(32)) == rotated


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (simple(0.5), 0.5),
        (tensor(1, field(4, struct.pack("<f", 0.5))), 0.5),
        (tensor(1, varint(5 << 3 | 5) + struct.pack("<f", 0.5)), 0.5),
        (tensor(1, field(5, struct.pack("<f", 0.5))), 0.5),
        (tensor(2, field(6, struct.pack("<d", 0.5))), 0.5),
        (tensor(3, field(7, 7)), 7),
        (tensor(3, field(7, -7)), -7),
        (tensor(9, field(10, varint(-1))), -1),
        (tensor(9, field(4, struct.pack("<q", 5))), 5),
        (tensor(10, field(11, 1)), 1),
        (tensor(19, field(13, 0x3800)), 0.5),
        (tensor(14, field(13, 0x3F00)), 0.5),
        (tensor(14, field(4, b"\0\x3f")), 0.5),
        (tensor(1, b""), 0),
        (tensor(7, field(8, b"text")), None),
        (tensor(1, field(4, bytes(8)), shape=field(2, field(1, 2))), None),
        (tensor(1, field(4, bytes(3))), None),
        (simple(1) + field(9, field(1, field(1, b"text"))), None),
        (simple(1) + field(9, field(1, field(1, b"scalars"))), 1),
        (field(4, b"png"), None),
        (field(5, b"histogram") + simple(1), None),
    ],
)
def test_scalars_of_every_kind_are_read(body: bytes, value: float | None):
    found = points(parse(BOARD, VERSION + scalar("loss", 3, body)))
    assert found == ({} if value is None else {"loss": [(3, value)]})


def test_negative_steps_and_bookkeeping_tags():
    data = scalar("a", -2, simple(1)) + scalar("train/epoch", 1, simple(1))
    assert points(parse(BOARD, data)) == {"a": [(-2, 1)]}


def test_what_one_record_may_say_is_limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tensorboard, "VALUES_MAX", 100)
    values = [field(1, field(1, f"m{n}".encode()) + simple(n)) for n in range(150)]
    full, many = (
        record(field(2, step) + field(5, b"".join(values[:count])))
        for step, count in ((1, 100), (2, 150))
    )
    items = parse(BOARD, full + many + many + scalar("m0", 3, simple(7)))
    assert points(items)["m0"] == [(1, 0), (2, 0), (2, 0), (3, 7)]
    assert len(points(items)) == 100
    start = f"more than 100 values in the record at byte {len(full):,};"
    assert [message.startswith(start) for _, message in problems(items)] == [True]


def test_a_session_start_voids_what_is_after_it():
    start = record(field(2, 20) + field(7, field(1, 1)))
    stop = record(field(2, 30) + field(7, field(1, 2)))
    assert parse(BOARD, start + stop) == [Restart(20)]


def test_hparams_of_a_session_are_read():
    entries = {
        "lr": field(2, 0.1), "layers": field(2, 3.0), "opt": field(3, b"sgd"),
        "flag": field(4, 1), "none": field(1, 0),
    }  # fmt: skip
    session = b"".join(
        field(1, field(1, key.encode()) + field(2, value))
        for key, value in entries.items()
    )
    content = field(1, 0) + field(3, session)
    plugin = field(9, field(1, field(1, b"hparams") + field(2, content)))
    (item,) = parse(BOARD, scalar("_hparams_/session_start_info", 0, plugin))
    assert item == Hparams(
        {"lr": 0.1, "layers": 3, "opt": "sgd", "flag": True, "none": None}
    )
    other = field(9, field(1, field(1, b"hparams") + field(2, field(2, b""))))
    assert not parse(BOARD, scalar("_hparams_/experiment", 0, other))


def test_a_record_with_a_wrong_checksum_is_left_out():
    bad = bytearray(scalar("loss", 2, simple(9)))
    bad[-1] ^= 1
    data = scalar("loss", 1, simple(1)) + bytes(bad) * 2 + scalar("loss", 3, simple(3))
    items = parse(BOARD, data)
    assert points(items) == {"loss": [(1, 1), (3, 3)]}
    at = len(scalar("loss", 1, simple(1)))
    assert problems(items) == [(None, f"damaged record at byte {at}; left out")]


def test_nothing_is_read_after_a_wrong_length():
    good = scalar("loss", 1, simple(1))
    items = parse(BOARD, good + bytes(40) + good, [len(good) + 50])
    assert points(items) == {"loss": [(1, 1)]}
    assert problems(items) == [
        (None, f"no record at byte {len(good)}; the rest is left out")
    ]


def test_a_record_that_is_being_written_waits():
    data = scalar("loss", 1, simple(1)) * 2
    for end in range(len(data)):
        assert BOARD.split(data[:end]) == (
            len(data) // 2 if end >= len(data) // 2 else 0
        )
        assert not problems(parse(BOARD, data[:end]))


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "case", ["tb_basic", "tb_tf2", "tbx_basic", "tb_hparams", "tb_truncated"]
)
@given(numbers=st.lists(st.integers(0, 100_000), max_size=8))
def test_event_files_read_alike_wherever_they_are_cut(case: str, numbers: list[int]):
    path = next(path for path in (RUNS / case).rglob("*tfevents*"))
    data = path.read_bytes()[:20_000]
    cuts = [number % (len(data) + 1) for number in numbers]
    assert repr(parse(BOARD, data, cuts)) == repr(parse(BOARD, data))


@given(
    at=st.integers(0, 5000),
    put=st.binary(max_size=20),
    gone=st.integers(0, 20),
    numbers=st.lists(st.integers(0, 5000), max_size=4),
)
def test_damaged_event_files_are_survived(
    at: int, put: bytes, gone: int, numbers: list[int]
):
    path = next(path for path in (RUNS / "tb_hparams").rglob("*tfevents*"))
    whole = path.read_bytes()
    at %= len(whole) + 1
    data = whole[:at] + put + whole[at + gone :]
    cuts = [number % (len(data) + 1) for number in numbers]
    assert repr(parse(BOARD, data, cuts)) == repr(parse(BOARD, data))


@given(st.binary(max_size=60))
def test_any_message_is_a_scalar_or_a_bad_record(body: bytes):
    for data in (record(body), scalar("x", 1, body), scalar("x", 1, field(8, body))):
        parse(BOARD, data)
    parse(BOARD, scalar("x", 1, field(9, body)))
    content = field(9, field(1, field(1, b"hparams") + field(2, body)))
    parse(BOARD, scalar("x", 1, content))


@pytest.mark.parametrize(
    ("path", "above", "levels_up", "prefix"),
    [
        (f"exp/{NAME}", [], 0, ""),
        (f"exp/1795437849.3071961/{NAME}", [], 1, ""),
        (f"exp/loss_val/{NAME[:-1]}5", [NAME], 1, "loss_val"),
        (f"exp/other/{NAME[:-1]}5", [NAME.replace("9648", "9649")], 0, ""),
        (f"logs/train/{NAME}.v2", [], 1, "train"),
        (f"logs/validation/{NAME}.v2", [], 1, "validation"),
        (f"logs/train/{NAME}", [], 0, ""),
        ("exp/events.out.tfevents.1795437849.vm", [NAME], 0, ""),
        ("exp/learn/events.out.tfevents", [], 0, ""),
    ],
)
def test_folders_that_a_writer_makes_belong_to_the_run_above(
    path: str, above: list[str], levels_up: int, prefix: str
):
    name, match = claim(path, VERSION, above=above)
    assert name == "tensorboard"
    assert (match.levels_up, match.prefix, match.fallback) == (levels_up, prefix, True)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_what_allennlp_lets_tensorboardx_write_belongs_to_its_run(part: str):
    name = "events.out.tfevents.1795698322.node7.example.org"
    [(_, other), (_, match)] = [
        claim(f"run/{folder}/{part}/{name}", VERSION) for folder in ("logs", "log")
    ]
    assert (other.levels_up, match.levels_up) == (0, 2)
    assert (match.prefix, match.series) == ("", f"tensorboard {part}")
    assert claim(f"run/log/{part}/{NAME}", VERSION)[1].levels_up == 0


def test_files_that_nemo_moved_belong_to_the_run_above():
    beside = ["cmd-args.log", "hparams.yaml"]
    assert claim(f"exp/run_0/{NAME}", VERSION, beside=beside)[1].levels_up == 1
    assert claim(f"exp/run_0/{NAME}", VERSION)[1].levels_up == 0


def test_other_files_are_no_event_files():
    assert claim(f"exp/{NAME}", b"") is None
    assert claim(f"exp/{NAME}", b"text that goes on and on") is None
    assert claim("exp/tfevents.md", VERSION) is None
