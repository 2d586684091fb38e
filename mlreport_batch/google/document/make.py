"""Make the document of one report: copy the template, merge, export.

Copying and merging cannot be asked for twice: a lost answer to a copy is looked up by
the report's id, which every copy bears; a lost answer to a merge is settled by reading
the copy and, where it is untouched, merging against that very revision.
"""

import contextlib
from collections.abc import Sequence

from msgspec import Struct

from mlreport_batch.errors import (
    ConfigError,
    CredentialError,
    MlreportError,
    RenderError,
)
from mlreport_batch.google.api.client import GoogleClient, Json
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.google.document.merge import Plan, plan
from mlreport_batch.google.document.template import Template, analyse, braces_in
from mlreport_batch.google.export import clean as export_clean
from mlreport_batch.google.export import tree as export_tree
from mlreport_batch.language.say import say
from mlreport_batch.report.model import Report
from mlreport_batch.safety.clean import clean

_KEPT = "Its news stay owed"
_LOOKS = 3
_TRIES = 3
_NOT_FOUND = 404
_BAD_REQUEST = 400
_UNAUTHORIZED = 401
_HTML, _PDF = "text/html", "application/pdf"


class Made(Struct, frozen=True):
    """A finished document.

    Attributes:
        document_id: Its id.
        link: Its address.
        export: Its HTML as a tree, or None when Google exports nothing so large.
        pdf: Its PDF, likewise.
        notes: What the reader should know.
        has_doubt: Whether another copy may show up later.
    """

    document_id: str
    link: str
    export: export_tree.Node | None
    pdf: bytes | None
    notes: tuple[str, ...]
    has_doubt: bool


class Source(Struct, frozen=True):
    """What documents are made from.

    Attributes:
        template_id: The template document.
        template: What it asks for.
        folder: Id of the folder that takes the copies, or None.
        instance: Which state the copies belong to.
    """

    template_id: str
    template: Template
    folder: str | None
    instance: str


def make(
    client: GoogleClient, source: Source, report: Report, *, is_doubtful: bool
) -> Made:
    """Return the document of *report*.

    Args:
        client: Calls the APIs.
        source: What it is made from.
        report: What it says.
        is_doubtful: Whether an earlier try may have left a copy behind.

    Raises:
        GoogleError: It could not be made; `translated` says what that means.
        RenderError: The document did not become what it should.
    """
    return _Making(client, source, report, is_doubtful).run()


class _Making:
    def __init__(
        self, client: GoogleClient, source: Source, report: Report, is_doubtful: bool
    ) -> None:
        self.client = client
        self.source = source
        self.report = report
        self.has_doubt = is_doubtful

    def run(self) -> Made:
        if self.has_doubt:
            for file in self.client.find(self.report.rid):
                self.client.trash(file["id"])
        file, wanted, export, problem = self._filled(is_read=False)
        if problem:
            # The template changed under us: indices hit the wrong places.
            self._trash(file)
            file, wanted, export, problem = self._filled(is_read=True)
        if problem == "leftovers":
            self._trash(file)
            raise RenderError(
                "the document still shows placeholders",
                kept=_KEPT,
                advice="`mlreport-batch check` looks at the template",
            )
        notes = list(wanted.cuts)
        # This copy was read before it was merged: what is odd is only the export.
        if problem == "rowcount":
            notes.append(say(self.report.language, "document_rowcount"))
        return Made(
            document_id=file["id"],
            link=file.get("webViewLink", ""),
            export=export,
            pdf=self._pdf(file["id"]),
            notes=tuple(notes),
            has_doubt=self.has_doubt,
        )

    def _filled(
        self, *, is_read: bool
    ) -> tuple[Json, Plan, export_tree.Node | None, str]:
        file = self._copy()
        wanted = self._merge(file["id"], is_read=is_read)
        return file, wanted, *self._export(file["id"], wanted)

    # -- copy --------------------------------------------------------------------

    def _copy(self) -> Json:
        report = self.report
        body: Json = {
            "name": clean(f"{report.run} — {report.date}", 200),
            # Private to this app; at most 124 bytes with the key.
            "appProperties": {
                "mlreport_rid": report.rid,
                "mlreport_instance": self.source.instance[:64],
            },
        }
        if self.source.folder:
            body["parents"] = [self.source.folder]
        for attempt in range(_TRIES):
            try:
                return self.client.copy(self.source.template_id, body)
            except GoogleError as exc:
                if not exc.is_lost:
                    raise
                self.has_doubt = True
                found = self._look()
                if found is not None:
                    return found
                if attempt == _TRIES - 1:
                    raise
        raise AssertionError

    def _look(self) -> Json | None:
        """Return the copy whose answer was lost; others of it go to the trash."""
        wait = self.client.pace.settle_s
        for number in range(_LOOKS):
            if not self.client.patience.rest(wait * 2**number):
                return None
            found = self.client.find(self.report.rid)
            if found:
                for other in found[1:]:
                    self.client.trash(other["id"])
                return found[0]
        return None

    def _trash(self, file: Json) -> None:
        # In a shared drive a writer may not; the document is swept by its owner then.
        with contextlib.suppress(GoogleError):
            self.client.trash(file["id"])

    # -- merge -------------------------------------------------------------------

    def _merge(self, document_id: str, *, is_read: bool) -> Plan:
        template, revision, was_lost = self.source.template, "", False
        if is_read:
            template, revision = self._read(document_id)
        untouched = template
        failure: GoogleError | None = None
        for _ in range(_TRIES):
            wanted = plan(template, self.report)
            if not wanted.requests:
                return wanted
            try:
                self.client.batch_update(
                    document_id, wanted.requests, revision=revision, is_new=True
                )
            except GoogleError as exc:
                if exc.status != _BAD_REQUEST and not exc.is_lost:
                    raise
                failure, was_lost = exc, was_lost or exc.is_lost
            else:
                return wanted
            template, revision = self._read(document_id)
            if was_lost and template.parts != untouched.parts:
                return wanted  # it was applied, or the export will tell
        raise failure or AssertionError

    def _read(self, document_id: str) -> tuple[Template, str]:
        document = self.client.document(document_id, is_new=True)
        return analyse(document), str(document.get("revisionId", ""))

    # -- export ------------------------------------------------------------------

    def _export(
        self, document_id: str, wanted: Plan
    ) -> tuple[export_tree.Node | None, str]:
        """Return the document's HTML and what is wrong with it."""
        tree, problem = None, ""
        for is_second in (False, True):
            data = self._sized(document_id, _HTML)
            if data is None:
                return None, ""
            tree = export_clean.inline(data.decode("utf-8", "replace"))
            problem = _problem(tree, wanted)
            # What was just merged may not be in the first export.
            if not problem or is_second:
                break
            if not self.client.patience.rest(self.client.pace.settle_s):
                break
        return tree, problem

    def _pdf(self, document_id: str) -> bytes | None:
        data = self._sized(document_id, _PDF)
        if data is not None and not data.startswith(b"%PDF"):
            raise GoogleError(200, "answer", "the export is no PDF")
        return data

    def _sized(self, document_id: str, media_type: str) -> bytes | None:
        try:
            return self.client.export(document_id, media_type, is_new=True)
        except GoogleError as exc:
            if exc.reason == "exportSizeLimitExceeded":
                return None
            raise


