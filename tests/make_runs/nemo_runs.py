"""Real Lightning trainings whose folders NeMo's exp_manager makes and moves.

Needs: Python 3.11, nemo_toolkit==2.2.1, lightning==2.4.0, torch (2.13.0), tensorboard;
nemo_toolkit without its dependencies wants hydra-core, omegaconf, onnx, einops,
transformers==4.48.3, sentencepiece, pandas, regex as well. Run: ``python
tests/make_runs/nemo_runs.py``; 2 minutes. What is driven: `nemo.utils.exp_manager` on a
Lightning Trainer with a plain LightningModule (no NeMo model, so no ``.nemo`` file), each
start in a process of its own. Truth: what the Trainer hands to ``logger.log_metrics``,
noted on its way.

Cases: nemo_dated (folder named by the time), nemo_resumed (``resume_if_exists``: the
logs are moved to run_0/, the events go on in version_1), nemo_moved (the same with
``explicit_log_dir``: the event files and hparams.yaml are moved as well, twice, orphans),
nemo_moved_csv (the same with Lightning's CSVLogger).
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import warnings
from pathlib import Path

from common import Case, Points, checkpoints_in, csv_points, run, same

PACKAGES = ("nemo_toolkit", "lightning", "torch", "tensorboard")
LEFT_OUT = ("epoch", "step")
NOTES = ["run_N holds what a resume moved there: the same run, earlier"]


def child(notes: str, options: str) -> None:
    """Train once as *options* say; an exception ends it after ``die_at`` batches."""
    socket.gethostname = lambda: "node7"  # event files are named after it
    warnings.filterwarnings("ignore")
    import lightning.pytorch as pl
    import torch
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
    from nemo.utils.exp_manager import exp_manager
    from torch.utils.data import DataLoader, TensorDataset

    told = json.loads(options)

    class Tiny(pl.LightningModule):
        def __init__(self, lr: float, hidden: int) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = torch.nn.Linear(3, 1)

        def loss(self, batch):
            x, y = batch
            return ((self.net(x)[:, 0] - y) ** 2).mean()

        def training_step(self, batch, _):
            if self.global_step == told.get("die_at"):
                raise KeyError("the disk is gone")
            loss = self.loss(batch)
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch, _):
            self.log("val_loss", self.loss(batch))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

    def noted(write):
        def log_metrics(self, metrics, step=None):
            with Path(notes).open("a") as file:
                file.write(json.dumps({"at": step, "row": metrics}, default=float))
                file.write("\n")
            write(self, metrics, step)

        return log_metrics

    for kind in (CSVLogger, TensorBoardLogger):
        kind.log_metrics = noted(kind.log_metrics)
    torch.manual_seed(7)
    x = torch.randn(64, 3)
    data = DataLoader(TensorDataset(x, x.sum(1)), batch_size=8)
    trainer = pl.Trainer(
        max_epochs=told["epochs"],
        accelerator="cpu",
        devices=1,
        logger=CSVLogger(**told["csv"]) if "csv" in told else False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        log_every_n_steps=2,
    )
    params = {"save_top_k": 2, "save_nemo_on_train_end": False}
    exp_manager(trainer, {**told["exp"], "checkpoint_callback_params": params})
    trainer.fit(Tiny(told["lr"], 4), data, data)


class Experiment:
    """One case: its starts, and what each said."""

    def __init__(self, name: str, exp: dict, csv: dict | None = None) -> None:
        self.case = Case(name, "NeMo exp_manager", PACKAGES)
        self.options = {"exp": exp}
        if csv:
            self.options["csv"] = csv
        self.starts = 0

    def start(self, epochs: int, die_at: int = -1, lr: float = 0.05) -> Points:
        """Train in a process of its own and return what was logged by it."""
        notes = self.case.scratch / f"notes{self.starts}.jsonl"
        self.starts += 1
        options = {**self.options, "epochs": epochs, "die_at": die_at, "lr": lr}
        file = str(Path(__file__).resolve())
        words = [sys.executable, file, "child", str(notes), json.dumps(options)]
        done = subprocess.run(
            words, cwd=self.case.tree, capture_output=True, text=True, check=False
        )
        if done.returncode != (1 if die_at >= 0 else 0):
            raise RuntimeError(done.stderr[-3000:])
        return self.logged(notes)

    def logged(self, *notes: Path) -> Points:
        """Return the points of one start, or of all."""
        points = Points()
        for file in notes or sorted(self.case.scratch.glob("notes*.jsonl")):
            for line in file.read_text().splitlines():
                noted = json.loads(line)
                points.add(noted["at"], noted["row"], LEFT_OUT)
        return points


def hparams(lr: float) -> dict:
    return {"lr": lr, "hidden": 4}


def dated() -> None:
    made = Experiment("nemo_dated", {"exp_dir": "nemo_experiments", "name": "tiny"})
    points = made.start(2)
    [folder] = made.case.tree.glob("nemo_experiments/tiny/*")
    found = checkpoints_in(folder, "*.ckpt")
    path = f"tree/nemo_experiments/tiny/{folder.name}"
    made.case.save([run(path, points, hparams(0.05), found)])


def resumed() -> None:
    exp = {"exp_dir": "nemo_experiments", "name": "tiny", "resume_if_exists": True}
    made = Experiment("nemo_resumed", {**exp, "resume_ignore_no_checkpoint": True})
    path = "tree/nemo_experiments/tiny"
    first = run(f"{path}/version_0", made.start(3, die_at=19), hparams(0.05))
    made.case.snapshot("crashed in epoch 2", [first])
    second = run(f"{path}/version_1", made.start(4, lr=0.02), hparams(0.02))
    notes = [
        "only nemo_log_*, lightning_logs.txt and cmd-args.log are moved to run_0",
        "checkpoints lie above both versions, of the same training: none is theirs",
    ]
    made.case.save([first, second], notes)


def moved() -> None:
    exp = {"explicit_log_dir": "results/job7", "resume_if_exists": True}
    made = Experiment("nemo_moved", {**exp, "resume_ignore_no_checkpoint": True})
    folder = made.case.tree / "results" / "job7"

    def entry(lr: float) -> dict:
        found = checkpoints_in(folder, "*.ckpt")
        points = made.logged()
        return run("tree/results/job7", points, hparams(lr), found, None, NOTES)

    made.start(4, die_at=11)
    made.case.snapshot("crashed in epoch 1", [entry(0.05)])
    made.start(4, die_at=19)
    made.case.snapshot("resumed, crashed in epoch 2", [entry(0.05)])
    made.start(4, lr=0.02)
    made.case.save([entry(0.02)])


def moved_csv() -> None:
    exp = {
        "create_tensorboard_logger": False,
        "resume_if_exists": True,
        "resume_ignore_no_checkpoint": True,
    }
    csv = {"save_dir": "logs", "name": "tiny", "version": 0}
    made = Experiment("nemo_moved_csv", exp, csv)
    folder = made.case.tree / "logs" / "tiny" / "version_0"

    def entry(lr: float) -> dict:
        found = checkpoints_in(folder, "*.ckpt")
        points, path = made.logged(), f"tree/{folder.relative_to(made.case.tree)}"
        return run(path, points, hparams(lr), found, None, NOTES)

    def check(points: Points, file: Path) -> None:
        same(points.summary(), csv_points(file, "step", LEFT_OUT).summary(), 1e-6)

    first = made.start(3, die_at=19)
    made.case.snapshot("crashed in epoch 2", [entry(0.05)])
    second = made.start(4, lr=0.02)
    check(first, folder / "run_0" / "metrics.csv")
    check(second, folder / "metrics.csv")
    made.case.save([entry(0.02)])


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        dated()
        resumed()
        moved()
        moved_csv()
