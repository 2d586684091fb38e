"""Hugging Face Trainer runs: running, finished, NaN loss, resumed.

Needs: transformers==5.23.0, accelerate, torch==2.13.0 (CPU). Run: ``python
tests/make_runs/hf_runs.py``; about 40 s. A one-layer BERT of 8 units on random tokens,
seed 7. Truth: ``trainer.state.log_history`` in memory at the last save, compared with
the newest trainer_state.json read with json.

Cases: hf_finished (save_state, *_results.json, seven snapshots; the first is empty but
for the folder), hf_running (stopped in the middle: only checkpoint-N, one of them half
saved without trainer_state.json), hf_nan (NaN loss, logging_nan_inf_filter off),
hf_resumed (resume from checkpoint-8 after 20 steps were done).
By format: llamafactory_log (trainer_log.jsonl as LlamaFactory's
src/llamafactory/train/callbacks.py, LogCallback.on_log, writes it, by hand).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from datetime import timedelta
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from common import Case, Points, checkpoints_in, flat, run, same
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
logging.disable(logging.WARNING)
PACKAGES = ("transformers", "accelerate", "torch")
WEIGHTS = ("*.safetensors",)
BOOKKEEPING = ("step", "epoch")


class Tokens(torch.utils.data.Dataset):
    """Random token rows labelled by their first token."""

    def __init__(self, seed, rows):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randint(5, 50, (rows, 6), generator=generator)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return {"input_ids": self.x[i], "labels": int(self.x[i, 0] > 27)}


class Snap(TrainerCallback):
    """Copies of the folder at chosen steps, with what can be read there."""

    def __init__(self, case, folder, at, stop_at=None, poison=None):
        self.case, self.folder, self.at = case, folder, at
        self.stop_at, self.poison = stop_at, poison

    def on_step_end(self, args, state, control, **rest):
        if state.global_step in self.at:
            entry = read(self.case, self.folder)
            self.case.snapshot(f"after step {state.global_step}", [entry])
        if state.global_step == self.stop_at:
            control.should_training_stop = True
        if state.global_step == self.poison:
            with torch.no_grad():
                next(rest["model"].classifier.parameters()).fill_(float("nan"))


def history(rows: list[dict]) -> dict:
    """Return the truth of a log_history."""
    points = Points()
    for row in rows:
        points.add(row["step"], row, BOOKKEEPING)
    return points.summary()


def newest(folder: Path) -> Path | None:
    """Return the trainer_state.json a reader must use (highest global_step)."""
    found = [*folder.glob("trainer_state.json")]
    found += folder.glob("checkpoint-*/trainer_state.json")
    return max(
        found,
        key=lambda p: (json.loads(p.read_text())["global_step"], p.parent == folder),
        default=None,
    )


def read(case: Case, folder: Path, status=None, notes=()) -> dict:
    """Return one run's truth by reading its newest trainer_state.json."""
    state = newest(folder)
    rows = json.loads(state.read_text())["log_history"] if state else []
    config = folder / "config.json"
    return run(
        str(folder.relative_to(case.scratch)),
        history(rows),
        {},
        checkpoints_in(folder, *WEIGHTS),
        status,
        list(notes),
        model_config=flat(json.loads(config.read_text())) if config.exists() else {},
    )


def model():
    """Return the seeded toy model."""
    transformers.set_seed(7)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=50,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=8,
        )
    )


def trainer(folder, net, callback, **more):
    """Return a Trainer over 64 rows: 8 steps an epoch."""
    args = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=8,
        learning_rate=0.01,
        logging_steps=more.pop("logging_steps", 3),
        eval_strategy=more.pop("eval_strategy", "epoch"),
        save_strategy="steps",
        save_steps=8,
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        seed=7,
        num_train_epochs=more.pop("epochs", 4),
        **more,
    )
    return Trainer(
        model=net,
        args=args,
        train_dataset=Tokens(1, 64),
        eval_dataset=Tokens(2, 16),
        callbacks=[callback],
        compute_metrics=lambda p: {
            "f1/macro": float((p.predictions.argmax(1) == p.label_ids).mean()),
            "정확도": float((p.predictions.argmax(1) == p.label_ids).mean()),
        },
    )


def finished() -> None:
    case = Case("hf_finished", "transformers", PACKAGES)
    folder = case.tree / "bert-tiny-cls"
    folder.mkdir()
    snap = Snap(case, folder, (2, 9, 17, 20, 30))
    fit = trainer(folder, model(), snap, save_total_limit=2)
    result = fit.train()
    case.snapshot("train() returned, nothing saved at the root", [read(case, folder)])
    fit.save_model()
    fit.log_metrics("train", result.metrics)
    fit.save_metrics("train", result.metrics)
    fit.save_state()
    truth = history(fit.state.log_history)
    metrics = fit.evaluate()
    fit.save_metrics("eval", metrics)
    entry = read(case, folder, "finished")
    same(truth, entry["metrics"])
    results = json.loads((folder / "all_results.json").read_text())
    entry["final_results"] = results
    entry["progress"] = {"global_step": 32, "max_steps": 32}
    entry["notes"] = [
        "log_history as of save_state(); the evaluate() after it is only in"
        " eval_results.json and all_results.json",
        "save_total_limit=2: checkpoints 8 and 16 were deleted on the way",
        "config.json is the model's config, not hyperparameters of the training",
    ]
    case.snapshot("after the end", [entry])
    case.save([entry])


