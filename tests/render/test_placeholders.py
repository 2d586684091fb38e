"""The vocabulary of templates, and filling an HTML template safely."""

from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

import sample_reports
from mlreport_batch.render import placeholders
from mlreport_batch.render.placeholders import fill_html
from mlreport_batch.report.model import BoardRow, Comparison, HparamRow, Verdict

FINE = sample_reports.fine()


def test_parse_names_each_placeholder_once_in_order():
    text = "{{ run }} {{metric:val/loss:best}} {{run}} {{}} {x} {{a{b}} {{date}}"
    assert placeholders.parse(text) == ["run", "metric:val/loss:best", "date"]


def test_unknown_names_are_those_no_run_can_fill():
    names = ["date", "metric:x", "metric:", "hparam:lr:intended", "key", "dat", "text"]
    assert placeholders.unknown(names) == ["metric:", "dat"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("date", "2019 December 27"),
        ("run", "vision/resnet50-cosine/seed_3"),
        ("project", "experiments"),
        ("status", "running, last row 2 min ago"),
        ("steps", "12,000 of 50,000"),
        ("host", "gpu-07"),
        ("metric:val_loss", "0.3412"),
        ("metric:val_loss:best", "0.3021"),
        ("metric:val_loss:min", "0.3021"),
        ("metric:val_loss:max", "2.4107"),
        ("metric:val_loss:step", "12,000"),
        ("metric:val_loss:delta", "-0.0123"),
        ("metric:optimizer/learning_rate:best", "—"),
        ("hparam:optimizer.lr", "0.001"),
        ("hparam:optimizer.lr:intended", "0.001"),
        ("hparam:model.depth:intended", "—"),
    ],
)
def test_values_of_the_vocabulary(name: str, expected: str):
    assert placeholders.values(FINE)[name] == expected


def test_the_place_in_the_group_and_the_end_are_said():
    def row(rank: str, run: str, *, is_this: bool = False) -> BoardRow:
        texts = dict.fromkeys(("value", "gap", "status", "note", "settings"), "")
        return BoardRow(rank=rank, run=run, cells=(), is_this=is_this, **texts)

    rows = (row("1", "run_0"), row("2", "run_3", is_this=True))
    board = Comparison("sweep", "loss", "", (), (), rows, 8)
    report = replace(FINE, share=0.249, left="3 h left", comparison=board)
    values = placeholders.values(report)
    assert (values["rank"], values["leader"]) == ("2 / 8", "run_0")
    assert (values["progress"], values["eta"]) == ("24 %", "3 h left")
    alone = placeholders.values(replace(FINE, share=None, comparison=None))
    assert {alone[name] for name in ("rank", "leader", "progress")} == {"—"}


def test_a_metric_really_called_like_a_facet_wins():
    rows = (sample_reports.metric("loss"), sample_reports.metric("loss:best", "42"))
    report = replace(FINE, metrics=rows)
    assert placeholders.values(report)["metric:loss:best"] == "42"


def test_rows_have_every_documented_column():
    for kind, rows in placeholders.rows(sample_reports.alarming()).items():
        assert rows
        for row in rows:
            assert set(row) == set(placeholders.ROWS[kind])
    assert placeholders.rows(FINE)["checkpoint"][0]["mark"] == "best"
    assert placeholders.rows(FINE)["key"][0]["trend"] == "better"
    assert placeholders.rows(sample_reports.alarming())["hparam"][0] == {
        "hparam": "optimizer.lr",
        "value": "0.01",
        "intended": "0.001",
        "verdict": "differs",
        "was": "0.001",
    }


def test_the_papers_template_is_filled():
    template = (
        "<p>{{date}}</p><p>Notification {{notification}}</p><h1>History Table</h1>"
        "<table><tr><th>Key</th><th>Value</th></tr>"
        "<tr><td>{{key}}</td><td>{{value}}</td></tr></table>"
    )
    filled = fill_html(template, FINE)
    assert filled.startswith("<p>2019 December 27</p><p>Notification val_loss 0.3412,")
    assert "<tr><th>Key</th><th>Value</th></tr><tr><td>val_loss</td>" in filled
    assert "<tr><td>train_accuracy</td><td>0.9317</td></tr>" in filled
    assert filled.count("<tr>") == 1 + len(FINE.metrics)


