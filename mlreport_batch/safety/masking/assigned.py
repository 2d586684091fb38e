"""Find the values that a text assigns to names of secrets."""

import re

from mlreport_batch.safety.masking.names import (
    Secrecy,
    is_folder,
    is_named,
    is_vocabulary,
    secrecy,
)

MASK = "***"

_NAME_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
# How a name is told from its value. What came out of JSON once or twice has
# backslashes before its quotes.
_SIGN = (
    r"(?P<sign>(?:\\{0,7}[\"'])?[)\]]?[ \t]{0,60}"
    r"(?:=>|==|:=|[=:]|%3[dDaA])"
    r"(?:[ \t]{0,9}(?:str|bytes|SecretStr)(?:[ \t]\|[ \t]None)?[ \t]{0,9}=)?"
    r"[ \t]{0,60}+"
    # A value may stand in the next line, where no other name begins.
    r"(?:\r?\n[ \t]{0,60}+"
    r"(?!(?:- )?\*{3}|[\w.\"'-]{1,60}[ \t]{0,9}[:=]))?"
    r"|\\{0,7}[\"'],\s{0,9}(?=\\{0,7}[\"'])"
    r"|[ \t]{1,9}(?=[^\s=:|-])|,[ \t]{1,3}(?=[^\s-])"
    r"|(?P<xml>>)(?=[^\s<])|(?P<cell>[ \t]{0,60}\|[ \t]{0,60})(?=[^\s|])"
    r"|(?P<call>\((?:value[ \t]{0,3}=[ \t]{0,3})?(?=[^\s)])"
    r"|[ \t]{1,3}\[(?=[bBuUrRfF]{0,2}\\{0,7}[\"'])))"
)
# Starts at the word that betrays a name; what stands before it is looked at later:
# with a prefix in the pattern, a long row of dashes costs the square of its length.
_NAMED = re.compile(
    r"(?ai)(?:pass|pwd|pw(?![a-z])|secret|token|credential|webhook|cookie|dsn|auth|key"
    r"|(?<![a-z])pat(?![a-z])|sig(?:nature)?(?![a-z])|conn(?:ection)?[_-]?str)"
    rf"[a-z0-9_.-]{{0,60}}+{_SIGN}"
)
_ANY_NAME = re.compile(rf"(?a)(?<![\w.-])[\w.-]{{1,100}}+{_SIGN}")
MARKS = (
    "pass", "pwd", "pw", "secret", "token", "credential", "webhook", "cookie", "dsn",
    "auth", "key", "_pat", "-pat", "sig", "conn",
)  # fmt: skip
"""In lower case; without one of them a text assigns nothing to a name of a secret."""
_VALUE = re.compile(
    r"[bBuUrRfF]{0,2}(?P<open>\\{0,7}(?:\"{3}|'{3}|[\"']))(?s:.{0,4000}?)(?<!\\)(?P=open)"
    r"|[bBuUrRfF]{0,2}\\{0,7}[\"'][^\n\"']*"
    r"|\[[^\]\n]{0,2000}\]?|\{[^}\n]{0,2000}\}?|\([^)\n]{0,2000}\)?"
    r"|[A-Za-z_][\w.]{0,60}\([^)\n]{0,2000}\)?"
    r"|[^\s&,;\"'\\]+"
    r"|\\[^\s&,;\"']*"
)
_XML_VALUE = re.compile(r"[^<\n]+")
_CELL_VALUE = re.compile(r"[^|\s]+(?=[ \t]{0,60}(?:[|\n]|\Z))")
# What stands before a name makes it an option, or a word of prose.
_OPTION = re.compile(r"(?:^|[\s\"'])--?\Z")
_PROSE = re.compile(r"([A-Za-z]+)[ -]\Z")
_PAIR_END = re.compile(r"\\{0,7}[\"'][^\"'\n]{0,200}[\"']\s{0,9}[)\]]")
_BEFORE_MAX = 80
_PLAIN_NUMBER = re.compile(
    r"[\"']?[-+]?[0-9.]{1,12}(?:e[-+]?[0-9]{1,3})?[kKmMgGtTB%]?[)\]}\"']{0,3}"
)
_NOTHING = re.compile(r"(?ai)[\"']{0,2}(?:none|null|true|false)?[\"']{0,2}[)\]}]{0,3}")
_CALL = re.compile(r"[A-Za-z_][\w.]{0,60}\(")  # (cls): Embedding(50257, 768)
_SYMBOL = re.compile(
    r"[\"']?(?:<[^\s\"',]{0,40}>|\[[^\s\"',]{0,40}\]|\|[^\s]{0,40}\|)[\"']?"
)

