"""Mask secrets before anything is stored, logged or shown."""

import base64
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

from mlreport_batch.safety.clean import Scalar, clean, clean_block, without_hidden
from mlreport_batch.safety.masking import assigned
from mlreport_batch.safety.masking.assigned import (
    hides,
    is_nothing,
    is_symbol,
    mask_assigned,
    mask_lines,
    may_assign,
)
from mlreport_batch.safety.masking.commands import mask_commands
from mlreport_batch.safety.masking.issued import alternates, looks_issued
from mlreport_batch.safety.masking.names import (
    Secrecy,
    ends_secret,
    is_folder,
    is_named,
    secrecy,
    words_of,
)
from mlreport_batch.safety.masking.shapes import mask_shapes
from mlreport_batch.safety.masking.structure import named_beside, places_in
from mlreport_batch.safety.patterns import late

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
_REPOSITORY = late(r"[A-Za-z0-9*]@\Z")  # org/repo@commit

# A password may hold a slash, but `host:8080/a@b` is no password.
_URL_USER = late(
    r"(?<=://)(?:[^\s/:\"'@]*:[^\s/\"']+"
    r"|[^\s/:\"'@\[]{1,100}:(?![0-9]{1,5}/)[^\s\"'@]{1,200}"
    r"|[A-Za-z0-9._~%-]{8,})(?=@)"
)
_BEARER = late(r"(?i)\b(bearer)\s{1,9}(?=\S{0,200}[0-9=+/])[a-z0-9._~+/=-]{8,}")
_BASIC = late(r"(?i)\b(basic\s{1,9})([a-z0-9+/]{4,}={0,2})")
_HEADER = late(
    r"(?ai)\b((?:authorization|cookie)[ \t]{0,9}:[ \t]{0,9})(?=[^\s\"'*])[^\n\"']+"
)

_OPAQUE = late(
    r"(?<![\w./+-])(?:[0-9a-fA-F]{32,}|[A-Za-z0-9+/_-]{40,}={0,2})(?![\w./+-])"
)
_HEX = late(r"[0-9a-fA-F]{32,}")
# Also a run of MLflow, which is a folder.
_ID = late(
    r"(?<=/)[0-9a-f]{32}(?![^/])|(?<![0-9a-fA-F])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"(?![0-9a-fA-F])"
)
_BETWEEN_TOKENS = late(r"[\s=:,;\"'(){}\[\]<>|]+")
_BETWEEN_PARTS = late(r"[-_/+.=]+")
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
_SHOWN_LINES = 40
_MASKED_LINES = 80  # more, since what follows a value may say what it is
_BEFORE = 80
_CACHED_MAX = 200


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
    if len(text) >= _SHAPE_LEAST:
        text = mask_shapes(text)
    if "://" in text:
        text = _URL_USER.sub(_mask_user, text)
    lowered = text.lower()
    if "bearer" in lowered:
        text = _BEARER.sub(rf"\1 {MASK}", text)
    if "basic" in lowered:
        text = _BASIC.sub(_mask_basic, text)
    text = mask_commands(text)
    if may_assign(text, lowered):
        if "authorization" in lowered or "cookie" in lowered:
            text = _HEADER.sub(rf"\1{MASK}", text)
        text = mask_assigned(_mask_placed(text, ()))
    if globs:
        text = mask_assigned(_mask_placed(text, globs), globs)
    if is_hash or len(text) < _OPAQUE_LEAST:
        return text
    return _OPAQUE.sub(_mask_opaque, text)


def _mask_placed(text: str, globs: tuple[str, ...]) -> str:
    """Mask the values whose place says that they are secrets."""
    done: list[str] = []
    kept = 0
    for start, end, name in sorted(places_in(text, globs)):
        value = text[start:end]
        if start < kept or value.startswith(MASK):
            continue
        is_own = is_named(name, tuple(f"*{glob}" for glob in globs))
        if hides(Secrecy.sure if is_own else secrecy(name), value):
            done += (text[kept:start], MASK)
            kept = end
    return "".join((*done, text[kept:])) if done else text


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
    text = text[:_BLOCK_MAX].rstrip()
    lines = text.split("\n", _MASKED_LINES)
    if len(lines) > _MASKED_LINES:
        head = redact_text("\n".join(lines[:_MASKED_LINES]))
        if head.count("\n") > _SHOWN_LINES:  # the rest is counted only
            rest = "\n-" * (lines[-1].count("\n") + 1)
            return clean_block(head + rest, max_lines=_SHOWN_LINES)
    return clean_block(redact_text(text), max_lines=_SHOWN_LINES)


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
        return MASK if ends_secret(key) else value
    if len(value) > _CACHED_MAX:
        return _redact_told(key, value)
    return _redact_cached(key, value)


def _redact_told(key: str, value: str) -> str:
    """Return the text *value* called *key*, or the mask, or what is left of it."""
    level = secrecy(key)
    if is_nothing(value, level) or value == MASK:
        return value
    if (
        (level is Secrecy.sure and not is_folder(key, value))
        or (level is Secrecy.text and not is_symbol(value))
        or (level is Secrecy.issued and looks_issued(value))
    ):
        return MASK
    if value[0] == "[" and '"' in value:
        value = _redact_list(value)
    return redact_text(value, is_hash=_names_hash(key, value))


_redact_cached = lru_cache(maxsize=8192)(_redact_told)  # as in other runs, mostly


def _redact_list(text: str) -> str:
    """Return a list in JSON with each text in it masked as it is without escapes."""
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(items, list):
        return text
    masked = [redact_text(item) if isinstance(item, str) else item for item in items]
    return text if masked == items else json.dumps(masked, ensure_ascii=False)


def _names_hash(key: str, value: str) -> bool:
    is_hash, is_run = _of_hash(key)
    return is_hash or (is_run and len(value) == _RUN_ID)


@lru_cache(maxsize=4096)
def _of_hash(key: str) -> tuple[bool, bool]:
    """Return whether *key* is that of a hash, and whether of a run."""
    words = words_of(key)
    if words[-1:] in _KEYS:
        return False, False
    return not _HASH_WORDS.isdisjoint(words), not _RUN_WORDS.isdisjoint(words)


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
    beside = named_beside(values, extra)
    return {
        key: MASK
        if key in beside and redact_value(beside[key], value, extra) == MASK
        else redact_value(key, value, extra)
        for key, value in values.items()
    }
