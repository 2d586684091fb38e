"""MLflow runs: file store and SQLite, with NaN, infinities, a failed and a deleted run.

Needs: mlflow==3.17.2. Run: ``python tests/make_runs/mlflow_runs.py``; about 40 s; nothing
random. Truth: the values logged, compared with the store's files read plainly (file
store) and with sqlite3 (database).

Cases: mlflow_file (two snapshots), mlflow_sqlite. The database is rewritten with pages of
512 bytes (VACUUM) to stay small and has its paths replaced; nothing else is changed.
"""

from __future__ import annotations

import logging
import os
import sqlite3

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["LOGNAME"] = os.environ["USER"] = "researcher"

from common import Case, Points, run, same
from mlflow.tracking import MlflowClient

logging.disable(logging.WARNING)
PACKAGES = ("mlflow",)
INF = float("inf")
NAN = float("nan")


def fill(case: Case, uri: str, artifacts: str | None = None) -> list[dict]:
    """Log four runs to *uri*; return name, id, points, params and status of each."""
    client = MlflowClient(uri)
    exp = client.create_experiment("한국어 실험", artifact_location=artifacts)
    made = []
    plans = [
        ("first", "FINISHED", [0.9, 0.5, 0.25, 0.125]),
        ("odd", "FAILED", [0.9, NAN, INF, -INF, 0.5, NAN]),
        ("alive", None, [0.7, 0.6]),
        ("gone", "FINISHED", [1.0]),
    ]
    for name, status, losses in plans:
        info = client.create_run(exp, run_name=name).info
        points = Points()
        params = {"lr": "0.001", "optim": "adam", "layers.0/size": "32", "none": "None"}
        params |= {"메모": "두 줄\n설명"} if name == "odd" else {}
        for key, value in params.items():
            client.log_param(info.run_id, key, value)
        for step, loss in enumerate(losses):
            row = {"train/loss": loss, "acc": step / 8}
            if step % 2:
                row["검증 손실"] = step * 0.5
            for key, value in row.items():
                at = 1_790_000_000_000 + step * 1000
                client.log_metric(info.run_id, key, value, at, step * 10)
            points.add(step * 10, row)
        if status:
            client.set_terminated(info.run_id, status)
        if name == "gone":
            client.delete_run(info.run_id)
        made.append((name, info.run_id, points, params, status, exp))
        if name in ("first", "odd") and uri.startswith("file"):
            entries = [entry(m) for m in made]
            case.snapshot(f"after run {name}", entries)
    return made


WORDS = {"FINISHED": "finished", "FAILED": "failed", None: "running"}


def entry(made: tuple) -> dict:
    """Return the truth of one run of the file store."""
    name, run_id, points, params, status, exp = made
    found = run(f"tree/mlruns/{exp}/{run_id}", points, params, [], WORDS[status])
    return found | {"run_name": name}


def file_store() -> None:
    case = Case("mlflow_file", "mlflow", PACKAGES)
    made = fill(case, (case.tree / "mlruns").as_uri())
    runs = []
    for one in made[:-1]:
        name, run_id, points, *_, exp = one
        read = Points()
        root = case.tree / "mlruns" / exp / run_id / "metrics"
        for path in root.rglob("*"):
            if path.is_file():
                for line in path.read_text().splitlines():
                    _, value, step = line.split()
                    tag = str(path.relative_to(root))
                    read.add(int(step), {tag: float(value)})
        same(points.summary(), read.summary())
        runs.append(entry(one))
    case.save(
        runs,
        [
            f"the run 'gone' ({made[-1][1]}) is deleted: lifecycle_stage deleted in"
            " meta.yaml, no run to report",
            "params are text; 'none' is the text None",
        ],
    )


def sqlite() -> None:
    case = Case("mlflow_sqlite", "mlflow", PACKAGES)
    file = case.tree / "mlflow.db"
    made = fill(case, f"sqlite:///{file}", str(case.tree / "mlartifacts"))
    db = sqlite3.connect(file)
    for table, column in (
        ("runs", "artifact_uri"),
        ("runs", "source_name"),
        ("experiments", "artifact_location"),
    ):
        db.execute(
            f"UPDATE {table} SET {column} = replace({column}, ?, ?)",  # noqa: S608
            (str(case.tree), "/data/expruns/mlflow_sqlite"),
        )
        db.execute(
            f"UPDATE {table} SET {column} = replace({column}, ?, ?)",  # noqa: S608
            (os.getcwd(), "/data/expruns/mlflow_sqlite"),
        )
    db.commit()
    db.execute("PRAGMA journal_mode=DELETE")
    db.execute("PRAGMA page_size=512")
    db.execute("VACUUM")
    runs = []
    for name, run_id, points, params, status, _ in made[:-1]:
        read = Points()
        rows = db.execute(
            "SELECT key, value, step, is_nan FROM metrics WHERE run_uuid=?"
            " ORDER BY key, step, timestamp",
            (run_id,),
        )
        for key, value, step, is_nan in rows:
            got = NAN if is_nan else value
            if abs(got) > 1.7e308:
                got = INF if got > 0 else -INF
            read.add(step, {key: got})
        same(points.summary(), read.summary())
        note = [
            "runs of a database have no folder: they are found as if the database"
            " were one, by experiment and run_id"
        ]
        path = f"tree/mlflow.db/1/{run_id}"
        truth = run(path, points, params, [], WORDS[status], note)
        runs.append(truth | {"run_name": name, "run_id": run_id})
    db.close()
    case.save(
        runs,
        [
            "infinities are stored as +-1.7976931348623157e308, NaN as 0 with is_nan=1",
            f"the run 'gone' ({made[-1][1]}) is deleted: lifecycle_stage 'deleted'",
        ],
    )


if __name__ == "__main__":
    file_store()
    sqlite()
