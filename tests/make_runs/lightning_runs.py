"""Lightning CSVLogger runs: basic, sparse, reused folder, tags, Korean, NaN.

Needs: lightning==2.6.6, torch==2.13.0 (CPU). Run: ``python
tests/make_runs/lightning_runs.py``; about 20 s. Model: one linear layer on random
points, seed 7. Truth: every value handed to the logger, caught in memory, compared
with a plain csv reading of what is on disk.

Cases: lightning_basic (six growth snapshots), lightning_sparse (a column appears
mid-run and shifts all others; two validation sets; learning-rate rows with empty epoch; a
test row), lightning_restarted (same version folder twice: metrics.csv deleted,
old checkpoints stay), lightning_resumed (ckpt_path: a new version whose steps go on),
lightning_tags (python tags, dates, .inf in hparams.yaml), lightning_korean (Korean
project, metric and hparam names; a directory made by a slash in a checkpoint name),
lightning_nan (NaN and infinities), lightning_no_train (validation only).
"""

from __future__ import annotations

import datetime as dt
import logging
import warnings
from pathlib import Path

import lightning as L
import torch
from common import Case, Points, checkpoints_in, csv_points, flat, run, same
from lightning.pytorch.callbacks import (
    Callback,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

PACKAGES = ("lightning", "torch")
BOOKKEEPING = ("epoch", "step")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore")


class Watched(CSVLogger):
    """A CSVLogger that remembers what it was given."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.points = Points()

    def log_metrics(self, metrics, step=None):
        self.points.add(step, {k: float(v) for k, v in metrics.items()}, BOOKKEEPING)
        super().log_metrics(metrics, step)


class Toy(L.LightningModule):
    """A linear classifier whose logging the cases bend."""

    def __init__(self, lr=0.05, hidden=8, dropout=0.1, optimizer="adam", **odd):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(4, hidden), nn.ReLU(), nn.Linear(hidden, 2))
        self.odd = odd

    def training_step(self, batch, index):
        x, y = batch
        loss = nn.functional.cross_entropy(self.net(x), y)
        names = self.odd.get("names", {})
        shown = loss
        if self.global_step in self.odd.get("blow_up", {}):
            shown = torch.tensor(self.odd["blow_up"][self.global_step])
        self.log(
            names.get("train", "train_loss"),
            shown,
            on_step=True,
            on_epoch=self.odd.get("both", False),
        )
        if self.global_step >= self.odd.get("late_at", 10**9):
            self.log("grad_norm_late", loss * 2)
        return loss

    def validation_step(self, batch, index, dataloader_idx=0):
        x, y = batch
        out = self.net(x)
        names = self.odd.get("names", {})
        loss = nn.functional.cross_entropy(out, y)
        self.log(names.get("val", "val_loss"), loss)
        self.log(names.get("acc", "val_acc"), (out.argmax(1) == y).float().mean())

    def test_step(self, batch, index):
        x, y = batch
        self.log("test_loss", nn.functional.cross_entropy(self.net(x), y))

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        if not self.odd.get("decay"):
            return optimizer
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.7)]


class Snap(Callback):
    """Copies of the folder while it grows; truth by reading what is on disk."""

    def __init__(self, case: Case, at_steps=(), at_epochs=()):
        self.case, self.at_steps, self.at_epochs = case, at_steps, at_epochs

    def take(self, trainer, when):
        folder = Path(trainer.logger.log_dir)
        rel = folder.relative_to(self.case.scratch)
        file = folder / "metrics.csv"
        points = csv_points(file, "step", BOOKKEEPING) if file.exists() else {}
        found = checkpoints_in(folder, "*.ckpt")
        self.case.snapshot(when, [run(str(rel), points, {}, found)])

    def on_train_batch_end(self, trainer, module, *rest):
        if trainer.global_step in self.at_steps:
            self.take(trainer, f"after global_step {trainer.global_step}")

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch in self.at_epochs:
            self.take(trainer, f"start of epoch {trainer.current_epoch}")


def loader(seed: int, rows: int = 64) -> DataLoader:
    """Return batches of 8 random points labelled by a plane."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 4, generator=generator)
    return DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=8)


