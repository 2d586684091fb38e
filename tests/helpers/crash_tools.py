"""A laboratory in which ticks are killed, starved and doubled.

Real files, real state, real spool; a loopback SMTP server counts what arrives. What
must hold afterwards is told by mails alone: each says how many values are new in it,
so the sum over all Message-IDs equals the values written, or something was lost or
told twice.
"""

import atexit
import contextlib
import email  # noqa: TID253 - it is read in every test
import email.policy  # noqa: TID253
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Self

from smtp_server import ScriptedServer
from waiting import eventually

HERE = Path(__file__).parent
HAS_STRACE = shutil.which("strace") is not None
NO_STRACE = (
    "strace is not installed: the crash sweep was NOT run (apt-get install strace)"
)

# Every system call by which a tick changes a disk or speaks to a server.
CALLS = (
    "chmod", "connect", "fchmod", "fchown", "fdatasync", "flock", "fsync",
    "ftruncate", "link", "mkdir", "openat", "pwrite64", "rename", "sendto", "truncate",
    "unlink", "write",
)  # fmt: skip
ERRORS = ("ENOSPC", "EIO", "EDQUOT", "EROFS")


@dataclass
class Ended:
    """How a tick ended; `output` holds its errors too, unless they were kept apart."""

    code: int | None
    killed: bool
    output: str
    errors: str = ""
    memory_kb: int = 0


