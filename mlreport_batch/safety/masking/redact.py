"""Mask secrets before anything is stored, logged or shown."""

import base64
import re
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

from mlreport_batch.safety.clean import Scalar, clean, clean_block, without_hidden
from mlreport_batch.safety.masking import assigned
from mlreport_batch.safety.masking.assigned import (
    alternates,
    is_symbol,
    looks_issued,
    mask_assigned,
    mask_lines,
)
from mlreport_batch.safety.masking.names import (
    Secrecy,
    ends_secret,
    is_folder,
    is_named,
    secrecy,
    words_of,
)

MASK = assigned.MASK

_HASH_WORDS = frozenset(
    "commit sha sha1 sha256 md md5 hash digest revision checksum fingerprint uuid id "
    "guid version etag blob snapshot tree rev head build git gitsha hexsha ref refs "
    "branch main master develop trunk oid".split()
)
_RUN_WORDS = frozenset("run parent trial experiment".split())
_KEYS = (["key"], ["keys"])
_RUN_ID = 32
_COMMIT = (40, 64)
_REPOSITORY = re.compile(r"[A-Za-z0-9*]@\Z")  # org/repo@commit

_ALONE = r"(?<![A-Za-z0-9])"  # `_` may stand before: run_AKIA…
_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)"
    rf"|{_ALONE}(?:AKIA|ASIA)[0-9A-Z]{{16}}(?![0-9A-Za-z])"
    rf"|{_ALONE}gh[pousr]_[A-Za-z0-9]{{20,}}"
    rf"|{_ALONE}github_pat_[A-Za-z0-9_]{{20,}}"
    rf"|{_ALONE}glpat-[A-Za-z0-9_-]{{16,}}"
    rf"|{_ALONE}hf_[A-Za-z0-9]{{20,}}"
    rf"|{_ALONE}(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{{8,}}"
    # A name such as sk-learn-random-forest has no long part with a digit in it.
    rf"|{_ALONE}sk-(?:[A-Za-z0-9]{{1,15}}[_-]){{0,8}}"
    r"(?=[A-Za-z]{0,200}[0-9])[A-Za-z0-9]{16,}[A-Za-z0-9_-]*"
    rf"|{_ALONE}[sr]k_(?:live|test)_[A-Za-z0-9]{{16,}}"
    rf"|{_ALONE}(?:npm_[A-Za-z0-9]{{30,}}|pypi-[A-Za-z0-9_-]{{30,}}|dapi[0-9a-f]{{32}})"
    rf"|{_ALONE}SG\.[A-Za-z0-9_-]{{16,}}\.[A-Za-z0-9_-]{{16,}}"
    rf"|{_ALONE}AIza[0-9A-Za-z_-]{{30,}}"
    rf"|{_ALONE}GOCSPX-[0-9A-Za-z_-]{{16,}}"
    rf"|{_ALONE}ya29\.[0-9A-Za-z_-]{{16,}}"
    rf"|{_ALONE}eyJ[A-Za-z0-9_-]{{12,}}\.[A-Za-z0-9_-]{{4,}}(?:\.[A-Za-z0-9_-]*)?"
    rf"|{_ALONE}(?:bot)?[0-9]{{8,12}}:AA[A-Za-z0-9_-]{{30,}}"
    rf"|{_ALONE}bot[0-9]{{8,12}}:[A-Za-z0-9_-]{{30,}}"
    r"|https://hooks\.[^\s\"']+"
    r"|https://discord(?:app)?\.com/api/webhooks/[^\s\"']+"
    r"|https://[a-z0-9-]{1,60}\.webhook\.office\.com/[^\s\"']+",
    re.DOTALL,
)
_SHAPE_MARKS = (
    "-----BEGIN", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
    "glpat-", "hf_", "xox", "xapp-", "sk-", "k_live_", "k_test_", "npm_", "pypi-",
    "dapi", "SG.", "AIza", "GOCSPX-", "ya29.", "eyJ", ":AA", "bot", "https://",
)  # fmt: skip
# A password may hold a slash, but `host:8080/a@b` is no password.
_URL_USER = re.compile(
    r"(?<=://)(?:[^\s/:\"'@]*:[^\s/\"']+"
    r"|[^\s/:\"'@\[]{1,100}:(?![0-9]{1,5}/)[^\s\"'@]{1,200}"
    r"|[A-Za-z0-9._~%-]{8,})(?=@)"
)
_BEARER = re.compile(r"(?i)\b(bearer)\s{1,9}(?=\S{0,200}[0-9=+/])[a-z0-9._~+/=-]{8,}")
_BASIC = re.compile(r"(?i)\b(basic\s{1,9})([a-z0-9+/]{4,}={0,2})")
_HEADER = re.compile(
    r"(?ai)\b((?:authorization|cookie)[ \t]{0,9}:[ \t]{0,9})(?=[^\s\"'*])[^\n\"']+"
)
_CURL_USER = re.compile(
    r"(?ai)((?:\s-u|\s--(?:proxy-)?user)[ =]{0,9}[\"']?[^\s:/\"']{1,64}:)[^\s\"']+"
)

