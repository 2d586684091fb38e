"""Mask secrets before anything is stored, logged or shown."""

import base64
import re
import zlib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise

from mlreport_batch.text import Scalar, clean, clean_block

MASK = "***"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_SECRET_WORDS = frozenset(
    "password passwords passwd passphrase pwd secret secrets apikey apikeys "
    "credential credentials authorization bearer cookie webhook dsn".split()
)
_SECRET_PAIRS = frozenset(
    [
        ("api", "key"), ("api", "keys"), ("access", "key"), ("access", "keys"),
        ("private", "key"), ("private", "keys"), ("secret", "key"),
        ("account", "key"), ("auth", "key"), ("connection", "string"),
        ("encryption", "key"), ("signing", "key"), ("ssh", "key"),
    ]
)  # fmt: skip
_TOKEN_WORDS = frozenset(["token", "auth"])
# `pad_token: <pad>` is vocabulary, not a credential.
_VOCABULARY = frozenset(
    "pad eos bos unk mask sep cls special additional image audio video start end "
    "stop begin num per max min n new first last decoder mean prompt type ids "
    "classification drop dropout".split()
)
_HASH_WORDS = frozenset(
    "commit sha sha1 sha256 md md5 hash digest revision checksum fingerprint uuid id "
    "guid version etag blob snapshot tree rev head build".split()
)

_ALONE = r"(?<![A-Za-z0-9])"  # `_` may stand before: run_AKIA…
_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    rf"|{_ALONE}(?:AKIA|ASIA)[0-9A-Z]{{16}}(?![0-9A-Za-z])"
    rf"|{_ALONE}gh[pousr]_[A-Za-z0-9]{{20,}}"
    rf"|{_ALONE}github_pat_[A-Za-z0-9_]{{20,}}"
    rf"|{_ALONE}glpat-[A-Za-z0-9_-]{{16,}}"
    rf"|{_ALONE}hf_[A-Za-z0-9]{{16,}}"
    rf"|{_ALONE}(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{{8,}}"
    rf"|{_ALONE}sk-[A-Za-z0-9_-]{{16,}}"
    rf"|{_ALONE}[sr]k_(?:live|test)_[A-Za-z0-9]{{16,}}"
    rf"|{_ALONE}(?:npm_[A-Za-z0-9]{{30,}}|pypi-[A-Za-z0-9_-]{{30,}}|dapi[0-9a-f]{{32}})"
    rf"|{_ALONE}SG\.[A-Za-z0-9_-]{{16,}}\.[A-Za-z0-9_-]{{16,}}"
    rf"|{_ALONE}AIza[0-9A-Za-z_-]{{30,}}"
    rf"|{_ALONE}ya29\.[0-9A-Za-z_-]{{16,}}"
    rf"|{_ALONE}eyJ[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]{{4,}}(?:\.[A-Za-z0-9_-]*)?"
    rf"|{_ALONE}bot[0-9]{{8,12}}:[A-Za-z0-9_-]{{30,}}"
    r"|https://hooks\.[^\s\"']+"
    r"|https://discord(?:app)?\.com/api/webhooks/[^\s\"']+"
    r"|https://[a-z0-9-]{1,60}\.webhook\.office\.com/[^\s\"']+",
    re.DOTALL,
)
_SHAPE_MARKS = (
    "-----BEGIN", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    "glpat-", "hf_", "xox", "xapp-", "sk-", "k_live_", "k_test_", "npm_", "pypi-",
    "dapi", "SG.", "AIza", "ya29.", "eyJ", "bot", "https://",
)  # fmt: skip
_WORD_MARKS = (
    "passw", "passphrase", "pwd", "secret", "token", "credential", "webhook", "key",
    "sig",
)  # fmt: skip
_URL_USER = re.compile(
    r"(?<=://)(?:[^\s/:\"'@]*:[^\s/\"']+|[A-Za-z0-9._~%-]{16,})(?=@)"
)
# Bounded by what stands before the word, not by a prefix pattern: a repeated
# prefix makes a long row of dashes cost the square of its length.
_ASSIGNED = re.compile(
    r"(?i)(?<![a-z0-9])(?P<word>"
    r"password|passwd|passphrase|pwd|secret|token|credentials?|webhook"
    r"|(?:api|access|account|private|secret|signing|auth)[-_]?(?:key|token)"
    r"|sig|signature)"
    r"(?P<sign>[\"']?\s{0,9}[=:]\s{0,9}|[\"'],\s{0,9}(?=[\"'])|\s{1,9}(?=[^\s=:-]))"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s&,;\"']+)"
)
_OPTION = re.compile(r"(?:^|[\s\"'])--?[A-Za-z0-9_-]*\Z")
_NAME_BEFORE = re.compile(r"[A-Za-z0-9_.-]*\Z")
_BEFORE_MAX = 80
_PLAIN_NUMBER = re.compile(
    r"[\"']?[-+]?[0-9.]{1,12}(?:e[-+]?[0-9]{1,3})?[)\]}\"']{0,3}"
)
_BEARER = re.compile(r"(?i)\b(bearer)\s{1,9}(?=\S{0,200}[0-9=+/])[a-z0-9._~+/=-]{8,}")
_BASIC = re.compile(r"(?i)\b(basic\s{1,9})([a-z0-9+/]{4,}={0,2})")
_OPAQUE = re.compile(
    r"(?<![\w./+-])(?:[0-9a-fA-F]{32,}|[A-Za-z0-9+/_-]{40,}={0,2})(?![\w./+-])"
)
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_KIND_CHANGES = re.compile(r"(?<=[a-z])[^a-z]|(?<=[A-Z])[^A-Z]|(?<=[0-9])[^0-9]")
_LEAST_CHANGES = 0.33
_MIN_DISTINCT = 12
_OPAQUE_LEAST = 32
_LEAST = 8


