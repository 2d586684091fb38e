"""Credential files, scopes and the login."""

# ruff: noqa: ANN401, TID253

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from requests.adapters import HTTPAdapter

from google_server import GoogleServer, faults
from google_setup import USER, Browser, Lab
from mlreport_batch.cli import main
from mlreport_batch.config.mails import MailSettings
from mlreport_batch.config.settings import Config, RenderSettings
from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
    MlreportError,
    UsageError,
)
from mlreport_batch.google.api.account import (
    DRIVE,
    DRIVE_FILE,
    GMAIL_METADATA,
    GMAIL_SEND,
    load_account,
)
from mlreport_batch.google.api.login import login
from mlreport_batch.google.api.transport import CONNECT_S, TIMEOUT_S, Carrier
from mlreport_batch.google.setup import check_google


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


@pytest.fixture
def lab(server: GoogleServer, tmp_path: Path) -> Lab:
    return Lab(server, tmp_path)


def token(lab: Lab, *scopes: str) -> str:
    account = load_account(lab.google, scopes or (DRIVE_FILE,))
    carrier = Carrier(account, lab.google)
    try:
        return carrier.log_in().removeprefix("Bearer ")
    finally:
        carrier.close()


def test_user_gets_what_was_consented_at_the_files_own_token_uri(lab: Lab):
    lab.as_user([GMAIL_SEND])
    assert token(lab, GMAIL_SEND).startswith("ya29.")
    (grant,) = lab.server.auth.grants
    assert (grant.kind, grant.user, grant.scopes) == (
        "authorized_user",
        USER,
        {GMAIL_SEND},
    )


def test_service_account_asks_for_the_scope_it_needs_and_acts_for_the_subject(lab: Lab):
    lab.as_delegate([DRIVE_FILE])
    lab.change(subject=f"ML reports <{USER}>")
    token(lab)
    (grant,) = lab.server.auth.grants
    assert (grant.subject, grant.scopes) == (USER, {DRIVE_FILE})


def test_default_credentials_are_used_without_a_file(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    lab.in_shared_drive()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(lab.google.credentials))
    lab.change(credentials=None)
    token(lab)
    assert lab.server.auth.grants[0].scopes == {DRIVE_FILE}
    account = load_account(lab.google, (DRIVE,))
    assert account.scopes == {DRIVE}


def test_missing_default_credentials_are_said(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with pytest.raises(CredentialError, match=r"google\.credentials"):
        load_account(lab.google, (DRIVE_FILE,))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o644])
def test_file_that_others_can_read_is_refused(lab: Lab, mode: int):
    lab.as_user()
    assert lab.google.credentials is not None
    lab.google.credentials.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        token(lab)
    assert not lab.server.counter


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "JSON"),
        ("[1]", "JSON"),
        ("{", "JSON"),
        ("{}", "neither"),
        ('{"installed": {}}', "--client"),
        ('{"type": "external_account"}', "GOOGLE_APPLICATION_CREDENTIALS"),
        ('{"type": "service_account"}', "damaged"),
        ('{"type": "authorized_user"}', "damaged"),
        ('{"type": "service_account", "client_email": "a"}', "damaged"),
        ('{"type": "authorized_user", "token_uri": "http://evil.example/"}', "https"),
    ],
)  # fmt: skip
def test_wrong_file_is_refused_with_words(lab: Lab, content: str, words: str):
    path = lab.folder / "wrong.json"
    path.write_text(content, "utf-8")
    path.chmod(0o600)
    lab.change(credentials=path)
    with pytest.raises(ConfigError, match=words):
        token(lab)


def test_missing_file_is_a_credential_matter(lab: Lab):
    lab.change(credentials=lab.folder / "nowhere.json")
    with pytest.raises(CredentialError, match="login"):
        token(lab)


def test_subject_is_for_service_accounts_only(lab: Lab):
    lab.as_user()
    lab.change(subject=USER)
    with pytest.raises(ConfigError, match="subject"):
        token(lab)
    lab.change(credentials=None)
    with pytest.raises(ConfigError, match="subject"):
        token(lab)


def test_delegation_that_is_not_allowed_names_client_and_scopes(lab: Lab):
    account = lab.as_delegate([GMAIL_SEND])
    with pytest.raises(CredentialError) as caught:
        token(lab)
    assert account.client_id in str(caught.value)
    assert DRIVE_FILE in str(caught.value)


