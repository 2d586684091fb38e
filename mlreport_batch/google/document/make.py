"""Make the document of one report: copy the template, merge, export.

Copying and merging cannot be asked for twice: a lost answer to a copy is looked up by
the report's id, which every copy bears; whatever is doubtful about a merge, its copy
goes to the trash and a fresh one is merged.
"""

from msgspec import Struct

from mlreport_batch.errors import RenderError
from mlreport_batch.google.api.client import GoogleClient, Json
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.google.document.merge import Plan, plan
from mlreport_batch.google.document.template import Template, analyse, braces_in
from mlreport_batch.google.export import clean as export_clean
from mlreport_batch.google.export import tree as export_tree
from mlreport_batch.language.say import say
from mlreport_batch.report.model import Report
from mlreport_batch.safety.clean import clean

_LOOKS = 3
_TRIES = 3
_BAD_REQUEST = 400
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
        GoogleError: It could not be made; `explain` says what that means.
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
        self.file: Json = {}
        self.spoilt: set[str] = set()

    def run(self) -> Made:
        if self.has_doubt:
            for file in self.client.find(self.report.rid):
                self.client.trash(file["id"])
        try:
            return self._made()
        except (GoogleError, RenderError) as exc:
            # In an outage, the next tick finds the copy by its property.
            if self.file and not (isinstance(exc, GoogleError) and exc.may_pass):
                self._trash()
            raise

    def _made(self) -> Made:
        wanted, export, problem = self._filled()
        if problem:
            # The template changed under us: indices hit the wrong places.
            self._trash()
            wanted, export, problem = self._filled(is_read=True)
        if problem == "leftovers":
            raise RenderError(
                "the document still shows placeholders",
                kept="Its news stay owed",
                advice="`mlreport-batch check` looks at the template",
            )
        notes = list(wanted.cuts)
        # This copy was read before it was merged: what is odd is only the export.
        if problem == "rowcount":
            notes.append(say(self.report.language, "document_rowcount"))
        return Made(
            document_id=self.file["id"],
            link=self.file.get("webViewLink", ""),
            export=export,
            pdf=self._pdf(),
            notes=tuple(notes),
            has_doubt=self.has_doubt,
        )

    # -- copy --------------------------------------------------------------------

    def _copy(self) -> Json:
        report = self.report
        body: Json = {
            "name": clean(f"{report.run} — {report.date}, {report.at:%H:%M:%S}", 200),
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
            copies = self.client.find(self.report.rid)
            found = [file for file in copies if file["id"] not in self.spoilt]
            if found:
                for other in found[1:]:
                    self.client.trash(other["id"])
                return found[0]
        return None

    def _trash(self) -> None:
        """Give the copy up."""
        document, self.file = self.file["id"], {}
        self.spoilt.add(document)
        try:
            self.client.trash(document)
        except GoogleError:
            # In a shared drive a writer may not; it is looked for once more later.
            self.has_doubt = True

    # -- merge -------------------------------------------------------------------

    def _filled(
        self, *, is_read: bool = False
    ) -> tuple[Plan, export_tree.Node | None, str]:
        """Return the plan of a merged copy, its export, and what is wrong with it."""
        self.file = self._copy()
        for attempt in range(1, _TRIES + 1):
            try:
                wanted = self._merge(is_read=is_read)
            except GoogleError as exc:
                # Refused as a whole, or nobody knows: this copy is not used.
                is_hopeless = attempt == _TRIES or (is_read and not exc.is_lost)
                if is_hopeless or not (exc.status == _BAD_REQUEST or exc.is_lost):
                    raise
                self._trash()
                is_read = is_read or not exc.is_lost
                self.file = self._copy()
            else:
                return wanted, *self._export(wanted)
        raise AssertionError

    def _merge(self, *, is_read: bool) -> Plan:
        document, template = self.file["id"], self.source.template
        if is_read:
            template = analyse(self.client.document(document, is_new=True))
        wanted = plan(template, self.report)
        if wanted.requests:
            self.client.batch_update(document, wanted.requests, is_new=True)
        return wanted

    # -- export ------------------------------------------------------------------

    def _export(self, wanted: Plan) -> tuple[export_tree.Node | None, str]:
        """Return the document's HTML and what is wrong with it."""
        tree, problem = None, ""
        for is_second in (False, True):
            data = self._sized(_HTML)
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

    def _pdf(self) -> bytes | None:
        data = self._sized(_PDF)
        if data is not None and not data.startswith(b"%PDF"):
            raise GoogleError(200, "answer", "the export is no PDF")
        return data

    def _sized(self, media_type: str) -> bytes | None:
        try:
            return self.client.export(self.file["id"], media_type, is_new=True)
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
