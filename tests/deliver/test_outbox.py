"""The outbox writes whole mails or none, under one name for one mail."""

import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlreport_batch.deliver import Envelope
from mlreport_batch.deliver.outbox import OutboxChannel, file_name
from mlreport_batch.errors import ChannelDownError, ConfigError, DeliveryError
from mlreport_batch.render import Rendered
from mlreport_batch.render.mail import MailHeader, compose, list_id

RID = "0123456789abcdef0123456789"
MAIL = compose(
    Rendered(mail_html="<p>x</p>", page_html="", text="x", pdf=b"%PDF"),
    header=MailHeader(
        rid=RID,
        message_id=f"<{RID}@lab.example>",
        date=datetime(2019, 12, 27, 9, 30, tzinfo=UTC),
        sender="ml@lab.example",
        recipients=("me@lab.example",),
        subject="s",
        list_id=list_id("gan/seed-1", "lab.example"),
    ),
)
ENVELOPE = Envelope(RID, "ml@lab.example", ("me@lab.example",))


def send(folder: Path, message: bytes = MAIL) -> str:
    with OutboxChannel(dir=str(folder)).open() as session:
        return session.send(message, ENVELOPE).answer


def test_a_mail_lies_in_the_folder_as_it_was_frozen(tmp_path: Path):
    folder = tmp_path / "deep" / "outbox"
    path = Path(send(folder))
    assert list(folder.iterdir()) == [path]
    assert path.read_bytes() == MAIL
    assert path.name.startswith("20191227-093000-gan-seed-1-")
    assert path.name.endswith(f"-{RID}.eml")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_same_mail_twice_is_one_file(tmp_path: Path):
    assert send(tmp_path) == send(tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [MAIL]


def test_the_home_folder_is_meant_by_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    with OutboxChannel(dir="~/out").open() as session:
        session.send(MAIL, ENVELOPE)
    assert list((tmp_path / "out").glob("*.eml"))


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (b"Subject: x\r\n\r\nbody", f"{RID}.eml"),
        (b"Date: nonsense\r\n\r\n", f"{RID}.eml"),
        (b"", f"{RID}.eml"),
        (b"List-Id: <../../etc/x.y>\r\n\r\n", f"{RID}.eml"),
        (b"List-Id: <a/b\x00c.y>\r\n\r\n", f"a-b-c-{RID}.eml"),
    ],
)
def test_names_stay_in_the_folder_whatever_the_headers_say(message: bytes, name: str):
    assert file_name(message, RID) == name


def test_a_leftover_of_a_killed_tick_is_replaced_and_a_link_not_followed(
    tmp_path: Path,
):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = tmp_path / "outbox"
    folder.mkdir()
    name = file_name(MAIL, RID)
    (folder / f"{name}.tmp").symlink_to(victim)
    (folder / name).symlink_to(victim)
    send(folder)
    assert victim.read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == [name]
    assert not (folder / name).is_symlink()


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_full_disk_leaves_nothing_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
):
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(DeliveryError, match=f"errno {number}") as caught:
        send(tmp_path)
    monkeypatch.undo()
    assert str(tmp_path) in str(caught.value)
    assert type(caught.value) is DeliveryError
    assert list(tmp_path.iterdir()) == []
    send(tmp_path)


def test_a_disk_that_is_really_full_leaves_nothing(tmp_path: Path):
    resource = pytest.importorskip("resource")
    pid = os.fork()
    if pid == 0:  # a child, since the limit holds for the whole process
        code = 1
        try:
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
            try:
                send(tmp_path)
            except DeliveryError:
                code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_synced_counts_as_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = os.fsync

    def fail_for_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    with pytest.raises(DeliveryError, match="errno 5"):
        send(tmp_path)


def test_a_file_in_the_folders_place_is_a_config_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"outbox\.dir"):
            send(path)
        with pytest.raises(ConfigError, match=r"outbox\.dir"):
            OutboxChannel(dir=str(path)).check()


def test_a_folder_that_cannot_be_made_stops_the_sending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ChannelDownError, match="errno 13"):
        send(tmp_path / "new")


def test_check_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert OutboxChannel(dir=str(tmp_path)).check() == f"outbox {tmp_path}"
    missing = tmp_path / "a" / "b"
    assert OutboxChannel(dir=str(missing)).check().endswith("to be made")
    assert not missing.parent.exists()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ChannelDownError, match="no right"):
        OutboxChannel(dir=str(tmp_path)).check()