_OPAQUE = re.compile(
    r"(?<![\w./+-])(?:[0-9a-fA-F]{32,}|[A-Za-z0-9+/_-]{40,}={0,2})(?![\w./+-])"
)
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
# Also a run of MLflow, which is a folder.
_ID = re.compile(
    r"(?<=/)[0-9a-f]{32}(?![^/])|(?<![0-9a-fA-F])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"(?![0-9a-fA-F])"
)
_BETWEEN_TOKENS = re.compile(r"[\s=:,;\"'(){}\[\]<>|]+")
_BETWEEN_PARTS = re.compile(r"[-_/+.=]+")
_MIN_DISTINCT = 12
_OPAQUE_LEAST = 32
_LEAST = 8
_SHAPE_LEAST = 13
_PART_LEAST = 7  # letters of a part that may be random
_PART_MEAN = 10  # letters between two separators, where all is random
_RANDOM_SHARE = 0.4  # of all letters, in such parts
_WORD_LONGEST = 16
_NAME_MAX = 5000
_SHOWN_MAX = 300
_BLOCK_MAX = 100_000
_BEFORE = 80


def redact_text(text: str, extra: Iterable[str] = (), *, is_hash: bool = False) -> str:
    """Return *text* with everything masked that has the shape of a secret.

    Long random letters and digits are masked as well, unless a word such as
    ``commit`` or ``sha256`` stands right before them.

    Args:
        text: Any text.
        extra: Globs of the user's own on names whose values are masked, too.
        is_hash: Whether long random letters and digits are no secret here.
    """
    globs = tuple(extra)
    if len(text) < _LEAST and not globs:
        return text
    parted = without_hidden(text, "\x00")
    if parted == text and "\x00" not in text:
        return _redact(text, globs, is_hash=is_hash)
    # Colours and what nobody sees may stand between two words or within one.
    masked = _redact(parted, globs, is_hash=is_hash)
    masked = _redact(masked.replace("\x00", ""), globs, is_hash=is_hash)
    return text if masked == parted.replace("\x00", "") else masked


def _redact(text: str, globs: tuple[str, ...], *, is_hash: bool) -> str:
    # Most texts hold none of the marks, and looking for them is quick.
    if len(text) >= _SHAPE_LEAST and any(mark in text for mark in _SHAPE_MARKS):
        text = _SHAPES.sub(MASK, text)
    if "://" in text:
        text = _URL_USER.sub(_mask_user, text)
    lowered = text.lower()
    if "bearer" in lowered:
        text = _BEARER.sub(rf"\1 {MASK}", text)
    if "basic" in lowered:
        text = _BASIC.sub(_mask_basic, text)
    if "curl" in lowered:
        text = _CURL_USER.sub(rf"\1{MASK}", text)
    if any(mark in lowered for mark in assigned.MARKS):
        if "authorization" in lowered or "cookie" in lowered:
            text = _HEADER.sub(rf"\1{MASK}", text)
        text = mask_assigned(text)
    if globs:
        text = mask_assigned(text, globs)
    if is_hash or len(text) < _OPAQUE_LEAST:
        return text
    return _OPAQUE.sub(_mask_opaque, text)


