"""The plain-text twin: the same figures, aligned in any script."""

import pytest
from msgspec.structs import replace

import sample_reports
from mlreport_batch.language.say import say
from mlreport_batch.render import columns, plain
from mlreport_batch.report.model import AlertRow, Fact, Report


@pytest.mark.parametrize(
    ("text", "wide"),
    [("abc", 3), ("손실", 4), ("損失a", 5), ("e\u0301", 1), ("🚀", 2), ("", 0)],
)
def test_width_counts_terminal_columns(text: str, wide: int):
    assert columns.width(text) == wide


def history_line(report: Report, key: str):
    """Return the line with the figures of *key*; a long key stands above it."""
    lines = plain.write(report).splitlines()
    lines = lines[lines.index(say(report.language, "part.metrics")) :]
    at = next(i for i, one in enumerate(lines) if f"{one} ".startswith(f"{key} "))
    return lines[at + 1] if lines[at] == key else lines[at]


@pytest.mark.parametrize(
    "report",
    [sample_reports.fine(), sample_reports.alarming(), sample_reports.korean()],
    ids=["fine", "alarming", "korean"],
)
def test_every_metric_stands_with_value_best_and_change_on_one_line(report: Report):
    for row in report.metrics:
        line = history_line(report, row.key)
        for figure in (row.value, row.step, row.delta, row.best):
            assert figure in line


def test_figures_end_in_the_same_column_beside_hangul():
    report = sample_reports.korean()
    ends = set()
    for row in report.metrics:
        line = history_line(report, row.key)
        ends.add(columns.width(line[: line.index(row.value) + len(row.value)]))
    assert len(ends) == 1


def test_lines_stay_within_78_columns():
    for report in (sample_reports.fine(), sample_reports.korean()):
        for line in plain.write(report).splitlines():
            assert columns.width(line) <= columns.COLUMNS, line


def test_a_long_name_takes_a_line_of_its_own():
    long = "encoder/" + "layer_" * 12 + "norm"
    report = replace(
        sample_reports.fine(),
        metrics=(sample_reports.metric("loss"), sample_reports.metric(long, "0.7777")),
    )
    lines = plain.write(report).splitlines()
    at = lines.index(long)
    assert "0.7777" in lines[at + 1]
    short = next(line for line in lines if line.startswith("loss "))
    assert short.index("0.3412") == lines[at + 1].index("0.7777")


def test_alerts_and_wrong_hparams_come_before_the_metrics():
    text = plain.write(sample_reports.alarming())
    order = [
        "train_loss is NaN since step 11,200; optimizer.lr",
        "! Stalled: No new rows for 6 h",
        "optimizer.lr            0.001     0.01 (was 0.001)",
        "optimizer.weight_decay  0.05      not found",
        "Metrics",
        "Checkpoints",
        "metrics.csv:1204",
        "12 checkpoints older",
    ]
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)


def test_a_table_leaves_out_columns_without_any_value():
    first = replace(
        sample_reports.fine(), metrics=(sample_reports.metric("a", delta=""),)
    )
    assert "Change" not in plain.write(first)
    assert "Change" in plain.write(sample_reports.fine())


def test_a_report_without_metrics_says_so():
    assert "No metrics yet." in plain.write(sample_reports.bare())


def test_more_rows_than_fit_are_cut_and_said():
    text = plain.write(sample_reports.many(5000))
    assert "metric_599 " in text
    assert "metric_601" not in text
    assert "Showing 600 of 5,000 metrics" in text


def test_long_texts_fold_at_spaces():
    report = replace(sample_reports.fine(), headline="word " * 60)
    lines = [x for x in plain.write(report).splitlines() if x.startswith("word word")]
    assert len(lines) == 4
    assert sum(line.count("word") for line in lines) == 60


def test_a_digest_tells_what_is_wrong_then_a_line_a_run_worst_first():
    text = plain.write(sample_reports.digest())
    table = text[: text.index("-" * 78)]
    assert table.index("! vision/resnet50-linear") < table.index("All runs")
    runs = table[table.index("All runs") :]
    assert runs.index("resnet50-linear") < runs.index("resnet50-cosine")
    assert text.count("-" * 78) == 1  # details of the one that needs somebody


def test_runs_that_need_one_thing_are_told_together_and_one_of_them_in_full():
    silent = AlertRow("stall", "silent for 2 h")
    stalled = [
        replace(sample_reports.fine(), rid=f"r{n}", run=f"a/r{n}", alerts=(silent,))
        for n in range(9)
    ]
    one = replace(sample_reports.fine(), rid="x", run="a/x", status="failed")
    digest = replace(sample_reports.digest(), reports=(*stalled, one))
    text = plain.write(digest)
    assert "! a/r0, a/r1, a/r2 and 6 more: Stalled: silent for 2 h" in text
    assert "! a/x: failed" in text
    assert text.count("-" * 78) == 2
    assert "Details of 2 of 10 runs; the others are in the table." in text
    other = replace(stalled[1], alerts=(AlertRow("stall", "silent for 3 h"),))
    text = plain.write(replace(digest, reports=(stalled[0], other, *stalled[2:])))
    assert "and 6 more: Stalled; a/r0: silent for 2 h" in text


def test_a_digest_of_very_many_runs_is_cut_and_said():
    text = plain.write(sample_reports.digest(count=800))
    assert "Listing 750 of 800 runs" in text


def test_a_fact_without_a_value_does_not_fail():
    report = replace(sample_reports.fine(), facts=(Fact("only a key", ""),))
    assert "only a key" in plain.write(report)


def test_results_that_are_a_matrix_are_a_table():
    lines = plain.write(sample_reports.fine()).splitlines()
    at = lines.index("Results") + 2
    assert lines[at : at + 4] == [
        "per_class  precision  recall  f1-score  support",
        "cat             0.50    0.53      0.56     0.59",
        "big dog         0.57    0.60      0.63     0.66",
        "macro avg       0.64    0.67      0.70",
    ]
