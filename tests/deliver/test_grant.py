"""Logging in by OAuth2: real SMTP and HTTP over the loopback."""

import json
import ssl
from pathlib import Path

import pytest

from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.deliver import Envelope
from mlreport_batch.deliver.smtp.channel import SmtpChannel
from mlreport_batch.deliver.smtp.consent import consent
from mlreport_batch.deliver.smtp.grant import Grant, grant_of, store
from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
    MlreportError,
    UsageError,
)
from smtp_server import TOKEN, USER, Authority, RealServer, ScriptedServer, closed_port
from ticking import Desk
from web_server import WebServer

REFRESH = "0.AXkA-refresh-s3cr3t"
GIVEN = {"access_token": TOKEN, "expires_in": 3599}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    return authority.context("localhost", "127.0.0.1")


@pytest.fixture
def web():
    with WebServer(bodies={"/token": GIVEN}) as server:
        yield server


@pytest.fixture
def channel(tmp_path: Path, web: WebServer, authority: Authority) -> SmtpChannel:
    """A way through a server that is not there yet, with a grant for it."""
    return channel_to(tmp_path, web, authority, 1)


def channel_to(
    folder: Path, web: WebServer, authority: Authority, port: int
) -> SmtpChannel:
    settings = SmtpSettings(
        host="127.0.0.1",
        port=port,
        username=USER,
        grant_file=folder / "grant.json",
        ca_file=authority.file,
    )
    store(settings, Grant("app", REFRESH, f"{web.url}/token", scope="send", made_at=1))
    return SmtpChannel(settings)


def form(web: WebServer) -> dict[str, str]:
    pairs = (pair.split("=") for pair in web.posts[-1].body.decode().split("&"))
    return dict(pairs)


def send(channel: SmtpChannel) -> None:
    with channel.open() as session:
        envelope = Envelope("0" * 26, "ml@lab.example", ("me@lab.example",))
        session.send(b"Subject: x\r\n\r\nx\r\n", envelope)


def test_a_real_server_takes_a_mail_from_whom_a_token_stands_for(
    tmp_path: Path, web: WebServer, authority: Authority, tls: ssl.SSLContext
):
    with RealServer(tls) as server:
        channel = channel_to(tmp_path, web, authority, server.port)
        send(channel)
        assert len(server.mails) == 1
        assert f"logged in as {USER}" in channel.check()
    assert form(web) == {
        "grant_type": "refresh_token",
        "client_id": "app",
        "refresh_token": REFRESH,
        "scope": "send",
    }
    assert "Authorization" not in web.posts[0].headers


def test_a_token_that_the_server_refuses_needs_a_person(
    tmp_path: Path, web: WebServer, authority: Authority, tls: ssl.SSLContext
):
    web.bodies["/token"] = {"access_token": "another-t0ken"}
    with RealServer(tls) as server:
        with pytest.raises(CredentialError, match="login --smtp") as caught:
            send(channel_to(tmp_path, web, authority, server.port))
        assert "another-t0ken" not in str(caught.value)
        assert not server.mails
    with (
        ScriptedServer({"auth": "535 no another-t0ken"}, ("AUTH XOAUTH2",), tls) as bad,
        pytest.raises(CredentialError, match=r"535 no \*\*\*"),
    ):
        send(channel_to(tmp_path, web, authority, bad.port))
    with (
        ScriptedServer(features=("AUTH PLAIN",), tls=tls) as other,
        pytest.raises(ConfigError, match=r"no login by OAuth2 .* \(it offers PLAIN\)"),
    ):
        send(channel_to(tmp_path, web, authority, other.port))


