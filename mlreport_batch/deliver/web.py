"""Calls over HTTP to hosts that the user named."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlreport_batch import __version__

if TYPE_CHECKING:
    import requests


@contextmanager
def posted(
    url: str,
    data: bytes | Mapping[str, str],
    *,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
) -> Iterator["requests.Response"]:
    """POST *data* and hand out the answer, whose body is not read yet.

    No redirect is followed: what is sent is for that host alone.

    Args:
        url: Where to.
        data: What; a mapping is sent as a form.
        timeout_s: Longest wait for the connection, and for each piece of the answer.
        headers: Besides our name.

    Raises:
        requests.RequestException: What it says may hold the address.
    """
    import requests

    with requests.Session() as session:
        # Without this, requests takes a password from ~/.netrc.
        session.auth = lambda request: request
        yield session.post(
            url,
            data=data,
            headers={"User-Agent": f"mlreport-batch/{__version__}", **(headers or {})},
            timeout=timeout_s,
            allow_redirects=False,
            stream=True,
        )