def trainer_for(logger, epochs, callbacks=(), **more):
    """Return a quiet CPU trainer."""
    return L.Trainer(
        max_epochs=epochs,
        logger=logger,
        accelerator="cpu",
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=more.pop("log_every_n_steps", 1),
        **more,
    )


def entry(case: Case, logger: Watched, hparams: dict, notes=(), status=None) -> dict:
    """Return the run's truth from memory, after comparing it with the file."""
    folder = Path(logger.log_dir)
    truth = logger.points.summary()
    same(truth, csv_points(folder / "metrics.csv", "step", BOOKKEEPING).summary())
    return run(
        str(folder.relative_to(case.scratch)),
        truth,
        hparams,
        checkpoints_in(folder, "*.ckpt"),
        status,
        list(notes),
    )


BASIC = {"lr": 0.05, "hidden": 8, "dropout": 0.1, "optimizer": "adam"}


def basic() -> None:
    case = Case("lightning_basic", "lightning", PACKAGES)
    L.seed_everything(7)
    logger = Watched(case.tree, name="lightning_logs")
    callbacks = [LearningRateMonitor(), Snap(case, (5, 13), (1, 2, 3))]
    fit = trainer_for(logger, 4, callbacks)
    fit.fit(Toy(decay=True), loader(1), loader(2, 32))
    hparams = {**BASIC, "decay": True}
    truth = entry(case, logger, hparams)
    case.snapshot("after the end", [truth])
    case.save([truth], ["CRLF; header sorted; val_* columns appear after epoch 0"])


def sparse() -> None:
    case = Case("lightning_sparse", "lightning", PACKAGES)
    L.seed_everything(7)
    logger = Watched(case.tree, name="two_val", version="exp-3")
    module = Toy(late_at=13, both=True, decay=True)
    every = LearningRateMonitor(logging_interval="step")
    callbacks = [every, Snap(case, (5, 10, 14), (1, 2))]
    keep = ModelCheckpoint(save_top_k=2, save_last="link", monitor="train_loss_epoch")
    fit = trainer_for(logger, 3, [*callbacks, keep], log_every_n_steps=2)
    fit.fit(module, loader(1), [loader(2, 32), loader(3, 16)])
    fit.test(module, loader(4, 16), verbose=False)
    hparams = {**BASIC, "late_at": 13, "both": True, "decay": True}
    notes = [
        "lr-Adam rows have an empty epoch cell",
        "grad_norm_late appears at step 13: every column may move, the file is rewritten",
        "test row: epoch = max_epochs, step = last + 1",
        "last.ckpt is a symbolic link",
    ]
    case.save([entry(case, logger, hparams, notes)])


def restarted() -> None:
    case = Case("lightning_restarted", "lightning", PACKAGES)
    for seed, epochs in ((7, 3), (8, 2)):
        L.seed_everything(seed)
        logger = Watched(case.tree, name="runs", version=0)
        fit = trainer_for(logger, epochs, [Snap(case, (6,))])
        fit.fit(Toy(lr=0.05 if seed == 7 else 0.01), loader(1), loader(2, 32))
        truth = entry(case, logger, {**BASIC, "lr": 0.05 if seed == 7 else 0.01})
        case.snapshot(f"after fit with seed {seed}", [truth])
    truth["notes"].append("checkpoints of both fits are there, metrics of the second")
    case.save(
        [truth],
        [
            "second fit in the same version folder: Lightning deletes metrics.csv and"
            " starts a shorter one; hparams.yaml is overwritten (lr 0.05 -> 0.01)"
        ],
    )


def resumed() -> None:
    case = Case("lightning_resumed", "lightning", PACKAGES)
    L.seed_everything(7)
    first = Watched(case.tree, name="runs")
    fit = trainer_for(first, 2)
    fit.fit(Toy(), loader(1), loader(2, 32))
    second = Watched(case.tree, name="runs")
    again = trainer_for(second, 4)
    path = next(Path(first.log_dir).rglob("*.ckpt"))
    again.fit(Toy(), loader(1), loader(2, 32), ckpt_path=path, weights_only=False)
    case.save(
        [entry(case, first, BASIC), entry(case, second, BASIC)],
        ["ckpt_path: version_1 goes on from version_0's last step"],
    )


