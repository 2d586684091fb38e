"""Evaluation results that are a matrix."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counting import counted
from mlreport_batch.report.grids import Grid, GridRow, grids_of

HARNESS = {
    "results/mmlu/acc,none": 0.4512,
    "results/mmlu/acc_stderr,none": 0.0041,
    "results/hellaswag/acc,none": 0.61,
    "results/hellaswag/acc_norm,none": 0.79231,
    "results/hellaswag/acc_stderr,none": 0.003,
    "versions/mmlu": 1.0,
}


def test_things_that_share_figures_are_rows_of_one_table():
    grids, rest = grids_of(HARNESS, "en")
    assert grids == (
        Grid(
            "results",
            ("acc,none", "acc_stderr,none", "acc_norm,none"),
            (
                GridRow("mmlu", ("0.4512", "0.0041", "")),
                GridRow("hellaswag", ("0.6100", "0.0030", "0.7923")),
            ),
        ),
    )
    assert rest == {"versions/mmlu": 1.0}


@pytest.mark.parametrize(
    ("language", "columns"), [("en", ("Test", "Validation")), ("ko", ("시험", "검증"))]
)
def test_figures_on_parts_of_the_data_have_a_column_each(
    language: str, columns: tuple[str, ...]
):
    names = ("test_latency_ms", "test_f1", "val_latency_ms", "val_f1")
    results = dict(zip(names, (12.0, 0.88, 9.5, 0.9), strict=True))
    (grid,), rest = grids_of({**results, "eval_f1": 0.5, "accuracy": 1.0}, language)
    assert grid.columns == columns
    assert grid.rows == (
        GridRow("latency_ms", ("12.0 ms", "9.5 ms")),
        GridRow("f1", ("0.88", "0.90")),
    )
    assert rest == {"eval_f1": 0.5, "accuracy": 1.0}, "a seat that is taken"


def test_metrics_over_many_classes_become_columns():
    results = {
        f"{metric}/class_{i}": value + i / 100
        for metric, value in (("precision", 0.5), ("latency", 2000.0))
        for i in range(6)
    }
    (grid,), _ = grids_of(results, "en")
    assert grid.columns == ("precision", "latency")
    assert grid.rows[1] == GridRow("class_1", ("0.51", "2000.0"))
    assert len(grid.rows) == 6


def test_what_shares_nothing_has_tables_of_its_own():
    results = {f"{row}/{column}": 1.0 for row in "ab" for column in "xy"}
    results |= {f"{row}/{column}": 2.0 for row in "cd" for column in "uv"}
    grids, rest = grids_of({**results, "e/x": 3.0, "a/z": 4.0}, "en")
    assert [grid.columns for grid in grids] == [("x", "y", "z"), ("u", "v")]
    assert rest == {"e/x": 3.0}


def test_texts_and_figures_alone_stay_results():
    results = {
        **dict.fromkeys(("a/x", "b/x", "/x", "y/"), 1.0),
        **dict.fromkeys(("a/t", "b/t"), "text"),
        **dict.fromkeys(("a/u", "b/u"), True),
        **dict.fromkeys(("a/v", "b/v"), 10**400),
        **dict.fromkeys(("a/w", "b/w"), None),
    }
    assert grids_of(results, "en") == ((), results)


NAMES = st.lists(st.sampled_from(["a", "val", "test", "f1", "loss"]), min_size=1)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES.map("/".join), st.floats(), max_size=12))
def test_no_figure_is_lost_and_none_is_told_twice(results: dict[str, float]):
    grids, rest = grids_of(results, "en")
    cells = [cell for grid in grids for row in grid.rows for cell in row.cells if cell]
    assert len(cells) + len(rest) == len(results)
    assert rest.items() <= results.items()
    for grid in grids:
        assert {len(row.cells) for row in grid.rows} == {len(grid.columns)}


@pytest.mark.parametrize("shared", [0, 1, 2])
def test_the_work_grows_as_the_results_do(shared: int):
    """Compared each with each, four times the rows would be sixteen times the work."""

    def work(rows: int) -> int:
        results = {
            f"row{n}/{column}": 0.5
            for n in range(rows)
            for column in ["a", "b"][:shared] + [f"c{n}", f"d{n}"][shared:]
        }
        calls, (grids, rest) = counted(lambda: grids_of(results, "en"))
        assert (len(grids), len(rest)) == ((1, 0) if shared == 2 else (0, 2 * rows))
        return calls

    assert work(2_000) < 10 * work(500)