def test_a_new_grant_is_kept_and_counts_as_the_old_one(
    channel: SmtpChannel, web: WebServer
):
    before = channel.credential()
    web.bodies["/token"] = {**GIVEN, "refresh_token": "newer"}
    with pytest.raises(ChannelDownError):  # nobody listens
        send(channel)
    kept = grant_of(channel.server)
    assert (kept.refresh_token, kept.made_at, kept.scope) == ("newer", 1, "send")
    assert channel.server.grant_file.stat().st_mode & 0o777 == 0o600
    assert channel.credential() == before  # a refusal is not forgotten
    store(channel.server, Grant("app", "newer", f"{web.url}/token", made_at=2))
    assert channel.credential() != before


def test_a_grant_that_cannot_be_kept_stops_no_mail(
    tmp_path: Path,
    web: WebServer,
    authority: Authority,
    tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
):
    web.bodies["/token"] = {**GIVEN, "refresh_token": "newer"}
    with RealServer(tls) as server:
        channel = channel_to(tmp_path, web, authority, server.port)
        monkeypatch.setattr("os.replace", full)
        monkeypatch.setattr("os.rename", full)
        send(channel)
        assert len(server.mails) == 1
    assert grant_of(channel.server).refresh_token == REFRESH


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (400, {"error": "invalid_grant", "error_description": f"no {REFRESH}"},
         CredentialError, r"invalid_grant: no \*\*\*"),
        (401, {"error": "invalid_client"}, CredentialError, "invalid_client"),
        (200, {"token_type": "Bearer"}, CredentialError, "does not say why"),
        (503, {}, ChannelDownError, "answered 503"),
        (429, {}, ChannelDownError, "answered 429"),
        (200, "<html>log in to the network", ChannelDownError, "no JSON"),
        (302, "", ChannelDownError, "no JSON"),
        (200, ["x"] , ChannelDownError, "no JSON"),
    ],
)  # fmt: skip
def test_what_the_giver_of_tokens_answers_is_told(
    channel: SmtpChannel, web: WebServer, status: int, body: object,
    kind: type[MlreportError], text: str,
):  # fmt: skip
    web.answers["/token"], web.bodies["/token"] = [status], body
    with pytest.raises(kind, match=text) as caught:
        send(channel)
    assert "127.0.0.1" in str(caught.value)
    assert "mails are kept" in str(caught.value)
    assert REFRESH not in str(caught.value)


def test_a_giver_of_tokens_that_is_not_there_is_an_outage(channel: SmtpChannel):
    with closed_port() as port:
        uri = f"http://127.0.0.1:{port}/token"
        store(channel.server, Grant("app", REFRESH, uri))
        with pytest.raises(ChannelDownError, match="cannot be reached"):
            send(channel)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"client_id": 1}',
        '{"client_id": "a", "refresh_token": "b", "token_uri": "http://x.example/t"}',
        '{"client_id": "a", "refresh_token": "b", "token_uri": "http://[x"}',
    ],
)  # fmt: skip
def test_a_file_that_holds_no_grant_is_told(channel: SmtpChannel, text: str):
    channel.server.grant_file.write_text(text)
    with pytest.raises(ConfigError, match=r"grant\.json holds no grant: .*login"):
        send(channel)
    assert channel.credential() == channel.credential()


def test_a_file_that_others_can_read_is_refused(channel: SmtpChannel):
    channel.server.grant_file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        send(channel)
    channel.server.grant_file.unlink()
    with pytest.raises(CredentialError, match="cannot be read"):
        send(channel)


def test_a_file_as_googles_libraries_write_it_is_a_grant(channel: SmtpChannel):
    made = {
        "type": "authorized_user", "client_id": "a", "client_secret": "b",
        "refresh_token": "c", "token_uri": "https://oauth2.googleapis.com/token",
        "scopes": ["https://mail.google.com/"], "expiry": "2030-01-01T00:00:00Z",
    }  # fmt: skip
    channel.server.grant_file.write_text(json.dumps(made))
    grant = grant_of(channel.server)
    assert (grant.client_secret, grant.scope, grant.mark) == ("b", "", "c")


# Consent

