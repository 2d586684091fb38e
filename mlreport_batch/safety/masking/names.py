"""Which names say that their values are secrets."""

import unicodedata
from enum import IntEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise

from mlreport_batch.safety.masking.korean import english_of
from mlreport_batch.safety.patterns import late


class Secrecy(IntEnum):
    """How surely a name says that its value is a secret.

    Attributes:
        none: Not at all.
        issued: A value that looks issued by a machine is one (``token_level``).
        said: A word is one that is not as words are (``password is hunter2``).
        text: A text is one, a number or ``<pad>`` is not (``hf_token``).
        sure: Whatever stands there is one (``password``).
    """

    none = 0
    issued = 1
    said = 2
    text = 3
    sure = 4


# No name is a secret one without any of these: a quick first look.
_HINT = late(
    r"(?i)pass|pwd|pw(?![a-z])|pat(?![a-z])|secret|token|key|auth|cred|bearer|cookie"
    r"|webhook|dsn|conn|psk|otp|codes?(?![a-z])|mnemonic|phrase|\bapi\b|[^\x00-\x7f]"
)
_WORDS = late(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_PARTS = late(r"[./]")

# Written as one word: dbpassword, PGPASSWORD, SSHPASS, ldappw, hftoken, apikeys.
_RUN_TOGETHER = late(
    r"(.+?)(passwords?|passwd|passphrase|passcodes?|pwd|pass|pw|secrets?|tokens?|cookies?)"
    r"|(.*?)(api|access|secret|private|ssh|auth|account|app|service|license)"
    r"(keys?|token)"
)
_ENGLISH = frozenset(
    "bypass compass encompass trespass surpass overpass underpass lowpass highpass "
    "bandpass allpass notchpass multipass singlepass onepass twopass subpass npass "
    "numpass forwardpass backwardpass renderpass".split()
)

_SURE_WORDS = frozenset(
    "password passwords passwd passphrase pwd secret secrets credential credentials "
    "cred creds authorization bearer cookie cookies webhook dsn passcode passcodes "
    "psk mnemonic htpasswd".split()
)
_KEYS = ("key", "keys")
# What a key is for, where it is no key of a table or of a dictionary.
_BEFORE_KEY = frozenset(
    "api apis access private secret account auth encryption signing ssh subscription "
    "license deploy app application consumer client service master shared hmac rsa aes "
    "crypto decryption unseal recovery security crtfc confm certificate server "
    "issue ai".split()
)
# What a key is of, where it opens nothing, whatever else the name says.
_OF_TABLES = frozenset(
    "sort primary foreign partition group cache index lookup join hash dedup object "
    "blob rng prng random seed state dict data image text label input output target "
    "batch metric monitor feature obs observation padding value query row column field "
    "file path size dim len length num count max min missing unexpected public "
    "next previous first last".split()
)
# Two words that say together what none says alone.
_SURE_PAIRS = frozenset(
    (first, second)
    for firsts, seconds in (
        ("connection conn", "string str"),
        ("pin pass recovery backup access security unlock", "code codes"),
        ("otp totp seed recovery", "seed phrase"),
        ("security", "answer answers"),
        ("auth", "header headers string"),
    )
    for first in firsts.split()
    for second in seconds.split()
)
_SERVICES = frozenset(
    "openai wandb kaggle storage anthropic cohere mistral groq together replicate hf "
    "huggingface hub comet neptune clearml mlflow aws azure gcp gcs google github "
    "gitlab gh slack discord telegram smtp imap ftp sftp sendgrid mailgun twilio "
    "stripe ngc nvidia runpod lambda vast modal gemini deepseek openrouter serpapi "
    "tavily pinecone weaviate qdrant datadog sentry elastic redis rediscli "
    "mongo mongodb postgres postgresql pg mysql mariadb db database dockerhub docker "
    "registry npm pypi vault ldap kerberos admin root user sudo login mail email "
    "proxy http https jupyter ssh wifi ado devops bitbucket jira confluence kakao "
    "naver ncp deepl fireworks cerebras voyage jina perplexity databricks snowflake "
    "newrelic grafana notion firebase fcm".split()
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
    "language lang vision text total count add added extra reserved patch input output "
    "register distillation sub multi every each".split()
)
# `forward_pass`, `num_pass`: counted or done, not said at a door.
_NO_DOOR = frozenset(
    "n num number count forward backward first second third last next previous "
    "current single multi one two per max min render is test tests unit low high "
    "band all by compass did".split()
)
_POINTWISE = frozenset(
    "conv conv1 conv2 dw bn norm act layer block stage exp expand project kernel in "
    "out".split()
)
# A last word that makes a thing about secrets of it: `cookie_size`, `auth_type`.
_ABOUT = frozenset(
    "size length len dim dims dataset datasets type method mode policy task count "
    "strength num loss acc accuracy f1 precision recall auc rate score weight ratio "
    "enabled required expired days hours minutes seconds timeout field fields column "
    "columns found".split()
)
_COUNTED = frozenset("n num number count has is use".split())
# What stands under these is the value of the name above.
_WRAPPERS = (["value"], ["values"], ["val"], ["plain"], ["raw"])
_HELD = frozenset(
    "value default data content code text string basic access bearer".split()
)
_API = frozenset(("api", "apis"))
_KINDS = frozenset("config conf cfg settings options params info section".split())
_GATES = frozenset("auth api login".split())
_OPENERS = frozenset("auth key keys token tokens".split())
_STORES = frozenset("aws gcp gcs s3".split())


# The runs of one project mostly have the same hyperparameters.
@lru_cache(maxsize=4096)
def secrecy(name: str) -> Secrecy:
    """Return how surely the flattened *name* says that its value is a secret.

    Whole words count, in every part between points, so ``env.HF_TOKEN`` and
    ``api_keys.cohere`` are such names and ``tokenizer`` is not. What stands under
    ``value`` is what stands under the name before it, and a ``key`` is what is before
    it: ``openai.key``.
    """
    if not _HINT.search(name):
        return Secrecy.none
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name)
    # Lists count what is in them, and W&B wraps it: `passwords.0`, `hf_token.value`.
    parts = [words_of(part) for part in _PARTS.split(name) if not part.isdigit()]
    parts = [words for words in parts if words]
    parts[:-1] = [_without_kind(words) for words in parts[:-1]]
    wrapped = len(parts)
    while len(parts) > 1 and parts[-1] in _WRAPPERS:
        parts.pop()
    if not parts or parts[-1][-1] in _ABOUT:
        return Secrecy.none
    if len(parts) < wrapped and parts[-1][-1] in _GATES:
        return Secrecy.text
    # `account.key.x`
    groups = [
        [*above, *words] if words[-1] in _KEYS and len(words) == 1 else words
        for above, words in zip([[], *parts], parts[:-1], strict=False)
    ]
    found = max(map(_of_group, groups), default=Secrecy.none)
    found = max(found, _of_words(parts[-1]))
    return max(found, _of_place(parts)) if len(parts) > 1 else found


