"""Find the values that a text assigns to names of secrets."""

import re

from mlreport_batch.safety.masking.issued import looks_issued
from mlreport_batch.safety.masking.korean import NAMING
from mlreport_batch.safety.masking.names import (
    Secrecy,
    ends_secret,
    is_credential,
    is_folder,
    is_named,
    is_vocabulary,
    secrecy,
)
from mlreport_batch.safety.patterns import late

MASK = "***"

_NAME_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
# How a name is told from its value. What came out of JSON once or twice has
# backslashes before its quotes.
_SIGN = (
    r"(?P<sign>(?:\\{0,7}[\"'])?[)\]]?[ \t]{0,60}"
    r"(?:=>|->|→|==|:=|[=:]|%3[dDaA])"
    r"(?:[ \t]{0,9}(?:str|bytes|SecretStr)(?:[ \t]\|[ \t]None)?[ \t]{0,9}=)?"
    r"[ \t]{0,60}+"
    # A value may stand in the next line, where no other name begins.
    r"(?:\r?\n[ \t]{0,60}+"
    r"(?!(?:- )?\*{3}|[\w.\"'-]{1,60}[ \t]{0,9}[:=]))?"
    r"|\\{0,7}[\"'],\s{0,60}(?=\\{0,7}[\"'])"
    r"|(?P<is>[ \t]{1,9}(?:is|was)(?:[ \t]?[:=])?[ \t]{1,9}(?=\S))"
    r"|[ \t]{1,9}(?=[^\s=:|-])|,[ \t]{0,3}(?=[^\s,-])"
    r"|\n[ \t]{0,60}-[ ](?=[^\s-])"
    r"|(?P<xml>>)(?=[^\s<])|(?P<cell>[ \t]{0,60}\|[ \t]{0,60})(?=[^\s|])"
    r"|(?P<call>\((?:value[ \t]{0,3}=[ \t]{0,3})?(?=[^\s)])"
    r"|[ \t]{1,3}\[(?=[bBuUrRfF]{0,2}\\{0,7}[\"'])))"
)
# Starts at the word that betrays a name; what stands before it is looked at later:
# with a prefix in the pattern, a long row of dashes costs the square of its length.
_NAMED = late(
    r"(?ai)(?:pass|pwd|pw(?![a-z])|secret|token|cred|bearer|webhook|cookie|dsn|auth|key"
    r"|(?:(?<![a-z])(?:pat|psk)|(?-i:Pat))(?![a-z])|otp|codes?(?![a-z])|mnemonic|phrase"
    r"|sig(?:nature)?(?![a-z])|conn(?:ection)?[_-]?str)"
    rf"[a-z0-9_.-]{{0,60}}+(?:_?값)?{_SIGN}"
)
# In Korean, with the words of the name that blanks part, and a particle behind it.
_NAMED_KOREAN = late(
    rf"(?:{NAMING})[0-9]{{0,3}}(?:_?값)?(?P<particle>[은는이가]?)(?![가-힣])"
    rf"(?:[ \t]?\([^()\n]{{1,30}}\))?{_SIGN}"
)
_ANY_NAME = late(rf"(?a)(?<![\w.-])[\w.-]{{1,100}}+{_SIGN}")
# Without one of them, in lower case, a text assigns nothing to a name of a secret:
# looked for one by one, which is quicker than all at once.
_MARKS = (
    "pass", "pw", "secret", "token", "cred", "bearer", "webhook", "cookie",
    "dsn", "auth", "key", "_pat", "-pat", "sig", "conn", "psk", "otp", "code", "api",
    "mnemonic", "phrase", "pwd",
)  # fmt: skip
_VALUE = late(
    r"(?:[!&][\w!/:.-]{0,60}[ \t]{1,9})?"  # `!vault x`, `&anchor x`
    r"(?:[bBuUrRfF]{0,2}(?P<open>\\{0,7}(?:\"{3}|'{3}|[\"']))(?s:.{0,4000}?)(?<!\\)(?P=open)"
    r"|[bBuUrRfF]{0,2}\\{0,7}[\"'][^\n\"']*"
    r"|\[[^\]\n]{0,2000}\]?|\{[^}\n]{0,2000}\}?|\([^)\n]{0,2000}\)?"
    r"|[A-Za-z_][\w.]{0,60}\([^)\n]{0,2000}\)?"
    r"|[^\s&,;\"'\\]+"
    r"|\\[^\s&,;\"']*)"
)
_XML_VALUE = late(r"[^<\n]+")
_CELL_VALUE = late(r"[^|\s]+(?=[ \t]{0,60}(?:[|\n]|\Z))")
# What stands before a name makes it an option, or a word of prose.
_OPTION = late(r"(?:^|[\s\"'])--?\Z")
_PROSE = late(r"([A-Za-z가-힣]{1,40})[ -]\Z")
_PASSES = ("pass", "pw")
_BARE = ("key", "keys", "sig", "signature", "키")
_KEYS = ("key", "keys", "키")
_LOGS_IN = late(
    r"(?i)(?:login|authenticate|connect|client|api)\((?:[^()\n]{0,60},\s*)?\Z"
)
_LOGIN = late(r"\blogin\b[^\n|;&]{0,60}\Z")
# Commands that set what is named next: `ENV DB_PASSWORD x`, `config set a.token x`.
_SETS = late(
    r"(?:\b(?:setx|setenv|ENV|set[ \t]+-[a-zA-Z]+|mysqladmin\b[^\n]{0,60}"
    r"|(?:config(?:ure)?|remote|secret)[ \t]+(?:set|add|modify|create)\b[^\n]{0,60})"
    r"[ \t]+\S{0,60})\Z"
)
_ROW_END = late(r"[^\s,]{1,200}[ \t]*(?:\n|\Z)")
_FOREIGN = late(r"[!-~]{5,200}(?:\s|\Z)")
_QUOTED_WORD = late(r"([\"'])[^\s\"']{6,200}\1")
_PAIR_END = late(r"\\{0,7}[\"'][^\"'\n]{0,200}[\"']\s{0,60}[)\]]")
_BEFORE_MAX = 80
_PLAIN_NUMBER = late(
    r"[\"']?[-+]?[0-9.]{1,12}(?:e[-+]?[0-9]{1,3})?[kKmMgGtTB%]?[)\]}\"']{0,3}"
)
_NOTHING = late(
    r"(?i)[\"']{0,2}(?:none|null|nil|true|false|n/a|<?(?:redacted|hidden|masked|empty)>?"
    r"|없음|\*{3,})?[\"']{0,2}[)\]}]{0,3}"
)
# `auth: basic` says how to log in.
_MANNER = late(
    r"(?ai)[\"']?(?:no|off|on|yes|basic|digest|bearer|oauth2?|jwt|ldap|ntlm|kerberos|saml"
    r"|sso|iam|m?tls|cert|anonymous|public|disabled|enabled|optional|required|default"
    r"|auto)[\"']?"
)
_HANGUL = late(r"[\"']?[가-힣]+[\"']?")
# Letters and digits, as in `password is hunter2`.
_ODD = late(r"(?=\S{0,60}[0-9])(?=\S{0,60}[A-Za-z])\S{6,200}")
_CALL = late(r"[A-Za-z_][\w.]{0,60}\(")  # (cls): Embedding(50257, 768)
_SYMBOL = late(r"[\"']?(?:<[^\s\"',]{0,40}>|\[[^\s\"',]{0,40}\]|\|[^\s]{0,40}\|)[\"']?")

