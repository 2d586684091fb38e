"""Composer's FileLogger, driven by hand: ``logs-rank0.txt``.

Needs: mosaicml==0.32.1. Run: ``python tests/make_runs/composer_runs.py``; 1 s. Truth: the
values formatted into the lines.

Case: composer.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

from common import Case, Points, run


def composer() -> None:
    from composer.loggers import FileLogger
    from composer.loggers.logger import format_log_data_value as shown

    case = Case("composer", "composer", ("mosaicml",))
    logger = FileLogger(
        str(case.tree / "{run_name}" / "logs-rank{rank}.txt"),
        capture_stdout=False,
        capture_stderr=False,
    )
    logger.init(SimpleNamespace(run_name="1790000000-wise-crab"), None)
    points = Points()
    hparams = {"lr": 0.01, "이름": "실험", "optimizer": "SGD"}
    logger.log_hyperparameters(hparams)
    logger.log_traces({"algorithm_traces/none": "no"})
    logger.write("[stdout]: ", "a line: 3\n")
    for step in range(12):
        value = float("nan") if step == 7 else 1 / (step + 1)
        row = {"loss/train/total": value, "trainer/batch_idx": step}
        if step % 4 == 3:
            row["metrics/eval/Accuracy"] = step / 12
        logger.log_metrics(row, step)
        points.add(step, {k: float(shown(v)) for k, v in row.items()})
    table = json.dumps({"columns": ["a", "b"], "data": [[1, 2]]})
    logger.write("[table]: ", f"table: {table}\n")
    logger.file.close()
    logger.file = None
    truth = points.summary()
    side = {"trainer/batch_idx": truth.pop("trainer/batch_idx")}
    folder = next(case.tree.iterdir())
    entry = run(f"tree/{folder.name}", truth, hparams, bookkeeping=side)
    notes = [
        "Composer's FileLogger driven by hand, no Trainer",
        "numbers are printed with four decimals, texts as JSON (in quotes)",
    ]
    case.save([entry], notes)


if __name__ == "__main__":
    composer()
