"""A server of Google Cloud Storage on this machine, which nobody here wrote."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import Request, urlopen

from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

BUCKET = "lab"


@dataclass
class GcsServer:
    """A bucket, and what was asked of it since `GcsServer.asked` was cleared."""

    url: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    """The key, empty for a listing, and the range of each request."""
    refused: int = 0
    """The status that each request is answered with; 0 for the truth."""

    @property
    def root(self) -> str:
        return f"gs://{BUCKET}/runs"

    def put(self, path: str, text: str) -> None:
        """Write an object of a run."""
        name = quote(f"runs/{path}", safe="")
        address = f"{self.url}/upload/storage/v1/b/{BUCKET}/o?uploadType=media"
        made = Request(f"{address}&name={name}", text.encode(), method="POST")
        made.add_header("Content-Type", "text/plain")
        with urlopen(made, timeout=10):
            pass


def serving() -> Iterator[GcsServer]:
    """Give a server with an empty bucket."""
    storage = Storage(use_memory_fs=True)
    create_bucket(BUCKET, storage)
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *_: None)
    found = GcsServer(f"http://127.0.0.1:{server.server_port}")

    class Counting(RequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - a name of http.server
            address = urlsplit(self.path)
            key = parse_qs(address.query).get("prefix", [""])[0]
            if address.path.rstrip("/").endswith("/o"):
                key = ""
            else:
                key = address.path.rpartition("/o/")[2]
            found.asked.append((key, self.headers.get("Range", "")))
            if found.refused:
                self.send_error(found.refused)
            else:
                super().do_GET()

    server.RequestHandlerClass = partial(Counting, storage)  # type: ignore[assignment]
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