# `password:` alone on its line, with its value in the lines below.
_BLOCK_KEY = late(
    r"(?P<indent>[ \t]*)(?:- )?\\{0,7}[\"']?(?P<name>[\w.-]{1,100})\\{0,7}[\"']?"
    r"[ \t]*[:=][ \t]*(?:[|>][+-]?[0-9]?)?[ \t]*"
)
_OPENS = tuple(":=|>+-")
_LINE_MAX = 300
_LINE_KEY = late(
    r"[ \t]*(?:- )?(?P<name>[\w.-]{1,100})[ \t]{0,60}(?::|=(?=[ \t]))[ \t]*"
    r"(?P<value>[^ \t].*)"
)

_PEEK = 200  # letters of a value that are looked at


def mask_assigned(text: str, globs: tuple[str, ...] = ()) -> str:
    """Return *text* with the values masked that it assigns to names of secrets.

    Args:
        text: Any text.
        globs: Whose names are looked for instead of those that are known.
    """
    if globs:
        return _mask_named(_mask_below(text, globs), _ANY_NAME, globs)
    masked = _mask_named(text, _NAMED, globs)
    return _mask_named(masked, _NAMED_KOREAN, globs) if is_korean(masked) else masked


_KOREAN = late(NAMING)


def may_assign(text: str, lowered: str) -> bool:
    """Return whether *text*, also given in lower case, may name a secret."""
    for mark in _MARKS:
        if mark in lowered:
            return True
    return "Pat" in text or is_korean(text)


