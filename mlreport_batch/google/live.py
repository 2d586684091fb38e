"""Prove against the real APIs what the engine believes about them.

Each proof makes what it needs, says one line, and puts its documents into the trash.
docs/google.md names the beliefs that no test server can prove.
"""

import secrets
import time
from collections.abc import Callable, Iterator

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.errors import MlreportError, RenderError
from mlreport_batch.google.api.client import GoogleClient, Json
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.google.document.default import requests
from mlreport_batch.google.document.template import analyse
from mlreport_batch.google.export import clean as export_clean
from mlreport_batch.google.export import tree as export_tree

Line = tuple[str, MlreportError | None]
_DOCUMENT = "application/vnd.google-apps.document"
_LAG_MAX_S = 60.0
_HEADER = "{{metric:live}}"  # stands nowhere else in the template


def proofs(client: GoogleClient, settings: GoogleSettings) -> Iterator[Line]:
    """Yield one line for each belief, with an error where it does not hold."""
    live = _Live(client, settings)
    try:
        for proof in (
            live.indices_survive_a_copy,
            live.rows_can_be_filled_in_one_batch,
            live.new_rows_keep_their_style,
            live.headers_take_indices,
            live.stale_revisions_are_refused,
            live.copies_are_found_by_their_property,
            live.export_shows_the_merge,
        ):
            yield live.line(proof)
    finally:
        live.clean()


