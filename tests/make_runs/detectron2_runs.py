"""Real detectron2 trainings: ``metrics.json`` as JSON lines, resumed once.

Needs: Python 3.8, the sources of detectron2 0.6 (here of the sdist pb1-detectron2 0.6, a
copy by others; the compiled ``detectron2._C`` is replaced by a dummy), torch==1.12.1, torchvision==0.13.1, fvcore, tensorboard.
Run: ``python tests/make_runs/detectron2_runs.py``; 30 s. What is driven: ``default_setup``
and ``DefaultTrainer`` with its own hooks and writers, each start in a process of its own;
the model, the data loader and the evaluator are small ones of this script. Truth: what is
put into `EventStorage`, smoothed as JSONWriter does (median of the last 20 where it was
said to be noisy); a plain reading of the lines must agree.

Cases: detectron2 (evaluations at iterations that are not written, NaN, crashed and
resumed: orphans; event files beside it).
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
import subprocess
import sys
import types
from pathlib import Path

from common import Case, Points, checkpoints_in, flat, run, same

CLOCKS = ("data_time", "time", "eta_seconds")
ITERATIONS, EVAL_PERIOD, SAVE_PERIOD, CRASH = 100, 25, 40, 73
NOTES = [
    "evaluations (every 25) come with the row written next (every 20), as own lines",
    "resumed after iteration 39; iterations from there on that the first start wrote "
    "are orphans",
    "SOLVER.STEPS and other tuples are !!python/tuple or lists: any text is right",
]


def child(output: str, notes: str, crash: int) -> None:
    """Train until the end or until the loss of iteration *crash* cannot be had."""
    socket.gethostname = lambda: "node7"  # event files are named after it
    compiled = types.ModuleType("detectron2._C")
    compiled.get_compiler_version = lambda: "none"
    compiled.has_cuda = lambda: False
    compiled.get_cuda_version = lambda: "none"
    sys.modules["detectron2._C"] = compiled
    from PIL import Image

    Image.LINEAR = Image.BILINEAR  # gone from newer Pillow
    import torch
    from detectron2.config import get_cfg
    from detectron2.engine import DefaultTrainer, default_setup
    from detectron2.evaluation import DatasetEvaluator
    from detectron2.modeling import META_ARCH_REGISTRY
    from detectron2.utils.events import EventStorage, get_event_storage

    put = EventStorage.put_scalar

    def noted(self, name, value, smoothing_hint=True):
        put(self, name, value, smoothing_hint)
        row = [self.iter, name, float(value), smoothing_hint]
        with Path(notes).open("a") as file:
            file.write(json.dumps(row) + "\n")

    EventStorage.put_scalar = noted

    @META_ARCH_REGISTRY.register()
    class Tiny(torch.nn.Module):
        def __init__(self, cfg):
            super().__init__()
            self.net = torch.nn.Linear(3, 1)

        def forward(self, batch):
            if not self.training:
                return batch
            storage = get_event_storage()
            if storage.iter == crash:
                raise RuntimeError("CUDA error: device-side assert triggered")
            error = (self.net(batch)[:, 0] - batch.sum(1)) ** 2
            storage.put_scalar("tiny/num_fg", 3.0 + storage.iter % 4)
            return {"loss_cls": error.mean(), "loss_box_reg": error.max() * 0.1}

    class Evaluator(DatasetEvaluator):
        def reset(self):
            self.seen = 0

        def process(self, inputs, outputs):
            self.seen += len(inputs)

        def evaluate(self):
            at = get_event_storage().iter
            ap = {"AP": 0.25 * at, "AP50": 0.5 * at, "AP-누수": float("nan")}
            return {"bbox": ap}

    def batches(seed: int, count: int | None) -> list:
        rng = torch.Generator().manual_seed(seed)
        return [torch.randn(8, 3, generator=rng) for _ in range(count)]

    class Trainer(DefaultTrainer):
        @classmethod
        def build_train_loader(cls, cfg):
            return batches(7, ITERATIONS)

        @classmethod
        def build_test_loader(cls, cfg, dataset_name):
            return batches(8, 2)

        @classmethod
        def build_evaluator(cls, cfg, dataset_name):
            return Evaluator()

    cfg = get_cfg()
    cfg.merge_from_list(
        ["MODEL.META_ARCHITECTURE", "Tiny", "MODEL.DEVICE", "cpu", "OUTPUT_DIR", output,
         "MODEL.WEIGHTS", "", "DATASETS.TEST", ("tiny_val",), "SEED", 7,
         "SOLVER.MAX_ITER", ITERATIONS, "SOLVER.BASE_LR", 0.01, "SOLVER.STEPS", (60, 80),
         "SOLVER.CHECKPOINT_PERIOD", SAVE_PERIOD, "SOLVER.WARMUP_ITERS", 10,
         "TEST.EVAL_PERIOD", EVAL_PERIOD]
    )  # fmt: skip
    default_setup(cfg, argparse.Namespace(config_file="", eval_only=False))
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=True)
    trainer.train()


def written(rows: list[list]) -> list[tuple[int, dict]]:
    """Return the lines that JSONWriter makes of what one start put into its storage."""
    history: dict[str, list[float]] = {}
    latest: dict[str, tuple[int, bool]] = {}
    lines: list[tuple[int, dict]] = []
    last_write = -1

    def write() -> None:
        nonlocal last_write
        found: dict[int, dict] = {}
        for name, (at, noisy) in latest.items():
            if at > last_write:
                past = history[name]
                value = statistics.median(past[-20:]) if noisy else past[-1]
                found.setdefault(at, {})[name] = value
        last_write = max(found, default=last_write)
        lines.extend(found.items())

    for number, (at, name, value, noisy) in enumerate(rows):
        history.setdefault(name, []).append(value)
        latest[name] = (at, noisy)
        ends = number + 1 == len(rows) or rows[number + 1][0] != at
        if ends and ((at + 1) % 20 == 0 or at == ITERATIONS - 1):
            write()
    write()
    return lines


def case() -> None:
    made = Case("detectron2", "detectron2", ("torch", "fvcore", "tensorboard"))
    made.versions["detectron2"] = "0.6"
    output = made.tree / "output"
    lines: list[tuple[int, dict]] = []

    def train(start: int, crash: int) -> None:
        notes = made.scratch / f"notes{start}.jsonl"
        words = [sys.executable, str(Path(__file__).resolve()), "child", "output"]
        ended = subprocess.run(
            [*words, str(notes), str(crash)],
            cwd=made.tree,
            capture_output=True,
            text=True,
            check=False,
        )
        crashed = "device-side assert" in ended.stderr
        if crashed != (crash >= 0) or (ended.returncode and not crashed):
            raise RuntimeError(ended.stderr[-3000:])
        rows = [json.loads(line) for line in notes.read_text().splitlines()]
        lines.extend(written(rows))

    def entry() -> dict:
        log = output / "log.txt"  # names the compiler that PyTorch was built with
        log.write_text(re.sub(r"(CXX_COMPILER=)\S*/", r"\1", log.read_text()))
        said, clocks, plain = Points(), Points(), Points()
        for at, row in lines:
            said.add(at, row, CLOCKS)
            clocks.add(at, {k: row[k] for k in CLOCKS if k in row})
        for line in (output / "metrics.json").read_text().splitlines():
            row = json.loads(line)
            plain.add(row["iteration"], row, (*CLOCKS, "iteration"))
        same(said.summary(), plain.summary(), 1e-12)
        import yaml

        text = (output / "config.yaml").read_text().replace("!!python/tuple", "")
        config = flat(yaml.safe_load(text))
        plainly = {k: v for k, v in config.items() if not isinstance(v, (list, dict))}
        found = checkpoints_in(output, "*.pth")
        side = {"bookkeeping": clocks.summary()}
        return run("tree/output", said, plainly, found, None, NOTES, **side)

    train(0, CRASH)
    made.snapshot(f"crashed at iteration {CRASH}", [entry()])
    train(1, -1)
    made.save([entry()])


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        case()
