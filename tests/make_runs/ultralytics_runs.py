"""Ultralytics detection training: results.csv, args.yaml, weights/.

Needs: ultralytics==8.4.190 (opencv-python-headless), torch, torchvision, in an environment
of its own. Run: ``python tests/make_runs/ultralytics_runs.py``; about 60 s; seed 0, eight
drawn 32-pixel images, the smallest model with random weights. Truth: results.csv read
with csv (values are rounded on writing), names compared with the trainer's metrics.

Cases: ultralytics_detect (train, train-2 dead before its first epoch; three snapshots).
By format: yolov5_padded (``%20s`` and ``%20.5g`` padded names and values, 0-based epoch,
opt.yaml and hyp.yaml, after utils/loggers), ultralytics_old (``%23s``/``%23.5g``, 14
columns, nan, a restart that repeats the epochs, after engine/trainer.py before 8.2.60).
"""

from __future__ import annotations

import os

os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_VERBOSE"] = "false"

import csv
import shutil

import numpy as np
import yaml
from common import Case, Points, checkpoints_in, csv_points, flat, is_number, run

LEFT = ("epoch", "time")


def dataset(case: Case):
    """Draw eight images with a box each; return the data.yaml."""
    from PIL import Image

    root = case.scratch / "dataset"
    random = np.random.default_rng(7)
    for part in ("train", "val"):
        (root / "images" / part).mkdir(parents=True)
        (root / "labels" / part).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 90, (32, 32, 3), dtype=np.uint8)
            pixels[8:24, 8:24] = 250
            image = root / "images" / part / f"{number}.png"
            Image.fromarray(pixels).save(image)
            label = root / "labels" / part / f"{number}.txt"
            label.write_text("0 0.5 0.5 0.5 0.5\n")
    file = root / "data.yaml"
    text = {"path": str(root), "train": "images/train", "val": "images/val"}
    file.write_text(yaml.safe_dump(text | {"names": {0: "square"}}))
    return file


def entry(case: Case, folder) -> dict:
    """Return the truth of one run folder."""
    args = yaml.safe_load((folder / "args.yaml").read_text())
    for key, value in args.items():
        if isinstance(value, str):
            args[key] = value.replace(str(case.scratch / "tree"), "@tree@")
            args[key] = args[key].replace(str(case.scratch), "/data/expruns")
            args[key] = args[key].replace("@tree@", f"/data/expruns/{case.name}")
    file = folder / "results.csv"
    points = csv_points(file, "epoch", LEFT) if file.exists() else Points()
    found = checkpoints_in(folder, "*.pt")
    return run(str(folder.relative_to(case.scratch)), points, flat(args), found)


def detect() -> None:
    from ultralytics import YOLO

    case = Case("ultralytics_detect", "ultralytics", ("ultralytics", "torch"))
    project = case.tree / "runs" / "detect"
    seen: list[set] = []

    def on_fit_epoch_end(trainer):
        seen.append(set(trainer.metrics))
        folder = project / "train"
        case.snapshot(f"epoch {trainer.epoch + 1} fitted", [entry(case, folder)])

    data = dataset(case)
    model = YOLO("yolo11n.yaml")
    model.add_callback("on_fit_epoch_end", on_fit_epoch_end)
    settings = {
        "data": str(data),
        "imgsz": 32,
        "batch": 4,
        "device": "cpu",
        "workers": 0,
        "plots": False,
        "project": str(project),
        "seed": 0,
        "deterministic": True,
    }
    model.train(epochs=3, save_period=1, **settings)
    dead = YOLO("yolo11n.yaml")

    def stop(trainer):
        raise KeyboardInterrupt

    dead.add_callback("on_train_batch_end", stop)
    try:
        dead.train(epochs=3, **settings)
    except KeyboardInterrupt:
        pass
    for junk in [*case.tree.rglob("*.png"), *case.tree.rglob("*.jpg")]:
        junk.unlink()
    folders = sorted(f.parent for f in case.tree.rglob("args.yaml"))
    runs = [entry(case, f) for f in folders]
    if not seen[0] <= set(runs[0]["metrics"]):
        raise AssertionError(seen[0] - set(runs[0]["metrics"]))
    runs[1]["notes"].append("died before epoch 1: only args.yaml (and weights/)")
    case.save(runs, ["epoch counts from 1; epoch0.pt from 0", "time is wall clock"])


