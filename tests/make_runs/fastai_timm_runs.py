"""fastai CSVLogger and timm's summary.csv.

Needs: fastai==2.8.12, timm==1.0.31, torch, torchvision, in an environment of its own. Run:
``python tests/make_runs/fastai_timm_runs.py``; about 15 s; seed 7. Truth: the Recorder's
values in memory (fastai), the values given (timm), rounded where the text is.

Cases: fastai_append (two fits, header and epochs repeated), fastai_single,
timm_restarted (update_summary and args.yaml; after a restart the header stands again and the
epochs go on), timm_short_rows (epochs without evaluation: shorter rows).
"""

from __future__ import annotations

import csv
from collections import OrderedDict
from pathlib import Path

import torch
import yaml
from common import Case, Points, checkpoints_in, is_number, run, same
from fastai.basics import DataLoader as FastLoader
from fastai.basics import DataLoaders, Learner, accuracy
from fastai.callback.progress import CSVLogger, ProgressCallback
from timm.utils import update_summary
from torch import nn
from torch.utils.data import TensorDataset


def loaders() -> DataLoaders:
    """Return small seeded loaders."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(64, 4, generator=generator)
    y = (x.sum(1) > 0).long()
    parts = (TensorDataset(x[:48], y[:48]), TensorDataset(x[48:], y[48:]))
    return DataLoaders(*(FastLoader(p, bs=8) for p in parts), device="cpu")


def restarting(path: Path, leave_out: tuple[str, ...]) -> Points:
    """Read a csv in which a row equal to a header starts a new part."""
    points, header = Points(), []
    with path.open(newline="") as file:
        for row in csv.reader(file):
            if row and row[0] == "epoch":
                header = row
                continue
            cells = dict(zip(header, row, strict=False))
            values = {k: float(v) for k, v in cells.items() if is_number(v)}
            points.add(values["epoch"], values, ("epoch", *leave_out))
    return points


def fastai(name: str, fits: tuple[int, ...]) -> None:
    case = Case(name, "fastai", ("fastai", "torch"))
    folder = case.tree / "fastai_run"
    folder.mkdir()
    torch.manual_seed(7)
    learn = Learner(
        loaders(),
        nn.Sequential(nn.Linear(4, 2)),
        loss_func=nn.CrossEntropyLoss(),
        metrics=accuracy,
        path=folder,
        lr=0.05,
    )
    learn.remove_cb(ProgressCallback)
    memory = Points()
    for number, epochs in enumerate(fits):
        logger = CSVLogger(fname="history.csv", append=bool(number))
        with learn.no_bar():
            learn.fit(epochs, cbs=logger)
        names = learn.recorder.metric_names[1:-1]
        for epoch, values in enumerate(learn.recorder.values):
            memory.add(epoch, dict(zip(names, map(float, values), strict=True)))
        truth = restarting(folder / "history.csv", ("time",)).summary()
        same(memory.summary(), truth, 1e-5)
        entry = run("tree/fastai_run", truth, {}, checkpoints_in(folder, "*.pth"))
        case.snapshot(f"after fit {number + 1}", [entry])
    learn.save("stage")
    entry["checkpoints"] = checkpoints_in(folder, "*.pth")
    case.save([entry], ["time is text mm:ss: clock", "epochs restart with every fit"])


def timm_case(name: str) -> None:
    case = Case(name, "timm", ("timm",))
    folder = case.tree / "output" / "train" / "20261102-101500-resnet18-224"
    folder.mkdir(parents=True)
    args = {"model": "resnet18", "lr": 0.05, "epochs": 8, "opt": "sgd"}
    args |= {"experiment": "실험", "drop": 0.0, "mean": None}
    (folder / "args.yaml").write_text(yaml.safe_dump(args))
    points = Points()
    best = None
    for epoch in range(8):
        if name == "timm_restarted" and epoch == 5:
            best = None  # what a new process starts with
        train = OrderedDict(loss=2.0 / (epoch + 1))
        evals = OrderedDict(
            loss=2.2 / (epoch + 1), top1=10.0 * epoch, top5=12.0 * epoch
        )
        if name == "timm_short_rows" and epoch % 2:
            evals = OrderedDict()
        update_summary(
            epoch,
            train,
            evals,
            folder / "summary.csv",
            lr=0.05 * 0.9**epoch,
            write_header=best is None,
        )
        best = best or 1.0
        points.add(epoch, {"train_loss": train["loss"], "lr": 0.05 * 0.9**epoch})
        points.add(epoch, {f"eval_{k}": v for k, v in evals.items()})
        if epoch in (2, 6):
            entry = run("", points, args)
            entry["path"] = str(folder.relative_to(case.scratch))
            case.snapshot(f"after epoch {epoch}", [entry])
    for weight in ("checkpoint-7.pth.tar", "last.pth.tar", "model_best.pth.tar"):
        (folder / weight).write_bytes(b"PK\x03\x04" + bytes(60))
    notes = ["weights are dummies; args.yaml is written as train.py does"]
    if name == "timm_short_rows":
        truth = points.summary()
        notes.append(
            "rows without evaluation are epoch, train_loss, lr under a header of six"
            " columns: by position lr stands under eval_loss. A wrong field count is a"
            " flagged row, so the truth is the full rows only; `written` is what"
            " was meant, and right too for a reader that knows timm (lr comes last)"
        )
        full = Points()
        for epoch in range(0, 8, 2):
            row = {"train_loss": 2.0 / (epoch + 1), "lr": 0.05 * 0.9**epoch}
            row |= {"eval_loss": 2.2 / (epoch + 1)}
            row |= {"eval_top1": 10.0 * epoch, "eval_top5": 12.0 * epoch}
            full.add(epoch, row)
        entry = run(entry["path"], full, args, written=truth)
        for snap in case.snapshots:
            snap["runs"] = []
    else:
        same(points.summary(), restarting(folder / "summary.csv", ()).summary(), 1e-12)
        entry = run(entry["path"], points, args)
    entry["checkpoints"] = checkpoints_in(folder, "*.pth.tar")
    case.save([entry], notes)


if __name__ == "__main__":
    fastai("fastai_single", (3,))
    fastai("fastai_append", (3, 4))
    timm_case("timm_restarted")
    timm_case("timm_short_rows")
