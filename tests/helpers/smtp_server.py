"""SMTP servers for tests: one that does anything wrong, one that is real.

`ScriptedServer` answers what it is told to at any stage of the dialogue, on the
loopback only. `RealServer` is aiosmtpd with TLS and login. `Authority` signs
certificates for both.
"""

import base64
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

USER, PASSWORD = "ml", "corr€ct horse"
TOKEN = "eyJ0.t0ken-of-OAuth2"
PATIENCE_S = 240.0
"""After so long a test hangs; longer than any of our timeouts."""


@dataclass(frozen=True, slots=True)
class Connection:
    """What a scripted answer may do with its connection."""

    sock: socket.socket
    stopping: threading.Event


Act = Callable[[Connection], None]
Step = str | bytes | Act


class GoneError(Exception):
    """The scripted server ends the connection."""


def drop(connection: Connection) -> None:
    raise GoneError


def reset(connection: Connection) -> None:
    # Closing with a linger time of zero sends RST instead of FIN.
    linger = struct.pack("ii", 1, 0)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    raise GoneError


def hang(connection: Connection) -> None:
    connection.stopping.wait(PATIENCE_S)
    raise GoneError


def garbage(connection: Connection) -> None:
    connection.sock.sendall(b"\xff\xfe\x00\x1b[31m HTTP/1.1 400\r\n\r\n")


def endless_line(connection: Connection) -> None:
    _for_ever(connection, b"250 " + b"x" * 1000)


def endless_answer(connection: Connection) -> None:
    _for_ever(connection, b"250-more\r\n" * 100)


def drip(connection: Connection) -> None:
    """Answer for ever, one byte in a while: no single wait is long."""
    _for_ever(connection, b"2", pause_s=0.02)


def _for_ever(connection: Connection, data: bytes, pause_s: float = 0.0) -> None:
    while not connection.stopping.wait(pause_s):
        connection.sock.sendall(data)
    raise GoneError


def slowly(text: str) -> Act:
    def act(connection: Connection) -> None:
        for byte in f"{text}\r\n".encode():
            connection.sock.sendall(bytes([byte]))
            time.sleep(0.002)

    return act


def then_drop(text: str) -> Act:
    def act(connection: Connection) -> None:
        connection.sock.sendall(f"{text}\r\n".encode())
        raise GoneError

    return act


@dataclass
class ScriptedServer:
    """Answers each stage as scripted, else as a willing server would.

    A script maps a stage (``greeting ehlo starttls auth mail rcpt data body dot
    rset quit``) to one step for all times, or to a list of steps, after which the
    default holds again. A text step is an answer; a callable does as it likes.
    """

    script: Mapping[str, Step | Sequence[Step]] = field(default_factory=dict)
    features: tuple[str, ...] = ("SIZE 20000000", "AUTH PLAIN LOGIN")
    tls: ssl.SSLContext | None = None
    is_tls_first: bool = False

    def __post_init__(self) -> None:
        self.commands: list[str] = []
        self.mails: list[bytes] = []
        self.torn: list[bytes] = []
        self.connections = 0
        self.was_encrypted: list[bool] = []
        self.errors: list[BaseException] = []
        self._left = {
            stage: list(steps) if isinstance(steps, (list, tuple)) else None
            for stage, steps in self.script.items()
        }
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        # Wakes accept(); close() alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        self._listener.close()
        assert not self.errors, self.errors

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE_S)
        dialogue = _Dialogue(self, sock)
        try:
            if self.is_tls_first:
                dialogue.encrypt()
            dialogue.run()
        except (GoneError, OSError):
            pass
        except Exception as exc:  # noqa: BLE001 - shown by the test
            self.errors.append(exc)
        finally:
            dialogue.sock.close()

    def settle(self) -> None:
        """Wait until every connection so far has ended."""
        for thread in self._threads[1:]:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        del self._threads[1:]

    def step(self, stage: str, default: str) -> Step:
        steps = self._left.get(stage)
        if steps:
            return steps.pop(0)
        if steps is None and stage in self.script:
            step = self.script[stage]
            assert not isinstance(step, (list, tuple))
            return cast(Step, step)
        return default


