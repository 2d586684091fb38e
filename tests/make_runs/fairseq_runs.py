"""Real fairseq trainings with ``--log-format json``: captured output and ``--log-file``.

Needs: Python 3.8, fairseq==0.12.2, torch==1.12.1, hydra-core==1.0.7, omegaconf==2.0.6.
Run: ``python tests/make_runs/fairseq_runs.py``; 30 s. Each training is fairseq's own
``fairseq-train`` in a process of its own, on a tiny language model and random text.
Truth: the statistics handed to ``JsonProgressBar``, noted before it formats them, and
formatted with ``%g`` as it does; a plain reading of the file must agree.

Cases: fairseq_captured (standard output and errors; killed in the middle of epoch 2, then
started again from checkpoint_last.pt: orphans), fairseq_file (``--log-file``: bare
messages; every epoch opens the file once more and every line is then written once more).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from common import Case, Points, checkpoints_in, run, same

KILLED_AFTER = 8  # rows: the second of epoch 2
CLOCKS = ("wall", "train_wall", "train_train_wall", "train_wall")
STEPS = ("num_updates", "train_num_updates", "valid_num_updates")
MODEL = (
    "--task language_modeling --arch transformer_lm --decoder-layers 1 "
    "--decoder-embed-dim 8 --decoder-ffn-embed-dim 16 --decoder-attention-heads 2 "
    "--sample-break-mode eos --tokens-per-sample 16 --batch-size 8 --optimizer adam "
    "--lr 0.01 --max-epoch 3 --log-format json --log-interval 3 --cpu --seed 7"
).split()
NOTES = [
    "values are strings in JSON, %g",
    "steps are num_updates, train_num_updates, valid_num_updates",
    "configuration and model are printed first: no JSON in the first 8 KiB",
]


def child(notes: str, rows: int, argv: list[str]) -> None:
    """Train as ``fairseq-train`` does; die after *rows* rows (0: live on)."""
    from fairseq.logging.progress_bar import JsonProgressBar
    from fairseq_cli import train

    log, show = JsonProgressBar.log, JsonProgressBar.print
    seen = []

    def note(stats: dict, prefix: str) -> None:
        row = {prefix + k: float(f"{v:g}") for k, v in stats.items()}
        seen.append(row)
        with Path(notes).open("a") as file:
            file.write(json.dumps(row) + "\n")

    def noted_log(self, stats, tag=None, step=None):
        log(self, stats, tag, step)
        if step % self.log_interval == 0:
            note(stats, "")
            if len(seen) == rows:
                os.kill(os.getpid(), signal.SIGKILL)

    def noted_print(self, stats, tag=None, step=None):
        show(self, stats, tag, step)
        note(stats, f"{tag}_")

    JsonProgressBar.log, JsonProgressBar.print = noted_log, noted_print
    sys.argv = ["fairseq-train", *argv]
    train.cli_main()


def data(folder: Path) -> str:
    """Make random text and let fairseq-preprocess make it binary."""
    rng = random.Random(7)
    words = [f"w{i}" for i in range(20)]
    for name, count in (("train", 96), ("valid", 24)):
        lines = [
            " ".join(rng.choices(words, k=rng.randint(4, 9))) for _ in range(count)
        ]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    code = "from fairseq_cli.preprocess import cli_main; cli_main()"
    options = f"--only-source --trainpref {folder}/train.txt --destdir {folder}/bin"
    more = ["--validpref", f"{folder}/valid.txt"]
    words = [sys.executable, "-c", code, *options.split(), *more]
    subprocess.run(words, check=True, capture_output=True)
    return str(folder / "bin")


def plain(file: Path) -> Points:
    """Read the log again, each row once, with nothing but split and json."""
    points, before = Points(), ""
    for line in file.read_text("utf-8").splitlines():
        text = line.rpartition(" | ")[2]
        if text.startswith('{"epoch"') and text != before:
            before = text
            add(points, {k: float(v) for k, v in json.loads(text).items()})
    return points


def add(points: Points, row: dict) -> None:
    at = next(row[name] for name in STEPS if name in row)
    points.add(at, row, ("epoch", "update", *STEPS, *CLOCKS))


def case(name: str, *, bare: bool) -> None:
    made = Case(name, "fairseq", ("fairseq", "torch"))
    folder = made.tree / "checkpoints" / "transformer_lm"
    folder.mkdir(parents=True)
    argv = [data(made.scratch), *MODEL, "--save-dir", str(folder)]
    file = folder / ("train.log" if bare else "fairseq.out")
    if bare:
        argv += ["--log-file", str(file)]
    notes = made.scratch / "rows.jsonl"

    def train(rows: int) -> None:
        words = [sys.executable, __file__, "child", str(notes), str(rows), *argv]
        out = made.scratch / "unused.out" if bare else file
        with out.open("a") as target:
            code = subprocess.run(words, stdout=target, stderr=target, check=False)
        if code.returncode != (-signal.SIGKILL if rows else 0):
            raise RuntimeError(out.read_text()[-2000:])

    def entry() -> dict:
        points = Points()
        for line in notes.read_text().splitlines():
            add(points, json.loads(line))
        truth = points.summary()
        same(truth, plain(file).summary())
        found = checkpoints_in(folder, "*.pt")
        return run(f"tree/checkpoints/{folder.name}", truth, {}, found, None, NOTES)

    if not bare:
        train(KILLED_AFTER)
        made.snapshot("killed in epoch 2", [entry()])
    train(0)
    if bare:
        told = "train.log: each row of epoch N stands there N times; it counts once"
    else:
        told = "the first process was killed in epoch 2; its rows after epoch 1 are orphans"
    made.save([entry()], [told])


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    else:
        case("fairseq_captured", bare=False)
        case("fairseq_file", bare=True)
