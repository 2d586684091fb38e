"""What one printed line says: the steps it states, and what is measured at them."""

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.formats.kit.bookkeeping import (
    EPOCH_RANKS,
    is_bookkeeping,
    is_measure,
    is_outcome,
    step_rank,
)
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.labels import is_part, labelled, part_in
from mlreport_batch.formats.kit.named_numbers import (
    MARK,
    Token,
    has_words,
    is_clear,
    is_remark,
    may_tell,
    tokens_of,
    undrawn,
)

BATCH: Final = step_rank("batch") or 0.0
"""The rank of a count without a name beside that of epochs."""

STATE_MAX: Final = 16 * 1024
_BARE_WORDS_MAX: Final = 3
_BETWEEN_COLUMNS: Final = ("\t", "|", ";", "  ")
_LABEL_MAX: Final = 100  # only the last label in it is looked at
_COUNT_MAX: Final = 1e15
_EPOCH: Final = step_rank("epoch") or 0.0
_HEAD: Final = step_rank("iteration") or 0.0
_BETWEEN_COUNTS: Final = (",", "|", "-", "][", "] [")

_AROUND_COUNT = frozenset(
    "end at after for in of on done finished completed results result summary set the"
    " during metrics".split()
)
_SUMMED_UP = frozenset(["best ", "best_", "best-"])
_FOLDS = frozenset(["fold", "kfold", "k-fold", "cv fold", "outer fold", "fold_id"])
_IS_TOTAL = re.compile(r"\s*[\])]\s*/\s*[\[(]\s*")  # `Epoch [0]/[199]`
_VECTOR = re.compile(r"[\s,]*\Z")
_RANK = re.compile(
    r"(?:\A\s?\[?|\[)(?i:rank|default|gpu|worker|local_rank)[ _:=]?"
    r"(?P<rank>\d{1,5})\]?[:|>]?(?=\s)"
)
# `srun --label` puts the task before each line.
_TASK = re.compile(
    r"\s?(?P<rank>\d{1,5}):[ ](?=.{0,200}(?i:\b(?:epoch|step|iter(?:ation)?)\b))"
)
_RANK_WITHIN: Final = 200


class Count(Struct, frozen=True):
    """A stated count: how surely its name counts steps, and the number in it."""

    rank: float
    number: float
    total: float | None = None


class Print(Struct, frozen=True):
    """What a printed line says.

    Attributes:
        counts: What it states by name.
        inner: A count without a name, such as the second in ``[1][100/300]``.
        values: Its named numbers that are no bookkeeping, parts of the data before
            their names.
        part: Of which part of the data, other than that for training, it tells.
        fold: Of which fold, as ``fold_2``; each is a training.
        process: Which of several processes printed it.
        is_bar: Whether a bar is drawn, the count of which is ``inner``.
        is_told: Whether a value says how well the training does.
        is_whole: Whether nothing but names, numbers and marks is in it.
        is_headed: Whether a count begins it that no value follows: ``Iteration 100,
            Testing net``.
    """

    counts: tuple[Count, ...] = ()
    inner: Count | None = None
    values: tuple[tuple[str, float], ...] = ()
    part: str = ""
    fold: str = ""
    process: int | None = None
    is_bar: bool = False
    is_told: bool = False
    is_whole: bool = False
    is_headed: bool = False

    def is_drawn_over_by(self, other: "Print", *, is_in_epoch: bool) -> bool:
        """Return whether *other*, shown in its place, tells of the same step.

        Of an epoch a bar counts what is no step to be told of.
        """
        if self.counts != other.counts or self.is_bar != other.is_bar:
            return False
        is_within = bool(self.counts) or is_in_epoch
        return (self.is_bar and is_within) or self.inner == other.inner


def read_print(text: str, commas: Commas) -> Print | None:
    """Return what a line, or a state of it, says; None if that is nothing."""
    if len(text) > STATE_MAX or not may_tell(text):
        return None
    process = _RANK.search(text, 0, _RANK_WITHIN) or _TASK.match(text)
    if process is not None:
        text = f"{text[: process.start()]} | {text[process.end() :]}"
    text, is_bar = undrawn(text)
    tokens, tail = tokens_of(text)
    if not tokens or not is_clear(tokens[0].lead):
        return None
    found = _Reading(commas, tail)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        found.take(token, following, is_bar=is_bar)
    found.finish(is_bar=is_bar)
    if found.sums_up and not found.values:  # `Best loss: 0.3 at epoch 2`
        return None
    is_whole = found.is_whole and (not has_words(tail) or is_remark(text, tail))
    is_headed = not found.values and found.head is not None
    # `(epoch: 1, iters: 100) D_A: 0.3`: nobody else counts both.
    is_told = found.is_told or (found.is_inner() and found.has_fractions)
    return Print(
        counts=tuple(found.counts),
        inner=found.inner,
        values=tuple(found.values.items()),
        part=found.part_of_line,
        fold=found.fold,
        process=None if process is None else int(process["rank"]),
        is_bar=is_bar,
        is_told=is_told,
        is_whole=is_whole,
        is_headed=is_headed and not has_words(found.head or ""),
    )


