"""Records of event files read at once must give what each by itself gives."""

import math
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulk_reading import assert_same, common, everything_in_bulk, read_all
from event_files import field, record, varint
from mlreport_batch.formats import Chunk, Item, Memory
from mlreport_batch.formats.kit import event_columns
from mlreport_batch.formats.kit.checksums import checksums
from mlreport_batch.formats.registry import by_name
from mlreport_batch.formats.tensorboard import EVENT_FILE

if TYPE_CHECKING:
    import numpy as np

NAME = "events.out.tfevents.1700000000.host.1.0"
VERSION = record(field(1, 1.5) + field(3, b"brain.Event:2"))


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    everything_in_bulk(monkeypatch)
    monkeypatch.setattr(event_columns, "_MANY", 2)


def simple(value: float) -> bytes:
    return varint(2 << 3 | 5) + struct.pack("<f", value)


def single(value: float) -> bytes:
    return field(8, field(1, 1) + field(2, b"") + field(4, struct.pack("<f", value)))


def unpacked(value: float) -> bytes:
    return field(8, field(1, 1) + varint(5 << 3 | 5) + struct.pack("<f", value))


def double(value: float) -> bytes:
    return field(8, field(1, 2) + field(6, struct.pack("<d", value)))


def whole(value: float) -> bytes:
    """Four bytes that are an integer, and zero for both."""
    return field(8, field(1, 3) + field(4, struct.pack("<f", value)))


def twice(value: float) -> bytes:
    return simple(value) + simple(value + 1)


def vector(value: float) -> bytes:
    shape = field(2, field(2, field(1, 2)))
    return field(8, field(1, 1) + shape + field(4, struct.pack("<f", value)))


def told(value: float) -> bytes:
    return simple(value) + field(9, field(1, field(1, b"scalars")))


def text(value: float) -> bytes:
    return simple(value) + field(9, field(1, field(1, b"text")))


def histogram(value: float) -> bytes:
    return field(5, field(1, value) + field(2, value))


BODIES = (simple, single, unpacked, double, whole, twice, vector, told, text, histogram)


def event(step: int | None, *values: bytes, wall: float | None = 1.5) -> bytes:
    """Return an event as writers write it, the fields in the order of numbers."""
    head = [field(n, x) for n, x in ((1, wall), (2, step)) if x is not None]
    return b"".join(head) + field(5, b"".join(field(1, value) for value in values))


def scalar(tag: str, step: int | None, body: bytes) -> bytes:
    return record(event(step, field(1, tag.encode()) + body))


def late(tag: str, step: int, body: bytes) -> bytes:
    """Return an event whose step comes too late to count."""
    value = field(1, tag.encode()) + body
    return record(field(5, field(1, value)) + field(2, step))


def damaged(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :]


def hparams(lr: float) -> bytes:
    entry = field(1, field(1, b"lr") + field(2, field(2, lr)))
    content = field(1, 0) + field(3, entry)
    plugin = field(9, field(1, field(1, b"hparams") + field(2, content)))
    return scalar("_hparams_/session_start_info", 0, plugin)


def session(step: int) -> bytes:
    return record(field(2, step) + field(7, field(1, 1)))


values = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e-46, 3.5, math.inf, -math.inf, math.nan]),
)
tags = st.sampled_from(["loss", "acc1", "acc2", "val/loss", "train/epoch", "한글", ""])
steps = st.one_of(
    st.integers(0, 3),
    st.sampled_from([127, 128, 16_383, 16_384, 2**53 + 1, 2**62, -1, -(2**60)]),
)


@st.composite
def rising(draw: st.DrawFn) -> list[bytes]:
    """Return scalars of a few tags, one step after another."""
    chosen = draw(st.lists(tags, min_size=1, max_size=3))
    body = draw(st.sampled_from(BODIES))
    step = draw(st.integers(0, 300))
    found = []
    for _ in range(draw(st.integers(1, 8))):
        step += draw(st.sampled_from([0, 1, 1, 90, 20_000]))
        found += [scalar(tag, step, body(draw(st.floats(width=32)))) for tag in chosen]
    return found


odd = st.one_of(
    st.builds(scalar, tags, st.none() | steps, st.builds(simple, values)),
    st.builds(lambda a, b, n, v: record(event(n, *(
        field(1, tag.encode()) + simple(v) for tag in (a, b)
    ))), tags, tags, steps, values),
    st.builds(late, tags, steps, st.builds(simple, values)),
    st.builds(damaged, st.just(scalar("loss", 5, simple(2.0))), st.integers(0, 60)),
    st.builds(hparams, values),
    st.builds(session, steps),
    st.builds(record, st.binary(max_size=50)),
    st.just(VERSION),
    st.builds(lambda body: record(field(4, body)), st.binary(max_size=40)),
).map(lambda data: [data])  # fmt: skip


def joined(found: Sequence[list[bytes]]) -> bytes:
    return b"".join(part for parts in found for part in parts)


@pytest.mark.no_cover
@common
@given(
    st.lists(st.lists(rising() | odd, max_size=5).map(joined), min_size=1, max_size=3),
    st.integers(0, 400),
    st.integers(0, 12),
)
def test_any_event_files_read_alike(
    tmp_path_factory: pytest.TempPathFactory, found: list[bytes], cut: int, torn: int
):
    root = tmp_path_factory.mktemp("events")
    first, second = {}, {}
    for number, data in enumerate(found):
        name = f"run_{number}/{NAME}"
        first[name] = VERSION + data[:cut]
        second[name] = data[cut : len(data) - torn]
    assert_same(root, first, second)