def is_korean(text: str) -> bool:
    """Return whether *text* has a Korean word in it that may name a secret."""
    return not text.isascii() and _KOREAN.search(text) is not None


def mask_lines(text: str, globs: tuple[str, ...] = ()) -> str:
    """Return *text* with lines such as ``password: a, b`` masked to their end."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        match = _LINE_KEY.fullmatch(line)
        if match and hides(Secrecy.sure, match["value"]):
            name = match["name"]
            is_sure = secrecy(name) is Secrecy.sure
            is_sure = is_sure and not is_folder(name, match["value"])
            is_sure = is_sure and not _counts(name, match["value"])
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
        prefix = _end_of_name(before)
        ends = match.start("particle" if pattern is _NAMED_KOREAN else "sign")
        name = prefix + text[match.start() : ends]
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
        if not value or value[0].startswith(MASK):
            continue
        if hides(level, value[0]) and (globs or not _counts(name, value[0])):
            done += (text[kept:at], MASK)
            kept = at = (wanted.match(text, at) or value).end()
    return "".join((*done, text[kept:])) if done else text


def _end_of_name(before: str) -> str:
    """Return the letters at the end of *before* that belong to a name."""
    bare = before.rstrip(_NAME_LETTERS)
    while bare and bare[-1] >= "가" and bare[-1].isalpha():
        bare = bare[:-1].rstrip(_NAME_LETTERS)
    return before[len(bare) :]


def _counts(name: str, value: str) -> bool:
    """Return whether *value* is a number about secrets: ``secrets_found: 0``."""
    return _PLAIN_NUMBER.fullmatch(value) is not None and not ends_secret(name)


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
    is_bare = lowered in _BARE and not globs
    level = _of_bare(lowered, before) if is_bare else _of_known(name, globs)
    sign = match["sign"]
    if level is Secrecy.none:
        return level
    is_login = level is Secrecy.sure or is_credential(name) or lowered in _PASSES
    if match["xml"] or match["cell"] or match["call"]:
        return level if is_login and _is_enclosed(match, before) else Secrecy.none
    if match["is"] and not sign.strip().endswith((":", "=")):
        return Secrecy.said if level >= Secrecy.text else Secrecy.none
    if sign.strip("\\\"', \t\r\n-") == "" and not _OPTION.search(before):
        # Prose such as "token classification" has no dash before the word.
        return _in_words(match, before, name, level, is_login=is_login)
    return _in_prose(name, sign, before) if level is Secrecy.text else level


def _of_bare(name: str, before: str) -> Secrecy:
    """Return what a name says that says nothing alone: ``key``."""
    if before[-1:] in ("?", "&"):  # a part of a URL
        return Secrecy.text
    word = _PROSE.search(before)
    if word and name in _KEYS:
        return min(secrecy(f"{word[1]}_{name}"), Secrecy.text)
    if before.endswith("-") and _LOGIN.search(before):
        return Secrecy.text
    if name in _KEYS and _LOGS_IN.search(before):
        return Secrecy.text
    return Secrecy.none


def _in_words(
    match: re.Match[str], before: str, name: str, level: Secrecy, *, is_login: bool
) -> Secrecy:
    """Return what a name says that only a blank or a comma parts from the value."""
    is_set = level >= Secrecy.text and _SETS.search(before)
    is_row = before[-1:] in ("", "\n") and _is_row(match, name)
    if is_set or (is_login and (is_row or _is_pair(match, before))):
        return level
    if level is not Secrecy.sure:
        return Secrecy.issued
    if match.groupdict().get("particle"):
        is_word = _FOREIGN.match(match.string, match.end()) is not None
        return Secrecy.sure if is_word else Secrecy.none
    if not match["sign"].isspace():  # names in a row, mostly
        return Secrecy.issued
    if _QUOTED_WORD.match(match.string, match.end()):
        return Secrecy.sure
    return Secrecy.said if "_" in name else Secrecy.issued


def _is_row(match: re.Match[str], name: str) -> bool:
    """Return whether this is a row of a table of two columns, or of properties."""
    is_parted = match["sign"] in ("\t", ",")
    is_key = "." in name or (name.isupper() and "_" in name)
    is_alone = _ROW_END.match(match.string, match.end()) is not None
    return is_alone and (is_parted or is_key)


def _in_prose(name: str, sign: str, before: str) -> Secrecy:
    """Return what a name whose text is a secret says with a colon behind it."""
    if sign.strip() != ":":
        return Secrecy.text
    prose = _PROSE.search(before)
    if prose and name.lower() in ("token", "토큰") and is_vocabulary(prose[1]):
        return Secrecy.none
    # `PASS: test_one`, `all checks pass: yes`, a layer `(conv_pw): Conv2d(3, 8)`.
    if name == "pass" or name.lower() == "pw":
        is_name = before.rstrip(" \t")[-1:] in ("", "\n", "/", ",", "{", "(")
        return Secrecy.text if is_name else Secrecy.issued
    if name == "PASS" or (prose and name.lower() in ("auth", "인증")):
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
    if before.endswith("- - "):  # the same in YAML
        return "\n" in match["sign"]
    opens = before.rstrip("\\\"' \t\n")[-1:] in ("(", "[")
    return opens and _PAIR_END.match(match.string, match.end()) is not None


def hides(level: Secrecy, value: str) -> bool:
    """Return whether *value* is masked after a name of this *level*."""
    if is_nothing(value, level):
        return False
    if level is Secrecy.sure:
        return True
    if level is Secrecy.said:
        return _ODD.fullmatch(value) is not None or value[0] in "\"'"
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
    for at, line in enumerate(lines):
        bare = line.lstrip(" \t")
        indent = len(line) - len(bare)
        if inside is not None and bare:
            if indent > inside or (indent == inside and bare.startswith("- ")):
                lines[at] = f"{line[:indent]}{'- ' if bare[:2] == '- ' else ''}{MASK}"
                continue
            inside = None
        tail = bare.rstrip()[-1:]
        if inside is None and tail in _OPENS and len(line) <= _LINE_MAX:
            match = _BLOCK_KEY.fullmatch(line)
            if match and is_named(match["name"], globs):
                inside = indent
    return "\n".join(lines)


def _of_known(name: str, globs: tuple[str, ...]) -> Secrecy:
    """Return what *name* says to the *globs*, or to the built-in rules without any."""
    if not globs:
        return secrecy(name)
    return Secrecy.sure if is_named(name, globs) else Secrecy.none


def is_nothing(value: str, level: Secrecy) -> bool:
    """Return whether *value* says that there is no secret, or of what kind it is."""
    if _NOTHING.fullmatch(value):
        return True
    if level is not Secrecy.text:
        return False
    # Tokens are made of letters that every keyboard has.
    return _MANNER.fullmatch(value) is not None or _HANGUL.fullmatch(value) is not None


def is_symbol(value: str) -> bool:
    """Return whether *value* is an entry of a vocabulary, such as ``<pad>``."""
    return _SYMBOL.fullmatch(value) is not None