class _Reading:
    """What the tokens of a line say, one after the other."""

    def __init__(self, commas: Commas, tail: str) -> None:
        self.counts: list[Count] = []
        self.inner: Count | None = None
        self.values: dict[str, float] = {}
        self.part = self.part_of_line = self.fold = ""
        self.is_told = self.sums_up = False
        self.is_whole = True
        self.head: str | None = None  # what stands before a count that begins it
        self.has_fractions = False
        self.is_named = True  # what is counted
        self._commas = commas
        self._tail = tail
        self._bar_rank: float | None = None
        self._nameless: list[tuple[Count, bool]] = []
        self._is_first = True
        self._is_at_head = False
        self._is_named = False  # whether a number that counts nothing has a name
        self._begins_with = ""

    def take(self, token: Token, following: Token | None, *, is_bar: bool) -> None:
        """Take the next token; *following* is the one behind it."""
        self._enter_part(token)
        if token.name.lower() in _FOLDS and token.number.isdecimal():
            self.fold = f"fold_{token.number}"
            return
        count = self._count_in(token, is_bar=is_bar)
        if self._is_first and _is_part(token):  # `Train: 0 [10/1251]`, `Test: [10/98]`
            self._enter(token.name)
            is_epoch = token.total is None and _is_inner(following)
            count = self._unnamed(_EPOCH, token) if is_epoch else None
            token.name = ""
        self._is_at_head = self._is_at_head or (self._is_first and not token.name)
        if count is not None:
            if not self.counts and not self._is_named:
                self.head = token.lead
            self.counts.append(count)
        elif not token.name or step_rank(token.name) is not None:
            self._take_nameless(token)
        else:
            self._is_named = True
            self._take_value(token, following)
        self._is_first = False

    def is_inner(self) -> bool:
        """Return whether an epoch is stated by name, and a finer count beside it."""
        ranks = {count.rank for count in self.counts}
        if not self.is_named:
            return False
        is_finer = self.inner is not None or bool(ranks.difference(EPOCH_RANKS))
        return is_finer and bool(ranks.intersection(EPOCH_RANKS))

    def _enter_part(self, token: Token) -> None:
        if token.lead.strip():
            self._enter(token.lead)

    def _enter(self, label: str) -> None:
        """Enter the part of the data that a *label* names, if it is one."""
        part = _known_part_in(label[-_LABEL_MAX:])
        if part:
            self.part = "" if part.startswith("train") else part
            if self._is_first or not self.values:
                self.part_of_line = self.part

    def _unnamed(self, rank: float, token: Token) -> Count | None:
        """Return the whole number of a *token* as a count."""
        if not token.number.replace(",", "").isdecimal():
            return None
        number = self._commas.count(token.number)
        return None if number is None else Count(rank, number, _total(token))

    def _count_in(self, token: Token, *, is_bar: bool) -> Count | None:
        """Return the count that a token states by its name."""
        name = token.name
        if token.unit == "epoch":  # `3epoch: loss=0.5`
            name = "epoch"
        elif token.unit or not name:
            return self._bar_count(token) if is_bar else None
        rank, part = _rank_of(name)
        if rank is None and token.total is not None and _is_count_of(name):
            rank = step_rank(name.split()[-1])
        number = self._commas.count(token.number)
        if rank is None or number is None or not 0 <= number < _COUNT_MAX:
            return None
        if part and not part.startswith("train"):
            self.part = self.part_of_line = part
        return Count(rank, number, _total(token))

    def _bar_count(self, token: Token) -> Count | None:
        """Return the count that a bar is named after, once it is met."""
        if token.unit == "%" and self._is_first and token.name:
            self._bar_rank, _ = _rank_of(token.name)
        rank, self._bar_rank = self._bar_rank, None if token.total else self._bar_rank
        if rank is None or token.total is None or token.unit:
            return None
        return Count(rank, float(token.number), _total(token))

    def _take_nameless(self, token: Token) -> None:
        """Note a number without a name that may count: ``[100/300]``."""
        is_bracketed = token.gap.rstrip().endswith("[")
        is_second = is_bracketed or token.gap.strip() in _BETWEEN_COUNTS
        if self._is_named or token.unit or not (token.total or is_second):
            return
        if _IS_TOTAL.fullmatch(token.gap):
            return
        count = self._unnamed(BATCH, token)
        if count is not None:
            self._nameless.append((count, is_bracketed))

    def finish(self, *, is_bar: bool) -> None:
        """Settle what the numbers without names count, and what the line is about."""
        if self._nameless:
            self._count_nameless(is_bar=is_bar)
        _, part = _without_part(self._begins_with)
        if part and not self.counts and not part.startswith("train"):
            # `val Loss: 0.3 Acc: 0.9`
            self.part_of_line = part
            values = self.values.items()
            self.values = {labelled(part, name): value for name, value in values}

    def _count_nameless(self, *, is_bar: bool) -> None:
        nameless = self._nameless
        first, is_bracketed = nameless[0]
        if self.counts or is_bar:
            self.inner = first
        elif is_bracketed and len(nameless) > 1:  # `[3, 2000]`, `[0/5][10/1583]`
            self.is_named = False
            self.counts.append(replace(first, rank=_EPOCH))
            self.inner = nameless[1][0]
        elif first.total is None and self.values:  # `[100] loss=0.5`
            self.counts.append(replace(first, rank=_HEAD))
        elif self._is_at_head:
            self.inner = first

    def _take_value(self, token: Token, following: Token | None) -> None:
        name = token.name
        told = is_outcome(name)
        if is_bookkeeping(name):
            return
        if self._is_first and name[:5].lower() in _SUMMED_UP:
            self.sums_up = True
            return
        if not token.is_explicit and not _is_bare_value(token, following, self._tail):
            self.is_whole = False
            return
        value = self._value_of(token, following)
        if value is None:
            return
        if self.values and not told and token.lead[-1:] == "(":  # `loss 0.3 (avg 0.4)`
            return
        metric = labelled(self.part, name)
        if metric not in self.values:
            self.values[metric] = value
            self.is_told = self.is_told or told
            self.has_fractions |= token.is_explicit and "." in token.number
            if self._is_first:
                self._begins_with = name

    def _value_of(self, token: Token, following: Token | None) -> float | None:
        if token.total is not None:  # `9847/10000 (98%)`
            if following is None or following.unit != "%" or "(" not in following.gap:
                return None
            return self._commas.number(following.number)
        if token.is_duration:
            return None
        if following is not None and not following.name and _is_in_vector(following):
            return None
        value = self._commas.number(token.number)
        return None if value is None else value * token.scale


