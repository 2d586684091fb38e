"""The sendmail channel against small programs that behave as sendmails do."""

import errno
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlreport_batch.deliver import Envelope, Receipt
from mlreport_batch.deliver.sendmail import SendmailChannel, arguments
from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
    DeliveryError,
    MlreportError,
    RefusedError,
    UnknownOutcomeError,
)
from waiting import eventually

RID = "0123456789abcdef0123456789"
MAIL = (
    b"From: ML <ml@lab.example>\r\n"
    b"To: =?utf-8?B?6rmA?= <kim@lab.example>,\r\n lee@lab.example\r\n"
    b"Subject: x\r\n\r\n.\r\n..\r\nbody\r\n"
)
BIG = MAIL + b"y" * 5_000_000 + b"\r\n"
BOTH = ("kim@lab.example", "lee@lab.example")
Maker = Callable[..., SendmailChannel]
ENVELOPE = Envelope(RID, "ml@lab.example", BOTH)


@pytest.fixture
def program(tmp_path: Path):
    """Return a maker of sendmail programs that note arguments and input."""

    def make(ending: str = "exit 0", reading: str = "cat > mail") -> SendmailChannel:
        path = tmp_path / "sendmail"
        noting = 'for a in "$@"; do printf "%s\\n" "$a" >> args; done; : >> args'
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{noting}\n{reading}\n{ending}\n")
        path.chmod(0o700)
        return SendmailChannel(command=(str(path), "-t", "-i"), timeout_s=100)

    return make


def send(
    channel: SendmailChannel, message: bytes = MAIL, envelope: Envelope = ENVELOPE
) -> Receipt:
    with channel.open() as session:
        return session.send(message, envelope)


def test_the_mail_is_piped_with_the_systems_line_ends(program: Maker, tmp_path: Path):
    assert send(program()) == Receipt()
    assert (tmp_path / "mail").read_bytes() == MAIL.replace(b"\r\n", b"\n")
    assert (tmp_path / "args").read_text() == "-t\n-i\n"


def test_a_large_mail_is_piped_whole(program: Maker, tmp_path: Path):
    send(program(), BIG)
    assert (tmp_path / "mail").stat().st_size == len(BIG.replace(b"\r\n", b"\n"))


def test_only_those_still_owed_are_named(program: Maker, tmp_path: Path):
    send(program(), envelope=replace(ENVELOPE, recipients=("-lee@lab.example",)))
    assert (tmp_path / "args").read_text() == "-i\n--\n-lee@lab.example\n"


@pytest.mark.parametrize(
    ("command", "recipients", "expected"),
    [
        (("s", "-t", "-i"), BOTH, ["s", "-t", "-i"]),
        (("s", "-t", "-i"), BOTH[::-1], ["s", "-t", "-i"]),
        (("s", "-ti"), BOTH[:1], ["s", "-i", "--", BOTH[0]]),
        (("s", "-it", "-f", "x"), BOTH[:1], ["s", "-i", "-f", "x", "--", BOTH[0]]),
        (("s", "-i"), BOTH, ["s", "-i", "--", *BOTH]),
        (("s",), BOTH, ["s", "--", *BOTH]),
        (("s", "-t"), (*BOTH, "c@x.example"), ["s", "--", *BOTH, "c@x.example"]),
    ],
)
def test_arguments_name_exactly_the_recipients(
    command: tuple[str, ...], recipients: tuple[str, ...], expected: list[str]
):
    envelope = replace(ENVELOPE, recipients=recipients)
    assert arguments(command, MAIL, envelope) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1, DeliveryError),
        (64, ConfigError),
        (65, RefusedError),
        (66, DeliveryError),
        (67, RefusedError),
        (68, DeliveryError),
        (69, DeliveryError),
        (70, DeliveryError),
        (71, DeliveryError),
        (73, DeliveryError),
        (74, DeliveryError),
        (75, DeliveryError),
        (76, DeliveryError),
        (77, CredentialError),
        (78, ConfigError),
        (127, ConfigError),
        (255, DeliveryError),
    ],
)
def test_exit_codes_mean_what_sysexits_says(
    program: Maker, code: int, expected: type[MlreportError]
):
    channel = program(f"echo why not >&2; exit {code}")
    with pytest.raises(MlreportError) as caught:
        send(channel)
    assert type(caught.value) is expected
    text = str(caught.value)
    assert "why not" in text
    assert str(code) in text
    assert RID in text
    assert "kept" in text


