"""The ends of captured output are read, and only when they are others."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlreport_batch.find.runs import RunFile
from mlreport_batch.formats.captured import TAIL
from mlreport_batch.read import endings as module
from mlreport_batch.read.beats import Beat, Beats, beats_after
from mlreport_batch.read.collect import LogState
from mlreport_batch.read.endings import Ending, read_endings
from mlreport_batch.safety.files import Signature
from views import view


def output(path: Path, text: str, mtime_s: float = 100) -> RunFile:
    path.write_text(text)
    os.utime(path, ns=(int(mtime_s * 1e9),) * 2)
    signature = Signature.of(path.stat())
    return RunFile(path.name, str(path), signature, "", None, "", is_output=True)


def test_only_what_changed_is_read_and_of_that_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened = []
    tail_of = module._tail_of

    def noted(path: str) -> bytes:
        opened.append(path)
        data = tail_of(path)
        assert len(data) <= TAIL
        return data

    monkeypatch.setattr(module, "_tail_of", noted)
    log = output(tmp_path / "a.err", "x\n" * TAIL + "Killed\n")
    calm = output(tmp_path / "b.out", "x\n")
    other = replace(calm, path="metrics.csv", is_output=False)
    found = read_endings([log, calm, other], {}, ())
    assert [(path, e.status) for path, e in found.items()] == [
        ("a.err", "killed"), ("b.out", ""),
    ]  # fmt: skip
    assert len(opened) == 2
    assert read_endings([log, calm], found, ()) == found
    assert len(opened) == 2
    again = output(tmp_path / "a.err", "step 1\n", 200)
    assert read_endings([again], found, ())["a.err"].status == ""
    assert len(opened) == 3


def test_secrets_in_last_lines_are_masked(tmp_path: Path):
    text = (
        'Traceback (most recent call last):\n  File "x"\n'
        "ValueError: password=hunter2secret my_own=abc\n"
    )
    log = output(tmp_path / "a.err", text)
    ending = read_endings([log], {}, ("my_own",))["a.err"]
    assert "ValueError" in ending.said
    for shown in (ending.said, ending.tail):
        assert "hunter2secret" not in shown
        assert "abc" not in shown


def test_what_cannot_be_read_says_what_it_said(tmp_path: Path):
    log = output(tmp_path / "a.err", "Killed\n")
    found = read_endings([log], {}, ())
    moved = replace(log, full_path=str(tmp_path), signature=Signature(1, 2, 3, 4))
    assert read_endings([moved], found, ()) == found
    assert read_endings([moved], {}, ()) == {"a.err": Ending(moved.signature)}


def log_of(rows: int, at: float) -> LogState:
    metrics = view({"loss": [1.0] * rows}).metrics
    return LogState("csv", Signature(1, int(at * 1e9), 1, 1), metrics=dict(metrics))


def test_beats_tell_the_pace_and_the_longest_silence():
    beats = beats_after(Beats(), [log_of(10, 100)])
    assert beats_after(beats, [log_of(10, 900)]) == beats  # nothing grew
    assert beats_after(beats, []) == beats
    beats = beats_after(beats, [log_of(20, 200)])
    assert (beats.row_s(), beats.silence_s) == (10, 10)
    beats = beats_after(beats, [log_of(30, 1000)])  # 9 rows as usual, then silence
    assert beats.silence_s == 710
    assert beats_after(beats, [log_of(31, 1000 + 9 * 3600)]).silence_s == 710
    anew = beats_after(beats, [log_of(5, 2000)])
    assert anew == Beats((Beat(2000, 5, 5),), 710)
    for number in range(100):
        beats = beats_after(beats, [log_of(40 + number, 2000 + number)])
    assert len(beats.recent) == 16
