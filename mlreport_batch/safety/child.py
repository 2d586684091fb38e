"""Work that may crash, hang or eat memory, in a child process with limits.

Drawing runs native code (HTML layout, PDF) over text from run directories. A child
that dies, or takes too long, costs the report its looks, never the tick.
"""

import contextlib
import os
import resource
import signal
import threading
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Generic, NoReturn, TypeVar

from mlreport_batch.errors import reason_of

CPU_S = 20
WALL_S = 60.0
MEMORY_BYTES = 2 * 1024**3
FAILURES_MAX = 3
"""Failures in a row after which a tick tries no more: each can take a minute."""
_OUT_OF_MEMORY = 12
_NOT_STARTED = 13

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


class ChildFailedError(RuntimeError):
    """The child died or took too long; the message says which."""


class BoundedChild(Generic[_Task, _Result]):
    """Calls *work* in a child process that is started when first needed.

    The child lives on between calls, so that its imports are paid once. After it
    died it is replaced, until it failed three times in a row. It holds none of the
    parent's files: a lock must not outlive its owner. Threads take turns: what one
    asked is not answered to another.

    Args:
        work: A function of one picklable task; what it returns is pickled back.
        cpu_s: CPU seconds for one task.
        wall_s: Seconds for one task by the clock.
        memory_bytes: Address space of the child, beyond what it has of its parent: a
            worker of Ray begins with gigabytes that it shares with others.
    """

    def __init__(
        self,
        work: Callable[[_Task], _Result],
        *,
        cpu_s: int = CPU_S,
        wall_s: float = WALL_S,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._work = work
        self._cpu_s = cpu_s
        self._wall_s = wall_s
        self._memory_bytes = memory_bytes
        self._failures = 0
        self._turn = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection[_Task, _Result] | None = None

    def call(self, task: _Task) -> _Result:
        """Return ``work(task)``.

        Raises:
            ChildFailedError: The child died or took too long.
        """
        with self._turn:
            return self._call(task)

    def _call(self, task: _Task) -> _Result:
        if self._failures >= FAILURES_MAX:
            raise ChildFailedError(f"failed {FAILURES_MAX} times and is given up")
        self._failures += 1
        try:
            pipe = self._pipe or self._start()
            pipe.send(task)
            if not pipe.poll(self._wall_s):
                self._too_slow()
            result = pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as exc:
            reason = self._how_it_died()
            self.close()
            raise ChildFailedError(reason) from exc
        except OSError as exc:
            self.close()
            raise ChildFailedError(f"could not work: {reason_of(exc)}") from exc
        except BaseException:
            self.close()  # an answer that comes later must not be taken for the next
            raise
        self._failures = 0
        return result

    def _too_slow(self) -> NoReturn:
        raise ChildFailedError(f"took longer than {self._wall_s:.0f} s")

    def _start(self) -> "Connection[_Task, _Result]":
        context = get_context("fork")
        ours, theirs = context.Pipe()
        limits = (self._cpu_s, self._memory_bytes)
        process = context.Process(
            target=_serve, args=(self._work, theirs, limits), daemon=True
        )
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        return ours

    def _how_it_died(self) -> str:
        if self._process is None:
            return "died"
        self._process.join(2.0)
        code = self._process.exitcode
        if code == _OUT_OF_MEMORY:
            return f"needed more than {self._memory_bytes >> 20} MiB of memory"
        if code == _NOT_STARTED:
            return "could not be started"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"was ended by {signal.Signals(-code).name}"
        return f"died (exit code {code})"

    def close(self) -> None:
        """End the child; the next call starts another."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            if self._process.pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
            self._process.join(5.0)
            self._process.close()
        self._process = self._pipe = None


def end_at_exit(child: BoundedChild[_Task, _Result]) -> None:
    """End *child* with this process; a Ctrl-C by then comes too late."""
    import atexit

    def end() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            child.close()

    atexit.register(end)


def _serve(
    work: Callable[[_Task], _Result],
    pipe: "Connection[_Result, _Task]",
    limits: tuple[int, int],
) -> None:
    """Answer tasks until the parent goes away."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _close_all_but(pipe.fileno())
    # Libraries chat on standard error, for example about a home without a cache.
    try:
        null = os.open(os.devnull, os.O_RDWR)
    except OSError:
        os._exit(_NOT_STARTED)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    cpu_s, memory_bytes = limits
    memory_bytes += _address_space()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        memory_bytes = min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + 1 + cpu_s
        _, hard_cpu = resource.getrlimit(resource.RLIMIT_CPU)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (limit, hard_cpu))
        try:
            pipe.send(work(task))
        except BrokenPipeError:
            os._exit(0)
        except MemoryError:
            os._exit(_OUT_OF_MEMORY)


def _address_space() -> int:
    """Return how much this process has in bytes, 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _close_all_but(kept: int) -> None:
    highest = 4096
    with contextlib.suppress(OSError, ValueError):
        highest = max(map(int, os.listdir("/proc/self/fd"))) + 1
    os.closerange(3, kept)
    os.closerange(kept + 1, max(highest, kept + 2))
