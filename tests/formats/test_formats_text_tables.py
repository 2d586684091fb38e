"""Tables with a header of words and rows of numbers in files that are no CSV."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats_reading import claim, parse, points, problems, read
from mlreport_batch.find.candidates import is_candidate
from mlreport_batch.formats import Result, Role
from mlreport_batch.formats.registry import by_name

NAMES = [
    "train_log.txt", "training.log", "slurm-17.out", "progress.dat", "progress",
    "history.txt", "metrics", "losses",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mark", [",", "\t", " ", "   ", ";", " | ", ", "])
def test_the_bytes_of_a_csv_are_a_log_under_any_suffix(name: str, mark: str):
    rows = [["step", "train_loss", "val_x"], ["10", "0.5", "6"], ["20", "0.4", "5"]]
    data = "".join(mark.join(row) + "\n" for row in rows)
    assert is_candidate(name, ("run",))
    form, _ = claim(f"run/{name}", data)
    items = read(form, data)
    assert points(items) == {
        "train_loss": [(10, 0.5), (20, 0.4)],
        "val_x": [(10, 6), (20, 5)],
    }
    assert not problems(items)


def test_progress_of_spinning_up_is_read():
    data = (
        "Epoch\tAverageEpRet\tLossPi\tTotalEnvInteracts\tTime\n"
        "0\t-120.5\t-0.01\t4000\t11.2\n1\t-90.2\t-0.02\t8000\t22.9\n"
    )
    form, _ = claim("ppo_s0/progress.txt", data)
    assert points(read(form, data)) == {
        "AverageEpRet": [(4000, -120.5), (8000, -90.2)],
        "LossPi": [(4000, -0.01), (8000, -0.02)],
    }


def test_a_table_that_was_drawn_is_read():
    data = (
        "+-------+------+-----+\n| epoch | loss | acc |\n+=======+======+=====+\n"
        "|     1 |  0.5 | 90% |\n|-------|------|-----|\n|     2 |  0.4 | 91% |\n"
        "+-------+------+-----+\n"
    )
    form, _ = claim("run/train.txt", data)
    for cut in range(0, len(data), 9):
        items = parse(by_name()[form], data.encode(), [cut])
        assert points(items) == {
            "loss": [(1, 0.5), (2, 0.4)],
            "acc": [(1, 90), (2, 91)],
        }
        assert not problems(items)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("loss acc\n0.5 0.1\n0.4 0.2\n", {"loss": [(0, 0.5), (1, 0.4)]}),
        ("# epoch loss\n1 0.5\n2 0.4\n", {"loss": [(1, 0.5), (2, 0.4)]}),
        ("# lr=0.1\nepoch loss\n1 0.5\n2 NA\n", {"loss": [(1, 0.5)]}),
        ("x loss\n7 0.5\n9 0.4\n", {"loss": [(7, 0.5), (9, 0.4)]}),
        ("train_loss\n0.5\n0.4\n", {"train_loss": [(0, 0.5), (1, 0.4)]}),
        (
            "epoch,phase,loss\n1,train,0.5\n1,val,0.6\n",
            {"train/loss": [(1, 0.5)], "val/loss": [(1, 0.6)]},
        ),
        ("epoch loss\n1 tensor(0.5)\n2 0.4%\n", {"loss": [(1, 0.5), (2, 0.4)]}),
    ],
)
def test_a_table_in_a_text_is_read_as_a_csv_is(
    data: str, wanted: dict[str, list[tuple[float, float]]]
):
    form, _ = claim("run/log.txt", data)
    found = points(read(form, data))
    assert wanted.items() <= found.items()


@pytest.mark.parametrize(
    "data",
    [
        "step loss\n",
        "each step has a loss\nand so on\n",
        "step size too large\n1 x y z\n",
        "class precision recall\ncat 0.9 0.8\ndog 0.7 0.6\n",
        "x y\n1 2\n3 4\n",
        "loss went down\n",
        "numpy==1.2\ntorch==2.0\n",
        "step,loss\n1,0.5\nsaved to disk\nall is well\n",
        "1 2 3\n4 5 6\n",
    ],
)
def test_prose_and_other_tables_are_no_log(data: str):
    assert claim("run/notes.txt", data) is None


def test_a_line_between_the_rows_is_told_once():
    rows = "".join(f"{at} {1 / at}\n" for at in range(1, 13))
    data = f"epoch loss\n{rows}saved to the disk\n13 0.1\n"
    form, _ = claim("run/train.log", data)
    items = read(form, data)
    assert len(points(items)["loss"]) == 13
    assert problems(items) == [
        (14, "4 cells where the header has 2; such rows are left out")
    ]


def test_files_without_a_suffix_are_looked_into_where_their_name_is_that_of_a_log():
    for name in ("progress", "train_log", "LOSS", "metrics", "val_accuracy"):
        assert is_candidate(name, ("run",))
    for name in ("LICENSE", "Makefile", "README", "0a3f9c", "train", "data"):
        assert not is_candidate(name, ("run",))


@given(
    name=st.sampled_from(NAMES),
    mark=st.sampled_from([",", "\t", " ", "  ", ";", "|"]),
    step=st.sampled_from(["step", "Epoch", "iteration", "global_step", "env_steps"]),
    rows=st.lists(
        st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=9
    ),
    cuts=st.lists(st.integers(0, 900), max_size=4),
)
def test_any_table_of_numbers_is_read_wherever_it_is_cut(
    *, name: str, mark: str, step: str, rows: list[list[float]], cuts: list[int]
):
    names = [step, "loss", "a.b", "Mean_Q"]
    lines = [names, *([str(at), *map(repr, row)] for at, row in enumerate(rows))]
    data = "".join(mark.join(line) + "\n" for line in lines)
    form, _ = claim(f"run/{name}", data)
    raw = data.encode()
    items = parse(by_name()[form], raw, [cut % (len(raw) + 1) for cut in cuts])
    assert points(items) == {
        metric: [(at, row[column]) for at, row in enumerate(rows)]
        for column, metric in enumerate(names[1:])
    }
    assert not problems(items)


@pytest.mark.parametrize("name", ["train.out", "slurm-1.err", "train.log", "log"])
def test_a_table_below_other_lines_is_read_where_no_log_is(name: str):
    data = "Using cuda:0\n3 workers\n\nepoch  loss  acc\n1  0.5  0.6\n2  0.4  0.7\n"
    form, match = claim(f"run/{name}", data)
    assert (form, match.fallback) == ("printed_table", True)
    for cut in range(0, len(data), 5):
        items = parse(by_name()[form], data.encode(), [cut])
        assert points(items) == {
            "loss": [(1, 0.5), (2, 0.4)],
            "acc": [(1, 0.6), (2, 0.7)],
        }
        assert not problems(items)


@pytest.mark.parametrize(
    "data",
    [
        "Using cuda\nthe step is large\n1 2 3 4\n2 3 4 5\nand\nso\non\n",
        "Using cuda\nepoch loss\n",
        "Using cuda\nx y\n1 2\n",
    ],
)
def test_printed_lines_are_no_table(data: str):
    assert claim("run/train.out", data) is None


REPORT = """              precision    recall  f1-score   support

         cat       0.91      0.88      0.89       100
     big dog       0.88      0.91      0.90       100

    accuracy                           0.90       200
   macro avg       0.90      0.90      0.90       200