def test_revoked_grant_says_what_to_run(lab: Lab):
    lab.as_user().is_revoked = True
    with pytest.raises(CredentialError, match="mlreport-batch login"):
        token(lab)
    assert lab.server.count("token") == 1


def test_token_endpoint_out_of_order_is_no_credential_matter(lab: Lab):
    lab.as_user()
    lab.server.fail("token", faults.refuse(503), times=-1)
    with pytest.raises(ChannelDownError):
        token(lab)
    lab.server.faults.clear()
    lab.server.fail("token", faults.drop(), times=-1)
    with pytest.raises(ChannelDownError):
        token(lab)


@pytest.mark.parametrize("code", [200, 302, 403, 503])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}"])
def test_token_endpoint_that_makes_no_sense_is_an_outage(
    lab: Lab, code: int, body: bytes
):
    lab.as_user()
    lab.server.fail("token", faults.portal(code, body), times=-1)
    with pytest.raises(ChannelDownError, match="token endpoint"):
        token(lab)


@pytest.mark.parametrize("expires", ["soon", None, []])
def test_token_that_makes_no_sense_is_an_outage(lab: Lab, expires: object):
    lab.as_user()
    body = json.dumps({"access_token": 5, "expires_in": expires}).encode()
    lab.server.fail("token", faults.portal(200, body), times=-1)
    with pytest.raises(ChannelDownError, match="token endpoint"):
        token(lab)


def test_token_endpoint_that_is_not_there_is_said_in_plain_words(lab: Lab):
    lab.as_user()
    path = lab.google.credentials
    assert path is not None
    text = path.read_text("utf-8").replace(lab.server.url, "http://127.0.0.1:9")
    path.write_text(text, "utf-8")
    with pytest.raises(ChannelDownError, match="Connection refused") as caught:
        token(lab)
    assert "object at" not in str(caught.value)
    assert "Max retries" not in str(caught.value)


def test_token_is_fetched_once_while_it_lives(lab: Lab):
    lab.as_user()
    carrier = Carrier(load_account(lab.google, (DRIVE_FILE,)), lab.google)
    for _ in range(3):
        carrier.log_in()
    assert lab.server.count("token") == 1


# -- login --------------------------------------------------------------------


def config_of(lab: Lab, store: Path | None, **changes: Any) -> Config:
    lab.change(credentials=store)
    mail = MailSettings(via="gmail", sender=USER, to=(USER,))
    return lab.config(mail=mail, **changes)


def test_login_keeps_a_grant_that_works(lab: Lab, browser: Browser):
    client = lab.server.auth.write_client_secrets(lab.folder / "client.json")
    store = lab.folder / "deep" / "google.json"
    said = list(login(str(client), config_of(lab, store)))
    assert str(store) in said[-1]
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    content = json.loads(store.read_text("utf-8"))
    assert content["token_uri"] == lab.server.url + "/token"
    assert set(content["scopes"]) == {DRIVE_FILE, GMAIL_SEND}
    assert not list(store.parent.glob("*.tmp"))
    lab.change(credentials=store)
    assert token(lab)


