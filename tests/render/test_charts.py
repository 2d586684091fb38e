"""The drawing of charts: gaps, bands, marks, hostile names."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import sample_reports
from mlreport_batch.render import axes, charts
from mlreport_batch.report.drawn import Chart, DrawnCurve

SVG = "{http://www.w3.org/2000/svg}"


def series(
    values: Sequence[float | None],
    key: str = "loss",
    steps: Sequence[float] = (),
    highs: Sequence[float | None] = (),
):
    values = tuple(values)
    return DrawnCurve(
        key,
        tuple(steps or [float(i) for i in range(len(values))]),
        values,
        tuple(highs or values),
        "1",
    )


def parse(*members: DrawnCurve):
    return ET.fromstring(charts.svg(Chart("title", members)))


def lines(root: ET.Element):
    return [p for p in root.iter(f"{SVG}path") if p.get("stroke-width") == "2"]


def bands(root: ET.Element):
    return [p for p in root.iter(f"{SVG}path") if p.get("fill-opacity")]


def texts(root: ET.Element):
    return [t.text for t in root.iter(f"{SVG}text")]


def test_a_gap_breaks_the_line_instead_of_bridging_it():
    whole = lines(parse(series([3, 2, 1, 2, 3])))
    broken = lines(parse(series([3, 2, None, 2, 3])))
    assert (len(whole), len(broken)) == (1, 2)


def test_a_lone_point_is_a_dot():
    root = parse(series([0.5]))
    assert not lines(root)
    assert len(list(root.iter(f"{SVG}circle"))) == 1
    between = parse(series([1, None, 2, None, 3, 3.5]))
    assert len(list(between.iter(f"{SVG}circle"))) == 2


def test_the_band_appears_only_where_buckets_hold_more_than_one_value():
    assert not bands(parse(series([1, 2, 3])))
    assert len(bands(parse(series([1, 2, 3], highs=[1.5, 2.5, 3.5])))) == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 125.0], True),
        ([0.0, 125.0], False),
        ([-1.0, 125.0], False),
        ([1.0, None, 125.0], True),
        ([1.0, math.nan], False),
    ],
)
def test_a_logarithm_is_never_drawn_of_what_has_none(
    values: list[float | None], expected: bool
):
    chart = Chart("c", (series(values),), is_log=True)
    assert charts.is_log(chart) is expected
    assert not charts.is_log(replace(chart, is_log=False))
    ET.fromstring(charts.svg(chart))


def test_every_drawn_point_lies_inside_the_picture():
    wild = [1e300, -1e300, 5, None, math.inf, -math.inf, math.nan, 1e-300]
    root = parse(series(wild))
    for path in root.iter(f"{SVG}path"):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", path.get("d"))]
        assert all(math.isfinite(n) for n in numbers)
        assert all(-1 <= n <= charts.WIDTH + 1 for n in numbers)


@pytest.mark.parametrize(
    "member",
    [
        series([]),
        series([None, None]),
        series([math.nan]),
        series([1.0, 1.0, 1.0]),
        series([1.0, 2.0], steps=[5.0, 5.0]),
        series([1.0, 2.0], steps=[math.inf, math.nan]),
        series([1.0, math.nextafter(1.0, 2.0)]),
        series([5e-324, 1.0]),
        series([1.7e308, -1.7e308]),
    ],
    ids=range(9),
)
def test_odd_data_still_gives_a_picture(member: DrawnCurve):
    root = parse(member)
    assert root.tag == f"{SVG}svg"
    assert "nan" not in ET.tostring(root).decode().replace("Nanum", "").lower()


def test_at_most_six_series_are_drawn_in_different_colours():
    names = [f"m{i}" for i in range(9)]
    root = ET.fromstring(charts.svg(sample_reports.chart("c", *names)))
    colours = [line.get("stroke") for line in lines(root)]
    assert len(colours) == len(set(colours)) == 6


def test_names_are_escaped_and_stay_text():
    hostile = "</text><script>alert(1)</script>\"'&"
    chart = Chart(hostile, (replace(series([1, 2]), key=hostile, latest=hostile),))
    root = ET.fromstring(charts.svg(chart))
    assert not list(root.iter(f"{SVG}script"))
    assert hostile in root.get("aria-label")


def test_many_points_are_merged_and_keep_their_extremes():
    values = [1.0] * 5000
    values[2222] = 9.0
    thin = charts._thin(series(values))
    assert len(thin) <= 280
    assert max(high for _, _, high in thin) == 9.0
    assert min(low for _, low, _ in thin) == 1.0


NOISE = [math.sin(i * 2.3) + math.cos(i * i) for i in range(90)]


def points_of(path: ET.Element):
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", path.get("d"))]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def shown(chart: Chart, tag: str, **attributes: str):
    root = ET.fromstring(charts.svg(chart))
    return [
        each
        for each in root.iter(f"{SVG}{tag}")
        if all(each.get(key) == value for key, value in attributes.items())
    ]


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60),
    st.floats(1.0, 500.0),
    st.booleans(),
)
@settings(max_examples=25)
def test_the_end_mark_is_the_last_value_at_the_last_step(
    values: list[float], last: float, is_smooth: bool
):
    """A bucket's mean, or what is smoothed, is not what the run has."""
    until = len(values) + 3.0
    curve = replace(series(values, highs=[v + 1.0 for v in values]), last=(until, last))
    smoothing = 0.9 if is_smooth else 0.0
    chart = Chart("c", (curve,), smoothing=smoothing, until=until)
    [dot] = shown(chart, "circle")
    field_right = charts.WIDTH - 16
    assert float(dot.get("cx")) == pytest.approx(field_right, abs=0.1)
    lows = [*values, *(v + 1.0 for v in values), last]
    axis = axes.value_axis(lows, is_log=False)
    box_bottom, box_top = charts.HEIGHT - 28, 10
    y = box_bottom + (last - axis.low) * (box_top - box_bottom) / axis.span
    assert float(dot.get("cy")) == pytest.approx(y, abs=0.1)


