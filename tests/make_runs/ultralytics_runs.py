"""Ultralytics and YOLOv5 detection training: results.csv, args.yaml, weights/.

Needs: numpy, pyyaml, pillow, and for ultralytics_detect ultralytics==8.4.190
(opencv-python-headless), torch, torchvision. The old ones run in a second environment
(Python 3.8, torch==1.12.1, torchvision==0.13.1, ultralytics==8.0.200, yolov5==7.0.14; no
tensorboard) whose python YOLO_PYTHON names. Run: ``python
tests/make_runs/ultralytics_runs.py [case...]``; about 60 s a case; seed 0, eight drawn
32-pixel images, the smallest models with random weights. Truth: results.csv read with csv
(values are rounded on writing), of the newest names compared with the trainer's metrics,
of the old ones names and values with the rows the trainer gave to its writer.

Cases: ultralytics_detect (train, train-2 dead before its first epoch; three snapshots),
ultralytics_old (``%23s``/``%23.5g`` padded names and values, a training started again in
its folder, which repeats the epochs; one that diverged: inf), yolov5_padded
(``%20s``/``%20.5g``, epoch from 0, opt.yaml with hyp.yaml's values in it, a column per
class; two snapshots).
"""

from __future__ import annotations

import os

os.environ["YOLO_OFFLINE"] = "true"
os.environ["YOLO_VERBOSE"] = "false"

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from common import Case, Points, checkpoints_in, csv_points, flat, run, same

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


def settings_in(case: Case, file: Path) -> dict:
    """Return the settings in *file*, with paths as the fixture will have them."""
    text = file.read_text().replace(str(case.scratch / "tree"), "@tree@")
    text = text.replace(str(case.scratch), "/data/expruns")
    return flat(yaml.safe_load(text.replace("@tree@", f"/data/expruns/{case.name}")))


def entry(case: Case, folder) -> dict:
    """Return the truth of one run folder."""
    args = settings_in(case, folder / "args.yaml")
    file = folder / "results.csv"
    points = csv_points(file, "epoch", LEFT) if file.exists() else Points()
    found = checkpoints_in(folder, "*.pt")
    return run(str(folder.relative_to(case.scratch)), points, args, found)


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


OLD = """\
import json, shutil, sys
from pathlib import Path

from ultralytics import YOLO, settings

settings.update({k: False for k in ("wandb", "tensorboard", "mlflow", "comet", "dvc")})
data, project, told = sys.argv[1:]
rows = []


def start(trainer):
    write = trainer.save_metrics

    def save_metrics(metrics):
        given = {k: float(v) for k, v in metrics.items()}
        rows.append([trainer.save_dir.name, trainer.epoch + 1, given])
        write(metrics)

    trainer.save_metrics = save_metrics


for name, epochs, lr, gain in (
    ("train", 4, 0.01, 7.5), ("train", 2, 0.02, 7.5), ("diverged", 3, 1.0, 1e39),
):
    model = YOLO("yolov8n.yaml")
    model.add_callback("on_train_start", start)
    model.train(data=data, epochs=epochs, imgsz=32, batch=4, device="cpu", workers=0,
                plots=False, project=project, name=name, exist_ok=True, lr0=lr,
                box=gain, optimizer="SGD", warmup_epochs=0, seed=0)
json.dump(rows, open(told, "w"))
"""
V5 = """\
import json, os, shutil, sys
from types import ModuleType

sys.modules["wandb"] = None
stub = ModuleType("yolov5.utils.roboflow")  # uploads only; its client is not needed
stub.RoboflowConnector = stub.check_dataset_roboflow = None
sys.modules["yolov5.utils.roboflow"] = stub
from yolov5 import train
from yolov5.utils import general
from yolov5.utils.callbacks import Callbacks

general.check_font = lambda *_, **__: None  # would be downloaded, for plots
data, project, told = sys.argv[1:]
work = os.path.dirname(data)
own = os.path.dirname(train.__file__)
shutil.copy(own + "/models/yolov5n.yaml", work)
shutil.copy(own + "/data/hyps/hyp.scratch-low.yaml", work)
rows = []


def fitted(vals, epoch, best_fitness, fi):
    rows.append(["exp", epoch, [float(v) for v in vals]])
    shutil.copytree(os.path.dirname(os.path.dirname(project)), told + f".{epoch}")


opt = train.parse_opt(True)
for key, value in dict(
    data=data, weights="", cfg=work + "/yolov5n.yaml", epochs=3, imgsz=64,
    hyp=work + "/hyp.scratch-low.yaml", batch_size=4, device="cpu", workers=0,
    noplots=True, project=project, name="exp", save_period=1,
).items():
    setattr(opt, key, value)
callbacks = Callbacks()
run = train.train


def training(hyp, opt, device, callbacks):
    # the loggers are registered at the start of train(); this one comes after them
    callbacks.register_action("on_train_start", "snap", lambda: callbacks
        .register_action("on_fit_epoch_end", "snap", fitted))
    return run(hyp, opt, device, callbacks)


train.train = training
train.main(opt, callbacks)
json.dump(rows, open(told, "w"))
"""


