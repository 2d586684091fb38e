"""Weights & Biases local folders in offline mode.

Needs: wandb==0.31.0. Run: ``python tests/make_runs/wandb_runs.py``; about 20 s; nothing
is sent. Truth: the last values logged (the history itself is in the binary .wandb file).

Cases: wandb_offline (two runs, real: one finished, one that crashed. 0.31 in offline mode
writes neither config.yaml nor wandb-summary.json before a sync: all is in the binary
file, which is cut here, so only output.log can be read).
By format: wandb_synced (run-*/files/{config.yaml,wandb-summary.json,wandb-metadata.json}
of an online run, new style, after core/internal/runconfig and wandb 0.17+ files) and
wandb_old (config.yaml with desc and wandb_version, wandb-history.jsonl).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

from common import Case, Points, run

TRAIN = """\
import sys, wandb

kind = sys.argv[1]
run = wandb.init(
    mode="offline",
    project="toy",
    name=f"실험 {kind}",
    config={"lr": 0.01, "net": {"layers": [8, 4], "act": "relu"}, "이름": "실험"},
    settings=wandb.Settings(console="wrap", x_disable_machine_info=True,
                            save_code=False, x_save_requirements=False),
)
for step in range(8):
    row = {"train/loss": 1 / (step + 1), "val": {"acc": step / 8}}
    if kind == "crash" and step == 5:
        row["train/loss"] = float("nan")
        row["top"] = float("inf")
    run.log(row)
    print("step", step)
    if kind == "crash" and step == 5:
        raise RuntimeError("손실이 발산했습니다")
run.summary["best"] = 0.9
run.finish()
"""


def make() -> None:
    case = Case("wandb_offline", "wandb", ("wandb",))
    script = case.scratch / "train.py"
    script.write_text(textwrap.dedent(TRAIN), encoding="utf-8")
    home = case.scratch / "home"
    home.mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "USER": "researcher",
        "LOGNAME": "researcher",
        "WANDB_DIR": str(case.tree),
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_DISABLE_GIT": "true",
        "WANDB_HOST": "gpu1",
    }
    runs = []
    for kind, steps, last in (("ok", 8, 1 / 8), ("crash", 6, "NaN")):
        subprocess.run(
            [sys.executable, str(script), kind],
            cwd=case.tree,
            env=env,
            check=False,
            capture_output=True,
        )
        done = {r["path"] for r in runs}
        for folder in sorted((case.tree / "wandb").glob("offline-run-*")):
            path = str(folder.relative_to(case.scratch))
            if path in done:
                continue
            summary = {"train/loss": last, "val/acc": (steps - 1) / 8}
            summary |= {"best": 0.9} if kind == "ok" else {"top": "Infinity"}
            runs.append(
                run(
                    path,
                    {},
                    {},
                    [],
                    None,
                    [
                        "nothing but output.log is readable (logged holds what was logged): finding no"
                        " run here is as right as an empty one"
                    ],
                    logged=summary,
                )
            )
    for file in case.tree.rglob("*.wandb"):
        file.write_bytes(file.read_bytes()[:256])
    for name in ("debug.log", "debug-internal.log", "debug-core.log"):
        for file in case.tree.rglob(name):
            file.unlink()
    case.save(runs, [".wandb files are cut to 256 bytes, debug logs left out"])


HPARAMS = {"lr": 0.01, "net.layers": [8, 4], "net.act": "relu", "이름": "실험"}
NEW_CONFIG = """\
_wandb:
    value:
        cli_version: 0.31.0
        m: []
        python_version: 3.11.7
        t:
            "1":
                - 1
                - 5
lr:
    value: 0.01
net:
    value:
        act: relu
        layers:
            - 8
            - 4
이름:
    value: 실험
"""
OLD_CONFIG = """\
wandb_version: 1

_wandb:
  desc: null
  value:
    cli_version: 0.12.1
    python_version: 3.8.10
lr:
  desc: learning rate
  value: 0.01
net:
  desc: null
  value:
    act: relu
    layers:
    - 8
    - 4
이름:
  desc: null
  value: 실험
"""


def synced(name: str, config: str, *, history: bool) -> None:
    """Write the files of an online run by hand."""
    case = Case(name, "wandb (by format)")
    folder = case.tree / "wandb" / "run-20261102_101500-ab12cd34"
    files = folder / "files"
    files.mkdir(parents=True)
    (files / "config.yaml").write_text(config, encoding="utf-8")
    points = Points()
    lines = []
    for step in range(6):
        row = {"train/loss": 1 / (step + 1), "val": {"acc": step / 8}}
        if step == 5:
            row["train/loss"] = float("nan")
        flat_row = {"train/loss": row["train/loss"], "val/acc": step / 8}
        points.add(step, flat_row)
        clock = {"_runtime": step * 2, "_timestamp": 1793614500 + step * 2}
        lines.append({**row, "_step": step, **clock})
    last = {**lines[-1], "best": 0.9, "note": "텍스트", "_wandb": {"runtime": 12}}
    last["top"] = "Infinity"
    (files / "wandb-summary.json").write_text(json.dumps(last))
    meta = {"os": "Linux", "python": "CPython 3.11.7", "program": "train.py"}
    meta |= {"args": ["--lr", "0.01"], "startedAt": "2026-11-02T10:15:00.000000Z"}
    (files / "wandb-metadata.json").write_text(json.dumps(meta, indent=2))
    (files / "output.log").write_text("step 0\nstep 1\n")
    if history:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (files / "wandb-history.jsonl").write_text(text)
    only_last = Points()
    only_last.add(5, {"train/loss": float("nan"), "val/acc": 5 / 8, "best": 0.9})
    summary = only_last.summary()
    truth = run(
        str(folder.relative_to(case.scratch)),
        points if history else summary,
        HPARAMS,
        [],
        None,
        [
            "config values are wrapped in {value: ...}; _wandb is no hyperparameter",
            "top is the text Infinity, note is text; _step, _runtime, _timestamp: clock",
        ]
        + ([] if history else ["only the summary: one point per metric, at _step"]),
        optional={"best": summary["best"]} if history else {},
    )
    case.save(
        [truth],
        [
            "written by hand after wandb's files, not by wandb",
            "path is the run-* folder; the files lie in its files/",
        ],
    )


if __name__ == "__main__":
    make()
    synced("wandb_synced", NEW_CONFIG, history=False)
    synced("wandb_old", OLD_CONFIG, history=True)
