"""The loopback Google is itself checked, through Google's own client library."""

# ruff: noqa: ANN401 - googleapiclient has no types

import base64
import contextlib
import copy
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from google_server import GoogleServer, build, faults
from google_server.build import Run, Table
from google_server.discovery import Method, all_methods, api_document, find_route
from google_server.docs_api import DocsApi
from google_server.docs_model import Document
from google_server.drive_store import DriveStore
from google_server.errors import ApiError
from google_server.units import is_well_formed
from lengths import examples

USER = "me@lab.example"
DRIVE = "https://www.googleapis.com/auth/drive"
DRIVE_FILE = DRIVE + ".file"
DOCUMENTS = "https://www.googleapis.com/auth/documents"
GMAIL = "https://www.googleapis.com/auth/gmail."
ALL = [DRIVE, DOCUMENTS, GMAIL + "compose", GMAIL + "readonly"]
MAIL = b"From: me@lab.example\r\nTo: you@lab.example\r\nSubject: r1\r\n\r\nhello\r\n"


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


Client = Callable[..., Any]


@pytest.fixture
def client(server: GoogleServer) -> Iterator[Client]:
    """Build googleapiclient services that talk to the loopback server."""
    import google.oauth2.credentials
    import google_auth_httplib2
    import httplib2
    from googleapiclient.discovery import build_from_document

    opened = []

    def make(
        api: str, scopes: list[str] | None = None, *, token: str = "", user: str = USER
    ) -> Any:
        document = copy.deepcopy(dict(api_document(api)))
        document["rootUrl"] = server.url + "/"
        document["baseUrl"] = server.url + "/" + document["servicePath"]
        token = token or server.auth.issue(user, ALL if scopes is None else scopes)
        credentials = google.oauth2.credentials.Credentials(token)
        http = google_auth_httplib2.AuthorizedHttp(
            credentials, http=httplib2.Http(timeout=120)
        )
        opened.append(http)
        return build_from_document(document, http=http)

    yield make
    for made in opened:
        made.http.close()


def refused(request: Any) -> tuple[int, str, str]:
    """Execute *request*, which must fail; return status, reason, message."""
    from googleapiclient.errors import HttpError

    with pytest.raises(HttpError) as caught:
        request.execute()
    inner = json.loads(caught.value.content)["error"]
    reasons = [item["reason"] for item in inner.get("errors", ())]
    return inner["code"], ",".join(reasons) or inner["status"], inner["message"]


def template(server: GoogleServer, *blocks: Any, **options: Any) -> Document:
    made = build.document(*blocks, **options)
    server.store.add(made, owner=USER)
    return made


def history(server: GoogleServer) -> Document:
    """Make the document that the facts sheet computes its example with."""
    return template(
        server,
        "{{date}}",
        "{{run_name}}",
        "Notification loss and accuracy of recent model.",
        "History Table",
        Table([["Key", "Value"], ["{{key}}", "{{value}}"]]),
        "",
    )


def run(client: Client, document: Document, *requests: dict[str, Any]) -> list[Any]:
    body = {"requests": list(requests)}
    update = client("docs").documents().batchUpdate
    answer = update(documentId=document.document_id, body=body).execute()
    assert len(answer["replies"]) == len(requests)
    return list(answer["replies"])


def run_refused(client: Client, document: Document, *requests: dict[str, Any]) -> str:
    update = client("docs").documents().batchUpdate
    request = update(documentId=document.document_id, body={"requests": [*requests]})
    code, status, message = refused(request)
    assert (code, status) == (400, "INVALID_ARGUMENT")
    return message


def now(server: GoogleServer, document: Document) -> Document:
    current = server.document(document.document_id)
    for tab in current.tabs:
        for name, segment in tab.segments.items():
            assert is_well_formed(segment.units), name
    return current


def insert(index: int, text: str, **where: str) -> dict[str, Any]:
    return {"insertText": {"location": {"index": index, **where}, "text": text}}


def delete(start: int, end: int) -> dict[str, Any]:
    return {
        "deleteContentRange": {"range": {"startIndex": start, "endIndex": end}},
    }


def replace(old: str, new: str, *, match_case: bool = True) -> dict[str, Any]:
    found = {"text": old, "matchCase": match_case}
    return {"replaceAllText": {"containsText": found, "replaceText": new}}


def change(where: Any, key: str, style: Any, fields: str) -> dict[str, Any]:
    return {"range": where, key: style, "fields": fields}


def row_below(start: int, row: int) -> dict[str, Any]:
    where = {
        "tableStartLocation": {"index": start},
        "rowIndex": row,
        "columnIndex": 0,
    }
    return {"insertTableRow": {"tableCellLocation": where, "insertBelow": True}}


def body_of(client: Client, document: Document) -> list[dict[str, Any]]:
    get = client("docs").documents().get
    return list(get(documentId=document.document_id).execute()["body"]["content"])


# -- document model -----------------------------------------------------------


def test_indices_of_the_example_template_are_those_of_the_facts_sheet(
    server: GoogleServer, client: Client
):
    content = body_of(client, history(server))
    assert "startIndex" not in content[0]
    spans = [(e.get("startIndex", 0), e["endIndex"]) for e in content]
    assert spans == [
        (0, 1),
        (1, 10),
        (10, 23),
        (23, 71),
        (71, 85),
        (85, 121),
        (121, 122),
    ]
    rows = content[5]["table"]["tableRows"]
    assert [(r["startIndex"], r["endIndex"]) for r in rows] == [(86, 99), (99, 120)]
    cells = rows[1]["tableCells"]
    key = cells[0]["content"][0]
    assert (key["startIndex"], key["endIndex"]) == (101, 109)  # with the newline
    assert cells[1]["content"][0]["startIndex"] == 110


