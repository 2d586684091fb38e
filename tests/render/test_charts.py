"""The drawing of charts: scales, labels, gaps, bands, hostile names."""

import math
import re
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

import sample_reports
from mlreport_batch.render import charts, pdf
from mlreport_batch.report.model import Chart, DrawnCurve

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


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ([0, 5000, 10000], ["0", "5k", "10k"]),
        ([0, 2500, 5000], ["0", "2.5k", "5.0k"]),
        ([1e6, 2e6], ["1M", "2M"]),
        ([3e9], ["3G"]),
        ([0, 0.0001, 0.0002], ["0", "1e-4", "2e-4"]),
        ([1e-4, 1.5e-4], ["1e-4", "1.5e-4"]),
        ([0.25, 0.5, 0.75], ["0.25", "0.50", "0.75"]),
        ([-1, 0, 1], ["\u22121", "0", "1"]),
        ([1e20, 2e20], ["1e20", "2e20"]),
        ([0.99991, 0.99992], ["0.99991", "0.99992"]),
        ([], []),
        ([0.0], ["0"]),
    ],
)
def test_labels_are_short_and_in_one_precision(ticks: list[float], expected: list[str]):
    assert charts.labels(ticks) == expected


@pytest.mark.parametrize("low", [-3.7, 0.0, 1e-9, 12345.0, -1e12])
@pytest.mark.parametrize("span", [1e-6, 0.37, 9.0, 4321.0, 1e15])
def test_labels_say_the_value_of_their_tick(low: float, span: float):
    ticks = charts._nice(low, low + span, 4)
    assert 1 <= len(ticks) <= 8
    units = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    for tick, label in zip(ticks, charts.labels(ticks), strict=True):
        plain = label.replace("\u2212", "-")
        unit = units.get(plain[-1], 1)
        said = float(plain.rstrip("kMGT")) * unit
        assert said == pytest.approx(tick, rel=1e-6, abs=span * 1e-6)


def test_a_gap_breaks_the_line_instead_of_bridging_it():
    whole = lines(parse(series([3, 2, 1, 2, 3])))
    broken = lines(parse(series([3, 2, None, 2, 3])))
    assert (len(whole), len(broken)) == (1, 2)


def test_a_lone_point_is_a_dot():
    root = parse(series([0.5]))
    assert not lines(root)
    assert len(list(root.iter(f"{SVG}circle"))) == 2  # itself and "latest"
    between = parse(series([1, None, 2, None, 3, 3.5]))
    assert len(list(between.iter(f"{SVG}circle"))) == 3


def test_the_band_appears_only_where_buckets_hold_more_than_one_value():
    assert not bands(parse(series([1, 2, 3])))
    assert len(bands(parse(series([1, 2, 3], highs=[1.5, 2.5, 3.5])))) == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e-4, 1.0], True),
        ([1e-2, 1.0], False),
        ([0.0, 1e6], False),
        ([-1.0, 1e6], False),
        ([], False),
        ([None, math.nan], False),
    ],
)
def test_a_logarithm_needs_three_decades_of_positive_values(
    values: list[float | None], expected: bool
):
    assert charts.is_log(Chart("c", (series(values),))) is expected


def test_a_log_axis_has_a_tick_per_decade():
    root = parse(series([1e-4, 1e-3, 1e-2, 1e-1, 1.0]))
    assert {"1e-4", "0.001", "0.01", "0.1", "1"} <= set(texts(root))


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


def decode_png(data: bytes):
    """Return width, height and rows of an 8-bit RGB PNG without filters."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, body = 8, b""
    width = height = 0
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        chunk = data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + chunk)
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", chunk[:10])
            assert (depth, colour) == (8, 2)  # no alpha: opaque
        body += chunk if kind == b"IDAT" else b""
        at += 12 + length
    raw = zlib.decompress(body)
    row = 1 + 3 * width
    assert len(raw) == row * height
    assert all(raw[y * row] == 0 for y in range(height))
    return width, height, [raw[y * row + 1 : (y + 1) * row] for y in range(height)]


def test_a_png_is_opaque_white_at_twice_the_size_with_the_right_colours():
    square = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">'
        '<rect x="20" width="20" height="20" fill="#d55e00"/></svg>'
    )
    width, height, rows = decode_png(pdf.write_png(square, width=40, height=20))
    assert (width, height) == (80, 40)
    assert rows[20][:3] == b"\xff\xff\xff"
    assert rows[20][-3:] == bytes.fromhex("d55e00")


def test_a_chart_fills_its_png():
    chart = sample_reports.chart()
    data = pdf.write_png(charts.svg(chart), width=charts.WIDTH, height=charts.HEIGHT)
    width, height, rows = decode_png(data)
    assert (width, height) == (2 * charts.WIDTH, 2 * charts.HEIGHT)
    blue = bytes.fromhex("0072b2")
    right = [row[-120 * 3 :] for row in rows]
    assert any(blue in row for row in right), "the latest point is at the right"
    assert rows[0] == rows[-1] == b"\xff" * (3 * width)
    assert len(data) < 100_000
