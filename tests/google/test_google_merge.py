"""Any template and any values: what stands in the document is what was meant."""

# ruff: noqa: ANN401, RUF001 - alphabets that look alike are the point

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import sample_reports as samples
from google_server import GoogleServer, build
from google_server.build import Paragraph, Run, Table, heading, person_chip
from google_server.docs_model import Document
from google_server.units import is_well_formed
from google_setup import USER
from lengths import examples
from mlreport_batch.google.document.merge import plan
from mlreport_batch.google.document.template import analyse, length
from mlreport_batch.render import placeholders
from mlreport_batch.render.placeholders import PLACEHOLDER
from mlreport_batch.report.model import (
    AlertRow,
    CheckpointRow,
    HparamRow,
    Report,
    Verdict,
)

BOLD = {"bold": True}
ITALIC = {"italic": True}
REPORT = samples.fine()


@pytest.fixture(scope="module")
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


def merged(server: GoogleServer, template: Document, report: Report) -> Document:
    """Merge *report* into *template*, checked by the server's document model."""
    server.store.add(template, owner=USER)
    found = analyse(template.to_json(USER, with_tabs=True))
    assert not found.problems
    requests = plan(found, report).requests
    if requests:
        server.docs.edit(template, requests)
    done = server.document(template.document_id)
    for tab in done.tabs:
        for segment in tab.segments.values():
            assert is_well_formed(segment.units)
    return done


def metrics(count: int) -> Report:
    return replace(
        REPORT, metrics=tuple(samples.metric(f"m{i}🚀", f"{i}.5") for i in range(count))
    )


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_row_is_repeated_for_each_metric(server: GoogleServer, count: int):
    table = Table(
        [
            ["Key", "Value", ""],
            ["{{key}}", "= {{value}} ({{best}})", "한글"],
            ["end", "", ""],
        ]
    )
    document = merged(
        server, build.document("{{run}} 🎉", table, "{{steps}}"), metrics(count)
    )
    assert document.table() == [
        ["Key", "Value", ""],
        *([f"m{i}🚀", f"= {i}.5 (0.3021)", "한글"] for i in range(count)),
        ["end", "", ""],
    ]
    assert document.text().startswith(f"{REPORT.run} 🎉\n")
    assert document.text().endswith(f"{REPORT.steps}\n")


def test_all_four_kinds_of_rows_are_repeated(server: GoogleServer):
    report = replace(
        REPORT,
        hparams=(
            HparamRow("optim.lr", "0.1", "0.01", Verdict.wrong, "0.2"),
            HparamRow("학습률🚀", "1", "", None),
        ),
        checkpoints=(CheckpointRow("a.ckpt", "1 MB", "1 min", "5", "best", True),),
        alerts=(AlertRow("nan", "x is NaN"), AlertRow("stall", "quiet")),
    )
    template = build.document(
        "",
        Table([["{{hparam}}", "{{value}}", "{{intended}}", "{{verdict}}", "{{was}}"]]),
        "",
        Table([["{{checkpoint}}", "{{size}} {{age}}", "{{step}}", "{{mark}}"]]),
        "",
        Table([["{{alert}}: {{text}} in {{run}}"]]),
        "",
    )
    document = merged(server, template, report)
    rows = placeholders.rows(report)
    assert document.table(0) == [list(row.values()) for row in rows["hparam"]]
    assert document.table(1) == [["a.ckpt", "1 MB 1 min", "5", "best"]]
    assert document.table(2) == [
        [f"{row['alert']}: {row['text']} in {report.run}"] for row in rows["alert"]
    ]


def test_two_repeated_rows_share_a_table(server: GoogleServer):
    table = Table([["{{key}}"], ["between {{run}}"], ["{{alert}}"], ["{{key}} again"]])
    report = replace(metrics(3), alerts=(AlertRow("nan", ""),) * 2)
    document = merged(server, build.document("", table, ""), report)
    kind = placeholders.rows(report)["alert"][0]["alert"]
    keys = [f"m{i}🚀" for i in range(3)]
    assert document.table() == [
        *([key] for key in keys),
        [f"between {report.run}"],
        [kind],
        [kind],
        *([f"{key} again"] for key in keys),
    ]


def test_table_of_a_repeated_row_alone_goes_when_there_is_nothing(server: GoogleServer):
    table = Table([["{{alert}}", "{{text}}"]])
    document = merged(
        server, build.document("before", table, "after"), replace(REPORT, alerts=())
    )
    assert document.text() == "before\nafter\n"


