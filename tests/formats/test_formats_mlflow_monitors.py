"""Lines of MLflow's file store, and monitors of environments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats_reading import claim, parse, points, problems, read
from mlreport_batch.formats import Point
from mlreport_batch.formats.registry import by_name

RUN_ID = "0123456789abcdef0123456789abcdef"
PATH = f"mlruns/1/{RUN_ID}/metrics/loss"


@pytest.mark.parametrize(
    "data",
    [
        "1700000000000 0.9 0 train d1a2b3\n1700000001000 0.8 1 train d1a2b3\n",
        "1700000000000 0.9 0\n1700000001000 0.8 1 eval d9\n",
        "1700000000000 0.9\n1700000001000 0.8 1 eval d9\n",
    ],
)
def test_a_metric_of_a_data_set_names_it_behind_the_step(data: str):
    assert claim(PATH, data)[0] == "mlflow_metric"
    items = read("mlflow_metric", data, f"/top/{PATH}")
    assert points(items) == {"loss": [(0, 0.9), (1, 0.8)]}
    assert not problems(items)


WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-.:/#", min_size=1, max_size=12)
ROW = st.tuples(
    st.integers(0, 2**41),
    st.floats(-1e9, 1e9),
    st.none() | st.tuples(st.integers(-5, 10**9), st.none() | st.tuples(WORD, WORD)),
)


@given(
    st.lists(ROW, min_size=1, max_size=10), st.lists(st.integers(0, 900), max_size=3)
)
def test_any_row_of_two_three_or_five_fields_is_a_point(
    rows: list[tuple[int, float, tuple[int, tuple[str, str] | None] | None]],
    cuts: list[int],
):
    lines, wanted = [], []
    for time, value, rest in rows:
        step, of = (0, None) if rest is None else rest
        cells = [str(time), repr(value), *([] if rest is None else [str(step)])]
        lines.append(" ".join([*cells, *(of or ())]) + "\n")
        wanted.append(Point("loss", step, value))
    data = "".join(lines).encode()
    cuts = [cut % (len(data) + 1) for cut in cuts]
    path = f"/top/{PATH}"
    assert parse(by_name()["mlflow_metric"], data, cuts, path) == wanted


def test_rows_of_four_or_six_fields_are_none_of_mlflow():
    items = read("mlflow_metric", "1 0.5 0\n1 0.5 1 a\n1 0.5 1 a b c\n", f"/top/{PATH}")
    assert points(items) == {"loss": [(0, 0.5)]}
    assert problems(items) == [(2, "not time, value and step; such lines are left out")]


@pytest.mark.parametrize("name", ["monitor.csv", "0.monitor.csv", "0.0.monitor.csv"])
@pytest.mark.parametrize("mark", ["#", "# ", "#  "])
def test_monitors_of_baselines_have_a_blank_behind_their_mark(name: str, mark: str):
    data = f'{mark}{{"t_start": 1.1, "env_id": "Pong-v4"}} \nr,l,t\n'
    assert claim(f"run/{name}", data)[0] == "sb3_monitor"
    data += "-21.0,792,6.4\n-20.0,819,9.5\n"
    assert claim(f"run/{name}", data)[0] == "sb3_monitor"
    items = read("sb3_monitor", data)
    assert points(items) == {"r": [(0, -21), (1, -20)], "l": [(0, 792), (1, 819)]}
    assert not problems(items)