def _without_kind(words: list[str]) -> list[str]:
    """Return the words of a group without what it is: ``auth_config``."""
    return words[:-1] if len(words) > 1 and words[-1] in _KINDS else words


def _of_place(parts: list[list[str]]) -> Secrecy:
    """Return what the names above say of a leaf that says little itself."""
    leaf, above = parts[-1], parts[-2]
    groups = [word for words in parts[:-1] for word in words]
    if leaf[-1] in _KEYS:
        if len(leaf) == 1 and above[-1] in _STORES:
            return Secrecy.issued  # the name of an object, mostly
        found = _of_words([*groups, *leaf])
        is_opener = found is Secrecy.issued and not _API.isdisjoint(groups)
        return Secrecy.sure if is_opener else found
    if leaf[-1] in ("pass", "pw"):
        return _of_words([*groups, *leaf])
    is_of_service = not _KEY_SERVICES.isdisjoint(leaf) or leaf[-1] in ("hub", "api")
    if above[-1] in _OPENERS and is_of_service:
        return Secrecy.text
    # `auth.default`, but not `auth.type`.
    is_login = above[-1] in _GATES or _is_credential(groups)
    return Secrecy.text if is_login and leaf[-1] in _HELD else Secrecy.none


def ends_secret(name: str) -> bool:
    """Return whether *name* is so surely a secret's that a number is one, too.

    ``db_password`` is; ``password_strength_mae``, as a metric may be called, is not.
    """
    if secrecy(name) is not Secrecy.sure:
        return False
    return any(_ends_secret(words_of(part)) for part in _PARTS.split(name))


def _ends_secret(words: list[str]) -> bool:
    if len(words) > 1 and words[-1].isdigit():
        words = words[:-1]
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
        word = found.lower().replace("authentication", "auth")
        if not word.isascii():
            words += english_of(word)
            continue
        match = None if word in _ENGLISH else _RUN_TOGETHER.fullmatch(word)
        words += [part for part in match.groups() if part] if match else [word]
    return words


def is_vocabulary(name: str) -> bool:
    """Return whether a token called *name* is one of a vocabulary."""
    return not _VOCABULARY.isdisjoint(words_of(name))


def is_credential(name: str) -> bool:
    """Return whether *name* is that of a token to log in with: ``hf_token``."""
    return _is_credential(words_of(name))


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
    last, before = words[-1], words[:-1]
    if last in _KEYS and before and _OF_TABLES.isdisjoint(before):
        is_known = not _KEY_SERVICES.isdisjoint(before)
        return Secrecy.sure if is_known else Secrecy.issued
    if last in ("pass", "pw", "pat"):
        return _of_pass(last, before)
    return Secrecy.text if last in ("auth", "otp", "totp") else _of_token(words)


def _is_sure_pair(first: str, second: str) -> bool:
    return (second in _KEYS and first in _BEFORE_KEY) or (
        (first, second) in _SURE_PAIRS
    )


def _of_pass(last: str, before: list[str]) -> Secrecy:
    if not _NO_DOOR.isdisjoint(before):
        return Secrecy.none
    if not _SERVICES.isdisjoint(before):
        return Secrecy.sure
    # A layer may be called conv_pw, for pointwise, and file_pat is a pattern.
    is_word = last == "pass" or (last == "pw" and _POINTWISE.isdisjoint(before))
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
