"""Named numbers: a printed line, cut at its numbers.

What stands before a number, back to the last mark that ends something, is its name:
``step 20: train loss 2.48`` has two. Each pattern goes over a line once, whatever is
in it.
"""

from functools import lru_cache
from typing import Final

from msgspec import Struct

from mlreport_batch.safety.patterns import late

_NAME_MAX: Final = 80
_GAP_MAX: Final = 200  # longer ones are not remembered
_REWRITTEN = late(r"[\r\x08]+")
# Behind a bar that another print interrupted stands what was printed.
_BAR_END = late(r"(?<=(?:it/s|s/it)\])(?=[^\s])")
_LETTERS = late(r"(?<![^\W\d_])(?!it\b)[^\W\d_]{2}")
_DIGIT = late(r"\d")
_CLOCK = late(
    r"\b\d{4}[-/.]\d\d?[-/.]\d\d?(?:[T _-]+\d\d?:\d\d(?::\d\d)?(?:[.,:]\d++)?Z?)?"
    r"|\b(?:\d\d/\d\d(?:/\d{2,4})?[ T]+)?\d{1,4}:\d\d(?::\d\d)?(?:[.,]\d++)?\b"
    # a file, module, function or host, and its line
    r"|(?<![\w-])[\w-]++\.[a-z]{1,4}:\d++"
    r"|(?<![\w.<>-])[A-Za-z_][\w<>-]*+(?:[.:][A-Za-z_<][\w<>-]*+)++:\d++(?=\s)"
    r"|(?<=\t)[\w-]++:\d++(?=\t)|\b\w++\$:\d++(?=\s)"
)
_TENSOR = late(
    r"\b(?:[A-Za-z]\w{0,20}\.){0,3}"
    r"(?:tensor|(?:Device)?Array|array|b?float\d{0,2}|u?int\d{0,2}|Decimal)"
    r"\(\s?\[?\s?(?P<number>[-+]?[\w.]{1,30}(?:[-+]\d{1,3})?)\s?\]?"
    r"(?:,[^()]{0,60}(?:\([^()]{0,20}\))?[^()]{0,60})?\)"
)
_BAR = late(r"(?<=%)\s?[|\u2502](?P<drawn>[^|\u2502]{0,400})[|\u2502]")
_DRAWN = late(
    r"[\u2588-\u258f\u2501\u2578\u257a]{2}|\[[=>.#-]{5,}\]|it/s|s/(?:it|step)\b"
)
_UNIT: Final = (
    r"%|[mun\u00b5]?s(?:econds?|ecs?)?|minutes?|mins?|hours?|hrs?|days?|[mhd]|it|epoch"
    r"|[kKMGTB](?:i?[bB])?"
)
_NUMBER = late(
    r"(?<![\w@.#$&\\/-])(?P<number>[-+]?(?>\d{1,3}(?:,\d{3})++(?:\.\d++)?|\d++,\d++"
    r"|(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?|(?i:nan|inf(?:inity)?)))"
    r"(?P<unit>(?>" + _UNIT + r")(?:/[A-Za-z]\w*+)?)?"
    r"(?:\s*+(?:/|\bof\b)\s*+(?P<total>\d++))?+"
    r"(?![\w@/\u00b2\u00b3]|[.:,]\d|-\w)"
)
_SPACED_UNIT = late(
    r"\s?(?:ms|s|secs?|seconds?|mins?|minutes?|hours?|hrs?|h)(?:/\w++)?(?=[\s,;|)\]]|$)"
)
_DURATION = late(
    r"\s?(?:[mun\u00b5]?s(?:ecs?|econds?)?|mins?|minutes?|[mhd]|hours?|hrs?|days?|it)"
    r"(?:/\w++)?"
)
_SCALES: Final = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
# Ends a name that begins behind it.
MARK = late(
    r"[][,|;\t{}()!?<>\":=*~\u2022\u00b7\u2192]|\s\s|(?:^|\s)[-\u2013\u2014]++(?=\s)"
    r"|(?<=[a-z]{5})\.\s(?=[A-Z])"  # a sentence ends; `Avg. Loss` goes on
)
_IN_BRACKETS = late(r"\s?\([^()\d]{1,20}\)\Z")
_REMARK = late(r"\s*\([^()]*\)\s*\Z")  # `loss = 2.1 (* 1 = 2.1 loss)`
_GROUP = late(r"\[[^][]*+\]|\([^()]*+\)")
# `val loss is 0.3`, `avg loss so far is 0.3`; the name may be no sentence.
_SAID = late(r"(?<=\w)(?: so far)? is\Z")
_AROUND_NAME: Final = " '\"`.-\u2013\u2014\u2026"
_GLUED = late(r"\d*\.\d")  # `0.08recall: 0.1`: whose number is whose?
_QUOTES: Final = ("'", '"')
_WORDS = late(r"[^\W\d_]+")
_OPENED = late(r"\w\s?\(\Z|\w\[\Z|[\"`]\Z")  # by a call, in a sentence, in quotes
_PAST = late(
    r"(?i:\b(?:best|load\w*|resum\w*|restor\w*|sav(?:ed|ing)|checkpoints?|from)\b)"
    r"|[a-z](?:Error|Exception|Warning)\b"
)


