"""What the command line does with Google: make a template, check, prove."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.config.settings import Config
from mlreport_batch.errors import Checked, ConfigError, MlreportError, checked
from mlreport_batch.google.api.account import (
    DRIVE_FILE,
    GMAIL_SEND,
    Account,
    load_account,
)
from mlreport_batch.google.api.client import DOCUMENT, GoogleClient, Json
from mlreport_batch.google.api.pace import Pace
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.safety.clean import clean

_PACE = Pace(budget_s=30.0)


@contextmanager
def client_of(
    settings: GoogleSettings, scopes: Sequence[str]
) -> Iterator[GoogleClient]:
    """Hand out a client for one command; Google's errors become ours.

    Raises:
        MlreportError: What Google said, and what to do.
    """
    from mlreport_batch.google.document.make import translated

    client = GoogleClient(settings, load_account(settings, scopes), _PACE)
    try:
        yield client
    except GoogleError as exc:
        where = (settings.template, settings.folder)
        raise translated(exc, client, where) from exc
    finally:
        client.close()


def create_template(settings: GoogleSettings, language: str = "en") -> str:
    """Make the default template in Drive and return its id.

    It lies in ``google.folder`` or in My Drive. As this program made it, the scope
    drive.file is enough to use it, however it is changed by hand later.

    Raises:
        MlreportError: It could not be made.
    """
    from mlreport_batch.google.document.default import requests
    from mlreport_batch.google.engine import with_wider_scope

    body: Json = {"name": "mlreport-batch template", "mimeType": DOCUMENT}
    if settings.folder:
        body["parents"] = [settings.folder]
    with client_of(settings, [DRIVE_FILE]) as client:
        made = with_wider_scope(client, lambda: client.create(body))
        client.batch_update(made["id"], requests(language), is_new=True)
        return str(made["id"])


def token_line(settings: GoogleSettings, scopes: Sequence[str]) -> str:
    """Return one line when Google grants a token.

    Raises:
        MlreportError: It does not.
    """
    import requests

    account = load_account(settings, scopes)
    with requests.Session() as session:
        account.headers(session, 30.0)
    return f"google credential: {account.name}, {_shown(account, scopes)}"


def _shown(account: Account, scopes: Sequence[str]) -> str:
    names = sorted(scope.rpartition("/")[2] for scope in account.scopes or scopes)
    return "scopes " + ", ".join(clean(name, 60) for name in names)


def check_google(config: Config) -> Iterator[Checked]:
    """Yield one line a thing: credential, template, folder, sending."""
    if config.render.engine == "google":
        yield from _check_engine(config.google)
    if config.mail.via == "gmail":
        yield checked(lambda: _sending(config.google))


def _sending(settings: GoogleSettings) -> str:
    account = load_account(settings, [GMAIL_SEND])
    if account.scopes and not account.scopes & {GMAIL_SEND, "https://mail.google.com/"}:
        raise account.refused("its grant does not cover sending (gmail.send)")
    return f"{token_line(settings, [GMAIL_SEND])}: may send"


def _check_engine(settings: GoogleSettings) -> Iterator[Checked]:
    try:
        with client_of(settings, [DRIVE_FILE]) as client:
            yield from _documents(client, settings)
    except MlreportError as exc:
        yield str(exc), exc


def _documents(client: GoogleClient, settings: GoogleSettings) -> Iterator[Checked]:
    from mlreport_batch.google.document.template import analyse
    from mlreport_batch.google.engine import with_wider_scope
    from mlreport_batch.render import placeholders

    template_id = settings.template or ""
    fields = "id,name,driveId,parents,capabilities(canCopy)"
    file = with_wider_scope(client, lambda: client.file(template_id, fields))
    found = analyse(client.document(template_id))
    yield (
        f"google credential: {client.account.name}, {_shown(client.account, ())}",
        None,
    )
    name = clean(str(file.get("name")), 80)
    count = len(found.names)
    yield f"google template {name!r}: {count} placeholders", None
    for problem in found.problems:
        error = ConfigError(f"google template {name!r}: {problem}", advice="Mend it")
        yield str(error), error
    for unknown in placeholders.unknown(found.names):
        text = f"google template {name!r}: no report fills {{{{{clean(unknown, 80)}}}}}"
        error = ConfigError(text, advice="docs/placeholders.md lists the names")
        yield str(error), error
    if found.fixed:
        yield "google template: placeholders in its table of contents stay", None
    is_shared = bool(file.get("driveId"))
    if settings.folder:
        found_folder, line = _folder(client, settings.folder, template_id)
        is_shared = bool(found_folder.get("driveId"))
        yield line
    if client.account.is_robot and not is_shared:
        error = ConfigError(
            f"{client.account.name} owns no storage for documents",
            advice="Set google.folder to a folder in a shared drive, or google.subject",
        )
        yield str(error), error


def _folder(client: GoogleClient, folder: str, template: str) -> tuple[Json, Checked]:
    from mlreport_batch.google.document.make import translated
    from mlreport_batch.google.engine import with_wider_scope

    fields = "id,name,driveId,capabilities(canAddChildren)"
    try:
        found = with_wider_scope(client, lambda: client.file(folder, fields))
    except GoogleError as exc:
        error = translated(exc, client, (template, folder))
        return {"driveId": "unknown"}, (str(error), error)
    name = clean(str(found.get("name")), 80)
    if not found.get("capabilities", {}).get("canAddChildren", True):
        refusal = ConfigError(
            f"google folder {name!r}: {client.account.name} may not add documents",
            advice="Make it a content manager or contributor there",
        )
        return found, (str(refusal), refusal)
    where = "in a shared drive" if found.get("driveId") else "in My Drive"
    return found, (f"google folder {name!r} {where}", None)


def check_live(config: Config) -> Iterator[Checked]:
    """Prove against the real APIs what was only read about them, one line each.

    A few documents are made and put into the trash; no mail is sent.
    """
    from mlreport_batch.google.live import proofs

    settings = config.google
    try:
        with client_of(settings, [DRIVE_FILE]) as client:
            began = time.monotonic()
            yield from proofs(client, settings)
            yield f"live: done in {time.monotonic() - began:.0f} s", None
    except MlreportError as exc:
        yield str(exc), exc
