"""An S3 server on this machine, which nobody here wrote, that counts and may fail."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from urllib.request import Request, urlopen

import pytest

moto_app = pytest.importorskip("moto.moto_server.werkzeug_app")
pytest.importorskip("s3fs")

from moto.backends import get_backend  # noqa: E402
from moto.core import DEFAULT_ACCOUNT_ID  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402 - comes with moto

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
FAULT = '<?xml version="1.0"?><Error><Code>{}</Code><Message>no</Message></Error>'

SIGNED = "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/s3/aws4_request"

Start = Callable[[str, list[tuple[str, str]]], Any]


@dataclass
class Asked:
    """One request: of a listing, ``key`` is empty."""

    method: str
    key: str
    range: str
    size: int = 0


@dataclass
class BucketServer:
    """A bucket, and what was asked of it since `BucketServer.asked` was cleared."""

    name: str
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    fault: str = ""
    """What each request is answered with, as ``503 SlowDown``; empty for the truth,
    ``reset`` to hang up."""
    failing: str = ""
    """Only requests with this in their key or query; empty for all."""
    listed: bytes = b""
    """The last listing that was given."""
    stale: bytes = b""
    """What each listing is answered with; empty for the truth."""

    @property
    def root(self) -> str:
        return f"s3://{self.name}/runs"

    def put(self, path: str, text: str | bytes) -> None:
        """Write an object of a run."""
        data = text if isinstance(text, bytes) else text.encode()
        address = f"{self.url}/{self.name}/runs/{path}"
        _ask("PUT", address, data)

    def fill(self, files: Iterable[tuple[str, str]]) -> None:
        """Write many objects, without a request for each."""
        store = get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"]
        for path, text in files:
            store.put_object(self.name, f"runs/{path}", text.encode())

    def delete(self, path: str) -> None:
        address = f"{self.url}/{self.name}/runs/{path}"
        _ask("DELETE", address)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer a request, as WSGI has it."""
        _, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
        if environ["REQUEST_METHOD"] in ("PUT", "DELETE"):
            return self._app(environ, start)
        asked = Asked(environ["REQUEST_METHOD"], key, environ.get("HTTP_RANGE", ""))
        self.asked.append(asked)
        if self.fault == "reset":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        elif self.fault and self.failing in f"{key}?{environ['QUERY_STRING']}":
            status, _, code = self.fault.partition(" ")
            start(f"{status} {code}", [("Content-Type", "application/xml")])
            return [FAULT.format(code).encode()]
        answer = b"".join(self._app(environ, start))
        if not key:
            self.listed = answer = self.stale or answer
        asked.size = len(answer)
        return [answer]

    _app: Any = None


def serving(name: str) -> Iterator[BucketServer]:
    """Give a server with an empty bucket called *name*."""
    bucket = BucketServer(name)
    bucket._app = moto_app.DomainDispatcherApplication(moto_app.create_backend_app)
    server = make_server("127.0.0.1", 0, bucket, threaded=True)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    bucket.url = f"http://127.0.0.1:{server.server_port}"
    _ask("PUT", f"{bucket.url}/{name}")
    try:
        yield bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _ask(method: str, address: str, data: bytes = b"") -> None:
    headers = {"Authorization": SIGNED, "Content-Type": "application/octet-stream"}
    with urlopen(Request(address, data, headers, method=method), timeout=10):
        pass
