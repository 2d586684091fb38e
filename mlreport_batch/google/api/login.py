"""Log in with a Google user account, and keep its grant for its owner alone."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlreport_batch.config.settings import Config
from mlreport_batch.errors import (
    ConfigError,
    CredentialError,
    MlreportError,
    UsageError,
)
from mlreport_batch.google.api.account import scopes_of
from mlreport_batch.google.api.explain import BOTH_CURES
from mlreport_batch.google.api.transport import dressed, only_json, silent
from mlreport_batch.safety.clean import clean

if TYPE_CHECKING:
    import requests


def login(client: str | None, config: Config) -> Iterator[str]:
    """Let a user consent in the browser and keep the grant; yields lines to show.

    Args:
        client: The OAuth client's JSON file from the Cloud console.
        config: Says what is to be asked for. Its ``google.credentials`` gets mode
            0600.

    Raises:
        UsageError: A file was not named.
        ConfigError: The client's file is wrong, an extra is missing, or nothing of
            the config needs a login.
        CredentialError: The consent was not given.
        ChannelDownError: Google's token endpoint does not answer now.
    """
    from requests import RequestException

    store = config.google.credentials
    if client is None:
        advice = "Make a client of type Desktop app in the Cloud console and pass"
        advice += " its JSON file: mlreport-batch login --client client.json"
        raise UsageError("login needs the OAuth client's file", advice=advice)
    if store is None:
        advice = "Set google.credentials in the config"
        raise UsageError("login needs to know where to keep the grant", advice=advice)
    flow = _flow(client, config)
    short = ", ".join(scope.rpartition("/")[2] for scope in scopes_of(config))
    yield f"Asking for {short}"
    if (note := scope_note(config)) is not None:
        yield note
    yield "Waiting for your consent in the browser"
    try:
        granted = flow.run_local_server(
            host="127.0.0.1",
            port=0,
            open_browser=True,
            authorization_prompt_message="Open this address: {url}",
            success_message="mlreport-batch may now work for you. Close this window.",
            timeout_seconds=600,
        )
    except RequestException as exc:
        raise silent(exc) from exc
    except Exception as exc:
        raise CredentialError(
            f"The login was not finished: {clean(str(exc), 300)}",
            kept="The file of the last login is as it was",
            advice="Run it again and accept all that is asked",
        ) from exc
    path = Path(store).expanduser()
    _store(path, granted)
    yield f"The grant is kept in {path} (0600)"


def scope_note(config: Config) -> str | None:
    """Return what the scope ``drive.file`` cannot see, where that matters."""
    google = config.google
    if config.render.engine != "google" or google.scope == "drive":
        return None
    named = [f"google.{key}" for key in ("template", "folder") if getattr(google, key)]
    return f"{' and '.join(named)}: {BOTH_CURES}" if named else None


def _flow(client: str, config: Config) -> Any:  # noqa: ANN401
    scopes = scopes_of(config)
    if not scopes:
        raise ConfigError(
            "nothing in this config needs a login with Google",
            advice="Set `render.engine: google`, `mail.via: gmail`, or both",
        )
    try:
        from google_auth_oauthlib.flow import InstalledAppFlow
    except ImportError as exc:
        raise ConfigError(
            "login needs the `login` extra",
            advice="pip install 'mlreport-batch[login]'",
        ) from exc
    try:
        flow = InstalledAppFlow.from_client_secrets_file(client, scopes=scopes)
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"{client} is not an OAuth client's file: {clean(str(exc), 200)}",
            advice="Download it from the Cloud console: Clients, type Desktop app",
        ) from exc
    session = dressed(flow.oauth2session, config.google)
    session.hooks["response"] += [only_json, _raise_if_down]
    return flow


def _raise_if_down(response: "requests.Response", **_: object) -> None:
    if response.status_code >= 500:  # noqa: PLR2004
        response.raise_for_status()


def _store(path: Path, granted: Any) -> None:  # noqa: ANN401
    from mlreport_batch.safety.files import write_durably

    keys = ("client_id", "client_secret", "refresh_token", "token_uri")
    content = {
        "type": "authorized_user",
        **{key: getattr(granted, key) for key in keys},
        "scopes": sorted(granted.granted_scopes or granted.scopes or ()),
    }
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(os.fspath(path), json.dumps(content, indent=1).encode(), 0o600)
    except OSError as exc:
        raise MlreportError(
            f"{path} cannot be written: {exc.strerror}",
            advice="Mend the permissions or free space, then log in again",
        ) from exc