def test_example_batch_fills_the_table_without_reading_between(
    server: GoogleServer, client: Client
):
    made = history(server)
    replies = run(
        client,
        made,
        row_below(85, 1),
        row_below(85, 1),
        insert(129, "0.9"),
        insert(127, "acc"),
        insert(124, "0.42"),
        insert(122, "loss"),
        replace("{{key}}", "lr"),
        replace("{{value}}", "0.1"),
        replace("{{date}}", "2026-11-23"),
        replace("{{run_name}}", "run-17"),
    )
    assert replies[:6] == [{}] * 6
    assert replies[6] == {"replaceAllText": {"occurrencesChanged": 1}}
    document = now(server, made)
    assert document.table() == [
        ["Key", "Value"],
        ["lr", "0.1"],
        ["loss", "0.42"],
        ["acc", "0.9"],
    ]
    assert document.text().startswith("2026-11-23\nrun-17\nNotification")


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 2), (3, 4)])
def test_empty_table_has_the_documented_length(
    server: GoogleServer, client: Client, rows: int, columns: int
):
    made = template(server, "abc")
    where = {"location": {"index": 4}, "rows": rows, "columns": columns}
    run(client, made, {"insertTable": where})
    table = next(e for e in body_of(client, made) if "table" in e)
    start = table["startIndex"]
    assert start == 5  # one newline went in before it
    assert table["endIndex"] == start + 2 + rows * (1 + 2 * columns)
    last = table["table"]["tableRows"][-1]["tableCells"][-1]["content"][0]
    row, column = rows - 1, columns - 1
    assert last["startIndex"] == 4 + 4 + row * (2 * columns + 1) + 2 * column


def test_a_table_of_a_real_answer_has_the_same_indices_here(
    server: GoogleServer, client: Client
):
    # first table of form15g_base.json in think41/extrasuite, answered by Google
    cells = ["Name of the Company", "Dp. Id \u2013 Client Id/ Folio No."]
    made = template(server, "", Table([cells, ["", ""]]), "INCOME-TAX RULES, 1962")
    content = body_of(client, made)
    assert [e["endIndex"] for e in content] == [1, 2, 62, 85]
    rows = content[2]["table"]["tableRows"]
    assert [(r["startIndex"], r["endIndex"]) for r in rows] == [(3, 56), (56, 61)]
    spans = [
        (c["startIndex"], c["content"][0]["startIndex"], c["endIndex"])
        for row in rows
        for c in row["tableCells"]
    ]
    assert spans == [(4, 5, 25), (25, 26, 56), (57, 58, 59), (59, 60, 61)]


def check_spans(content: list[dict[str, Any]], start: int) -> int:
    """Check that elements, rows, cells and runs follow each other without gaps."""
    for element in content:
        assert element.get("startIndex", 0) == start
        for part in element.get("paragraph", {}).get("elements", ()):
            assert part.get("startIndex", 0) == start
            text = part.get("textRun", {}).get("content", "?")
            assert part["endIndex"] - start == len(text.encode("utf-16-le")) // 2
            start = part["endIndex"]
        if "sectionBreak" in element:
            start += 1
        if "table" in element:
            start += 1
            for row in element["table"]["tableRows"]:
                assert row["startIndex"] == start
                start += 1
                for cell in row["tableCells"]:
                    assert cell["startIndex"] == start
                    start = check_spans(cell["content"], start + 1)
                    assert cell["endIndex"] == start
                assert row["endIndex"] == start
            start += 1
        assert element["endIndex"] == start
    return start


_index = st.integers(0, 40)
_text = st.sampled_from(["a", "\n", "b\nc", "😀", "{{k}}"])
_requests = st.one_of(
    st.builds(insert, _index, _text),
    st.builds(lambda i, n: delete(i, i + n), _index, st.integers(1, 9)),
    st.builds(replace, _text.filter(str.isprintable), _text),
    st.builds(row_below, _index, st.integers(0, 2)),
    st.builds(
        lambda i, r, c: {
            "insertTable": {"location": {"index": i}, "rows": r, "columns": c}
        },
        _index,
        st.integers(1, 2),
        st.integers(1, 2),
    ),
    st.builds(
        lambda i, r: {
            "deleteTableRow": {
                "tableCellLocation": {"tableStartLocation": {"index": i}, "rowIndex": r}
            }
        },
        _index,
        st.integers(0, 2),
    ),
)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(_requests, max_size=25))
def test_any_accepted_request_leaves_a_document_that_docs_could_hold(
    requests: list[dict[str, Any]],
):
    store = DriveStore(lambda: 0.0)
    docs = DocsApi(store)
    made = build.document("ab😀", Table([["{{k}}", "v"], ["", "x"]]), "end")
    key = made.document_id
    store.add(made, owner=USER)
    for request in requests:
        before = store.files[key].document
        assert before is not None
        with contextlib.suppress(ApiError):
            docs.edit(before, [request])
        after = store.files[key].document
        assert after is not None
        assert after is before or after.revision == before.revision + 1
        units = after.tabs[0].segments[""].units
        assert is_well_formed(units)
        content = after.to_json(USER, with_tabs=False)["body"]["content"]
        assert check_spans(content, 0) == len(units)


def test_an_emoji_is_two_units_and_cannot_be_halved(
    server: GoogleServer, client: Client
):
    made = template(server, "a😀b")
    assert body_of(client, made)[1]["endIndex"] == 1 + 4 + 1
    assert "surrogate" in run_refused(client, made, delete(2, 3))
    assert "surrogate" in run_refused(client, made, delete(3, 5))
    run(client, made, delete(2, 4))
    assert now(server, made).text() == "ab\n"


def test_run_boundaries_are_no_promise(server: GoogleServer, client: Client):
    made = template(server, "{{placeholder}}")
    made.run_length = 4
    elements = body_of(client, made)[1]["paragraph"]["elements"]
    assert [e["textRun"]["content"] for e in elements][:2] == ["{{pl", "aceh"]


def test_merged_cells_and_chips_are_shown_and_inserting_rows_copies_the_chip(
    server: GoogleServer, client: Client
):
    chip = build.Paragraph([build.person_chip("a@lab.example")])
    made = template(server, "x", Table([["a", chip]]), "")
    run(client, made, row_below(3, 0))
    assert now(server, made).table() == [["a", ""], ["", "\ue907"]]
    merged = template(server, "x", Table([["a", "b"]], spans={(0, 0): (1, 2)}), "")
    cell = body_of(client, merged)[2]["table"]["tableRows"][0]["tableCells"][0]
    assert cell["tableCellStyle"]["columnSpan"] == 2