"""


def test_a_report_on_classes_is_a_result_under_the_names_of_its_dictionary():
    for path, text in (
        ("run/classification_report.txt", REPORT),
        ("run/eval", "Test set:\n" + REPORT),
    ):
        form, match = claim(path, text)
        assert (form, match.role) == ("sklearn_report", Role.context)
        found = {
            item.name: item.value for item in read(form, text) if type(item) is Result
        }
        assert found == {
            "cat/precision": 0.91, "cat/recall": 0.88, "cat/f1-score": 0.89,
            "big dog/precision": 0.88, "big dog/recall": 0.91, "big dog/f1-score": 0.9,
            "accuracy": 0.9,
            "macro avg/precision": 0.9, "macro avg/recall": 0.9,
            "macro avg/f1-score": 0.9,
        }  # fmt: skip
    twice = REPORT + REPORT.replace("cat", "cow").replace("0.91", "0.95")
    last = {item.name: item.value for item in read("sklearn_report", twice)}
    assert last["cow/precision"] == 0.95
    assert "cat/precision" not in last


def test_a_training_that_prints_such_a_report_is_read_as_one():
    training = "".join(f"epoch {at}: loss 0.{9 - at}\n" for at in range(8))
    assert claim("run/train.log", training + REPORT)[0] == "printed"
    assert claim("run/notes.txt", "what was said of it\n" * 20 + REPORT) is None
    assert claim("run/notes.txt", REPORT.replace("f1-score", "f1", 1)) is None
