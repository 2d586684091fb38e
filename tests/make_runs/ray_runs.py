"""Ray Tune trials: two that finish, one that fails, late keys, NaN.

Needs: ray[tune]==2.60.0 in an environment of its own. Run: ``python
tests/make_runs/ray_runs.py``; about 30 s. Truth: what each trial reported (known in
advance: a formula), compared with result.json read line by line.

Case: ray_tune (trial folders with = and ,; result.json, progress.csv without the late
column, params.json nested, error.txt in the failed one, tfevents with the same rows).
"""

from __future__ import annotations

import json
import os

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ["RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS"] = "0"

import ray
from common import Case, Points, flat, run, same
from ray import tune

CLOCKS = (
    "timestamp",
    "time_this_iter_s",
    "time_total_s",
    "time_since_restore",
    "iterations_since_restore",
    "training_iteration",
    "pid",
    "checkpoint_dir_name",
    "done",
)


def curve(lr: float, step: int) -> dict:
    """What a trial reports at *step* (from 1)."""
    row = {"loss": lr / step, "val": {"acc": 1 - lr / step}}
    if step == 4:
        row["loss"] = float("nan")
    if step >= 3:
        row["late"] = step * 10
    return row


def trainable(config):
    """Report six rows; the largest lr crashes after three."""
    for step in range(1, 7):
        if config["lr"] > 0.5 and step == 4:
            raise RuntimeError("발산했습니다")
        tune.report(curve(config["lr"], step))


def make() -> None:
    case = Case("ray_tune", "ray", ("ray", "tensorboardX"))
    ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR")
    space = {
        "lr": tune.grid_search([0.01, 0.1, 1.0]),
        "net": {"layers": [8, 4], "act": "relu"},
        "이름": "실험",
    }
    tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(max_concurrent_trials=1),
        run_config=tune.RunConfig(
            name="exp", storage_path=str(case.tree / "ray_results"), verbose=0
        ),
    ).fit()
    ray.shutdown()
    for path in case.tree.rglob("basic-variant-state-*.json"):
        path.unlink()  # a pickle in hexadecimal, with paths of the writing machine
    runs = []
    for file in sorted(case.tree.rglob("params.json")):
        config = json.loads(file.read_text())
        failed = (file.parent / "error.txt").exists()
        points, read = Points(), Points()
        for step in range(1, 4 if failed else 7):
            row = curve(config["lr"], step)
            points.add(step, {**row, "val": None, "val/acc": row["val"]["acc"]})
        for line in (file.parent / "result.json").read_text().splitlines():
            row = json.loads(line)
            step = row["training_iteration"]
            values = {k: row[k] for k in ("loss", "late") if k in row}
            read.add(step, values | {"val/acc": row["val"]["acc"]})
        same(points.summary(), read.summary())
        runs.append(
            run(
                str(file.parent.relative_to(case.scratch)),
                points,
                flat(config),
                [],
                "failed" if failed else "finished",
                ["progress.csv lacks 'late': its columns are fixed at the first row"],
            )
        )
    case.save(
        runs,
        [
            "the same rows stand in result.json, progress.csv and the event file",
            "experiment_state-*.json, tuner.pkl: state of Tune, no run",
        ],
    )


if __name__ == "__main__":
    make()