def test_rows_without_end_tags_are_repeated():
    template = "<table><tr><th>Key<tr><td>{{key}}<td>{{value}}</table><p>{{host}}"
    filled = fill_html(template, FINE)
    assert filled.count("<tr><td>") == len(FINE.metrics)
    assert filled.endswith("</table><p>gpu-07")


def test_only_the_innermost_row_is_repeated():
    template = (
        "<table><tr><td>once {{run}}<table><tr><td>{{key}}</td></tr></table>"
        "</td></tr></table>"
    )
    filled = fill_html(template, FINE)
    assert filled.count("once") == 1
    assert filled.count("<tr>") == 1 + len(FINE.metrics)


def test_a_repeated_row_of_nothing_vanishes():
    template = "<table><tr><td>{{alert}}</td><td>{{text}}</td></tr></table>"
    assert fill_html(template, FINE) == "<table></table>"


def test_each_kind_of_row_is_repeated_for_its_own():
    template = (
        "<table><tr><td>{{alert}}: {{text}}<tr><td>{{hparam}}={{value}}"
        "<tr><td>{{checkpoint}} {{size}}</table>"
    )
    filled = fill_html(template, sample_reports.alarming())
    assert "Diverged: train_loss is NaN" in filled
    assert "<td>optimizer.lr=0.01" in filled
    assert "checkpoints/last.ckpt 102.4 MB" in filled


def test_unknown_and_empty_show_a_dash():
    template = "{{nope}} {{metric:nope:best}} {{metric:optimizer/learning_rate:best}}"
    assert fill_html(template, FINE) == "— — —"


def test_a_value_is_escaped_and_never_scanned_again():
    report = replace(FINE, run="{{host}}<b>&\"'", headline="{{run}}")
    filled = fill_html("<p>{{run}}</p><i>{{notification}}</i>", report)
    assert filled == ("<p>{{host}}&lt;b&gt;&amp;&quot;&#x27;</p><i>{{run}}</i>")


@pytest.mark.parametrize(
    "template",
    [
        '<a href="{{run}}">x</a>',
        "<a href={{run}}>x</a>",
        "<img title='{{run}}' src=x>",
        "<script>var x = '{{run}}';</script>",
        "<style>p { color: {{run}} }</style>",
        "<!-- {{run}} -->",
        "<svg onload='{{run}}'>",
        "<p {{run}}>x</p>",
        "<script>{{run}}",
        "<p title='{{run}}",
    ],
)
def test_outside_of_text_a_value_never_appears(template: str):
    report = replace(FINE, run="javascript:alert(1)")
    assert fill_html(template, report) == template.replace("{{run}}", "—")


def test_a_title_is_text():
    filled = fill_html("<title>{{run}}</title>", sample_reports.hostile())
    assert filled.count("<") == 2


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


def test_hostile_values_add_no_element():
    template = (
        "<p>{{run}} {{status}} {{notification}}</p><table><tr><td>{{key}}</td>"
        "<td>{{value}}</td></tr><tr><td>{{alert}}<td>{{text}}</table>"
    )
    parser = Elements()
    parser.feed(fill_html(template, sample_reports.hostile()))
    assert set(parser.seen) == {"p", "table", "tr", "td"}


def test_status_is_said_and_not_only_its_evidence():
    report = replace(sample_reports.fine(), status_text="last row 2 min ago")
    assert placeholders.values(report)["status"] == "running last row 2 min ago"
    report = replace(report, language="ko", status_text="")
    assert placeholders.values(report)["status"] == "실행 중"


@pytest.mark.parametrize("verdict", [None, *Verdict])
def test_verdict_stands_only_beside_what_was_intended(verdict: Verdict | None):
    row = HparamRow("lr", "0.1", "", verdict)
    report = replace(sample_reports.fine(), hparams=(row,))
    [found] = placeholders.rows(report)["hparam"]
    is_compared = verdict not in (None, Verdict.extra)
    assert (found["verdict"] != placeholders.MISSING) == is_compared


def test_fill_replaces_in_plain_text_in_one_pass():
    found = {"a": "{{b}}", "b": "2"}
    assert placeholders.fill("{{a}} {{b}} {{c}}", found) == "{{b}} 2 —"