DEVICE = {
    "device_code": "dev", "user_code": "ABC-123", "expires_in": 900, "interval": 0,
    "verification_uri": "https://microsoft.com/devicelogin",
}  # fmt: skip
BASE = "/my%2Fdir/oauth2/v2.0"


def consented(channel: SmtpChannel, web: WebServer, *answers: object) -> list[str]:
    web.bodies = {f"{BASE}/devicecode": DEVICE, f"{BASE}/token": list(answers)}
    return list(consent(channel.server, "app", "my/dir", host=web.url))


def test_a_login_waits_until_the_code_was_entered(channel: SmtpChannel, web: WebServer):
    waits = {"error": "authorization_pending"}
    said = consented(channel, web, waits, waits, {**GIVEN, "refresh_token": "new"})
    assert (
        said[0] == "Open https://microsoft.com/devicelogin and enter the code ABC-123"
    )
    assert said[1] == f"The grant is kept in {channel.server.grant_file} (0600)"
    grant = grant_of(channel.server)
    assert grant.token_uri == f"{web.url}{BASE}/token"
    assert grant.refresh_token == "new"
    assert grant.made_at > 1
    assert len(web.posts) == 4
    assert form(web)["device_code"] == "dev"


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([{"error": "authorization_declined"}], "authorization_declined"),
        ([{"error": "access_denied", "error_description": "no"}], "access_denied: no"),
        ([GIVEN], "does not say why"),  # a token without a grant
    ],
)
def test_a_login_that_is_declined_leaves_the_old_grant(
    channel: SmtpChannel, web: WebServer, answers: list[object], why: str
):
    with pytest.raises(CredentialError, match=why):
        consented(channel, web, *answers)
    assert grant_of(channel.server).refresh_token == REFRESH


def test_a_login_that_takes_too_long_ends(
    channel: SmtpChannel, web: WebServer, monkeypatch: pytest.MonkeyPatch
):
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    web.bodies = {
        f"{BASE}/devicecode": {**DEVICE, "expires_in": -1, "interval": 5},
        f"{BASE}/token": {"error": "slow_down"},
    }
    with pytest.raises(CredentialError, match="expired_token"):
        list(consent(channel.server, "app", "my/dir", host=web.url))
    assert 5.0 in waited


def test_a_login_says_what_it_lacks(channel: SmtpChannel, web: WebServer):
    web.bodies = {f"{BASE}/devicecode": {"error": "unauthorized_client"}}
    with pytest.raises(CredentialError, match="unauthorized_client"):
        list(consent(channel.server, "app", "my/dir", host=web.url))
    with pytest.raises(UsageError, match="application's id"):
        list(consent(channel.server, None, "common"))
    with pytest.raises(UsageError, match=r"smtp\.grant_file"):
        list(consent(SmtpSettings(), "app", "common"))
    gmail = SmtpSettings(host="smtp.gmail.com", grant_file=Path("x"))
    with pytest.raises(UsageError, match="via: gmail"):
        list(consent(gmail, "app", "common"))


def test_the_command_logs_in_for_the_server_of_the_config(
    desk: Desk, web: WebServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mlreport_batch.deliver.smtp.consent.consent.__kwdefaults__",
                        {"host": web.url})  # fmt: skip
    web.bodies = {
        "/common/oauth2/v2.0/devicecode": DEVICE,
        "/common/oauth2/v2.0/token": {**GIVEN, "refresh_token": "new"},
    }
    config = desk.config(
        "mail: {via: smtp, from: ml@lab.example, to: [me@lab.example]}\n"
        f"smtp: {{host: smtp.office365.com, username: ml@lab.example,"
        f" grant_file: {desk.folder}/grant.json}}\n"
    )
    said = desk.run("login", "-c", config, "--smtp", "--client", "app")
    assert said.code == 0, said.err
    assert "enter the code ABC-123" in said.out
    assert '"refresh_token":"new"' in (desk.folder / "grant.json").read_text()