def _problem(tree: export_tree.Node, wanted: Plan) -> str:
    body = tree.first("body") or tree
    # Fewer are fine: an export need not show every header.
    if export_tree.count_placeholders(body) > wanted.leftovers:
        return "leftovers"
    if braces_in(body.text()) > wanted.braces:
        return "braces"
    if export_tree.count_rows(tree) != wanted.tables:
        return "rowcount"
    return ""


# Which failures mean the same for every report of the tick.
_SETUP_REASONS = {
    "storageQuotaExceeded",
    "insufficientFilePermissions",
    "cannotCopyFile",
    "domainPolicy",
    "forbidden",
    "PERMISSION_DENIED",
    "teamDriveFileLimitExceeded",
    "numChildrenInNonRootLimitExceeded",
    "parentNotAFolder",
}


def translated(
    error: GoogleError, client: GoogleClient, source_ids: Sequence[str | None]
) -> MlreportError:
    """Return what *error* means to the user.

    Args:
        error: What Google said.
        client: Whose account it concerns.
        source_ids: Template and folder, to name what is missing.
    """
    account, said = client.account, error.message or error.reason
    template, folder = source_ids
    if error.status == _UNAUTHORIZED:
        return account.refused(said)
    if error.reason in ("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
        return account.refused(f"its grant does not cover this ({said})")
    found = _setup_error(error, account.name, template, folder)
    if found is not None:
        return found
    kind = f"answers {error.status}" if error.status else "does not answer"
    advice = "It is tried again by the next tick"
    if 300 <= error.status < 500 and not error.is_busy:  # noqa: PLR2004
        advice += "; `mlreport-batch check` looks at template and folder"
    return RenderError(
        f"Google {kind}: {error.reason} {said}".rstrip(), kept=_KEPT, advice=advice
    )


def _setup_error(
    error: GoogleError, name: str, template: str | None, folder: str | None
) -> ConfigError | None:
    """Return what somebody must change in the config or in Drive, if it is that."""
    said = error.message or error.reason
    if error.reason in ("accessNotConfigured", "SERVICE_DISABLED"):
        return ConfigError(
            f"The Google project of {name} may not use this API: {said}",
            kept=_KEPT,
            advice="Enable the Google Docs, Drive and Gmail APIs in the Cloud console",
        )
    if error.status == _NOT_FOUND:
        is_folder = bool(folder) and str(folder) in said
        what = f"folder {folder}" if is_folder else f"template {template}"
        return ConfigError(
            f"{name[:1].upper()}{name[1:]} sees no {what}",
            kept=_KEPT,
            advice="Share it with that account, or make it by this program:"
            " `mlreport-batch template create`. With the scope drive.file only what"
            " the program made is visible",
        )
    if error.reason == "storageQuotaExceeded":
        return ConfigError(
            f"There is no storage for {name}: {said}",
            kept=_KEPT,
            advice="A service account owns no storage: set google.folder to a folder"
            " in a shared drive, or google.subject; a user must free space",
        )
    if error.reason in _SETUP_REASONS:
        return ConfigError(
            f"Google does not let {name} do this: {said}",
            kept=_KEPT,
            advice=f"Let it read template {template} and write into the folder"
            f" {folder or 'of the template'}",
        )
    return None


def is_for_all(error: MlreportError) -> bool:
    """Whether *error* will meet every other report of the tick too."""
    return isinstance(error, CredentialError | ConfigError)
