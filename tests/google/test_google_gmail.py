"""The Gmail channel: never two mails, and every refusal is what it is."""

# ruff: noqa: TID253

import base64
import dataclasses
import email.utils
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from google_server import GoogleServer, faults
from google_server.faults import Fault
from google_setup import FAST, USER, Lab
from mlreport_batch.deliver import Envelope, Receipt
from mlreport_batch.deliver.headers import addressed
from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
    DeliveryError,
    RefusedError,
    UnknownOutcomeError,
)
from mlreport_batch.google.api.account import (
    DRIVE_FILE,
    GMAIL_METADATA,
    GMAIL_SEND,
)
from mlreport_batch.google.gmail import GmailChannel
from still_clock import StillClock

SEND = "gmail.users.messages.send"
READONLY = GMAIL_SEND.replace("send", "readonly")
MAIL = (
    b"Date: Fri, 27 Dec 2019 06:30:00 +0000\r\nFrom: me@lab.example\r\n"
    b"To: you@lab.example,\r\n Team <team@lab.example>\r\nSubject: [mlreport] x\r\n"
    b"Message-ID: <rid1@lab.example>\r\nX-Mlreport-Id: rid1\r\n\r\nhello\r\n"
)
BOTH = ("you@lab.example", "team@lab.example")


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


@pytest.fixture
def lab(server: GoogleServer, tmp_path: Path) -> Lab:
    made = Lab(server, tmp_path)
    made.as_user()
    return made


def send(
    lab: Lab,
    data: bytes = MAIL,
    *,
    to: tuple[str, ...] = BOTH,
    timeout_s: float = 0.0,
    rid: str = "rid1",
) -> Receipt:
    pace = replace(FAST, timeout_s=timeout_s, budget_s=1.0)
    with GmailChannel(lab.google, pace).open() as session:
        return session.send(data, Envelope(rid, USER, to))