def _is_bare_value(token: Token, following: Token | None, tail: str) -> bool:
    """Return whether a name that only stands before a number is that number's.

    In ``loss 3 values, last 5.7`` it is not.
    """
    words = token.name.split()
    if len(words) > _BARE_WORDS_MAX:
        return False
    behind = tail if following is None else following.lead
    if following is None and not token.number.isdecimal():
        behind = ""
    if has_words(MARK.split(behind, maxsplit=1)[0]):
        return False
    if is_measure(words[-1]):  # `Train 1792 in 4 s` says how many
        return not (is_part(words[-1]) and token.number.isdecimal())
    # `Class 3: accuracy 0.9` tells which of several.
    if not token.is_closed or token.number.isdecimal():
        return False
    is_column = token.lead.endswith(_BETWEEN_COLUMNS)
    return is_column if len(words) > 1 else bool(MARK.search(token.gap))


def _is_part(token: Token) -> bool:
    return bool(
        token.name and not token.unit and part_in(token.name) == token.name.lower()
    )


def _is_inner(token: Token | None) -> bool:
    """Return whether a token is a batch of an epoch: ``[10/1251``."""
    return token is not None and bool(token.total) and token.gap.rstrip()[-1:] == "["


def _is_in_vector(token: Token) -> bool:
    return _VECTOR.match(token.gap) is not None


def _without_part(name: str) -> tuple[str, str]:
    """Return a name without the part of the data that it begins or ends with."""
    head, _, rest = name.replace("(", " ").replace(")", " ").partition(" ")
    rest = rest.strip()
    if part := part_in(head):
        return rest, part
    if part := part_in(rest):
        return head, part
    return name, ""


_known_part_in = lru_cache(maxsize=4096)(part_in)


@lru_cache(maxsize=4096)
def _rank_of(name: str) -> tuple[float | None, str]:
    """Return the rank of a count's name, and the part of the data before it.

    ``Train Epoch``, ``end of epoch`` and ``validation loss at iteration`` are counts;
    ``early stopping at epoch`` tells of the past.
    """
    rank = step_rank(name)
    if rank is not None:
        return rank, ""
    name, part = _without_part(name)
    words = name.split()
    if not words or not all(
        word.lower() in _AROUND_COUNT or is_measure(word) for word in words[:-1]
    ):
        return None, ""
    return step_rank(words[-1]), part


def _is_count_of(name: str) -> bool:
    """Return whether a name is one of what has a total: ``Learning iteration``."""
    *before, last = name.split() or [""]
    is_short = len(before) < _BARE_WORDS_MAX and all(map(str.isalpha, before))
    return is_short and step_rank(last) is not None


def _total(token: Token) -> float | None:
    return None if token.total is None else float(token.total)
