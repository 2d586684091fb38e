"""Real AllenNLP trainings: one JSON document per epoch, ``metrics.json`` at the end.

Needs: Python 3.8, allennlp==2.10.1 (brings torch 1.12, tensorboardX). Run: ``python
tests/make_runs/allennlp_runs.py``; 60 s. Each training is ``allennlp train`` in a process
of its own, on the built-in basic_classifier and random text, with AllenNLP's TensorBoard
callback. Truth: the metrics that the trainer hands to its callbacks (noted by `Notes`);
the documents read with the json module must agree.

Cases: allennlp (12 epochs, test set, NaN), allennlp_running (killed in epoch 4),
allennlp_recovered (killed in epoch 5, then ``--recover``).
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from allennlp.data import DatasetReader, Instance
from allennlp.data.fields import LabelField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.data.tokenizers import Token
from allennlp.models import BasicClassifier, Model
from allennlp.training.callbacks import TrainerCallback
from common import Case, Points, checkpoints_in, flat, run, same

EPOCHS = 12
NAN_EPOCH = 3
LEFT_OUT = re.compile(r"epoch|best_|peak_|.*_worker_\d+_memory_MB|training_duration")

socket.gethostname = lambda: "node7"  # tensorboardX puts it into its files' names


@DatasetReader.register("tiny")
class Tiny(DatasetReader):
    """A label, a tab, words."""

    def _read(self, file_path):
        for line in Path(file_path).read_text().splitlines():
            label, _, text = line.partition("\t")
            words = [Token(word) for word in text.split()]
            field = TextField(words, {"tokens": SingleIdTokenIndexer()})
            yield Instance({"tokens": field, "label": LabelField(label)})


@Model.register("tiny")
class TinyClassifier(BasicClassifier):
    """The built-in classifier, with a metric that is NaN once."""

    validations = 0

    def get_metrics(self, reset: bool = False):
        values = super().get_metrics(reset)
        if reset and not self.training:
            values["recall"] = math.nan if self.validations == NAN_EPOCH else 0.5
            self.validations += 1
        return values


@TrainerCallback.register("notes")
class Notes(TrainerCallback):
    """Notes what the trainer says after each epoch, and kills it in one."""

    def on_epoch(self, trainer, metrics, epoch, is_primary=True, **kwargs):
        with Path(os.environ["NOTES"]).open("a") as file:
            file.write(json.dumps(metrics) + "\n")

    def on_batch(  # noqa: PLR0913 - the framework's
        self, trainer, inputs, outputs, metrics, epoch, batch_number, *args, **kwargs
    ):
        if epoch == int(os.environ["DIE_IN"]) and batch_number == 3:
            os.kill(os.getpid(), signal.SIGKILL)


def settings(folder: Path) -> str:
    """Write random data and a configuration; return the configuration's path."""
    rng = random.Random(3)
    for name, count in (("train", 64), ("valid", 24), ("test", 24)):
        lines = []
        for _ in range(count):
            label = rng.choice("ab")
            hint = "good" if label == "a" else "bad"
            words = [rng.choice((hint, "the", "film", "was")) for _ in range(5)]
            lines.append(f"{label}\t{' '.join(words)}\n")
        (folder / f"{name}.tsv").write_text("".join(lines))
    config = {
        "dataset_reader": {"type": "tiny"},
        "train_data_path": "train.tsv",
        "validation_data_path": "valid.tsv",
        "test_data_path": "test.tsv",
        "evaluate_on_test": True,
        "model": {
            "type": "tiny",
            "text_field_embedder": {
                "token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}
            },
            "seq2vec_encoder": {"type": "bag_of_embeddings", "embedding_dim": 4},
        },
        "data_loader": {"batch_size": 8, "shuffle": True},
        "trainer": {
            "num_epochs": EPOCHS,
            "optimizer": {"type": "adam", "lr": 0.02},
            "cuda_device": -1,
            "callbacks": ["notes", {"type": "tensorboard", "summary_interval": 4}],
        },
        "random_seed": 7,
        "numpy_seed": 7,
        "pytorch_seed": 7,
    }
    (folder / "tiny.jsonnet").write_text(json.dumps(config, indent=2))
    return str(folder / "tiny.jsonnet")


def train(case: Case, config: str, die_in: int, *more: str) -> None:
    target = case.tree / "serialization"
    here = str(Path(__file__).resolve().parent)
    env = {"NOTES": str(case.scratch / "notes.jsonl"), "DIE_IN": str(die_in)}
    words = ["train", config, "-s", str(target), "--include-package", "allennlp_runs"]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "allennlp", *words, *more],
        env={**os.environ, **env, "PYTHONPATH": here, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=case.scratch,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != (-signal.SIGKILL if die_in >= 0 else 0):
        raise RuntimeError(ended.stderr[-3000:])


def entry(case: Case) -> dict:
    """Return the truth of what was trained so far."""
    folder = case.tree / "serialization"
    said, written, side = Points(), Points(), Points()
    for line in (case.scratch / "notes.jsonl").read_text().splitlines():
        row = json.loads(line)
        kept = {k: v for k, v in row.items() if not LEFT_OUT.match(k)}
        said.add(row["epoch"], kept)
        side.add(row["epoch"], {k: v for k, v in row.items() if k not in kept})
        path = folder / f"metrics_epoch_{row['epoch']}.json"
        on_disk = json.loads(path.read_text())
        written.add(row["epoch"], {k: v for k, v in on_disk.items() if k in kept})
    same(said.summary(), written.summary())
    final = folder / "metrics.json"
    notes = [
        "sort N as a number: 10 comes after 9",
        "training_duration is text: clock",
        "log/train and log/validation are the TensorBoard callback's, of the same run",
        "trainer.callbacks is a list of texts and objects, here left out",
    ]
    config = json.loads((folder / "config.json").read_text())
    more = {"final_results": json.loads(final.read_text())} if final.exists() else {}
    return run(
        "tree/serialization",
        said,
        {k: v for k, v in flat(config).items() if k != "trainer.callbacks"},
        checkpoints_in(folder, "*.th"),
        "finished" if final.exists() else "running",
        notes,
        optional=side.summary(),
        optional_checkpoints=["model.tar.gz"],
        **more,
    )


def case(name: str, die_in: int = -1, *, recovers: bool = False) -> None:
    made = Case(name, "allennlp", ("allennlp", "torch", "tensorboardX"))
    config = settings(made.scratch)
    train(made, config, die_in)
    if recovers:
        made.snapshot(f"killed in epoch {die_in}", [entry(made)])
        train(made, config, -1, "--recover")
    made.save([entry(made)])


if __name__ == "__main__":
    case("allennlp")
    case("allennlp_running", 4)
    case("allennlp_recovered", 5, recovers=True)
