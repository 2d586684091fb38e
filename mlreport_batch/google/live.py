"""Prove against the real APIs, on the user's template, what the engine believes.

docs/google.md names the beliefs that no test server can prove.
"""

import json
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.errors import Checked, RenderError, failed
from mlreport_batch.google.api.client import GoogleClient, placed
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.google.document.make import problem_of
from mlreport_batch.google.document.merge import Plan, filled
from mlreport_batch.google.document.template import analyse, line_of, tables_in
from mlreport_batch.google.export import clean as export_clean
from mlreport_batch.render.placeholders import ROWS, parse

_LAG_MAX_S = 60.0


def proofs(client: GoogleClient, settings: GoogleSettings) -> Iterator[Checked]:
    """Yield one line for each belief, with an error where it does not hold.

    One copy of the template is made, filled, and put into the trash.
    """
    live = _Live(client, settings)
    try:
        for proof in (
            live.a_copy_has_the_indices_of_its_template,
            live.one_batch_fills_all_rows_headers_and_footers,
            live.new_rows_look_like_their_model,
            live.copies_are_found_by_their_property,
            live.an_export_shows_the_merge_at_once,
            live.an_export_shows_tables_pictures_headers_and_footers,
        ):
            yield _line(proof)
    finally:
        with suppress(GoogleError):
            if live.copy:
                client.trash(live.copy)


def _line(proof: Callable[[], str]) -> Checked:
    name = proof.__name__.replace("_", " ")
    try:
        return f"live: {name}: yes {proof()}".rstrip(), None
    except (GoogleError, AssertionError, LookupError) as exc:
        advice = "Please report this line. What it costs stands in docs/google.md under"
        advice += " `check --live`"
        return failed(RenderError(f"live: {name}: no: {exc}", advice=advice))


class _Live:
    def __init__(self, client: GoogleClient, settings: GoogleSettings) -> None:
        self.client = client
        self.settings = settings
        self.rid = f"live-{secrets.token_hex(8)}"
        self.copy = ""
        self.plan: Plan | None = None
        self.around: set[str] = set()  # placeholders of headers, footers and footnotes

    def _plan(self) -> Plan:
        if self.plan is None:
            raise AssertionError("there is no copy to fill")
        return self.plan

    def a_copy_has_the_indices_of_its_template(self) -> str:
        template = str(self.settings.template)
        own = {"appProperties": {"mlreport_rid": self.rid}}
        body = {"name": "mlreport-batch live check", **own, **placed(self.settings)}
        self.copy = str(self.client.copy(template, body)["id"])
        before = analyse(self.client.document(template))
        after = analyse(self.client.document(self.copy, is_new=True))
        values = {name: f"{name} 🚀" for name in after.names}
        rows = {
            kind: [{name: f"{kind} {name} {n}🚀" for name in names} for n in range(3)]
            for kind, names in ROWS.items()
        }
        self.plan = filled(after, values, rows)
        around = [each for part in after.parts if part.segment for each in part.lines]
        self.around = {name for line in around for name in parse(line.text)}
        check(before.parts == after.parts, "the copy has other indices")
        return f"({len(after.names)} placeholders)"

    def one_batch_fills_all_rows_headers_and_footers(self) -> str:
        plan = self._plan()
        refusal = ""
        try:
            if plan.requests:
                self.client.batch_update(self.copy, plan.requests)
        except GoogleError as exc:
            self.client.batch_update(self.copy, plan.unstyled())
            refusal = str(exc)
        after = analyse(self.client.document(self.copy))
        check(not after.names, f"{', '.join(after.names)} are still there")
        check(not refusal, f"only without the styles of new rows: {refusal}")
        return f"({len(plan.requests)} requests)"

    def new_rows_look_like_their_model(self) -> str:
        looks: dict[str, set[str]] = defaultdict(set)
        for table in tables_in(self.client.document(self.copy)):
            for row in table["tableRows"]:
                line = line_of(row["tableCells"][0]["content"][0])
                kind, _, rest = line.text.partition(" ")
                if kind in ROWS and rest.endswith("🚀"):
                    looks[kind].add(f"{line.style_at(0)} {line.look}")
        uneven = sorted(kind for kind, found in looks.items() if len(found) > 1)
        check(not uneven, f"the rows with {', '.join(uneven)} differ from each other")
        return f"({len(looks)} kinds of rows)"

    def copies_are_found_by_their_property(self) -> str:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < _LAG_MAX_S:
            if self.copy in {file["id"] for file in self.client.find(self.rid)}:
                return f"(after {passed:.1f} s)"
            time.sleep(2.0)
        raise AssertionError(f"not within {_LAG_MAX_S:.0f} s")

    def an_export_shows_the_merge_at_once(self) -> str:
        plan = self._plan()
        page = self.client.export(self.copy, "text/html")
        problem = problem_of(export_clean.inline(page.decode()), plan)
        check(not problem, f"there are {problem} of placeholders in it")
        pdf = self.client.export(self.copy, "application/pdf")
        check(pdf.startswith(b"%PDF"), "the PDF export is no PDF")
        return f"(HTML {len(page) // 1000} KB, PDF {len(pdf) // 1000} KB)"

    def an_export_shows_tables_pictures_headers_and_footers(self) -> str:
        document = self.client.document(self.copy)
        page = self.client.export(self.copy, "text/html").decode()
        tree = export_clean.inline(page)
        tags = Counter(node.tag for node in tree.elements())
        inside = page.count('src="data:image')
        pictures = json.dumps(document).count('"inlineObjectElement"')
        missing = {
            "tables": len(list(tables_in(document))) - tags["table"],
            "pictures": pictures - inside,
            "placeholders of headers and footers": sum(
                f"{name} 🚀" not in tree.text() for name in self.around
            ),
        }
        said = [f"{count} {what}" for what, count in missing.items() if count > 0]
        check(not said, f"it lacks {', '.join(said)}")
        return f"({tags['table']} tables, {pictures} pictures)"


def check(holds: bool, why: str) -> None:
    """Raise `AssertionError` with *why* unless a belief holds."""
    if not holds:
        raise AssertionError(why)
