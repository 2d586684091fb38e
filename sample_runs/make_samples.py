# ruff: noqa: INP001  (a script beside its data, no package)
"""Write the sample runs beside this file: small by-products of made-up trainings.

    python sample_runs/make_samples.py [FOLDER]

Nothing was trained; the curves are formulas with seeded noise, so each call
writes the same bytes (a test compares them with what is committed). What each run
shows is said in ``README.md`` and at its function. Standard library only.
"""

import csv
import io
import json
import math
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

Cell = float | str | None


def main(arguments: Sequence[str]) -> None:
    """Write all runs below the folder named first, or beside this file."""
    root = Path(arguments[0]) if arguments else Path(__file__).parent
    kinds = (gan, resnet, lightning, translation, diverging, korean)
    for make in (*kinds, crashed, killed, out_of_time, begun):
        for name, content in make().items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(data)


def gan() -> dict[str, str | bytes]:
    """The example of the 2019 paper: its five values are the latest ones."""
    noise = Noise(2019)
    header = ["GAN_loss", "train_loss", "val_loss", "train_accuracy", "val_accuracy"]
    rows: list[list[Cell]] = []
    for epoch in range(1, 12):
        left = math.exp(-epoch / 4)
        rows.append(
            [
                epoch,
                noise.around(2 + 3.1 * left, 0.08, 2),
                noise.around(2 + 2.4 * left, 0.05, 2),
                noise.around(1 + 2.2 * left, 0.06, 2),
                noise.around(0.79 - 0.55 * left, 0.006, 3),
                noise.around(0.97 - 0.5 * left, 0.006, 3),
            ]
        )
    rows.append([12, 2, 2, 1, 0.78, 0.98])
    return {
        "gan/history.csv": table(["epoch", *header], rows),
        "gan/hparams.yaml": (
            "generator: dcgan\nlatent_dim: 100\n"
            "optimizer: {name: adam, lr: 0.0002, beta1: 0.5}\nbatch_size: 64\n"
        ),
        "gan/intent.yaml": (
            "purpose: Notification loss and accuracy of recent model.\n"
            "expect:\n  latent_dim: 100\n  optimizer.lr: 2e-4\n  batch_size: 64\n"
        ),
    }


def resnet() -> dict[str, str | bytes]:
    """Healthy: pairs of curves, weights worth keeping, all hparams as intended."""
    noise = Noise(50)
    names = ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    rows: list[list[Cell]] = []
    files: dict[str, str | bytes] = {}
    for epoch in range(40):
        left = math.exp(-epoch / 9)
        rows.append(
            [
                epoch,
                noise.around(0.962 - 0.62 * left, 0.004, 4),
                noise.around(0.11 + 1.75 * left, 0.012, 4),
                noise.around(0.921 - 0.56 * left, 0.006, 4),
                noise.around(0.27 + 1.52 * left, 0.016, 4),
            ]
        )
        if epoch in (19, 29, 39):
            name = f"resnet50-cifar10/checkpoints/epoch-{epoch}.pt"
            files[name] = weights(epoch)
    return files | {
        "resnet50-cifar10/training.csv": table(names, rows),
        "resnet50-cifar10/checkpoints/best.pt": weights(38),
        "resnet50-cifar10/hparams.yaml": (
            "model: resnet50\ndataset: cifar10\nepochs: 40\nbatch_size: 128\n"
            "optimizer:\n  name: sgd\n  lr: 0.1\n  momentum: 0.9\n"
            "  weight_decay: 0.0005\n"
            "schedule: cosine\nlabel_smoothing: 0.1\nseed: 7\n"
        ),
        "resnet50-cifar10/evaluation/results.json": by_class(noise),
        "resnet50-cifar10/intent.yaml": (
            "purpose: Baseline for the augmentation study.\n"
            "expect:\n  optimizer.lr: 1e-1\n  optimizer.weight_decay: 5e-4\n"
            "  schedule: cosine\n  seed: 7\n"
        ),
    }


def by_class(noise: "Noise") -> str:
    """Return how well each class of CIFAR-10 is told, as scikit-learn says it."""
    names = "airplane automobile bird cat deer dog frog horse ship truck".split()
    hard = {"bird": 0.05, "cat": 0.13, "deer": 0.04, "dog": 0.09}
    told: dict[str, object] = {}
    for name in names:
        score = 0.955 - hard.get(name, 0)
        precision, recall = (noise.around(score, 0.01, 4) for _ in range(2))
        f1 = round(2 * precision * recall / (precision + recall), 4)
        told[name] = {"precision": precision, "recall": recall, "f1-score": f1}
    return json.dumps({"accuracy": 0.9213, **told}, indent=1) + "\n"