class _Dialogue:
    def __init__(self, server: ScriptedServer, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.heard = b""

    def encrypt(self) -> None:
        assert self.server.tls is not None
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)

    def run(self) -> None:
        self.answer("greeting", "220 scripted")
        while True:
            line = self.line().decode()
            self.server.commands.append(line)
            verb = line.split(" ", 1)[0].upper()
            getattr(self, f"on_{verb.lower()}")(line)
            if verb == "QUIT":
                return

    def on_ehlo(self, line: str) -> None:
        features = list(self.server.features)
        if self.server.tls and not isinstance(self.sock, ssl.SSLSocket):
            features.append("STARTTLS")
        lines = ["scripted", *features]
        text = "\r\n".join(f"250-{word}" for word in lines[:-1])
        self.answer("ehlo", f"{text}\r\n250 {lines[-1]}")

    def on_starttls(self, line: str) -> None:
        step = self.answer("starttls", "220 go ahead")
        if step == "220 go ahead":
            self.encrypt()

    def on_auth(self, line: str) -> None:
        if line.upper() == "AUTH LOGIN":
            for prompt in ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"):
                self.answer("prompt", prompt)
                self.server.commands.append(self.line().decode())
        self.answer("auth", "235 welcome")

    def on_mail(self, line: str) -> None:
        self.server.was_encrypted.append(isinstance(self.sock, ssl.SSLSocket))
        self.answer("mail", "250 ok")

    def on_rcpt(self, line: str) -> None:
        self.answer("rcpt", "250 ok")

    def on_rset(self, line: str) -> None:
        self.answer("rset", "250 ok")

    def on_quit(self, line: str) -> None:
        self.answer("quit", "221 bye")

    def on_data(self, line: str) -> None:
        step = self.answer("data", "354 go ahead")
        if not isinstance(step, str) or not step.startswith("354"):
            return
        text = bytearray(self.line() + b"\r\n")
        body = self.server.step("body", "")
        if body:
            self.do(body)
        text += self.heard
        try:
            while not text.endswith(b"\r\n.\r\n"):
                text += self.receive()
        except (GoneError, OSError):
            self.server.torn.append(bytes(text))
            raise
        self.heard = b""
        self.server.mails.append(bytes(text))
        self.answer("dot", "250 taken")

    def answer(self, stage: str, default: str) -> Step:
        step = self.server.step(stage, default)
        self.do(step)
        return step

    def do(self, step: Step) -> None:
        if isinstance(step, str):
            step = f"{step}\r\n".encode()
        if isinstance(step, bytes):
            self.sock.sendall(step)
        else:
            step(Connection(self.sock, self.server._stopping))

    def receive(self) -> bytes:
        data = self.sock.recv(65536)
        if not data:
            raise GoneError
        return data

    def line(self) -> bytes:
        while b"\r\n" not in self.heard:
            self.heard += self.receive()
        line, _, self.heard = self.heard.partition(b"\r\n")
        return line


@dataclass
class RealServer:
    """Aiosmtpd that demands TLS and a login; keeps what it was given."""

    tls: ssl.SSLContext
    is_tls_first: bool = False

    def __post_init__(self) -> None:
        self.mails: list[tuple[str, list[str], bytes]] = []
        self.refuse: dict[str, str] = {}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        options: dict[str, object] = (
            {"ssl_context": self.tls}
            if self.is_tls_first
            else {"tls_context": self.tls, "require_starttls": True}
        )
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            server_hostname="real.example",
            data_size_limit=1_000_000,
            decode_data=False,
            authenticator=self._authenticate,
            auth_required=True,
            auth_require_tls=not self.is_tls_first,
            **options,  # type: ignore[arg-type]
        )
        self._controller.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    def _authenticate(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        mechanism: str,
        data: object,
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    async def auth_XOAUTH2(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, args: list[str]
    ) -> AuthResult:
        given = base64.b64decode(args[1]).decode()
        if given == f"user={USER}\1auth=Bearer {TOKEN}\1\1":
            return AuthResult(success=True)
        # The reason comes as a question, and the client has to answer nothing.
        assert await server.challenge_auth('{"status":"401"}') == b""
        return AuthResult(success=False, handled=False)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.original_content, bytes)
        assert envelope.mail_from is not None
        content = envelope.original_content
        self.mails.append((envelope.mail_from, list(envelope.rcpt_tos), content))
        return "250 queued as 42"


class Authority:
    """Signs certificates with a root of its own, kept in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (_usage(ca=True), True),
            (self._subject_key(), False),
        ]
        root = self._sign(self._name, self._key, extensions, days=(-1, 2))
        self.file = folder / "ca.pem"
        self.file.write_bytes(root)

    def context(self, *hosts: str, days: tuple[int, int] = (-1, 2)) -> ssl.SSLContext:
        """Return a server's context with a certificate for *hosts*."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_general_name(host) for host in hosts]
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(ca=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
            (x509.SubjectAlternativeName(names), False),
            (
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                    self._subject_key()
                ),
                False,
            ),
        ]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        path = self.folder / f"{hosts[0]}{days[0]}{days[1]}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + self._sign(subject, key, extensions, days=days)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _subject_key(self) -> x509.SubjectKeyIdentifier:
        return x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extensions: list[tuple[x509.ExtensionType, bool]],
        *,
        days: tuple[int, int],
    ) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=days[0]))
            .not_valid_after(now + dt.timedelta(days=days[1]))
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def _general_name(host: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """Give a port of the loopback on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # bound, but not listening: refused
        yield sock.getsockname()[1]
