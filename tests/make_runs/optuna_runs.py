"""A sweep of thirty runs in parallel, chosen by Optuna, trained with numpy.

Needs: optuna==5.0.0, numpy, pandas. Run: ``python tests/make_runs/optuna_runs.py``; about
20 s. Optuna is asked for thirty trials; each trains a small network of its own, in a process
of its own, on two spirals, and writes hparams.json, metrics.csv (a row an epoch, with the
seconds since the sweep began) and, when it breaks, train.log. What came out is told to
Optuna, which has trials.csv written.

Case: optuna_sweep (three trials that differ by their seeds alone; some that diverged and
broke). Truth: what each process held in memory, and Optuna's own table of the trials.
"""

from __future__ import annotations

import csv
import json
import math
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import optuna
from common import Case, Points, run

PACKAGES = ("optuna", "numpy")
TRIALS, EPOCHS, BATCH = 30, 24, 32
KNOWN = {"lr": 0.02, "width": 16, "activation": "tanh", "momentum": 0.9}
COLUMNS = ("epoch", "seconds", "train_loss", "val_loss", "val_acc")


class DivergedError(ArithmeticError):
    """The loss of a training is no number any more."""


def space(trial: optuna.Trial) -> dict[str, object]:
    """Ask Optuna what to try."""
    return {
        "lr": trial.suggest_float("lr", 1e-4, 1.0, log=True),
        "width": trial.suggest_categorical("width", [4, 16, 48]),
        "activation": trial.suggest_categorical("activation", ["tanh", "relu"]),
        "momentum": trial.suggest_float("momentum", 0.0, 0.95, step=0.05),
    }


def spirals(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points of two spirals, and which of the two each is on."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    along = rng.uniform(0.3, 2.2, count)
    angle = along * 2.6 + label * np.pi
    points = np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1)
    return points + rng.normal(0, 0.12, points.shape), 2.0 * label - 1


class Network:
    """One hidden layer; momentum as in the textbooks."""

    def __init__(self, hparams: dict) -> None:
        rng = np.random.default_rng(hparams["seed"])
        width = hparams["width"]
        self.weights = [
            rng.normal(0, 1.0, (2, width)),
            rng.normal(0, 0.5, width),
            rng.normal(0, 1 / math.sqrt(width), width),
            np.zeros(1),
        ]
        self.speed = [np.zeros_like(weight) for weight in self.weights]
        self.lr, self.momentum = hparams["lr"], hparams["momentum"]
        self.is_relu = hparams["activation"] == "relu"

    def forward(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the hidden values and what is said of each point."""
        first, bias, second, offset = self.weights
        drive = points @ first + bias
        hidden = np.maximum(drive, 0) if self.is_relu else np.tanh(drive)
        return hidden, hidden @ second + offset[0]

    def loss(self, points: np.ndarray, label: np.ndarray) -> tuple[float, float]:
        """Return the mean squared error and the accuracy."""
        said = self.forward(points)[1]
        return float(((said - label) ** 2).mean()), float((said * label > 0).mean())

    def learn(self, points: np.ndarray, label: np.ndarray) -> None:
        """Go one step down the slope."""
        hidden, said = self.forward(points)
        wrong = 2 * (said - label) / len(label)
        slope = (hidden > 0) if self.is_relu else 1 - hidden**2
        back = np.outer(wrong, self.weights[2]) * slope
        slopes = [
            points.T @ back,
            back.sum(0),
            hidden.T @ wrong,
            wrong.sum(keepdims=True),
        ]
        for at, each in enumerate(slopes):
            self.speed[at] = self.momentum * self.speed[at] - self.lr * each
            self.weights[at] = self.weights[at] + self.speed[at]


def train(
    folder: Path, hparams: dict, began: float
) -> tuple[str, Points, float | None]:
    """Train one network; return how it ended, what it logged and its best loss."""
    folder.mkdir()
    (folder / "hparams.json").write_text(json.dumps(hparams), encoding="utf-8")
    points, logged = Points(), []
    try:
        with (folder / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(COLUMNS)
            for row in epochs(hparams, began):
                rows.writerow(row)
                file.flush()
                values = dict(zip(COLUMNS[2:], row[2:], strict=True))
                points.add(row[0], values)
                logged.append(row[3])
                check(*row[:3])
    except DivergedError:
        (folder / "train.log").write_text(traceback.format_exc(), encoding="utf-8")
        return "FAIL", points, None
    return "COMPLETE", points, min(logged)


def check(epoch: int, _: float, loss: float) -> None:
    """Give up where the loss is no number, as a careful script does."""
    if math.isnan(loss):
        raise DivergedError(f"loss is nan in epoch {epoch}")


def epochs(hparams: dict, began: float):
    """Yield a row an epoch."""
    network, rng = Network(hparams), np.random.default_rng(hparams["seed"])
    points, label = spirals(640, 1)
    held_out = spirals(320, 2)
    with np.errstate(all="ignore"):
        for epoch in range(hparams["epochs"]):
            order = rng.permutation(len(points))
            for start in range(0, len(order), BATCH):
                chosen = order[start : start + BATCH]
                network.learn(points[chosen], label[chosen])
            time.sleep(0.05)  # thirty of them share a few cores
            loss, _ = network.loss(points, label)
            val_loss, val_acc = network.loss(*held_out)
            figures = [float(f"{value:.5g}") for value in (loss, val_loss, val_acc)]
            yield (epoch, round(time.time() - began, 2), *figures)


def main() -> None:
    """Ask, train all at once, tell."""
    case = Case("optuna_sweep", "optuna", PACKAGES)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.RandomSampler(seed=7)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    for _ in range(3):
        study.enqueue_trial(KNOWN)
    trials = [study.ask() for _ in range(TRIALS)]
    folder = case.tree / "spirals"
    folder.mkdir()
    began = time.time()
    with ProcessPoolExecutor(TRIALS) as pool:
        jobs = []
        for trial in trials:
            hparams = space(trial) | {"epochs": EPOCHS, "seed": trial.number % 3}
            place = folder / f"trial_{trial.number:02}"
            jobs.append(
                (trial, place, hparams, pool.submit(train, place, hparams, began))
            )
        runs, table = [], Points()
        for trial, place, hparams, job in jobs:
            state, points, best = job.result()
            study.tell(trial, best, state=optuna.trial.TrialState[state])
            table.add(trial.number, {"value": best})
            runs.append(
                run(
                    f"tree/{place.relative_to(case.tree)}",
                    points,
                    hparams,
                    status="failed" if state == "FAIL" else "finished",
                )
            )
    study.trials_dataframe().to_csv(folder / "trials.csv", index=False)
    study_runs = run(
        "tree/spirals", table, notes=["trials.csv: the best of each trial"]
    )
    case.save([study_runs, *runs])


if __name__ == "__main__":
    main()
