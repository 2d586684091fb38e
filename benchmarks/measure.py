"""What a process costs: CPU and wall time, memory, system calls, bytes read."""

import ctypes
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str | os.PathLike[str]]
ROOT = Path(__file__).resolve().parents[1]
# Both sides keep their compiled modules, as they do under cron.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process cost: seconds of wall time and CPU, peak memory in MB."""

    wall: float
    cpu: float
    peak_mb: float


def run(command: Command, *, check: bool = True) -> Cost:
    """Run *command* to its end, output thrown away, and return what it cost.

    CPU time is that of the process and of all that it started.
    """
    _adopt_orphans()
    start = time.perf_counter()
    with subprocess.Popen(
        [*map(os.fspath, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if check else subprocess.DEVNULL,
    ) as process:
        complaint = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    while True:
        try:
            _, _, more = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu += more.ru_utime + more.ru_stime
    if check and process.returncode:
        raise SystemExit(f"{command}: {process.returncode}\n{complaint.decode()}")
    return Cost(wall, cpu, usage.ru_maxrss / 1024)


def _adopt_orphans() -> None:
    """Become the parent of what our children leave behind, such as a fork server."""
    set_child_subreaper = 36
    ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def compare(
    ours: Callable[[], Cost], theirs: Callable[[], Cost], rounds: int
) -> tuple[Cost, Cost]:
    """Run both in turn and return the medians of each."""
    ours_costs, their_costs = [], []
    for _ in range(rounds):
        their_costs.append(theirs())
        ours_costs.append(ours())
    return median(ours_costs), median(their_costs)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each part of *costs*."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.peak_mb for cost in costs),
    )


def mlreport(*args: str | os.PathLike[str]) -> list[str]:
    """Return the command line of a tick in a process of its own."""
    return [sys.executable, "-m", "mlreport_batch", *map(os.fspath, args)]


def memory_mb(command: Command) -> float:
    """Return the peak of the memory of a process and its children, summed, in MB.

    What they share counts in each of them. It is looked at each few milliseconds, so
    this turn is not timed.
    """
    peak = 0
    with subprocess.Popen([*map(os.fspath, command)], stdout=subprocess.DEVNULL) as one:
        while one.poll() is None:
            peak = max(peak, sum(map(_resident_kb, _family(one.pid))))
            time.sleep(0.003)
    return peak / 1024


def _family(pid: int) -> list[int]:
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{task}/children").read_text()
            found += [p for child in children.split() for p in _family(int(child))]
    except OSError:
        pass
    return found


def _resident_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmRSS:\s+(\d+)", text)
    return int(found[1]) if found else 0


def system_calls(command: Command) -> int:
    """Return how many system calls a process and its children make (strace)."""
    done = subprocess.run(
        ["strace", "-f", "-c", "-qq", *map(os.fspath, command)],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stderr.splitlines()[-1].split()[3])  # "calls", of the total


def bytes_read(folder: Path, command: Command) -> int:
    """Return how many bytes a process and its children read of files in *folder*."""
    calls = "trace=read,pread64,readv,preadv"
    traced = subprocess.run(
        ["strace", "-f", "-y", "-e", calls, *map(os.fspath, command)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(
        rf"<{re.escape(str(folder))}/[^>]*>.* = (\d+)$", traced.stderr, re.MULTILINE
    )
    return sum(map(int, found))