# -- text requests ------------------------------------------------------------


def test_replace_all_text_crosses_runs_and_keeps_the_first_style(
    server: GoogleServer, client: Client
):
    bold, red = {"bold": True}, {"italic": True}
    runs = build.Paragraph([Run("{{da", bold), Run("te}}!", red)])
    made = template(server, runs, header=["{{DATE}}"], footer=["{{date}}"])
    replies = run(client, made, replace("{{date}}", "today"), replace("{{no}}", "x"))
    assert replies == [
        {"replaceAllText": {"occurrencesChanged": 2}},
        {"replaceAllText": {}},
    ]
    elements = body_of(client, made)[1]["paragraph"]["elements"]
    assert elements[0]["textRun"] == {"content": "today", "textStyle": bold}
    (header,) = now(server, made).tabs[0].headers
    assert now(server, made).text(header) == "{{DATE}}\n"


def test_match_case_is_off_unless_asked_for(server: GoogleServer, client: Client):
    made = template(server, "Loss LOSS loss", tabs=[["loss"]])
    found = {"replaceAllText": {"containsText": {"text": "loss"}, "replaceText": "x"}}
    assert run(client, made, found) == [{"replaceAllText": {"occurrencesChanged": 4}}]


def test_inserted_text_takes_the_style_before_it_and_loses_some_characters(
    server: GoogleServer, client: Client
):
    made = template(server, build.Paragraph([Run("ab", {"bold": True}), "cd"]))
    run(client, made, insert(3, "x\r\x00\x0b\ue123y"))
    assert now(server, made).text() == "abx\x0bycd\n"
    elements = body_of(client, made)[1]["paragraph"]["elements"]
    assert elements[0]["textRun"] == {
        "content": "abx\x0by",
        "textStyle": {"bold": True},
    }


def test_new_rows_copy_the_styles_of_their_neighbour(
    server: GoogleServer, client: Client
):
    cell = build.Paragraph([Run("v", {"bold": True})], {"alignment": "END"})
    made = template(
        server, "x", Table([[cell]], cell_style={"contentAlignment": "MIDDLE"})
    )
    run(client, made, row_below(3, 0), insert(10, "w"))
    row = body_of(client, made)[2]["table"]["tableRows"][1]["tableCells"][0]
    assert row["tableCellStyle"]["contentAlignment"] == "MIDDLE"
    (element,) = row["content"][0]["paragraph"]["elements"]
    assert element["textRun"] == {"content": "w\n", "textStyle": {"bold": True}}
    assert row["content"][0]["paragraph"]["paragraphStyle"]["alignment"] == "END"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (insert(1, ""), "must specify text"),
        (insert(0, "x"), "inside the bounds of an existing paragraph"),
        (insert(3, "x"), "inside the bounds of an existing paragraph"),
        (insert(4, "x"), "inside the bounds of an existing paragraph"),
        (insert(5, "x"), "inside the bounds of an existing paragraph"),
        (insert(16, "x"), "Index 16 must be less than the end index"),
        (insert(1, "x", segmentId="kix.none"), "was not found"),
        (insert(1, "x", tabId="t.none"), "was not found"),
        (delete(1, 1), "should not be empty"),
        (delete(0, 1), "Invalid deletion range"),
        (delete(1, 3), "Invalid deletion range"),  # newline before the table
        (delete(2, 4), "Invalid deletion range"),  # start of the table
        (delete(6, 8), "Invalid deletion range"),  # a cell's last newline
        (delete(4, 9), "Invalid deletion range"),  # parts of a row
        (delete(14, 16), "less than or equal to the end index"),
        (delete(13, 15), "newline character at the end of the segment"),
        (row_below(2, 0), "Invalid table start location"),
        (row_below(3, 1), "Row index 1"),
        ({"insertTable": {"location": {"index": 1}, "rows": 1}}, "at least one"),
        ({}, "No request set"),
    ],
)
def test_requests_that_docs_would_refuse(
    server: GoogleServer, client: Client, request_: dict[str, Any], message: str
):
    # 1 "x", 2 newline, 3 table, 4 row, 5 cell "a" 6..8, 8 cell "b" 9..11, 12 "end"
    made = template(server, "x", Table([["a", "b"]]), "en")
    assert [e["endIndex"] for e in body_of(client, made)] == [1, 3, 12, 15]
    before = now(server, made).text()
    assert message in run_refused(client, made, request_, insert(1, "never seen"))
    assert now(server, made).text() == before


def test_last_empty_paragraph_of_a_cell_cannot_go_but_the_text_can(
    server: GoogleServer, client: Client
):
    made = template(server, "x", Table([[["a", ""]]]), "")
    run_refused(client, made, delete(8, 9))
    run(client, made, delete(6, 8))
    assert now(server, made).table() == [[""]]


def test_whole_table_may_be_deleted_and_the_last_row_takes_it_along(
    server: GoogleServer, client: Client
):
    made = template(server, "x", Table([["a"]]), "y", Table([["b"]]), "")
    last = {"tableStartLocation": {"index": 11}, "rowIndex": 0, "columnIndex": 0}
    run(client, made, {"deleteTableRow": {"tableCellLocation": last}}, delete(3, 9))
    assert now(server, made).text() == "x\ny\n\n"


