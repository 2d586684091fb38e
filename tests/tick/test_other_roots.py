"""Runs in an archive, in memory and behind other addresses than those of buckets."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from mlreport_batch.config.load import load
from mlreport_batch.errors import ConfigError, UsageError
from mlreport_batch.safety.remote.bucket import forget
from mlreport_batch.safety.remote.objects import AHEAD
from ticking import Desk

ROWS = "step,val_loss\n" + "".join(f"{step},{1 / (step + 1)}\n" for step in range(5))
FILES = {
    "gan/0/metrics.csv": ROWS,
    "gan/0/hparams.yaml": "lr: 0.1\n",
    "한국어/metrics.csv": ROWS,
}
TOLD = ("name", "status", "headline", "position", "new_points", "problems", "metrics")


@pytest.fixture(autouse=True)
def _apart() -> Iterator[None]:
    forget()
    yield
    forget()


def archive(desk: Desk, files: dict[str, str], name: str = "runs.zip") -> Path:
    path = desk.folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for each, text in files.items():
            made.writestr(each, text)
    return path


def told(desk: Desk, path: object, out: str) -> list[dict[str, object]]:
    said = desk.run("run", path, "--out", desk.folder / out, "--json", "--all")
    assert said.code == 0, said.err
    runs = [{key: run[key] for key in TOLD} for run in said.json["runs"]]
    return sorted(runs, key=lambda run: str(run["name"]))


def test_an_archive_is_told_as_the_same_tree_on_this_machine(desk: Desk):
    for name, text in FILES.items():
        desk.put(name, text, age_s=0)
    here = told(desk, desk.runs, "here")
    assert [run["name"] for run in here] == ["gan/0", "한국어"]
    assert told(desk, f"zip://{archive(desk, FILES)}", "there") == here
    assert told(desk, f"file://{desk.runs}", "file") == here


def test_a_folder_of_an_archive_is_a_root_and_the_rest_is_none(desk: Desk):
    files = {**FILES, "other/x/metrics.csv": ROWS}
    path = f"zip://{archive(desk, files)}/gan"
    assert [run["name"] for run in told(desk, path, "there")] == ["0"]


def test_of_an_archive_that_was_written_anew_only_what_is_new_is_told(desk: Desk):
    path = f"zip://{archive(desk, FILES)}"
    call = ("run", path, "--out", desk.out, "--json")
    assert len(desk.run(*call).json["runs"]) == 2
    assert desk.run(*call).json["runs"] == []
    archive(desk, {**FILES, "gan/0/metrics.csv": ROWS + "5,0.125\n"})
    (run,) = desk.run(*call).json["runs"]
    assert (run["name"], run["new_points"]) == ("gan/0", 1)


def test_a_long_log_in_an_archive_is_unpacked_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    opened: list[str] = []
    whole = zipfile.ZipFile.open

    def counting(
        self: zipfile.ZipFile, name: str, *args: object, **more: object
    ) -> IO[bytes]:
        opened.append(name)
        return whole(self, name, *args, **more)

    long = "step,loss\n" + "".join(f"{n},{1 / (n + 1):.15f}\n" for n in range(800_000))
    assert len(long) > 4 * AHEAD
    path = archive(desk, {"a/metrics.csv": long})
    monkeypatch.setattr(zipfile.ZipFile, "open", counting)
    (run,) = told(desk, f"zip://{path}", "there")
    assert run["new_points"] == 800_000
    assert len(opened) <= 2  # its header, and then all of it


def test_what_lies_in_memory_is_read_too(desk: Desk):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for name, text in FILES.items():
        memory.pipe(f"/lab/runs/{name}", text.encode())
    found = told(desk, "memory://lab/runs", "there")
    assert [run["name"] for run in found] == ["gan/0", "한국어"]
    assert {run["new_points"] for run in found} == {5}


def test_no_archive_and_a_broken_one_are_told_and_lose_nothing(desk: Desk):
    path = archive(desk, FILES)
    call = ("run", f"zip://{path}", "--out", desk.out)
    assert desk.run(*call).code == 0
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    said = desk.run(*call)
    assert said.code == 78
    assert "no whole zip archive" in said.err
    path.unlink()
    said = desk.run(*call)
    assert said.code == 78
    assert "No such file" in said.err
    path.write_bytes(whole)
    assert desk.run(*call, "--json").json["runs"] == []


def test_what_is_no_file_is_no_archive(desk: Desk):
    os.mkfifo(desk.folder / "runs.zip")  # to open it would never end
    call = ("run", f"zip://{desk.folder / 'runs.zip'}", "--out", desk.out)
    assert desk.run(*call).code == 78


def test_a_path_in_an_archive_that_leads_out_of_it_is_none(desk: Desk):
    path = archive(desk, {"a/metrics.csv": ROWS, "../b/metrics.csv": ROWS})
    assert [run["name"] for run in told(desk, f"zip://{path}", "there")] == ["a"]


def test_other_processes_read_an_archive_too(desk: Desk):
    files = {f"gan/{number}/metrics.csv": ROWS for number in range(40)}
    path = archive(desk, files)
    said = desk.run("run", f"zip://{path}", "--out", desk.out, "--json", "--jobs", "2")
    assert {run["new_points"] for run in said.json["runs"]} == {5}
    assert len(said.json["runs"]) == 40


def test_an_archive_named_as_a_folder_is_told_how_to_name_it(desk: Desk):
    path = archive(desk, FILES)
    assert f"zip://{path}" in desk.run("run", path, "--out", desk.out).err


@pytest.mark.parametrize(
    "address",
    [
        "s3://lab/runs", "gs://lab", "az://container/runs", "memory://lab",
        "abfs://container@account.dfs.core.windows.net/runs", "abfss://c/runs",
        "sftp://host/runs", "ssh://kim@host.lab.example:2222/home/kim/runs",
        "zip:///data/runs.zip", "zip:///data/2026.zip/gan", "zip:///data/RUNS.ZIP",
    ],
)  # fmt: skip
def test_an_address_that_runs_are_read_from_is_one_in_a_config(
    desk: Desk, address: str
):
    config = desk.config("")
    config.write_text(f"runs: [{{path: '{address}'}}]\n")
    assert load(config).runs[0].path == address


@pytest.mark.parametrize(
    "address",
    [
        "http://host/runs", "ftp://host/runs", "s3:///runs", "sftp://host",
        "sftp://kim:s3cret@host/runs", "sftp://kim:a/s3cret@host/runs",
        "az://a:s3cret@c/runs", "zip://runs.zip",
        "zip:///data/runs.tar", "s3://lab/a\x1b[2J", "s3://lab/runs?sig=s3cret",
    ],
)  # fmt: skip
def test_another_address_is_none_and_its_password_is_not_told(desk: Desk, address: str):
    config = desk.config("")
    shown = address.replace("\x1b", "\\x1b")
    config.write_text(f'runs: [{{path: "{shown}"}}]\n')
    with pytest.raises(ConfigError) as caught:
        load(config)
    for call in (("run", address, "--out", desk.out), ("inspect", address)):
        said = desk.run(*call)
        assert said.code == UsageError.exit_code
        assert "no address to read from" in said.err
        assert "\x1b" not in said.err
        assert "s3cret" not in str(caught.value) + said.err
    assert not os.path.lexists(desk.out)
