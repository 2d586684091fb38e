"""Mask secrets before anything is stored, logged or shown."""

import base64
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise

from mlreport_batch.text import Scalar

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
    "commit sha sha1 sha256 md5 hash digest revision checksum fingerprint uuid id "
    "guid version etag".split()
)

_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bgithub_pat_[A-Za-z0-9_]{20,}"
    r"|\bglpat-[A-Za-z0-9_-]{16,}"
    r"|\bhf_[A-Za-z0-9]{16,}"
    r"|\bxox[abeoprs]-[A-Za-z0-9-]{8,}"
    r"|\bsk-[A-Za-z0-9_-]{16,}"
    r"|\bAIza[0-9A-Za-z_-]{30,}"
    r"|\bya29\.[0-9A-Za-z_-]{16,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"
    r"|https://hooks\.[^\s\"']+",
    re.DOTALL,
)
_URL_USER = re.compile(r"(?<=://)[^\s/:\"']*:[^\s/\"']+(?=@)")
# Bounded by what stands before the word, not by a prefix pattern: a repeated
# prefix makes a long row of dashes cost the square of its length.
_ASSIGNED = re.compile(
    r"(?i)(?<![a-z0-9])"
    r"(?:password|passwd|secret|token|api[-_]?key|access[-_]?key|sig|signature)"
    r"(?P<sign>\s{0,9}[=:]\s{0,9}|\s{1,9}(?=[^\s=:-]))"
    r"(?:\"[^\"]*\"|'[^']*'|[^\s&,;\"']+)"
)
_OPTION = re.compile(r"(?:^|[\s\"'])--?[A-Za-z0-9_-]*\Z")
_OPTION_MAX = 80
_BEARER = re.compile(r"(?i)\b(bearer)\s{1,9}(?=\S{0,200}[0-9=+/])[a-z0-9._~+/=-]{8,}")
_BASIC = re.compile(r"(?i)\b(basic\s{1,9})([a-z0-9+/]{4,}={0,2})")
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_KIND_CHANGES = re.compile(r"(?<=[a-z])[^a-z]|(?<=[A-Z])[^A-Z]|(?<=[0-9])[^0-9]")
_LEAST_CHANGES = 0.33
_MIN_DISTINCT = 12


def redact_text(text: str) -> str:
    """Return *text* with everything masked that has the shape of a secret."""
    if not text or len(text) < 8:  # noqa: PLR2004
        return text
    text = _SHAPES.sub(MASK, text)
    if "://" in text:
        text = _URL_USER.sub(MASK, text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    text = _BASIC.sub(_mask_basic, text)
    return _ASSIGNED.sub(_mask_assigned, text)


def _mask_basic(match: re.Match[str]) -> str:
    # Prose says "basic" too; a credential is the base64 of "user:password".
    try:
        is_credential = b":" in base64.b64decode(match[2], validate=True)
    except ValueError:
        is_credential = False
    return f"{match[1]}{MASK}" if is_credential else match[0]


def _mask_assigned(match: re.Match[str]) -> str:
    if not match["sign"].strip():
        # Prose such as "token classification" has no dash before the word.
        before = match.string[max(0, match.start() - _OPTION_MAX) : match.start()]
        if not _OPTION.search(before):
            return match[0]
    return f"{match.string[match.start() : match.end('sign')]}{MASK}"


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
    text = redact_text(value)
    if text == value and _is_opaque(value):
        words = {word.lower() for word in _WORDS.findall(key)}
        if not _HASH_WORDS.intersection(words):
            return MASK
    return text


def _is_opaque(value: str) -> bool:
    """Return whether *value* is long and random, unlike a path or a model's name."""
    if len(set(value)) < _MIN_DISTINCT:
        return False
    if _HEX.fullmatch(value):
        return True
    changes = len(_KIND_CHANGES.findall(value))
    return bool(_BASE64.fullmatch(value)) and changes >= _LEAST_CHANGES * len(value)


def redact_all(
    values: Mapping[str, Scalar], extra: Iterable[str] = ()
) -> dict[str, Scalar]:
    """Return *values* with every secret masked."""
    extra = tuple(extra)
    return {key: redact_value(key, value, extra) for key, value in values.items()}
