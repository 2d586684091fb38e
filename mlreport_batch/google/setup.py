"""What the command line does with Google: make a template, check, prove."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.config.settings import Config
from mlreport_batch.errors import Checked, ConfigError, failed, until_failed
from mlreport_batch.google.api.account import (
    DRIVE,
    DRIVE_FILE,
    drive_scope,
    mail_scopes,
)
from mlreport_batch.google.api.client import DOCUMENT, FOLDER, GoogleClient, placed
from mlreport_batch.google.api.explain import NO_MAILBOX, explained
from mlreport_batch.google.api.login import scope_note
from mlreport_batch.google.api.pace import Pace
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.safety.address import parse_address
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
    with closing(GoogleClient(settings, scopes, _PACE)) as client:
        try:
            yield client
        except GoogleError as exc:
            raise explained(exc, client.account, settings) from exc


def create_template(
    settings: GoogleSettings, language: str = "en", *, folder: str = ""
) -> dict[str, str]:
    """Make the default template in Drive; return the links of what was made.

    It lies in ``google.folder`` or in My Drive. As this program made it, the scope
    drive.file is enough to use it, however it is changed by hand later.

    Args:
        settings: The config table ``google``.
        language: That of its headings.
        folder: Name of a folder to make for it and for the documents, or empty.

    Returns:
        By config key: ``template``, and ``folder`` where one was made.

    Raises:
        MlreportError: It could not be made.
    """
    from mlreport_batch.google.document.default import requests

    links: dict[str, str] = {}
    place = placed(settings)
    with client_of(settings, [drive_scope(settings)]) as client:
        if folder:
            made = client.create({"name": folder, "mimeType": FOLDER, **place})
            place, links["folder"] = {"parents": [made["id"]]}, made["webViewLink"]
        name = "mlreport-batch template"
        made = client.create({"name": name, "mimeType": DOCUMENT, **place})
        client.batch_update(made["id"], requests(language))
        return {**links, "template": made["webViewLink"]}


def token_line(settings: GoogleSettings, scopes: Sequence[str]) -> str:
    """Return one line when Google grants a token.

    Raises:
        MlreportError: It does not.
    """
    with client_of(settings, scopes) as client:
        client.log_in()
        return _credential(client, scopes)


def _credential(client: GoogleClient, scopes: Sequence[str]) -> str:
    account = client.account
    names = sorted(scope.rpartition("/")[2] for scope in account.scopes or scopes)
    shown = ", ".join(clean(name, 60) for name in names)
    return f"google credential: {account.name}, scopes {shown}"


def check_google(config: Config) -> Iterator[Checked]:
    """Yield one line a thing: credential, template, folder, sending."""
    if config.render.engine == "google":
        if (note := scope_note(config)) is not None:
            yield note, None
        yield from until_failed(_documents(config.google))
    if config.mail.via == "gmail":
        yield from until_failed(_sending(config))


def check_live(config: Config) -> Iterator[Checked]:
    """Prove against the real APIs what was only read about them, one line each.

    A copy of the template is made and put into the trash; no mail is sent.
    """
    return until_failed(_live(config.google))


def _sending(config: Config) -> Iterator[Checked]:
    scopes = mail_scopes(config.google)
    with client_of(config.google, scopes) as client:
        client.log_in()
        if client.account.is_robot:
            text, advice = NO_MAILBOX
            said = "a service account is no user"
            yield _wrong(text.format(name=client.account.name, said=said), advice)
            return
        yield f"{_credential(client, scopes)}: may send", None
        address = config.google.subject or ""
        if not address and client.account.scopes & {DRIVE, DRIVE_FILE}:
            address = client.address()
    names = [parse_address(text)[1] for text in (config.mail.sender, address) if text]
    if len({name.lower() for name in names}) > 1:
        text = f"mail.from: {names[0]} is not {names[1]}. Gmail sends as it where it is"
        text += f" an alias of that account (Send mail as), and else as {names[1]}"
        yield text, None


def _documents(settings: GoogleSettings) -> Iterator[Checked]:
    from mlreport_batch.google.document.template import analyse
    from mlreport_batch.render import placeholders

    with client_of(settings, [drive_scope(settings)]) as client:
        template_id, account = settings.template or "", client.account
        fields = "id,name,driveId,parents,capabilities(canCopy)"
        place = client.file(template_id, fields)
        found = analyse(client.document(template_id))
        yield _credential(client, ()), None
        template = f"google template {clean(str(place.get('name')), 80)!r}"
        yield from placeholders.check(template, found.names)
        for problem in found.problems:
            yield _wrong(f"{template}: {problem}", "Mend it")
        if found.fixed:
            yield "google template: placeholders in its table of contents stay", None
        if settings.folder:
            fields = "id,name,driveId,capabilities(canAddChildren)"
            try:
                place = client.file(settings.folder, fields)
            except GoogleError as exc:
                yield failed(explained(exc, account, settings))
                return
            folder = f"google folder {clean(str(place.get('name')), 80)!r}"
            where = "in a shared drive" if place.get("driveId") else "in My Drive"
            if place.get("capabilities", {}).get("canAddChildren", True):
                yield f"{folder} {where}", None
            else:
                yield _wrong(
                    f"{folder}: {account.name} may not add documents",
                    "Make it a content manager or contributor there",
                )
        if account.is_robot and not place.get("driveId"):
            yield _wrong(
                f"{account.name} owns no storage for documents",
                "Set google.folder to a folder in a shared drive, or google.subject",
            )


def _live(settings: GoogleSettings) -> Iterator[Checked]:
    from mlreport_batch.google.live import proofs

    with client_of(settings, [drive_scope(settings)]) as client:
        client.log_in()
        if settings.template is None:
            yield _wrong("live: there is no google.template", "`template create`")
            return
        began = time.monotonic()
        yield from proofs(client, settings)
        yield f"live: done in {time.monotonic() - began:.0f} s", None


def _wrong(text: str, advice: str) -> Checked:
    return failed(ConfigError(text, advice=advice))
