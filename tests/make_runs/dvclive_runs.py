"""DVCLive runs: new run, Korean names and NaN strings, resumed.

Needs: dvclive==3.49.1 (with dvc). Run: ``python tests/make_runs/dvclive_runs.py``; about
10 s; nothing random. Truth: the values logged, compared with a csv reading of the tsv.

Cases: dvclive_basic (train and val metrics, four snapshots), dvclive_odd (Korean and
spaced names, nan and inf stored as strings in metrics.json), dvclive_resumed
(Live(resume=True): steps go on).
"""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path

os.environ["DVCLIVE_LOGLEVEL"] = "ERROR"
os.environ["DVC_NO_ANALYTICS"] = "1"

from common import Case, Points, csv_points, flat, run, same
from dvclive import Live

logging.disable(logging.CRITICAL)
PACKAGES = ("dvclive", "dvc")


def read(folder: Path) -> dict:
    """Return the truth of all tsv files, named by their path."""
    root = folder / "plots" / "metrics"
    found = {}
    for path in sorted(root.rglob("*.tsv")):
        name = str(path.relative_to(root).with_suffix(""))
        points = csv_points(path, "step", ("timestamp",), sep="\t").summary()
        (found[name],) = points.values()
    return found


def live(folder: Path, **more) -> Live:
    """Return a Live that writes files only: no DVC experiment, no report."""
    return Live(str(folder), save_dvc_exp=False, report=None, dvcyaml=None, **more)


def basic() -> None:
    case = Case("dvclive_basic", "dvclive", PACKAGES)
    folder = case.tree / "dvclive"
    hparams = {"lr": 0.003, "optim": "adamw", "model": {"layers": 3, "drop": 0.1}}
    points = Points()
    with live(folder) as board:
        board.log_params(hparams)
        for step in range(12):
            row = {"train/loss": math.exp(-step / 4), "lr": 0.003 * 0.9**step}
            if step % 4 == 3:
                row["val/acc"] = 1 - math.exp(-step / 6)
            for name, value in row.items():
                board.log_metric(name, value)
            points.add(step, row)
            board.next_step()
            if step in (0, 3, 7):
                entry = run("tree/dvclive", read(folder), flat(hparams))
                case.snapshot(f"after step {step}", [entry])
        board.summary["best_acc"] = 0.97
    truth = points.summary()
    same(truth, read(folder))
    notes = ["metrics.json nests on '/' and has last values, 'step' and best_acc"]
    entry = run("tree/dvclive", truth, flat(hparams), [], None, notes)
    summary_only = Points()
    summary_only.add(11, {"best_acc": 0.97})
    entry["optional"] = summary_only.summary()
    case.snapshot("after the end", [entry])
    case.save([entry])


def odd() -> None:
    case = Case("dvclive_odd", "dvclive", PACKAGES)
    folder = case.tree / "실험" / "dvclive"
    hparams = {"학습률": 0.01, "이름": "첫 실험", "warmup": None}
    points = Points()
    with live(folder) as board:
        board.log_params(hparams)
        values = [0.5, float("nan"), float("inf"), 0.25, -float("inf"), float("nan")]
        for step, value in enumerate(values):
            row = {"학습/손실": value, "val loss (mean)": 1.0 / (step + 1)}
            if step >= 3:
                row["late/a/b"] = step * 0.5
            for name, number in row.items():
                board.log_metric(name, number)
            points.add(step, row)
            board.next_step()
    truth = points.summary()
    same(truth, read(folder))
    case.save([run("tree/실험/dvclive", truth, flat(hparams))])


def resumed() -> None:
    case = Case("dvclive_resumed", "dvclive", PACKAGES)
    folder = case.tree / "dvclive"
    points = Points()
    for number, steps in enumerate((5, 8)):
        with live(folder, resume=bool(number)) as board:
            board.log_params({"lr": 0.1 if number == 0 else 0.01})
            for _ in range(steps):
                row = {"loss": 1.0 / (board.step + 1)}
                board.log_metric("loss", row["loss"])
                points.add(board.step, row)
                board.next_step()
        truth = points.summary()
        hparams = {"lr": 0.1 if number == 0 else 0.01}
        case.snapshot(f"process {number}", [run("tree/dvclive", truth, hparams)])
    same(truth, read(folder))
    case.save(
        [run("tree/dvclive", truth, hparams, [], None, ["lr changed: 0.1 -> 0.01"])]
    )


if __name__ == "__main__":
    basic()
    odd()
    resumed()
