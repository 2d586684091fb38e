"""Make the document of one report: copy the template, merge, export.

Copying and merging cannot be asked for twice: a lost answer to a copy is looked up by
the report's id, which every copy bears; whatever is doubtful about a merge, its copy
goes to the trash and a fresh one is merged.
"""

from msgspec import Struct, field

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.errors import RenderError
from mlreport_batch.google.api.client import GoogleClient, Json, placed
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.google.document.merge import Plan, plan
from mlreport_batch.google.document.template import Template, analyse, braces_in
from mlreport_batch.google.export import clean as export_clean
from mlreport_batch.google.export import tree as export_tree
from mlreport_batch.render.placeholders import PLACEHOLDER
from mlreport_batch.report.model import Report
from mlreport_batch.safety.clean import clean

_LOOKS = 3
_TRIES = 3
_MERGES = 4


class Made(Struct, frozen=True):
    """A finished document.

    Its export, a tree of HTML, and its PDF are None when Google exports nothing so
    large. It has doubt where another copy may show up later.
    """

    document_id: str
    link: str
    export: export_tree.Node | None
    pdf: bytes | None
    notes: tuple[str, ...]
    has_doubt: bool


class Making(Struct):
    """One document on its way.

    Attributes:
        template: What its template asks for.
        instance: Which state the document belongs to.
        has_doubt: Whether an earlier try may have left a copy behind.
    """

    client: GoogleClient
    settings: GoogleSettings
    template: Template
    instance: str
    report: Report
    has_doubt: bool
    _file: Json = field(default_factory=dict)
    _spoilt: set[str] = field(default_factory=set)

    def run(self) -> Made:
        """Return the document.

        Raises:
            GoogleError: It could not be made; `explain` says what that means.
            RenderError: The document did not become what it should.
        """
        if self.has_doubt:
            for file in self.client.find(self.report.rid):
                self._discard(file)
        try:
            return self._made()
        except (GoogleError, RenderError) as exc:
            # In an outage, the next tick finds the copy by its property.
            if self._file and not (isinstance(exc, GoogleError) and exc.may_pass):
                self._discard(self._file)
            raise

    def _made(self) -> Made:
        wanted, export, problem = self._filled()
        # This copy was read before it was merged: other oddities are the export's.
        if problem == "leftovers":
            raise RenderError(
                "the document still shows placeholders",
                kept="Its news stay owed",
                advice="`mlreport-batch check` looks at the template",
            )
        pdf = self._sized("application/pdf")
        if pdf is not None and not pdf.startswith(b"%PDF"):
            raise GoogleError(200, "answer", "the export is no PDF")
        link = self._file.get("webViewLink", "")
        return Made(self._file["id"], link, export, pdf, wanted.cuts, self.has_doubt)

    # -- copy --------------------------------------------------------------------

    def _copy(self) -> Json:
        report, settings = self.report, self.settings
        body: Json = {
            "name": clean(f"{report.run} — {report.date}, {report.at:%H:%M:%S}", 200),
            # Private to this app; at most 124 bytes with the key.
            "appProperties": {
                "mlreport_rid": report.rid,
                "mlreport_instance": self.instance[:64],
            },
            **placed(settings),
        }
        lost = None
        for _ in range(_TRIES):
            try:
                return self.client.copy(str(settings.template), body)
            except GoogleError as exc:
                if not exc.is_lost:
                    raise
                lost, self.has_doubt = exc, True
            if (found := self._look()) is not None:
                return found
        raise lost or AssertionError

    def _look(self) -> Json | None:
        """Return the copy whose answer was lost; others of it go to the trash."""
        for number in range(_LOOKS):
            if not self._rested(2**number):
                return None
            copies = self.client.find(self.report.rid)
            found = [file for file in copies if file["id"] not in self._spoilt]
            for other in found[1:]:
                self._discard(other)
            if found:
                return found[0]
        return None

    def _discard(self, file: Json) -> None:
        """Give a copy up."""
        self._file = {}
        self._spoilt.add(file["id"])
        try:
            self.client.trash(file["id"])
        except GoogleError:
            # In a shared drive a writer may not; it is looked for once more later.
            self.has_doubt = True

    # -- merge -------------------------------------------------------------------

    def _filled(self) -> tuple[Plan, export_tree.Node | None, str]:
        """Return the plan of a merged copy, its export, and what is wrong with it."""
        is_read, is_plain, tries = False, False, 0
        while True:
            self._file = self._copy()
            try:
                wanted = self._merge(is_read=is_read, is_plain=is_plain)
            except GoogleError as exc:
                # Refused as a whole, or nobody knows: this copy is not used.
                tries += 1
                is_refused = exc.status == 400  # noqa: PLR2004
                is_hopeless = not (exc.is_lost or (is_refused and not is_plain))
                if is_hopeless or tries == _MERGES:
                    raise
                # The next one is read first; if it was, it is not the indices.
                is_plain = is_plain or (is_refused and is_read)
                is_read = is_read or is_refused
            else:
                export, problem = self._export(wanted)
                if is_read or not problem:
                    return wanted, export, problem
                # The template changed under us: indices hit the wrong places.
                is_read = True
            self._discard(self._file)

    def _merge(self, *, is_read: bool, is_plain: bool) -> Plan:
        document, template = self._file["id"], self.template
        if is_read:
            template = analyse(self.client.document(document, is_new=True))
        wanted = plan(template, self.report)
        if requests := wanted.unstyled() if is_plain else wanted.requests:
            self.client.batch_update(document, requests)
        return wanted

    # -- export ------------------------------------------------------------------

    def _export(self, wanted: Plan) -> tuple[export_tree.Node | None, str]:
        """Return the document's HTML and what is wrong with it."""
        for is_last in (False, True):
            data = self._sized("text/html")
            if data is None:
                break
            tree = export_clean.inline(data.decode("utf-8", "replace"))
            problem = problem_of(tree, wanted)
            # What was just merged may not be in the first export.
            if not problem or is_last or not self._rested():
                return tree, problem
        return None, ""

    def _rested(self, lag: int = 1) -> bool:
        return self.client.patience.rest(lag * self.client.pace.settle_s)

    def _sized(self, media_type: str) -> bytes | None:
        try:
            data: bytes = self.client.export(self._file["id"], media_type)
        except GoogleError as exc:
            if exc.reason == "exportSizeLimitExceeded":
                return None
            raise
        return data


def problem_of(tree: export_tree.Node, wanted: Plan) -> str:
    """Return what an export shows beside what was put in, or nothing.

    A request that hit the wrong place leaves some of a placeholder. Less is fine: an
    export need not show every header, nor every table.
    """
    text = (tree.first("body") or tree).text()
    if len(PLACEHOLDER.findall(text)) > wanted.leftovers:
        return "leftovers"
    if braces_in(text) > wanted.braces:
        return "braces"
    return ""