def test_styles_and_pins(server: GoogleServer, client: Client):
    made = template(server, "title", Table([["a", "b"]]), "")
    text = {"startIndex": 1, "endIndex": 6}
    grey = {"color": {"rgbColor": {"red": 0.5}}}
    style = {"bold": True}
    named = {"namedStyleType": "HEADING_1"}
    run(
        client,
        made,
        {"updateParagraphStyle": change(text, "paragraphStyle", named, "*")},
        {"updateTextStyle": change(text, "textStyle", style, "bold,italic")},
        {
            "updateTableCellStyle": {
                "tableStartLocation": {"index": 7},
                "tableCellStyle": {"backgroundColor": grey},
                "fields": "backgroundColor",
            }
        },
        {
            "pinTableHeaderRows": {
                "tableStartLocation": {"index": 7},
                "pinnedHeaderRowsCount": 1,
            }
        },
    )
    content = body_of(client, made)
    assert content[1]["paragraph"]["paragraphStyle"]["headingId"].startswith("h.")
    assert content[1]["paragraph"]["elements"][0]["textRun"]["textStyle"] == style
    row = content[2]["table"]["tableRows"][0]
    assert row["tableRowStyle"]["tableHeader"] is True
    assert row["tableCells"][1]["tableCellStyle"]["backgroundColor"] == grey
    bad = {"updateTextStyle": change(text, "textStyle", style, "boldness")}
    assert "Invalid field" in run_refused(client, made, bad)
    none = {"updateTextStyle": change(text, "textStyle", style, "")}
    assert "At least one field" in run_refused(client, made, none)


def test_headers_are_segments_of_their_own_and_made_once(
    server: GoogleServer, client: Client
):
    made = template(server, "x")
    (reply,) = run(client, made, {"createHeader": {"type": "DEFAULT"}})
    header = reply["createHeader"]["headerId"]
    run(client, made, insert(0, "top", segmentId=header))
    assert now(server, made).text(header) == "top\n"
    answer = client("docs").documents().get(documentId=made.document_id).execute()
    (first,) = answer["headers"][header]["content"]
    assert "startIndex" not in first
    assert first["endIndex"] == 4
    again = {"createHeader": {"type": "DEFAULT"}}
    assert "already exists" in run_refused(client, made, again)


def test_named_ranges_move_with_the_text(server: GoogleServer, client: Client):
    made = template(server, "abcdef")
    where = {"startIndex": 3, "endIndex": 5}
    run(
        client,
        made,
        {"createNamedRange": {"name": "n", "range": where}},
        insert(1, "__"),
    )
    answer = client("docs").documents().get(documentId=made.document_id).execute()
    (item,) = answer["namedRanges"]["n"]["namedRanges"]
    assert item["ranges"] == [{"startIndex": 5, "endIndex": 7}]


def test_images_must_be_public(server: GoogleServer, client: Client):
    made = template(server, "x")
    url = "https://plots.lab.example/a.png"
    request = {"insertInlineImage": {"location": {"index": 1}, "uri": url}}
    assert "publicly accessible" in run_refused(client, made, request)
    server.docs.public_images[url] = b"png"
    run(client, made, request)
    assert body_of(client, made)[1]["endIndex"] == 4


def test_stale_revision_is_refused_and_a_batch_is_all_or_nothing(
    server: GoogleServer, client: Client
):
    made = template(server, "x")
    docs = client("docs").documents()
    revision = docs.get(documentId=made.document_id, fields="revisionId").execute()
    assert set(revision) == {"revisionId"}
    body = {
        "requests": [insert(1, "a")],
        "writeControl": {"requiredRevisionId": revision["revisionId"]},
    }
    answer = docs.batchUpdate(documentId=made.document_id, body=body).execute()
    assert answer["writeControl"]["requiredRevisionId"] != revision["revisionId"]
    request = docs.batchUpdate(documentId=made.document_id, body=body)
    code, status, message = refused(request)
    assert (code, status) == (400, "FAILED_PRECONDITION")
    assert "does not match the latest" in message
    run_refused(client, made, insert(1, "b"), insert(999, "c"))
    assert now(server, made).text() == "ax\n"


def test_tabs_content_comes_when_asked_for_or_named_in_the_mask(
    server: GoogleServer, client: Client
):
    made = template(server, "one", tabs=[["two"]])
    docs = client("docs").documents()
    key = made.document_id
    assert "tabs" not in docs.get(documentId=key).execute()
    for options in ({"includeTabsContent": True}, {"fields": "tabs,documentId"}):
        answer = docs.get(documentId=key, **options).execute()
        assert "body" not in answer
        assert len(answer["tabs"]) == 2
        assert answer["tabs"][1]["documentTab"]["body"]["content"][1]["endIndex"] == 5


# -- strictness ---------------------------------------------------------------


def post(server: GoogleServer, path: str, body: Any, **headers: str) -> Any:
    import requests

    token = server.auth.issue(USER, ALL)
    headers = {"Authorization": f"Bearer {token}"} | headers
    with requests.Session() as session:
        session.trust_env = False
        return session.post(server.url + path, json=body, headers=headers, timeout=120)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"request": []}, 'Unknown name "request"'),
        (
            {"requests": [{"insertTxt": {}}]},
            "Unknown name \"insertTxt\" at 'requests[0]'",
        ),
        ({"requests": [{"insertText": {"txt": ""}}]}, "at 'requests[0].insertText'"),
        ({"requests": {}}, "ARRAY"),
        ({"requests": [insert("1", "x")]}, "int32"),  # type: ignore[arg-type]
        ({"requests": [insert(2**31, "x")]}, "int32"),
        ({"requests": [insert(1, 5)]}, "string"),  # type: ignore[arg-type]
        ({"requests": [replace("a", "b", match_case="yes")]}, "boolean"),  # type: ignore[arg-type]
        ({"requests": [{"createHeader": {"type": "BIG"}}]}, "requests[0].createHeader"),
        ({"requests": []}, "at least one request"),
        ({"requests": [insert(1, "a") | delete(1, 2)]}, "oneof"),
    ],
)
def test_bodies_that_the_schema_does_not_know_are_refused(
    server: GoogleServer, body: Any, message: str
):
    made = template(server, "x")
    path = f"/v1/documents/{made.document_id}:batchUpdate"
    answer = post(server, path, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "status"}
    assert message in error["message"]


