"""The real service's ways, each a switch of the test server, and any two together.

Whatever it does, a report ends as one right document and one right mail.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import combinations, product
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

import sample_reports as samples
from google_server import Document, GoogleServer, build, faults
from google_server.build import Paragraph, Run, Table, heading
from google_setup import FAST, USER, YOU, Lab, html_of, pdf_of
from mlreport_batch.deliver import Envelope
from mlreport_batch.google import live as google_live
from mlreport_batch.google.api.account import DRIVE_FILE, GMAIL_SEND
from mlreport_batch.google.gmail import GmailChannel
from mlreport_batch.google.setup import check_live
from picture_files import png
from still_clock import StillClock

COPY, MERGE = "drive.files.copy", "docs.documents.batchUpdate"
SEND = "gmail.users.messages.send"
BOLD = {"bold": True, "fontSize": {"magnitude": 9, "unit": "PT"}}
RIGHT = {"namedStyleType": "NORMAL_TEXT", "alignment": "END"}
GROUND = {"backgroundColor": {"color": {"rgbColor": {"red": 0.9}}}}
PICTURE = {"inlineObjectElement": {"inlineObjectId": "kix.1"}}
REPORT = replace(samples.fine(), rid="rid1")


def template(lab: Lab) -> Document:
    """Return the lab's template: what people put into theirs, all at once."""
    key, value = Run("{{key}}", BOLD), Paragraph([Run("{{value}}", BOLD)], RIGHT)
    rows = Table([["Key", "Value"], [key, value]], cell_style=GROUND)
    mirrored = {"namedStyleType": "NORMAL_TEXT", "direction": "RIGHT_TO_LEFT"}
    lab.with_template(
        Paragraph(["{{project}}"], {"namedStyleType": "TITLE"}),
        heading("{{run}} of {{date}}"),
        Table([["{{status}}"]]),
        Paragraph(["{{purpose}}"], mirrored),
        Paragraph([build.person_chip(USER), " {{host}}"]),
        rows,
        Run("", element=PICTURE),
        header=["{{time}}"],
        footer=["{{steps}}"],
        tabs=[["{{git}} {{run}}"]],
    )
    made = lab.server.document(str(lab.google.template))
    made.images["kix.1"] = png(4, 4)
    page = {"magnitude": 842, "unit": "PT"}
    style = {"documentStyle": {"pageSize": {"width": page}}, "fields": "pageSize.width"}
    lab.server.edit(made.document_id, {"updateDocumentStyle": style})
    return lab.server.document(made.document_id)


Switch = Callable[[Lab], Any]
WAYS: dict[str, Switch] = {
    "rows come bare": lambda lab: setattr(_template(lab), "bares_rows", True),
    "a style a cell": lambda lab: setattr(_template(lab), "styles_by_cell", True),
    "runs are cut": lambda lab: setattr(_template(lab), "run_length", 3),
    "copies move": lambda lab: setattr(lab.server.store, "copies_keep_indices", False),
    "tabs anew": lambda lab: setattr(lab.server.store, "copies_keep_tab_ids", False),
    "exports lag": lambda lab: setattr(lab.server.drive, "stale_exports", 1),
    "no headers": lambda lab: setattr(lab.server.drive.look, "has_headers", False),
    "a table less": lambda lab: setattr(lab.server.drive.look, "tables_missing", 1),
    "linked pictures": lambda lab: setattr(
        lab.server.drive.look, "images_inside", False
    ),
    "searches lag": lambda lab: setattr(lab.server.drive, "list_lag_calls", 2),
    "own Message-IDs": lambda lab: setattr(
        lab.server.gmail, "replaces_message_ids", True
    ),
    "lost copy": lambda lab: lab.server.fail(COPY, faults.drop(applied=True)),
    "lost merge": lambda lab: lab.server.fail(MERGE, faults.drop(applied=True)),
    "lost send": lambda lab: lab.server.fail(SEND, faults.drop(applied=True)),
}
MERGED_AGAIN = {"copies move", "tabs anew", "lost merge", "a style a cell"}
# Only here new rows look plainer: neither the service nor we can give them a look.
PLAINER = {"rows come bare", "a style a cell"}


def _template(lab: Lab) -> Document:
    return lab.server.document(str(lab.google.template))


def pairwise(names: list[str]) -> Iterator[frozenset[str]]:
    """Yield sets of names: any two stand together, alone, and are missing together."""
    chance = Random(17)
    todo = {
        (pair, here)
        for pair in combinations(names, 2)
        for here in product((True, False), repeat=2)
    }

    def covered(chosen: frozenset[str]) -> set[Any]:
        return {
            (pair, here)
            for pair, here in todo
            if here == (pair[0] in chosen, pair[1] in chosen)
        }

    while todo:
        tries = [
            frozenset(n for n in names if chance.random() < 0.5) for _ in range(60)
        ]
        best = max(tries, key=lambda chosen: len(covered(chosen)))
        todo -= covered(best)
        yield best