def test_heading_and_head_go_with_a_table_that_has_nothing(server: GoogleServer):
    document = merged(
        server,
        build.document(
            "before",
            heading("Alerts"),
            Table([["Kind", "Text"], ["{{alert}}", "{{text}}"]]),
            "between",
            heading("Alerts of {{run}}"),
            Table([["Kind"], ["{{alert}}"]]),
            "no heading",
            Table([["Kind"], ["{{alert}}"], ["a last row"]]),
            heading("Values"),
            Table([["Key"], ["{{key}}"]]),
            "after",
        ),
        replace(metrics(1), alerts=()),
    )
    assert shown(document) == [
        *("before", "between", f"Alerts of {REPORT.run}", "no heading"),
        [["Kind"], ["a last row"]],
        "Values",
        [["Key"], ["m0🚀"]],
        "after",
    ]


def test_headers_footers_and_tabs_are_filled(server: GoogleServer):
    template = build.document(
        "{{run}}",
        header=["{{host}} 머리말 {{date}}", Table([["{{key}}"]]), ""],
        footer=["{{time}}"],
        tabs=[["{{status}}", Table([["{{key}}", "{{value}}"]]), ""]],
    )
    document = merged(server, template, metrics(2))
    tab = document.tabs[0]
    (header,), (footer,) = tab.headers, tab.footers
    assert (
        document.text(header) == f"{REPORT.host} 머리말 {REPORT.date}\nm0🚀\nm1🚀\n\n"
    )
    assert document.text(footer) == f"{REPORT.time}\n"
    second = "".join(u.char for u in document.tabs[1].segments[""].units)
    assert second.startswith(f"{REPORT.status_text}\n")
    assert "0.5" in second


def test_placeholder_over_several_runs_takes_the_style_of_its_name(
    server: GoogleServer,
):
    runs = ["a {{", Run("ru", BOLD), Run("n", ITALIC), "}} b"]
    document = merged(server, build.document(Paragraph(runs), ""), REPORT)
    assert document.text() == f"a {REPORT.run} b\n\n"
    body = document.tabs[0].to_json(run_length=None)["body"]["content"]
    styles = {
        part["textRun"]["content"].strip(): part["textRun"]["textStyle"]
        for part in body[1]["paragraph"]["elements"]
    }
    assert styles[REPORT.run] == BOLD
    assert styles["a"] == styles["b"] == {}


def test_runs_cut_anywhere_make_no_difference(server: GoogleServer):
    for size in (1, 2, 3, 7):
        template = build.document("x {{run}} y {{date}} 🎉", Table([["{{key}}"]]), "")
        template.run_length = size
        document = merged(server, template, metrics(2))
        assert document.text().startswith(f"x {REPORT.run} y {REPORT.date} 🎉\n")
        assert document.table() == [["m0🚀"], ["m1🚀"]]


def test_repeated_rows_keep_the_style_of_their_model(server: GoogleServer):
    cell = Paragraph([Run("{{key}}", BOLD), " is ", Run("{{value}}!", ITALIC)])
    document = merged(server, build.document("", Table([[cell]]), ""), metrics(3))
    table = document.tabs[0].to_json(run_length=None)["body"]["content"][2]["table"]
    for number, row in enumerate(table["tableRows"]):
        runs = [
            (
                part["textRun"]["content"].removesuffix("\n"),
                part["textRun"]["textStyle"],
            )
            for part in row["tableCells"][0]["content"][0]["paragraph"]["elements"]
        ]
        assert [run for run in runs if run[0]] == [
            (f"m{number}🚀", BOLD),
            (" is ", {}),
            (f"{number}.5!", ITALIC),
        ]


def test_several_paragraphs_in_a_repeated_cell_stay_apart(server: GoogleServer):
    cell = ["{{key}}", "", "{{value}}"]
    document = merged(server, build.document("", Table([[cell, "x"]]), ""), metrics(2))
    assert document.table() == [["m0🚀\n\n0.5", "x"], ["m1🚀\n\n1.5", "x"]]