def lightning() -> dict[str, str | bytes]:
    """Lightning's CSV logger: training and validation in rows of their own."""
    noise = Noise(3)
    names = ["epoch", "lr", "step", "train_loss", "val_acc", "val_loss"]
    rows: list[list[Cell]] = []
    for epoch in range(6):
        last = epoch * 50 + 49
        for step in range(epoch * 50 + 9, last + 1, 10):
            loss = noise.around(0.31 + 1.9 * math.exp(-step / 90), 0.05, 5)
            rows.append([epoch, None, step, loss, None, None])
        left = math.exp(-last / 90)
        accuracy = noise.around(0.9 - 0.5 * left, 0.01, 5)
        val = noise.around(0.4 + 1.7 * left, 0.03, 5)
        rows.append([epoch, None, last, None, accuracy, val])
        rows.append([None, round(0.001 * 0.8**epoch, 7), last, None, None, None])
    folder = "segmentation/lightning_logs/version_0"
    return {
        f"{folder}/metrics.csv": table(names, rows),
        f"{folder}/hparams.yaml": (
            "lr: 0.001\nhidden: 64\ndropout: 0.1\nsched: exponential\n"
        ),
        f"{folder}/checkpoints/epoch=5-step=300.ckpt": weights(300),
    }


def translation() -> dict[str, str | bytes]:
    """JSON lines of a home-made loop, nested; an API key that must be masked."""
    noise = Noise(17)
    lines = []
    for step in range(100, 6001, 100):
        left = math.exp(-step / 1500)
        entry: dict[str, object] = {
            "step": step,
            "train": {"loss": noise.around(1.62 + 5.1 * left, 0.06, 4)},
            "lr": round(0.0005 * min(step / 1000, (1000 / step) ** 0.5), 8),
            "tokens_per_s": noise.around(41800, 900, 0),
        }
        if step % 1000 == 0:
            entry["val"] = {
                "loss": noise.around(1.81 + 4.7 * left, 0.03, 4),
                "bleu": noise.around(29.4 - 24 * left, 0.3, 2),
            }
        lines.append(json.dumps(entry))
    config = {
        "model": {"layers": 6, "d_model": 512, "heads": 8},
        "data": {"pair": "ko-en", "max_len": 256},
        "lr": 0.0005,
        "warmup": 1000,
        "tracker_api_key": "not-a-real-key-0123456789",
    }
    return {
        "transformer-ko-en/train.jsonl": "\n".join(lines) + "\n",
        "transformer-ko-en/config.json": json.dumps(config, indent=2) + "\n",
    }


def diverging() -> dict[str, str | bytes]:
    """A learning rate ten times too high, and what became of it."""
    noise = Noise(23)
    rows: list[list[Cell]] = []
    turns_at, breaks_at = 400, 620
    for step in range(20, 801, 20):
        grown = math.exp(max(0, step - turns_at) / 45)
        loss = noise.around((0.9 + 1.4 * math.exp(-step / 120)) * grown, 0.03, 4)
        val = noise.around(loss * 1.1, 0.05, 4) if step % 100 == 0 else None
        if step > breaks_at:
            rows.append([step, "nan", None if val is None else "nan"])
        else:
            rows.append([step, loss, val])
    return {
        "vit-lr-sweep/lr-0.01/metrics.csv": table(
            ["step", "train_loss", "val_loss"], rows
        ),
        "vit-lr-sweep/lr-0.01/hparams.json": json.dumps(
            {"lr": 0.01, "warmup_steps": 0, "batch_size": 256, "amp": True}, indent=2
        )
        + "\n",
        "vit-lr-sweep/lr-0.01/intent.yaml": (
            "purpose: Does ViT-S train without warm-up?\n"
            "expect:\n  lr: 1e-3\n  warmup_steps: 0\n  batch_size: 256\n"
            "  grad_clip: 1.0\n"
        ),
    }


def korean() -> dict[str, str | bytes]:
    """Korean names throughout: folders, metrics, hparams and purpose."""
    noise = Noise(1446)
    rows: list[list[Cell]] = []
    for epoch in range(1, 25):
        left = math.exp(-epoch / 6)
        rows.append(
            [
                epoch,
                noise.around(0.42 + 2.9 * left, 0.03, 4),
                noise.around(0.55 + 2.6 * left, 0.03, 4),
                noise.around(0.083 + 0.6 * left, 0.004, 4),
            ]
        )
    return {
        "음성인식/한국어-기본모형/metrics.csv": table(
            ["epoch", "훈련_loss", "검증_loss", "검증_cer"], rows
        ),
        "음성인식/한국어-기본모형/hparams.yaml": (
            "모형: conformer\n학습률: 0.0005\n배치_크기: 32\n"
            "자료: 방송 뉴스 120시간\n증강: 속도와 소음\n"
        ),
        "음성인식/한국어-기본모형/intent.yaml": (
            "purpose: 방송 뉴스만으로 얼마나 되는지 본다.\n"
            "expect:\n  학습률: 5e-4\n  배치_크기: 32\n  증강: 속도와 소음\n"
        ),
    }


