"""What one printed line says: the steps it states, and named numbers.

A line is cut at its numbers. What stands before a number, back to the last mark that
ends something, is its name: ``step 20: train loss 2.48, val loss 2.52`` are a count and
two values. Each pattern goes over a line once, whatever is in it.
"""

import re
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
from mlreport_batch.formats.kit.labels import labelled, part_in

BATCH: Final = step_rank("batch") or 0.0
"""The rank of a count without a name beside that of epochs."""

STATE_MAX: Final = 16 * 1024
_NAME_MAX: Final = 80
_BARE_WORDS_MAX: Final = 3
_COUNT_MAX: Final = 1e15
_TOLD_MIN: Final = 2
_EPOCH: Final = step_rank("epoch") or 0.0
_HEAD: Final = step_rank("iteration") or 0.0
_BETWEEN_COUNTS: Final = (",", "|", "-", "][", "] [")

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*+[ -/]*+[@-~]|[()][A-Z0-9]|[=>78])")
_REWRITTEN = re.compile(r"[\r\x08]+")
# Behind a bar that another print interrupted stands what was printed.
_BAR_END = re.compile(r"(?<=(?:it/s|s/it)\])(?=[^\s])")
_LETTERS = re.compile(r"(?<![^\W\d_])(?!it\b)[^\W\d_]{2}")
_DIGIT = re.compile(r"\d")
_CLOCK = re.compile(
    r"\b\d{4}[-/.]\d\d?[-/.]\d\d?(?:[T _-]+\d\d?:\d\d(?::\d\d)?(?:[.,:]\d++)?Z?)?"
    r"|\b(?:\d\d/\d\d(?:/\d{2,4})?[ T]+)?\d{1,4}:\d\d(?::\d\d)?(?:[.,]\d++)?\b"
    r"|\b[\w-]++\.[a-z]{1,4}:\d++"  # a file and its line
)
_TENSOR = re.compile(
    r"\b(?:[A-Za-z]\w{0,20}\.){0,3}"
    r"(?:tensor|(?:Device)?Array|array|b?float\d{0,2}|u?int\d{0,2}|Decimal)"
    r"\(\s?\[?\s?(?P<number>[-+]?[\w.]{1,30}(?:[-+]\d{1,3})?)\s?\]?"
    r"(?:,[^()]{0,60}(?:\([^()]{0,20}\))?[^()]{0,60})?\)"
)
_BAR = re.compile(r"(?<=%)\s?[|\u2502](?P<drawn>[^|\u2502]{0,400})[|\u2502]")
_DRAWN = re.compile(r"[\u2588-\u258f\u2501\u2578\u257a]{2}|\[[=>.#-]{5,}\]|it/s|s/it")
_UNIT: Final = (
    r"%|[mun\u00b5]?s(?:ecs?|econds?)?|mins?|minutes?|[mhd]|hours?|hrs?|days?|it|epoch"
    r"|[kKMGTB](?:i?[bB])?"
)
_NUMBER = re.compile(
    r"(?<![\w@.#$&\\/-])(?P<number>[-+]?(?>\d{1,3}(?:,\d{3})++(?:\.\d++)?|\d++,\d++"
    r"|(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?|(?i:nan|inf(?:inity)?)))"
    r"(?P<unit>(?>" + _UNIT + r")(?:/[A-Za-z]\w*+)?)?"
    r"(?:\s*+(?:/|\bof\b)\s*+(?P<total>\d++))?+"
    r"(?![\w@/\u00b2\u00b3]|[.:,]\d|-\w)"
)
_SPACED_UNIT = re.compile(
    r"\s?(?:ms|s|secs?|seconds?|mins?|minutes?|hours?|hrs?|h)(?:/\w++)?(?=[\s,;|)\]]|$)"
)
_DURATION = re.compile(
    r"\s?(?:[mun\u00b5]?s(?:ecs?|econds?)?|mins?|minutes?|[mhd]|hours?|hrs?|days?|it)"
    r"(?:/\w++)?"
)
_SCALES: Final = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
# Ends a name that begins behind it.
_MARK = re.compile(
    r"[][,|;\t{}()!?<>\":=*~\u2022\u00b7\u2192]|\s\s|(?:^|\s)[-\u2013\u2014](?=\s)"
)
_IN_BRACKETS = re.compile(r"\s?\([^()\d]{1,20}\)\Z")
_GROUP = re.compile(r"\[[^][]*+\]|\([^()]*+\)")
_QUOTES: Final = ("'", '"')
_WORDS = re.compile(r"[^\W\d_]+")
_OPENED = re.compile(r"\w\s?\(\Z|\w\[\Z|[\"`]\Z")  # by a call, in a sentence, in quotes
_PAST = re.compile(
    r"(?i:\b(?:best|load\w*|resum\w*|restor\w*|sav(?:ed|ing)|checkpoints?|from)\b)"
    r"|[a-z](?:Error|Exception|Warning)\b"
)
_AROUND_COUNT = frozenset(
    "end at after for in of on done finished completed results result summary set the"
    " during metrics".split()
)
_VECTOR = re.compile(r"[\s,]*\Z")
_RANK = re.compile(
    r"\s?\[?(?i:rank|default|gpu|worker|local_rank)[ _:=]?(?P<rank>\d{1,5})\]?[:|>]?\s"
)


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
        process: Which of several processes printed it.
        is_bar: Whether a bar is drawn, the count of which is ``inner``.
        is_told: Whether a value says how well the training does.
        is_whole: Whether nothing but names, numbers and marks is in it.
    """

    counts: tuple[Count, ...] = ()
    inner: Count | None = None
    values: tuple[tuple[str, float], ...] = ()
    part: str = ""
    process: int | None = None
    is_bar: bool = False
    is_told: bool = False
    is_whole: bool = False

    def is_drawn_over_by(self, other: "Print") -> bool:
        """Return whether *other*, shown in its place, tells of the same step."""
        if self.counts != other.counts or self.is_bar != other.is_bar:
            return False
        return self.is_bar or self.inner == other.inner


class _Token(Struct):
    """A number of a line, and what stands before it."""

    name: str
    lead: str
    number: str
    unit: str
    total: str | None
    gap: str
    is_explicit: bool
    is_closed: bool = True


def states_of(line: str) -> list[str]:
    """Return what a *line* showed one after the other: a bar is drawn over itself."""
    if "\x1b" in line:
        line = _ESCAPE.sub("", line)
    if "\r" not in line and "\x08" not in line and "it]" not in line:
        return _apart(line)
    return [state for each in _REWRITTEN.split(line) for state in _apart(each)]


def _apart(text: str) -> list[str]:
    return _BAR_END.split(text) if "/s]" in text or "/it]" in text else [text]


def read_print(text: str, commas: Commas) -> Print | None:
    """Return what a line, or a state of it, says; None if that is nothing."""
    if len(text) > STATE_MAX or not _may_tell(text):
        return None
    process = _RANK.match(text)
    if process is not None:
        text = text[process.end() :]
    is_bar = _DRAWN.search(text) is not None or _BAR.search(text) is not None
    text = _BAR.sub(" | ", text)
    if "(" in text:
        text = _TENSOR.sub(r"\g<number>", text)
    text = _CLOCK.sub(" | ", text)
    tokens, tail = _tokens(text)
    if not tokens or not _is_clear(tokens[0].lead):
        return None
    found = _Reading(commas, tail)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        found.take(token, following, is_bar=is_bar)
    found.finish(is_bar=is_bar)
    is_whole = found.is_whole and not _WORDS.search(_GROUP.sub("", tail))
    # `(epoch: 1, iters: 100) D_A: 0.3, G_A: 0.6`: nobody else counts both.
    is_told = found.is_told or (found.is_inner() and found.explicit >= _TOLD_MIN)
    return Print(
        counts=tuple(found.counts),
        inner=found.inner,
        values=tuple(found.values.items()),
        part=found.part_of_line,
        process=None if process is None else int(process["rank"]),
        is_bar=is_bar,
        is_told=is_told,
        is_whole=is_whole,
    )


def _may_tell(text: str) -> bool:
    """Return whether a line has a name and a number; most have not, at little cost."""
    if text.endswith(("it/s]", "s/it]")) and "=" not in text:
        return False  # a bar alone
    return _LETTERS.search(text) is not None and (
        _DIGIT.search(text) is not None or "nan" in text.lower()
    )


def _tokens(text: str) -> tuple[list[_Token], str]:
    """Return the numbers of *text* with their names, and what stands behind them."""
    tokens: list[_Token] = []
    end = 0
    for found in _NUMBER.finditer(text):
        gap = text[end : found.start()]
        if tokens:
            spaced = _SPACED_UNIT.match(gap)
            if spaced is not None:
                tokens[-1].unit, gap = spaced[0].strip(), gap[spaced.end() :]
            tokens[-1].is_closed = _is_mark(gap)
        name, lead, is_explicit = _name_in(gap)
        unit, total = found["unit"] or "", found["total"]
        tokens.append(
            _Token(name, lead, found["number"], unit, total, gap, is_explicit)
        )
        end = found.end()
    return tokens, text[end:]


def _is_mark(gap: str) -> bool:
    """Return whether a number ends where *gap* begins."""
    return not gap.strip() or _MARK.match(gap) is not None


def _name_in(gap: str) -> tuple[str, str, bool]:
    """Return the name at the end of *gap*, what stands before it, and how sure it is.

    It is sure where a mark, as ``:`` or ``=``, ties it to the number behind it.
    """
    text = gap.rstrip()
    is_explicit = False
    if text[-1:] in _QUOTES and text[:-1].rstrip()[-1:] in (":", "="):
        text = text[:-1].rstrip()  # `'loss': '0.5'`
    if text[-1:] in ("[", "("):
        text = text[:-1].rstrip()
    if text[-1:] in (":", "="):
        is_explicit, text = True, text[:-1].rstrip()
    unit = _IN_BRACKETS.search(text)
    base = text[: unit.start()] if unit else text
    at = 0
    for mark in _MARK.finditer(base):
        at = mark.end()
    name = base[at:].strip().strip("'\"`").strip()
    if unit is not None and name:
        name += unit[0]
    if len(name) > _NAME_MAX or not _WORDS.search(name):
        return "", gap, False
    return name, base[:at], is_explicit


def _is_clear(lead: str) -> bool:
    """Return whether what stands before the first name is no sentence or call.

    A logger's words end in a mark, and so does a label: ``Test set: loss 0.3``.
    """
    text = _GROUP.sub("", lead).strip()
    if not _WORDS.search(text):
        return True
    return not _OPENED.search(text) and not _PAST.search(text)


class _Reading:
    """What the tokens of a line say, one after the other."""

    def __init__(self, commas: Commas, tail: str) -> None:
        self.counts: list[Count] = []
        self.inner: Count | None = None
        self.values: dict[str, float] = {}
        self.part = self.part_of_line = ""
        self.is_told = False
        self.is_whole = True
        self.explicit = 0
        self._commas = commas
        self._tail = tail
        self._bar_rank: float | None = None
        self._nameless: list[tuple[Count, bool]] = []
        self._is_first = True
        self._is_at_head = False
        self._begins_with = ""

    def take(self, token: _Token, following: _Token | None, *, is_bar: bool) -> None:
        """Take the next token; *following* is the one behind it."""
        self._enter_part(token)
        count = self._count_in(token, is_bar=is_bar)
        if self._is_first and _is_part(token):  # `Train: 0 [10/1251]`, `Test: [10/98]`
            self._enter(token.name)
            is_epoch = token.total is None and _is_inner(following)
            count = self._unnamed(_EPOCH, token) if is_epoch else None
            token.name = ""
        self._is_at_head = self._is_at_head or (self._is_first and not token.name)
        if count is not None:
            self.counts.append(count)
        elif not token.name or step_rank(token.name) is not None:
            self._take_nameless(token)
        else:
            self._take_value(token, following)
        self._is_first = False

    def is_inner(self) -> bool:
        """Return whether an epoch is stated, and a finer count beside it."""
        ranks = {count.rank for count in self.counts}
        is_finer = self.inner is not None or bool(ranks.difference(EPOCH_RANKS))
        return is_finer and bool(ranks.intersection(EPOCH_RANKS))

    def _enter_part(self, token: _Token) -> None:
        if token.lead.strip():
            self._enter(token.lead)

    def _enter(self, label: str) -> None:
        """Enter the part of the data that a *label* names, if it is one."""
        part = part_in(label)
        if part:
            self.part = "" if part.startswith("train") else part
            if self._is_first or not self.values:
                self.part_of_line = self.part

    def _unnamed(self, rank: float, token: _Token) -> Count | None:
        """Return the whole number of a *token* as a count."""
        number = self._commas.count(token.number)
        if number is None or not number.is_integer() or number < 0:
            return None
        return Count(rank, number, _total(token))

    def _count_in(self, token: _Token, *, is_bar: bool) -> Count | None:
        """Return the count that a token states by its name."""
        name = token.name
        if token.unit == "epoch":  # `3epoch: loss=0.5`
            name = "epoch"
        elif token.unit or not name:
            return self._bar_count(token) if is_bar else None
        rank, part = _rank_of(name)
        number = self._commas.count(token.number)
        if rank is None or number is None or not 0 <= number < _COUNT_MAX:
            return None
        if part and not part.startswith("train"):
            self.part = self.part_of_line = part
        return Count(rank, number, _total(token))

    def _bar_count(self, token: _Token) -> Count | None:
        """Return the count that a bar is named after, once it is met."""
        if token.unit == "%" and self._is_first and token.name:
            self._bar_rank, _ = _rank_of(token.name)
        rank, self._bar_rank = self._bar_rank, None if token.total else self._bar_rank
        if rank is None or token.total is None or token.unit:
            return None
        return Count(rank, float(token.number), _total(token))

    def _take_nameless(self, token: _Token) -> None:
        """Note a number without a name that may count: ``[100/300]``."""
        is_bracketed = token.gap.rstrip().endswith("[")
        is_second = is_bracketed or token.gap.strip() in _BETWEEN_COUNTS
        if self.values or token.unit or not (token.total or is_second):
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
            self.counts.append(replace(first, rank=_EPOCH))
            self.inner = nameless[1][0]
        elif first.total is None:  # `[100] loss=0.5`
            self.counts.append(replace(first, rank=_HEAD))
        elif self._is_at_head:
            self.inner = first

    def _take_value(self, token: _Token, following: _Token | None) -> None:
        name = token.name
        told = is_outcome(name)
        if is_bookkeeping(name):
            return
        if not token.is_explicit and not _is_bare_value(token, following, self._tail):
            self.is_whole = False
            return
        value = self._value_of(token, following)
        if value is None:
            return
        metric = labelled(self.part, name)
        if metric not in self.values:
            self.values[metric] = value
            self.is_told = self.is_told or told
            self.explicit += token.is_explicit
            if self._is_first:
                self._begins_with = name

    def _value_of(self, token: _Token, following: _Token | None) -> float | None:
        if token.total is not None:  # `9847/10000 (98%)`
            if following is None or following.unit != "%" or "(" not in following.gap:
                return None
            return self._commas.number(following.number)
        if _DURATION.fullmatch(token.unit):
            return None
        if following is not None and not following.name and _is_in_vector(following):
            return None
        value = self._commas.number(token.number)
        scale = _SCALES.get(token.unit[:1], 1.0)
        return None if value is None else value * scale


def _is_bare_value(token: _Token, following: _Token | None, tail: str) -> bool:
    """Return whether a name that only stands before a number is that number's.

    In ``loss 3 values, last 5.7`` it is not.
    """
    words = token.name.split()
    if len(words) > _BARE_WORDS_MAX:
        return False
    behind = tail if following is None else following.lead
    if following is None and not token.number.isdecimal():
        behind = ""
    if _WORDS.search(_MARK.split(behind, maxsplit=1)[0]):
        return False
    if is_measure(words[-1]):
        return True
    return len(words) == 1 and token.is_closed and bool(_MARK.search(token.gap))


def _is_part(token: _Token) -> bool:
    return bool(
        token.name and not token.unit and part_in(token.name) == token.name.lower()
    )


def _is_inner(token: _Token | None) -> bool:
    """Return whether a token is a batch of an epoch: ``[10/1251``."""
    return token is not None and bool(token.total) and token.gap.rstrip()[-1:] == "["


def _is_in_vector(token: _Token) -> bool:
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


def _total(token: _Token) -> float | None:
    return None if token.total is None else float(token.total)
