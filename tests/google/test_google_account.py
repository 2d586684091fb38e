"""Credential files, scopes and the login."""

# ruff: noqa: TID253

import json
import os
import stat
import threading
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from google_server import GoogleServer, faults
from google_setup import USER, Lab
from mlreport_batch.cli import main
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
    GMAIL_SEND,
    load_account,
)
from mlreport_batch.google.api.login import login


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


@pytest.fixture
def lab(server: GoogleServer, tmp_path: Path) -> Lab:
    return Lab(server, tmp_path)


def token(lab: Lab, *scopes: str) -> str:
    account = load_account(lab.google, scopes or (DRIVE_FILE,))
    with requests.Session() as session:
        return account.headers(session, 5.0)["authorization"]


def test_user_gets_what_was_consented_at_the_files_own_token_uri(lab: Lab):
    lab.as_user([GMAIL_SEND])
    assert token(lab).startswith("Bearer ya29.")
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
    account = load_account(lab.google, (DRIVE_FILE,))
    account.widen()
    assert account.scopes == {DRIVE}
    assert not account.can_widen


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


def test_token_is_fetched_once_while_it_lives(lab: Lab):
    lab.as_user()
    account = load_account(lab.google, (DRIVE_FILE,))
    with requests.Session() as session:
        first = account.headers(session, 5.0)
        assert account.headers(session, 5.0) == first
        account.discard({"authorization": "Bearer other"})
        assert account.headers(session, 5.0) == first
        account.discard(first)
        assert account.headers(session, 5.0) != first
    assert lab.server.count("token") == 2


# -- login --------------------------------------------------------------------


class Browser:
    """Follows the consent page's redirect, as a person who clicks yes does."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer

    def open(self, url: str, **_: object) -> bool:
        def visit() -> None:
            if self.answer:
                target = url.partition("redirect_uri=")[2].partition("&")[0]
                address = urllib.request.unquote(target) + self.answer  # type: ignore[attr-defined]
            else:
                address = url
            with urllib.request.urlopen(address, timeout=120):
                pass

        threading.Thread(target=visit).start()
        return True


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    made = Browser()
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the loopback has no TLS
    monkeypatch.setattr(webbrowser, "get", lambda *_: made)
    return made


def test_login_keeps_a_grant_that_works(lab: Lab, browser: Browser):
    client = lab.server.auth.write_client_secrets(lab.folder / "client.json")
    store = lab.folder / "deep" / "google.json"
    said = list(login(str(client), store))
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
            list(login(str(client), store))
    assert store.read_bytes() == before
    list(login(str(client), store))
    assert store.read_bytes() != before


def test_login_that_is_declined_leaves_the_old_file(lab: Lab, browser: Browser):
    browser.answer = "?error=access_denied"
    client = lab.server.auth.write_client_secrets(lab.folder / "client.json")
    store = lab.folder / "google.json"
    with pytest.raises(CredentialError, match="not finished"):
        list(login(str(client), store))
    assert not store.exists()


def test_login_says_what_it_lacks(lab: Lab):
    with pytest.raises(UsageError, match="--client"):
        list(login(None, lab.folder / "x"))
    with pytest.raises(UsageError, match=r"google\.credentials"):
        list(login("client.json", None))
    with pytest.raises(ConfigError, match="Desktop app"):
        list(login(str(lab.folder / "nowhere.json"), lab.folder / "x"))
    lab.as_user()
    with pytest.raises(ConfigError, match="Desktop app"):
        list(login(str(lab.google.credentials), lab.folder / "x"))


def test_login_command_works_from_the_config(
    lab: Lab, browser: Browser, capsys: pytest.CaptureFixture[str]
):
    client = lab.server.auth.write_client_secrets(lab.folder / "client.json")
    lab.change(credentials=lab.folder / "google.json", template="x")
    config = lab.write_config(lab.runs(["csv_no_step"]), via="gmail")
    assert main(["login", "-c", str(config), "--client", str(client)]) == 0
    assert "0600" in capsys.readouterr().out