def crashed() -> dict[str, str | bytes]:
    """Out of the GPU's memory in its ninth epoch; what Slurm caught says so."""
    noise = Noise(77)
    rows: list[list[Cell]] = []
    lines = []
    for epoch in range(1, 9):
        left = math.exp(-epoch / 5)
        loss = noise.around(5.1 + 9 * left, 0.2, 3)
        rows.append(
            [epoch, loss, noise.around(5.6 + 8.4 * left, 0.2, 3),
             noise.around(0.31 - 0.29 * left, 0.006, 4)]
        )  # fmt: skip
        lines.append(f"epoch {epoch}/50  loss {loss}")
    lines += [
        "Traceback (most recent call last):",
        '  File "train.py", line 188, in <module>',
        "    main()",
        '  File "train.py", line 141, in main',
        "    outputs = model(images)",
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.53 GiB. "
            "GPU 0 has a total capacity of 23.69 GiB of which 702.94 MiB is free."
        ),
    ]
    return {
        "detr-coco/metrics.csv": table(
            ["epoch", "train/loss", "val/loss", "val/mAP"], rows
        ),
        "detr-coco/slurm-4711.out": "\n".join(lines) + "\n",
        "detr-coco/hparams.yaml": (
            "backbone: resnet50\nepochs: 50\nlr: 0.0001\nbatch_size: 8\nqueries: 100\n"
        ),
    }


def killed() -> dict[str, str | bytes]:
    """Ended by the system for its memory, in the middle of a line of ``nohup.out``."""
    noise = Noise(31)
    rows: list[list[Cell]] = []
    lines = []
    for step in range(250, 5001, 250):
        left = math.exp(-step / 1800)
        loss = noise.around(0.62 + 2.7 * left, 0.05, 4)
        rows.append([step, loss, noise.around(0.11 + 0.8 * left, 0.01, 4)])
        lines.append(f"step {step}: loss {loss}")
    return {
        "wav2vec-finetune/progress.csv": table(["step", "train_loss", "val_wer"], rows),
        "wav2vec-finetune/nohup.out": "\n".join([*lines, "Killed"]) + "\n",
        "wav2vec-finetune/hparams.json": json.dumps(
            {"max_steps": 20000, "lr": 0.0003, "mask_time_prob": 0.05}, indent=2
        )
        + "\n",
    }


def out_of_time() -> dict[str, str | bytes]:
    """Half of its steps done when the time that Slurm gave it was over."""
    noise = Noise(64)
    lines, told = [], []
    for step in range(50, 1501, 50):
        loss = noise.around(1.21 + 0.9 * math.exp(-step / 350), 0.03, 4)
        entry = {"step": step, "loss": loss, "grad_norm": noise.around(0.8, 0.2, 3)}
        if step % 250 == 0:
            entry["eval_loss"] = noise.around(
                1.3 + 0.8 * math.exp(-step / 350), 0.01, 4
            )
        lines.append(json.dumps(entry))
        told.append(f"step {step} loss {loss}")
    told.append(
        "slurmstepd: error: *** JOB 4712 ON gpu-07 CANCELLED AT 2026-01-15T09:00:12 "
        "DUE TO TIME LIMIT ***"
    )
    return {
        "llama-qlora/log.jsonl": "\n".join(lines) + "\n",
        "llama-qlora/slurm-4712.out": "\n".join(told) + "\n",
        "llama-qlora/config.json": json.dumps(
            {"max_steps": 3000, "lora_r": 16, "lora_alpha": 32, "lr": 0.0002}, indent=2
        )
        + "\n",
    }


def begun() -> dict[str, str | bytes]:
    """Just started: a header, and no row yet."""
    return {
        "diffusion-64px/metrics.csv": table(["step", "loss", "grad_norm"], []),
        "diffusion-64px/intent.yaml": "purpose: Does v-prediction train as well?\n",
    }


class Noise:
    """Seeded noise that is the same in every version of Python."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311

    def around(self, value: float, spread: float, digits: int) -> float:
        """Return *value* give or take *spread*, rounded."""
        moved = round(value + spread * (2 * self._random.random() - 1), digits)
        return moved if digits else int(moved)


def table(names: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a CSV; a missing value is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue()


def weights(seed: int) -> bytes:
    """Return what stands in for a model: checkpoints are listed, never opened."""
    return random.Random(seed).randbytes(1024)  # noqa: S311


if __name__ == "__main__":
    main(sys.argv[1:])
