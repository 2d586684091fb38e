"""TensorBoard event files: torch's writer, tensorboardX, Lightning, HF beside events.

Needs: torch==2.13.0, tensorboard==2.21.0, tensorboardX==2.6.5, lightning==2.6.6,
numpy. Run: ``python tests/make_runs/tensorboard_runs.py``; about 15 s; nothing random.
Truth: the values handed to the writers, rounded to float32 as the format does. The
TensorFlow cases (tb_tf2, tb_tf2_keras) are in tensorflow_runs.py.

Cases: tb_basic (scalars amid text, histogram and image; five snapshots), tb_hparams (add_hparams:
a sub-folder named by the time), tb_add_scalars (sub-folders per curve),
tb_purge (second file with purge_step=20: steps 20-29 of the first are void),
tb_restart (second file goes back without a purge), tb_truncated (last record cut),
tb_bad_crc (a byte flipped in the middle), tb_empty (a file of 0 bytes, one of the version
record only), tbx_basic (tensorboardX, NaN and inf, Korean tags), tb_double (Lightning
writing metrics.csv and events with the same rows into one folder).
"""

from __future__ import annotations

import math
import struct

import lightning_runs as lit
import numpy as np
import torch
from common import Case, Points, checkpoints_in, csv_points, run
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboardX import SummaryWriter as WriterX
from torch.utils.tensorboard import SummaryWriter

PACKAGES = ("torch", "tensorboard")