def call(case: Case, script: str, project: Path) -> list:
    """Run *script* in the old environment; return the rows it gave to the writer."""
    code, told, home = (case.scratch / n for n in ("train.py", "told.json", "home"))
    code.write_text(script)
    home.mkdir()
    env = os.environ | {"YOLO_CONFIG_DIR": str(home), "YOLOV5_CONFIG_DIR": str(home)}
    python = os.environ["YOLO_PYTHON"]
    command = [python, str(code), str(dataset(case)), str(project), str(told)]
    subprocess.run(command, cwd=case.scratch, check=True, env=env)
    for junk in (j for p in ("*.png", "*.jpg") for j in case.tree.rglob(p)):
        junk.unlink()
    asked = "from importlib.metadata import version as v; import sys\n"
    asked += "print(*(v(p) for p in sys.argv[1:]))"
    packages = ("yolov5" if script is V5 else "ultralytics", "torch")
    found = subprocess.check_output([python, "-c", asked, *packages], text=True)
    case.versions = dict(zip(packages, found.split(), strict=True))
    return json.loads(told.read_text())


def padded(file: Path) -> Points:
    """Return the points of a padded results.csv, names and cells stripped."""
    points = Points()
    with file.open(newline="") as lines:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    for row in rows[1:]:
        cells = dict(zip(rows[0], row, strict=True))
        epoch = float(cells.pop("epoch"))
        points.add(epoch, {k: float(v) for k, v in cells.items()})
    return points


def given(rows: list, folder: Path) -> Points:
    """Return the rows that the trainer of *folder* gave to its writer, rounded."""
    names = (folder / "results.csv").read_text().partition("\n")[0].split(",")[1:]
    points = Points()
    for name, epoch, row in rows:
        if name == folder.name:
            values = row
            if isinstance(row, list):
                values = dict(zip((n.strip() for n in names), row, strict=True))
            points.add(epoch, {k: float(f"{v:.5g}") for k, v in values.items()})
    return points


def old() -> None:
    case = Case("ultralytics_old", "ultralytics")
    project = case.tree / "runs" / "detect"
    rows = call(case, OLD, project)
    runs = []
    for name in ("train", "diverged"):
        folder = project / name
        points = padded(folder / "results.csv")
        same(given(rows, folder).summary(), points.summary())
        found = checkpoints_in(folder, "*.pt")
        args = settings_in(case, folder / "args.yaml")
        runs.append(run(str(folder.relative_to(case.scratch)), points, args, found))
    runs[0]["notes"].append(
        "exist_ok=True and started again: results.csv goes on, epochs from 1 again;"
        " args.yaml is the second's"
    )
    case.save(runs)


def yolov5() -> None:
    case = Case("yolov5_padded", "yolov5")
    project = case.tree / "runs" / "train"
    rows = call(case, V5, project)

    def told(tree: Path, until: int) -> dict:
        folder = tree / "runs" / "train" / "exp"
        points = padded(folder / "results.csv")
        same(given(rows[:until], folder).summary(), points.summary())
        hparams = settings_in(case, folder / "opt.yaml")
        hparams |= settings_in(case, folder / "hyp.yaml")
        found = checkpoints_in(folder, "*.pt")
        return run("tree/runs/train/exp", points, hparams, found)

    tree = case.tree
    for epoch in (0, 1):
        case.tree = case.scratch / f"told.json.{epoch}"
        case.snapshot(f"epoch {epoch} fitted", [told(case.tree, epoch + 1)])
    case.tree = tree
    case.save([told(tree, 3)], ["epoch counts from 0; hyp.yaml stands in opt.yaml too"])


CASES = {
    "yolov5_padded": yolov5,
    "ultralytics_old": old,
    "ultralytics_detect": detect,
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or CASES:
        CASES[chosen]()
