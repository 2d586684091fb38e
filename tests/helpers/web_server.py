"""A web server on the loopback that notes what it is sent, and answers as told."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Self

HANG = -1
"""An answer that never comes."""


@dataclass
class Post:
    """A request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


@dataclass
class WebServer:
    """Takes requests while it is entered.

    Attributes:
        answers: The statuses of the next answers by path; 200 where there is none.
        bodies: What is answered to GET and POST by path, as JSON.
        posts: What came.
    """

    answers: dict[str, list[int]] = field(default_factory=dict)
    bodies: dict[str, list[object] | object] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)
    tls: SSLContext | None = None

    def __enter__(self) -> Self:
        self._ends = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if self.tls is not None:
            sock = self._server.socket
            self._server.socket = self.tls.wrap_socket(sock, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [post.path for post in self.posts]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size)
                path = self.path.partition("?")[0]
                server.posts.append(Post(path, dict(self.headers), body))
                self._answer(path)

            def do_GET(self) -> None:
                self._answer(self.path.partition("?")[0])

            def _answer(self, path: str) -> None:
                waiting = server.answers.get(path)
                status = waiting.pop(0) if waiting else 200
                if status == HANG:
                    server._ends.wait(60)
                    return
                said = server.bodies.get(path, "ok")
                if isinstance(said, list):
                    said = said.pop(0)
                text = said if isinstance(said, str) else json.dumps(said)
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                if status in (301, 302, 307):
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(data)

        return Handler
