"""One tick over five hundred runs of many formats, some of them damaged."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from places import RUNS
from ticking import Desk
from truth import check_run

pytestmark = pytest.mark.no_cover

MANY = 500
# Each leaves runs of its own kind, all of whose rows stand in its truth.
CASES = (
    "catboost_basic", "dvclive_basic", "fairseq_file", "fastai_single", "hf_finished",
    "hydra_single", "jsonl_numbers", "keras_basic", "lightning_basic", "mlflow_file",
    "ray_tune", "sacred", "sb3_ppo", "tb_basic", "timm_restarted", "ultralytics_detect",
)  # fmt: skip
# What a crash or an editor leaves behind a log, and what is said of it.
DAMAGES = {
    "lightning_basic": ("metrics.csv", "1,2,3,4,5,6,7,8,9\r\n", "cells"),
    "keras_basic": ("*.csv", "x;y\r\n", "cells"),
    "jsonl_numbers": ("*.jsonl", '{"step": 7, "loss\n', "JSON"),
    "tb_basic": ("events.out.tfevents*", "\0" * 64, "record"),
    "sb3_ppo": ("progress.json", "Traceback (most recent call last):\n", "JSON"),
}


@dataclass
class Forest:
    """Where each run of a tree came from, and what is wrong with it."""

    runs: dict[str, tuple[str, dict]] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)


def plant(desk: Desk) -> Forest:
    """Copy the cases side by side, one below another, until there are enough runs."""
    forest = Forest()
    copy = 0
    while len(forest.runs) < MANY:
        for case in CASES:
            name = f"team{copy % 3}/{case}/{copy:02}"
            target = desk.copy(RUNS / case / "tree", name)
            truth = json.loads((RUNS / case / "truth.json").read_text("utf-8"))
            for run in truth["runs"]:
                below = str(Path(run["path"]).relative_to("tree"))
                path = name if below == "." else f"{name}/{below}"
                forest.runs[path] = (case, run)
                if copy % 5 == 0 and case in DAMAGES and path not in forest.damaged:
                    pattern, text, about = DAMAGES[case]
                    damage(desk, desk.runs / path, pattern, text)
                    forest.damaged[path] = about
        copy += 1
    assert target.exists()
    return forest


def damage(desk: Desk, run: Path, pattern: str, text: str) -> None:
    log = min(run.rglob(pattern))
    with log.open("ab") as file:
        file.write(text.encode())
    desk.age(log, 600)


def test_five_hundred_runs_of_many_formats_are_read_right_in_one_tick(desk: Desk):
    forest = plant(desk)
    config = desk.config()

    inspected = desk.run("inspect", "--json", desk.runs).json["runs"]
    tick = desk.run("run", "-c", config, "--json")
    again = desk.run("run", "-c", config)

    by_name = {run["name"]: run for run in inspected}
    assert set(by_name) == set(forest.runs)
    for name, (case, truth) in forest.runs.items():
        check_run(case, by_name[name], truth, is_whole=True)
    assert tick.code == 0
    told = {run["name"]: run for run in tick.json["runs"]}
    assert set(told) == set(forest.runs)
    for name, run in told.items():
        values = sum(each["count"] for each in by_name[name]["metrics"].values())
        assert run["new_points"] == values
    # One line for each problem, and none for what is sound.
    for name, run in told.items():
        about = forest.damaged.get(name)
        assert len(run["problems"]) == bool(about), (name, run["problems"])
        assert about is None or about in run["problems"][0]
    assert len(forest.damaged) >= 25
    assert tick.json["problems"] == []
    assert tick.json["sent"] == 21
    assert (again.code, again.out, again.err) == (0, "", "")
