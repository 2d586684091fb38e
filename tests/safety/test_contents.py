"""What is in files that are packed with gzip."""

import gzip
import os
from pathlib import Path

import pytest

from mlreport_batch.commands.inspect import look_at
from mlreport_batch.find.tail import LogReader
from mlreport_batch.safety import contents
from mlreport_batch.safety.contents import read_document, read_head

CSV = "step,loss\n" + "".join(f"{at},{1 / at:.4f}\n" for at in range(1, 2001))


def packed(path: Path, *parts: str) -> str:
    path.write_bytes(b"".join(gzip.compress(part.encode()) for part in parts))
    return os.path.realpath(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics.csv.gz", CSV),
        ("train.log.gz", "".join(f"step {at}: loss 0.5\n" for at in range(1, 2001))),
        ("train_loss.txt.gz", CSV.replace("step,loss\n", "").replace(",", " ")),
    ],
)
def test_packed_logs_are_read_as_those_that_are_not(
    name: str, text: str, tmp_path: Path
):
    packed(tmp_path / name, text)
    [run] = look_at([str(tmp_path)])
    [metric] = run.view.metrics.values()
    assert (metric.count, metric.last_step) == (2000, 2000)
    assert not run.view.problems


def test_packed_settings_and_results_are_read(tmp_path: Path):
    packed(tmp_path / "hparams.yaml.gz", "lr: 0.1\n")
    packed(tmp_path / "metrics.csv.gz", CSV)
    [run] = look_at([str(tmp_path)])
    assert run.view.hparams == {"lr": 0.1}


def test_what_was_packed_later_follows_and_damage_ends_it(tmp_path: Path):
    path = packed(tmp_path / "a.csv.gz", "step,loss\n1,0.5\n", "2,0.25\n")
    assert read_document(path)[0] == b"step,loss\n1,0.5\n2,0.25\n"
    assert read_head(path, 4, start=5) == b"loss"
    with open(path, "ab") as stream:
        stream.write(b"no gzip at all")
    assert read_document(path)[0] == b"step,loss\n1,0.5\n2,0.25\n"
    whole = gzip.compress(CSV.encode())
    Path(path).write_bytes(whole[: len(whole) // 2])
    half = read_document(path)[0]
    assert half
    assert CSV.encode().startswith(half)
    Path(path).write_bytes(b"")
    assert read_document(path)[0] == b""


def test_a_packed_log_that_was_packed_anew_goes_on_where_it_was_read(tmp_path: Path):
    path = packed(tmp_path / "metrics.csv.gz", CSV)
    with LogReader(path, None) as reader:
        assert b"".join(chunk.data for chunk in reader.chunks()) == CSV.encode()
        cursor = reader.cursor
    packed(tmp_path / "metrics.csv.gz", CSV + "3000,0.1\n")
    with LogReader(path, cursor) as reader:
        [chunk] = reader.chunks()
    assert (chunk.data, chunk.path) == (b"3000,0.1\n", path.removesuffix(".gz"))


def test_of_what_swells_when_it_is_unpacked_a_part_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = packed(tmp_path / "metrics.csv.gz", CSV)
    monkeypatch.setattr(contents, "UNPACKED_MAX", 100)
    monkeypatch.setattr("mlreport_batch.find.tail.UNPACKED_MAX", 100)
    with LogReader(path, None) as reader:
        assert sum(len(chunk.data) for chunk in reader.chunks()) < len(CSV)
        [(note, _)] = reader.notes
    assert note == "over 256 MiB unpacked; the rest is not read"