# `password:` alone on its line, with its value in the lines below.
_BLOCK_KEY = re.compile(
    r"(?a)(?P<indent>[ \t]*)(?:- )?\\{0,7}[\"']?(?P<name>[\w.-]{1,100})\\{0,7}[\"']?"
    r"[ \t]*[:=][ \t]*(?:[|>][+-]?[0-9]?)?[ \t]*"
)
_OPENS = tuple(":=|>+-")
_LINE_MAX = 300
_LINE_KEY = re.compile(
    r"(?a)[ \t]*(?:- )?(?P<name>[\w.-]{1,100})[ \t]{0,60}(?::|=(?=[ \t]))[ \t]*"
    r"(?P<value>[^ \t].*)"
)

_KIND_CHANGES = re.compile(r"(?<=[a-z])[^a-z]|(?<=[A-Z])[^A-Z]|(?<=[0-9])[^0-9]")
_LEAST_CHANGES = 0.33
_ISSUED = re.compile(r"[A-Za-z0-9]{10,}")
_LONG = 32
_PEEK = 200  # letters of a value that are looked at


def mask_assigned(text: str, globs: tuple[str, ...] = ()) -> str:
    """Return *text* with the values masked that it assigns to names of secrets.

    Args:
        text: Any text.
        globs: Whose names are looked for instead of those that are known.
    """
    pattern = _ANY_NAME if globs else _NAMED
    return _mask_named(_mask_below(text, globs), pattern, globs)


