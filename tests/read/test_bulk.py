"""Reading in bulk must give what reading line by line gives, to the last bit."""

import math
import os
import sqlite3
import sys
from array import array
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from bulk_reading import (
    NOW_NS,
    assert_same,
    common,
    everything_in_bulk,
    read_all,
    runs_in,
)
from mlreport_batch.cli import main
from mlreport_batch.formats import Chunk, Item, LogFormat, Memory
from mlreport_batch.formats.lightning import LIGHTNING_CSV
from mlreport_batch.formats.registry import by_name
from mlreport_batch.formats.tensorboard import EVENT_FILE
from mlreport_batch.read.bulk import ahead as bulk_module
from mlreport_batch.read.bulk.ahead import Bulk, Unread, kind_of, worthwhile
from mlreport_batch.read.fold import LogFold
from mlreport_batch.read.run import RunState, plan_of, read_run, unread_logs
from mlreport_batch.read.summary import Curve, MetricSummary, join_summaries, width_for
from mlreport_batch.state.rows import decode
from mlreport_batch.tick import work
from places import RUNS

LATE_NS = NOW_NS + 10**13


@pytest.fixture(autouse=True)
def _everything_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    everything_in_bulk(monkeypatch)


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.decimals(-1000, 1000, places=3).map(str),
    st.sampled_from(
        [
            "0", "-0.0", "0.0", "1e-50", "-1e-50", "3.5e38", "-1e39", "1e308", "-0",
            "-0e5", "0E-0", "1E5", "-1e-400", "4.9e-324", "2.4703282292062327e-324",
            "9007199254740993", "18446744073709551616", "-9223372036854775809",
            "1.00000000000000011102230246251565404236316680908203125",
        ]
    ),
)  # fmt: skip
odd_cells = st.sampled_from(
    [
        "nan", "NaN", "inf", "-Infinity", "1e400", " ", " 1", "1 ", "1\t", "1_0", "0x1",
        "NA", "None", '"1"', '"1', "x", "1.2.3", "#", "-", "٣", "1\r", "\r", "\0",
        "1\0", "1,2", "", "True", "loss", "\xa01", "1e", "+.5", "5.", "1E+3", "1d5",
        "\u2028", "+1", "007", "-01", "00", ".5", "-.5e1", "--1", "1-", "[1", "1]",
        "{}", "[]", "null", "true", "false", "1//2", "1 2", "\uff11", "1e5_0", "-nan",
        "1e-99999", "-1e400", "\x0b1", "1\f", "0b1", "1j", "1L", "\ufeff1", "1]\0",
        "infinity",
    ]
)  # fmt: skip
HEADERS = [
    "epoch,step,loss,acc,val_loss",
    "step,loss,acc,val_loss,time",
    "loss,acc,val_loss,val_acc,lr",
    "time,step,loss,acc,val_loss",
]


@dataclass(frozen=True)
class Table:
    header: str
    rows: tuple[tuple[str, ...], ...]

    def text(self, end: str) -> bytes:
        return "".join(",".join(row) + end for row in self.rows).encode(
            "utf-8", "surrogatepass"
        )


@st.composite
def tables(draw: st.DrawFn, *, odd: bool) -> Table:
    header = draw(st.sampled_from(HEADERS))
    names = header.split(",")
    step, rows = 0, []
    cells = (
        st.one_of(numbers, st.just("")) if not odd else st.one_of(numbers, odd_cells)
    )
    for _ in range(draw(st.integers(0, 30))):
        step += draw(st.integers(0, 3))
        if odd and draw(st.integers(0, 20)) == 0:
            step = draw(st.integers(0, 10))
        row = []
        for name in names:
            if name == "step":
                row.append(str(step))
            elif name == "time" and draw(st.booleans()):
                row.append("2026-01-01 10:00")
            else:
                row.append(draw(cells))
        if odd and draw(st.integers(0, 15)) == 0:
            row = draw(
                st.sampled_from(
                    [row[:-1], [*row, "1"], [""], ["# note"], names, [*row, ""]]
                )
            )
        rows.append(tuple(row))
    return Table(header, tuple(rows))


def parts_of(found: list[Table], cut: int, end: str) -> list[dict[str, bytes]]:
    first, second = {}, {}
    for number, table in enumerate(found):
        name = f"run_{number}/metrics.csv"
        whole = (table.header + end).encode() + table.text(end)
        place = min(len(whole), cut * 7)
        first[name], second[name] = whole[:place], whole[place:]
    return [first, second]


