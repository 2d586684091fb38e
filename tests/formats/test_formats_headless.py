"""Values without a header, known by the name of their file and the shape of rows."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats_reading import claim, parse, points, problems, read
from mlreport_batch.formats import Role
from mlreport_batch.formats.registry import by_name

D3RLPY = "1,1000,0.91\n2,2000,0.85\n3,3000,0.80\n"


@pytest.mark.parametrize("name", ["critic_loss", "environment", "time_step", "temp"])
def test_logs_of_d3rlpy_are_named_after_their_metric(name: str):
    path = f"d3rlpy/CQL_1/{name}.csv"
    form, match = claim(path, D3RLPY, beside=["params.json"])
    assert (form, match.role) == ("headless", Role.metrics)
    assert claim(path, D3RLPY[:12], beside=["params.json"])[0] == "headless"
    items = read(form, D3RLPY, f"/top/{path}")
    assert points(items) == {name: [(1000, 0.91), (2000, 0.85), (3000, 0.80)]}
    assert not problems(items)


def test_a_log_of_deeplabcut_has_iteration_loss_and_rate():
    data = "500, 0.01220, 0.005\n1000, 0.00812, 0.005\n1500, 0.00500, 0.02\n"
    assert claim("train/learning_stats.csv", data)[0] == "headless"
    assert claim("train/learning_stats.csv", data[:20])[0] == "headless"
    for other in (
        "0.5, 0.01, 0.005\n",
        "0.5, 0.01, 0.005\n0.1, 1, 2\n",
        "500, 0.1\n1000, 0.2\n",
        "a, b, c\n",
    ):
        assert claim("train/learning_stats.csv", other) is None
    items = read("headless", data + "1900, 0.4\n", "/top/learning_stats.csv")
    assert points(items) == {
        "loss": [(500, 0.0122), (1000, 0.00812), (1500, 0.005)],
        "learning_rate": [(500, 0.005), (1000, 0.005), (1500, 0.02)],
    }
    assert [line for line, _ in problems(items)] == [4]


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("train_loss.txt", "2.31\n1.90\n1.71\n", [(0, 2.31), (1, 1.9), (2, 1.71)]),
        ("val_acc.csv", "\n92.5%\n\n93.5%\n", [(0, 92.5), (1, 93.5)]),
        ("losses.dat", "# all\ntensor(0.5)\nnan\n0.4\n", [(0, 0.5), (2, 0.4)]),
        ("reward.txt", "10 -3\n20 -2.5\n", [(10, -3), (20, -2.5)]),
        ("TrainLoss.log", "10\t0.5\n20\t0.4\n", [(10, 0.5), (20, 0.4)]),
        ("loss.csv", "0,10,0.5\n0,20,0.4\n", [(10, 0.5), (20, 0.4)]),
        ("loss.csv", "1;0,5\n2;0,4\n", [(1, 0.5), (2, 0.4)]),
        ("accuracy", "0.1\n0.2\n", [(0, 0.1), (1, 0.2)]),
    ],
)
def test_numbers_in_a_file_named_after_a_metric_are_its_curve(
    name: str, data: str, wanted: list[tuple[float, float]]
):
    assert claim(f"run/{name}", data)[0] == "headless"
    items = read("headless", data, f"/top/run/{name}")
    metric = name.partition(".")[0]
    found = points(items)[metric]
    assert [pair for pair in found if not math.isnan(pair[1])] == wanted
    assert not problems(items)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("train.txt", "1\n2\n3\n"),
        ("val.csv", "1,1,0.5\n2,2,0.5\n"),
        ("ids.txt", "1\n2\n3\n"),
        ("loss.txt", "0.5\n"),
        ("loss.txt", "0.5"),
        ("loss.txt", "the loss is what counts\n0.5\n"),
        ("loss.csv", "0.1,0.5\n0.2,0.4\n"),
        ("loss.csv", "5,0.5\n5,0.4\n"),
        ("loss.csv", "5,6,7,8\n6,7,8,9\n"),
        ("points.csv", "1,10,0.5\n2,20,0.4\n"),
        ("loss_type.txt", "1\n2\n"),
    ],
)
def test_other_numbers_are_left_alone(name: str, data: str):
    assert claim(f"data/{name}", data) is None


def test_a_row_that_is_none_is_told_once():
    items = read("headless", "0.5\noops\n0.4\n1 2\n", "/run/loss.txt")
    assert points(items) == {"loss": [(0, 0.5), (2, 0.4)]}
    assert problems(items) == [
        (2, "'oops' is no row of numbers as the others; such rows are left out")
    ]


@given(
    width=st.integers(1, 3),
    mark=st.sampled_from([",", "\t", " ", ";", ", "]),
    values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12),
    rise=st.integers(1, 500),
    cuts=st.lists(st.integers(0, 600), max_size=4),
)
def test_rows_of_numbers_are_read_wherever_they_are_cut(
    *, width: int, mark: str, values: list[float], rise: int, cuts: list[int]
):
    rows = [
        [str(at // 3), str(at * rise), repr(value)][-width:]
        for at, value in enumerate(values)
    ]
    data = "".join(mark.join(row) + "\n" for row in rows)
    assert claim("run/train_loss.csv", data)[0] == "headless"
    raw = data.encode()
    cut = [at % (len(raw) + 1) for at in cuts]
    items = parse(by_name()["headless"], raw, cut, "/run/train_loss.csv")
    scale = 1 if width == 1 else rise
    assert points(items) == {
        "train_loss": [(at * scale, value) for at, value in enumerate(values)]
    }
    assert not problems(items)