def padded(name: str, width: int, columns: list[str], *, restart: bool) -> None:
    """Write results.csv as the old padded writers do."""
    case = Case(name, "yolov5" if width == 20 else "ultralytics (by format)")
    folder = case.tree / "runs" / "train" / "exp"
    (folder / "weights").mkdir(parents=True)
    for weight in ("best.pt", "last.pt"):
        (folder / "weights" / weight).write_bytes(b"PK\x03\x04" + bytes(60))
    first = 0 if width == 20 else 1
    lines = [("%{0}s,".format(width) * len(columns) % tuple(columns)).rstrip(",")]
    epochs = list(range(first, first + 8))
    if restart:
        epochs += range(first + 5, first + 12)
    for number, epoch in enumerate(epochs):
        values = [epoch]
        for i, column in enumerate(columns[1:], 1):
            value = (1 + i / 7) / (number + 2)
            if restart and number == 3 and "val/" in column:
                value = float("nan")
            values.append(value)
        row = "%{0}.5g,".format(width) * len(columns) % tuple(values)
        lines.append(row.rstrip(","))
    (folder / "results.csv").write_text("\n".join(lines) + "\n")
    points = Points()
    with (folder / "results.csv").open(newline="") as file:
        rows = [[c.strip() for c in row] for row in csv.reader(file)]
    for row in rows[1:]:
        cells = dict(zip(rows[0], row, strict=True))
        epoch = float(cells.pop("epoch"))
        points.add(epoch, {k: float(v) for k, v in cells.items() if is_number(v)})
    if width == 20:
        opt = {"epochs": 8, "batch_size": 16, "imgsz": 640, "weights": "yolov5s.pt"}
        hyp = {"lr0": 0.01, "lrf": 0.01, "momentum": 0.937, "box": 0.05}
        (folder / "opt.yaml").write_text(yaml.safe_dump(opt, sort_keys=False))
        (folder / "hyp.yaml").write_text(yaml.safe_dump(hyp, sort_keys=False))
        hparams = opt | hyp
    else:
        hparams = {"task": "detect", "mode": "train", "epochs": 12, "lr0": 0.01}
        (folder / "args.yaml").write_text(yaml.safe_dump(hparams, sort_keys=False))
    found = checkpoints_in(folder, "*.pt")
    case.save(
        [run("tree/runs/train/exp", points, hparams, found)],
        ["written by hand with the old writer's format strings; weights are dummies"],
    )


BOX = ["train/box_loss", "train/obj_loss", "train/cls_loss"]
MAPS = ["precision", "recall", "mAP_0.5", "mAP_0.5:0.95"]
V5 = ["epoch", *BOX, *(f"metrics/{m}" for m in MAPS)]
V5 += ["val/box_loss", "val/obj_loss", "val/cls_loss", "x/lr0", "x/lr1", "x/lr2"]
BOX8 = ["train/box_loss", "train/cls_loss", "train/dfl_loss"]
MAPS8 = ["precision(B)", "recall(B)", "mAP50(B)", "mAP50-95(B)"]
V8 = ["epoch", *BOX8, *(f"metrics/{m}" for m in MAPS8)]
V8 += ["val/box_loss", "val/cls_loss", "val/dfl_loss", "lr/pg0", "lr/pg1", "lr/pg2"]

if __name__ == "__main__":
    padded("yolov5_padded", 20, V5, restart=False)
    padded("ultralytics_old", 23, V8, restart=True)
    detect()
