"""Every answer at every stage means what errors.py says, and nothing hangs."""

import logging
import os
import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.deliver import Envelope, Receipt
from mlreport_batch.deliver.smtp.channel import SmtpChannel
from mlreport_batch.deliver.smtp.server import password_of
from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
    DeliveryError,
    MlreportError,
    RefusedError,
    TooLargeError,
    UnknownOutcomeError,
)
from smtp_server import (
    PASSWORD,
    USER,
    Authority,
    Connection,
    RealServer,
    ScriptedServer,
    Step,
    closed_port,
    drip,
    drop,
    endless_answer,
    endless_line,
    garbage,
    hang,
    reset,
    slowly,
    then_drop,
)

RID = "0123456789abcdef0123456789"
MAIL = b"Subject: x\r\n\r\n.\r\n..\r\n.dot\r\n\t.\r\n" + b"x" * 998 + b"\r\nend.\r\n"
PATIENT_S = 60
BIG = b"Subject: x\r\n\r\n" + (b"y" * 76 + b"\r\n") * 80_000  # more than buffers hold
TO = ("me@lab.example",)
ENVELOPE = Envelope(RID, "ml@lab.example", TO)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def tls(authority: Authority) -> ssl.SSLContext:
    return authority.context("localhost", "127.0.0.1")


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def smtp(**settings: object) -> SmtpChannel:
    return SmtpChannel(SmtpSettings(**settings))  # type: ignore[arg-type]


def but(channel: SmtpChannel, **settings: object) -> SmtpChannel:
    """Return the channel with other settings."""
    return SmtpChannel(replace(channel.server, **settings))


def plain(port: int) -> SmtpChannel:
    """Return a channel that logs in over the loopback, and waits for long."""
    return smtp(
        host="127.0.0.1",
        port=port,
        security="none",
        username=USER,
        password_env="SMTP_PASSWORD",
        timeout_s=PATIENT_S,
        final_timeout_s=PATIENT_S,
    )


def hasty(channel: SmtpChannel) -> SmtpChannel:
    """Return a channel that waits for next to nothing."""
    return but(channel, timeout_s=0.5, final_timeout_s=0.5)


def encrypted(port: int, authority: Authority) -> SmtpChannel:
    return but(plain(port), security="starttls", ca_file=authority.file)


def send(
    channel: SmtpChannel, message: bytes = MAIL, envelope: Envelope = ENVELOPE
) -> Receipt:
    with channel.open() as session:
        return session.send(message, envelope)


D, R, U = DeliveryError, RefusedError, UnknownOutcomeError
DOWN, CRED = ChannelDownError, CredentialError

FAULTS: dict[str, Step] = {
    "4xx": "451 4.3.0 later",
    "5xx": "554 5.7.1 never",
    "421": then_drop("421 4.3.2 closing"),
    "535": "535 5.7.8 who are you",
    "other": "399 what",
    "drop": drop,
    "reset": reset,
    "hang": hang,
    "drip": drip,
    "garbage": garbage,
    "endless line": endless_line,
    "endless answer": endless_answer,
    "two codes": "250-yes\r\n550 no",
    "half": then_drop("250-half of an answer"),
}

SILENT = ("hang", "drip")

# What is raised when the stage of the row meets the fault of the column.
_BEFORE = dict.fromkeys(FAULTS, DOWN)
_COMMAND = {**dict.fromkeys(FAULTS, D), "5xx": R, "421": DOWN, "535": CRED}
EXPECTED: dict[str, dict[str, type[MlreportError]]] = {
    "greeting": _BEFORE,
    "ehlo": _BEFORE,
    "starttls": _BEFORE,
    "auth": {**_BEFORE, "5xx": CRED, "535": CRED},
    "mail": _COMMAND,
    # One recipient of one: its 5xx is everybody's.
    "rcpt": _COMMAND,
    "data": _COMMAND,
    # In the middle of the text, when nothing should be said.
    "body": {**_COMMAND},
    "dot": {
        **dict.fromkeys(FAULTS, U),
        "4xx": D,
        "5xx": R,
        "421": DOWN,
        "535": CRED,
    },
}
TABLE = [
    pytest.param(stage, fault, expected, id=f"{stage}-{fault}")
    for stage, row in EXPECTED.items()
    for fault, expected in row.items()
]


