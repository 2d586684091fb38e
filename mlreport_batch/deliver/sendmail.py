"""Give mails to a local ``sendmail`` command, which queues or sends them itself.

A mail server on the same machine shortens the moment in which a crash can make a
second copy from seconds to microseconds.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from msgspec import Struct

from mlreport_batch.deliver import Envelope, Receipt
from mlreport_batch.deliver.headers import named
from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
    DeliveryError,
    RefusedError,
    UnknownOutcomeError,
)
from mlreport_batch.safety.clean import clean

if TYPE_CHECKING:
    import subprocess

_READS_HEADERS = {"-t": "", "-ti": "-i", "-it": "-i"}
_CHUNK = 65536
_ALL_KEPT = "All mails are kept and tried again in the next tick"
_KEPT = "The mail is kept and tried again in the next tick"

# sysexits.h. Unavailable (69) and no host (68) are not for good: msmtp ends so when
# the network is down, Postfix when its queue cannot be written.
_REFUSED = {65: "bad data", 67: "no such user"}
_CONFIG = {
    64: "bad usage",
    78: "bad configuration",
    126: "not executable",
    127: "not found",
}
_NO_PERMISSION = 77


class SendmailChannel(Struct, frozen=True):
    """The command of the config table ``sendmail``.

    Attributes:
        command: The program and its arguments; no shell is involved. With ``-t``
            it reads the recipients from the mail.
        timeout_s: Longest time for one mail; programs that send while we wait,
            such as msmtp, need minutes.
    """

    command: tuple[str, ...] = ("/usr/sbin/sendmail", "-t", "-i")
    timeout_s: float = 600.0

    def __post_init__(self) -> None:
        problems = []
        if not self.command or not self.command[0]:
            problems.append("sendmail.command: is empty")
        if any("\0" in part for part in self.command):
            problems.append("sendmail.command: holds a NUL")
        if not self.timeout_s > 0:
            problems.append("sendmail.timeout_s: must be above 0")
        if problems:
            raise ConfigError("The sendmail settings cannot work", problems=problems)

    @contextmanager
    def open(self) -> Iterator["SendmailSession"]:
        """Make sure that the program is there."""
        self.check()
        yield SendmailSession(self)

    def credential(self) -> str:
        """Return nothing: there is no credential of ours."""
        return ""

    def check(self) -> str:
        """Return one line when the program can be started."""
        import shutil

        program = os.path.expanduser(self.command[0])
        found = shutil.which(program)
        if found is None:
            raise ConfigError(
                f"sendmail.command: {clean(program)} is no program that can be started",
                kept=_ALL_KEPT,
                advice="Install a mail server or msmtp-mta, or set mail.via to smtp",
            )
        return f"sendmail {clean(found)}"


class SendmailSession(Struct, frozen=True):
    """Starts one process a mail."""

    channel: SendmailChannel

    def send(self, message: bytes, envelope: Envelope) -> Receipt:
        """Return when the program has taken *message*.

        Raises:
            DeliveryError: It was not taken.
            RefusedError: The program refused it for good.
            UnknownOutcomeError: The program had it all but did not say.
            ChannelDownError: The program could not be started now.
            ConfigError: The program is missing or does not like its arguments.
            CredentialError: The program has no permission to send.
        """
        import subprocess
        import tempfile

        argv = arguments(self.channel.command, message, envelope)
        with tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(  # noqa: S603 - the user's own command
                    argv,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    bufsize=0,
                )
            except (FileNotFoundError, PermissionError, NotADirectoryError) as exc:
                raise ConfigError(
                    f"sendmail.command: {clean(argv[0])}: {exc.strerror}",
                    kept=_ALL_KEPT,
                    advice="Install a mail server or msmtp-mta, or use smtp",
                ) from exc
            except OSError as exc:
                raise ChannelDownError(
                    f"{clean(argv[0])} could not be started: {exc.strerror}",
                    kept=_ALL_KEPT,
                ) from exc
            with process:
                try:
                    took_all, code = self._feed(process, message)
                finally:
                    _kill(process)
            said = _tail(output)
        self._judge(took_all, code, said, envelope)
        return Receipt(answer=said)

    def _feed(
        self, process: "subprocess.Popen[bytes]", message: bytes
    ) -> tuple[bool, int | None]:
        """Return whether the whole mail was read, and the exit code if it ended."""
        from subprocess import TimeoutExpired

        assert process.stdin is not None  # noqa: S101 - it is a pipe
        ends = time.monotonic() + self.channel.timeout_s
        # Line ends of the system; the program makes them CRLF again.
        took_all = _write(process.stdin, message.replace(b"\r\n", b"\n"), ends)
        if took_all is None:
            return False, None
        process.stdin.close()  # the end of the file is the end of the mail
        try:
            return took_all, process.wait(max(0.1, ends - time.monotonic()))
        except TimeoutExpired:
            return took_all, None

    def _judge(
        self, took_all: bool, code: int | None, said: str, envelope: Envelope
    ) -> None:
        name = clean(self.channel.command[0], 100)
        mail = f"mail {envelope.rid}" + (f": {said}" if said else "")
        if code is None and not took_all:
            seconds = self.channel.timeout_s
            raise DeliveryError(
                f"{name} did not read the whole of {mail} in {seconds:g} s", kept=_KEPT
            )
        if code is None or code < 0:
            end = "did not end" if code is None else f"was killed by signal {-code}"
            if not took_all:
                raise DeliveryError(f"{name} {end} before it had {mail}", kept=_KEPT)
            raise UnknownOutcomeError(
                f"{name} {end} after it had the whole of {mail}",
                kept="It is kept; mail.on_unknown says whether it is sent again",
                advice="Look whether it arrived, and into the mail server's log",
            )
        if code == 0 and took_all:
            return
        if code == 0:
            raise DeliveryError(f"{name} ended before it had {mail}", kept=_KEPT)
        ended = f"{name} ended with {code}"
        if code in _REFUSED:
            raise RefusedError(
                f"{ended} ({_REFUSED[code]}) for {mail}",
                kept="The mail is kept under dead/",
                advice=f"mlreport-batch retry {envelope.rid}, or drop {envelope.rid}",
            )
        if code in _CONFIG:
            raise ConfigError(
                f"{ended} ({_CONFIG[code]}) for {mail}",
                kept=_ALL_KEPT,
                advice="Correct sendmail.command or that program's configuration",
            )
        if code == _NO_PERMISSION:
            raise CredentialError(
                f"{ended} (no permission) for {mail}",
                kept="All mails are kept",
                advice="Renew the credential in that program's configuration",
            )
        raise DeliveryError(
            f"{ended} for {mail}", kept=_KEPT, advice="See the mail server's log"
        )


def arguments(
    command: tuple[str, ...], message: bytes, envelope: Envelope
) -> list[str]:
    """Return *command* for exactly the recipients that *envelope* names.

    ``-t`` stays while it means the same people; a wrapper such as ``ssh host
    sendmail`` may not take more arguments.
    """
    program, *rest = command
    argv = [os.path.expanduser(program)]
    reads_headers = any(part in _READS_HEADERS for part in rest)
    if reads_headers and named(message) == set(envelope.recipients):
        return argv + rest
    argv += filter(None, (_READS_HEADERS.get(part, part) for part in rest))
    return [*argv, "--", *envelope.recipients]


def _write(pipe: IO[bytes], data: bytes, ends: float) -> bool | None:
    """Return whether *data* was read whole, or None when time ran out."""
    import selectors

    os.set_blocking(pipe.fileno(), False)
    view = memoryview(data)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_WRITE)
        while view:
            left = ends - time.monotonic()
            if left <= 0 or not selector.select(left):
                return None
            try:
                view = view[os.write(pipe.fileno(), view[:_CHUNK]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return False
    return True


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        # With its children, before its input ends: half a mail must not be sent.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - 2000))
    text = output.read().decode("utf-8", "replace")
    return clean(re.sub(r"\s+", " ", text).strip()[-300:])