HOSTILE = [
    "{{run}}",
    "{{ key }} {{date}}",
    "{{",
    "}}",
    "a\x00b\x07c\x1fd",
    "\ue000private\uf8ff",
    "line\r\nand\nline\u2028and\rline",
    "\ud800lone",
    "🎉👩‍👩‍👧‍👦𝔘",
    "\x01\x02",
    "\t tab",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_value_is_put_in_as_it_is_and_never_expanded(server: GoogleServer, value: str):
    report = replace(
        metrics(2),
        purpose=value,
        metrics=(samples.metric(value, value), samples.metric("next", "1")),
    )
    template = build.document(
        "[{{purpose}}] {{run}}", Table([["{{key}}", "{{value}}"]]), "{{date}}"
    )
    document = merged(server, template, report)
    shown = clean(value)
    lines = document.text().split("\n")
    assert lines[0] == f"[{shown}] {report.run}"
    assert document.table()[0][0] == shown
    assert document.table()[1] == ["next", "1"]
    assert lines[-2] == report.date


def clean(value: str) -> str:
    """What Docs shows of a value, by the list in its documentation."""
    text = value.replace("\r\n", "\x0b")
    out = ""
    for char in text:
        if char in "\r\n\u2028":
            out += "\x0b"
        elif "\ud800" <= char <= "\udfff":
            out += "\ufffd"
        elif not (
            char <= "\x08" or "\x0c" <= char <= "\x1f" or "\ue000" <= char <= "\uf8ff"
        ):
            out += char
    return out


def test_leftovers_and_braces_of_values_are_expected():
    template = build.document("{{purpose}} {brace}", Table([["{{key}}"]]), "")
    found = analyse(template.to_json(USER, with_tabs=True))
    report = replace(REPORT, purpose="{{run}}", metrics=(samples.metric("{{x}} {"),))
    made = plan(found, report)
    assert made.leftovers == 2
    assert made.braces == 2 + 4 + 5


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (Table([["a", "b"], ["{{key}}", ""]], spans={(0, 0): (1, 2)}), "merged cells"),
        (Table([[["", Table([["{{key}}"]]), ""]]]), "inside another table"),
        (Table([[["{{key}}", Table([["x"]]), ""]]]), "holds another table"),
        (Table([[Paragraph(["{{key}}", person_chip("a@b.example")])]]), "chip"),
    ],
)
def test_rows_that_cannot_be_repeated_are_named(table: Table, why: str):
    template = build.document("{{run}}", table, "")
    found = analyse(template.to_json(USER, with_tabs=True))
    assert len(found.problems) == 1
    assert why in found.problems[0]
    assert "{{key}}" in found.problems[0]


def test_merged_cells_and_nested_tables_take_single_values(server: GoogleServer):
    nested = ["{{run}}", Table([["{{date}}"]]), ""]
    table = Table([["{{time}}", ""], [nested, "{{host}}"]], spans={(0, 0): (1, 2)})
    document = merged(server, build.document("", table, ""), REPORT)
    text = document.text()
    for value in (REPORT.run, REPORT.date, REPORT.time, REPORT.host):
        assert value in text


def test_unknown_names_show_a_dash(server: GoogleServer):
    document = merged(server, build.document("{{nope}} {{metric:absent}}", ""), REPORT)
    assert document.text() == "— —\n\n"


def test_long_tables_are_cut_and_it_is_said():
    template = build.document("", Table([["{{key}}"]]), "")
    found = analyse(template.to_json(USER, with_tabs=True))
    made = plan(found, samples.many(500))
    inserted = [request for request in made.requests if "insertTableRow" in request]
    assert len(inserted) == 199
    assert any("500" in note for note in made.cuts)


# -- against an oracle ------------------------------------------------------------


TEXT = st.text(
    st.sampled_from("ab {}\t한글é🎉𝔘—")
    | st.characters(codec="utf-8", exclude_categories=("Cc", "Co", "Cs", "Zl", "Zp")),
    max_size=12,
)
NAMES = st.sampled_from(
    ["run", "date", "purpose", "metric:m0🚀", "nope", "key", "value"]
)
PIECES = st.lists(TEXT | NAMES.map(lambda name: f"{{{{{name}}}}}"), max_size=4)
SINGLE = st.sampled_from(["run", "date", "purpose", "nope"]).map(
    lambda n: f"{{{{{n}}}}}"
)


@st.composite
def paragraphs(draw: st.DrawFn, names: Any = PIECES) -> Paragraph:
    """A paragraph cut into runs of changing style anywhere."""
    text = "".join(draw(names)).replace("\n", "")
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    styles = [draw(st.sampled_from([{}, BOLD, ITALIC])) for _ in range(len(cuts) + 1)]
    bounds = [0, *cuts, len(text)]
    runs = [
        Run(text[a:b], style)
        for a, b, style in zip(bounds, bounds[1:], styles, strict=False)
        if a < b
    ]
    return Paragraph(runs)


@st.composite
def grids(draw: st.DrawFn) -> Table:
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return Table([[draw(paragraphs()) for _ in range(columns)] for _ in range(rows)])