@pytest.mark.no_cover
@pytest.mark.parametrize(("stage", "fault", "expected"), TABLE)
def test_every_answer_at_every_stage(
    *,
    stage: str,
    fault: str,
    expected: type[MlreportError],
    tls: ssl.SSLContext,
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    is_tls = stage == "starttls"
    # A mail larger than all buffers proves that it was cut in the middle.
    message = BIG if stage == "body" else MAIL
    with ScriptedServer({stage: FAULTS[fault]}, tls=tls if is_tls else None) as server:
        channel = encrypted(server.port, authority) if is_tls else plain(server.port)
        # Whoever talks and does not read in the middle of the text is silent, too.
        waits = fault in SILENT or (stage == "body" and fault.startswith("endless"))
        with pytest.raises(MlreportError) as caught:
            send(hasty(channel) if waits else channel, message)
    assert type(caught.value) is expected, caught.value
    text = f"{caught.value!r} {caught.value} {caplog.text}"
    assert PASSWORD not in text
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert f"127.0.0.1:{server.port}" in str(caught.value)
    assert "kept" in str(caught.value)
    assert len(str(caught.value)) < 900
    if stage != "dot":
        assert not server.mails or fault == "hang"


@pytest.mark.parametrize("stage", ["greeting", "auth", "mail", "rcpt", "data", "dot"])
def test_a_slow_server_is_no_fault(stage: str):
    answers = {"greeting": "220 hi", "auth": "235 ok", "data": "354 go on"}
    step = slowly(answers.get(stage, "250-slow\r\n250 ok"))
    script: dict[str, Step | list[Step]] = {stage: step}
    if stage == "data":
        # The scripted server reads on only after its own answer to DATA.
        script = {"mail": slowly("250 ok"), "rset": slowly("250 ok")}
    with ScriptedServer(script) as server:
        send(plain(server.port))
        assert len(server.mails) == 1


def test_the_wait_after_the_dot_has_its_own_time():
    def late(connection: Connection) -> None:
        time.sleep(1.0)
        connection.sock.sendall(b"250 at last\r\n")

    with ScriptedServer({"dot": [hang, late]}) as server:
        with pytest.raises(UnknownOutcomeError):
            send(but(plain(server.port), final_timeout_s=0.5))
        receipt = send(but(hasty(plain(server.port)), final_timeout_s=PATIENT_S))
        assert receipt.answer == "250 at last"


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_in_quit_is_nothing(fault: str):
    with ScriptedServer({"quit": FAULTS[fault]}) as server:
        channel = plain(server.port)
        assert send(hasty(channel) if fault in SILENT else channel).refused == {}
        assert len(server.mails) == 1


def test_send_returns_before_quit():
    with ScriptedServer() as server:
        with plain(server.port).open() as session:
            session.send(MAIL, ENVELOPE)
            assert server.commands[-1] == "DATA"
        assert server.commands[-1] == "QUIT"


def test_the_bytes_arrive_as_they_were_frozen(
    tls: ssl.SSLContext, authority: Authority
):
    with RealServer(tls) as server:
        send(encrypted(server.port, authority))
        send(encrypted(server.port, authority), b"a: b\r\n\r\nno end")
    assert server.mails == [
        ("ml@lab.example", list(TO), MAIL),
        ("ml@lab.example", list(TO), b"a: b\r\n\r\nno end\r\n"),
    ]
    with ScriptedServer() as scripted:
        send(plain(scripted.port))
    raw = MAIL.replace(b"\r\n.", b"\r\n..")
    assert scripted.mails == [raw + b".\r\n"]
    with ScriptedServer() as scripted:
        send(plain(scripted.port), b".first\r\n")
    assert scripted.mails == [b"..first\r\n.\r\n"]


def test_many_mails_go_over_one_connection(tls: ssl.SSLContext, authority: Authority):
    with ScriptedServer(tls=tls) as server:
        with encrypted(server.port, authority).open() as session:
            for _ in range(5):
                session.send(MAIL, ENVELOPE)
        assert server.connections == 1
        assert len(server.mails) == 5
        assert server.commands.count("RSET") == 4
        assert all(server.was_encrypted)


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        *(("mail", fault) for fault in ("421", "drop", "reset", "garbage", "hang")),
        *(("rset", fault) for fault in ("421", "drop", "reset", "garbage", "hang")),
        ("rset", "4xx"),
        ("rset", "5xx"),
    ],
)
def test_a_server_that_ends_after_some_mails_is_asked_again(stage: str, fault: str):
    willing: list[Step] = ["250 ok", "250 ok"]
    script = {stage: [*willing, FAULTS[fault], *["250 ok"] * 9]}
    with ScriptedServer(script) as server:
        channel = plain(server.port)
        with (hasty(channel) if fault in SILENT else channel).open() as session:
            for _ in range(5):
                session.send(MAIL, ENVELOPE)
        assert len(server.mails) == 5
        assert server.connections == 2


