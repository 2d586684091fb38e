"""Sacred FileStorageObserver runs: COMPLETED, FAILED, INTERRUPTED.

Needs: sacred==0.8.7, setuptools<81. Run: ``python tests/make_runs/sacred_runs.py``;
about 5 s. Truth: the values given to log_scalar; the status is how each run was ended.

Case: sacred (four runs: 1 COMPLETED, 2 FAILED with NaN, 3 INTERRUPTED, 4 still RUNNING as a
killed process leaves it, made by setting the status back by hand; _sources/ is no run).
"""

from __future__ import annotations

import json
import logging

from common import Case, Points, run
from sacred import SETTINGS, Experiment
from sacred.observers import FileStorageObserver

logging.disable(logging.CRITICAL)
SETTINGS.HOST_INFO.INCLUDE_GPU_INFO = False
SETTINGS.HOST_INFO.INCLUDE_CPU_INFO = False
SETTINGS.CAPTURE_MODE = "no"


def make() -> None:
    case = Case("sacred", "sacred", ("sacred",))
    folder = case.tree / "sacred_runs"
    hparams = {"lr": 0.01, "이름": "실험", "net": {"layers": [8, 4], "act": "relu"}}
    runs = []
    ends = ["COMPLETED", "FAILED", "INTERRUPTED", "RUNNING"]
    for number, end in enumerate(ends, 1):
        points = Points()
        ex = Experiment("toy", interactive=True, save_git_info=False)
        ex.observers.append(FileStorageObserver(str(folder)))
        ex.add_config({**hparams, "end": end, "seed": 7})

        @ex.main
        def main(_run, end, lr, points=points, ex=ex):
            for step in range(6):
                value = (
                    float("nan") if end == "FAILED" and step == 4 else lr / (step + 1)
                )
                at = step + 0.5 if end == "INTERRUPTED" else step
                for name, number in (("train.loss", value), ("검증/정확도", step / 6)):
                    ex.log_scalar(name, number, at)
                    points.add(at, {name: float(number)})
            if end == "FAILED":
                raise ValueError("손실이 발산했습니다")
            if end == "INTERRUPTED":
                raise KeyboardInterrupt
            return 0.75

        try:
            ex.run()
        except (ValueError, KeyboardInterrupt):
            pass
        file = folder / str(number) / "run.json"
        state = json.loads(file.read_text())
        if end == "RUNNING":
            state["status"] = "RUNNING"
            state.update(stop_time=None, result=None)
            file.write_text(json.dumps(state, indent=2, sort_keys=True))
        assert state["status"] == end
        word = {"COMPLETED": "finished"}.get(end, end.lower())
        flat_hparams = {
            "lr": 0.01,
            "이름": "실험",
            "net.layers": [8, 4],
            "net.act": "relu",
            "end": end,
            "seed": 7,
        }
        runs.append(run(f"tree/sacred_runs/{number}", points, flat_hparams, [], word))
    for path in (folder / "_sources").iterdir():
        path.write_text("# the training script, left out here\n")
    case.save(runs, ["_sources/ beside the runs is no run"])


if __name__ == "__main__":
    make()
