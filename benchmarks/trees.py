"""Synthetic run directories for the benchmarks, and how they are timed.

Nothing here is random between two calls: the same arguments make the same tree.
"""

import ctypes
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TRAIN = ("loss", "acc", "lr", "grad_norm", "aux_loss", "kl", "entropy", "speed_err")
VAL = ("val_loss", "val_acc", "val_f1", "val_auc")
METRICS = TRAIN + VAL
HEADER = ",".join(("epoch", "step", *METRICS)) + "\n"
BLANKS = 0.3
HPARAMS = "lr: 0.001\nbatch_size: 128\noptimizer: adamw\nseed: {}\n"


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a new temporary folder and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mlreport-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rows(count: int, seed: int = 0, first: int = 0) -> str:
    """Return *count* rows below `HEADER`: 12 metrics, 30 % of the cells blank."""
    chance = random.Random(seed)
    draw, blank = chance.random, BLANKS
    return "".join(
        f"{step // 100},{step * 10},"
        + ",".join("" if draw() < blank else repr(draw()) for _ in METRICS)
        + "\n"
        for step in range(first, first + count)
    )


def body(size: int, seed: int = 0) -> str:
    """Return about *size* bytes of rows."""
    sample = len(rows(200, seed)) / 200
    return rows(round(size / sample), seed)


def lightning_runs(root: Path, runs: int, size: int, *, bodies: int = 40) -> int:
    """Write *runs* run directories with *size* bytes of logs in all; return bytes.

    Every log is one of *bodies* texts, so that writing the tree does not take longer
    than the benchmark.
    """
    texts = [HEADER + body(size // runs, seed) for seed in range(min(bodies, runs))]
    written = 0
    for number in range(runs):
        folder = root / f"group_{number % 20:02d}" / f"run_{number:05d}"
        folder.mkdir(parents=True)
        text = texts[number % len(texts)]
        (folder / "metrics.csv").write_text(text)
        (folder / "hparams.yaml").write_text(HPARAMS.format(number))
        written += len(text)
    return written


def line_runs(root: Path, runs: int, rows: int) -> None:
    """Write *runs* run directories with *rows* JSON lines of five numbers each."""
    lines = "".join(
        json.dumps(
            {
                "step": step,
                "epoch": step // 100,
                "train_loss": 1 / (step + 1),
                "val_loss": 1.1 / (step + 1),
                "lr": 0.001,
            }
        )
        + "\n"
        for step in range(rows)
    )
    for number in range(runs):
        folder = root / f"run_{number:05d}"
        folder.mkdir(parents=True)
        (folder / "metrics.jsonl").write_text(lines)


def small_runs(root: Path, runs: int, *, checkpoint: bool = True) -> None:
    """Write *runs* run directories of two small files and a folder of checkpoints."""
    texts = [HEADER + rows(15, seed) for seed in range(40)]
    for number in range(runs):
        folder = root / f"group_{number % 100:02d}" / f"run_{number:06d}"
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "metrics.csv").write_text(texts[number % len(texts)])
        (folder / "hparams.yaml").write_text(HPARAMS.format(number))
        if checkpoint:
            (folder / "checkpoints" / "last.ckpt").write_bytes(b"weights")


def huge_log(path: Path, size: int, seed: int = 0) -> int:
    """Write one log of about *size* bytes whose steps go on rising; return bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [row.split(",", 2)[2] for row in rows(20_000, seed).splitlines()]
    step = written = 0
    with path.open("w") as file:
        written += file.write(HEADER)
        while written < size:
            part = "\n".join(
                f"{(step + n) // 100},{(step + n) * 10},{rest}"
                for n, rest in enumerate(cells)
            )
            written += file.write(part + "\n")
            step += len(cells)
    return written


def append_rows(path: Path, size: int, seed: int = 1) -> None:
    """Append about *size* bytes of rows that go on where a log of rows stopped."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        last = file.read().splitlines()[-1]
    first = int(last.split(b",")[1]) // 10 + 1
    text = rows(max(1, round(size / 150)), seed, first)
    with path.open("a") as file:
        file.write(text)


def settle() -> None:
    """Wait until no file is so young that a later write could bear the same time."""
    time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process cost: seconds of wall time and CPU, peak memory in MB."""

    wall: float
    cpu: float
    peak_mb: float


def run(command: Sequence[str | os.PathLike[str]], *, check: bool = True) -> Cost:
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


def tell(title: str, ours: Cost, theirs: Cost, name: str, target: float) -> None:
    """Print both sides and their ratios."""
    print(title)
    for who, cost in (("mlreport-batch", ours), (name, theirs)):
        print(
            f"  {who:<24} wall {cost.wall:8.3f} s   cpu {cost.cpu:8.3f} s   "
            f"peak {cost.peak_mb:6.0f} MB"
        )
    print(
        f"  ratio                    wall {ours.wall / theirs.wall:8.2f}     "
        f"cpu {ours.cpu / theirs.cpu:8.2f}     budget {target}"
    )


def mlreport(*args: str | os.PathLike[str]) -> list[str]:
    """Return the command line of a tick in a process of its own."""
    return [sys.executable, "-m", "mlreport_batch", *map(os.fspath, args)]
