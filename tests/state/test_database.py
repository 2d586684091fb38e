"""What earlier versions kept is read by this one."""

from pathlib import Path

import msgspec
import pytest

from earlier_marks import EARLIER_REPORTED, EARLIER_SEEN
from mlreport_batch.errors import DamagedStateError
from mlreport_batch.find.checkpoints import Checkpoint
from mlreport_batch.formats import ProblemKind
from mlreport_batch.read.run import RunState
from mlreport_batch.report.news import MetricMark, Snapshot
from mlreport_batch.state.database import decode, encode
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.store import State


def test_marks_of_an_earlier_version_keep_all_that_they_said():
    seen = decode(encode(EARLIER_SEEN), RunState, "run")
    assert seen.checkpoints == (Checkpoint("last.ckpt", 10, 20),)
    assert seen.started_ns == 1
    log = seen.logs["metrics.csv"]
    assert log.metrics["loss"].count == 2
    assert log.doubted is not None
    assert log.doubted.cursor.offset == 7
    assert log.problems[0].message == "cannot be read: Permission denied"
    assert log.problems[0].kind is ProblemKind.lasting
    reported = decode(encode(EARLIER_REPORTED), Snapshot, "run")
    assert reported.metrics == {"loss": MetricMark(2, 0.5, 1.0, 0.5)}
    assert reported.checkpoints == {"last.ckpt": (10, 20)}


def test_marks_are_kept_under_the_names_that_earlier_versions_know():
    """Else those who go back to it would be told all of it anew."""
    seen = decode(encode(EARLIER_SEEN), RunState, "run")
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(seen))
    assert again.keys() == EARLIER_SEEN.keys()
    assert (
        again["logs"]["metrics.csv"].keys() > EARLIER_SEEN["logs"]["metrics.csv"].keys()
    )
    reported = decode(encode(EARLIER_REPORTED), Snapshot, "run")
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(reported))
    assert again == EARLIER_REPORTED


def test_a_mark_that_is_none_is_damage():
    with pytest.raises(DamagedStateError, match="of run"):
        decode(b"\xc1", RunState, "run")


def test_debts_of_a_transaction_that_came_to_nothing_are_none(tmp_path: Path):
    state = State(str(tmp_path))
    owed = Owed("r1", 1.0, "ml@lab.example", ("me@lab.example",), "subject")

    def fail() -> None:
        with state.transaction():
            state.owe(owed, {})
            assert state.owed() == [owed]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert state.owed() == []
    with state.transaction():
        state.owe(owed, {"/run": None})
    assert [mail.runs for mail in state.owed()] == [("/run",)]
    state.close()