@pytest.mark.parametrize("size", [0, 2_999_000, 3_100_000, 20_000_000])
def test_mail_arrives_byte_for_byte(lab: Lab, size: int):
    data = MAIL + b"x" * 70 + b"\r\n" * (size // 2)
    receipt = send(lab, data)
    (sent,) = lab.server.gmail.sent
    assert sent.raw == data
    assert sent.id in receipt.answer
    assert not receipt.refused


def test_upload_is_used_for_large_mails_only(lab: Lab):
    send(lab)
    send(lab, MAIL + b"x" * 4_000_000)
    small, large = (c.path for c in lab.server.calls if c.method_id == SEND)
    assert not small.startswith("/upload")
    assert large.startswith("/upload")


def test_base64_is_the_one_for_addresses(lab: Lab):
    data = MAIL + bytes(range(256)) * 4
    send(lab, data)
    raw = next(c for c in lab.server.calls if c.method_id == SEND).body["raw"]
    assert base64.urlsafe_b64decode(raw) == data
    assert not set(raw) & set("+/")


UNKNOWN = {
    "drop before": faults.drop(),
    "drop after": faults.drop(applied=True),
    "reset after": faults.drop(applied=True, reset=True),
    "500": faults.refuse(500),
    "500 after": faults.refuse(500, applied=True),
    "503": faults.refuse(503),
    "html": faults.html_error(),
}


@pytest.mark.parametrize("fault", UNKNOWN)
def test_lost_answer_is_unknown_and_nothing_sends_again(lab: Lab, fault: str):
    lab.server.fail(SEND, UNKNOWN[fault])
    with pytest.raises(UnknownOutcomeError):
        send(lab)
    assert lab.server.count(SEND) == 1
    assert len(lab.server.gmail.sent) == int(UNKNOWN[fault].applied)


def test_silence_is_unknown(lab: Lab):
    lab.server.fail(SEND, faults.hang(10_000, applied=True))
    with pytest.raises(UnknownOutcomeError):
        send(lab, timeout_s=0.3)
    assert lab.server.count(SEND) == 1


def test_yes_that_is_cut_short_is_a_yes(lab: Lab):
    lab.server.fail(SEND, faults.truncate())
    assert send(lab).answer
    assert len(lab.server.gmail.sent) == 1


@pytest.mark.parametrize("scope", ["metadata", "readonly"])
@pytest.mark.parametrize("is_replaced", [False, True])
def test_grant_that_may_look_finds_what_was_sent(
    lab: Lab, scope: str, is_replaced: bool
):
    lab.server.gmail.replaces_message_ids = is_replaced
    lab.as_user([GMAIL_SEND, GMAIL_SEND.replace("send", scope)])
    lab.server.fail(SEND, faults.drop(applied=True))
    assert "Sent" in send(lab).answer
    lab.server.fail(SEND, faults.drop())
    with pytest.raises(UnknownOutcomeError):
        send(lab, MAIL.replace(b"rid1", b"rid2"), rid="rid2")
    assert len(lab.server.gmail.sent) == 1


@pytest.mark.parametrize("kind", ["user", "delegate"])
def test_what_may_have_been_sent_is_looked_for_before_it_is_sent_again(
    lab: Lab, kind: str
):
    scopes = [GMAIL_SEND, GMAIL_METADATA]
    lab.as_user(scopes) if kind == "user" else lab.as_delegate(scopes)
    lab.change(find_sent=True)
    again = Envelope("rid1", USER, BOTH, was_tried=True)
    with GmailChannel(lab.google, FAST).open() as session:
        assert "Sent" not in session.send(MAIL, again).answer
        assert "Sent" in session.send(MAIL, again).answer
    assert len(lab.server.gmail.sent) == 1


# -- conversations ---------------------------------------------------------------------


def mail_of_run(rid: str, run: str = "a", subject: str = "x", size: int = 0) -> bytes:
    root = f"<run-{run}@lab.example>"
    head = f"Subject: {subject}\r\nIn-Reply-To: {root}\r\nReferences: {root}\r\n"
    text = MAIL.replace(b"rid1", rid.encode())
    return text.replace(b"Subject: [mlreport] x\r\n", head.encode()) + b"x" * size


def conversations(lab: Lab, *data: bytes) -> list[str]:
    lab.state_folder.mkdir(exist_ok=True)
    for each in data:  # a tick each
        with (
            closing(lab.state()) as state,
            GmailChannel(lab.google, FAST, state).open() as session,
        ):
            session.send(each, Envelope("rid1", USER, BOTH))
    return [mail.thread_id for mail in lab.server.gmail.sent]


@pytest.mark.parametrize("size", [0, 3_100_000])
def test_mails_of_a_run_are_one_conversation_for_their_sender_too(lab: Lab, size: int):
    found = conversations(
        lab,
        mail_of_run("r1"),
        mail_of_run("r2", run="b"),
        mail_of_run("r3", subject="x: it failed"),
        mail_of_run("r4", size=size),
        mail_of_run("r5"),
    )
    first, other, alarm, *later = found
    assert len({first, other, alarm}) == 3
    assert later == [first, first]
    large, last = lab.server.gmail.sent[-2:]
    assert large.raw.endswith(b"\r\n\r\nhello\r\n" + b"x" * size)
    assert last.header("References") == "<run-a@lab.example> <r1@lab.example>"
    assert last.header("In-Reply-To") == "<r1@lab.example>"
    assert lab.server.count(SEND) == 5


def test_conversation_that_is_gone_begins_anew(lab: Lab):
    (first,) = conversations(lab, mail_of_run("r1"))
    lab.server.gmail.mailbox(USER).messages.clear()
    _, second, third = conversations(lab, mail_of_run("r2"), mail_of_run("r3"))
    assert second == third != first
    assert lab.server.count(SEND, applied_only=True) == 3


def test_yes_without_a_word_is_a_yes_in_a_conversation_too(lab: Lab):
    conversations(lab, mail_of_run("r1"))
    fault = dataclasses.replace(faults.portal(body=b"{}"), mime_type="application/json")
    lab.server.fail(SEND, fault)
    conversations(lab, mail_of_run("r2"))
    assert lab.server.count(SEND) == 2


def test_mail_outside_any_conversation_begins_its_own(lab: Lab):
    assert len(set(conversations(lab, MAIL, MAIL))) == 2


@pytest.mark.parametrize(
    "fault",
    [faults.rate_limited(0.1), faults.user_rate_limited(), faults.unauthorized()],
)
def test_refusal_for_now_is_repeated(lab: Lab, fault: Fault):
    lab.server.fail(SEND, fault)
    send(lab)
    assert len(lab.server.gmail.sent) == 1


REFUSALS = [
    (faults.rate_limited(), ChannelDownError),
    (faults.rate_limited(7200), ChannelDownError),
    (faults.refuse(403, "dailyLimitExceeded"), ChannelDownError),
    (faults.refuse(400, "invalidArgument", "Invalid To header"), RefusedError),
    (faults.refuse(413, "uploadTooLarge"), RefusedError),
    (faults.refuse(403, "accessNotConfigured"), ConfigError),
    (faults.refuse(403, "insufficientPermissions"), CredentialError),
    (faults.refuse(403, "forbidden", "Delegation denied"), CredentialError),
    (faults.unauthorized(), CredentialError),
    (faults.refuse(409, "aborted"), DeliveryError),
]


@pytest.mark.parametrize(("fault", "kind"), REFUSALS)
def test_refusal_is_told_as_what_it_is(lab: Lab, fault: Fault, kind: type[Exception]):
    lab.server.fail(SEND, fault, times=-1)
    with pytest.raises(kind) as caught:
        send(lab)
    assert caught.type is kind
    assert not lab.server.gmail.sent


@pytest.mark.parametrize("code", [200, 302, 401, 403, 511])
def test_page_of_a_network_is_an_outage_however_long_it_lasts(lab: Lab, code: int):
    lab.server.fail(SEND, faults.portal(code), times=-1)
    kind = UnknownOutcomeError if code == 511 else ChannelDownError
    with pytest.raises(kind) as caught:
        send(lab)
    assert caught.value.exit_code == 75
    assert not lab.server.gmail.sent


def test_answer_of_google_that_says_nothing_is_unknown(lab: Lab):
    fault = dataclasses.replace(faults.portal(body=b"{"), mime_type="application/json")
    lab.server.fail(SEND, fault)
    with pytest.raises(UnknownOutcomeError):
        send(lab)


def test_daily_limit_stops_the_tick(lab: Lab):
    lab.server.gmail.daily_limit = 1
    send(lab)
    with pytest.raises(ChannelDownError, match="limit"):
        send(lab)
    assert len(lab.server.gmail.sent) == 1


def test_revoked_grant_is_a_credential_matter(lab: Lab):
    lab.server.fail("token", faults.invalid_grant(), times=-1)
    with pytest.raises(CredentialError, match="login"):
        send(lab)
    assert lab.server.count("token") == 1
    assert not lab.server.count(SEND)


def test_service_account_without_subject_is_told_so(lab: Lab):
    lab.in_shared_drive()
    with pytest.raises(ConfigError, match=r"google\.subject"):
        send(lab)


def test_grant_that_may_not_look_is_told_so(lab: Lab):
    lab.change(find_sent=True)
    with pytest.raises(CredentialError, match=r"gmail\.metadata"):
        send(lab)


def test_grant_without_the_scope_is_a_credential_matter(lab: Lab):
    lab.as_user([DRIVE_FILE])
    with pytest.raises(CredentialError, match="login"):
        send(lab)
    lab.as_delegate([DRIVE_FILE])
    with pytest.raises(CredentialError):
        send(lab)


def test_nobody_there_means_the_channel_is_down(lab: Lab):
    lab.change(api_endpoint="http://127.0.0.1:9")
    with pytest.raises(ChannelDownError):
        send(lab)


def test_token_endpoint_that_is_silent_means_the_channel_is_down(lab: Lab):
    lab.server.fail("token", faults.refuse(503), times=-1)
    with pytest.raises(ChannelDownError):
        send(lab)


def test_only_those_still_owed_are_named(lab: Lab):
    send(lab, to=("team@lab.example",))
    (sent,) = lab.server.gmail.sent
    named = email.utils.getaddresses([sent.header("To")])
    assert named == [("", "team@lab.example")]
    assert sent.raw.replace(b"To: team@lab.example", b"") in MAIL.replace(
        b"To: you@lab.example,\r\n Team <team@lab.example>", b""
    )


def test_frozen_bytes_stay_when_all_are_owed():
    assert addressed(MAIL, BOTH) is MAIL
    assert addressed(MAIL, ("Team@Lab.Example", "you@lab.example")) is MAIL
    assert addressed(b"Subject: x\r\n\r\nTo: a@b.c\r\n", BOTH).endswith(
        b"To: a@b.c\r\n"
    )


def test_whoever_is_owed_a_copy_counts_as_named():
    mail = b"Cc: Boss <b@x.y>\r\nTo: a@x.y\r\nSubject: x\r\n\r\nCc: text\r\n"
    assert addressed(mail, ("a@x.y", "b@x.y")) is mail
    only = b"To: b@x.y\r\nSubject: x\r\n\r\nCc: text\r\n"
    assert addressed(mail, ("b@x.y",)) == only


def test_check_says_who_sends(lab: Lab):
    line = GmailChannel(lab.google).check()
    assert "gmail.send" in line
    assert not lab.server.count(SEND)


def test_sends_keep_to_the_quota(
    lab: Lab, clock: StillClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lab.server, "now", clock.now)  # it counts by the same clock
    lab.server.quotas.gmail_units = 500
    lab.server.quotas.window_s = 60.0
    pace = replace(FAST, limits={"gmail": 5}, window_s=60.0)
    with GmailChannel(lab.google, pace).open() as session:
        for _ in range(12):
            session.send(MAIL, Envelope("rid1", USER, BOTH))
    statuses = [call.status for call in lab.server.calls if call.method_id == SEND]
    assert statuses == [200] * 12
    assert clock.slept_s == 2 * 60