def test_what_a_program_says_is_cut_and_cleaned(program: Maker):
    noise = "head -c 100000 /dev/zero; printf '\\033[31m\\377 last word\\n'; exit 75"
    with pytest.raises(DeliveryError, match="last word") as caught:
        send(program(noise))
    assert "\x1b" not in str(caught.value)
    assert "\x00" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_receipt_shows_what_was_said(program: Maker):
    assert send(program("echo queued as 42; exit 0")).answer == "queued as 42"


def test_a_program_that_ends_early_did_not_take_a_large_mail(program: Maker):
    for code in (0, 75):
        with pytest.raises(DeliveryError) as caught:
            send(program(f"exit {code}", reading="head -c 10 > mail"), BIG)
        assert type(caught.value) is DeliveryError


def test_a_program_killed_after_the_whole_mail_leaves_it_unknown(program: Maker):
    with pytest.raises(UnknownOutcomeError, match="signal 9"):
        send(program("kill -9 $$"))


def test_a_program_killed_before_it_had_the_mail_did_not_take_it(program: Maker):
    with pytest.raises(DeliveryError, match="signal 9") as caught:
        send(program("kill -9 $$", reading="head -c 10 > mail"), BIG)
    assert type(caught.value) is DeliveryError


def test_a_program_that_does_not_end_is_killed_with_its_children(
    program: Maker, tmp_path: Path
):
    channel = replace(program("sleep 9999 & echo $! > child; wait"), timeout_s=2)
    with pytest.raises(UnknownOutcomeError, match="did not end"):
        send(channel)
    child = int((tmp_path / "child").read_text())

    def is_gone() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text().split()[2] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    eventually(is_gone)


def test_a_program_that_does_not_read_did_not_take_a_large_mail(
    program: Maker, tmp_path: Path
):
    channel = replace(program(reading="sleep 9999; cat > mail"), timeout_s=0.5)
    with pytest.raises(DeliveryError, match="did not read") as caught:
        send(channel, BIG)
    assert type(caught.value) is DeliveryError
    assert not (tmp_path / "mail").exists()


def test_a_program_that_leaves_a_worker_behind_is_not_waited_for(
    program: Maker, tmp_path: Path
):
    worker = "until [ -e go ]; do sleep 0.05; done; echo done > worker"
    send(program(f"({worker}) > /dev/null 2>&1 & exit 0"))
    assert not (tmp_path / "worker").exists()
    (tmp_path / "go").touch()
    eventually((tmp_path / "worker").exists)


def test_a_missing_program_is_a_config_error(tmp_path: Path):
    for command in (str(tmp_path / "none"), str(tmp_path), "no-such-sendmail"):
        channel = SendmailChannel(command=(command, "-t"))
        with pytest.raises(ConfigError, match=r"sendmail\.command"):
            send(channel)
        with pytest.raises(ConfigError, match=r"sendmail\.command"):
            channel.check()


def test_a_program_that_vanishes_or_is_no_program(tmp_path: Path, program: Maker):
    channel = program()
    with channel.open() as session:
        Path(channel.command[0]).unlink()
        with pytest.raises(ConfigError, match="No such file"):
            session.send(MAIL, ENVELOPE)
    path = Path(channel.command[0])
    path.write_bytes(b"\x7fnot a program")
    path.chmod(stat.S_IRWXU)
    with pytest.raises(ChannelDownError, match="could not be started"):
        send(channel)


def test_a_machine_without_processes_left_stops_the_sending(
    program: Maker, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", fail)
    with pytest.raises(ChannelDownError, match="unavailable"):
        send(program())


def test_no_shell_reads_the_command(tmp_path: Path, program: Maker):
    channel = program()
    command = (*channel.command, f"; touch {tmp_path}/owned", "$(id)")
    send(SendmailChannel(command=command))
    assert not (tmp_path / "owned").exists()
    assert "$(id)" in (tmp_path / "args").read_text()


def test_check_names_the_program(program: Maker, monkeypatch: pytest.MonkeyPatch):
    channel = program()
    assert channel.check() == f"sendmail {channel.command[0]}"
    monkeypatch.setenv("HOME", str(Path(channel.command[0]).parent))
    assert replace(channel, command=("~/sendmail",)).check() == channel.check()
    send(replace(channel, command=("~/sendmail", "-t")))


def test_settings_that_cannot_work():
    with pytest.raises(ConfigError) as caught:
        SendmailChannel(command=(), timeout_s=0)
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigError, match="NUL"):
        SendmailChannel(command=("a\0b",))
