"""CatBoost, XGBoost and LightGBM: own files, captured stdout, dumped evals.

Needs: catboost==1.2.10, xgboost==3.2.0, lightgbm==4.7.0, numpy; for lightgbm_cli the
command line tool, which no wheel has (``cmake`` and ``make lightgbm`` in the sources of
4.6.0), named by LIGHTGBM_CLI. Run: ``python tests/make_runs/boosting_runs.py [case...]``;
about 15 s; data from a seeded generator. Truth: the frameworks' evals in memory, rounded
where the text is shorter (a note says so); for the command line, log loss and AUC worked
out here from the predictions of the models it saved on the way.

Cases: catboost_basic (learn and test, AUC only in test, two snapshots made with fewer
iterations), catboost_no_test, xgboost_stdout (two sets, two metrics), xgboost_evals (the evals
dict dumped by the user, beside params.json and a model.json), xgboost_cv (``+std``),
lightgbm_stdout, lightgbm_early_stop (the best round is printed again), lightgbm_evals,
lightgbm_cli (three sets, every fifth round, stopped early: the best round again).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from common import Case, Points, csv_points, flat, run, same


def data(seed: int, rows: int):
    """Return points and labels with some noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 5))
    return x, ((x.sum(1) + random.normal(size=rows)) > 0).astype(int)


def catboost_case(name: str, *, test: bool) -> None:
    import catboost

    case = Case(name, "catboost", ("catboost",))
    folder = case.tree / "catboost_info"
    params = {"learning_rate": 0.1, "depth": 2, "loss_function": "Logloss"}
    for iterations in (6, 15) if test else (10,):
        model = catboost.CatBoostClassifier(
            iterations=iterations,
            random_seed=7,
            train_dir=str(folder),
            custom_metric=["AUC"] if test else [],
            verbose=False,
            thread_count=1,
            **params,
        )
        fit_args = {"eval_set": data(2, 60)} if test else {}
        model.fit(*data(1, 120), **fit_args)
        points, files = Points(), {}
        for sub, part in (("learn", "learn"), ("test", "validation")):
            for metric, values in model.get_evals_result().get(part, {}).items():
                for step, value in enumerate(values):
                    points.add(step, {f"{sub}/{metric}": value})
            path = folder / f"{sub}_error.tsv"
            if path.exists():
                read = csv_points(path, "iter", sep="\t").summary()
                files[path.name] = read
                kept = points.summary()
                own = {k.split("/")[1]: v for k, v in kept.items() if k.startswith(sub)}
                same(own, read, 1e-8)
        truth = {
            f"{n.removesuffix('_error.tsv')}/{k}": v
            for n, read in files.items()
            for k, v in read.items()
        }
        entry = run("tree/catboost_info", truth, {}, [], None, per_file=files)
        entry["notes"] = [
            "values as in the tsv (10 digits); the names learn/ and test/ are ours:"
            " per_file has the bare columns",
            "catboost_training.json and the event files hold the same rows;"
            " time_left.tsv is clock",
            "passed_iterations etc. in time_left.tsv are no metrics",
        ]
        if test and iterations == 6:
            case.snapshot("a shorter training", [entry])
    case.save([entry])


