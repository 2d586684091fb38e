"""What a refusal of Google's means to the user, and what cures it."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.errors import (
    ConfigError,
    CredentialError,
    MlreportError,
    RenderError,
)
from mlreport_batch.google.api.account import Account
from mlreport_batch.google.api.transport import GoogleError

KEPT: Final = "The news stay owed"
BOTH_CURES: Final = (
    "google.scope drive.file sees only what this program made: make it by"
    " `mlreport-batch template create` (with `--folder NAME` for a folder), or set"
    " google.scope to drive (then log in again, or allow that scope)"
)
_UNAUTHORIZED = 401
_NOT_FOUND = 404


class _Meaning(Struct, frozen=True):
    """What a reason means; ``{name}`` is the account, ``{said}`` Google's words."""

    text: str
    advice: str
    is_credential: bool = False


_NO_GRANT = _Meaning("its grant does not cover this ({said})", "", is_credential=True)
_NO_API = _Meaning(
    "The Google project of {name} may not use this API: {said}",
    "Enable the Google Docs, Drive and Gmail APIs in the Cloud console",
)
_NO_MAILBOX = _Meaning(
    "{name} has no mailbox: {said}",
    "Set google.subject to a user of your Workspace, or send by `mail.via: smtp`",
)
_NO_STORAGE = _Meaning(
    "There is no storage for {name}: {said}",
    "A service account owns no storage: set google.folder to a folder in a shared"
    " drive, or google.subject; a user must free space",
)
_MEANINGS: Final[Mapping[str, _Meaning]] = {
    "insufficientPermissions": _NO_GRANT,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": _NO_GRANT,
    "accessNotConfigured": _NO_API,
    "SERVICE_DISABLED": _NO_API,
    "failedPrecondition": _NO_MAILBOX,
    "storageQuotaExceeded": _NO_STORAGE,
}
_NOT_LET_REASONS: Final = frozenset(
    {
        *("insufficientFilePermissions", "cannotCopyFile", "domainPolicy"),
        *("forbidden", "PERMISSION_DENIED", "teamDriveFileLimitExceeded"),
        *("numChildrenInNonRootLimitExceeded", "parentNotAFolder"),
    }
)


def explained(
    error: GoogleError, account: Account, settings: GoogleSettings
) -> MlreportError:
    """Return what *error* means while documents are made."""
    found = None
    if not error.may_pass:
        found = common_error(error, account) or _drive_error(error, account, settings)
    if found is not None:
        return found
    kind = f"answers {error.status}" if error.status else "does not answer"
    advice = "It is tried again by the next tick"
    if not error.may_pass:
        advice += "; `mlreport-batch check` looks at template and folder"
    text = f"Google {kind}: {error.reason} {error.message}".rstrip()
    return RenderError(text, kept=KEPT, advice=advice)


def common_error(error: GoogleError, account: Account) -> MlreportError | None:
    """Return what somebody must renew or change, whichever API said so."""
    said = error.message or error.reason
    if error.status == _UNAUTHORIZED:
        return account.refused(said)
    meaning = _MEANINGS.get(error.reason)
    if meaning is None:
        return None
    text = meaning.text.format(name=account.name, said=said)
    if meaning.is_credential:
        return account.refused(text)
    return ConfigError(text, kept=KEPT, advice=meaning.advice)


def _drive_error(
    error: GoogleError, account: Account, settings: GoogleSettings
) -> MlreportError | None:
    """Return what somebody must change about the template or the folder."""
    said = error.message or error.reason
    if error.status == _NOT_FOUND:
        return unseen(account, settings, said)
    if error.reason not in _NOT_LET_REASONS:
        return None
    return ConfigError(
        f"Google does not let {account.name} do this: {said}",
        kept=KEPT,
        advice=f"Let it read template {settings.template} and write into the folder"
        f" {settings.folder or 'of the template'}",
    )


def unseen(account: Account, settings: GoogleSettings, said: str) -> ConfigError:
    """Return what is said of a template or folder that Google does not show us."""
    is_folder = bool(settings.folder) and str(settings.folder) in said
    what = f"folder {settings.folder}" if is_folder else f"template {settings.template}"
    name = account.name
    advice = f"Share it with that account. If that is done: {BOTH_CURES}"
    if settings.scope == "drive":
        advice = "Share it with that account, or mend the id"
    return ConfigError(
        f"{name[:1].upper()}{name[1:]} sees no {what}", kept=KEPT, advice=advice
    )


def is_for_all(error: MlreportError) -> bool:
    """Whether *error* will meet every other report of the tick too."""
    return isinstance(error, CredentialError | ConfigError)
