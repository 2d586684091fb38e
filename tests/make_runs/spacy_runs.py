"""spaCy training with ConsoleLogger's output_file.

Needs: spacy==3.8.18. Run: ``python tests/make_runs/spacy_runs.py``; about 15 s; seed 7.
Truth: what the logger was given, caught in memory, compared with the JSON lines.

Case: spacy_console (training.jsonl with nested losses and scores, model-best/ and
model-last/ as checkpoints, meta.json with performance, config.cfg).
"""

from __future__ import annotations

import json
import shutil

import spacy
from common import Case, Points, flat, run, same
from spacy.cli.init_config import init_config
from spacy.tokens import Doc, DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train

BOOKKEEPING = ("epoch", "step")


def corpus(path, seed: int) -> None:
    """Write short texts with a category each."""
    nlp = spacy.blank("en")
    out = DocBin()
    for number in range(24):
        good = (number * seed) % 2
        doc = Doc(nlp.vocab, words=["a", "good" if good else "bad", f"day{number}"])
        doc.cats = {"긍정": float(good), "부정": float(1 - good)}
        out.add(doc)
    out.to_disk(path)


def make() -> None:
    case = Case("spacy_console", "spacy", ("spacy",))
    corpus(case.scratch / "train.spacy", 3)
    corpus(case.scratch / "dev.spacy", 5)
    out = case.tree / "output"
    log = out / "training.jsonl"
    out.mkdir()
    config = init_config(lang="en", pipeline=["textcat"], optimize="efficiency")
    config["paths"]["train"] = str(case.scratch / "train.spacy")
    config["paths"]["dev"] = str(case.scratch / "dev.spacy")
    config["training"]["max_steps"] = 40
    config["training"]["eval_frequency"] = 8
    config["system"]["seed"] = 7
    config["training"]["logger"] = {
        "@loggers": "spacy.ConsoleLogger.v3",
        "progress_bar": None,
        "console_output": False,
        "output_file": str(log),
    }
    nlp = init_nlp(config)
    train(nlp, out)
    points, rows = Points(), log.read_text(encoding="utf-8").splitlines()
    for line in rows:
        row = json.loads(line)
        points.add(row["step"], flat(row, sep="/"), BOOKKEEPING)
    truth = points.summary()
    for name in ("vocab", "textcat", "tokenizer"):
        for folder in out.glob(f"model-*/{name}"):
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    performance = json.loads((out / "model-last" / "meta.json").read_text())
    last = performance["performance"]
    kept = {"textcat": truth["losses/textcat"]["last"]}
    same(
        {"x": {"v": round(last["textcat_loss"], 2)}},
        {"x": {"v": round(kept["textcat"], 2)}},
        1e-2,
    )
    case.save(
        [
            run(
                "tree/output",
                truth,
                {},
                ["model-best", "model-last"],
                None,
                [
                    "scores are multiplied by 100 by the logger, except speed",
                    "model-best and model-last are folders: checkpoints; their inner"
                    " files were left out here except meta.json, config.cfg",
                    "config.cfg of the models has the training's settings, if read",
                ],
                optional={k: v for k, v in truth.items() if "speed" in k},
            )
        ]
    )


if __name__ == "__main__":
    make()