class _Live:
    def __init__(self, client: GoogleClient, settings: GoogleSettings) -> None:
        self.client = client
        self.settings = settings
        self.rid = f"live-{secrets.token_hex(8)}"
        self.made: list[str] = []
        self.template = ""
        self.copy = ""

    def line(self, proof: Callable[[], str]) -> Line:
        name = proof.__name__.replace("_", " ")
        try:
            said = proof()
        except (GoogleError, AssertionError, KeyError, IndexError) as exc:
            error = RenderError(
                f"live: {name}: no: {exc}",
                advice="Please report this line; the engine falls back to reading"
                " every copy",
            )
            return str(error), error
        return f"live: {name}: yes{said and ' '}{said}", None

    def clean(self) -> None:
        """Put everything into the trash."""
        for document in self.made:
            try:
                self.client.trash(document)
            except GoogleError:
                continue

    # -- proofs ------------------------------------------------------------------

    def indices_survive_a_copy(self) -> str:
        body: Json = {"name": "mlreport-batch live check", "mimeType": _DOCUMENT}
        if self.settings.folder:
            body["parents"] = [self.settings.folder]
        self.template = self.client.create(body)["id"]
        self.made.append(self.template)
        self.client.batch_update(self.template, requests("en"), is_new=True)
        self.copy = self.copied()
        before = analyse(self.client.document(self.template))
        after = analyse(self.client.document(self.copy, is_new=True))
        check(before.parts == after.parts, "the copy has other indices")
        check(len(before.names) > 20, "placeholders are missing")  # noqa: PLR2004
        return f"({len(before.names)} placeholders)"

    def copied(self) -> str:
        body: Json = {
            "name": "mlreport-batch live copy",
            "appProperties": {"mlreport_rid": self.rid},
        }
        if self.settings.folder:
            body["parents"] = [self.settings.folder]
        made = str(self.client.copy(self.template, body)["id"])
        self.made.append(made)
        return made

    def rows_can_be_filled_in_one_batch(self) -> str:
        template = analyse(self.client.document(self.copy))
        row = next(r for p in template.parts for r in p.rows if r.kind == "key")
        columns = len(row.cells)
        cell = {
            "tableStartLocation": {"index": row.table},
            "rowIndex": row.number,
            "columnIndex": 0,
        }
        below = {"insertTableRow": {"tableCellLocation": cell, "insertBelow": True}}
        second = row.end + 2 * columns + 1 + 2
        self.client.batch_update(
            self.copy,
            [below, below, insert(second, "third🚀"), insert(row.end + 2, "second")],
        )
        rows = self.rows_of("second")
        check(
            rows[-1] == ["third🚀"] + [""] * (columns - 1), f"third row is {rows[-1]}"
        )
        check(rows[-2][0] == "second", f"second row is {rows[-2]}")
        return ""

    def rows_of(self, text: str) -> list[list[str]]:
        for tab in self.client.document(self.copy)["tabs"]:
            for element in tab["documentTab"]["body"]["content"]:
                rows = [
                    [cell_text(cell) for cell in row["tableCells"]]
                    for row in element.get("table", {}).get("tableRows", ())
                ]
                if any(text in row for row in rows):
                    return rows
        raise AssertionError(f"no table holds {text!r}")

    def new_rows_keep_their_style(self) -> str:
        sizes = set()
        for tab in self.client.document(self.copy)["tabs"]:
            for element in tab["documentTab"]["body"]["content"]:
                for row in element.get("table", {}).get("tableRows", ()):
                    for run in runs(row):
                        if run.get("content", "").strip() in ("second", "third🚀"):
                            size = run["textStyle"].get("fontSize", {})
                            sizes.add(size.get("magnitude"))
        check(sizes == {10}, f"font sizes of new rows are {sizes}, not 10")
        return ""

    def headers_take_indices(self) -> str:
        self.client.batch_update(self.template, [{"createHeader": {"type": "DEFAULT"}}])
        document = self.client.document(self.template)
        headers = document["tabs"][0]["documentTab"]["headers"]
        where = {"segmentId": next(iter(headers)), "index": 0}
        self.client.batch_update(
            self.template,
            [{"insertText": {"location": where, "text": _HEADER}}],
        )
        copy = self.copied()
        found = analyse(self.client.document(copy, is_new=True))
        part = next(part for part in found.parts if part.segment)
        line = part.lines[0]
        span = {
            "segmentId": part.segment,
            "startIndex": line.start,
            "endIndex": line.start + len(_HEADER),
        }
        at = {"segmentId": part.segment, "index": line.start + len(_HEADER)}
        self.client.batch_update(
            copy,
            [
                {"insertText": {"location": at, "text": "gpu-07"}},
                {"deleteContentRange": {"range": span}},
            ],
        )
        text = self.client.export(copy, "text/html").decode()
        check("gpu-07" in text and _HEADER not in text, "the header was not filled")
        return ""

    def stale_revisions_are_refused(self) -> str:
        revision = self.client.document(self.copy)["revisionId"]
        self.client.batch_update(self.copy, [insert(1, "a")])
        try:
            self.client.batch_update(self.copy, [insert(1, "b")], revision=revision)
        except GoogleError as exc:
            check(exc.status == 400, f"the refusal is {exc.status}")  # noqa: PLR2004
            return ""
        raise AssertionError("an old revision was accepted")

    def copies_are_found_by_their_property(self) -> str:
        began = time.monotonic()
        while time.monotonic() - began < _LAG_MAX_S:
            found = {file["id"] for file in self.client.find(self.rid)}
            if self.copy in found:
                return f"(after {time.monotonic() - began:.1f} s)"
            time.sleep(2.0)
        raise AssertionError(f"not within {_LAG_MAX_S:.0f} s")

    def export_shows_the_merge(self) -> str:
        page = self.client.export(self.copy, "text/html").decode()
        tree = export_clean.inline(page)
        check(export_tree.count_rows(tree)[4] >= 1, "the table has other rows")
        check("second" in tree.text(), "the new row is missing")
        check(export_tree.count_placeholders(tree) > 0, "placeholders are not seen")
        pdf = self.client.export(self.copy, "application/pdf")
        check(pdf.startswith(b"%PDF"), "the PDF export is no PDF")
        return f"(HTML {len(page) // 1000} KB, PDF {len(pdf) // 1000} KB)"


def check(holds: bool, why: str) -> None:
    """Raise `AssertionError` with *why* unless a belief holds."""
    if not holds:
        raise AssertionError(why)


def insert(index: int, text: str) -> Json:
    """Return a request that inserts *text*."""
    return {"insertText": {"location": {"index": index}, "text": text}}


def runs(row: Json) -> Iterator[Json]:
    """Yield the text runs of a table row."""
    for cell in row["tableCells"]:
        for element in cell["content"]:
            for part in element.get("paragraph", {}).get("elements", ()):
                if "textRun" in part:
                    yield part["textRun"]


def cell_text(cell: Json) -> str:
    """Return the text of a table cell."""
    text = "".join(run["content"] for run in runs({"tableCells": [cell]}))
    return text.removesuffix("\n")