def test_a_server_that_hung_up_while_idle_is_asked_again():
    with ScriptedServer({"dot": [then_drop("250 and bye"), "250 ok"]}) as server:
        with plain(server.port).open() as session:
            session.send(MAIL, ENVELOPE)
            session.send(MAIL, ENVELOPE)
        assert len(server.mails) == 2
        assert server.connections == 2


def test_a_server_that_takes_none_any_more_stops_the_sending():
    script = {"mail": ["250 ok", *[FAULTS["421"]] * 5]}
    with ScriptedServer(script) as server:
        with plain(server.port).open() as session:
            session.send(MAIL, ENVELOPE)
            with pytest.raises(ChannelDownError, match="421"):
                session.send(MAIL, ENVELOPE)
        assert server.connections == 2
        assert len(server.mails) == 1


@pytest.mark.parametrize("fault", ["drop", "hang", "5xx", "4xx", "421"])
def test_the_next_mail_goes_out_after_one_that_failed(fault: str):
    with ScriptedServer({"dot": [FAULTS[fault], "250 ok"]}) as server:
        channel = plain(server.port)
        with (hasty(channel) if fault in SILENT else channel).open() as session:
            with pytest.raises(DeliveryError):
                session.send(MAIL, ENVELOPE)
            assert session.send(MAIL, ENVELOPE).answer == "250 ok"


@pytest.mark.parametrize("answer", ["451 full", "552 too much", "399 what"])
def test_a_connection_left_in_the_middle_of_a_text_is_not_used_again(answer: str):
    with ScriptedServer({"body": [answer]}) as server:
        with plain(server.port).open() as session:
            with pytest.raises(DeliveryError):
                session.send(BIG, ENVELOPE)
            session.send(MAIL, ENVELOPE)
        assert server.connections == 2
        server.settle()
        assert server.torn[0].endswith(b"y\r\n")  # and not RSET
        assert len(server.mails) == 1


@pytest.mark.parametrize("first", ["250 ok", "450 busy", "550 unknown"])
@pytest.mark.parametrize("second", ["250 ok", "450 busy", "550 unknown"])
@pytest.mark.parametrize("third", ["250 ok", "450 busy", "550 unknown"])
def test_each_recipients_answer_is_kept(first: str, second: str, third: str):
    answers = [first, second, third]
    people = ("a@lab.example", "b@lab.example", "c@lab.example")
    envelope = replace(ENVELOPE, recipients=people)
    with ScriptedServer({"rcpt": answers}) as server:
        if "250 ok" in answers:
            receipt = send(plain(server.port), envelope=envelope)
            assert {
                name: (refusal.recipient, refusal.permanent, refusal.answer)
                for name, refusal in receipt.refused.items()
            } == {
                name: (name, answer.startswith("5"), answer)
                for name, answer in zip(people, answers, strict=True)
                if answer != "250 ok"
            }
            assert len(server.mails) == 1
        else:
            with pytest.raises(DeliveryError) as caught:
                send(plain(server.port), envelope=envelope)
            is_final = set(answers) == {"550 unknown"}
            assert type(caught.value) is (RefusedError if is_final else DeliveryError)
            assert all(name in str(caught.value) for name in people)
            assert not server.mails


def test_nobody_is_named_twice_and_251_is_a_yes():
    envelope = replace(ENVELOPE, recipients=("a@x.example", "b@x.example") * 2)
    with ScriptedServer({"rcpt": ["251 forwarded", "550 no"]}) as server:
        receipt = send(plain(server.port), envelope=envelope)
        assert set(receipt.refused) == {"b@x.example"}
        assert sum(line.startswith("RCPT") for line in server.commands) == 2


