"""The table of metrics, the small curves in it, and tables of results."""

import pytest

from mlreport_batch.render.sparks import HERO, INK, ROW, spark
from mlreport_batch.render.tables import (
    PAPER,
    PHONE,
    TERMINAL,
    Medium,
    bands,
    tabulated,
)
from mlreport_batch.report.grids import Grid, GridRow
from sample_reports import grid, metric


def test_each_metric_has_one_cell_and_lines_keep_their_order():
    rows = [
        metric("lr"),
        metric("val_loss", family="loss", part="val"),
        metric("f1"),
        metric("loss", family="loss", part="train"),
        metric("test/acc", family="acc", part="test"),
        metric("other_loss", family="loss", part="train"),
    ]
    table = tabulated(rows)
    assert table.parts == ["train", "val", "test"]
    assert [line.label for line in table.families] == ["loss", "acc"]
    assert [line.label for line in table.singles] == ["lr", "f1", "other_loss"]
    lines = [*table.families, *table.singles]
    shown = [row.key for line in lines for row in line.cells.values()]
    assert sorted(shown) == sorted(row.key for row in rows)
    assert table.line_of(rows[3]).row is rows[1], "what was not trained on speaks"


def test_a_line_names_metrics_that_its_label_and_column_do_not():
    table = tabulated(
        [
            metric("train_loss_epoch", family="loss", part="train"),
            metric("val/loss", family="loss", part="val"),
        ]
    )
    assert table.families[0].names == ["train_loss_epoch"]


def test_a_small_curve_shows_gaps_and_the_last_number():
    drawn = spark([[3.0, 2.0, None, 1.0, None]], ROW)
    assert drawn.count("M") == 2
    assert '<circle cx="52.5"' in drawn


def test_curves_of_one_line_share_their_height_and_the_last_is_strong():
    drawn = spark([[0.0, 0.0], [2.0, 1.0]], HERO)
    assert drawn.index('stroke-opacity="0.45"') < drawn.index('stroke-opacity="1.0"')
    assert "M3.0 49.0L147.0 49.0" in drawn.replace(" L", "L"), "the lowest of both"
    assert "fill-opacity" in drawn


def test_a_curve_of_nothing_or_of_infinities_is_drawn_all_the_same():
    for curves in ([], [[None, None]], [[1.0, 1.0]], [[-1e308, 1e308]]):
        assert spark(curves, ROW).endswith("</svg>")
    assert "nan" not in spark([[float("nan"), float("inf"), 1.0]], ROW)


def light(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_small_curves_can_be_told_from_a_light_and_a_dark_ground():
    for ground in ("#ffffff", "#1a1d21"):
        first, second = sorted((light(INK), light(ground)))
        assert (second + 0.05) / (first + 0.05) >= 3


@pytest.mark.parametrize(
    ("medium", "columns"), [(PHONE, 4), (PAPER, 9), (TERMINAL, 5)], ids=str
)
def test_columns_stand_side_by_side_as_long_as_there_is_room(
    medium: Medium, columns: int
):
    whole = grid("t", ("a", "b"), [f"column_{i}" for i in range(9)])
    parts = list(bands(whole, medium))
    assert len(parts[0][0]) == columns
    assert tuple(name for names, _ in parts for name in names) == whole.columns
    for at, row in enumerate(whole.rows):
        pieces = [rows[at] for _, rows in parts]
        assert {piece.key for piece in pieces} == {row.key}
        assert tuple(cell for piece in pieces for cell in piece.cells) == row.cells


def test_a_figure_that_is_too_wide_has_a_column_of_its_own():
    wide = Grid("", ("a", "b"), (GridRow("key", ("1" * 40, "2" * 40)),))
    assert [names for names, _ in bands(wide, PHONE)] == [("a",), ("b",)]