def test_unknown_paths_verbs_and_parameters_are_refused(server: GoogleServer):
    made = template(server, "x")
    file = f"/drive/v3/files/{made.document_id}"
    assert post(server, "/drive/v2/files", {}).status_code == 404
    assert post(server, file, {}).status_code == 405
    answer = post(server, file + "/copy?supportAllDrives=true", {})
    assert answer.status_code == 400
    assert answer.json()["error"]["errors"][0]["reason"] == "invalidParameter"
    assert post(server, file + "/copy?supportsAllDrives=1", {}).status_code == 400
    assert post(server, file + "/copy", {"nme": "x"}).status_code == 400
    answer = post(server, file + "/copy", {"webViewLink": "x"})
    assert answer.json()["error"]["errors"][0]["reason"] == "fieldNotWritable"


def test_what_the_model_lacks_is_a_loud_501(server: GoogleServer, client: Client):
    made = template(server, "x")
    bullets = {"range": {"startIndex": 1, "endIndex": 2}}
    update = client("docs").documents().batchUpdate
    body = {"requests": [{"createParagraphBullets": bullets}]}
    code, *_ = refused(update(documentId=made.document_id, body=body))
    assert code == 501
    assert refused(client("drive").drives().list())[0] == 501


def test_unknown_fields_in_a_mask_are_refused(server: GoogleServer, client: Client):
    made = template(server, "x")
    files = client("drive").files()
    code, reason, _ = refused(files.get(fileId=made.document_id, fields="id,nme"))
    assert (code, reason) == (400, "invalidParameter")
    assert files.get(fileId=made.document_id).execute().keys() == {
        "kind",
        "id",
        "name",
        "mimeType",
    }
    answer = (
        client("docs")
        .documents()
        .get(
            documentId=made.document_id,
            fields="body(content(endIndex,paragraph/elements/textRun/content)),title",
        )
    )
    assert answer.execute() == {
        "title": "Template",
        "body": {
            "content": [
                {"endIndex": 1},
                {
                    "endIndex": 3,
                    "paragraph": {"elements": [{"textRun": {"content": "x\n"}}]},
                },
            ]
        },
    }


def test_an_overlong_get_arrives_as_an_overridden_post(
    server: GoogleServer, client: Client
):
    query = " or ".join(["name = 'a very long name of a report'"] * 60)
    client("drive").files().list(q=query).execute()
    (call,) = server.calls
    assert (call.method_id, call.http_method) == ("drive.files.list", "GET")


@pytest.mark.parametrize("method", all_methods(), ids=lambda method: method.id)
def test_every_path_of_the_library_leads_to_its_own_method(method: Method):
    path = "/" + api_document(method.api)["servicePath"] + method.spec["path"]
    filled = re.sub(r"\{\+?\w+\}", "value", path)
    assert find_route(method.spec["httpMethod"], filled).method.id == method.id


# -- tokens and scopes --------------------------------------------------------


def service_credentials(server: GoogleServer, tmp_path: Path, **options: Any) -> Any:
    from google.oauth2 import service_account

    account = server.auth.add_service_account()
    path = server.auth.write_service_account(tmp_path / "key.json", account)
    assert path.stat().st_mode & 0o777 == 0o600
    made = service_account.Credentials.from_service_account_file(path, **options)
    return account, made


def refresh(credentials: Any) -> None:
    import google.auth.transport.requests
    import requests

    with requests.Session() as session:
        session.trust_env = False
        credentials.refresh(google.auth.transport.requests.Request(session))


def test_service_account_signs_in_and_may_act_for_a_user_when_delegated(
    server: GoogleServer, client: Client, tmp_path: Path
):
    from google.auth.exceptions import RefreshError

    account, credentials = service_credentials(
        server, tmp_path, scopes=[GMAIL + "send"]
    )
    refresh(credentials)
    profile = client("gmail", token=credentials.token).users()
    raw = base64.urlsafe_b64encode(MAIL).decode()
    request = profile.messages().send(userId="me", body={"raw": raw})
    assert refused(request)[:2] == (400, "failedPrecondition")
    subject = credentials.with_subject(USER)
    with pytest.raises(RefreshError, match="unauthorized_client"):
        refresh(subject)
    account.delegate([GMAIL + "send"])
    refresh(subject)
    assert server.auth.grants[-1].subject == USER
    assert server.auth.grants[-1].scopes == {GMAIL + "send"}
    users = client("gmail", token=subject.token).users()
    users.messages().send(userId="me", body={"raw": raw}).execute()
    assert server.gmail.sent[0].user == USER


def test_forged_and_revoked_keys_get_invalid_grant(
    server: GoogleServer, tmp_path: Path
):
    from google.auth.exceptions import RefreshError

    account, credentials = service_credentials(server, tmp_path, scopes=[DRIVE])
    account.is_revoked = True
    with pytest.raises(RefreshError, match="invalid_grant"):
        refresh(credentials)
    account.is_revoked = False
    account.private_key = server.auth.add_service_account("other@x").private_key
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        refresh(credentials)


def test_user_tokens_refresh_until_they_are_revoked(
    server: GoogleServer, client: Client, tmp_path: Path
):
    from google.auth.exceptions import RefreshError
    from google.oauth2.credentials import Credentials

    consent = server.auth.consent(USER, [DRIVE])
    path = server.auth.write_authorized_user(tmp_path / "user.json", consent)
    content = json.loads(path.read_text())
    credentials = Credentials(
        None,
        refresh_token=content["refresh_token"],
        client_id=content["client_id"],
        client_secret=content["client_secret"],
        token_uri=content["token_uri"],
    )
    refresh(credentials)
    files = client("drive", token=credentials.token).files()
    files.list().execute()
    server.advance(3700)
    with pytest.raises(RefreshError, match="necessary fields"):
        files.list().execute()
    assert server.calls[-1].status == 401
    consent.is_revoked = True
    with pytest.raises(RefreshError, match="invalid_grant"):
        refresh(credentials)


