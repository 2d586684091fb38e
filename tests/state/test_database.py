"""What earlier versions kept is read by this one."""

import zlib
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from earlier_marks import EARLIER_REPORTED, EARLIER_SEEN
from mlreport_batch.errors import DamagedStateError
from mlreport_batch.find.checkpoints import Checkpoint
from mlreport_batch.formats import ProblemKind
from mlreport_batch.read.run import RunState
from mlreport_batch.report.news import MetricMark, Snapshot
from mlreport_batch.state.alike import ALIKE
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.rows import decode, encode, summed
from mlreport_batch.state.store import State

KEPT = (
    "2fbfa8ea787df1cb4d2ceb82e58046e4da8d091292f60f208a9042d2fe03440852bbc114c08ab68665"
    "a91505a9c9250df012155ebf80cd80d4295c22cb81a55e727e6eea02cc4a05184860ff153380aa1707"
    "68e00200e1ba4198"
)
"""`EARLIER_REPORTED` as a state of version 7 holds it."""


def test_marks_of_an_earlier_version_keep_all_that_they_said():
    seen = decode(encode(EARLIER_SEEN, b"run"), RunState, b"run", "run")
    assert seen.checkpoints == (Checkpoint("last.ckpt", 10, 20),)
    assert seen.started_ns == 1
    log = seen.logs["metrics.csv"]
    assert log.metrics["loss"].count == 2
    assert log.doubted is not None
    assert log.doubted.cursor.offset == 7
    assert log.problems[0].message == "cannot be read: Permission denied"
    assert log.problems[0].kind is ProblemKind.lasting
    reported = decode(encode(EARLIER_REPORTED, b"run"), Snapshot, b"run", "run")
    assert reported.metrics == {"loss": MetricMark(2, 0.5, 1.0, 0.5)}
    assert reported.checkpoints == {"last.ckpt": (10, 20)}


def test_marks_are_kept_under_the_names_that_earlier_versions_know():
    """Else what those kept would be lost, and all of it be told anew."""
    seen = decode(encode(EARLIER_SEEN, b"run"), RunState, b"run", "run")
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(seen))
    _is_all_there(again, EARLIER_SEEN)
    _is_all_there(again["logs"]["metrics.csv"], EARLIER_SEEN["logs"]["metrics.csv"])
    reported = decode(encode(EARLIER_REPORTED, b"run"), Snapshot, b"run", "run")
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(reported))
    assert again == {name: value for name, value in EARLIER_REPORTED.items() if value}


def _is_all_there(kept: dict[str, object], earlier: dict[str, object]) -> None:
    """What is missing says nothing."""
    lacking = earlier.keys() - kept.keys()
    assert not any(earlier[name] for name in lacking), lacking


def test_what_rows_have_in_common_stays_what_it_was():
    """The rows of every state of this version can only be unpacked with it."""
    assert zlib.crc32(ALIKE) == 0x0F2B6155
    assert decode(bytes.fromhex(KEPT), dict, b"run", "run") == EARLIER_REPORTED


@pytest.mark.parametrize("cut", [slice(0, -1), slice(0, 3)])
def test_a_packed_mark_that_is_cut_off_is_damage(cut: slice):
    """Although its sum fits: nobody wrote that."""
    packed = encode(EARLIER_REPORTED, b"run")[4:]
    for data in (packed[cut], packed + b"more"):
        with pytest.raises(DamagedStateError, match="of run"):
            decode(summed(data, b"run"), dict, b"run", "run")


@pytest.mark.parametrize("data", [None, 7, "text", b"", b"\xc1", b"\0\0\0\0\xc1"])
def test_a_mark_that_is_none_is_damage(data: object):
    with pytest.raises(DamagedStateError, match="of run"):
        decode(data, RunState, b"run", "run")


@pytest.mark.parametrize("size", [1, 3000])
def test_every_wrong_bit_of_a_mark_is_noticed(size: int):
    data = encode(["x" * size], b"run")
    assert decode(data, list[str], b"run", "run") == ["x" * size]
    for place in range(len(data)):
        for bit in range(8):
            wrong = bytearray(data)
            wrong[place] ^= 1 << bit
            with pytest.raises(DamagedStateError):
                decode(bytes(wrong), list[str], b"run", "run")
    with pytest.raises(DamagedStateError):  # another run's
        decode(data, list[str], b"rum", "run")


def test_debts_of_a_transaction_that_came_to_nothing_are_none(tmp_path: Path):
    state = State(str(tmp_path))
    owed = Owed("r1", 1.0, "ml@lab.example", ("me@lab.example",), "subject")

    def fail() -> None:
        with state.transaction():
            state.owe(owed)
            assert state.owed() == [owed]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert state.owed() == []
    about = replace(owed, runs=("/run", "/r\udcff"), config="/c\udcff", digest="ab")
    with state.transaction():
        state.owe(about)
    assert state.owed() == [about]
    assert [mail.rid for mail in state.owed_of_run("/r\udcff")] == ["r1"]
    state.close()


def test_transactions_that_share_a_commit_are_undone_together(tmp_path: Path):
    state = State(str(tmp_path))

    def fail() -> None:
        with state.transaction(stays_open=True):
            state.set_meta("first", "1")
        with state.transaction():
            state.set_meta("second", "1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (state.meta("first"), state.meta("second")) == ("", "")
    with state.transaction(stays_open=True):
        state.set_meta("first", "2")
    state.close()  # as a tick that dies
    state = State(str(tmp_path))
    assert state.meta("first") == ""
    with state.transaction(stays_open=True):
        state.set_meta("first", "3")
    state.commit()
    state.close()
    state = State(str(tmp_path))
    assert state.meta("first") == "3"
    state.close()