def test_a_line_that_is_not_smoothed_ends_in_its_end_mark():
    curve = replace(series([3, 2, 1], highs=[4, 3, 5]), last=(2.0, 4.5))
    chart = Chart("c", (curve,), smoothing=0.0)
    [dot], [line] = (
        shown(chart, "circle"),
        shown(chart, "path", **{"stroke-width": "2"}),
    )
    at = float(dot.get("cx")), float(dot.get("cy"))
    assert points_of(line)[-1] == pytest.approx(at, abs=0.1)


def test_what_is_noisy_is_drawn_faintly_below_a_smoothed_line():
    faint = {"stroke-opacity": "0.35"}
    noisy = Chart("c", (series(NOISE),))
    assert len(shown(noisy, "path", **faint)) == 1
    [line] = shown(noisy, "path", **{"stroke-width": "2"})
    [raw] = shown(noisy, "path", **faint)

    def way(path: ET.Element) -> float:
        heights = [y for _, y in points_of(path)]
        return sum(abs(b - a) for a, b in pairwise(heights))

    assert way(line) < way(raw) / 4
    assert not shown(replace(noisy, smoothing=0.0), "path", **faint)
    falling = Chart("c", (series([math.exp(-i / 20) for i in range(90)]),))
    assert not shown(falling, "path", **faint)
    assert shown(replace(falling, smoothing=0.6), "path", **faint)
    cycles = Chart("c", (series([math.sin(i / 4) for i in range(90)]),))
    assert not shown(cycles, "path", **faint)
    stairs = Chart("c", (series([0.1 ** (i // 30) for i in range(90)]),))
    assert not shown(stairs, "path", **faint)


def test_where_no_number_began_is_marked_to_the_end_of_the_run():
    curve = replace(
        series([3, 2, 1, None, None]), latest="NaN", bad_since=3.0, last=None
    )
    chart = Chart("c", (curve,), until=6.0)
    [field] = shown(chart, "rect", fill="#b3261e")
    root = ET.fromstring(charts.svg(chart))
    assert texts(root).count("NaN") == 1
    [line] = lines(root)
    assert float(field.get("x")) > points_of(line)[-1][0]
    right = float(field.get("x")) + float(field.get("width"))
    assert right == pytest.approx(charts.WIDTH - 16, abs=0.1)
    assert not list(root.iter(f"{SVG}circle"))
    assert not shown(Chart("c", (series([1, 2]),)), "rect", fill="#b3261e")


def test_the_best_value_has_a_ring_and_its_figure_unless_it_is_the_last():
    curve = replace(
        series([3, 1, 2]), last=(2.0, 2), best=(1.0, 1), best_text="1.000", goal="min"
    )
    [ring, dot] = sorted(
        shown(Chart("c", (curve,)), "circle"), key=lambda c: float(c.get("r"))
    )[::-1]
    assert float(ring.get("cy")) > float(dot.get("cy"))
    root = parse(curve)
    assert "1.000" in texts(root)
    label = next(t for t in root.iter(f"{SVG}text") if t.text == "1.000")
    assert float(ring.get("cy")) + 10 < float(label.get("y")) < charts.HEIGHT - 28
    assert len(shown(Chart("c", (replace(curve, best=(2.0, 2)),)), "circle")) == 1


def test_what_is_planned_and_still_to_come_is_a_field_with_its_end():
    curve = replace(series([3, 2, 1]), last=(2.0, 1))
    chart = Chart("c", (curve,), until=2.0, planned=3.0, planned_text="end 3")
    [field] = shown(chart, "rect", **{"fill-opacity": "0.08"})
    [dot] = shown(chart, "circle")
    assert float(field.get("x")) == pytest.approx(float(dot.get("cx")), abs=0.1)
    assert "end 3" in texts(ET.fromstring(charts.svg(chart)))


@given(
    st.lists(st.none() | st.floats(allow_nan=True), max_size=30),
    st.floats(allow_nan=True),
    st.floats(allow_nan=True),
    st.booleans(),
)
@settings(max_examples=40)
def test_marks_that_have_no_place_do_no_harm(
    values: list[float | None], one: float, other: float, is_log: bool
):
    curve = replace(
        series(values),
        last=(one, other),
        best=(other, one),
        bad_since=one,
        best_text="<1>",
        goal="min",
    )
    chart = Chart(
        "c", (curve,), is_log=is_log, until=other, planned=one, planned_text="&"
    )
    text = charts.svg(chart)
    ET.fromstring(text)
    assert "nan" not in text.replace("NanumGothic", "").lower()
    assert '"inf' not in text
