"""Runs on a server of SFTP and in a bucket of Google's, on this machine."""

import os
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

import gcs_server
import sftp_server
from gcs_server import GcsServer
from mlreport_batch.safety.remote import objects
from mlreport_batch.safety.remote import sftp as sftp_module
from mlreport_batch.safety.remote.bucket import forget
from sftp_server import SftpServer
from ticking import Desk

ROWS = "step,val_loss\n" + "".join(f"{step},{1 / (step + 1)}\n" for step in range(5))
LONG = "step,loss\n" + "".join(f"{step},0.{step}\n" for step in range(30_000))
FILES = {
    "gan/0/metrics.csv": ROWS,
    "gan/0/hparams.yaml": "lr: 0.1\n",
    "gan/0/checkpoints/last.ckpt": "weights",
    "한국어/metrics.csv": ROWS,
}
TOLD = ("name", "status", "headline", "position", "new_points", "problems", "metrics")


@pytest.fixture
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    forget()
    yield
    forget()


@pytest.fixture
def sftp(desk: Desk, tmp_path: Path, _apart: None) -> Iterator[SftpServer]:
    for name, text in FILES.items():
        desk.put(name, text, age_s=0)
    with sftp_server.serving(desk.runs.parent, tmp_path / "home") as found:
        yield found


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch, _apart: None) -> Iterator[GcsServer]:
    for found in gcs_server.serving():
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", found.url)
        for name, text in FILES.items():
            found.put(name, text)
        yield found


def _told(desk: Desk, path: object, out: str, *args: str) -> list[dict[str, object]]:
    said = desk.run("run", path, "--out", desk.folder / out, "--json", "--all", *args)
    assert (said.code, said.err) == (0, "")
    runs = [{key: run[key] for key in TOLD} for run in said.json["runs"]]
    return sorted(runs, key=lambda run: str(run["name"]))


def test_a_server_is_told_as_the_folder_that_it_serves(desk: Desk, sftp: SftpServer):
    assert sftp.folder / "runs" == desk.runs
    here = _told(desk, desk.runs, "here")
    assert [run["name"] for run in here] == ["gan/0", "한국어"]
    assert _told(desk, sftp.root, "there") == here
    assert _told(desk, sftp.root, "processes", "--jobs", "2") == here


def test_a_bucket_of_google_is_told_as_the_same_tree(desk: Desk, gcs: GcsServer):
    for name, text in FILES.items():
        desk.put(name, text, age_s=0)
    assert _told(desk, gcs.root, "there") == _told(desk, desk.runs, "here")


def test_a_name_on_a_server_is_never_read_as_an_address(desk: Desk, sftp: SftpServer):
    for number, name in enumerate(("tb", "t\tb", "h#", "h#2", "q?x=1", "a%41")):
        desk.put(f"{name}/metrics.csv", f"{ROWS}5,0.{number + 1}\n", age_s=0)
    assert _told(desk, sftp.root, "there") == _told(desk, desk.runs, "here")


def test_of_a_server_only_what_is_new_is_read(desk: Desk, sftp: SftpServer):
    desk.put("long/metrics.csv", LONG, age_s=0)
    call = ("run", sftp.root, "--out", desk.out, "--json")
    assert len(desk.run(*call).json["runs"]) == 3
    sftp.opened.clear()
    assert desk.run(*call).json["runs"] == []
    assert sftp.opened == []
    sftp.read = 0
    desk.put("long/metrics.csv", LONG + "30000,0.5\n", age_s=0)
    (run,) = desk.run(*call).json["runs"]
    assert (run["name"], run["new_points"]) == ("long", 1)
    assert set(sftp.opened) == {"/runs/long/metrics.csv"}
    assert sftp.read < 20_000


def test_of_a_bucket_of_google_only_what_is_new_is_read(desk: Desk, gcs: GcsServer):
    gcs.put("long/metrics.csv", LONG)
    call = ("run", gcs.root, "--out", desk.out, "--json")
    assert len(desk.run(*call).json["runs"]) == 3
    gcs.asked.clear()
    assert desk.run(*call).json["runs"] == []
    assert [key for key, _ in gcs.asked] == [""]
    gcs.asked.clear()
    gcs.put("long/metrics.csv", LONG + "30000,0.5\n")
    (run,) = desk.run(*call).json["runs"]
    assert (run["name"], run["new_points"]) == ("long", 1)
    ranges = [asked for key, asked in gcs.asked if key]
    assert {key for key, _ in gcs.asked} == {"", "runs%2Flong%2Fmetrics.csv"}
    spans = [each.removeprefix("bytes=").split("-") for each in ranges]
    assert 0 < sum(int(end) - int(start) + 1 for start, end in spans) < 20_000
    assert len(LONG) > objects.WHOLE_BELOW  # or it would have been read whole