@pytest.mark.no_cover
@common
@given(
    st.lists(tables(odd=False), min_size=1, max_size=5),
    st.integers(0, 40),
    st.sampled_from(["\n", "\n", "\r\n"]),
)
def test_plain_logs_read_alike(
    tmp_path_factory: pytest.TempPathFactory, found: list[Table], cut: int, end: str
):
    root = tmp_path_factory.mktemp("plain")
    assert_same(root, *parts_of(found, cut, end))


@pytest.mark.no_cover
@common
@given(
    st.lists(tables(odd=True), min_size=1, max_size=4),
    st.integers(0, 40),
    st.sampled_from(["\n", "\r\n"]),
)
@example([Table(HEADERS[0], (("0", "1", "-0.0", "0.0", ""),) * 2)], 0, "\n")
@example([Table(HEADERS[1], (("1", "0.5", "1", "", "a,b"),))], 0, "\n")
def test_odd_logs_read_alike(
    tmp_path_factory: pytest.TempPathFactory, found: list[Table], cut: int, end: str
):
    root = tmp_path_factory.mktemp("odd")
    assert_same(root, *parts_of(found, cut, end))


@common
@given(st.integers(0, 2000), st.integers(1, 2000), st.integers(0, 5), st.integers(2, 9))
def test_joined_summaries_are_those_of_the_whole(
    before: int, after: int, seed: int, modulus: int
):
    values = [math.sin(n * (seed + 1)) * (n % modulus) for n in range(before + after)]

    def folded(first: int, last: int) -> LogFold:
        fold = LogFold()
        for n in range(first, last):
            fold.add("loss", float(n), values[n])
        return fold

    whole = folded(0, before + after).metrics()["loss"]
    fold = folded(0, before)
    known = fold.metrics().get("loss")
    width = width_for(before + after, known.curve.width if known else 1)
    part = aligned(before, values, width)
    joined = part if known is None else join_summaries(known, part)
    assert joined == whole


def aligned(before: int, values: list[float], width: int) -> MetricSummary:
    """Fold the values after *before* the slow way, in buckets of the whole."""
    numbers = list(enumerate(values))[before:]
    steps, lows, highs = array("d"), array("f"), array("f")
    bucket = None
    for n, value in numbers:
        if n // width != bucket:
            bucket = n // width
            steps.append(n)
            lows.append(value)
            highs.append(value)
        lows[-1], highs[-1] = min(lows[-1], value), max(highs[-1], value)
    low = min(numbers, key=lambda pair: (pair[1], pair[0]))
    high = max(numbers, key=lambda pair: (pair[1], -pair[0]))
    return MetricSummary(
        len(numbers), 0, 0, float(before), values[-1], float(len(values) - 1),
        low[1], float(low[0]), high[1], float(high[0]),
        Curve(width, steps.tobytes(), lows.tobytes(), highs.tobytes()),
    )  # fmt: skip


def long_log(rows: int, header: str = "epoch,step,loss,acc,val_loss") -> bytes:
    lines = [
        f"{n // 10},{n},{math.sin(n)!r},{(n * 7) % 13},{'' if n % 5 else n / 3}\n"
        for n in range(rows)
    ]
    return (header + "\n" + "".join(lines)).encode()


@pytest.mark.no_cover
def test_long_logs_read_alike_in_many_parts(tmp_path: Path):
    whole = long_log(5000)
    cuts = [0, 10, 400, 9000, 9001, 60_000, len(whole)]
    parts = [
        {"a/metrics.csv": whole[start:end], "b/metrics.csv": whole[start : end - 3]}
        for start, end in pairwise(cuts)
    ]
    # The second log loses three bytes of each part: numbers change, rows may break.
    assert_same(tmp_path, *parts)


def test_plain_rows_take_the_fast_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise AssertionError("line by line")

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.csv").write_bytes(long_log(200))
    runs = runs_in(tmp_path)
    monkeypatch.setitem(by_name(), "lightning", replace(LIGHTNING_CSV, parse=refuse))
    unread = [unread_logs(plan_of(run), None, NOW_NS) for run in runs]
    with Bulk({bulk_module.ROWS, bulk_module.RECORDS}) as bulk:
        for run in bulk.ahead(zip(runs, unread, strict=True)):
            state = read_run(run, None, now_ns=NOW_NS, bulk=bulk)
    assert state.logs["metrics.csv"].metrics["loss"].count == 200