class Token(Struct):
    """A number of a line.

    Attributes:
        name: What stands before it as its name, or nothing.
        lead: What stands before that.
        number: It, as written.
        unit: What stands right behind it: ``%``, ``ms``, ``k``.
        total: Of how many it is: ``3/80``, ``3 of 80``.
        gap: All between the number before it, and it.
        is_explicit: Whether ``:`` or ``=`` ties it to its name.
        is_closed: Whether a mark stands behind it.
    """

    name: str
    lead: str
    number: str
    unit: str
    total: str | None
    gap: str
    is_explicit: bool
    is_closed: bool = True

    @property
    def is_duration(self) -> bool:
        """Whether its unit is one of time."""
        return _DURATION.fullmatch(self.unit) is not None

    @property
    def scale(self) -> float:
        """What its unit multiplies it by; bytes stay as written."""
        return _SCALES.get(self.unit, 1.0)


def states_of(line: str) -> list[str]:
    """Return what a *line* showed one after the other: a bar is drawn over itself."""
    if "\r" not in line and "\x08" not in line and "it]" not in line:
        return _apart(line)
    return [state for each in _REWRITTEN.split(line) for state in _apart(each)]


def _apart(text: str) -> list[str]:
    return _BAR_END.split(text) if "/s]" in text or "/it]" in text else [text]


def undrawn(text: str) -> tuple[str, bool]:
    """Return *text* without bars, clocks and tensors around numbers.

    And whether there was a bar.
    """
    is_bar = _DRAWN.search(text) is not None or _BAR.search(text) is not None
    text = _BAR.sub(" | ", text)
    if "(" in text:
        text = _TENSOR.sub(r"\g<number>", text)
    return _CLOCK.sub(" | ", text), is_bar


def has_words(text: str) -> bool:
    """Return whether *text* has words outside brackets."""
    return _WORDS.search(_GROUP.sub("", text)) is not None


def is_remark(text: str, tail: str) -> bool:
    """Return whether the *tail* of a line is that of brackets which end it."""
    remark = _REMARK.search(text)
    return remark is not None and remark.start() <= len(text) - len(tail)


def may_tell(text: str) -> bool:
    """Return whether a line has a name and a number; most have not, at little cost."""
    if text.endswith(("it/s]", "s/it]")) and "=" not in text:
        return False  # a bar alone
    return _LETTERS.search(text) is not None and (
        _DIGIT.search(text) is not None or "nan" in text.lower()
    )


def tokens_of(text: str) -> tuple[list[Token], str]:
    """Return the numbers of *text* with their names, and what stands behind them."""
    tokens: list[Token] = []
    end = 0
    for found in _NUMBER.finditer(text):
        gap = text[end : found.start()]
        if tokens:
            spaced = _SPACED_UNIT.match(gap)
            if spaced is not None:
                tokens[-1].unit, gap = spaced[0].strip(), gap[spaced.end() :]
            tokens[-1].is_closed = _is_mark(gap)
        named = _known_name_in if len(gap) <= _GAP_MAX else _name_in
        name, lead, is_explicit = named(gap)
        unit, total = found["unit"] or "", found["total"]
        tokens.append(Token(name, lead, found["number"], unit, total, gap, is_explicit))
        end = found.end()
    return tokens, text[end:]


def _is_mark(gap: str) -> bool:
    """Return whether a number ends where *gap* begins."""
    return not gap.strip() or MARK.match(gap.lstrip()) is not None


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
    elif (said := _SAID.search(text)) is not None:
        is_explicit, text = True, text[: said.start()]
    unit = _IN_BRACKETS.search(text)
    base = text[: unit.start()] if unit else text
    at = 0
    for mark in MARK.finditer(base):
        at = mark.end()
    name = base[at:].strip(_AROUND_NAME)
    if unit is not None and name:
        name += unit[0]
    if len(name) > _NAME_MAX or not _WORDS.search(name) or _GLUED.match(name):
        return "", gap, False
    return name, base[:at], is_explicit


# The lines of a log have the same few gaps.
_known_name_in = lru_cache(maxsize=4096)(_name_in)


def is_clear(lead: str) -> bool:
    """Return whether what stands before the first name is no sentence or call.

    A logger's words end in a mark, and so does a label: ``Test set: loss 0.3``.
    """
    text = _GROUP.sub("", lead).strip()
    if not _WORDS.search(text):
        return True
    return not _OPENED.search(text) and not _PAST.search(text)
