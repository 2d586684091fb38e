"""Folders that are no runs: a reader must find none.

Needs: nothing. Run: ``python tests/make_runs/odd_trees.py``; 1 s. All by hand.

Cases: odd_project (configs, requirements, source, a README), odd_dataset (30 numeric
columns, no step; a labels csv; a JSONL of texts), odd_pretrained (config.json, tokenizer
files, weights), odd_node (package.json, package-lock.json, node_modules), odd_results (a
single JSON of final numbers, a grid of another tool's csv), odd_empty (an empty folder).
"""

from __future__ import annotations

import json
import random

from common import Case


def write(case: Case, files: dict[str, str | bytes]) -> None:
    """Write *files* below the tree and save a case of zero runs."""
    for name, content in files.items():
        path = case.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)


def project() -> None:
    case = Case("odd_project", "none (by hand)")
    write(
        case,
        {
            "README.md": "# my project\n",
            "requirements.txt": "torch\npandas\n",
            "pyproject.toml": "[project]\nname = 'toy'\n",
            "configs/base.yaml": "lr: 0.1\nepochs: 10\nmodel:\n  name: resnet\n",
            "configs/sweep.json": json.dumps({"lr": [0.1, 0.01], "seeds": [1, 2]}),
            "conf/config.yaml": "defaults:\n- _self_\nlr: ???\n",
            "src/train.py": "print('step 1 loss: 0.5')\n",
            ".github/workflows/ci.yml": "on: push\n",
            ".venv/lib/python3.11/site-packages/pkg/data/metrics.csv": "a,b\n1,2\n",
            "notebooks/look.ipynb": json.dumps({"cells": [], "nbformat": 4}),
            "coverage.json": json.dumps({"meta": {"version": "7"}, "totals": {"n": 3}}),
        },
    )
    case.save([], ["a project without runs; the csv in .venv is nobody's run"])


def dataset() -> None:
    case = Case("odd_dataset", "none (by hand)")
    rng = random.Random(7)
    header = ",".join(f"feature_{n}" for n in range(30)) + ",label"
    body = [
        ",".join(f"{rng.gauss(0, 1):.4f}" for _ in range(30)) + f",{rng.randint(0, 1)}"
        for _ in range(60)
    ]
    houses = "longitude,latitude,median_income,median_house_value\n"
    houses += "".join(f"{-122 + n / 9:.2f},37.{n},8.{n},{n}000.0\n" for n in range(20))
    texts = "".join(
        json.dumps({"text": f"문장 {n}", "label": n % 2}, ensure_ascii=False) + "\n"
        for n in range(20)
    )
    write(
        case,
        {
            "data/train.csv": header + "\n" + "\n".join(body) + "\n",
            "data/test.csv": header + "\n" + "\n".join(body[:20]) + "\n",
            "data/housing.csv": houses,
            "data/labels.csv": "file,label\na.png,1\nb.png,0\n",
            "data/texts.jsonl": texts,
            "data/dataset_info.json": json.dumps({"splits": {"train": 60}}),
        },
    )
    case.save([], ["data sets: many numeric columns, no step, no metric names"])


def pretrained() -> None:
    case = Case("odd_pretrained", "none (by hand)")
    config = {"model_type": "bert", "hidden_size": 16, "architectures": ["BertModel"]}
    write(
        case,
        {
            "bert-base/config.json": json.dumps(config, indent=2),
            "bert-base/generation_config.json": json.dumps({"max_length": 20}),
            "bert-base/tokenizer.json": json.dumps({"version": "1.0", "model": {}}),
            "bert-base/tokenizer_config.json": json.dumps({"model_max_length": 512}),
            "bert-base/special_tokens_map.json": json.dumps({"unk_token": "[UNK]"}),
            "bert-base/vocab.txt": "[PAD]\n[UNK]\n안녕\n",
            "bert-base/model.safetensors": bytes(64),
            "bert-base/README.md": "---\nlicense: mit\n---\n",
        },
    )
    case.save([], ["a downloaded model: weights and config.json but no training"])


def node() -> None:
    case = Case("odd_node", "none (by hand)")
    package = {"name": "web", "version": "1.0.0", "dependencies": {"left": "1.0.0"}}
    write(
        case,
        {
            "web/package.json": json.dumps(package, indent=2),
            "web/package-lock.json": json.dumps({"lockfileVersion": 3, "packages": {}}),
            "web/tsconfig.json": json.dumps({"compilerOptions": {"strict": True}}),
            "web/node_modules/left/package.json": json.dumps({"name": "left"}),
            "web/node_modules/left/metrics.json": json.dumps({"size": 12, "files": 3}),
        },
    )
    case.save([])


def results() -> None:
    case = Case("odd_results", "none (by hand)")
    write(
        case,
        {
            "paper/table1.csv": "model,params,accuracy\nours,12,0.91\nbase,11,0.88\n",
            "paper/prices.csv": "date,open,close\n2026-01-02,1.5,1.6\n2026-01-03,1.6,1.4\n",
            "paper/notes.txt": "loss went down\n",
            "paper/params.yaml": "not: a run\n",
        },
    )
    case.save([], ["tables of a paper and prices: text keys, no step"])


def empty() -> None:
    case = Case("odd_empty", "none (by hand)")
    (case.tree / "nothing").mkdir()
    case.save([], ["an empty folder (git needs the .gitkeep)"])


if __name__ == "__main__":
    for make in (project, dataset, pretrained, node, results, empty):
        make()