XGB = """\
import json, sys
import numpy as np, xgboost
sys.path.insert(0, sys.argv[1])
from boosting_runs import data
kind = sys.argv[2]
train, valid = (xgboost.DMatrix(*data(s, n)) for s, n in ((1, 120), (2, 60)))
params = {"objective": "binary:logistic", "eta": 0.3, "max_depth": 2, "seed": 7,
          "eval_metric": ["logloss", "auc"], "nthread": 1}
if kind == "cv":
    xgboost.cv(params, train, 8, nfold=3, verbose_eval=True, seed=7)
else:
    evals = {}
    model = xgboost.train(params, train, 12, [(train, "train"), (valid, "valid")],
                          evals_result=evals, verbose_eval=True)
    if kind == "evals":
        json.dump(evals, open("evals_result.json", "w"))
        json.dump(params, open("params.json", "w"))
        model.save_model("model.json")
    json.dump(evals, open(sys.argv[3], "w"))
"""
LGB = """\
import json, sys
import lightgbm, numpy as np
sys.path.insert(0, sys.argv[1])
from boosting_runs import data
kind = sys.argv[2]
train = lightgbm.Dataset(*data(1, 120))
valid = train.create_valid(*data(2, 60))
params = {"objective": "binary", "metric": ["binary_logloss", "auc"], "seed": 7,
          "learning_rate": 0.1, "num_leaves": 4, "num_threads": 1}
evals = {}
callbacks = [lightgbm.log_evaluation(5), lightgbm.record_evaluation(evals)]
if kind == "early":
    params["learning_rate"] = 0.5
    callbacks.append(lightgbm.early_stopping(12))
model = lightgbm.train(params, train, 60 if kind == "early" else 20,
    valid_sets=[valid], callbacks=callbacks)
if kind == "evals":
    json.dump(evals, open("evals_result.json", "w"))
    json.dump(params, open("params.json", "w"))
    model.save_model("model.txt")
json.dump(evals, open(sys.argv[3], "w"))
"""


def call(case: Case, folder: Path, script: str, kind: str) -> dict:
    """Run *script* in *folder*; its stdout and stderr become train.log."""
    code = case.scratch / "train.py"
    code.write_text(script)
    told = case.scratch / "evals.json"
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, str(code), here, kind, str(told)],
        cwd=folder,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if kind != "evals":
        (folder / "train.log").write_bytes(done.stdout)
    return json.loads(told.read_text()) if told.exists() else {}


def evals_points(evals: dict, sep: str, first: int, every: int = 1) -> Points:
    """Return the points of {set: {metric: [...]}}; steps from *first*."""
    points = Points()
    for part, metrics in evals.items():
        for metric, values in metrics.items():
            for number, value in enumerate(values):
                if (number + 1) % every == 0 or every == 1:
                    points.add(number + first, {f"{part}{sep}{metric}": value})
    return points


def rounded(truth: dict, form: str) -> dict:
    """Return *truth* with its values as the text has them."""
    return {
        name: {
            k: float(form % v) if k in ("last", "min", "max") else v
            for k, v in m.items()
        }
        for name, m in truth.items()
    }


def stdout_case(name: str, script: str, kind: str = "stdout") -> None:
    lgb = name.startswith("lightgbm")
    package = "lightgbm" if lgb else "xgboost"
    case = Case(name, package, (package,))
    folder = case.tree / "run1"
    folder.mkdir()
    evals = call(case, folder, script, kind)
    if lgb:
        points = evals_points(evals, "'s ", 1, 5)
        truth = rounded(points.summary(), "%g")
    else:
        truth = rounded(evals_points(evals, "-", 0).summary(), "%.5f")
    notes = ["rounded as the text has it: 6 digits (lightgbm), 5 decimals (xgboost)"]
    if lgb:
        notes.append("lightgbm counts from 1 and prints every fifth round")
    if kind == "early":
        notes.append("the best round, printed again at the end, is no new point")
    case.save([run("tree/run1", truth, {}, [], None, notes)])


def evals_case(name: str, script: str) -> None:
    lgb = name.startswith("lightgbm")
    package = "lightgbm" if lgb else "xgboost"
    case = Case(name, package, (package,))
    folder = case.tree / "run1"
    folder.mkdir()
    evals = call(case, folder, script, "evals")
    params = flat(json.loads((folder / "params.json").read_text()))
    file = "model.txt" if lgb else "model.json"
    notes = [
        "evals_result.json is written by the user: {set: {metric: [values]}}, no steps;"
        " the index from 0 is taken",
        f"{file} is the model; showing it as a checkpoint is right, and not to too",
    ]
    truth = evals_points(evals, "/", 0)
    case.save(
        [run("tree/run1", truth, params, [], None, notes, optional_checkpoints=[file])]
    )