def f32(value: float) -> float:
    """Return *value* as an event file holds it."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def loss(step: int) -> float:
    """A falling curve with a wiggle."""
    return math.exp(-step / 12) + 0.02 * math.sin(step)


class Both:
    """A writer and the memory of what it was given."""

    def __init__(self, writer, points=None):
        self.writer = writer
        self.points = Points() if points is None else points

    def log(self, tag: str, value: float, step: int) -> None:
        self.writer.add_scalar(tag, value, step)
        self.points.add(step, {tag: f32(value)})


def entry(path: str, points, notes=(), **more):
    """Return the truth of one folder of event files."""
    hparams = more.pop("hparams", {})
    return run(path, points, hparams, [], None, list(notes), **more)


def basic() -> None:
    case = Case("tb_basic", "torch.utils.tensorboard", PACKAGES)
    both = Both(SummaryWriter(case.tree / "runs" / "exp1"))
    both.writer.add_text("config", "| lr | 0.1 |\n|---|---|", 0)
    for step in range(40):
        both.log("train/loss", loss(step), step)
        both.log("lr", 0.1 * 0.95**step, step)
        if step % 10 == 9:
            both.log("val/accuracy", 1 - loss(step) / 2, step)
            both.writer.add_histogram("weights", np.arange(8) * step, step)
            both.writer.add_image("sample", np.zeros((3, 4, 4), np.uint8), step)
        if step in (0, 4, 12, 29):
            both.writer.flush()
            case.snapshot(f"after step {step}", [entry("tree/runs/exp1", both.points)])
    both.writer.close()
    truth = entry("tree/runs/exp1", both.points, ["text, histogram, image: no metrics"])
    case.snapshot("after the end", [truth])
    case.save([truth])


def hparams() -> None:
    case = Case("tb_hparams", "torch.utils.tensorboard", PACKAGES)
    both = Both(SummaryWriter(case.tree / "exp"))
    for step in range(10):
        both.log("train/loss", loss(step), step)
    given = {"lr": 0.1, "layers": 3, "optimizer": "sgd", "nesterov": True}
    final = {"hparam/accuracy": 0.875, "hparam/loss": 0.25}
    both.writer.add_hparams(given, final)
    both.writer.close()
    sub = next(p for p in (case.tree / "exp").iterdir() if p.is_dir())
    metrics = Points()
    metrics.add(0, final)
    path = f"tree/exp/{sub.name}"
    notes = ["add_hparams' own folder, named by time.time(); step 0"]
    inner = entry(path, metrics, notes, hparams=given, part_of="tree/exp")
    outer = entry("tree/exp", both.points, optional_hparams=given)
    outer["optional"] = {k: v for k, v in metrics.summary().items()}
    case.save(
        [outer, inner],
        [
            "part_of: a reader may show the sub-folder as its own run or fold it into"
            " the folder above (then optional and optional_hparams are there)",
            "the hparams are floats in the file (3 is 3.0); nesterov a bool",
        ],
    )


def add_scalars() -> None:
    case = Case("tb_add_scalars", "torch.utils.tensorboard", PACKAGES)
    writer = SummaryWriter(case.tree / "exp")
    curves = {"train": Points(), "val": Points()}
    main = Both(writer)
    for step in range(12):
        main.log("lr", 0.1, step)
        values = {"train": loss(step), "val": loss(step) + 0.1}
        writer.add_scalars("loss", values, step)
        for name, value in values.items():
            curves[name].add(step, {"loss": f32(value)})
    writer.close()
    runs = [entry("tree/exp", main.points)]
    for name, points in curves.items():
        path = f"tree/exp/loss_{name}"
        runs.append(entry(path, points, ["made by add_scalars"], part_of="tree/exp"))
    case.save(
        runs,
        [
            "every curve of add_scalars is a folder of its own with the same tag 'loss';"
            " a reader may fold it into the folder above, then as loss_train/loss"
        ],
    )


def two_files(name: str, second_start: int, purge: int | None) -> None:
    case = Case(name, "torch.utils.tensorboard", PACKAGES)
    folder = case.tree / "exp"
    points = Points()
    first = Both(SummaryWriter(folder, filename_suffix=".0"), points)
    for step in range(30):
        first.log("train/loss", loss(step), step)
        if step % 5 == 4:
            first.log("val/loss", loss(step) + 0.1, step)
    first.writer.close()
    case.snapshot("first process ended at step 29", [entry("tree/exp", points)])
    second = Both(SummaryWriter(folder, purge_step=purge, filename_suffix=".1"), points)
    for step in range(second_start, 40):
        second.log("train/loss", loss(step) * 0.9, step)
        if step % 5 == 4:
            second.log("val/loss", loss(step) + 0.05, step)
    second.writer.close()
    note = "steps 20-29 of the first file are overtaken by the second"
    if purge is None:
        note += " (our rule; TensorBoard itself would show both)"
    case.save([entry("tree/exp", points, [note])])


def record_starts(data: bytes) -> list[int]:
    """Return where each record of an event file begins."""
    at, found = 0, []
    while at < len(data):
        found.append(at)
        at += 16 + struct.unpack_from("<Q", data, at)[0]
    return found


def damaged(name: str) -> None:
    case = Case(name, "torch.utils.tensorboard", PACKAGES)
    folder = case.tree / "exp"
    both = Both(SummaryWriter(folder))
    for step in range(20):
        both.writer.add_scalar("train/loss", loss(step), step)
    both.writer.close()
    file = next(folder.iterdir())
    data = bytearray(file.read_bytes())
    starts = record_starts(bytes(data))  # 0 is the version record
    if name == "tb_truncated":
        file.write_bytes(data[: starts[-1] + 9])
        good = range(19)
        note = "the last record (step 19) is cut after 9 bytes: still being written"
    else:
        data[starts[11] + 14] ^= 0xFF
        file.write_bytes(data)
        good = range(10)
        note = "record of step 10 has a wrong checksum: what follows is not trusted"
    for step in good:
        both.points.add(step, {"train/loss": f32(loss(step))})
    truth = entry("tree/exp", both.points, [note])
    if name == "tb_bad_crc":
        skipped = Points()
        for step in range(20):
            if step != 10:
                skipped.add(step, {"train/loss": f32(loss(step))})
        truth["if_skipped"] = skipped.summary()
    case.save([truth], ["damaged by hand after writing"])


def empty() -> None:
    case = Case("tb_empty", "torch.utils.tensorboard", PACKAGES)
    SummaryWriter(case.tree / "just_started").close()
    (case.tree / "zero").mkdir()
    (case.tree / "zero" / "events.out.tfevents.1790000000.host.1.0").touch()
    note = "version record only"
    case.save(
        [
            entry("tree/just_started", {}, [note]),
            entry("tree/zero", {}, ["a file of 0 bytes"]),
        ],
        ["whether such folders count as runs yet is the program's choice"],
    )


def tbx() -> None:
    case = Case("tbx_basic", "tensorboardX", ("tensorboardX",))
    both = Both(WriterX(str(case.tree / "exp")))
    odd = {3: float("nan"), 5: float("inf"), 6: -float("inf"), 9: float("nan")}
    for step in range(10):
        both.log("학습/손실", odd.get(step, loss(step)), step)
        both.writer.add_scalar("val loss (mean)", loss(step), step * 100)
        both.points.add(step * 100, {"val_loss__mean_": f32(loss(step))})
        both.log("train/epoch", step // 4, step)
    both.writer.close()
    notes = [
        "a tag train/epoch exists: bookkeeping or metric, either is right",
        "tensorboardX itself turned 'val loss (mean)' into val_loss__mean_",
    ]
    truth = entry("tree/exp", both.points, notes)
    truth["bookkeeping"] = {"train/epoch": truth["metrics"].pop("train/epoch")}
    case.save([truth])


def double() -> None:
    case = Case("tb_double", "lightning", ("lightning", "torch", "tensorboard"))
    lit.L.seed_everything(7)
    logger = lit.Watched(case.tree, name="lightning_logs", version=0)
    board = TensorBoardLogger(case.tree, name="lightning_logs", version=0)
    fit = lit.trainer_for([logger, board], 3)
    fit.fit(lit.Toy(), lit.loader(1), lit.loader(2, 32))
    folder = case.tree / "lightning_logs" / "version_0"
    points = csv_points(folder / "metrics.csv", "step", lit.BOOKKEEPING)
    truth = run(
        "tree/lightning_logs/version_0",
        points,
        lit.BASIC,
        checkpoints_in(folder, "*.ckpt"),
        None,
        [
            "metrics.csv and the event file hold the same rows: count once. Values are"
            " float32 in memory, so both files agree to the last digit",
            "the event file also has 'epoch' and 'hp_metric' (-1, step 0)",
        ],
    )
    hp = Points()
    hp.add(0, {"hp_metric": -1.0})
    truth["optional"] = hp.summary()
    case.save([truth])
    case = Case("tb_lightning", "lightning", ("lightning", "torch", "tensorboard"))
    lit.L.seed_everything(7)
    board = TensorBoardLogger(case.tree, name="lightning_logs")
    given: list = []
    log = board.log_metrics
    board.log_metrics = lambda metrics, step=None: (
        given.append((step, dict(metrics))),
        log(metrics, step),
    )
    fit = lit.trainer_for(board, 3)
    fit.fit(lit.Toy(), lit.loader(1), lit.loader(2, 32))
    points = Points()
    for step, row in given:
        points.add(step, {k: f32(v) for k, v in row.items()}, ("epoch", "hp_metric"))
    folder = case.tree / "lightning_logs" / "version_0"
    found = checkpoints_in(folder, "*.ckpt")
    truth = run("tree/lightning_logs/version_0", points, lit.BASIC, found)
    truth["optional"] = hp.summary()
    case.save([truth], ["TensorBoardLogger alone: hparams.yaml beside the event file"])


if __name__ == "__main__":
    torch.manual_seed(7)
    basic()
    hparams()
    add_scalars()
    two_files("tb_purge", 20, 20)
    two_files("tb_restart", 20, None)
    damaged("tb_truncated")
    damaged("tb_bad_crc")
    empty()
    tbx()
    double()