def running() -> None:
    case = Case("hf_running", "transformers", PACKAGES)
    folder = case.tree / "bert-running"
    fit = trainer(folder, model(), Snap(case, folder, (), stop_at=109), epochs=20)
    fit.train()
    half = folder / "checkpoint-112"
    for path in folder.glob("checkpoint-109"):
        shutil.rmtree(path)
    for path in folder.glob("checkpoint-*"):
        if int(path.name.split("-")[1]) < 88:
            shutil.rmtree(path)
    half.mkdir()
    shutil.copy(folder / "checkpoint-104" / "model.safetensors", half)
    entry = read(case, folder, "running")
    at = json.loads(newest(folder).read_text())
    entry["progress"] = {k: at[k] for k in ("global_step", "max_steps")}
    entry["notes"] = [
        "only checkpoint-N; the newest by number is 104 (88, 96, 104), not by name",
        "checkpoint-112 is half saved: weights but no trainer_state.json (made by hand)",
    ]
    case.save([entry])


def nan() -> None:
    case = Case("hf_nan", "transformers", PACKAGES)
    folder = case.tree / "bert-nan"
    snap = Snap(case, folder, (), poison=10)
    fit = trainer(
        folder, model(), snap, epochs=2, logging_nan_inf_filter=False, logging_steps=2
    )
    fit.train()
    fit.save_state()
    truth = history(fit.state.log_history)
    entry = read(case, folder, "finished", ["NaN token in JSON"])
    same(truth, entry["metrics"])
    case.save([entry])


def resumed() -> None:
    case = Case("hf_resumed", "transformers", PACKAGES)
    folder = case.tree / "bert-resumed"
    fit = trainer(folder, model(), Snap(case, folder, (), stop_at=20))
    fit.train()
    fit.save_state()
    before = read(case, folder)
    case.snapshot("stopped at step 20 and saved", [before])
    for name in ("checkpoint-16", "checkpoint-20", "checkpoint-24", "checkpoint-32"):
        shutil.rmtree(folder / name, ignore_errors=True)
    again = trainer(folder, model(), Snap(case, folder, (10, 17)))
    again.train(resume_from_checkpoint=str(folder / "checkpoint-8"))
    again.save_state()
    truth = history(again.state.log_history)
    entry = read(case, folder, "finished")
    same(truth, entry["metrics"])
    entry["notes"] = [
        "log_history shrank to checkpoint-8's on resume: steps 9-20 are written once;"
        " meanwhile the old trainer_state.json of step 20 stays in the root"
    ]
    case.snapshot("after the end", [entry])
    case.save([entry])


def llamafactory() -> None:
    case = Case("llamafactory_log", "LlamaFactory (by format)")
    folder = case.tree / "saves" / "qwen-lora" / "sft"
    folder.mkdir(parents=True)
    points = Points()
    total = 60
    lines = []
    for step in range(5, 46, 5):
        row = {
            "current_steps": step,
            "total_steps": total,
            "loss": round(2.0 / (1 + step / 10), 4),
            "lr": 1e-4 * (1 - step / total),
            "epoch": round(step / 20, 2),
            "percentage": round(step / total * 100, 2),
            "elapsed_time": str(timedelta(seconds=step * 2)),
            "remaining_time": str(timedelta(seconds=(total - step) * 2)),
            "throughput": 1234.56 + step,
            "total_tokens": step * 2048,
        }
        points.add(step, {k: row[k] for k in ("loss", "lr")})
        points.add(step, {k: row[k] for k in ("throughput", "total_tokens")})
        lines.append(row)
        if step % 20 == 0:
            row = {
                "current_steps": step,
                "total_steps": total,
                "eval_loss": round(2.2 / (1 + step / 10), 4),
                "epoch": step / 20,
                "percentage": round(step / total * 100, 2),
                "elapsed_time": str(timedelta(seconds=step * 2 + 1)),
                "remaining_time": str(timedelta(seconds=(total - step) * 2)),
            }
            points.add(step, {"eval_loss": row["eval_loss"]})
            lines.append(row)
    text = "".join(json.dumps(row) + "\n" for row in lines)
    (folder / "trainer_log.jsonl").write_text(text)
    notes = [
        "percentage is progress and total_steps a plan: no metrics; elapsed_time and"
        " remaining_time are text",
    ]
    entry = run("tree/saves/qwen-lora/sft", points, {}, [], "running", notes)
    entry["progress"] = {"current_steps": 45, "total_steps": 60}
    case.save(
        [entry], ["written by hand after LogCallback.on_log, not by LlamaFactory"]
    )


if __name__ == "__main__":
    for make in (finished, running, nan, resumed, llamafactory):
        make()
