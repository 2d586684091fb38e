# ruff: noqa: TID253 - only the product loads it late
"""What the tests of Google's engine have in common."""

import webbrowser
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from google.auth import _exponential_backoff
from googleapiclient.schema import Schemas

from google_setup import Browser
from still_clock import StillClock


@pytest.fixture(autouse=True, scope="session")
def _no_handbook() -> Iterator[None]:
    """Write no help text for each method of Google's client, which nobody reads.

    It is written anew for every client that is made, and takes as long as a test.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Schemas, "prettyPrintSchema", lambda *_: "")
        patch.setattr(Schemas, "prettyPrintByName", lambda *_: "")
        yield


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """Let nobody sleep, neither we nor Google's own library."""
    made = StillClock(monkeypatch)
    still = SimpleNamespace(sleep=made.sleep)
    monkeypatch.setattr(_exponential_backoff, "time", still)
    return made


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    made = Browser()
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the loopback has no TLS
    monkeypatch.setattr(webbrowser, "get", lambda *_: made)
    return made
