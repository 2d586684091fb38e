"""Hugging Face Trainer runs: running, finished, NaN loss, resumed.

Needs: transformers==5.23.0, accelerate, torch==2.13.0 (CPU); for llamafactory_log an
environment of its own: llamafactory==0.9.4, transformers==4.57.1, peft, trl, datasets.
Run: ``python tests/make_runs/hf_runs.py [case...]``; about 40 s. A one-layer BERT (or
Qwen2) of 8 units, seed 7. Truth: ``trainer.state.log_history`` in memory at the last
save, compared with the newest trainer_state.json, or trainer_log.jsonl, read with json.

Cases: hf_finished (save_state, *_results.json, seven snapshots; the first is empty but
for the folder), hf_running (stopped in the middle: only checkpoint-N, one of them half
saved without trainer_state.json), hf_nan (NaN loss, logging_nan_inf_filter off),
hf_resumed (resume from checkpoint-8 after 20 steps were done).
llamafactory_log (supervised LoRA tuning: one finished, one that died before its first
checkpoint, one that died and was resumed; two snapshots).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import time
import warnings
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


TOY = {
    "stage": "sft",
    "do_train": True,
    "finetuning_type": "lora",
    "lora_target": "all",
    "lora_rank": 2,
    "dataset": "toy",
    "template": "default",
    "cutoff_len": 64,
    "logging_steps": 5,
    "save_steps": 10,
    "save_total_limit": 1,
    "per_device_train_batch_size": 2,
    "learning_rate": 0.001,
    "num_train_epochs": 2,
    "val_size": 0.2,
    "eval_strategy": "steps",
    "eval_steps": 10,
    "report_to": "none",
    "use_cpu": True,
    "seed": 7,
    "include_num_input_tokens_seen": True,
}


class DeadError(Exception):
    """The training dies here."""


class Watch(TrainerCallback):
    """Keeps the history, calls `seen` at a step, dies at another."""

    def __init__(self, at=0, seen=None, dies_at=0):
        self.at, self.seen, self.dies_at = at, seen, dies_at
        self.history: list[dict] = []

    def on_log(self, args, state, control, **rest):
        self.history = [dict(row) for row in state.log_history]

    def on_step_end(self, args, state, control, **rest):
        if state.global_step in (self.at, self.dies_at):
            time.sleep(1)  # a thread of LLaMA-Factory writes the log
        if state.global_step == self.at:
            self.seen()
        if state.global_step == self.dies_at:
            raise DeadError


def toy(case: Case) -> dict:
    """Write a data set and a model of random weights; return the settings for them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    data, saved = case.scratch / "data", case.scratch / "model"
    data.mkdir()
    rows = [
        {"instruction": f"what is {i} + {i}", "input": "", "output": f"it is {2 * i}"}
        for i in range(40)
    ]
    (data / "toy.json").write_text(json.dumps(rows))
    (data / "dataset_info.json").write_text('{"toy": {"file_name": "toy.json"}}')
    letters = pre_tokenizers.ByteLevel.alphabet()
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    marks = {"pad_token": "<pad>", "eos_token": "<eos>"}
    special = list(marks.values())
    how = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=letters
    )
    words.train_from_iterator((r["output"] for r in rows), how)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **marks)
    tokenizer.save_pretrained(saved)
    transformers.set_seed(7)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=128,
    )
    Qwen2ForCausalLM(config).save_pretrained(saved)
    return TOY | {"model_name_or_path": str(saved), "dataset_dir": str(data)}


def logged(case: Case, folder: Path, kept: list[dict]) -> dict:
    """Return the truth of trainer_log.jsonl, compared with the history *kept*."""
    points, memory = Points(), Points()
    own = ("loss", "eval_loss", "lr", "throughput", "total_tokens")
    for line in (folder / "trainer_log.jsonl").read_text().splitlines():
        row = json.loads(line)
        points.add(row["current_steps"], {k: row[k] for k in own if k in row})
        reached = {k: row[k] for k in ("current_steps", "total_steps")}
    for row in kept:
        values = {k: v for k, v in row.items() if k in ("loss", "eval_loss")}
        if "learning_rate" in row:
            values["lr"] = row["learning_rate"]
        memory.add(row["step"], values)
    found = points.summary()
    same(memory.summary(), {k: v for k, v in found.items() if k in memory.by_metric})
    notes = ["percentage and total_steps are no metrics; the times are text"]
    path = str(folder.relative_to(case.scratch))
    entry = run(path, points, {}, checkpoints_in(folder, *WEIGHTS), "running", notes)
    return entry | {"progress": reached}


def llamafactory() -> None:
    os.environ["DISABLE_VERSION_CHECK"] = "1"
    for name in ("torchaudio",):  # imported for sounds, of which there are none
        sys.modules.setdefault(name, type(sys)(name))
    from llamafactory.train.tuner import run_exp

    case = Case("llamafactory_log", "llamafactory", ("llamafactory", *PACKAGES))
    settings = toy(case)
    saves = case.tree / "saves" / "qwen2-toy" / "lora"

    def train(name: str, watch: Watch, **more: object) -> Path:
        folder = saves / name
        try:
            run_exp(settings | {"output_dir": str(folder)} | more, [watch])
        except DeadError:
            pass
        for junk in ("tokenizer*", "special_tokens_map.json", "README.md", "*.jinja"):
            for file in folder.rglob(junk):
                file.unlink()
        return folder

    def growing() -> None:
        entry = logged(case, saves / "sft", watch.history)
        case.snapshot("step 8, before the first checkpoint", [entry])

    watch = Watch(8, growing)
    folder = train("sft", watch)
    done = read(case, folder, "finished")
    done["final_results"] = json.loads((folder / "all_results.json").read_text())
    done["notes"] = ["trainer_log.jsonl tells less than trainer_state.json beside it"]
    watch = Watch(dies_at=18)
    died = logged(case, train("died", watch, save_steps=1000), watch.history)
    watch = Watch(dies_at=28)
    entry = read(case, train("resumed", watch))
    ahead = logged(case, saves / "resumed", watch.history)
    entry["metrics"]["loss"] = ahead["metrics"]["loss"]
    entry["notes"] = ["the log goes on to step 25, past the newest checkpoint"]
    case.snapshot("one has died before a checkpoint, another after it", [died, entry])
    last = saves / "resumed" / "checkpoint-20"
    folder = train("resumed", Watch(), resume_from_checkpoint=str(last))
    again = read(case, folder, "finished")
    again["notes"] = [
        "the log was continued: it repeats step 25, and counts from 20 again"
    ]
    case.save([done, died, again], ["tokenizers and READMEs of the model left out"])


CASES = {
    "hf_finished": finished,
    "hf_running": running,
    "hf_nan": nan,
    "hf_resumed": resumed,
    "llamafactory_log": llamafactory,
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or CASES:
        CASES[chosen]()