def test_a_real_server_refuses_one_of_two(tls: ssl.SSLContext, authority: Authority):
    with RealServer(tls) as server:
        server.refuse = {"gone@lab.example": "550 no such user"}
        envelope = replace(ENVELOPE, recipients=("gone@lab.example", *TO))
        receipt = send(encrypted(server.port, authority), envelope=envelope)
        assert receipt.answer == "250 queued as 42"
        assert receipt.refused["gone@lab.example"].permanent
        assert server.mails[0][1] == list(TO)


def test_a_mail_larger_than_the_server_takes_is_refused_before_it_is_sent(
    tls: ssl.SSLContext, authority: Authority
):
    with RealServer(tls) as server:
        with encrypted(server.port, authority).open() as session:
            with pytest.raises(TooLargeError) as caught:
                session.send(BIG, ENVELOPE)
            assert f"message of {len(BIG)} bytes" in str(caught.value)
            assert "takes 1000000" in str(caught.value)
            session.send(MAIL, ENVELOPE)
        assert len(server.mails) == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize(
    ("answer", "is_too_large"), [("552 5.3.4 too large", True), ("554 no", False)]
)
def test_too_large_is_told_from_refused(stage: str, answer: str, *, is_too_large: bool):
    with (
        ScriptedServer({stage: answer}) as server,
        pytest.raises(RefusedError) as caught,
    ):
        send(plain(server.port))
    assert isinstance(caught.value, TooLargeError) is is_too_large
    assert answer in str(caught.value)


def test_a_recipient_whose_box_is_full_is_asked_again():
    # 552 is also what a full mailbox answers; it is not refused for good.
    people = ("a@lab.example", "b@lab.example", "c@lab.example")
    answers = ["250 ok", "552 5.2.2 mailbox full", "550 unknown"]
    with ScriptedServer({"rcpt": answers}) as server:
        receipt = send(
            plain(server.port), envelope=replace(ENVELOPE, recipients=people)
        )
    assert {r: refusal.permanent for r, refusal in receipt.refused.items()} == {
        "b@lab.example": False,
        "c@lab.example": True,
    }


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE many", f"SIZE {'9' * 99}"])
def test_a_size_that_says_nothing_is_no_limit(size: str):
    with ScriptedServer(features=(size, "AUTH=LOGIN")) as server:
        send(plain(server.port))
        assert f"MAIL FROM:<ml@lab.example> SIZE={len(MAIL)}" in server.commands
    with ScriptedServer(features=("AUTH LOGIN",)) as server:
        send(plain(server.port))
        assert "MAIL FROM:<ml@lab.example>" in server.commands


def test_a_large_mail_on_a_line_that_is_slow_but_moves_gets_through():
    # Each piece has its own time; the whole takes longer than one timeout.
    def read_slowly(connection: Connection) -> None:
        for _ in range(10):
            connection.sock.recv(400_000, socket.MSG_WAITALL)
            time.sleep(0.25)

    with ScriptedServer({"body": read_slowly}) as server:
        send(but(plain(server.port), timeout_s=1.5), BIG)
        assert len(server.mails) == 1


# Encryption and trust


# Over TLS from the first byte aiosmtpd does not know that it is encrypted.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_starttls_and_tls_with_login(tls: ssl.SSLContext, authority: Authority):
    for host in ("localhost", "127.0.0.1"):
        with RealServer(tls) as server:
            channel = but(encrypted(server.port, authority), host=host)
            assert send(channel).answer == "250 queued as 42"
    with RealServer(tls, is_tls_first=True) as server:
        channel = but(encrypted(server.port, authority), security="tls")
        assert send(channel).answer == "250 queued as 42"


