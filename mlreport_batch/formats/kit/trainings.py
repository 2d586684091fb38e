"""Whether rows of numbers are those of a training, by the names of what they hold."""

from collections.abc import Iterable, Sequence

from mlreport_batch.formats.kit.bookkeeping import (
    is_bookkeeping,
    is_measure,
    log_words_in,
    sounds_like_metrics,
    words_of,
)
from mlreport_batch.formats.kit.labels import is_part

# What tables that compare, and curves over thresholds, are named after as well.
_COMPARING = frozenset("results summary stats curve curves".split())
_WORLD = frozenset(
    "reward rewards done terminated obs observation state states".split()
)
_FITTED = frozenset(["", "train", "training", "학습", "훈련"])
_TRAINED = frozenset([
    "loss", "losses", "reward", "rewards", "rew", "return", "returns", "regret", "elbo",
    "objective", "kl", "entropy", "gan", "손실", "보상",
])  # fmt: skip


def tells_of_training(names: Iterable[str]) -> bool:
    """Return whether *names* are those of a training, and not of what compares.

    Precision and recall may be those of classes, thresholds or models. A loss or a
    reward is trained for, and so is what stands there for two parts of the data.
    """
    measured = [words for name in names if (words := _measured_words(name))]
    if any(not _TRAINED.isdisjoint(words) for words in measured):
        return True
    parts: dict[tuple[str, ...], set[str]] = {}
    for words in measured:
        what = tuple(word for word in words if not is_part(word))
        where = next((word for word in words if is_part(word)), "")
        parts.setdefault(what, set()).add(where)
    return any(
        what and len(where) > 1 and not where.isdisjoint(_FITTED)
        for what, where in parts.items()
    )


def may_lack_steps(file_name: str, names: Sequence[str]) -> bool:
    """Return whether rows of *names* are those of a log although none counts steps.

    Their names tell of a training, or the file's name does, and something is measured.
    """
    words = log_words_in(file_name)
    if tells_of_training(names) and (words or sounds_like_metrics(names)):
        return True
    if not words or words <= _COMPARING or is_sample(names):
        return False
    return bool(words & {"metric", "metrics"}) or any(map(is_measure, names))


def is_trajectory(names: Iterable[str]) -> bool:
    """Return whether each row is a step of an agent in its world, not of a training."""
    words = {word for name in names for word in words_of(name)}
    return bool(words & {"action", "actions"}) and not words.isdisjoint(_WORLD)


def is_sample(names: Sequence[str]) -> bool:
    """Return whether each row is about one sample: ``id,score`` of a submission."""
    first = names[0].lower()
    is_run = first.startswith(("trial", "run", "exp"))
    return first == "id" or (first.endswith(("_id", " id")) and not is_run)


def _measured_words(name: str) -> list[str]:
    return [] if is_bookkeeping(name) else words_of(name)
