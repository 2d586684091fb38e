"""Which columns count steps or tell the time, and which names sound like metrics."""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

# Surest first: where a row has several, the finest count of training steps wins.
_STEPS = (
    "step", "global_step", "globalstep", "steps", "trainer/global_step",
    "train/global_step", "_step", "time/total_timesteps", "total_timesteps",
    "training_iteration", "iteration", "iter", "iterations", "current_steps",
    "num_updates", "train_num_updates", "valid_num_updates", "n_iter", "update",
    "updates", "epoch", "epochs", "current_epoch",
)  # fmt: skip
TRAINING_STEPS = ("train/global_step", "trainer/global_step")
"""Steps as trainers state them to W&B, whose own ``_step`` counts its calls."""
_EPOCHS = ("epoch", "epochs", "current_epoch", "ep")
_AGES = ("stage", "task", "task_id")  # in which epochs begin again
_BATCHES = ("batch", "batch_idx", "it")
_WEAK_STEPS = (
    "round", "boosting_round", *_BATCHES, "episode", "episodes", "ep", *_AGES,
)  # fmt: skip
_ORDER: dict[str, float] = {
    name: rank for rank, name in enumerate((*_STEPS, *_WEAK_STEPS))
}
# A count in other words: `train_step`, `env/frames`, `epoch_idx`. They stand behind the
# listed ones of their kind.
_COUNTS = {
    "step": _ORDER["epoch"] - 0.5, "epoch": len(_STEPS) - 0.5,
    "batch": _ORDER["it"] + 0.5, "frame": len(_ORDER) - 0.5,
}  # fmt: skip
_COUNTED = {
    "step": "step", "steps": "step", "timestep": "step", "timesteps": "step",
    "iteration": "step", "iterations": "step", "iter": "step", "iters": "step",
    "update": "step", "updates": "step", "epoch": "epoch", "epochs": "epoch",
    "frame": "frame", "frames": "frame", "episode": "frame", "episodes": "frame",
    "batch": "batch", "스텝": "step", "단계": "step", "반복": "step", "에폭": "epoch",
    "에포크": "epoch", "에폭수": "epoch", "이터레이션": "step", "에피소드": "frame",
}  # fmt: skip
_BEFORE_COUNT = frozenset(
    "train training trainer global local env environment current cur agent learner "
    "model opt optim optimizer grad gradient 현재 학습 훈련 전역".split()
)
_PLANNED = frozenset("train training trainer model opt optim optimizer".split())
_AFTER_COUNT = frozenset("i id idx index no nr num number count counter 번호".split())
_INDEXES = frozenset("i j b idx index mini minibatch batch".split())
_ORDER |= dict.fromkeys(
    ("time_step", "time_steps", "totalenvinteracts"), _COUNTS["step"]
)
EPOCH_RANKS = (*(_ORDER[name] for name in _EPOCHS), _COUNTS["epoch"])
AGE_RANKS = (*EPOCH_RANKS, *(_ORDER[name] for name in _AGES))
"""Of the counts with each of which a finer one may begin again."""
BATCH_RANKS = (*(_ORDER[name] for name in _BATCHES), _COUNTS["batch"])
_CLOCKS = frozenset([
    "time", "timestamp", "ts", "datetime", "date", "wall", "wall_time", "walltime",
    "wall_clock", "wallclock", "clock", "elapsed", "elapsed_s", "elapsed_sec",
    "elapsed_seconds", "elapsed_time", "time_elapsed", "remaining_time", "eta", "eta_s",
    "eta_seconds", "created_at", "time_total_s", "time_this_iter_s",
    "time_since_restore", "time/time_elapsed", "time/iterations", "_runtime",
    "_timestamp", "_time", "timestamp_ms", "unix_time", "passed", "remaining",
])  # fmt: skip
# A name of such words only, at least one of them a clock's, is that of a clock: what
# `step_time` or `seconds_per_batch` takes is measured.
_CLOCK_WORDS = frozenset([
    "time", "timestamp", "datetime", "date", "clock", "walltime", "wallclock",
    "elapsed", "duration", "runtime", "eta", "sec", "secs", "second", "seconds", "mins",
    "minutes", "hours", "hrs", "시간", "경과", "경과시간", "소요시간", "날짜", "일시",
    "시각", "타임스탬프", "초", "분",
])  # fmt: skip
_BESIDE_CLOCK = _CLOCK_WORDS | frozenset([
    "wall", "total", "since", "start", "started", "unix", "utc", "local", "cumulative",
    "cum", "passed", "remaining", "taken", "spent", "used", "run", "running", "process",
    "of", "소요", "누적", "전체", "총",
])  # fmt: skip
_MOMENTS = frozenset("ts timestamp timestamps datetime".split())
_CLOCK_UNITS = frozenset("s ms m min minute h hr hour d day days in".split())
# `val/epoch` is an epoch, but `timers/step` is a duration.
_STEP_TAILS = frozenset(["epoch", "global_step", "current_epoch"])
_STEP_ENDS = ("num_updates", "train_wall")  # fairseq puts the set before the name
_UNNAMED = re.compile(r"unnamed: ?\d+|index|")