def mask_lines(text: str, globs: tuple[str, ...] = ()) -> str:
    """Return *text* with lines such as ``password: a, b`` masked to their end."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        match = _LINE_KEY.fullmatch(line)
        if match and _hides(Secrecy.sure, match["value"]):
            name = match["name"]
            is_sure = secrecy(name) is Secrecy.sure
            is_sure = is_sure and not is_folder(name, match["value"])
            if is_sure or is_named(name, globs):
                lines[at] = line[: match.start("value")] + MASK
    return "\n".join(lines)


def _mask_named(text: str, pattern: re.Pattern[str], globs: tuple[str, ...]) -> str:
    """Mask what is assigned to a name that says it is a secret."""
    done: list[str] = []
    kept = at = 0
    while match := pattern.search(text, at):
        at = match.end("sign")
        before = text[max(0, match.start() - _BEFORE_MAX) : match.start()]
        prefix = before[len(before.rstrip(_NAME_LETTERS)) :]
        name = prefix + text[match.start() : match.start("sign")]
        before = before[: len(before) - len(prefix)]
        dashes = len(name) - len(name.lstrip("-"))
        before, name = before + name[:dashes], name[dashes:]
        level = _level(match, before, name, globs)
        if level is Secrecy.none or is_folder(name, text[at : at + 1]):
            continue
        wanted = (
            _XML_VALUE if match["xml"] else _CELL_VALUE if match["cell"] else _VALUE
        )
        value = wanted.match(text, at, at + _PEEK)
        if value and not value[0].startswith(MASK) and _hides(level, value[0]):
            done += (text[kept:at], MASK)
            kept = at = (wanted.match(text, at) or value).end()
    return "".join((*done, text[kept:])) if done else text


def _level(
    match: re.Match[str], before: str, name: str, globs: tuple[str, ...]
) -> Secrecy:
    """Return how surely a value follows *name* that is a secret.

    Args:
        match: Name and sign.
        before: What stands before the name, its dashes included.
        name: All of it.
        globs: Whose names are looked for instead of those that are known.
    """
    lowered = name.lower()
    if globs:
        level = Secrecy.sure if is_named(name, globs) else Secrecy.none
    elif lowered in ("key", "sig", "signature"):
        # Parts of a URL; else they say nothing.
        level = Secrecy.text if before[-1:] in ("?", "&") else Secrecy.none
    else:
        level = secrecy(name)
    sign = match["sign"]
    if level is Secrecy.none:
        return level
    if match["xml"] or match["cell"] or match["call"]:
        is_one = level is Secrecy.sure and _is_enclosed(match, before)
        return level if is_one else Secrecy.none
    if sign.strip("\\\"', \t\r\n") == "" and not _OPTION.search(before):
        # Prose such as "token classification" has no dash before the word.
        if level is Secrecy.sure:
            return level if _is_pair(match, before) else Secrecy.issued
        return Secrecy.none
    return _in_prose(lowered, sign, before) if level is Secrecy.text else level


def _in_prose(name: str, sign: str, before: str) -> Secrecy:
    """Return what a name whose text is a secret says with a colon behind it."""
    if sign.strip() != ":":
        return Secrecy.text
    prose = _PROSE.search(before)
    if prose and name == "token" and is_vocabulary(prose[1]):
        return Secrecy.none
    # `PASS: test_one`, `all checks pass: yes`, a layer `(conv_pw): Conv2d(3, 8)`.
    if name.endswith(("pass", "pw")) or (prose and name == "auth"):
        return Secrecy.issued
    return Secrecy.text


def _is_enclosed(match: re.Match[str], before: str) -> bool:
    """Return whether the value stands in an element, a table or a call."""
    if match["xml"]:
        return before.endswith("<")
    if match["cell"]:
        return before.rstrip(" \t")[-1:] == "|"
    value = match.string[match.end() : match.end() + _PEEK]
    is_text = value.lstrip("bBuUrRfF\\")[:1] in ('"', "'")
    return is_text or looks_issued(value.partition(")")[0])


def _is_pair(match: re.Match[str], before: str) -> bool:
    """Return whether name and value are all of a list: ``("password", "x")``."""
    opens = before.rstrip("\\\"'")[-1:] in ("(", "[")
    return opens and _PAIR_END.match(match.string, match.end()) is not None


def _hides(level: Secrecy, value: str) -> bool:
    """Return whether *value* is masked after a name of this *level*."""
    if _NOTHING.fullmatch(value):
        return False
    if level is Secrecy.sure:
        return True
    if _PLAIN_NUMBER.fullmatch(value) or is_symbol(value):
        return False
    if level is Secrecy.text and value[0] not in "[{(" and not _CALL.match(value):
        return True
    return looks_issued(value)


def _mask_below(text: str, globs: tuple[str, ...]) -> str:
    """Mask the lines below a name that stands alone on its line, as in YAML."""
    if "\n" not in text:
        return text
    lines = text.split("\n")
    inside: int | None = None  # how far in the name stands
    is_changed = False
    for at, line in enumerate(lines):
        bare = line.lstrip(" \t")
        indent = len(line) - len(bare)
        if inside is not None and bare:
            if indent > inside or (indent == inside and bare.startswith("- ")):
                lines[at] = f"{line[:indent]}{'- ' if bare[:2] == '- ' else ''}{MASK}"
                is_changed = True
                continue
            inside = None
        tail = bare.rstrip()[-1:]
        if inside is None and tail in _OPENS and len(line) <= _LINE_MAX:
            match = _BLOCK_KEY.fullmatch(line)
            if match and (
                is_named(match["name"], globs)
                if globs
                else secrecy(match["name"]) >= Secrecy.text
            ):
                inside = indent
    return "\n".join(lines) if is_changed else text


def is_symbol(value: str) -> bool:
    """Return whether *value* is an entry of a vocabulary, such as ``<pad>``."""
    return _SYMBOL.fullmatch(value) is not None


def alternates(value: str) -> bool:
    """Return whether letters, capitals and digits alternate as if by chance."""
    return len(_KIND_CHANGES.findall(value)) >= _LEAST_CHANGES * len(value)


def looks_issued(value: str) -> bool:
    """Return whether a part of *value* looks as if a machine had made it up."""
    # 32 digits of a key may alternate less than most.
    return any(
        alternates(part) or len(part) >= _LONG for part in _ISSUED.findall(value)
    )
