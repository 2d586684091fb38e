"""One SMTP connection: commands out, answers in, all of it bounded in time and size.

`smtplib` is not used: it reports silence after the final dot as a disconnect, has
one timeout for everything and waits for ever on a server that drips (each byte
restarts its clock). The difference between "surely not taken" and "nobody knows"
is what the rest of this package is about, so it is kept here.
"""

import contextlib
import re
import socket
import ssl
import time

from msgspec import Struct

from mlreport_batch.safety.clean import clean

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?")
_LINE_MAX = 4096  # RFC 5321 says 512; some servers say more
_LINES_MAX = 100
_CHUNK = 65536
_LAST_WORDS_S = 1.0


class Answer(Struct, frozen=True):
    """What a server said to one command.

    Attributes:
        code: Three digits.
        lines: The text of each line, cleaned.
    """

    code: int
    lines: tuple[str, ...]

    @property
    def is_yes(self) -> bool:
        """Whether it was done."""
        return 200 <= self.code < 300  # noqa: PLR2004

    @property
    def is_go_on(self) -> bool:
        """Whether the server waits for more."""
        return 300 <= self.code < 400  # noqa: PLR2004

    @property
    def is_never(self) -> bool:
        """Whether asking again is useless."""
        return 500 <= self.code < 600  # noqa: PLR2004

    @property
    def is_no(self) -> bool:
        """Whether it was refused, for now or for good."""
        return self.code >= 400  # noqa: PLR2004

    @property
    def is_goodbye(self) -> bool:
        """Whether the server ends the connection with it."""
        return self.code == 421  # noqa: PLR2004

    def __str__(self) -> str:
        return clean(" ".join((str(self.code), *self.lines)))


class WireError(Exception):
    """The dialogue cannot go on; the connection must be closed.

    Args:
        reason: A clause whose subject is the server.
        answer: What it said unasked or last, when that could be read.
    """

    def __init__(self, reason: str, answer: Answer | None = None) -> None:
        super().__init__(reason)
        self.answer = answer


class Wire:
    """A connected socket that speaks SMTP lines.

    Attributes:
        timeout_s: Longest wait for an answer, and for one piece of a mail to go.
        secrets: Texts that are masked should the server repeat them.
        stage: What the dialogue is at, for messages.
    """

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.secrets: tuple[str, ...] = ()
        self.stage = "greeting"
        self._sock = sock
        self._heard = b""

    @property
    def local_address(self) -> str:
        """The address of our end."""
        return str(self._sock.getsockname()[0])

    @property
    def protection(self) -> str:
        """The TLS version in use, or a warning."""
        version = self._sock.version() if isinstance(self._sock, ssl.SSLSocket) else ""
        return version or "not encrypted"

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Encrypt from here on, with a peer that proves to be *host*.

        Raises:
            WireError: Something was said in clear that would count as encrypted.
            OSError: The handshake failed; mostly an `ssl.SSLError`.
        """
        if self._heard:
            raise WireError("went on in clear after agreeing to TLS")
        self._sock.settimeout(self.timeout_s)
        self._sock = context.wrap_socket(self._sock, server_hostname=host)

    def command(self, line: str) -> Answer:
        """Say *line* and return the answer to it."""
        self.expect_silence()
        self.send(line.encode() + b"\r\n")
        return self.read(self.timeout_s)

    def send(self, data: bytes) -> None:
        """Send *data*; each piece may take ``timeout_s``, a slow line is no fault."""
        self._sock.settimeout(self.timeout_s)
        view = memoryview(data)
        try:
            while view:
                self._sock.sendall(view[:_CHUNK])
                view = view[_CHUNK:]
        except TimeoutError as exc:
            raise WireError(f"took no data for {self.timeout_s:g} s") from exc
        except OSError as exc:
            raise WireError(
                f"broke the connection ({_why(exc)})", self._last()
            ) from exc

    def expect_silence(self) -> None:
        """Make sure that the next answer read will be to what is said next.

        Raises:
            WireError: The server is gone, or has spoken unasked (mostly a 421
                before it goes). Left unread, a stray 250 would count as the
                answer to the final dot.
        """
        if not self._heard:
            self._sock.settimeout(0)
            try:
                self._heard = self._sock.recv(_LINE_MAX)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError as exc:
                raise WireError(f"broke the connection ({_why(exc)})") from exc
            if not self._heard:
                raise WireError("closed the connection")
        answer = self.read(_LAST_WORDS_S)
        raise WireError(f"said unasked: {answer}", answer)

    def read(self, timeout_s: float) -> Answer:
        """Return the next answer, all of whose lines must come within *timeout_s*."""
        ends = time.monotonic() + timeout_s
        codes: set[int] = set()
        lines: list[str] = []
        while len(lines) < _LINES_MAX:
            raw = self._line(ends, timeout_s)
            match = _LINE.fullmatch(raw)
            if match is None:
                raise WireError(f"answered {self._show(raw)!r}, which is not SMTP")
            codes.add(int(match[1]))
            lines.append(self._show(match[3] or b""))
            if len(codes) > 1:
                raise WireError("gave two codes in one answer")
            if match[2] != b"-":
                return Answer(codes.pop(), tuple(lines))
        raise WireError("answered without an end")

    def expect(self, answer: Answer, code: int) -> Answer:
        """Return *answer* when it bears *code*."""
        if answer.code != code:
            raise WireError(f"answered {answer}", answer)
        return answer

    def close(self) -> None:
        """Close the socket, whatever state it is in."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def _line(self, ends: float, timeout_s: float) -> bytes:
        while b"\n" not in self._heard:
            if len(self._heard) > _LINE_MAX:
                raise WireError("answered with a line without an end")
            left = ends - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError  # noqa: TRY301 - one place says what it means
                self._sock.settimeout(left)
                data = self._sock.recv(_LINE_MAX)
            except TimeoutError as exc:
                raise WireError(f"did not answer within {timeout_s:g} s") from exc
            except OSError as exc:
                raise WireError(f"broke the connection ({_why(exc)})") from exc
            if not data:
                raise WireError("closed the connection")
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return line.rstrip(b"\r")

    def _last(self) -> Answer | None:
        """Return what the server said before it hung up, if that arrived."""
        try:
            return self.read(_LAST_WORDS_S)
        except WireError:
            return None

    def _show(self, raw: bytes) -> str:
        text = raw.decode("utf-8", "replace")
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return clean(text.strip())


def _why(exc: OSError) -> str:
    return clean(exc.strerror or str(exc) or type(exc).__name__, 120)
