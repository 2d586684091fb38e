"""Which way a metric should go, and which one a reader asks for first."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from mlreport_batch.read.summary import MetricSummary
from mlreport_batch.report.names import has_pair, is_held_out, last_part, words_of
from mlreport_batch.report.view import RunView

_LOSSES = frozenset("loss losses perplexity ppl cost nll inaccuracy".split())
_LOSSES_KOREAN = ("손실", "혼란도")

_MIN_WORDS = _LOSSES.union(
    "error errors err wer cer ter mer eer der ece mce brier rmse mae mse msle rmsle"
    " mape smape wape logloss fid kid fvd fad lpips kl regret bpb bpc bpd hd95 sad"
    " abserr nelbo".split()
)
_MIN_PAIRS = (("bits", "per"), ("neg", "elbo"), ("negative", "elbo"))
_MIN_KOREAN = (*_LOSSES_KOREAN, "오차", "오류")

_MAX_WORDS = frozenset(
    "acc accs accuracy f1 auc auroc auprc aupr ap map bleu sacrebleu rouge chrf meteor"
    " comet bertscore iou miou jaccard dice reward rewards rew return returns score"
    " scores precision recall psnr ssim pesq stoi sdr mos r2 mrr ndcg hits hit success"
    " elo elbo spearman pearson kendall mcc kappa winrate top1 top5 specificity"
    " sensitivity".split()
)
_MAX_LAST = frozenset(["is", "em"])
"""Words that mean something else where another one follows: ``is_best``."""
_MAX_PAIRS = (("exact", "match"), ("explained", "variance"), ("win", "rate"))
_MAX_KOREAN = ("정확도", "정밀도", "재현율", "점수", "보상", "성공률", "승률")
_AT_RANK = re.compile(
    r"(?i)[a-z]@(?:\d+|k)(?!\w)|(?:pass|hits?|maj)_?at_?(?:\d+|k)(?!\w)"
)

_ONE_MINUS = re.compile(r"(?i)(?:1|one)[\s_]*(?:-|minus)[\s_]*(?=[^\W\d])")
_WORD = re.compile(r"[^\W\d_]+")

_AMOUNTS = frozenset(
    "scale scaler weight weights coef coeff coefficient count counts num size sizes "
    "steps lr code std stderr stddev".split()
)

_SUMMED_UP = frozenset("total sum mean avg min max step epoch none".split())

_MONEY = frozenset(
    ["api", "usd", "dollar", "dollars", "eur", "money", "token", "tokens"]
)

_HOUSEKEEPING = frozenset(
    "lr lrs grad grads gradient gradients time times runtime duration latency fps "
    "speed second seconds sec ms memory mem flos flops momentum clip clipfrac updates "
    "samples gpu cpu throughput decay steps step epoch iteration iterations timestep "
    "timesteps".split()
)
_HOUSEKEEPING_KOREAN = ("학습률", "시간", "기울기", "메모리", "속도")


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
    is_turned = last.lower().startswith("neg_")
    if is_turned and _named_goal(group + slash + last[4:]) == "min":
        return "max"
    return _named_goal(name)


def _named_goal(name: str) -> str | None:
    """Return the goal of what stands behind the last slash, else of the whole name.

    ``losses/explained_variance`` is no loss; ``Loss/train`` is one.
    """
    return _goal_by_words(last_part(name)) or _goal_by_words(name)


def _goal_by_words(name: str) -> str | None:
    words = words_of(name)
    if has_pair(words, "approx", "kl"):
        return None  # how far a policy moved is watched, not made less
    if _has(name, words, _MIN_WORDS, _MIN_KOREAN, _MIN_PAIRS):
        return "min"
    is_max = _has(name, words, _MAX_WORDS, _MAX_KOREAN, _MAX_PAIRS)
    is_max = is_max or (bool(words) and words[-1] in _MAX_LAST)
    is_rank = _AT_RANK.search(name) and _HOUSEKEEPING.isdisjoint(words)
    return "max" if is_max or is_rank else None


def _has(
    name: str,
    words: tuple[str, ...],
    among: frozenset[str],
    korean: Sequence[str] = (),
    pairs: Sequence[tuple[str, str]] = (),
) -> bool:
    """Return whether a word or a pair of words of *name* is among some."""
    return (
        not among.isdisjoint(words)
        or any(word in name for word in korean)
        or any(has_pair(words, *pair) for pair in pairs)
    )


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
    return sorted(view.metrics, key=kind_of)


def headline_metric(names: Sequence[str]) -> str | None:
    """Return the metric to name first.

    A reward tells more of an agent than its losses do; otherwise a held-out loss
    comes before a training loss.
    """
    return min(names, key=importance, default=None)


def importance(name: str) -> tuple[bool, int, bool]:
    """Return what sorts names by what a reader asks for first."""
    return not is_reward(name), kind_of(name), not is_held_out(name)


def asked_first(names: Sequence[str], globs: Sequence[str]) -> str | None:
    """Return the metric to name first: by the user's order, if there is one.

    Args:
        names: The metrics that *globs* take, in their order.
        globs: What the user wants to see.
    """
    if tuple(globs) == ("*",):
        return headline_metric(names)
    return next(iter(names), None)


@lru_cache(maxsize=4096)
def is_reward(name: str) -> bool:
    """Return whether *name* is that of what an agent earns."""
    words = words_of(last_part(name))
    of_episode = not {"ep", "episode", "episodic"}.isdisjoint(words)
    named = (
        not {"reward", "rewards"}.isdisjoint(words)
        or has_pair(words, "rew", "mean")
        or (of_episode and not {"return", "returns"}.isdisjoint(words))
        or "보상" in name
    )
    return named and goal_of(name, {}) == "max"


def is_amount(name: str) -> bool:
    """Return whether *name* tells of a setting or an amount, whatever it is about.

    ``loss_scale`` and ``kl_weight`` measure no training; ``multi_scale_loss`` does.
    """
    words = _WORD.findall(last_part(name).lower())
    while len(words) > 1 and words[-1] in _SUMMED_UP:
        del words[-1]
    if not words:
        return False
    is_money = "cost" in words and not _MONEY.isdisjoint(words)
    return words[-1] in _AMOUNTS or words[0] == "num" or is_money


@lru_cache(maxsize=4096)
def is_rate(name: str) -> bool:
    """Return whether *name* is that of a learning rate, which schedules change."""
    words = tuple(_WORD.findall(name.lower()))
    has_name = has_pair(words, "learning", "rate") or "학습률" in name
    return "lr" in words or "lrs" in words or has_name


HOUSEKEEPING = 3
"""The kind of what tells how a training runs and not how good it is."""


@lru_cache(maxsize=4096)
def kind_of(name: str) -> int:
    """Return 0 for a loss, 1 for a score or an error, 2 for what nobody knows, or 3."""
    if is_amount(name):
        return HOUSEKEEPING
    words = words_of(name)
    if _is_loss(name):
        return 0
    if _named_goal(name) is not None:
        return 1
    has_name = _has(name, words, _HOUSEKEEPING, _HOUSEKEEPING_KOREAN)
    return HOUSEKEEPING if has_name else 2


def _is_loss(name: str) -> bool:
    """Return whether *name* is a loss's; what a group of losses holds may be none."""
    last = last_part(name)
    if _has(last, words_of(last), _LOSSES, _LOSSES_KOREAN):
        return True
    is_other = _goal_by_words(last) or not _HOUSEKEEPING.isdisjoint(words_of(last))
    return not is_other and _has(name, words_of(name), _LOSSES, _LOSSES_KOREAN)