def redact_text(text: str, *, is_hash: bool = False) -> str:
    """Return *text* with everything masked that has the shape of a secret.

    Long random letters and digits are masked as well, unless a word such as
    ``commit`` or ``sha256`` stands before them.

    Args:
        text: Any text.
        is_hash: Whether long random letters and digits are no secret here.
    """
    if len(text) < _LEAST:
        return text
    # Most texts hold none of the marks, and looking for them is quick.
    if any(mark in text for mark in _SHAPE_MARKS):
        text = _SHAPES.sub(MASK, text)
    if "://" in text:
        text = _URL_USER.sub(MASK, text)
    lowered = text.lower()
    if "bearer" in lowered:
        text = _BEARER.sub(rf"\1 {MASK}", text)
    if "basic" in lowered:
        text = _BASIC.sub(_mask_basic, text)
    if any(mark in lowered for mark in _WORD_MARKS):
        text = _ASSIGNED.sub(_mask_assigned, text)
    if is_hash or len(text) < _OPAQUE_LEAST:
        return text
    return _OPAQUE.sub(_mask_opaque, text)


@lru_cache(maxsize=4096)
def shown(text: str) -> str:
    """Return a name from a run directory as one safe line, secrets masked."""
    return clean(redact_text(text[:_NAME_MAX]))


@lru_cache(maxsize=4096)
def shown_name(text: str) -> str:
    """Return the name of a value as one safe line, secrets masked, and still its own.

    Names that differ only where they are masked or cut would become one curve.
    """
    masked = redact_text(text[:_NAME_MAX])
    told = clean(masked, _NAME_MAX)
    if text == masked and len(told) <= _SHOWN_MAX:
        return told
    mark = f"~{zlib.crc32(text.encode('utf-8', 'surrogatepass')):08x}"
    return clean(masked, _SHOWN_MAX - len(mark)) + mark


def shown_block(text: str) -> str:
    """Return the beginning of *text* for fixed width, secrets masked."""
    return clean_block(redact_text(text[:_BLOCK_MAX]))


def shown_tail(text: str, lines: int = 40) -> str:
    """Return the last *lines* of *text* for fixed width, secrets masked."""
    # Masked before it is cut: the first lines of a key say what the others are.
    masked = redact_text(text[-_BLOCK_MAX:]).rstrip()
    return clean_block("\n".join(masked.split("\n")[-lines:]))