def test_one_bad_log_leaves_the_others_of_its_group_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    slow = []

    def noted(chunk: Chunk, memory: Memory) -> Iterable[Item]:
        slow.append(Path(chunk.path).parent.name)
        return LIGHTNING_CSV.parse(chunk, memory)

    for number in range(5):
        (tmp_path / f"run_{number}").mkdir()
        data = long_log(100) + (b"10,100,nan,4,5\n" if number == 2 else b"")
        (tmp_path / f"run_{number}" / "metrics.csv").write_bytes(data)
    monkeypatch.setitem(by_name(), "lightning", replace(LIGHTNING_CSV, parse=noted))
    read_all(tmp_path, {}, in_bulk=True)
    assert slow == ["run_2"]


def test_step_that_goes_back_reads_alike(tmp_path: Path):
    first = long_log(50)
    again = long_log(30).split(b"\n", 1)[1]
    assert_same(
        tmp_path,
        {"a/metrics.csv": first, "b/metrics.csv": first + again},
        {"a/metrics.csv": again},
        {"a/metrics.csv": again},
    )


@pytest.mark.no_cover
def test_steps_that_begin_again_with_each_epoch_read_alike(tmp_path: Path):
    header = "note,epoch,step,loss,acc\n"
    rows = [(epoch, step) for epoch in (1, 2, 3) for step in range(4)]
    again = [(2, step) for step in range(3)]
    lines = []
    for e, s in rows + again:
        # At the end of an epoch there is no value, only a step.
        values = f"{s / 3},{e * s}" if s < 3 else ","
        lines.append(f"x,{'' if s == 2 else e},{s},{values}\n")
    for cut in range(len(lines) + 1):
        first = header + "".join(lines[:cut])
        rest = "".join(lines[cut:])
        name = f"run_{cut}/metrics.csv"
        assert_same(tmp_path, {name: first.encode()}, {name: rest.encode()})


@common
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=25),
    st.lists(st.integers(0, 25), max_size=3),
)
def test_epochs_and_steps_in_any_order_read_alike(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int]],
    cuts: list[int],
):
    root = tmp_path_factory.mktemp("epochs")
    lines = [f"{e or ''},{s},{s / 3 if s % 3 else ''}\n" for e, s in rows]
    bounds = [0, *sorted(cuts), len(lines)]
    parts = ["".join(lines[start:end]) for start, end in pairwise(bounds)]
    parts[0] = "epoch,step,loss\n" + parts[0]
    assert_same(root, *({"a/metrics.csv": part.encode()} for part in parts))


def test_a_log_known_by_what_counts_in_it_reads_alike(tmp_path: Path):
    data = long_log(80, "seed_of,count,loss,acc,val_x")
    data = data.replace(b"\n0,0,", b"\n0,0.0,", 1)
    parts = [data[:400], data[400:1500], data[1500:], b"9,90,nan,1,\n", b"9,91,1,1,\n"]
    assert_same(tmp_path, *({"a/log.csv": part} for part in parts))
    (log,) = read_all(tmp_path, {}, in_bulk=True).values()
    assert log.logs["log.csv"].format == "csv_counted_2"


def test_dressed_numbers_read_alike(tmp_path: Path):
    dressed = b'8,80,"0,5",92%,tensor(0.5)\n8,81,"1,234",-,(0.5,)\n'
    more = long_log(99).partition(b"\n")[2]
    more = b"".join(more.splitlines(keepends=True)[82:])
    name = "a/metrics.csv"
    parts = [long_log(80), dressed, more, b'9,99,"1,500",skipped,[1]\n']
    assert_same(tmp_path, *({name: part} for part in parts))


@pytest.mark.parametrize("mark", [",", "\t", ";", "|", " "])
def test_every_separator_reads_alike(tmp_path: Path, mark: str):
    data = long_log(80).replace(b",", mark.encode())
    assert_same(tmp_path, {"a/log.csv": data[:1500]}, {"a/log.csv": data[1500:]})


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + long_log(20),
        long_log(20).replace(b"\n", b"\r\n"),
        b"\n" + long_log(20),
        b"# written by hand\n" + long_log(20),
        long_log(20).replace(b"acc", b"loss"),
        long_log(20).replace(b"acc", "정확도".encode()),
        long_log(20).replace(b"acc", b"a\0cc"),
        long_log(20) + b"\0" * 50,
        long_log(20) + b"\n\n",
        long_log(20) + b"1,2",
        long_log(20)[:-1],
        b"step,loss\n\n1,2\n",
        b"loss\n1\n\n2\n",
        b"epoch,step,loss\n" + b"9" * 2_000_000 + b"\n1,2,3\n",
        "step,loss,note\n1,2,a_b\n2,3,한\n".encode(),
        b"time,step,loss\n#1,1,2\n#_2,2,3\n",
        b"time,step,loss\nx,1,2\nx,y,2,3\nz,4\n",
        b'time,step,loss\nx,1,2\n"x,2\n3",4,3\n',
    ],
)
def test_special_logs_read_alike(tmp_path: Path, data: bytes):
    assert_same(tmp_path, {"a/metrics.csv": data}, {"a/metrics.csv": b"9,90,0.5\n"})