def test_login_replaces_the_file_at_once_or_not_at_all(
    lab: Lab, browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    client = lab.server.auth.write_client_secrets(lab.folder / "client.json")
    lab.as_user()
    store = lab.google.credentials
    assert store is not None
    before = store.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(MlreportError, match="space"):
            list(login(str(client), config_of(lab, store)))
    assert store.read_bytes() == before
    list(login(str(client), config_of(lab, store)))
    assert store.read_bytes() != before


def test_login_that_is_declined_leaves_the_old_file(lab: Lab, browser: Browser):
    browser.answer = "?error=access_denied"
    client = lab.server.auth.write_client_secrets(lab.folder / "client.json")
    store = lab.folder / "google.json"
    with pytest.raises(CredentialError, match="not finished"):
        list(login(str(client), config_of(lab, store)))
    assert not store.exists()


@pytest.mark.parametrize("code", [200, 302, 403, 502])
@pytest.mark.parametrize("body", [b"", b"<html>Log in</html>"])
def test_login_through_a_page_of_the_network_is_an_outage(
    lab: Lab, browser: Browser, code: int, body: bytes
):
    client = lab.server.auth.write_client_secrets(lab.folder / "client.json")
    lab.server.fail("token", faults.portal(code, body), times=-1)
    with pytest.raises(ChannelDownError, match="token endpoint"):
        list(login(str(client), config_of(lab, lab.folder / "google.json")))
    assert not (lab.folder / "google.json").exists()


@pytest.mark.parametrize(
    ("engine", "via", "scope", "asked"),
    [
        ("local", "gmail and look", "drive", {GMAIL_SEND, GMAIL_METADATA}),
        ("google", "gmail", "drive.file", {DRIVE_FILE, GMAIL_SEND}),
        ("google", "smtp", "drive.file", {DRIVE_FILE}),
        ("google", "outbox", "drive", {DRIVE}),
        ("local", "gmail", "drive", {GMAIL_SEND}),
    ],
)
def test_login_asks_for_what_the_config_needs_and_no_more(
    lab: Lab, browser: Browser, engine: Any, via: Any, scope: str, asked: set[str]
):
    client = lab.server.auth.write_client_secrets(lab.folder / "client.json")
    store = lab.folder / "google.json"
    lab.change(scope=scope, template="of-mine", find_sent="look" in via)
    via = via.split()[0]
    config = config_of(lab, store, render=RenderSettings(engine=engine))
    config = replace(config, mail=replace(config.mail, via=via))
    said = " ".join(login(str(client), config))
    assert set(json.loads(store.read_text("utf-8"))["scopes"]) == asked
    is_narrow = engine == "google" and scope == "drive.file"
    assert ("template create" in said) == is_narrow
    assert ("google.scope to drive" in said) == is_narrow


def test_login_for_a_config_without_google_is_refused(lab: Lab):
    config = lab.config(render=RenderSettings(engine="local"))
    config = replace(config, google=replace(lab.google, credentials=lab.folder / "x"))
    with pytest.raises(ConfigError, match="nothing in this config"):
        list(login("client.json", config))


def test_every_command_trusts_and_waits_as_the_config_says(
    lab: Lab, browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    seen = set()
    send = HTTPAdapter.send

    def noting(self: HTTPAdapter, request: Any, **options: Any) -> Any:
        seen.add((options["verify"], options["timeout"]))
        return send(self, request, **options)

    monkeypatch.setattr(HTTPAdapter, "send", noting)
    client = lab.server.auth.write_client_secrets(lab.folder / "client.json")
    lab.change(ca_file=client)
    config = config_of(lab, lab.folder / "google.json")
    list(login(str(client), config))
    lab.with_default_template()
    config = config_of(lab, lab.folder / "google.json")
    assert [error for _, error in check_google(config) if error] == []
    assert seen == {(str(client), (CONNECT_S, TIMEOUT_S))}


def test_grant_that_does_not_cover_the_scope_is_said_before_google_is_asked(lab: Lab):
    lab.as_user([DRIVE_FILE])
    for scope in (DRIVE, GMAIL_SEND):
        with pytest.raises(CredentialError, match="does not cover"):
            load_account(lab.google, [scope])
    lab.as_user([DRIVE])
    assert load_account(lab.google, [DRIVE_FILE]).scopes == {DRIVE}
    assert not lab.server.counter


def test_login_says_what_it_lacks(lab: Lab):
    with pytest.raises(UsageError, match="--client"):
        list(login(None, config_of(lab, lab.folder / "x")))
    with pytest.raises(UsageError, match=r"google\.credentials"):
        list(login("client.json", config_of(lab, None)))
    with pytest.raises(ConfigError, match="Desktop app"):
        list(login(str(lab.folder / "nowhere.json"), config_of(lab, lab.folder / "x")))
    lab.as_user()
    client = str(lab.google.credentials)
    with pytest.raises(ConfigError, match="Desktop app"):
        list(login(client, config_of(lab, lab.folder / "x")))


def test_login_command_works_from_the_config(
    lab: Lab, browser: Browser, capsys: pytest.CaptureFixture[str]
):
    client = lab.server.auth.write_client_secrets(lab.folder / "client.json")
    lab.change(credentials=lab.folder / "google.json", template="x")
    config = lab.write_config(lab.runs(["csv_no_step"]), via="gmail")
    assert main(["login", "-c", str(config), "--client", str(client)]) == 0
    assert "0600" in capsys.readouterr().out
