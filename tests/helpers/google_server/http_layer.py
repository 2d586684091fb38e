"""HTTP below the server: reading requests, uploads, and breaking connections."""

import base64
import contextlib
import json
import socket
import struct
import sys
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .errors import ApiError, NotModelledError
from .faults import Fault

_JSON = "application/json; charset=UTF-8"


@dataclass(slots=True)
class Answer:
    """What goes back, and what shall go wrong on the way."""

    status: int
    body: bytes
    mime_type: str = _JSON
    headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None


@dataclass(slots=True)
class Incoming:
    """One HTTP request as it was read."""

    http_method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def form(self) -> dict[str, str]:
        """Return the fields of a form body; Basic credentials count as fields."""
        fields = urllib.parse.parse_qsl(self.body.decode(), keep_blank_values=True)
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            user, _, password = base64.b64decode(value).decode().partition(":")
            fields += [("client_id", user), ("client_secret", password)]
        return dict(fields)


def parse_media(
    incoming: Incoming, upload_type: str
) -> tuple[bytes, tuple[bytes, str]]:
    """Split an upload into its JSON metadata and (bytes, media type)."""
    if upload_type == "media":
        return b"", (incoming.body, incoming.content_type)
    if upload_type == "resumable":
        raise NotModelledError("resumable uploads")
    if upload_type != "multipart" or incoming.content_type != "multipart/related":
        raise ApiError(
            400, f"Invalid upload type {upload_type!r}.", reason="badRequest"
        )
    import email.parser
    import email.policy

    head = f"Content-Type: {incoming.headers['content-type']}\r\n\r\n".encode()
    parser = email.parser.BytesParser(policy=email.policy.compat32)
    boundary = parser.parsebytes(head).get_boundary()
    if not boundary:
        raise ApiError(400, "Missing multipart boundary.")
    parts = [
        _split_part(part)
        for part in incoming.body.split(b"--" + boundary.encode())[1:-1]
    ]
    if len(parts) != 2:
        raise ApiError(400, "Multipart uploads have exactly two parts.")
    (json_head, metadata), (media_head, media) = parts
    if "application/json" not in json_head:
        raise ApiError(400, "The first part must be JSON metadata.")
    mime_type = media_head.partition("content-type:")[2].split(";")[0].split()[0]
    return metadata, (media, mime_type)


def _split_part(part: bytes) -> tuple[str, bytes]:
    # between boundaries: line break, headers, empty line, content, line break
    stripped = part.removeprefix(b"\r\n").removeprefix(b"\n")
    for gap in (b"\r\n\r\n", b"\n\n"):
        head, found, content = stripped.partition(gap)
        if found and not (gap == b"\r\n\r\n" and b"\n\n" in head):
            last = b"\r\n" if content.endswith(b"\r\n") else b"\n"
            return head.decode("latin-1").lower(), content.removesuffix(last)
    raise ApiError(400, "Malformed multipart body.")


class Handler(BaseHTTPRequestHandler):
    """Passes requests to the `GoogleServer` and carries out connection faults."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: "LoopbackServer"

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_GET  # noqa: N815
    do_PUT = do_GET  # noqa: N815
    do_PATCH = do_GET  # noqa: N815
    do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
        """Stay silent; the server keeps its own log."""

    def _serve(self) -> None:
        server = self.server
        incoming = self._read()
        if incoming is None:
            return
        try:
            answer = server.answer(incoming)
        except Exception as error:
            # a bug of the test server must be loud and visible in the client
            text = {"error": {"code": 500, "message": f"test server bug: {error!r}"}}
            self._send(Answer(500, json.dumps(text).encode()), None)
            raise
        fault = answer.fault
        if fault is not None and fault.hang_s and fault.cut:
            server.closing.wait(fault.hang_s)
        if fault is not None and fault.cut in {"close", "reset"}:
            self._cut(is_reset=fault.cut == "reset")
            return
        self._send(answer, fault)

    def _read(self) -> Incoming | None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if "transfer-encoding" in headers:
            self._send(Answer(411, b"{}"), None)
            self.close_connection = True
            return None
        body = self.rfile.read(int(headers.get("content-length", "0")))
        parts = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        method = headers.get("x-http-method-override", self.command).upper()
        if method != self.command and method == "GET":
            # an overlong GET travels as a form in a POST
            query |= urllib.parse.parse_qs(body.decode(), keep_blank_values=True)
            body = b""
        return Incoming(method, urllib.parse.unquote(parts.path), query, headers, body)

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        with contextlib.suppress(ConnectionError):
            self.send_response(answer.status)
            if answer.status != 204:
                self.send_header("Content-Type", answer.mime_type)
                self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            is_cut = fault is not None and fault.cut == "truncate"
            if is_cut:
                self.send_header("Connection", "close")
            self.end_headers()
            length = len(answer.body) // 2 if is_cut else len(answer.body)
            self.wfile.write(answer.body[:length])
            self.wfile.flush()
            if is_cut:
                self._cut(is_reset=False)

    def _cut(self, *, is_reset: bool) -> None:
        self.close_connection = True
        if is_reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        else:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)


class LoopbackServer(ThreadingHTTPServer):
    """A threaded server on a free loopback port."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, answer: Callable[[Incoming], Answer], closing: threading.Event
    ) -> None:
        self.answer = answer
        self.closing = closing
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Print what went wrong, unless only the client hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