def test_what_a_link_on_a_server_leads_to_is_not_read(desk: Desk, sftp: SftpServer):
    (desk.folder / "secret").mkdir()
    (desk.folder / "secret/metrics.csv").write_text(ROWS)
    os.symlink(desk.folder / "secret", desk.runs / "led")
    (desk.runs / "file").mkdir()
    os.symlink(desk.folder / "secret/metrics.csv", desk.runs / "file/metrics.csv")
    assert [run["name"] for run in _told(desk, sftp.root, "there")] == [
        "gan/0",
        "한국어",
    ]
    assert not any("led" in path or "file" in path for path in sftp.opened)


def test_a_server_that_stalls_is_waited_for_once(
    desk: Desk, sftp: SftpServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sftp_module, "_READ_S", 0.5)
    for number in range(8):
        desk.put(f"more/{number}/metrics.csv", ROWS, age_s=0)
    call = ("run", sftp.root, "--out", desk.out, "--json")
    waited: list[object] = []
    ask = paramiko.SFTPClient.open

    def counted(
        self: paramiko.SFTPClient, path: str, *args: object, **more: object
    ) -> object:
        try:
            return ask(self, path, *args, **more)
        except TimeoutError:
            waited.append(path)
            raise

    monkeypatch.setattr(paramiko.SFTPClient, "open", counted)
    sftp.answers.clear()
    desk.run(*call)
    assert len(waited) == 1
    sftp.answers.set()
    forget()
    runs = desk.run(*call).json["runs"]
    assert len(runs) == 10
    assert {run["new_points"] for run in runs} == {5}


def test_a_folder_on_a_server_that_is_not_listed_is_no_run_that_is_gone(
    desk: Desk, sftp: SftpServer
):
    call = ("run", sftp.root, "--out", desk.out)
    assert desk.run(*call).code == 0
    sftp.denied = "/runs/gan"
    failed = desk.run(*call)
    assert failed.code == 78
    assert "root cannot be read" in failed.err
    sftp.denied = ""
    assert desk.run(*call, "--json").json["runs"] == []
    assert "gan/0" in desk.run("ls", "--out", desk.out).out


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("known_hosts", "the host's key is none that ssh knows"),
        ("id_ed25519", "ssh finds no key to log in with"),
    ],
)
def test_who_is_not_known_reads_nothing_and_loses_nothing(
    desk: Desk, sftp: SftpServer, file: str, said: str
):
    call = ("run", sftp.root, "--out", desk.out)
    assert desk.run(*call).code == 0
    forget()
    path = sftp.home / ".ssh" / file
    kept = path.read_bytes()
    path.unlink()
    failed = desk.run(*call)
    assert failed.code == 78
    assert said in failed.err
    path.write_bytes(kept)
    path.chmod(0o600)
    forget()
    assert desk.run(*call, "--json").json["runs"] == []


def test_a_server_that_is_gone_is_told_and_loses_nothing(
    desk: Desk, sftp: SftpServer, tmp_path: Path
):
    assert desk.run("run", sftp.root, "--out", desk.out).code == 0
    with sftp_server.serving(desk.runs.parent, tmp_path / "other") as other:
        pass
    failed = desk.run("run", other.root, "--out", desk.out)
    assert failed.code == 78
    assert "the service cannot be reached" in failed.err


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "do not allow it"), (403, "do not allow it"), (404, "No such file")],
)
def test_an_outage_of_googles_bucket_is_told(
    desk: Desk, gcs: GcsServer, status: int, said: str
):
    call = ("run", gcs.root, "--out", desk.out)
    assert desk.run(*call).code == 0
    gcs.refused = status
    failed = desk.run(*call)
    assert failed.code == 78
    assert said in failed.err
    gcs.refused = 0
    assert desk.run(*call, "--json").json["runs"] == []