def test_nothing_is_said_in_clear_to_a_server_without_starttls(authority: Authority):
    with ScriptedServer() as server:
        with pytest.raises(ConfigError, match="offers no encryption") as caught:
            send(encrypted(server.port, authority))
        assert caught.value.exit_code == 78
        server.settle()
        assert len(server.commands) == 1  # EHLO; not even QUIT
        assert server.commands[0].startswith("EHLO ")


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("hosts", "days", "is_ours", "expected", "words"),
    [
        (("other.example",), (-1, 2), True, ConfigError, "smtp.host"),
        (("localhost",), (-1, 2), True, ConfigError, "smtp.host"),
        (("127.0.0.1",), (-9, -2), True, ChannelDownError, "expired"),
        (("127.0.0.1",), (2, 9), True, ChannelDownError, "not yet valid"),
        (("127.0.0.1",), (-1, 2), False, ConfigError, "smtp.ca_file"),
    ],
)
def test_servers_that_are_not_to_be_trusted(
    *,
    security: str,
    hosts: tuple[str, ...],
    days: tuple[int, int],
    is_ours: bool,
    expected: type[MlreportError],
    words: str,
    authority: Authority,
    tmp_path: Path,
):
    signer = authority if is_ours else Authority(tmp_path)
    context = signer.context(*hosts, days=days)
    is_first = security == "tls"
    with ScriptedServer(tls=context, is_tls_first=is_first) as server:
        channel = but(
            encrypted(server.port, authority),
            security=security,  # type: ignore[arg-type]
        )
        with pytest.raises(MlreportError, match=words) as caught:
            send(channel)
        assert type(caught.value) is expected
        assert not [line for line in server.commands if line[:4] in ("AUTH", "MAIL")]


def test_the_systems_authorities_do_not_know_ours(tls: ssl.SSLContext):
    with ScriptedServer(tls=tls) as server:
        channel = but(plain(server.port), security="starttls")
        with pytest.raises(ConfigError, match="not trusted"):
            send(channel)


def test_text_slipped_in_before_the_handshake_is_refused(
    tls: ssl.SSLContext, authority: Authority
):
    with (
        ScriptedServer({"starttls": "220 ok\r\n250 injected"}, tls=tls) as server,
        pytest.raises(ChannelDownError, match="in clear"),
    ):
        send(encrypted(server.port, authority))


def test_offers_made_in_clear_do_not_count(tls: ssl.SSLContext, authority: Authority):
    script: dict[str, Step | list[Step]] = {
        "ehlo": ["250-x\r\n250-AUTH PLAIN\r\n250 STARTTLS", "250 nothing"]
    }
    with (
        ScriptedServer(script, tls=tls) as server,
        pytest.raises(ConfigError, match="no login by password"),
    ):
        send(encrypted(server.port, authority))


def test_tls_towards_a_server_that_speaks_first_in_clear(authority: Authority):
    with ScriptedServer() as server:
        channel = but(encrypted(server.port, authority), security="tls")
        with pytest.raises(ConfigError, match="first byte"):
            send(channel)


@pytest.mark.parametrize("fault", [drop, reset, hang, garbage])
def test_a_handshake_that_fails_stops_the_sending(fault: Step, authority: Authority):
    script: dict[str, Step | list[Step]] = {
        "ehlo": "250-x\r\n250 STARTTLS",
        "starttls": lambda c: (
            c.sock.sendall(b"220 ok\r\n"),
            c.sock.recv(4000),
            fault(c),  # type: ignore[operator]
        )[-1],
    }
    with ScriptedServer(script) as server:
        channel = encrypted(server.port, authority)
        with pytest.raises(ChannelDownError, match="at TLS"):
            send(hasty(channel) if fault is hang else channel)


def test_a_ca_file_that_is_none_is_a_config_error(authority: Authority, tmp_path: Path):
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "missing.pem"):
        channel = but(encrypted(1, authority), ca_file=str(tmp_path / name))
        with pytest.raises(ConfigError, match=r"smtp\.ca_file"):
            send(channel)


# Reaching


def test_nobody_listens():
    with closed_port() as port, pytest.raises(ChannelDownError, match="refused"):
        send(plain(port))


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    channel = smtp(host="smtp.lab.invalid")
    with pytest.raises(ChannelDownError, match=r"smtp\.lab\.invalid:587.*not known"):
        send(channel)


def test_a_server_that_never_accepts():
    with (
        socket.create_server(("127.0.0.1", 0), backlog=1) as listener,
        pytest.raises(ChannelDownError, match="did not answer within"),
    ):
        send(hasty(plain(listener.getsockname()[1])))


# Logging in


def test_both_ways_of_logging_in(tls: ssl.SSLContext, authority: Authority):
    for features in (("AUTH PLAIN LOGIN",), ("AUTH LOGIN",), ("AUTH=LOGIN",)):
        with ScriptedServer(features=features) as server:
            send(plain(server.port))
            sent = [line for line in server.commands if line.startswith("AUTH ")]
            assert sent[0].startswith(f"AUTH {features[0][5:].split()[0]}")
    with (
        ScriptedServer(features=("AUTH CRAM-MD5 XOAUTH2",)) as server,
        pytest.raises(ConfigError, match="CRAM-MD5 XOAUTH2"),
    ):
        send(plain(server.port))