_NAME_MAX = 5000
_SHOWN_MAX = 300
_BLOCK_MAX = 100_000


def _mask_basic(match: re.Match[str]) -> str:
    # Prose says "basic" too; a credential is the base64 of "user:password".
    try:
        is_credential = b":" in base64.b64decode(match[2], validate=True)
    except ValueError:
        is_credential = False
    return f"{match[1]}{MASK}" if is_credential else match[0]


def _mask_assigned(match: re.Match[str]) -> str:
    if match["value"].startswith(MASK):
        return match[0]
    before = match.string[max(0, match.start() - _BEFORE_MAX) : match.start()]
    # Prose such as "token classification" has no dash before the word.
    if match["sign"].strip("\"', \t\r\n") == "" and not _OPTION.search(before):
        return match[0]
    word = match["word"].lower()
    if word in ("token", "sig", "signature") and _PLAIN_NUMBER.fullmatch(
        match["value"]
    ):
        return match[0]
    if word == "token":
        name = _NAME_BEFORE.search(before)
        if name and _VOCABULARY.intersection(map(str.lower, _WORDS.findall(name[0]))):
            return match[0]
    return f"{match.string[match.start() : match.end('sign')]}{MASK}"


def _mask_opaque(match: re.Match[str]) -> str:
    if not _is_opaque(match[0]):
        return match[0]
    before = match.string[max(0, match.start() - _BEFORE_MAX) : match.start()]
    line = before.rpartition("\n")[2]
    if _HASH_WORDS.intersection(map(str.lower, _WORDS.findall(line))):
        return match[0]
    return MASK


def is_secret_key(key: str, extra: Iterable[str] = ()) -> bool:
    """Return whether the name *key* says that its value is a secret.

    Whole words count, so ``hf_token`` is one and ``tokenizer`` is not.

    Args:
        key: A flattened name, such as ``env.HF_TOKEN``.
        extra: Globs of the user's own, matched without regard to case.
    """
    return _is_secret_key(key, tuple(extra))


# The runs of one project mostly have the same hyperparameters.
@lru_cache(maxsize=4096)
def _is_secret_key(key: str, extra: tuple[str, ...]) -> bool:
    lowered = key.lower()
    if any(fnmatchcase(lowered, pattern.lower()) for pattern in extra):
        return True
    if _SECRET_WORDS.intersection(map(str.lower, _WORDS.findall(key))):
        return True
    words = [word.lower() for word in _WORDS.findall(key.rpartition(".")[2])]
    if any(pair in _SECRET_PAIRS for pair in pairwise(words)):
        return True
    return bool(_TOKEN_WORDS.intersection(words)) and not _VOCABULARY.intersection(
        words
    )


def redact_value(key: str, value: Scalar, extra: Iterable[str] = ()) -> Scalar:
    """Return *value*, or the mask where *key* or the value's shape betrays a secret."""
    if value is None or isinstance(value, bool) or value == "":
        return value
    secret = is_secret_key(key, extra)
    if not isinstance(value, str):
        words = {word.lower() for word in _WORDS.findall(key)}
        return MASK if secret and not _TOKEN_WORDS.intersection(words) else value
    if secret:
        return MASK
    return redact_text(value, is_hash=not _HASH_WORDS.isdisjoint(_words(key)))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def _is_opaque(value: str) -> bool:
    """Return whether *value* is long and random, unlike a path or a model's name."""
    if len(set(value)) < _MIN_DISTINCT:
        return False
    if _HEX.fullmatch(value):
        return True
    return len(_KIND_CHANGES.findall(value)) >= _LEAST_CHANGES * len(value)


def redact_all(
    values: Mapping[str, Scalar], extra: Iterable[str] = ()
) -> dict[str, Scalar]:
    """Return *values* with every secret masked."""
    extra = tuple(extra)
    return {key: redact_value(key, value, extra) for key, value in values.items()}