def test_a_login_flow_ends_with_a_refresh_token(
    server: GoogleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import requests
    from google_auth_oauthlib.flow import InstalledAppFlow

    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    secrets = server.auth.write_client_secrets(tmp_path / "client.json")
    flow = InstalledAppFlow.from_client_secrets_file(secrets, [DRIVE_FILE])
    flow.redirect_uri = "http://localhost:1/"
    url, _ = flow.authorization_url()
    with flow.oauth2session, requests.Session() as session:
        session.trust_env = False
        answer = session.get(url, allow_redirects=False, timeout=120)
        flow.fetch_token(authorization_response=answer.headers["Location"])
        assert flow.credentials.refresh_token in server.auth.refresh_tokens


def test_each_method_needs_one_of_its_scopes(server: GoogleServer, client: Client):
    made = template(server, "x")
    readonly = client("drive", [DRIVE + ".readonly"]).files()
    readonly.get(fileId=made.document_id).execute()
    code, reason, _ = refused(readonly.copy(fileId=made.document_id))
    assert (code, reason) == (403, "insufficientPermissions")
    docs = client("docs", [GMAIL + "send"]).documents()
    assert refused(docs.get(documentId=made.document_id))[:2] == (
        403,
        "PERMISSION_DENIED",
    )
    sender = client("gmail", [GMAIL + "send"]).users()
    assert refused(sender.messages().list(userId="me"))[0] == 403


# -- drive --------------------------------------------------------------------


def test_copies_keep_indices_and_carry_app_properties(
    server: GoogleServer, client: Client
):
    made = history(server)
    files = client("drive").files()
    body = {"name": "run-1", "appProperties": {"rid": "r1"}}
    copied = files.copy(
        fileId=made.document_id,
        body=body,
        fields="id,webViewLink,appProperties,version",
    ).execute()
    assert copied["appProperties"] == {"rid": "r1"}
    assert copied["id"] in copied["webViewLink"]
    docs = client("docs").documents()
    assert (
        docs.get(documentId=copied["id"], fields="body").execute()
        == docs.get(documentId=made.document_id, fields="body").execute()
    )
    query = "appProperties has { key='rid' and value='r1' } and trashed = false"
    (hit,) = files.list(q=query, fields="files(id,name)").execute()["files"]
    assert hit == {"id": copied["id"], "name": "run-1"}
    other = client("drive", token=server.auth.issue(USER, ALL, client_id="other"))
    assert other.files().list(q=query).execute()["files"] == []
    files.update(fileId=copied["id"], body={"trashed": True}).execute()
    assert files.list(q=query).execute()["files"] == []
    files.delete(fileId=copied["id"]).execute()
    assert refused(files.get(fileId=copied["id"]))[:2] == (404, "notFound")


def test_list_can_lag_by_calls_or_by_time(server: GoogleServer, client: Client):
    server.drive.list_lag_calls = 2
    made = template(server, "x")
    files = client("drive").files()
    found = [len(files.list().execute()["files"]) for _ in range(3)]
    assert found == [0, 0, 1]
    server.drive.list_lag_calls, server.drive.list_lag_s = 0, 30
    assert files.list().execute()["files"] == []
    server.advance(31)
    assert files.list().execute()["files"][0]["id"] == made.document_id


@pytest.mark.parametrize(
    "query",
    [
        "name",
        "name = x",
        "name ='a' and",
        "trashed = maybe",
        "appProperties = 'x'",
        "'a",
    ],
)
def test_malformed_searches_are_invalid_values(
    server: GoogleServer, client: Client, query: str
):
    assert refused(client("drive").files().list(q=query))[:2] == (400, "invalid")


def test_searches_know_names_folders_times_and_quotes(
    server: GoogleServer, client: Client
):
    files = client("drive").files()
    folder = {"name": "Bob's", "mimeType": "application/vnd.google-apps.folder"}
    parent = files.create(body=folder, fields="id").execute()["id"]
    server.advance(10)
    copied = {"name": "in it", "parents": [parent]}
    made = template(server, "x")
    child = files.copy(fileId=made.document_id, body=copied).execute()["id"]
    when = server.store.files[parent].created + 5

    def ids(query: str) -> set[str]:
        return {f["id"] for f in files.list(q=query).execute()["files"]}

    assert ids(r"name = 'Bob\'s'") == {parent}
    assert ids(f"'{parent}' in parents and not trashed = true") == {child}
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
    assert parent not in ids(f"createdTime > '{stamp}'")
    assert child in ids(f"(createdTime > '{stamp}' or name contains 'zzz')")


def test_service_accounts_cannot_own_copies_outside_shared_drives(
    server: GoogleServer, client: Client, tmp_path: Path
):
    account, credentials = service_credentials(server, tmp_path, scopes=[DRIVE])
    refresh(credentials)
    files = client("drive", token=credentials.token).files()
    made = build.document("x")
    server.store.add(made, owner=USER, roles={account.email: "writer"})
    code, reason, message = refused(files.copy(fileId=made.document_id, body={}))
    assert (code, reason) == (403, "storageQuotaExceeded")
    assert message.startswith("Service Accounts do not have storage quota")
    shared = server.store.add_shared_drive("lab", {account.email: "fileOrganizer"})
    body = {"parents": [shared.id]}
    assert refused(files.copy(fileId=made.document_id, body=body))[0] == 404
    copied = files.copy(
        fileId=made.document_id, body=body, supportsAllDrives=True, fields="id,driveId"
    ).execute()
    assert copied["driveId"] == shared.id
    assert refused(files.get(fileId=copied["id"]))[:2] == (404, "notFound")
    assert files.list().execute()["files"] != [copied]
    everywhere = {"supportsAllDrives": True, "includeItemsFromAllDrives": True}
    hits = files.list(**everywhere, corpora="drive", driveId=shared.id).execute()
    assert [f["id"] for f in hits["files"]] == [copied["id"]]
    code, reason, _ = refused(files.delete(fileId=copied["id"], supportsAllDrives=True))
    assert (code, reason) == (403, "insufficientFilePermissions")
    trash = {"body": {"trashed": True}, "supportsAllDrives": True}
    files.update(fileId=copied["id"], **trash).execute()


def test_drive_file_scope_sees_only_the_apps_own_files(
    server: GoogleServer, client: Client
):
    made = template(server, "x")
    narrow = client("drive", [DRIVE_FILE, DOCUMENTS]).files()
    assert refused(narrow.copy(fileId=made.document_id))[:2] == (404, "notFound")
    docs = client("docs", [DRIVE_FILE]).documents()
    assert refused(docs.get(documentId=made.document_id))[0] == 404
    own = docs.create(body={"title": "mine"}).execute()["documentId"]
    copied = narrow.copy(fileId=own, body={"name": "c"}).execute()
    assert copied["name"] == "c"
    assert len(narrow.list().execute()["files"]) == 2


def test_strangers_see_nothing_and_readers_do_not_write(
    server: GoogleServer, client: Client
):
    made = build.document("x")
    server.store.add(made, owner="owner@lab.example", roles={USER: "reader"})
    docs = client("docs").documents()
    answer = docs.get(documentId=made.document_id).execute()
    assert "revisionId" not in answer
    body = {"requests": [insert(1, "x")]}
    request = docs.batchUpdate(documentId=made.document_id, body=body)
    assert refused(request)[:2] == (403, "PERMISSION_DENIED")
    stranger = client("docs", user="no@lab.example").documents()
    assert refused(stranger.get(documentId=made.document_id))[0] == 404


def test_property_and_storage_limits(server: GoogleServer, client: Client):
    made = template(server, "x")
    files = client("drive").files()
    body = {"appProperties": {"k": "v" * 124}}
    assert refused(files.copy(fileId=made.document_id, body=body))[0] == 400
    server.store.full_accounts.add(USER)
    assert refused(files.copy(fileId=made.document_id))[1] == "storageQuotaExceeded"


def test_about_wants_fields(server: GoogleServer, client: Client):
    about = client("drive").about()
    assert refused(about.get())[0] == 400
    answer = about.get(fields="user(emailAddress)").execute()
    assert answer == {"user": {"emailAddress": USER}}


# -- export -------------------------------------------------------------------


def test_html_export_looks_like_googles(server: GoogleServer, client: Client):
    link = {"link": {"url": "https://lab.example/?a=1&b=2"}}
    made = template(
        server,
        build.heading("손실 & more"),
        build.Paragraph([Run("here", link), Run(" bold", {"bold": True})]),
        Table([["Key", "Value"]]),
        header=["{{left over}}"],
    )
    url = "https://plots.lab.example/a.png"
    server.docs.public_images[url] = b"png!"
    run(client, made, {"insertInlineImage": {"location": {"index": 1}, "uri": url}})
    export = client("drive").files().export
    page = export(fileId=made.document_id, mimeType="text/html").execute().decode()
    assert page.count("<style") == 1
    assert ".c0{" in page
    assert "&#49552;&#49892; &amp; more" in page
    assert (
        "https://www.google.com/url?q=https://lab.example/%3Fa%3D1%26b%3D2&amp;sa=D"
        in page
    )
    assert "data:image/png;base64," + base64.b64encode(b"png!").decode() in page
    assert "{{left over}}" in page
    assert '<td class="c' in page
    assert "<h1 class=" in page


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
def test_pdf_export_holds_the_text_korean_included(
    server: GoogleServer, client: Client, tmp_path: Path
):
    made = template(server, "검증 손실 0.42", Table([["val_loss", "0.9"]]))
    export = client("drive").files().export
    data = export(fileId=made.document_id, mimeType="application/pdf").execute()
    assert data.startswith(b"%PDF")
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    text = subprocess.run(
        ["pdftotext", path, "-"], capture_output=True, check=True
    ).stdout.decode()
    assert "검증 손실 0.42" in text
    assert "val_loss" in text


def test_exports_have_a_limit_and_known_formats(server: GoogleServer, client: Client):
    made = template(server, "x")
    export = client("drive").files().export
    server.drive.export_limit = 100
    request = export(fileId=made.document_id, mimeType="text/html")
    assert refused(request)[:2] == (403, "exportSizeLimitExceeded")
    assert refused(export(fileId=made.document_id, mimeType="x/y"))[0] == 400


# -- gmail --------------------------------------------------------------------


def test_messages_go_out_as_raw_and_as_uploads(server: GoogleServer, client: Client):
    import io

    from googleapiclient.http import MediaIoBaseUpload

    messages = client("gmail").users().messages()
    raw = base64.urlsafe_b64encode(MAIL + b"\xff\xfe").decode()
    sent = messages.send(userId="me", body={"raw": raw}).execute()
    assert sent["labelIds"] == ["SENT"]
    for body in (None, {"threadId": sent["threadId"]}):
        media = MediaIoBaseUpload(io.BytesIO(MAIL), "message/rfc822")
        messages.send(userId="me", body=body, media_body=media).execute()
    assert [mail.raw for mail in server.gmail.sent] == [MAIL + b"\xff\xfe", MAIL, MAIL]
    standard = {"raw": base64.b64encode(MAIL + b"\xff\xfe\xff\xbf").decode()}
    assert "+" in standard["raw"] or "/" in standard["raw"]
    assert refused(messages.send(userId="me", body=standard))[0] == 400
    nobody = base64.urlsafe_b64encode(b"Subject: x\r\n\r\n").decode()
    assert "Recipient" in refused(messages.send(userId="me", body={"raw": nobody}))[2]
    assert refused(messages.send(userId="you@x", body={"raw": raw}))[0] == 403


def test_a_thread_needs_id_references_and_subject(server: GoogleServer, client: Client):
    messages = client("gmail").users().messages()

    def send(headers: bytes, thread: str | None = None) -> str:
        raw = base64.urlsafe_b64encode(b"To: a@b.example\r\n" + headers).decode()
        body = {"raw": raw} | ({"threadId": thread} if thread else {})
        return messages.send(userId="me", body=body).execute()["threadId"]

    first = send(b"Subject: r\r\nMessage-ID: <1@lab.example>\r\n\r\n")
    reply = b"Subject: Re: r\r\nReferences: <1@lab.example>\r\n\r\n"
    assert send(reply, first) == first
    assert send(reply) != first
    assert (
        send(b"Subject: other\r\nReferences: <1@lab.example>\r\n\r\n", first) != first
    )
    assert send(b"Subject: r\r\n\r\n", first) != first


def test_a_sent_draft_is_gone_and_its_message_can_be_found(
    server: GoogleServer, client: Client
):
    server.gmail.replaces_message_ids = True
    users = client("gmail").users()
    mail = b"Message-ID: <r1@lab.example>\r\n" + MAIL
    body = {"message": {"raw": base64.urlsafe_b64encode(mail).decode()}}
    draft = users.drafts().create(userId="me", body=body).execute()["id"]
    assert users.drafts().get(userId="me", id=draft).execute()["id"] == draft
    assert (
        len(users.drafts().list(userId="me", q="subject:r1").execute()["drafts"]) == 1
    )
    assert server.gmail.sent == []
    users.drafts().send(userId="me", body={"id": draft}).execute()
    assert refused(users.drafts().get(userId="me", id=draft))[0] == 404
    assert refused(users.drafts().send(userId="me", body={"id": draft}))[0] == 404
    listed = users.messages().list
    query = "rfc822msgid:r1@lab.example"
    assert "messages" not in listed(userId="me", q=query).execute()
    (hit,) = listed(userId="me", q="r1 in:sent").execute()["messages"]
    got = users.messages().get(userId="me", id=hit["id"], format="raw").execute()
    stored = base64.urlsafe_b64decode(got["raw"])
    assert b"X-Google-Original-Message-ID: <r1@lab.example>" in stored
    assert server.gmail.sent[0].raw == mail
    assert users.getProfile(userId="me").execute()["emailAddress"] == USER


def test_metadata_scope_cannot_search(server: GoogleServer, client: Client):
    messages = client("gmail", [GMAIL + "metadata"]).users().messages()
    messages.list(userId="me").execute()
    assert refused(messages.list(userId="me", q="x"))[0] == 403


# -- quotas and faults --------------------------------------------------------


def test_docs_and_drive_say_too_fast_in_their_own_ways(
    server: GoogleServer, client: Client
):
    made = template(server, "x")
    server.quotas.docs_writes = 1
    server.quotas.retry_after = 3
    run(client, made, insert(1, "a"))
    body = {"requests": [insert(1, "b")]}
    update = client("docs").documents().batchUpdate
    request = update(documentId=made.document_id, body=body)
    assert refused(request)[:2] == (429, "RESOURCE_EXHAUSTED")
    server.advance(61)
    request.execute()
    server.quotas.drive_units = 100
    files = client("drive").files()
    files.copy(fileId=made.document_id).execute()
    files.copy(fileId=made.document_id).execute()
    assert refused(files.copy(fileId=made.document_id))[:2] == (
        403,
        "userRateLimitExceeded",
    )


@pytest.mark.parametrize(
    ("fault", "copies"),
    [
        (faults.drop(), 0),
        (faults.drop(applied=True), 1),
        (faults.drop(applied=True, reset=True), 1),
        (faults.truncate(), 1),
        (faults.hang(0.05), 0),
        (faults.hang(0.05, applied=True), 1),
        (faults.refuse(503, applied=True), 1),
        (faults.html_error(), 0),
        (faults.rate_limited(7), 0),
    ],
)
def test_faults_break_one_call_before_or_after_it_took_effect(
    server: GoogleServer, fault: faults.Fault, copies: int
):
    import requests

    made = template(server, "x")
    server.fail("drive.files.copy", fault, nth=2)
    path = f"/drive/v3/files/{made.document_id}/copy"
    assert post(server, path, {}).status_code == 200
    before = len(server.store.files)
    if fault.cut:
        with pytest.raises(requests.RequestException):
            post(server, path, {})
    else:
        answer = post(server, path, {})
        assert answer.status_code == fault.error.code
        if fault.error.retry_after:
            assert answer.headers["Retry-After"] == "7"
    assert len(server.store.files) - before == copies
    assert post(server, path, {}).status_code == 200
    assert [c.fault for c in server.calls] == ["", fault.name, ""]
    assert [c.applied for c in server.calls] == [True, bool(copies), True]


def test_httplib2_sends_a_dropped_post_twice_and_the_log_shows_it(
    server: GoogleServer, client: Client
):
    made = template(server, "x")
    server.fail("drive.files.copy", faults.drop(applied=True))
    files = client("drive").files()
    files.copy(fileId=made.document_id).execute(num_retries=0)
    assert server.count("drive.files.copy", applied_only=True) == 2


def test_a_hang_blocks_nobody_else(server: GoogleServer, client: Client):
    made = template(server, "x")
    hangs, may_go = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        may_go.wait()

    server.before("drive.files.get", hang)
    path = f"/drive/v3/files/{made.document_id}/copy"
    files = client("drive").files()
    slow = threading.Thread(target=files.get(fileId=made.document_id).execute)
    slow.start()
    hangs.wait()
    assert post(server, path, {}).status_code == 200
    assert slow.is_alive()
    may_go.set()
    slow.join()


def test_hooks_let_somebody_else_edit_between_two_calls(
    server: GoogleServer, client: Client
):
    made = template(server, "x")
    key = made.document_id
    server.before("drive.files.copy", lambda: server.edit(key, insert(1, "new ")))
    files = client("drive").files()
    before = files.get(fileId=key, fields="version").execute()
    copied = files.copy(fileId=key).execute()["id"]
    assert server.document(copied).text() == "new x\n"
    after = files.get(fileId=key, fields="version").execute()
    assert int(after["version"]) > int(before["version"])


def test_token_faults_and_revoked_access_tokens(
    server: GoogleServer, client: Client, tmp_path: Path
):
    from google.auth.exceptions import RefreshError

    _, credentials = service_credentials(server, tmp_path, scopes=[DRIVE])
    server.fail("token", faults.invalid_grant())
    with pytest.raises(RefreshError, match="invalid_grant"):
        refresh(credentials)
    refresh(credentials)
    files = client("drive", token=credentials.token).files()
    files.list().execute()
    server.auth.revoke_access()
    with pytest.raises(RefreshError, match="necessary fields"):
        files.list().execute()
    assert server.calls[-1].status == 401
    assert server.counter["token"] == 2