def test_a_wrong_password_needs_a_person(
    tls: ssl.SSLContext, authority: Authority, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SMTP_PASSWORD", "wrong")
    with RealServer(tls) as server:
        with pytest.raises(CredentialError, match="535") as caught:
            send(encrypted(server.port, authority))
        assert caught.value.exit_code == 77
        assert not server.mails


@pytest.mark.parametrize("code", ["535", "454", "235x"])
def test_a_server_that_repeats_the_password_does_not_get_it_into_a_message(
    code: str, monkeypatch: pytest.MonkeyPatch
):
    import base64

    secret = base64.b64encode(PASSWORD.encode()).decode()
    both = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    step = f"{code} no: {PASSWORD} {secret} {both}"
    with (
        ScriptedServer({"auth": step}) as server,
        pytest.raises(MlreportError) as caught,
    ):
        send(plain(server.port))
    error: BaseException | None = caught.value
    while error is not None:
        for text in (PASSWORD, secret, both):
            assert text not in f"{error!r} {error}"
        error = error.__cause__
    assert "***" in str(caught.value)


def test_a_login_that_the_server_wants_and_we_have_not():
    channel = smtp(host="127.0.0.1", port=1, security="none")
    with (
        ScriptedServer({"mail": "530 5.7.0 login first"}) as server,
        pytest.raises(CredentialError, match=r"smtp\.username"),
    ):
        send(but(channel, port=server.port))


def test_the_password_comes_from_where_the_config_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "password"
    path.write_text("from file\n")
    path.chmod(0o600)
    channel = but(plain(1), password_env=None, password_file=path)
    assert password_of(channel.server) == "from file"
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        password_of(channel.server)
    path.chmod(0o600)
    path.write_text("\n")
    with pytest.raises(CredentialError, match="empty"):
        password_of(channel.server)
    path.unlink()
    with pytest.raises(CredentialError, match="cannot be read"):
        password_of(channel.server)

    assert password_of(plain(1).server) == PASSWORD
    monkeypatch.delenv("SMTP_PASSWORD")
    with pytest.raises(CredentialError, match="SMTP_PASSWORD"):
        password_of(plain(1).server)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(CredentialError, match="SMTP_PASSWORD"):
        password_of(plain(1).server)
    (tmp_path / "SMTP_PASSWORD").write_text("from systemd\n")
    assert password_of(plain(1).server) == "from systemd"


def test_a_renewed_password_is_seen_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "password"
    path.write_text("old")
    path.chmod(0o600)
    filed = but(plain(1), password_env=None, password_file=path)
    found = [filed.credential(), filed.credential()]
    path.write_text("new")
    found.append(filed.credential())
    path.chmod(0o644)
    found.append(filed.credential())
    path.unlink()
    assert filed.credential() == found[-1]
    channel = plain(1)
    found.append(channel.credential())
    monkeypatch.setenv("SMTP_PASSWORD", "new")
    found.append(channel.credential())
    found.append(but(channel, username="another").credential())
    assert found[0] == found[1]
    assert len(set(found)) == 6


def test_no_password_means_no_connection(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SMTP_PASSWORD")
    with ScriptedServer() as server:
        with pytest.raises(CredentialError):
            send(plain(server.port))
        assert server.connections == 0


def test_a_password_of_odd_bytes_is_sent_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(os.environb, b"SMTP_PASSWORD", b"\xff\xfe")
    with ScriptedServer(features=("AUTH LOGIN",)) as server:
        send(plain(server.port))
        assert "//4=" in server.commands


# Settings


def test_check_says_one_line_and_sends_nothing(
    tls: ssl.SSLContext, authority: Authority
):
    with RealServer(tls) as server:
        line = encrypted(server.port, authority).check()
        assert line.startswith(f"smtp 127.0.0.1:{server.port}, TLSv1.")
        assert line.endswith("logged in as ml, takes mails up to 1.0 MB")
        assert not server.mails
    with ScriptedServer() as server:
        assert "not encrypted" in plain(server.port).check()
        assert server.commands[-1] == "QUIT"


def test_the_hello_is_a_name_with_a_dot_or_an_address(
    monkeypatch: pytest.MonkeyPatch,
):
    for name, hello in (
        ("node.lab.example", "node.lab.example"),
        ("node", "[127.0.0.1]"),
        ("노드.example", "[127.0.0.1]"),
        ("a.b\r\nMAIL", "[127.0.0.1]"),
    ):
        monkeypatch.setattr(socket, "getfqdn", lambda name=name: name)
        with ScriptedServer() as server:
            send(plain(server.port))
            assert server.commands[0] == f"EHLO {hello}"


@pytest.mark.parametrize(
    "address",
    [
        "a@b>\r\nRCPT TO:<c@d",
        "a b@c",
        "김\u3000@lab.example",
        "a@연구.example",
        "none",
        "<a@b>",
    ],
)
def test_an_address_cannot_hold_a_command(address: str):
    with ScriptedServer() as server:
        for envelope in (
            replace(ENVELOPE, recipients=(address,)),
            replace(ENVELOPE, sender=address),
        ):
            with pytest.raises(RefusedError, match="cannot be mailed to"):
                send(plain(server.port), envelope=envelope)
        assert not [line for line in server.commands if line.startswith("MAIL")]


def test_a_yes_said_too_early_does_not_count():
    # Were it left unread, it would be taken for the answer to the final dot.
    with ScriptedServer({"data": "354 go ahead\r\n250 taken"}) as server:
        with pytest.raises(DeliveryError, match="unasked") as caught:
            send(plain(server.port))
        assert type(caught.value) is DeliveryError
        assert not server.mails


def test_a_stray_answer_is_not_taken_for_the_next_one():
    # Were it, each recipient would get the answer of the one before.
    with ScriptedServer({"mail": "250 ok\r\n250 stray"}) as server:
        with pytest.raises(DeliveryError, match="said unasked: 250 stray"):
            send(plain(server.port))
        assert not [line for line in server.commands if line.startswith("RCPT")]


@pytest.mark.parametrize("stage", ["greeting", "dot"])
@pytest.mark.parametrize("fault", [endless_line, endless_answer])
def test_an_endless_answer_fills_no_memory_while_time_is_left(stage: str, fault: Step):
    with (
        ScriptedServer({stage: fault}) as server,
        pytest.raises(DeliveryError, match="without an end"),
    ):
        send(plain(server.port))


def test_the_last_words_of_a_server_that_hangs_up_in_the_text_are_heard():
    with (
        ScriptedServer({"body": then_drop("552 5.3.4 too big")}) as server,
        pytest.raises(RefusedError, match="too big"),
    ):
        send(plain(server.port), BIG)


def test_no_thread_or_socket_is_left_after_a_failure():
    before = threading.active_count()
    for _ in range(3):
        with ScriptedServer({"dot": drop}) as server, suppress(UnknownOutcomeError):
            send(plain(server.port))
    assert threading.active_count() == before


def unnamed(server: ScriptedServer) -> SmtpChannel:
    """Return a channel to *server* that does not log in."""
    return smtp(host="127.0.0.1", port=server.port, security="none")


WIDE = Envelope(RID, "ml@lab.example", ("김@lab.example",))


def test_letters_beyond_ascii_need_a_server_that_carries_them():
    features = ("SIZE 20000000", "SMTPUTF8", "8BITMIME")
    with ScriptedServer(features=features) as server, unnamed(server).open() as out:
        out.send(MAIL, WIDE)
        out.send("To: 김@lab.example\r\n\r\nx\r\n".encode(), ENVELOPE)
        out.send(MAIL, ENVELOPE)
    asked = [line for line in server.commands if line.startswith("MAIL")]
    assert [line.endswith(" BODY=8BITMIME SMTPUTF8") for line in asked] == [
        True, True, False,
    ]  # fmt: skip
    assert "RCPT TO:<김@lab.example>" in server.commands
    assert "김@lab.example".encode() in server.mails[1]


def test_a_server_that_carries_no_other_letters_refuses_only_such_a_mail():
    with ScriptedServer() as server, unnamed(server).open() as out:
        with pytest.raises(RefusedError, match="SMTPUTF8"):
            out.send(MAIL, WIDE)
        out.send(MAIL, ENVELOPE)
    assert len(server.mails) == 1