_METRIC_WORDS = frozenset([
    "loss", "losses", "acc", "accs", "accuracy", "accuracies", "f1", "precision",
    "recall", "auc", "auroc", "auprc", "ap", "map", "map50", "ndcg", "error", "err",
    "reward", "rewards",
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
# What a training sets, or what says little by itself: no word on how well it does.
_NO_OUTCOMES = _PART_WORDS.union(
    "lr rate throughput fps cost value values error err objective cosine hits".split()
)
_OF_SETTINGS = frozenset(
    "weight weights scale coef coeff coefficient lambda threshold interval every freq "
    "frequency size ratio split patience alpha beta gamma decay schedule scheduler "
    "factor warmup init initial base target max min smoothing margin eps num steps "
    "epochs iters limit momentum dropout count total time".split()
)
_MEASURES_KOREAN = ("손실", "정확도", "정밀도", "재현율", "점수", "보상", "오차")
_KINDS = frozenset([
    "type", "types", "kind", "fn", "func", "function", "name", "names", "class",
    "classes", "mode", "id", "path", "file", "files", "dir", "metric", "metrics",
    "objective", "config", "dataset", "data", "set", "split", "unit", "units",
])  # fmt: skip
_NAME_MAX = 300  # longer names are not remembered
_WORD = re.compile(r"[A-Za-z]+[0-9]*")
_WORDS = re.compile(r"[A-Za-z]+|[^\W_a-zA-Z]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LOG_WORDS = frozenset([
    "metric", "metrics", "log", "logs", "history", "hist", "results", "progress",
    "training", "curve", "curves", "losses", "stats", "scalars", "summary",
])  # fmt: skip


def _normal(name: str) -> str:
    return name.strip().strip('"').lower().replace(" ", "_").replace("-", "_")


def step_rank(name: str) -> float | None:
    """Return how surely *name* counts steps, 0 the surest, or None if it does not."""
    return _step_rank(name) if len(name) <= _NAME_MAX else None


@lru_cache(maxsize=4096)
def _step_rank(name: str) -> float | None:
    known = _ORDER.get(_normal(name))
    return _rank_by_words(words_of(name)) if known is None else known


def _rank_by_words(words: list[str]) -> float | None:
    """Return the rank of a name whose one count has but words around it that fit.

    What is planned sounds alike (``num_steps``, ``train_epochs``): behind a word, only
    what the environment or an agent did is counted in the plural.
    """
    at = next((at for at, word in enumerate(words) if word in _COUNTED), None)
    if at is None or not _BEFORE_COUNT.issuperset(words[:at]):
        return None
    if not _AFTER_COUNT.issuperset(words[at + 1 :]):
        return None
    if words[at].endswith("s") and _PLANNED.intersection(words[:at]):
        return None
    return _COUNTS[_COUNTED[words[at]]]


def _is_clock(name: str) -> bool:
    words = words_of(name)
    if words and words[-1] in _MOMENTS:  # `epoch_end_ts`: whatever happened then
        return True
    at = next((at for at, word in enumerate(words) if word in _CLOCK_WORDS), None)
    if at is None or not _BESIDE_CLOCK.issuperset(words[:at]):
        return False  # `min_time` is a least time
    return all(word in _BESIDE_CLOCK or word in _CLOCK_UNITS for word in words[at:])


def is_bookkeeping(name: str) -> bool:
    """Return whether *name* is a step, epoch, iteration or clock column."""
    return len(name) <= _NAME_MAX and _is_bookkeeping(name)


@lru_cache(maxsize=4096)
def _is_bookkeeping(name: str) -> bool:
    normal = _normal(name)
    return (
        normal in _CLOCKS
        or _UNNAMED.fullmatch(normal) is not None
        or normal.rpartition("/")[2] in _STEP_TAILS
        or normal.endswith(_STEP_ENDS)
        or _step_rank(name) is not None
        or _is_clock(name)
    )


def is_count(name: str) -> bool:
    """Return whether *name* ends in what is counted, in the singular.

    ``checkpoint_step`` does; only its values tell whether it is the step of a log.
    """
    words = words_of(name)
    return bool(words) and words[-1] in _COUNTED and not words[-1].endswith("s")


def is_index(name: str) -> bool:
    """Return whether beside an epoch *name* may count its batches.

    ``minibatch`` does; ``i`` by itself may be the index of anything.
    """
    words = words_of(name)
    return bool(words) and _INDEXES.issuperset(words)


def inner_rank(ranks: Collection[float]) -> float | None:
    """Return the rank of the count that steps finest, or None for none."""
    best = min(ranks, default=None)
    if best is not None and may_begin_again(best):
        return next((rank for rank in BATCH_RANKS if rank in ranks), best)
    return best


def outer_rank(ranks: Collection[float], inner: float) -> float | None:
    """Return the rank of the count beside *inner*, epochs first, or None for none."""
    others = [rank for rank in ranks if rank != inner]
    return next(
        (rank for rank in AGE_RANKS if rank in others), min(others, default=None)
    )


def may_begin_again(outer: float) -> bool:
    """Return whether steps may begin again with each of an *outer* count's.

    Epochs, episodes and rounds have steps of their own. Beside another count of steps,
    such as W&B's of its calls, steps that go back were resumed.
    """
    return outer >= _ORDER["epoch"]


def step_column(names: Sequence[str]) -> int | None:
    """Return the index of the column that best counts steps, or None."""
    ranked = _ranked(names)
    inner = inner_rank(ranked)
    return None if inner is None else ranked[inner]


def outer_column(names: Sequence[str], step: int | None) -> tuple[int | None, bool]:
    """Return the index of another count beside that of finer steps, None for none.

    And whether the steps may begin again with each of it.
    """
    inner = None if step is None else step_rank(names[step])
    if inner is None:
        return None, True
    ranked = _ranked(names)
    outer = outer_rank(ranked, inner)
    if outer is None:
        return None, True
    return ranked[outer], may_begin_again(outer)


def units_of(
    names: Sequence[str], step: int | None, outer: int | None
) -> tuple[str, str]:
    """Return what the columns of the steps and of another count beside them count."""
    units = [
        "" if at is None else unit_of_rank(step_rank(names[at])) for at in (step, outer)
    ]
    return units[0], units[1]


def _ranked(names: Sequence[str]) -> dict[float, int]:
    """Return the first column of each rank there is."""
    ranked: dict[float, int] = {}
    for index, name in enumerate(names):
        rank = step_rank(name)
        if rank is not None:
            ranked.setdefault(rank, index)
    return ranked


def unit_of_rank(rank: float | None) -> str:
    """Return what a count of that rank counts: ``epoch``, ``step``, or nothing known.

    Batches, episodes and stages are no count that a training is planned in.
    """
    if rank is None:
        return ""
    if rank in EPOCH_RANKS:
        return "epoch"
    return "step" if rank < _ORDER[_WEAK_STEPS[0]] or rank == _COUNTS["step"] else ""


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


def is_outcome(name: str) -> bool:
    """Return whether *name* is one of a measure of how well a training does.

    ``val_loss`` is, ``lr`` and ``loss_weight`` are not.
    """
    return len(name) <= _NAME_MAX and _is_outcome(name)


@lru_cache(maxsize=4096)
def _is_outcome(name: str) -> bool:
    if any(word in name for word in _MEASURES_KOREAN):
        return True
    for words in (_words(name), _words(name.lower())):  # `mIoU` has two humps
        bare = [
            word if word in _MEASURES else word.rstrip("0123456789") for word in words
        ]
        if not bare or bare[-1] in _KINDS or bare[-1] in _OF_SETTINGS:
            return False
        if _MEASURES.intersection(bare) - _NO_OUTCOMES:
            return True
    return False


def is_measured_in(stem: str) -> bool:
    """Return whether a file is named after what it holds values of.

    ``train_loss`` is; ``train`` and ``val`` are parts of the data.
    """
    return is_measure(stem) and not _PART_WORDS.issuperset(_words(stem))


def is_loss(name: str) -> bool:
    """Return whether a *name* is that of a loss, which is of a training."""
    return not {"loss", "losses"}.isdisjoint(_words(name))


def is_log_name(file_name: str) -> bool:
    """Return whether a file's name says that it is a log or holds metrics."""
    return bool(log_words_in(file_name))


def log_words_in(file_name: str) -> set[str]:
    """Return the words in a file's name by which logs are named."""
    return set(_LOG_WORDS).intersection(_words(file_name))


def words_of(name: str) -> list[str]:
    """Return the words and numbers in *name*, in lower case."""
    return [word.lower() for word in _WORDS.findall(_HUMP.sub("_", name))]


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(_HUMP.sub("_", name))]