SETS = [frozenset({name}) for name in WAYS] + list(pairwise(list(WAYS)))


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


@pytest.fixture
def lab(server: GoogleServer, tmp_path: Path) -> Lab:
    made = Lab(server, tmp_path)
    made.as_user([DRIVE_FILE, GMAIL_SEND, GMAIL_SEND.replace("send", "metadata")])
    template(made)
    return made


def looks(row: dict[str, Any]) -> list[Any]:
    """Return the styles of the cells of a row, and of the first text in each."""
    found = []
    for cell in row["tableCells"]:
        paragraph = cell["content"][0]["paragraph"]
        style = paragraph["paragraphStyle"]
        text = paragraph["elements"][0]["textRun"]["textStyle"]
        ground = cell["tableCellStyle"]["backgroundColor"]
        found.append((text, style.get("alignment", "START"), ground))
    return found


def check_document(document: Document, *, is_plainer: bool) -> None:
    first, second = (tab.to_json(run_length=None) for tab in document.tabs)
    tables = [part["table"] for part in first["body"]["content"] if "table" in part]
    rows = tables[1]["tableRows"]
    assert len(rows) == 1 + len(REPORT.metrics)
    is_even = all(looks(row) == looks(rows[1]) for row in rows[1:])
    assert is_even != is_plainer
    assert looks(rows[1])[0] == (BOLD, "START", GROUND["backgroundColor"])
    assert looks(rows[1])[1][1] == "END"
    assert document.table(1)[1:] == [[m.key, m.value] for m in REPORT.metrics]
    (header,) = document.tabs[0].headers
    assert document.text(header) == f"{REPORT.time}\n"
    text = document.text()
    assert f"{REPORT.run} of {REPORT.date}\n" in text
    assert "{{" not in str(first) + str(second)
    assert first["documentStyle"]["pageSize"]["width"]["magnitude"] == 842


@pytest.mark.no_cover
@pytest.mark.parametrize("ways", SETS, ids=lambda ways: "+".join(sorted(ways)))
def test_any_two_ways_of_the_service_end_in_one_document_and_one_mail(
    lab: Lab, ways: frozenset[str]
):
    for way, switch in WAYS.items():
        if way in ways:
            switch(lab)
    lab.server.clear_log()
    (drawn,) = lab.draw(REPORT)
    assert drawn.error is None
    (file,) = lab.documents()
    check_document(lab.server.document(file.id), is_plainer=ways >= PLAINER)
    with (
        closing(lab.state()) as state,
        GmailChannel(lab.google, FAST, state).open() as session,
    ):
        session.send(drawn.message, Envelope(REPORT.rid, USER, (YOU,)))
    (sent,) = lab.server.gmail.sent
    page = html_of(sent.raw)
    assert "{{" not in page
    assert REPORT.metrics[0].key in page
    assert 'dir="rtl"' in page
    assert pdf_of(sent.raw).startswith(b"%PDF")
    assert ("shown in the PDF only" in page) == ("linked pictures" in ways)
    if not ways & MERGED_AGAIN:
        assert lab.server.count(MERGE) == 1


def test_suggestions_around_a_placeholder_are_refused_and_others_are_not(lab: Lab):
    lab.with_template("{{run}}", Run("perhaps", suggestion="s1"), "")
    assert lab.draw(REPORT)[0].error is None
    lab.with_template(Paragraph(["{{run}} ", Run("of {{date}}", suggestion="s1")]), "")
    (drawn,) = lab.draw(replace(REPORT, rid="rid2"))
    assert drawn.error is not None
    assert "{{run}} stands among suggestions" in str(drawn.error)
    lab.with_template("", Table([[Run("{{key}}", suggestion="s1")]]), "")
    (drawn,) = lab.draw(replace(REPORT, rid="rid3"))
    assert "{{key}} stands among suggestions" in str(drawn.error)


# -- each a belief that `check --live` proves ----------------------------------------

NOT_SO = {
    "a style a cell": "one batch fills",
    "copies move": "a copy has the indices",
    "tabs anew": "a copy has the indices",
    "exports lag": "an export shows the merge",
    "linked pictures": "it lacks 1 pictures",
    "a table less": "it lacks 1 tables",
    "no headers": "it lacks 2 placeholders of headers",
}
UNSEEN = {"own Message-IDs", "lost copy", "lost merge", "lost send"}


@pytest.mark.no_cover
@pytest.mark.parametrize("way", [way for way in WAYS if way not in UNSEEN])
def test_live_check_tells_each_way_that_costs_something(
    lab: Lab, way: str, monkeypatch: pytest.MonkeyPatch, clock: StillClock
):
    still = SimpleNamespace(monotonic=clock.now, sleep=clock.sleep)
    monkeypatch.setattr(google_live, "time", still)
    WAYS[way](lab)
    wrong = [line for line, error in check_live(lab.config()) if error is not None]
    assert len(wrong) == (way in NOT_SO)
    assert all(NOT_SO[way] in line for line in wrong)
    assert not lab.documents()
