"""MMEngine work_dir: LocalVisBackend + LoggerHook, first run and resume; best checkpoint.

Needs: mmengine==0.10.7, torch==2.13.0 (CPU), in an environment of its own. Run: ``python
tests/make_runs/mmengine_runs.py``; about 15 s; seed 7. Truth: scalars.json read line by
line with json, compared with what the visualizer was given.

Case: mmengine (two timestamp folders, the second a resume from epoch 2; scalars.json and
<timestamp>.json hold the same rows; val rows have step = epoch, train rows step =
iteration; checkpoints and config.py lie in the work_dir above; three snapshots).
"""

from __future__ import annotations

import json
import os
import time

# the resume loads the checkpoint that this very script wrote
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"

import torch
from common import Case, Points, checkpoints_in, run, same
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import TensorDataset

PACKAGES = ("mmengine", "torch")
BOOKKEEPING = ("step", "iter", "epoch")
CLOCKS = ("time", "data_time")
given: list[tuple[int, dict]] = []
add_scalars = Visualizer.add_scalars


def remember(self, scalar_dict, step=0, **rest):
    """Keep what is logged, then log it."""
    given.append((step, {k: float(v) for k, v in scalar_dict.items()}))
    return add_scalars(self, scalar_dict, step, **rest)


Visualizer.add_scalars = remember


class Toy(BaseModel):
    """A linear classifier in MMEngine's manner."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 2)

    def forward(self, x, y, mode="tensor"):
        out = self.net(x)
        if mode == "loss":
            return {"loss": nn.functional.cross_entropy(out, y)}
        return out.argmax(1), y


class Accuracy(BaseMetric):
    """Share of right answers."""

    default_prefix = "toy"

    def process(self, data_batch, data_samples):
        self.results.append(float((data_samples[0] == data_samples[1]).float().mean()))

    def compute_metrics(self, results):
        return {"accuracy": sum(results) / len(results)}


def loader(seed: int, rows: int) -> dict:
    """Return a dataloader config over random points."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 4, generator=generator)
    return {
        "dataset": TensorDataset(x, (x.sum(1) > 0).long()),
        "batch_size": 8,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "collate_fn": {"type": "default_collate"},
        "num_workers": 0,
    }


class Snap(Hook):
    """Copies of the work_dir after an epoch, once the logger has written it."""

    priority = "LOWEST"

    def __init__(self, case, work):
        self.case, self.work = case, work

    def after_train_epoch(self, runner):
        entries = [read(self.case, f) for f in stamps(self.work)]
        self.case.snapshot(f"after epoch {runner.epoch}", entries)


def stamps(work) -> list:
    """Return the timestamp folders of a work_dir."""
    return sorted(f for f in work.glob("2*") if f.is_dir())


def read(case: Case, folder) -> dict:
    """Return the truth of one timestamp folder."""
    points, clocks = Points(), Points()
    file = folder / "vis_data" / "scalars.json"
    lines = file.read_text().splitlines() if file.exists() else []
    for line in lines:
        row = json.loads(line)
        points.add(row["step"], row, (*BOOKKEEPING, *CLOCKS))
        clocks.add(row["step"], {k: row[k] for k in CLOCKS if k in row})
    found = checkpoints_in(folder.parent, "*.pth")
    entry = run(str(folder.relative_to(case.scratch)), points)
    return entry | {"bookkeeping": clocks.summary(), "shared_checkpoints": found}


def make() -> None:
    case = Case("mmengine", "mmengine", PACKAGES)
    work = case.tree / "work_dirs" / "toy"
    for resume, epochs in ((False, 2), (True, 4)):
        torch.manual_seed(7)
        given.clear()
        before = set(stamps(work)) if work.exists() else set()
        runner = Runner(
            model=Toy(),
            work_dir=str(work),
            experiment_name=f"toy_{resume}",
            train_dataloader=loader(1, 64),
            train_cfg={"by_epoch": True, "max_epochs": epochs, "val_interval": 1},
            optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
            val_dataloader=loader(2, 32),
            val_cfg={},
            val_evaluator=[Accuracy()],
            default_hooks={
                "logger": {"type": "LoggerHook", "interval": 3},
                "checkpoint": {
                    "type": "CheckpointHook",
                    "interval": 1,
                    "save_best": "toy/accuracy",
                },
            },
            custom_hooks=[Snap(case, work)],
            resume=resume,
            log_level="ERROR",
            randomness={"seed": 7},
            cfg={"seed": 7, "model": {"type": "Toy"}, "lr": 0.1},
        )
        runner.train()
        (folder,) = set(stamps(work)) - before
        memory = Points()
        for step, row in given:
            memory.add(step, row, (*BOOKKEEPING, *CLOCKS))
        same(memory.summary(), read(case, folder)["metrics"], 1e-4)
        time.sleep(1.1)  # folders are named by the second
    entries = [read(case, f) for f in stamps(work)]
    case.snapshot("after the end", entries)
    case.save(
        entries,
        [
            "scalars.json and vis_data/<timestamp>.json are the same rows: count once",
            "toy/accuracy has step = epoch (1, 2, ...), loss and lr step = iteration",
            "config.py is python: not to be executed; shared_checkpoints lie in the"
            " work_dir above and belong to both folders",
        ],
    )


if __name__ == "__main__":
    make()