def curve(count: int, body: object = simple) -> bytes:
    assert callable(body)
    return VERSION + b"".join(
        scalar(tag, step, body(math.sin(step)))
        for step in range(count)
        for tag in ("loss", "acc1", "acc2")
    )


@pytest.mark.no_cover
def test_one_wrong_bit_anywhere_reads_alike(tmp_path: Path):
    data = curve(2)
    assert_same(
        tmp_path,
        {f"{at:03}/{NAME}": damaged(data, at) for at in range(len(data))},
    )


# 97 is a letter: read as the first, the others' step would be a letter of their name.
WITHOUT_TIME = [
    record(event(97, field(1, tag) + simple(1.0), wall=None))
    for tag in (b"1.aaaaaaaa", b"2.aaaaaaaa", b"3.aaaaaaaa")
]


@pytest.mark.parametrize(
    "records",
    [
        [late("loss", step, simple(1.0)) for step in (0, 5, 9)],
        [scalar("loss", step, whole(step)) for step in (0, 5, 9)],
        [scalar("loss", step, twice(step)) for step in (0, 5, 9)],
        [scalar("loss", step, simple(1.0)) for step in (-1, -5, 9)],
        [scalar(tag, 3, simple(1.0)) for tag in ("a1", "a2", "a1", "b1")],
        [scalar("a", 97, simple(1.0)) for _ in range(3)] + WITHOUT_TIME,
    ],
)
def test_records_that_only_look_alike_are_told_apart(
    tmp_path: Path, records: list[bytes]
):
    assert_same(tmp_path, {f"a/{NAME}": b"".join(records)})


def test_records_with_the_same_checksum_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def collide(data: "np.ndarray", rows: "np.ndarray") -> "np.ndarray":
        """Return the whole of what is right, but nothing of what is fixed."""
        return checksums(data, rows | True) * (0 if rows[0] else 1)

    monkeypatch.setattr(event_columns, "checksums", collide)
    assert_same(tmp_path, {f"a/{NAME}": curve(20)})


def test_a_session_that_starts_anew_reads_alike(tmp_path: Path):
    whole = curve(20)
    middle = len(curve(10))
    assert_same(tmp_path, {f"a/{NAME}": whole[:middle] + session(5) + whole[middle:]})


def refuse(*_: object) -> Iterable[Item]:
    raise AssertionError("record by record")


@pytest.mark.parametrize("body", [simple, single, unpacked, double, told, text])
def test_plain_scalars_take_the_fast_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: object
):
    data = curve(300, body) + hparams(0.5)
    for number in range(3):
        (tmp_path / f"run_{number}").mkdir()
        (tmp_path / f"run_{number}" / NAME).write_bytes(data)
    slow = read_all(tmp_path, {}, in_bulk=False)
    monkeypatch.setitem(by_name(), "tensorboard", replace(EVENT_FILE, parse=refuse))
    assert repr(read_all(tmp_path, {}, in_bulk=True)) == repr(slow)
    metrics = slow["run_1"].logs[NAME].metrics
    assert [one.count for one in metrics.values()] == [300] * 3 * (body is not text)
    assert slow["run_1"].logs[NAME].hparams == {"lr": 0.5}


def test_one_damaged_file_leaves_the_others_of_its_group_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    slow = []

    def noted(chunk: Chunk, memory: Memory) -> Iterable[Item]:
        slow.append(Path(chunk.path).parent.name)
        return EVENT_FILE.parse(chunk, memory)

    ends = [b"", scalar("loss", 400, simple(math.nan)), b"", damaged(VERSION, 3)]
    ends += [
        session(500),
        scalar("loss", 1, simple(1.0)),
        damaged(scalar("loss", 400, b""), 30),
    ]
    for number, end in enumerate([*ends, b""]):
        (tmp_path / f"run_{number}").mkdir()
        data = curve(20) + end
        data = damaged(data, 500) if number == len(ends) else data
        (tmp_path / f"run_{number}" / NAME).write_bytes(data)
    monkeypatch.setitem(by_name(), "tensorboard", replace(EVENT_FILE, parse=noted))
    read_all(tmp_path, {}, in_bulk=True)
    # Those with a step that went back, or lost bytes, may be read more than once.
    assert sorted(set(slow)) == ["run_1", "run_3", "run_4", "run_5", "run_7"]


def test_what_one_record_may_say_is_limited_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mlreport_batch.formats.tensorboard.VALUES_MAX", 10)
    many = [field(1, f"m{number}".encode()) + simple(1.0) for number in range(30)]
    records = [record(event(step, *many[: 8 + step])) for step in range(4)]
    assert_same(tmp_path, {f"a/{NAME}": b"".join(records)})


def test_a_resumed_series_reads_alike(tmp_path: Path):
    first, second = curve(50), curve(80)
    later = NAME.replace("1700000000", "1700000001")
    assert_same(
        tmp_path,
        {f"a/{NAME}": first, f"b/{NAME}": first},
        {f"a/{later}": second, f"b/{NAME}": second[len(first) :]},
    )