@cache
def _mother() -> "subprocess.Popen[str]":
    """Return the process that has imported all, the only one of this test run."""
    process = subprocess.Popen(
        [sys.executable, HERE / "crash_zygote.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "ready\n"

    def end() -> None:
        process.stdin.close()
        process.wait()
        process.stdout.close()

    atexit.register(end)
    return process


class Zygote:
    """Forks ticks; see `crash_zygote`.

    Args:
        folder: Where what they say is kept.
        keep_apart: Whether standard error is kept apart from standard output.
    """

    def __init__(self, folder: Path, *, keep_apart: bool = False) -> None:
        self._output, self._errors, asked, answers = (
            folder / f"{name}-{id(self)}"
            for name in ("output", "errors", "asked", "answers")
        )
        self._keep_apart = keep_apart
        for pipe in (asked, answers):
            os.mkfifo(pipe)
        order = {
            "asked": str(asked),
            "answers": str(answers),
            "environment": {**os.environ, "TZ": "UTC"},
        }
        mother = _mother()
        assert mother.stdin
        mother.stdin.write(json.dumps(order) + "\n")
        mother.stdin.flush()
        self._asked, self._answers = asked.open("w"), answers.open()
        self._is_awaited = False
        self._handle: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_awaited:  # a test failed, or took too long, in the middle of a tick
            self.kill()
        with contextlib.suppress(BrokenPipeError):
            self._asked.write("\n")
            self._asked.close()
        self._answers.close()

    def _read(self) -> str:
        return self._answers.readline().strip()

    def start(
        self,
        argv: Sequence[str],
        *,
        stop: bool = False,
        shift_s: float = 0.0,
        cwd: Path | None = None,
        user: str = "",
    ) -> int:
        """Start a tick and return its pid; `wait` must follow."""
        order = {
            "argv": list(argv),
            "output": str(self._output),
            "errors": str(self._errors) if self._keep_apart else "",
            "stop": stop,
            "shift_s": shift_s,
            "cwd": str(cwd or ""),
            "user": user,
        }
        self._asked.write(json.dumps(order) + "\n")
        self._asked.flush()
        self._is_awaited = True
        self._handle = None
        pid = int(self._read())
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._handle = os.pidfd_open(pid)
        return pid

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the started tick, unless it has ended."""
        if self._handle is None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def wait(self) -> Ended:
        """Return how the started tick ended."""
        status, memory_kb = map(int, self._read().split())
        self._is_awaited = False
        if self._handle is not None:
            os.close(self._handle)
        killed = os.WIFSIGNALED(status)
        code = None if killed else os.waitstatus_to_exitcode(status)
        how = "strict" if self._keep_apart else "replace"
        output, errors = (_text_of(path, how) for path in (self._output, self._errors))
        return Ended(code, killed, output, errors, memory_kb)

    def run(
        self,
        argv: Sequence[str],
        *,
        shift_s: float = 0.0,
        cwd: Path | None = None,
        user: str = "",
    ) -> Ended:
        """Run a tick in peace."""
        self.start(argv, shift_s=shift_s, cwd=cwd, user=user)
        return self.wait()

    def run_traced(self, argv: Sequence[str], options: Sequence[str]) -> Ended:
        """Run a tick under strace with *options*."""
        pid = self.start(argv, stop=True)
        eventually(lambda: _state_of(pid) == "T")
        command = ["strace", "-f", "-qq", "-e", "signal=none", *options, "-p", str(pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
        eventually(lambda: _tracer_of(pid) != 0)
        os.kill(pid, signal.SIGCONT)
        ended = self.wait()
        with contextlib.suppress(subprocess.TimeoutExpired):
            tracer.wait(10)  # it follows what the tick left behind, too
        if tracer.poll() is None:
            tracer.terminate()
            tracer.wait()
        assert tracer.stderr
        tracer.stderr.close()
        return ended


def _text_of(path: Path, how: str) -> str:
    """Return what a tick wrote, once."""
    try:
        text = path.read_text("utf-8", how)
    except FileNotFoundError:  # it was ended before it said a word
        return ""
    path.unlink()
    return text


def _state_of(pid: int) -> str:
    text = Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()[0]


def _tracer_of(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"TracerPid:\s+(\d+)", text)[1])  # type: ignore[index]


@dataclass
class Lab:
    """Runs that grow, and a state and a config that report them.

    Args:
        folder: Where all of it lies.
        port: Of the SMTP server.
        more: Lines added to the config's ``mail`` table.
        final_s: How long a tick waits for the server's last word.
    """

    folder: Path
    port: int
    more: str = ""
    final_s: int = 60
    steps: Counter[str] = field(default_factory=Counter)
    shift_s: float = 0.0

    def __post_init__(self) -> None:
        self.runs = self.folder / "runs"
        self.state = self.folder / "state"
        self.config = self.folder / "mlreport.yaml"
        self.runs.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f"""
runs: [{{path: {self.runs}}}]
state: {self.state}
mail:
  via: smtp
  from: ml@lab.example
  to: [me@lab.example]
  backoff_s: 1
{self.more}
alerts: {{stall: null}}
smtp: {{host: 127.0.0.1, port: {self.port}, security: none, timeout_s: 60,
  final_timeout_s: {self.final_s}}}
"""
        )
        self.argv = [
            "run", "-q", "-c", str(self.config), "--out", str(self.folder / "out"),
        ]  # fmt: skip

    def grow(self, run: str, rows: int = 1) -> None:
        """Let a run write *rows* more values of one metric."""
        log = self.runs / run / "metrics.csv"
        log.parent.mkdir(exist_ok=True)
        lines = "" if log.exists() else "step,loss\n"
        for _ in range(rows):
            lines += f"{self.steps[run]},{1 / (1 + self.steps[run]):.6f}\n"
            self.steps[run] += 1
        with log.open("a") as file:
            file.write(lines)
        self.touch(log)

    def touch(self, log: Path) -> None:
        """Date a log by the clock that the ticks go by."""
        now = time.time() + self.shift_s
        os.utime(log, (now, now))

    def saved(self, to: Path) -> None:
        """Keep all as it is now under *to*."""
        shutil.copytree(self.folder, to, symlinks=True)

    def restored(self, start: Path) -> None:
        """Make all as it was under *start*, in the same place."""
        shutil.rmtree(self.folder)
        shutil.copytree(start, self.folder, symlinks=True)

    def places(self) -> dict[str, list[str]]:
        """Return the ids of the mails at each place of the spool."""
        spool = self.state / "spool"
        return {
            place: [n.removesuffix(".eml") for n in sorted(os.listdir(spool / place))]
            if (spool / place).is_dir()
            else []
            for place in ("new", "cur", "sent", "dead")
        }

    def stray(self) -> list[str]:
        """Return the files of the state that should not be there once all is done.

        A half-written page in the output folder is overwritten by the next report, and
        half a record goes once the daily copy is made.
        """
        known = re.compile(
            r"lock|config|state\.db(-journal|\.bak)?|spool/(sent|told)/[0-9a-f]{26}|"
            r"spool/told/[0-9a-f]{26}\.tmp"
        )
        found = (p for p in self.state.rglob("*") if p.is_file())
        names = (str(p.relative_to(self.state)) for p in found)
        return [n for n in names if not known.fullmatch(n)]


@dataclass(frozen=True)
class Mail:
    """What the server was given."""

    rid: str
    run: str
    new_values: int
    raw: bytes


def mails_of(raws: Sequence[bytes]) -> list[Mail]:
    """Return what the received messages say."""
    return [_mail(raw) for raw in raws]


@lru_cache(4096)
def _mail(raw: bytes) -> Mail:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    body = message.get_body(("plain",))
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    rid = str(message["Message-ID"]).strip("<>").partition("@")[0]
    runs = re.search(r"^runs / (\S+)$", text, re.MULTILINE)
    values = re.search(r"^New values\s+([\d,]+)", text, re.MULTILINE)
    assert runs, text
    count = int(values[1].replace(",", "")) if values else 0
    return Mail(rid, runs[1], count, raw)


def check_told(raws: Sequence[bytes], written: Counter[str]) -> Counter[str]:
    """Return the copies by Message-ID, after checking that all was told, once."""
    mails = mails_of(raws)
    by_rid: dict[str, Mail] = {}
    for mail in mails:
        first = by_rid.setdefault(mail.rid, mail)
        assert first.raw == mail.raw, f"two contents under {mail.rid}"
    told: Counter[str] = Counter()
    for mail in by_rid.values():
        told[mail.run] += mail.new_values
    assert told == written, f"told {dict(told)}, written {dict(written)}"
    return Counter(mail.rid for mail in mails)


@contextlib.contextmanager
def laboratory(
    folder: Path, more: str = "", **script: object
) -> Iterator[tuple[Lab, ScriptedServer, Zygote]]:
    """Give a lab, its server and its source of ticks."""
    with (
        ScriptedServer(script) as server,  # type: ignore[arg-type]
        Zygote(folder) as zygote,
    ):
        yield Lab(folder / "lab", server.port, more), server, zygote
