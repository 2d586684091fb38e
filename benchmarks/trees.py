"""Synthetic run directories for the benchmarks.

Nothing here is random between two calls: the same arguments make the same tree.
"""

import json
import random
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlreport_batch.formats.kit.events import masked_crc

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


def event_runs(root: Path, runs: int, scalars: int, *, bodies: int = 20) -> int:
    """Write *runs* run directories with *scalars* scalars of five tags; return bytes.

    They are what PyTorch's ``SummaryWriter`` writes: a scalar a record.
    """
    tags = ("train/loss", "train/accuracy", "lr-Adam", "val/loss", "val/accuracy")
    texts = []
    for seed in range(min(bodies, runs)):
        draw = random.Random(seed).random
        records = [_record(_field(3, b"brain.Event:2"), 0.0)]
        for step in range(scalars // runs // len(tags)):
            for tag in tags:
                value = _field(1, tag.encode()) + b"\x15" + struct.pack("<f", draw())
                summary = _field(5, _field(1, value))
                records.append(_record(b"\x10" + _varint(step * 10) + summary, step))
        texts.append(b"".join(records))
    for number in range(runs):
        folder = root / f"group_{number % 20:02d}" / f"run_{number:05d}"
        folder.mkdir(parents=True)
        name = f"events.out.tfevents.1700000000.host.{number}.0"
        (folder / name).write_bytes(texts[number % len(texts)])
    return sum(len(texts[number % len(texts)]) for number in range(runs))


def _record(rest: bytes, second: float) -> bytes:
    data = b"\x09" + struct.pack("<d", 1.7e9 + second) + rest
    head = struct.pack("<Q", len(data))
    sums = (struct.pack("<I", masked_crc(part)) for part in (head, data))
    return head + next(sums) + data + next(sums)


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