@st.composite
def bodies(draw: st.DrawFn) -> list[Any]:
    blocks: list[Any] = []
    for block in draw(st.lists(paragraphs() | grids(), max_size=5)):
        if isinstance(block, Table):
            above = "".join(draw(PIECES)).replace("\n", "")
            blocks += [draw(st.sampled_from(["", heading(above)])), block, ""]
        else:
            blocks.append(block)
    return blocks or [""]


def text_of(paragraph: Any) -> str:
    runs = (run if isinstance(run, str) else run.text for run in paragraph.runs)
    return "".join(runs)


def goes_with_its_last_row(table: Table) -> bool:
    """Whether the other rows of *table* only head the one that is repeated."""
    names = [
        [n for cell in row for n in placeholders.parse(text_of(cell))]
        for row in table.rows
    ]
    return "key" in names[-1] and not any(names[:-1])


def expected(
    blocks: Sequence[Any],
    singles: Mapping[str, str],
    rows: Mapping[str, Sequence[Mapping[str, str]]],
) -> list[Any]:
    """What a person with a pencil would write: paragraphs and tables."""
    out: list[Any] = []
    for number, block in enumerate(blocks):
        if isinstance(block, Table):
            grid: list[Any] = []
            if not rows["key"] and goes_with_its_last_row(block):
                above = blocks[number - 1]
                if isinstance(above, Paragraph) and not placeholders.parse(
                    text_of(above)
                ):
                    out.pop()
                continue
            for row in block.rows:
                cells = [text_of(cell) for cell in row]
                names = [n for cell in cells for n in placeholders.parse(cell)]
                if "key" in names:
                    grid += [
                        [placeholders.fill(c, {**singles, **values}) for c in cells]
                        for values in rows["key"]
                    ]
                else:
                    grid.append([placeholders.fill(c, singles) for c in cells])
            out.append(grid)
        else:
            text = block if isinstance(block, str) else text_of(block)
            out.append(placeholders.fill(text, singles))
    return out


def shown(document: Document) -> list[Any]:
    out: list[Any] = []
    number = 0
    for element in document.tabs[0].to_json(run_length=None)["body"]["content"]:
        if "table" in element:
            out.append(document.table(number))
            number += 1
        elif "paragraph" in element:
            runs = element["paragraph"]["elements"]
            text = "".join(run["textRun"]["content"] for run in runs)
            out.append(text.removesuffix("\n"))
    return out


@pytest.mark.no_cover
@settings(max_examples=examples(300), deadline=None)
@given(
    blocks=bodies(), count=st.integers(0, 4), purpose=TEXT, run_length=st.integers(0, 3)
)
def test_any_template_reads_as_filled_by_hand(
    server: GoogleServer, blocks: list[Any], count: int, purpose: str, run_length: int
):
    report = replace(metrics(count), purpose=purpose)
    template = build.document(*blocks)
    # Nobody ever saw the service cut a pair of surrogates in two.
    is_plain = all(u.char < "\ud800" for u in template.tabs[0].segments[""].units)
    template.run_length = run_length if run_length and is_plain else None
    document = merged(server, template, report)
    want = expected(blocks, placeholders.values(report), placeholders.rows(report))
    want = [block for block in want if block != []]
    got = shown(document)
    if got and got[-1] == "" and len(got) == len(want) + 1:
        got.pop()  # a body ends with a paragraph
    assert got == want
    del server.store.files[template.document_id]


@given(text=st.text(st.characters(codec="utf-8")))
def test_length_counts_as_docs_does(text: str):
    assert length(text) == len(text.encode("utf-16-le")) // 2


@pytest.mark.no_cover
@settings(max_examples=examples(200), deadline=None)
@given(blocks=bodies(), count=st.integers(0, 3))
def test_what_the_export_is_compared_with_is_what_it_shows(
    server: GoogleServer, blocks: list[Any], count: int
):
    from google_server.export import to_html
    from mlreport_batch.google.document.make import problem_of
    from mlreport_batch.google.export import clean as export_clean

    template = build.document(*blocks)
    found = analyse(template.to_json(USER, with_tabs=True))
    made = plan(found, metrics(count))
    document = merged(server, template, metrics(count))
    tree = export_clean.inline(to_html(document).decode())
    assert problem_of(tree, made) == ""
    text = (tree.first("body") or tree).text()
    assert len(PLACEHOLDER.findall(text)) == made.leftovers
    del server.store.files[template.document_id]
