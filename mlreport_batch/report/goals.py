"""Which way a metric should go, and which one a reader asks for first."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise

from mlreport_batch.read.summary import MetricSummary
from mlreport_batch.report.view import RunView

_MIN_WORDS = (
    "loss", "error", "err", "perplexity", "ppl", "wer", "cer", "rmse", "mae", "mse",
    "nll", "fid", "kl", "regret", "mape", "logloss", "cost", "bpb", "bits_per",
)  # fmt: skip

_MAX_WORDS = (
    "acc", "accuracy", "f1", "auc", "map", "map50", "bleu", "rouge", "iou", "miou",
    "dice", "reward", "rew", "return", "score", "precision", "recall", "psnr", "ssim",
    "r2", "mrr", "ndcg", "success", "spearman", "pearson", "mcc", "top1", "top5",
)  # fmt: skip

_ONE_MINUS = re.compile(r"(?i)(?:1|one)[\s_]*(?:-|minus)[\s_]*(?=[^\W\d])")
_WORD = re.compile(r"[^\W\d_]+")

_AMOUNTS = frozenset(
    "scale scaler weight weights coef coeff coefficient count counts num size sizes "
    "steps lr code".split()
)

_SUMMED_UP = frozenset("total sum mean avg min max step epoch".split())

_MONEY = frozenset(
    ["api", "usd", "dollar", "dollars", "eur", "money", "token", "tokens"]
)

_HELD_OUT = re.compile(
    r"(?:^|[^a-z])(?:val|valid|validation|eval|evaluation|test|dev)(?![a-z])"
    "|검증|평가|시험",
    re.IGNORECASE,
)

_SCORES = (
    "acc", "정확도", "f1", "auc", "map", "bleu", "rouge", "iou", "dice", "reward",
    "rew_mean", "return", "score", "precision", "recall", "psnr", "ssim", "r2", "mrr",
    "ndcg",
    "rmse", "mae", "mse", "error", "wer", "cer", "fid", "mape",
)  # fmt: skip

_HOUSEKEEPING = (
    "lr", "learning_rate", "grad", "time", "fps", "speed", "per_second", "runtime",
    "memory", "flos", "momentum", "clip", "n_updates", "samples", "gpu", "cpu",
    "throughput", "weight_decay", "steps",
)  # fmt: skip


def goal_of(name: str, goals: Mapping[str, str]) -> str | None:
    """Return ``min``, ``max`` or None for the metric *name*.

    Args:
        name: The metric.
        goals: The user's globs, the first match wins; common names otherwise.
    """
    for pattern, goal in goals.items():
        if fnmatchcase(name, pattern):
            return goal
    return _usual_goal(name)


@lru_cache(maxsize=4096)
def _usual_goal(name: str) -> str | None:
    if is_amount(name):
        return None
    group, slash, last = name.rpartition("/")
    minus = _ONE_MINUS.match(last)
    if minus is not None and _named_goal(group + slash + last[minus.end() :]) == "max":
        return "min"
    # scikit-learn turns each error into a score, so that higher is better.
    goal = _named_goal(name)
    return "max" if last.lower().startswith("neg_") and goal == "min" else goal


def _named_goal(name: str) -> str | None:
    words = _words(name)
    for group, goal in ((_MIN_WORDS, "min"), (_MAX_WORDS, "max")):
        if words.intersection(group):
            return goal
    lowered = name.lower()
    if any(w in lowered for w in ("loss", "inaccura", "손실", "오차")):
        return "min"
    return "max" if any(w in lowered for w in ("acc", "reward", "정확도")) else None


def _words(name: str) -> set[str]:
    spaced = "".join(c if c.isalnum() else " " for c in name.lower())
    return set(spaced.split())


def best_of(summary: MetricSummary, goal: str | None) -> tuple[float, float] | None:
    """Return (best finite value, its step), or None without a goal or value."""
    if goal == "min" and summary.low is not None and summary.low_step is not None:
        return summary.low, summary.low_step
    if goal == "max" and summary.high is not None and summary.high_step is not None:
        return summary.high, summary.high_step
    return None


def main_metrics(view: RunView) -> list[str]:
    """Return metric names, those a reader asks for first: losses, then scores.

    Within a kind they stay in the order of their logs.
    """
    return sorted(view.metrics, key=_kind)


def headline_metric(names: Sequence[str]) -> str | None:
    """Return the metric to name first.

    A reward tells more of an agent than its losses do; otherwise a held-out loss
    comes before a training loss.
    """
    return min(
        names,
        key=lambda name: (not _is_reward(name), _kind(name), not _is_held_out(name)),
        default=None,
    )


@lru_cache(maxsize=4096)
def _is_reward(name: str) -> bool:
    last = _last_part(name)
    named = "rew_mean" in last or "reward" in last or "episode_return" in last
    return named and not is_amount(name)


def _is_held_out(name: str) -> bool:
    return _HELD_OUT.search(name) is not None


def is_amount(name: str) -> bool:
    """Return whether *name* tells of a setting or an amount, whatever it is about.

    ``loss_scale`` and ``kl_weight`` measure no training; ``multi_scale_loss`` does.
    """
    words = _WORD.findall(_last_part(name))
    while len(words) > 1 and words[-1] in _SUMMED_UP:
        del words[-1]
    if not words:
        return False
    is_money = "cost" in words and not _MONEY.isdisjoint(words)
    return words[-1] in _AMOUNTS or words[0] == "num" or is_money


@lru_cache(maxsize=4096)
def is_rate(name: str) -> bool:
    """Return whether *name* is that of a learning rate, which schedules change."""
    words = _WORD.findall(name.lower().replace(".", "/"))
    has_name = ("learning", "rate") in pairwise(words)
    return "lr" in words or "lrs" in words or has_name


def _last_part(name: str) -> str:
    return name.lower().replace(".", "/").rpartition("/")[2]


@lru_cache(maxsize=4096)
def _kind(name: str) -> int:
    lowered = name.lower()
    last = _last_part(name)
    if is_amount(name):
        return 3
    if (
        "loss" in last
        or "손실" in last
        or "perplexity" in last
        or last in ("ppl", "cost", "nll")
    ):
        return 0
    if any(word in lowered for word in _SCORES):
        return 1
    return 3 if any(word in lowered for word in _HOUSEKEEPING) else 2
