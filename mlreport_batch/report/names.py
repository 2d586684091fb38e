"""What the name of a metric says: its words, its split, its family, its unit.

Words are whole: ``layer20`` is no ``r2``, ``gradient_accumulation`` no ``acc``. Korean
is written without spaces between what English separates, so there a word counts
wherever it stands.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise
from typing import Final

_HUMP = re.compile(r"(?<=[^\W\d_])(?<=[^A-Z])(?=[A-Z])")
_PARTS = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"(?<=[^\W\d])\d+\Z")

_SPLITS: Final = {
    "train": "train training trn 훈련 학습",
    "val": "val valid validation eval evaluation dev 검증 평가",
    "test": "test testing tst 시험 테스트",
}
_SPLIT_OF: Final = {
    word: split for split, words in _SPLITS.items() for word in words.split()
}
_GLUED = re.compile(
    r"(?i)(?<![^\W_])(train|valid|val|eval|test|dev)"
    "(?=(?:loss|acc|accuracy|err|error|f1|auc|map|mae|mse|rmse|ppl|wer|cer)"
    r"\d*(?![^\W_]))"
)
_KOREAN_SPLIT = re.compile("훈련|학습(?![률율]| [률율])|검증|평가|시험|테스트")
_SPLIT_WORDS = re.compile(
    r"(?:(?<![^\W_])|(?<=[a-z])(?=[A-Z]))"
    "(?i:train(?:ing)?|trn|val(?:id(?:ation)?)?|eval(?:uation)?|dev|test(?:ing)?|tst)"
    rf"(?:(?![^\W_])|(?<=[a-z])(?=[A-Z]))|{_KOREAN_SPLIT.pattern}|{_GLUED.pattern[4:]}"
)
_LEVEL = re.compile(r"(?i)[_/](?:step|epoch)$")
_LEFT = re.compile(r"[([]\s*[)\]]|(?<=[/_. -])[/_. -]+")


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words of *name* in lower case, in their order.

    ``valLoss`` has two, ``mAP50`` has ``map50`` beside its parts, and a word that
    ends in digits is followed by itself without them.

    >>> words_of("val/mAP50-95")
    ('val', 'map50', 'map', 'm', 'ap50', 'ap', '95')
    >>> words_of("layer20")
    ('layer20', 'layer')
    """
    found: dict[str, None] = {}
    for part in filter(None, _PARTS.split(name)):
        for word in (part, *_HUMP.split(part)):
            lowered = word.lower()
            glued = _GLUED.match(lowered)
            halves = (glued[1], lowered[glued.end() :]) if glued else ()
            for each in (lowered, *halves):
                found.setdefault(each)
                found.setdefault(_DIGITS.sub("", each))
    return tuple(found)


def chosen_names(names: Sequence[str], globs: Sequence[str]) -> list[str]:
    """Return the *names* that a glob takes, in the order of the globs."""
    if tuple(globs) == ("*",):
        return list(names)
    found: dict[str, None] = {}
    for pattern in globs:
        for name in names:
            if fnmatchcase(name, pattern):
                found.setdefault(name)
    return list(found)


def last_part(name: str) -> str:
    """Return what stands behind the last ``/`` or ``.`` of *name*."""
    return name.replace(".", "/").rpartition("/")[2]


def has_pair(words: tuple[str, ...], first: str, second: str) -> bool:
    """Return whether two words stand side by side in *words*."""
    return (first, second) in pairwise(words)


@lru_cache(maxsize=4096)
def split_of(name: str) -> str:
    """Return ``train``, ``val`` or ``test``: the data that *name* is about, or nothing.

    >>> split_of("eval_loss"), split_of("검증_손실"), split_of("학습률")
    ('val', 'val', '')
    """
    for word in words_of(name):
        if word in _SPLIT_OF:
            return _SPLIT_OF[word]
    korean = _KOREAN_SPLIT.search(name)
    return _SPLIT_OF[korean[0]] if korean else ""


def is_held_out(name: str) -> bool:
    """Return whether *name* is about data that the training does not see."""
    return split_of(name) in ("val", "test")


@lru_cache(maxsize=4096)
def family_of(name: str) -> str:
    """Return what stays of *name* without its split, and without ``step`` or ``epoch``.

    What has one family is shown together: ``train_loss`` and ``val_loss``.

    >>> family_of("train/loss_step"), family_of("검증 정확도"), family_of("valLoss")
    ('loss', '정확도', 'loss')
    """
    bare = _LEVEL.sub("", _LEFT.sub("", _SPLIT_WORDS.sub("", name)))
    return bare.strip("/_. -").lower() or name.lower()


_UNITS: Final = {
    "ms": "ms msec millis milliseconds",
    "s": "sec secs second seconds",
    "h": "hours",
    "%": "percent pct percentage",
    "B": "bytes",
    "KB": "kb",
    "MB": "mb",
    "GB": "gb",
    "TB": "tb",
    "KiB": "kib",
    "MiB": "mib",
    "GiB": "gib",
    "W": "watts",
}
_UNIT_OF: Final = {
    word: unit for unit, words in _UNITS.items() for word in words.split()
}
_DURATIONS = frozenset(
    "time duration elapsed latency runtime wall walltime took".split()
)
_RATE = re.compile(
    r"(?i)(?:^|[^a-z])(tokens?|toks?|samples?|images?|imgs?|frames?|steps?|iters?|it"
    r"|iterations?|examples?|batch(?:es)?|episodes?|requests?|words?|chars?)"
    r"[_ ]?(?:/[_ ]?s(?:ec(?:ond)?)?|_?per_?s(?:ec(?:ond)?)?)(?![a-z])"
)
_COUNTED: Final = {
    "tok": "token", "img": "image", "it": "step", "iter": "step", "iteration": "step",
}  # fmt: skip


@lru_cache(maxsize=4096)
def unit_of(name: str) -> str:
    """Return the unit that *name* says its values have, or nothing.

    >>> unit_of("train_tokens_per_second"), unit_of("gpu_memory_gib")
    ('tokens/s', 'GiB')
    >>> unit_of("step_time_s"), unit_of("AP_s"), unit_of("epoch_time")
    ('s', '', '')
    """
    rate = _RATE.search(name)
    if rate is not None:
        counted = rate[1].lower()
        counted = counted.removesuffix("es" if counted == "batches" else "s")
        counted = _COUNTED.get(counted, counted)
        return f"{counted}{'es' if counted == 'batch' else 's'}/s"
    last = last_part(name)
    if last.rstrip(" )]").endswith("%"):
        return "%"
    words = [word for word in _PARTS.split(last.lower()) if word]
    if not words:
        return ""
    if words[-1] == "s" and not _DURATIONS.isdisjoint(words):
        return "s"
    return "" if words[-2:-1] == ["per"] else _UNIT_OF.get(words[-1], "")