def xgboost_cv() -> None:
    case = Case("xgboost_cv", "xgboost", ("xgboost",))
    folder = case.tree / "cv"
    folder.mkdir()
    call(case, folder, XGB, "cv")
    points = Points()
    for line in (folder / "train.log").read_text().splitlines():
        for name, mean in re.findall(r"(\S+):(\d\.\d+)\+", line):
            points.add(int(line[1 : line.index("]")]), {name: float(mean)})
    notes = ["cv prints mean+std; the mean is the value", "truth read from the text"]
    case.save([run("tree/cv", points, {}, [], None, notes)])


def scores(labels, chances) -> dict[str, float]:
    """Return the log loss and the AUC of predicted chances."""
    right = np.where(labels == 1, chances, 1 - chances)
    pairs = chances[labels == 1][:, None] - chances[labels == 0][None, :]
    auc = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    return {"binary_logloss": float(-np.log(right).mean()), "auc": float(auc)}


CONF = """\
task = train
objective = binary
metric = binary_logloss,auc
data = train.csv
valid = valid.csv,test.csv
label_column = 0
is_training_metric = true
metric_freq = 5
early_stopping_round = 10
num_iterations = 200
learning_rate = 0.2
num_leaves = 7
min_data_in_leaf = 5
seed = 7
num_threads = 1
output_model = model.txt
"""


def lightgbm_cli() -> None:
    tool = os.environ["LIGHTGBM_CLI"]
    case = Case("lightgbm_cli", "lightgbm")
    case.versions = {"lightgbm": "4.6.0"}
    sets = {"training": ("train", 1, 200), "valid_1": ("valid", 2, 80)}
    sets["valid_2"] = ("test", 3, 80)
    folder, other = case.tree / "run1", case.scratch / "other"
    for each in (folder, other):
        each.mkdir()
        (each / "train.conf").write_text(CONF)
        for name, seed, rows in sets.values():
            x, y = data(seed, rows)
            table = np.column_stack([y, x])
            np.savetxt(each / f"{name}.csv", table, delimiter=",", fmt="%.6g")
    with (folder / "lightgbm.log").open("wb") as log:
        command = [tool, "config=train.conf"]
        subprocess.run(command, cwd=folder, check=True, stdout=log, stderr=log)
    command = [tool, "config=train.conf", "snapshot_freq=5"]
    subprocess.run(command, cwd=other, check=True, capture_output=True)
    saved = {int(p.name.split("_")[-1]): p for p in other.glob("*.snapshot_iter_*")}
    points = Points()
    for step, model in sorted(saved.items()):
        for shown, (name, _, _) in sets.items():
            table = np.loadtxt(other / f"{name}.csv", delimiter=",")
            command = [tool, "task=predict", f"data={name}.csv", "label_column=0"]
            command += [f"input_model={model.name}", "output_result=out.txt"]
            subprocess.run(command, cwd=other, check=True, capture_output=True)
            got = scores(table[:, 0], np.loadtxt(other / "out.txt"))
            points.add(step, {f"{shown} {k}": v for k, v in got.items()})
    truth = rounded(points.summary(), "%g")
    notes = [
        "the best round (11), printed again without [LightGBM] after the early stop, is"
        " no new point: the last one is of round 20",
        "train.csv, valid.csv and test.csv are data sets, no logs",
    ]
    entry = run("tree/run1", truth, {}, [], None, notes)
    case.save([entry], ["training on one thread, built without OpenMP"])


CASES = {
    "catboost_basic": lambda: catboost_case("catboost_basic", test=True),
    "catboost_no_test": lambda: catboost_case("catboost_no_test", test=False),
    "xgboost_stdout": lambda: stdout_case("xgboost_stdout", XGB),
    "xgboost_evals": lambda: evals_case("xgboost_evals", XGB),
    "xgboost_cv": xgboost_cv,
    "lightgbm_stdout": lambda: stdout_case("lightgbm_stdout", LGB),
    "lightgbm_early_stop": lambda: stdout_case("lightgbm_early_stop", LGB, "early"),
    "lightgbm_evals": lambda: evals_case("lightgbm_evals", LGB),
    "lightgbm_cli": lightgbm_cli,
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or CASES:
        CASES[chosen]()
