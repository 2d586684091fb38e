"""Drawings as PNG: small, in the colours that they were drawn in."""

import pytest
from msgspec.structs import replace

import sample_reports
from mlreport_batch.render import charts, pdf, png
from mlreport_batch.report.drawn import Chart
from picture_files import pixels_of

SIZE = {"width": 344, "height": 172}
WHITE = b"\xff\xff\xff"


def banded(*names: str) -> Chart:
    chart = sample_reports.chart("loss", *names)
    return replace(chart, until=9000.0, planned=14000.0, planned_text="planned")


def test_a_drawing_is_opaque_white_at_twice_the_size_with_the_right_colours():
    square = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">'
        '<rect x="20" width="20" height="20" fill="#d55e00"/></svg>'
    )
    width, height, rows = pixels_of(pdf.write_png(square, width=40, height=20))
    assert (width, height) == (80, 40)
    assert rows[20][:3] == WHITE
    assert rows[20][-3:] == bytes.fromhex("d55e00")


def test_a_chart_fills_its_png():
    svg = charts.svg(sample_reports.chart(), **SIZE)
    data = pdf.write_png(svg, **SIZE)
    width, height, rows = pixels_of(data)
    assert (width, height) == (688, 344)
    blue = bytes.fromhex("0072b2")
    right = [row[-120 * 3 :] for row in rows]
    assert any(blue in row for row in right), "the latest point is at the right"
    assert rows[0] == rows[-1] == WHITE * width
    assert len(data) < 25_000


@pytest.mark.parametrize("count", range(1, charts.MAX_SERIES + 1))
def test_a_drawing_looks_as_it_was_drawn(count: int):
    svg = charts.svg(banded(*"abcdef"[:count]), **SIZE)
    found = b"".join(pixels_of(pdf.write_png(svg, **SIZE))[2])
    drawn = pixels_of(png.pack_png(pdf._pixels(svg, **SIZE), 688, 344))[2]
    apart = [abs(a - b) for a, b in zip(found, b"".join(drawn), strict=True)]
    assert sum(apart) / len(apart) < 1.5, "of 255, on average"
    assert max(apart) < 100, "where lines cross"
    if count > 2:
        assert max(apart) == 0, "with so many bands all colours are kept"


def test_tints_stay_as_they_are():
    shade = charts._shade(charts._Box(0, 0, 344, 172), 100, 200, "#5c6570")
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {_sized()}>{shade}</svg>'
    _, _, rows = pixels_of(pdf.write_png(svg, **SIZE))
    assert {rows[99][at : at + 3] for at in range(0, 688 * 3, 3)} == {
        WHITE,
        bytes(round(255 - (255 - value) * 0.08) for value in b"\x5c\x65\x70"),
    }


def _sized() -> str:
    return " ".join(f'{name}="{value}"' for name, value in SIZE.items())
