"""Which names say that their values are secrets."""

import re
from enum import IntEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise


class Secrecy(IntEnum):
    """How surely a name says that its value is a secret.

    Attributes:
        none: Not at all.
        issued: A value that looks issued by a machine is one (``token_level``).
        text: A text is one, a number or ``<pad>`` is not (``hf_token``).
        sure: Whatever stands there is one (``password``).
    """

    none = 0
    issued = 1
    text = 2
    sure = 3


# No name is a secret one without any of these: a quick first look.
_HINT = re.compile(
    r"(?ai)pass|pwd|pw(?![a-z])|pat(?![a-z])|secret|token|key|auth|cred|bearer|cookie"
    r"|webhook|dsn|conn"
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_PARTS = re.compile(r"[./]")

# Written as one word: dbpassword, PGPASSWORD, SSHPASS, ldappw, hftoken, apikeys.
_RUN_TOGETHER = re.compile(
    r"(.+?)(passwords?|passwd|passphrase|pwd|pass|pw|secrets?|tokens?|cookies?)"
    r"|(.*?)(api|access|secret|private|ssh|auth|account)(keys?|token)"
)
_ENGLISH = frozenset(
    "bypass compass encompass trespass surpass overpass underpass lowpass highpass "
    "bandpass allpass notchpass multipass singlepass onepass twopass subpass npass "
    "numpass forwardpass backwardpass renderpass".split()
)

_SURE_WORDS = frozenset(
    "password passwords passwd passphrase pwd secret secrets credential credentials "
    "cred creds authorization bearer cookie cookies webhook dsn".split()
)
_KEYS = ("key", "keys")
# What a key is for, where it is no key of a table or of a dictionary.
_BEFORE_KEY = frozenset(
    "api access private secret account auth encryption signing ssh subscription "
    "license deploy".split()
)
_SERVICES = frozenset(
    "openai wandb kaggle storage anthropic cohere mistral groq together replicate hf "
    "huggingface hub comet neptune clearml mlflow aws azure gcp gcs google github "
    "gitlab gh slack discord telegram smtp imap ftp sftp sendgrid mailgun twilio "
    "stripe ngc nvidia runpod lambda vast modal gemini deepseek openrouter serpapi "
    "tavily pinecone weaviate qdrant datadog sentry elastic redis rediscli "
    "mongo mongodb postgres postgresql pg mysql mariadb db database dockerhub docker "
    "registry npm pypi vault ldap kerberos admin root user sudo login mail email "
    "proxy http https jupyter ssh wifi ado devops bitbucket jira confluence".split()
)
# These keys are entries of tables and caches, also with a service's name before them.
_TABLE_SERVICES = frozenset(
    "db database redis mongo mongodb hub user registry lambda modal together vast "
    "http https admin root login email mail elastic".split()
)
_KEY_SERVICES = _SERVICES - _TABLE_SERVICES
_TOKEN_WORDS = ("token", "tokens")
_BEFORE_TOKEN = (
    _KEY_SERVICES
    | _BEFORE_KEY
    | frozenset(
        "hub refresh session jwt oauth bot csrf oidc security bearer id".split()
    )
)
# `pad_token: <pad>` is vocabulary, not a credential.
_VOCABULARY = frozenset(
    "pad eos bos unk mask sep cls special additional image audio video start end "
    "stop begin num per max min n new first last decoder mean prompt type ids "
    "classification drop dropout class blank boi eoi bov eov eot eod eom eop fim "
    "prefix suffix middle word words delimiter speech tool call next previous no "
    "subword char byte think thinking newline space unknown padding target source "
    "language lang vision text total count add added extra reserved patch "
    "register distillation sub multi every each".split()
)
# `forward_pass`, `num_pass`: counted or done, not said at a door.
_NO_DOOR = frozenset(
    "n num number count forward backward first second third last next previous "
    "current single multi one two per max min render is test tests unit low high "
    "band all by compass did".split()
)
# A last word that makes a thing about secrets of it: `cookie_size`, `auth_type`.
_ABOUT = frozenset(
    "size length len dim dims dataset datasets type method mode policy task count "
    "num loss acc accuracy f1 precision recall auc rate score weight ratio "
    "enabled required expired days hours minutes seconds timeout".split()
)
_COUNTED = frozenset("n num number count has is use".split())


# The runs of one project mostly have the same hyperparameters.
@lru_cache(maxsize=4096)
def secrecy(name: str) -> Secrecy:
    """Return how surely the flattened *name* says that its value is a secret.

    Whole words count, in every part between points, so ``env.HF_TOKEN`` and
    ``api_keys.cohere`` are such names and ``tokenizer`` is not.
    """
    if not _HINT.search(name):
        return Secrecy.none
    parts = [words for part in _PARTS.split(name) if (words := words_of(part))]
    # W&B wraps values, and lists count them: `hf_token.value`, `passwords.0`.
    while len(parts) > 1 and (parts[-1] == ["value"] or parts[-1][0].isdigit()):
        parts.pop()
    if not parts or parts[-1][-1] in _ABOUT:
        return Secrecy.none
    found = max((_of_group(words) for words in parts[:-1]), default=Secrecy.none)
    return max(found, _of_words(parts[-1]))


def ends_secret(name: str) -> bool:
    """Return whether *name* is so surely a secret's that a number is one, too.

    ``db_password`` is; ``password_strength_mae``, as a metric may be called, is not.
    """
    if secrecy(name) is not Secrecy.sure:
        return False
    return any(_ends_secret(words_of(part)) for part in _PARTS.split(name))


def _ends_secret(words: list[str]) -> bool:
    if not words or words[-1] in _SURE_WORDS:
        return bool(words)
    pair = words[-2:]
    return pair[0] not in _SURE_WORDS and _of_words(pair) is Secrecy.sure


@lru_cache(maxsize=4096)
def is_named(key: str, globs: tuple[str, ...]) -> bool:
    """Return whether one of the user's *globs* fits *key*; case says nothing."""
    if not globs:
        return False
    lowered = key.lower()
    return any(fnmatchcase(lowered, pattern.lower()) for pattern in globs)


def is_folder(name: str, value: str) -> bool:
    """Return whether this is the variable of every shell that says where it is."""
    is_shells = name.rpartition(".")[2] in ("PWD", "OLDPWD")
    return is_shells and value.startswith(("/", "~"))


def words_of(name: str) -> list[str]:
    """Return the words of *name* in lower case: ``dbPassword`` has two."""
    words: list[str] = []
    for found in _WORDS.findall(name):
        word = found.lower()
        match = None if word in _ENGLISH else _RUN_TOGETHER.fullmatch(word)
        words += [part for part in match.groups() if part] if match else [word]
    return words


def is_vocabulary(name: str) -> bool:
    """Return whether a token called *name* is one of a vocabulary."""
    return not _VOCABULARY.isdisjoint(words_of(name))


def _of_group(words: list[str]) -> Secrecy:
    """Return what the name of a group says of all that is in it."""
    found = _of_words(words)
    if found is not Secrecy.text or _is_credential(words):
        return found
    return Secrecy.issued  # `token.type` is code, and a pass has settings, too


def _of_words(words: list[str]) -> Secrecy:
    if not _SURE_WORDS.isdisjoint(words):
        return Secrecy.text if words[0] in _COUNTED else Secrecy.sure
    if any(_is_sure_pair(*pair) for pair in pairwise(words)):
        return Secrecy.sure
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _KEYS and before in _KEY_SERVICES:
        return Secrecy.sure
    if last in ("pass", "pw", "pat"):
        return _of_pass(last, words[:-1])
    return Secrecy.text if last == "auth" else _of_token(words)


def _is_sure_pair(first: str, second: str) -> bool:
    return (second in _KEYS and first in _BEFORE_KEY) or (
        second in ("string", "str") and first in ("connection", "conn")
    )


def _of_pass(last: str, before: list[str]) -> Secrecy:
    if not _NO_DOOR.isdisjoint(before):
        return Secrecy.none
    if before and before[-1] in _SERVICES:
        return Secrecy.sure
    # A layer may be called conv_pw, for pointwise, and file_pat is a pattern.
    is_word = last == "pass" or (last == "pw" and not before)
    return Secrecy.text if is_word else Secrecy.issued


def _of_token(words: list[str]) -> Secrecy:
    at = next((i for i, word in enumerate(words) if word in _TOKEN_WORDS), None)
    if at is None:
        return Secrecy.none
    is_credential = _is_credential(words)
    if not is_credential and not _VOCABULARY.isdisjoint(words):
        return Secrecy.none
    if at == len(words) - 1:
        # `all_tokens` are mostly words; a credential comes alone.
        is_one = is_credential or words[at] == "token"
        return Secrecy.text if is_one else Secrecy.issued
    return Secrecy.text if words[at + 1] in ("value", "key") else Secrecy.issued


def _is_credential(words: list[str]) -> bool:
    """Return whether *words* speak of a token to log in with: ``hf_token``."""
    return any(
        second in _TOKEN_WORDS and first in _BEFORE_TOKEN
        for first, second in pairwise(words)
    )
