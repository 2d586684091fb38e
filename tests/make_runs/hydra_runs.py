"""Hydra runs: single, multirun with overrides, crashed, unresolved values.

Needs: hydra-core==1.3.8. Run: ``python tests/make_runs/hydra_runs.py``; about 10 s. The
small script below is written beside the outputs and run by Hydra; it writes its own
metrics.csv (LF, step, loss, val/acc). Truth: the overrides given and a csv reading.

Cases: hydra_single (outputs/DATE/TIME; ``${...}``, ``${oc.env:...}`` and ``???`` stay in
config.yaml), hydra_multirun (multirun/DATE/TIME/N, four jobs of a sweep, two of which
crash at step 3; run folders with = and , in hydra_subdirs).
"""

from __future__ import annotations

import subprocess
import sys

from common import Case, csv_points, flat, run

PACKAGES = ("hydra-core", "omegaconf")
TRAIN = """\
import csv
import hydra


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg):
    from hydra.core.hydra_config import HydraConfig
    from pathlib import Path

    out = Path(HydraConfig.get().runtime.output_dir)
    with open(out / "metrics.csv", "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\\n")
        rows.writerow(["step", "loss", "val/acc"])
        for step in range(8):
            if step == 3 and cfg.optim.lr > 0.9:
                raise RuntimeError("exploded")
            val = 1 - 1 / (step + 2) if step % 4 == 3 else ""
            rows.writerow([step, cfg.optim.lr / (step + 1), val])


main()
"""
CONFIG = """\
name: 기본 실험
seed: 1
epochs: 8
data_dir: ${oc.env:DATA_DIR}
total: ${epochs}
run_name: ${name}-${optim.lr}
resume_from: ???
optim:
  name: adam
  lr: 0.001
  betas: [0.9, 0.999]
tags: {}
"""
PLAIN = {
    "name": "기본 실험",
    "seed": 1,
    "epochs": 8,
    "optim": {"name": "adam", "lr": 0.001, "betas": [0.9, 0.999]},
}
UNRESOLVED = {
    "data_dir": "${oc.env:DATA_DIR}",
    "total": "${epochs}",
    "run_name": "${name}-${optim.lr}",
    "resume_from": "???",
}


def project(case: Case) -> None:
    """Write train.py and conf/ into the tree, as a user's project has them."""
    (case.tree / "conf").mkdir()
    (case.tree / "conf" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (case.tree / "train.py").write_text(TRAIN, encoding="utf-8")


def call(case: Case, *args: str) -> None:
    """Run train.py under Hydra; a crash is part of the case."""
    subprocess.run(
        [sys.executable, "train.py", *args],
        cwd=case.tree,
        check=False,
        capture_output=True,
    )


def single() -> None:
    case = Case("hydra_single", "hydra", PACKAGES)
    project(case)
    call(case, "optim.lr=0.01", "+tags.who=kim", "seed=7")
    folder = next(case.tree.glob("outputs/*/*"))
    hparams = flat(PLAIN) | UNRESOLVED
    hparams |= {"optim.lr": 0.01, "seed": 7, "tags.who": "kim"}
    entry = run(
        str(folder.relative_to(case.scratch)),
        csv_points(folder / "metrics.csv", "step"),
        hparams,
        [],
        None,
        [
            ".hydra/overrides.yaml says what was meant",
            "total may also read 8 (resolved)",
        ],
        overrides={"optim.lr": 0.01, "tags.who": "kim", "seed": 7},
        unresolved=sorted(UNRESOLVED),
    )
    case.save([entry], ["conf/ and train.py beside outputs/ are no run"])


def multirun() -> None:
    case = Case("hydra_multirun", "hydra", PACKAGES)
    project(case)
    call(case, "-m", "optim.lr=0.1,1.0", "optim.name=adam,sgd")
    sub = "hydra.sweep.subdir=${hydra.job.override_dirname}"
    call(case, "-m", "hydra.sweep.dir=sweep", sub, "seed=3,4", "epochs=8")
    runs = []
    folders = [
        *case.tree.glob("multirun/*/*/*/.hydra"),
        *case.tree.glob("sweep/*/.hydra"),
    ]
    for folder in sorted(f.parent for f in folders):
        text = (folder / ".hydra" / "overrides.yaml").read_text()
        given = dict(line[2:].split("=") for line in text.splitlines())
        typed = {
            k: v if k == "optim.name" else (float(v) if "." in v else int(v))
            for k, v in given.items()
        }
        crashed = typed.get("optim.lr", 0) > 0.9
        runs.append(
            run(
                str(folder.relative_to(case.scratch)),
                csv_points(folder / "metrics.csv", "step"),
                flat(PLAIN) | UNRESOLVED | typed,
                [],
                None,
                ["crashed at step 3 (nothing but train.log says so)"]
                if crashed
                else [],
                overrides=typed,
                unresolved=sorted(UNRESOLVED),
            )
        )
    notes = [
        "multirun/: jobs 2 and 3 (optim.lr=1.0) crash; Hydra still runs the whole batch",
        "sweep/ uses override_dirname: folder names with = and ,",
    ]
    case.save(runs, notes)


if __name__ == "__main__":
    single()
    multirun()
