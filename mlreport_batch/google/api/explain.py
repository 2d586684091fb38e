"""What a refusal of Google's means to the user, and what cures it."""

from collections.abc import Mapping
from typing import Final

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.errors import ConfigError, MlreportError, RenderError
from mlreport_batch.google.api.account import Account
from mlreport_batch.google.api.transport import GoogleError

KEPT: Final = "The news stay owed"
BOTH_CURES: Final = (
    "google.scope drive.file sees only what this program made: make it by"
    " `mlreport-batch template create` (with `--folder NAME` for a folder), or set"
    " google.scope to drive (then log in again, or allow that scope)"
)
# By reason: what it means and what cures it; ``{name}`` is the account, ``{said}``
# Google's words. Where nothing but a new grant helps, the account has the cure.
_NO_GRANT = ("its grant does not cover this ({said})", "")
_NO_API = (
    "The Google project of {name} may not use this API: {said}",
    "Enable the Google Docs, Drive and Gmail APIs in the Cloud console",
)
NO_MAILBOX = (
    "{name} has no mailbox: {said}",
    "Set google.subject to a user of your Workspace, or send by `mail.via: smtp`",
)
_NO_STORAGE = (
    "There is no storage for {name}: {said}",
    (
        "A service account owns no storage: set google.folder to a folder in a shared"
        " drive, or google.subject; a user must free space"
    ),
)
_NOT_LET = (
    "Google does not let {name} do this: {said}",
    "Let it read template {template} and write into the folder {folder}",
)
_MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    "insufficientPermissions": _NO_GRANT,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": _NO_GRANT,
    "accessNotConfigured": _NO_API,
    "SERVICE_DISABLED": _NO_API,
    "failedPrecondition": NO_MAILBOX,
    "storageQuotaExceeded": _NO_STORAGE,
}
_DRIVE_MEANINGS: Final[Mapping[str, tuple[str, str]]] = dict.fromkeys(
    (
        *("insufficientFilePermissions", "cannotCopyFile", "domainPolicy"),
        *("forbidden", "PERMISSION_DENIED", "teamDriveFileLimitExceeded"),
        *("numChildrenInNonRootLimitExceeded", "parentNotAFolder"),
    ),
    _NOT_LET,
)


def explained(
    error: GoogleError, account: Account, settings: GoogleSettings
) -> MlreportError:
    """Return what *error* means while documents are made."""
    advice = "It is tried again by the next tick"
    if not error.may_pass:
        if error.status == 404:  # noqa: PLR2004
            return _unseen(account, settings, error.said)
        found = common_error(error, account, settings)
        if found is not None:
            return found
        advice += "; `mlreport-batch check` looks at template and folder"
    kind = f"answers {error.status}" if error.status else "does not answer"
    text = f"Google {kind}: {error.reason} {error.message}".rstrip()
    return RenderError(text, kept=KEPT, advice=advice)


def common_error(
    error: GoogleError, account: Account, settings: GoogleSettings | None = None
) -> MlreportError | None:
    """Return what somebody must renew or change, whichever API said so.

    *settings* are given where template and folder may be the matter.
    """
    if error.status == 401:  # noqa: PLR2004
        return account.refused(error.said)
    known = _MEANINGS if settings is None else {**_MEANINGS, **_DRIVE_MEANINGS}
    if error.reason not in known:
        return None
    text, advice = known[error.reason]
    text = text.format(name=account.name, said=error.said)
    if not advice:
        return account.refused(text)
    if settings is not None:
        folder = settings.folder or "of the template"
        advice = advice.format(template=settings.template, folder=folder)
    return ConfigError(text, kept=KEPT, advice=advice)


def _unseen(account: Account, settings: GoogleSettings, said: str) -> ConfigError:
    """Return what is said of a template or folder that Google does not show us."""
    is_folder = bool(settings.folder) and str(settings.folder) in said
    what = f"folder {settings.folder}" if is_folder else f"template {settings.template}"
    advice = f"Share it with that account. If that is done: {BOTH_CURES}"
    if settings.scope == "drive":
        advice = "Share it with that account, or mend the id"
    name = account.name[:1].upper() + account.name[1:]
    return ConfigError(f"{name} sees no {what}", kept=KEPT, advice=advice)