def redact_lines(text: str, extra: Iterable[str] = ()) -> str:
    """Return *text*, mostly made of ``key: value`` lines, with every secret masked.

    Beyond `redact_text`, all of a line is masked after a name that says so, blanks
    and commas in the value included.
    """
    globs = tuple(extra)
    return mask_lines(redact_text(text, globs), globs)


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


def _mask_user(match: re.Match[str]) -> str:
    user = match[0]
    if ":" in user or looks_issued(user):
        return MASK
    longest = max(map(len, _BETWEEN_PARTS.split(user)))
    return MASK if longest >= _WORD_LONGEST else user


def _mask_basic(match: re.Match[str]) -> str:
    # Prose says "basic" too; a credential is the base64 of "user:password".
    try:
        is_credential = b":" in base64.b64decode(match[2], validate=True)
    except ValueError:
        is_credential = False
    return f"{match[1]}{MASK}" if is_credential else match[0]


def _mask_opaque(match: re.Match[str]) -> str:
    value = match[0]
    if not _is_opaque(value):
        return value
    before = match.string[max(0, match.start() - _BEFORE) : match.start()]
    if _REPOSITORY.search(before) and len(value) in _COMMIT:
        return value
    line = before.rpartition("\n")[2]
    tokens = [token for token in _BETWEEN_TOKENS.split(line) if token][-2:]
    words = {word for token in tokens for word in words_of(token)}
    if tokens and words_of(tokens[-1])[-1:] in _KEYS:
        return MASK
    if not _HASH_WORDS.isdisjoint(words):
        return value
    is_run = len(value) == _RUN_ID and not _RUN_WORDS.isdisjoint(words)
    return value if is_run else MASK


def is_secret_metric(name: str, extra: Iterable[str] = ()) -> bool:
    """Return whether the numbers called *name* are a secret's: ``db_password``."""
    return ends_secret(name) or is_named(name, tuple(extra))


def redact_value(key: str, value: Scalar, extra: Iterable[str] = ()) -> Scalar:
    """Return *value*, or the mask where *key* or the value's shape betrays a secret."""
    if value is None or isinstance(value, bool) or value == "":
        return value
    extra = tuple(extra)
    if is_named(key, extra):
        return MASK
    if not isinstance(value, str):
        return MASK if secrecy(key) is Secrecy.sure else value
    level = secrecy(key)
    if (
        (level is Secrecy.sure and not is_folder(key, value))
        or (level is Secrecy.text and not is_symbol(value))
        or (level is Secrecy.issued and looks_issued(value))
    ):
        return MASK
    return redact_text(value, is_hash=_names_hash(key, value))


def _names_hash(key: str, value: str) -> bool:
    words = words_of(key)
    if words[-1:] in _KEYS:
        return False
    if not _HASH_WORDS.isdisjoint(words):
        return True
    return len(value) == _RUN_ID and not _RUN_WORDS.isdisjoint(words)


def _is_opaque(value: str) -> bool:
    """Return whether *value* is long and random, unlike a path or a model's name."""
    if len(set(value)) < _MIN_DISTINCT:
        return False
    if _HEX.fullmatch(value):
        return True
    value = _ID.sub("", value)
    parts = [part for part in _BETWEEN_PARTS.split(value) if part]
    if any(_HEX.fullmatch(part) for part in parts):
        before = next(at for at, part in enumerate(parts) if _HEX.fullmatch(part)) - 1
        words = words_of(parts[before].rstrip("s")) if before >= 0 else []
        return _HASH_WORDS.isdisjoint(words)
    if not parts or not alternates(value):
        return False
    # Names are made of short parts; random letters have few separators.
    if sum(map(len, parts)) >= _PART_MEAN * len(parts):
        return True
    random = (len(p) for p in parts if len(p) >= _PART_LEAST and alternates(p))
    return sum(random) >= _RANDOM_SHARE * len(value)


def redact_all(
    values: Mapping[str, Scalar], extra: Iterable[str] = ()
) -> dict[str, Scalar]:
    """Return *values* with every secret masked."""
    extra = tuple(extra)
    return {key: redact_value(key, value, extra) for key, value in values.items()}
