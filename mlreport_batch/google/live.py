"""Prove against the real APIs what the engine believes about them.

Each proof makes what it needs, says one line, and puts its documents into the trash.
docs/google.md names the beliefs that no test server can prove.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.errors import MlreportError, RenderError
from mlreport_batch.google.api.client import DOCUMENT, GoogleClient, Json
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.google.document.default import requests
from mlreport_batch.google.document.template import Template, analyse
from mlreport_batch.google.export import clean as export_clean
from mlreport_batch.google.export import tree as export_tree

Line = tuple[str, MlreportError | None]
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
            live.copies_are_found_by_their_property,
            live.export_shows_the_merge,
        ):
            yield _line(proof)
    finally:
        for document in live.made:
            with contextlib.suppress(GoogleError):
                client.trash(document)


def _line(proof: Callable[[], str]) -> Line:
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


class _Live:
    def __init__(self, client: GoogleClient, settings: GoogleSettings) -> None:
        self.client = client
        self.rid = f"live-{secrets.token_hex(8)}"
        self.place: Json = {"parents": [settings.folder]} if settings.folder else {}
        self.made: list[str] = []
        self.template = ""
        self.copy = ""

    def copied(self) -> str:
        own = {"appProperties": {"mlreport_rid": self.rid}}
        body: Json = {"name": "mlreport-batch live copy", **own, **self.place}
        self.made.append(str(self.client.copy(self.template, body)["id"]))
        return self.made[-1]

    def analysed(self, document: str) -> Template:
        return analyse(self.client.document(document, is_new=True))

    def rows(self) -> list[list[Json]]:
        """Return the text runs of each row of the copy's tables, cell by cell."""
        return [
            [_run_of(cell) for cell in row["tableCells"]]
            for tab in self.client.document(self.copy)["tabs"]
            for element in tab["documentTab"]["body"]["content"]
            for row in element.get("table", {}).get("tableRows", ())
        ]

    # -- proofs ------------------------------------------------------------------

    def indices_survive_a_copy(self) -> str:
        body: Json = {"name": "mlreport-batch live check", "mimeType": DOCUMENT}
        self.template = self.client.create({**body, **self.place})["id"]
        self.made.append(self.template)
        self.client.batch_update(self.template, requests("en"), is_new=True)
        self.copy = self.copied()
        before, after = self.analysed(self.template), self.analysed(self.copy)
        check(before.parts == after.parts, "the copy has other indices")
        check(len(before.names) > 20, "placeholders are missing")  # noqa: PLR2004
        return f"({len(before.names)} placeholders)"

    def rows_can_be_filled_in_one_batch(self) -> str:
        parts = self.analysed(self.copy).parts
        row = next(r for p in parts for r in p.rows if r.kind == "key")
        columns = len(row.cells)
        start = {"tableStartLocation": {"index": row.table}}
        cell = {**start, "rowIndex": row.number, "columnIndex": 0}
        below = {"insertTableRow": {"tableCellLocation": cell, "insertBelow": True}}
        second = row.end + 2 * columns + 1 + 2
        self.client.batch_update(
            self.copy,
            [below, below, insert(second, "third🚀"), insert(row.end + 2, "second")],
        )
        texts = [[run["content"].strip() for run in row] for row in self.rows()]
        at = next((i for i, row in enumerate(texts) if "second" in row), -1)
        check(at >= 0, "the second row is not there")
        check(texts[at][0] == "second", f"second row is {texts[at]}")
        third = texts[at + 1]
        check(third == ["third🚀"] + [""] * (columns - 1), f"third row is {third}")
        return ""

    def new_rows_keep_their_style(self) -> str:
        sizes = {
            run["textStyle"].get("fontSize", {}).get("magnitude")
            for row in self.rows()
            for run in row
            if run["content"].strip() in ("second", "third🚀")
        }
        check(sizes == {10}, f"font sizes of new rows are {sizes}, not 10")
        return ""

    def headers_take_indices(self) -> str:
        self.client.batch_update(self.template, [{"createHeader": {"type": "DEFAULT"}}])
        document = self.client.document(self.template)
        headers = document["tabs"][0]["documentTab"]["headers"]
        where = {"segmentId": next(iter(headers))}
        self.client.batch_update(self.template, [insert(0, _HEADER, **where)])
        copy = self.copied()
        part = next(part for part in self.analysed(copy).parts if part.segment)
        start, where = part.lines[0].start, {"segmentId": part.segment}
        end = start + len(_HEADER)
        span = {**where, "startIndex": start, "endIndex": end}
        removal = {"deleteContentRange": {"range": span}}
        self.client.batch_update(copy, [insert(end, "gpu-07", **where), removal])
        text = self.client.export(copy, "text/html").decode()
        check("gpu-07" in text and _HEADER not in text, "the header was not filled")
        return ""

    def copies_are_found_by_their_property(self) -> str:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < _LAG_MAX_S:
            if self.copy in {file["id"] for file in self.client.find(self.rid)}:
                return f"(after {passed:.1f} s)"
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


def insert(index: int, text: str, **where: Any) -> Json:  # noqa: ANN401
    """Return a request that inserts *text*."""
    return {"insertText": {"location": {"index": index, **where}, "text": text}}


def _run_of(cell: Json) -> Json:
    """Return the first text run of a table cell."""
    return next(
        part["textRun"]
        for element in cell["content"]
        for part in element.get("paragraph", {}).get("elements", ())
        if "textRun" in part
    )
