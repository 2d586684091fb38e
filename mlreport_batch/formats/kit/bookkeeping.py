"""Which columns count steps or tell the time, and which names sound like metrics."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

# Surest first: where a row has several, the finest count of training steps wins.
_STEPS = (
    "step", "_step", "global_step", "globalstep", "steps", "trainer/global_step",
    "train/global_step", "time/total_timesteps", "total_timesteps",
    "training_iteration", "iteration", "iter", "iterations", "current_steps",
    "num_updates", "train_num_updates", "valid_num_updates", "n_iter", "update",
    "updates", "epoch", "epochs", "current_epoch",
)  # fmt: skip
_EPOCHS = ("epoch", "epochs", "current_epoch")
_WEAK_STEPS = ("round", "boosting_round", "batch", "batch_idx", "it", "episode")
_ORDER = {name: rank for rank, name in enumerate((*_STEPS, *_WEAK_STEPS))}
EPOCH_RANKS = tuple(_ORDER[name] for name in _EPOCHS)
_CLOCKS = frozenset([
    "time", "timestamp", "ts", "datetime", "date", "wall", "wall_time", "walltime",
    "wall_clock", "wallclock", "clock", "elapsed", "elapsed_s", "elapsed_sec",
    "elapsed_seconds", "elapsed_time", "time_elapsed", "remaining_time", "eta", "eta_s",
    "eta_seconds", "created_at", "time_total_s", "time_this_iter_s",
    "time_since_restore", "time/time_elapsed", "time/iterations", "_runtime",
    "_timestamp", "_time", "timestamp_ms", "unix_time", "passed", "remaining",
])  # fmt: skip
# `val/epoch` is an epoch, but `timers/step` is a duration.
_STEP_TAILS = frozenset(["epoch", "global_step", "current_epoch"])
_STEP_ENDS = ("num_updates", "train_wall")  # fairseq puts the set before the name
_UNNAMED = re.compile(r"unnamed: ?\d+|index|")

_METRIC_WORDS = frozenset([
    "loss", "losses", "acc", "accuracy", "f1", "precision", "recall", "auc", "auroc",
    "auprc", "ap", "map", "map50", "ndcg", "error", "err", "reward", "rewards",
    "return", "returns", "mse", "mae", "rmse", "mape", "r2", "bleu", "rouge", "meteor",
    "perplexity", "ppl", "iou", "miou", "dice", "lr", "norm", "kl", "entropy", "psnr",
    "ssim", "fid", "wer", "cer", "logloss", "nll", "elbo", "bpb", "bpc", "top1", "top5",
    "mcc", "kappa", "kld", "hinge", "crossentropy", "cosine", "mrr", "hits", "regret",
    "objective", "metric", "metrics", "rew", "train", "val", "valid", "validation",
    "eval", "dev", "gan",
])  # fmt: skip
# Of which part of the data; by themselves they say that something is measured.
_PART_WORDS = frozenset("train val valid validation eval dev norm".split())
# What a table of models or samples calls what it measures: `id,score` is no log.
_MEASURES = _METRIC_WORDS.union(
    "score scores rate throughput fps cost value values".split()
)
_MEASURES_KOREAN = ("손실", "정확도", "정밀도", "재현율", "점수", "보상", "오차")
_KINDS = frozenset([
    "type", "types", "kind", "fn", "func", "function", "name", "names", "class",
    "classes", "mode", "id", "path", "file", "files", "dir", "metric", "metrics",
    "objective", "config", "dataset", "data", "set", "split", "unit", "units",
])  # fmt: skip
_NAME_MAX = 300  # longer names are not remembered
_WORD = re.compile(r"[A-Za-z]+[0-9]*")
_LOG_WORDS = frozenset([
    "metric", "metrics", "log", "logs", "history", "hist", "results", "progress",
    "training", "curve", "curves", "losses", "stats", "scalars", "summary",
])  # fmt: skip


def _normal(name: str) -> str:
    return name.strip().strip('"').lower().replace(" ", "_").replace("-", "_")


def step_rank(name: str) -> int | None:
    """Return how surely *name* counts steps, 0 the surest, or None if it does not."""
    return _step_rank(name) if len(name) <= _NAME_MAX else None


@lru_cache(maxsize=4096)
def _step_rank(name: str) -> int | None:
    return _ORDER.get(_normal(name))


def is_bookkeeping(name: str) -> bool:
    """Return whether *name* is a step, epoch, iteration or clock column."""
    return len(name) <= _NAME_MAX and _is_bookkeeping(name)


@lru_cache(maxsize=4096)
def _is_bookkeeping(name: str) -> bool:
    normal = _normal(name)
    return (
        normal in _CLOCKS
        or normal in _ORDER
        or _UNNAMED.fullmatch(normal) is not None
        or normal.rpartition("/")[2] in _STEP_TAILS
        or normal.endswith(_STEP_ENDS)
    )


def step_column(names: Sequence[str]) -> int | None:
    """Return the index of the column that best counts steps, or None."""
    ranked = [
        (rank, index)
        for index, name in enumerate(names)
        if (rank := step_rank(name)) is not None
    ]
    return min(ranked)[1] if ranked else None


def epoch_column(names: Sequence[str], step: int | None) -> int | None:
    """Return the index of the column of epochs beside one of finer steps, or None."""
    if step is None or step_rank(names[step]) in EPOCH_RANKS:
        return None
    epochs = (at for at, name in enumerate(names) if step_rank(name) in EPOCH_RANKS)
    return next(epochs, None)


def has_sure_step(names: Iterable[str]) -> bool:
    """Return whether a column is there that hardly any data set has."""
    return any(
        (rank := step_rank(name)) is not None and rank < len(_STEPS) for name in names
    )


def sounds_like_metrics(names: Iterable[str]) -> bool:
    """Return whether most of the names that are no bookkeeping do."""
    others = [name for name in names if not is_bookkeeping(name)]
    return 2 * sum(map(is_metric_name, others)) > len(others)


def is_metric_name(name: str) -> bool:
    """Return whether *name* has a word that people use for what they measure."""
    return not _METRIC_WORDS.isdisjoint(_words(name))


def is_measure(name: str) -> bool:
    """Return whether *name* is one of a measured number, and surely of no text.

    ``val_loss`` is, ``loss_type`` and ``eval_dataset`` are not.
    """
    return len(name) <= _NAME_MAX and _is_measure(name)


@lru_cache(maxsize=4096)
def _is_measure(name: str) -> bool:
    if any(word in name for word in _MEASURES_KOREAN):
        return True
    words = [
        word if word in _MEASURES else word.rstrip("0123456789")
        for word in _words(name)
    ]
    if not words or words[-1] in _KINDS:
        return False
    found = _MEASURES.intersection(words)
    return bool(found - _PART_WORDS) or found == set(words)


def is_log_name(file_name: str) -> bool:
    """Return whether a file's name says that it is a log or holds metrics."""
    return not _LOG_WORDS.isdisjoint(_words(file_name))


def _words(name: str) -> list[str]:
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return [word.lower() for word in _WORD.findall(split)]
