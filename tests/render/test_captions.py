"""Where the figure of a mark stands."""

import pytest

from mlreport_batch.render.captions import Area, Track, caption

ROOM: Area = (0, 0, 300, 150)
MARK = (150.0, 75.0)
BELOW, ABOVE = (130, 80, 170, 95), (130, 54, 170, 69)
RIGHT, LEFT = (158, 68, 198, 83), (102, 68, 142, 83)


def line(*points: tuple[float, float]) -> Track:
    xs, ys = zip(*points, strict=True)
    return Track(xs, ys, ys)


def across(y: float) -> Track:
    return line((0, y), (300, y))


def upright(x: float) -> Track:
    return line((x, 0), (x, 150))


@pytest.mark.parametrize(
    ("tracks", "is_low", "area"),
    [
        ([], True, BELOW),
        ([], False, ABOVE),
        ([across(85)], True, ABOVE),
        ([across(60)], False, BELOW),
        ([across(85), across(60)], True, RIGHT),
        ([across(85), across(60), upright(180)], True, LEFT),
        ([across(y) for y in (85, 60, 75)], True, BELOW),
        ([line((120, 0), (140, 150))], True, ABOVE),
        ([Track([0, 300], [150, 150], [70, 70])], True, ABOVE),
        ([line((150, 90))], True, ABOVE),
        ([line((100, 0), (100, 150), (100, 10))], True, BELOW),
    ],
    ids=str,
)
def test_a_figure_stands_where_no_curve_is(
    tracks: list[Track], is_low: bool, area: Area
):
    assert caption(40, MARK, ROOM, tracks, is_low=is_low) == area


@pytest.mark.parametrize("mark", [(0, 0), (300, 0), (0, 150), (300, 150), (299, 75)])
@pytest.mark.parametrize("is_low", [True, False])
def test_a_figure_stays_in_its_room(mark: tuple[float, float], is_low: bool):
    left, top, right, bottom = caption(40, mark, ROOM, [], is_low=is_low)
    assert left >= 0
    assert right <= 300
    assert top >= -3
    assert bottom <= 153


def test_a_figure_without_room_stands_at_its_usual_place():
    assert caption(40, (5, 5), (0, 0, 10, 10), [], is_low=True) == (-30, 10, 10, 25)
