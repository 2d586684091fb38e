"""Keras CSVLogger runs: comma, semicolon, second fit appended, late validation, NaN.

Needs: keras==3.15.1, torch==2.13.0 (CPU, the backend), h5py. Run: ``python
tests/make_runs/keras_runs.py``; about 20 s. Model: one dense layer on 64 random
points, seed 7. Truth: ``History.history`` in memory, compared with a csv reading.

Cases: keras_basic (five growth snapshots, the first with a file of 0 bytes),
keras_semicolon (separator ``;``, NaN and inf, Korean metric name), keras_append
(append=True, second fit restarts at epoch 0 while the first had 3: orphans),
keras_late_val (no validation in epoch 0: the header is guessed and filled with NA).
"""

from __future__ import annotations

import csv
import json
import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from common import Case, Points, checkpoints_in, csv_points, run, same

PACKAGES = ("keras", "torch", "numpy")


def data(seed: int, rows: int):
    """Return random points labelled by a plane."""
    x = np.random.default_rng(seed).normal(size=(rows, 4)).astype("float32")
    return x, (x.sum(1) > 0).astype("int64")


def toy(lr: float, metrics=("accuracy",)):
    """Return a compiled one-layer classifier, seeded."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile(
        keras.optimizers.Adam(lr),
        "sparse_categorical_crossentropy",
        metrics=list(metrics),
    )
    return model


def remember(points: Points, history) -> None:
    """Add what Keras kept in memory, metric by metric."""
    for number, epoch in enumerate(history.epoch):
        values = {k: float(v[number]) for k, v in history.history.items()}
        points.add(epoch, values)


class Snap(keras.callbacks.Callback):
    """Copies of the folder while it grows (placed after CSVLogger in the list)."""

    def __init__(self, case, folder, file, **reading):
        super().__init__()
        self.case, self.folder, self.file = case, folder, file
        self.reading = reading

    def take(self, when):
        path = self.folder / self.file
        points = csv_points(path, "epoch", **self.reading)
        rel = str(self.folder.relative_to(self.case.scratch))
        found = checkpoints_in(self.folder, "*.h5", "*.keras")
        hparams = json.loads((self.folder / "hparams.json").read_text("utf-8"))
        self.case.snapshot(when, [run(rel, points, hparams, found)])

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1 and not self.case.snapshots:
            self.take("in epoch 0: the file is there, 0 bytes")

    def on_epoch_end(self, epoch, logs=None):
        if epoch in (0, 1, 3):
            self.take(f"after epoch {epoch}")


def start(name: str, folder: str, hparams: dict):
    """Return a case and its run folder with a hand-written hparams.json."""
    case = Case(name, "keras", PACKAGES)
    run_dir = case.tree / folder
    run_dir.mkdir()
    text = json.dumps(hparams, indent=2, ensure_ascii=False)
    (run_dir / "hparams.json").write_text(text, encoding="utf-8")
    return case, run_dir


def basic() -> None:
    hparams = {"lr": 0.02, "batch_size": 16, "epochs": 5, "optimizer": "adam"}
    case, run_dir = start("keras_basic", "keras_run", hparams)
    model, points = toy(0.02), Points()
    (run_dir / "ckpt").mkdir()
    lines: list[str] = []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    (run_dir / "model_summary.txt").write_text("\n".join(lines), encoding="utf-8")
    callbacks = [
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=1),
        keras.callbacks.ModelCheckpoint(
            str(run_dir / "ckpt" / "weights.{epoch:02d}.weights.h5"),
            save_weights_only=True,
        ),
        keras.callbacks.CSVLogger(str(run_dir / "training_log.csv")),
        Snap(case, run_dir, "training_log.csv"),
    ]
    history = model.fit(
        *data(1, 64),
        batch_size=16,
        epochs=5,
        verbose=0,
        validation_data=data(2, 32),
        callbacks=callbacks,
    )
    model.save(run_dir / "final.keras")
    remember(points, history)
    truth = points.summary()
    same(truth, csv_points(run_dir / "training_log.csv", "epoch").summary())
    found = checkpoints_in(run_dir, "*.h5", "*.keras")
    notes = ["epoch starts at 0, checkpoint names at 1", "learning_rate is a metric"]
    entry = run("tree/keras_run", truth, hparams, found, None, notes)
    case.snapshot("after the end", [entry])
    case.save([entry])


class Odd(keras.callbacks.Callback):
    """Puts non-finite values and a Korean name into the logs, as a user would."""

    def on_epoch_end(self, epoch, logs=None):
        logs["학습률 점수"] = [1.5, float("nan"), float("inf"), float("nan")][epoch]


def semicolon() -> None:
    hparams = {"lr": 0.02, "epochs": 4, "이름": "세미콜론"}
    case, run_dir = start("keras_semicolon", "실행_1", hparams)
    points = Points()
    history = toy(0.02).fit(
        *data(1, 64),
        epochs=4,
        verbose=0,
        validation_data=data(2, 32),
        callbacks=[
            Odd(),
            keras.callbacks.CSVLogger(str(run_dir / "log.csv"), separator=";"),
        ],
    )
    remember(points, history)
    read = csv_points(run_dir / "log.csv", "epoch", sep=";").summary()
    truth = points.summary()
    if set(truth) == set(read):
        same(truth, read)
    case.save([run("tree/실행_1", read, hparams)], ["separator is ';'"])


def append() -> None:
    hparams = {"lr": 0.02, "epochs": 3}
    case, run_dir = start("keras_append", "keras_run", hparams)
    model, points = toy(0.02), Points()
    for epochs in (3, 5):
        logger = keras.callbacks.CSVLogger(str(run_dir / "log.csv"), append=True)
        history = model.fit(
            *data(1, 64),
            epochs=epochs,
            verbose=0,
            validation_data=data(2, 32),
            callbacks=[logger],
        )
        remember(points, history)
        read = csv_points(run_dir / "log.csv", "epoch")
        entry = run("tree/keras_run", read, hparams)
        case.snapshot(f"after fit of {epochs} epochs", [entry])
    truth = points.summary()
    same(truth, read.summary())
    notes = ["rows: epochs 0,1,2 then 0,1,2,3,4 and no second header"]
    case.save([run("tree/keras_run", truth, hparams, [], None, notes)])


def late_val() -> None:
    hparams = {"lr": 0.02, "epochs": 5, "validation_freq": 2}
    case, run_dir = start("keras_late_val", "keras_run", hparams)
    points = Points()
    history = toy(0.02).fit(
        *data(1, 64),
        epochs=5,
        verbose=0,
        validation_data=data(2, 32),
        validation_freq=2,
        callbacks=[keras.callbacks.CSVLogger(str(run_dir / "log.csv"))],
    )
    for number in range(5):
        names = ("loss", "accuracy")
        points.add(number, {k: history.history[k][number] for k in names})
    for number, epoch in enumerate((1, 3)):
        names = ("val_loss", "val_accuracy")
        points.add(epoch, {k: history.history[k][number] for k in names})
    truth = points.summary()
    same(truth, csv_points(run_dir / "log.csv", "epoch").summary())
    with (run_dir / "log.csv").open(newline="") as file:
        header = next(csv.reader(file))
    notes = [f"header {','.join(header)}; NA where nothing was measured"]
    case.save([run("tree/keras_run", truth, hparams, [], None, notes)])


if __name__ == "__main__":
    for make in (basic, semicolon, append, late_val):
        make()
