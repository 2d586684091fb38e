"""Logs of frameworks written after their source: detectron2, AllenNLP; Composer.

Needs: nothing (detectron2, AllenNLP: by format); composer needs mosaicml==0.32.1
and drives its FileLogger by hand. Run: ``python tests/make_runs/text_log_runs.py [composer]``;
1 s. Truth: the values formatted into the lines.

Cases: detectron2 (metrics.json as JSONL, sorted keys, overlap after resume, eval row out of
order, NaN; after utils/events.py JSONWriter), allennlp (metrics_epoch_N.json with N up to
11, metrics.json, config.json; after training/gradient_descent_trainer.py), allennlp_running
(no metrics.json), composer (logs-rank0.txt).
"""

from __future__ import annotations

import json
import math
import sys
from types import SimpleNamespace

from common import Case, Points, flat, run

CLOCKS = ("data_time", "time", "eta_seconds", "rank_data_time")
DUMMY = b"PK\x03\x04" + bytes(60)


def detectron2() -> None:
    case = Case("detectron2", "detectron2 (by format)")
    folder = case.tree / "output"
    folder.mkdir()
    points, clocks, lines = Points(), Points(), []

    def write(iteration: int, **row) -> None:
        lines.append(json.dumps({"iteration": iteration, **row}, sort_keys=True))
        points.add(iteration, row, CLOCKS)
        clocks.add(iteration, {k: row[k] for k in CLOCKS if k in row})

    def train(iteration: int, scale: float = 1.0) -> None:
        total = scale * math.exp(-iteration / 60)
        write(
            iteration,
            data_time=0.002,
            eta_seconds=float(200 - iteration),
            loss_cls=total * 0.6,
            loss_box_reg=float("nan") if iteration == 39 else total * 0.4,
            lr=0.02,
            time=0.1,
            total_loss=total,
        )

    for iteration in (19, 39, 59):
        train(iteration)
    write(49, **{"bbox/AP": 12.5, "bbox/AP50": 30.25})  # evaluated late, written late
    for iteration in (79, 99):
        train(iteration)
    write(99, **{"bbox/AP": 20.5, "bbox/AP50": 41.0})
    case_lines = "\n".join(lines) + "\n"
    (folder / "metrics.json").write_text(case_lines)
    entry = run("tree/output", points, {}, [], bookkeeping=clocks.summary())
    case.snapshot("before the crash", [entry])
    for iteration in (79, 99, 119):  # resumed from the checkpoint at 59
        train(iteration, 0.9)
    (folder / "metrics.json").write_text("\n".join(lines) + "\n")
    (folder / "last_checkpoint").write_text("model_final.pth")
    for name in ("model_0000059.pth", "model_final.pth"):
        (folder / name).write_bytes(DUMMY)
    config = (
        "MODEL:\n  WEIGHTS: ''\nSOLVER:\n  BASE_LR: 0.02\n  STEPS: !!python/tuple\n"
    )
    (folder / "config.yaml").write_text(config + "  - 60\n  - 80\nSEED: 7\n")
    hparams = {"MODEL.WEIGHTS": "", "SOLVER.BASE_LR": 0.02, "SEED": 7}
    found = ["model_0000059.pth", "model_final.pth"]
    notes = [
        "iteration 49 (bbox/*) stands after 59: other metrics, no resume of theirs",
        "train rows restart at 79: 79 and 99 of the first process are orphans",
        "SOLVER.STEPS is a python tuple tag: any text or list is right",
    ]
    entry = run("tree/output", points, hparams, found, None, notes)
    case.save([entry | {"bookkeeping": clocks.summary()}])


def allennlp(name: str, epochs: int, *, done: bool) -> None:
    case = Case(name, "allennlp (by format)")
    folder = case.tree / "serialization"
    folder.mkdir()
    points = Points()
    config = {
        "dataset_reader": {"type": "sst"},
        "trainer": {"num_epochs": 12, "optimizer": {"type": "adam", "lr": 0.001}},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    best = {}
    for epoch in range(epochs):
        row = {
            "best_epoch": max(0, epoch - 1),
            "peak_worker_0_memory_MB": 512.5,
            "training_duration": f"0:00:{epoch + 1:02}.123456",
            "epoch": epoch,
            "training_accuracy": 1 - 0.5**epoch,
            "training_loss": 0.7 * 0.8**epoch,
            "validation_accuracy": float("nan") if epoch == 3 else 1 - 0.6**epoch,
            "validation_loss": 0.72 * 0.85**epoch,
        }
        best = {"best_validation_loss": row["validation_loss"]}
        row |= best
        text = json.dumps(row, indent=2)
        (folder / f"metrics_epoch_{epoch}.json").write_text(text)
        points.add(epoch, row, ("epoch", "best_epoch"))
    last = row
    truth = points.summary()
    side = ("peak_worker_0_memory_MB", "best_validation_loss")
    optional = {k: truth.pop(k) for k in side}
    (folder / "out.log").write_text("2026-11-02 10:15:00 - INFO - epoch 0\n")
    found = []
    if done:
        (folder / "metrics.json").write_text(json.dumps(last, indent=2))
        (folder / "best.th").write_bytes(DUMMY)
        (folder / "model.tar.gz").write_bytes(b"\x1f\x8b" + bytes(60))
        found = ["best.th"]
    entry = run(
        "tree/serialization",
        truth,
        flat(config),
        found,
        "finished" if done else "running",
        ["sort N as a number: 10 comes after 9", "training_duration is text: clock"],
        optional=optional,
        optional_checkpoints=["model.tar.gz"] if done else [],
    )
    case.save([entry], ["written by hand after the trainer's source"])


def composer() -> None:
    from composer.loggers import FileLogger
    from composer.loggers.logger import format_log_data_value as shown

    case = Case("composer", "composer", ("mosaicml",))
    logger = FileLogger(
        str(case.tree / "{run_name}" / "logs-rank{rank}.txt"),
        capture_stdout=False,
        capture_stderr=False,
    )
    logger.init(SimpleNamespace(run_name="1790000000-wise-crab"), None)
    points = Points()
    hparams = {"lr": 0.01, "이름": "실험", "optimizer": "SGD"}
    logger.log_hyperparameters(hparams)
    logger.log_traces({"algorithm_traces/none": "no"})
    logger.write("[stdout]: ", "a line: 3\n")
    for step in range(12):
        value = float("nan") if step == 7 else 1 / (step + 1)
        row = {"loss/train/total": value, "trainer/batch_idx": step}
        if step % 4 == 3:
            row["metrics/eval/Accuracy"] = step / 12
        logger.log_metrics(row, step)
        points.add(step, {k: float(shown(v)) for k, v in row.items()})
    table = json.dumps({"columns": ["a", "b"], "data": [[1, 2]]})
    logger.write("[table]: ", f"table: {table}\n")
    logger.file.close()
    logger.file = None
    truth = points.summary()
    side = {"trainer/batch_idx": truth.pop("trainer/batch_idx")}
    folder = next(case.tree.iterdir())
    entry = run(f"tree/{folder.name}", truth, hparams, bookkeeping=side)
    notes = [
        "Composer's FileLogger driven by hand, no Trainer",
        "numbers are printed with four decimals, texts as JSON (in quotes)",
    ]
    case.save([entry], notes)


if __name__ == "__main__":
    if sys.argv[1:] == ["composer"]:
        composer()
    else:
        detectron2()
        allennlp("allennlp", 12, done=True)
        allennlp("allennlp_running", 4, done=False)