def tags() -> None:
    case = Case("lightning_tags", "lightning", PACKAGES)
    L.seed_everything(7)
    odd = {
        "betas": (0.9, 0.999),
        "z": complex(1, 2),
        "act": torch.relu,
        "root": Path("/data/sets/한국어"),
        "classes": {"고양이", "개"},
        "blob": b"\x00\x01\xff",
        "day": dt.date(2026, 1, 31),
        "at": dt.datetime(2026, 1, 31, 9, 30),
        "cap": float("inf"),
        "floor": float("nan"),
        "text": "1e-4",
        "yes_text": "yes",
        "none": None,
        "nested": {"optim": {"name": "sgd", "lr": 1e-4}, "layers": [8, 16, 32]},
        "long": "a text with many words " * 8,
        "memo": "두 줄\n설명: #1",
    }
    logger = Watched(case.tree, name="lightning_logs")
    trainer_for(logger, 1).fit(Toy(**odd), loader(1, 24), loader(2, 16))
    known = {
        **BASIC,
        **flat({k: odd[k] for k in ("text", "yes_text", "none", "nested", "memo")}),
        "long": odd["long"],
    }
    case.save(
        [
            run(
                "tree/lightning_logs/version_0",
                logger.points,
                known,
                checkpoints_in(Path(logger.log_dir), "*.ckpt"),
                None,
                [
                    "hparams lists only the keys with a plain value; the others are"
                    " written with python tags: betas, z, act, root, classes, blob,"
                    " day, at, cap, floor (any text is right, no object may be made)",
                    "text is the str 1e-4, unquoted in the file: PyYAML reads a str",
                ],
                tagged=["act", "at", "betas", "blob", "cap", "classes", "day"]
                + ["floor", "root", "z"],
            )
        ]
    )


def korean() -> None:
    case = Case("lightning_korean", "lightning", PACKAGES)
    L.seed_everything(7)
    logger = Watched(case.tree, name="한국어 분류", version="실험 1")
    names = {"train": "학습/손실", "val": "검증/손실", "acc": "검증/정확도"}
    keep = ModelCheckpoint(
        monitor="검증/손실", filename="{epoch}-{검증/손실:.3f}", save_top_k=2
    )
    fit = trainer_for(logger, 3, [keep])
    fit.fit(Toy(names=names, optimizer="아담"), loader(1), loader(2, 32))
    hparams = {**BASIC, "optimizer": "아담", **flat({"names": names})}
    note = "a slash in the checkpoint file name makes a directory"
    case.save([entry(case, logger, hparams, [note])])


def nan() -> None:
    case = Case("lightning_nan", "lightning", PACKAGES)
    L.seed_everything(7)
    inf = float("inf")
    logger = Watched(case.tree, name="lightning_logs")
    blow = {9: inf, 10: -inf, 12: float("nan"), 20: 1e300, 22: 5e-324, 23: float("nan")}
    module = Toy(lr=0.05, blow_up=blow)
    trainer_for(logger, 3, enable_checkpointing=False).fit(
        module, loader(1), loader(2, 32)
    )
    hparams = {**BASIC, **flat({"blow_up": {str(k): v for k, v in blow.items()}})}
    case.save(
        [entry(case, logger, hparams, ["last train_loss is NaN"])],
        ["float32: 1e300 becomes inf, 5e-324 becomes 0"],
    )


def no_train() -> None:
    case = Case("lightning_no_train", "lightning", PACKAGES)
    L.seed_everything(7)
    logger = Watched(case.tree, name="eval_only")
    trainer_for(logger, 1).validate(Toy(), loader(2, 32), verbose=False)
    case.save([entry(case, logger, BASIC, ["validate() only: one row, step 0"])])


if __name__ == "__main__":
    for make in (basic, sparse, restarted, resumed, tags, korean, nan, no_train):
        make()