def test_unfinished_last_line_is_used_alike(tmp_path: Path):
    path = tmp_path / "a" / "metrics.csv"
    path.parent.mkdir()
    path.write_bytes(long_log(30)[:-2])
    os.utime(path, ns=(NOW_NS - 10**15, NOW_NS - 10**15))
    slow = read_all(tmp_path, {}, in_bulk=False)
    fast = read_all(tmp_path, {}, in_bulk=True)
    assert repr(slow) == repr(fast)
    with path.open("ab") as file:
        file.write(b"99\n31,31,1,2,3\n")
    assert repr(read_all(tmp_path, slow, in_bulk=False, now_ns=LATE_NS)) == repr(
        read_all(tmp_path, fast, in_bulk=True, now_ns=LATE_NS)
    )


def test_fixture_runs_read_alike():
    root = RUNS
    assert repr(read_all(root, {}, in_bulk=True)) == repr(
        read_all(root, {}, in_bulk=False)
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_tick_commits_the_same_state_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: str
):
    for number in range(30):
        folder = tmp_path / "runs" / f"run_{number:02d}"
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_bytes(long_log(40 + number))
    seen = []
    for name in ("slow", "fast"):
        config = tmp_path / f"{name}.yaml"
        text = f"runs:\n  - path: {tmp_path}/runs\nstate: {tmp_path}/{name}\n"
        config.write_text(text)
        kinds = {bulk_module.ROWS} if name == "fast" else set()
        monkeypatch.setattr(work, "worthwhile", lambda *_, kinds=kinds: kinds)
        assert main(["baseline", "-c", str(config), "--jobs", jobs]) == 0
        with closing(sqlite3.connect(tmp_path / name / "state.db")) as database:
            seen.append(database.execute("SELECT path, seen FROM marks").fetchall())
    decoded = [
        {path: decode(data, RunState, path, "run") for path, data in rows}
        for rows in seen
    ]
    assert len(decoded[0]) == 30
    for path, state in decoded[0].items():
        assert state.logs["metrics.csv"].metrics
        assert plain(state) == plain(decoded[1][path])


def plain(state: RunState) -> RunState:
    """Return *state* without how lately its files were written."""
    return replace(
        state,
        logs={
            path: replace(log, signature=replace(log.signature, ctime_ns=0))
            for path, log in state.logs.items()
        },
    )


@pytest.mark.parametrize("log_format", [LIGHTNING_CSV, EVENT_FILE])
def test_little_is_read_line_by_line_unless_it_adds_up(
    log_format: LogFormat, monkeypatch: pytest.MonkeyPatch
):
    kind = kind_of(log_format)
    assert kind is not None

    def is_worth(size: int, of_all: float = 1.0) -> bool:
        log = Unread("x", log_format, size, None, False, {}, {}, "")
        found = worthwhile([log], of_all)
        assert found in (set(), {kind})
        return bool(found)

    monkeypatch.delitem(sys.modules, kind.library, raising=False)
    enough = kind.worth_bytes
    assert [is_worth(enough - 1), is_worth(enough)] == [False, True]
    # A tenth of what is to be read: the rest is read with the same library.
    tenth = enough // 10
    assert [is_worth(tenth - 1, 0.1), is_worth(tenth + 1, 0.1)] == [False, True]
    monkeypatch.setitem(sys.modules, kind.library, object())
    assert is_worth(1)


def test_a_failure_in_bulk_leaves_the_logs_to_their_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise MemoryError

    rows = replace(bulk_module.ROWS, alone_bytes=10**9)
    monkeypatch.setattr(bulk_module, "ROWS", rows)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.csv").write_bytes(long_log(20))
    slow = read_all(tmp_path, {}, in_bulk=False)
    monkeypatch.setattr(bulk_module, "fold_rows", fail)
    assert repr(read_all(tmp_path, {}, in_bulk=True)) == repr(slow)
