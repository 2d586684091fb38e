"""Cells with one number in them, though they are no numbers; and those with none."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats_reading import claim, parse, points, problems, read
from mlreport_batch.formats import ProblemKind
from mlreport_batch.formats.kit.bookkeeping import is_measure
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.dressed import bare
from mlreport_batch.formats.kit.numbers import to_number
from mlreport_batch.formats.registry import by_name

DRESSES = [
    "{}", "'{}'", "[{}]", "[[{}]]", "({},)", "{}%", "{} %", "{}*",
    "{} ± 0.1", "{} (± 1e-3)",
    "{} (+/- 0.1)", "{}+/-0.1", "{} +- .1", "{}% ± 0.3%", "tensor({})", "tensor([{}])",
    "tensor({}, device='cuda:0')", "tensor([[{}]], device='cuda:0', dtype=torch.half)",
    "tensor({}, device='cuda:0', grad_fn=<NllLossBackward0>)", "torch.tensor({})",
    "tensor({},\n       device='cuda')", "(tensor({}),)", "[tensor({}, device='cpu')]",
    "np.float64({})", "numpy.float32({})", "array({}, dtype=float32)", "np.int64({})",
    "array([{}])", "Array({}, dtype=float32, weak_type=True)", "float({})",
    "DeviceArray({}, dtype=float32)", "Decimal('{}')", "float('{}')",
    "tf.Tensor({}, shape=(), dtype=float32)",
    "<tf.Tensor: shape=(), dtype=float32, numpy={}>",
    "<tf.Variable 'loss:0' shape=() dtype=float32, numpy={}>",
    "Tensor(shape=[1], dtype=float32, place=Place(gpu:0), stop_gradient=False, [{}])",
    "\n[{}]\n<NDArray 1 @cpu(0)>",
]  # fmt: skip
NUMBERS = st.one_of(
    st.floats(-1e6, 1e6).map(repr),
    st.integers(-(10**6), 10**6).map(str),
    st.sampled_from(["nan", "1.", ".5", "-0.0", "1e-3", "2.5E+4"]),
)
UNDRESSED = [
    "[0.5, 0.4]", "[0,5]", "tensor([0.5, 0.4])", "tensor(True)", "(0.5)", "log(0.5)",
    "%", "[]", "0.5/0.4", "0.5 (0.4)", "tensor()", "cuda:0", "00:05", "2026-01-01",
    "1_000%", "0x10%", "v1.0.0", "<Tensor: 0.5>", "tensor(0.5", "± 0.1", "x ± 0.1",
    "0.5 ± x",
]  # fmt: skip


@given(st.sampled_from(DRESSES), NUMBERS)
def test_one_number_is_read_in_any_dress(dress: str, number: str):
    found = Commas({}).number(dress.format(number).strip())
    assert repr(found) == repr(float(number))


@pytest.mark.parametrize("text", UNDRESSED)
def test_what_is_not_one_number_stays_none(text: str):
    assert Commas({}).number(text) is None


@given(st.text("[](),'<>%± tensor.numpy=0123456789e+-", max_size=320))
def test_any_text_is_undressed_or_left(text: str):
    assert len(bare(text)) <= len(text)


ROWS = st.lists(
    st.tuples(st.sampled_from(DRESSES), NUMBERS), min_size=1, max_size=8
).filter(lambda rows: rows[0][1] != "nan")


@given(ROWS, st.lists(st.integers(0, 900), max_size=3))
def test_a_dressed_column_is_read_alike_in_csv_and_json_wherever_it_is_cut(
    rows: list[tuple[str, str]], cuts: list[int]
):
    cells = [dress.format(number).strip() for dress, number in rows]
    quoted = [cell.replace('"', '""') for cell in cells]
    data = "epoch,loss,acc\n"
    data += "".join(f'{at},"{cell}",0.5\n' for at, cell in enumerate(quoted))
    wanted = [(float(at), float(number)) for at, (_, number) in enumerate(rows)]
    lines = "".join(
        json.dumps({"epoch": at, "loss": cell, "acc": 0.5}) + "\n"
        for at, cell in enumerate(cells)
    )
    for name, text in (("csv", data), ("json_lines", lines)):
        raw = text.encode()
        assert claim("run/log" + (".csv" if name == "csv" else ".jsonl"), raw)
        items = parse(by_name()[name], raw, [cut % (len(raw) + 1) for cut in cuts])
        assert repr(points(items)["loss"]) == repr(wanted)
        assert len(points(items)["acc"]) == len(rows)
        assert not problems(items)


TENSORS = {
    "plain.csv": "epoch,loss,acc\n1,tensor(0.5),92.5%\n2,tensor(0.4),93.5%\n",
    "quoted.csv": "epoch,loss,acc\n1,\"tensor(0.5, device='cuda:0')\",92.5%\n"
    "2,\"tensor(0.4, device='cuda:0')\",93.5%\n",
    "unquoted.csv": "epoch,loss,acc\n1,tensor(0.5, device='cuda:0'),92.5%\n"
    "2,tensor([0.4], device='cuda:0', dtype=torch.float64),93.5%\n",
    "lines.jsonl": '{"epoch":1,"loss":"tensor(0.5)","acc":"92.5%"}\n'
    '{"epoch":2,"loss":[0.4],"acc":"93.5 %"}\n',
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_were_written_as_they_print_are_read(name: str):
    data = TENSORS[name]
    items = read(claim(f"run/{name}", data)[0], data)
    assert points(items) == {
        "loss": [(1, 0.5), (2, 0.4)],
        "acc": [(1, 92.5), (2, 93.5)],
    }
    assert not problems(items)


def test_brackets_join_cells_only_where_the_row_fits_then():
    items = read(
        "csv", "epoch,loss,acc\n1,[0.5, 0.4],0.9\n2,(0.5,0.4,0.9\n3,a),b,1,2\n"
    )
    assert points(items) == {"acc": [(1, 0.9)]}
    assert [line for line, _ in problems(items)] == [2, 3]


@pytest.mark.parametrize("first", ["skipped", "--", "n/a", "N/A", "", "-", "\u2014"])
@pytest.mark.parametrize("name", ["loss", "throughput_x", "손실"])
def test_a_first_cell_that_says_nothing_does_not_decide(first: str, name: str):
    items = read("csv", f"epoch,{name},y\n1,{first},1\n2,0.5,2\n3,0.4,3\n")
    assert points(items)[name] == [(2, 0.5), (3, 0.4)]
    lines = json.dumps({"epoch": 1, "loss": first}) + '\n{"epoch": 2, "loss": 0.5}\n'
    assert points(read(claim("run/log.jsonl", lines)[0], lines))["loss"] == [(2, 0.5)]


def test_a_measure_that_cannot_be_read_is_told_with_its_first_cell():
    data = "epoch,note,loss,acc,val_loss\n1,warm,0.5/0.4,n/a,oops\n2,up,x,y,0.5\n"
    items = read("csv", data)
    assert points(items) == {"val_loss": [(2, 0.5)]}
    assert problems(items) == [
        (2, "'0.5/0.4' for loss is no number; such cells are left out"),
        (2, "'oops' for val_loss is no number; such cells are left out"),
        (3, "'y' for acc is no number; such cells are left out"),
    ]
    rows = [
        {"epoch": 1, "note": "warm", "loss": "0.5/0.4", "acc": "n/a", "ids": [1, 2]},
        {"epoch": 2, "note": "up", "loss": [0.5, 0.4], "acc": [1, 2], "val_loss": 0.5},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for cut in range(0, len(lines), 7):
        items = parse(by_name()["json_lines"], lines.encode(), [cut])
        assert points(items) == {"val_loss": [(2, 0.5)]}
        assert problems(items) == [
            (1, "'0.5/0.4' for loss is no number; such values are left out"),
            (2, "'[1, 2]' for acc is no number; such values are left out"),
        ]


def test_a_log_whose_only_measure_is_unreadable_is_a_log_that_says_so():
    data = "epoch,loss\n1,a/b\n2,c/d\n"
    assert claim("run/x.csv", data) is not None
    items = read(claim("run/x.csv", data)[0], data)
    assert problems(items) == [
        (2, "'a/b' for loss is no number; such cells are left out")
    ]
    assert claim("run/x.csv", "epoch,text\n1,a\n2,b\n") is None


def test_no_more_than_a_few_columns_are_told():
    names = [f"loss_{at}" for at in range(9)]
    data = f"epoch,{','.join(names)}\n" + f"1{',a/b' * 9}\n" * 3
    assert len(problems(read("csv", data))) == 5
    line = json.dumps({"epoch": 1, **dict.fromkeys(names, "a/b")}) + "\n"
    found = read("json_lines", line * 3)
    assert len(problems(found)) == 5
    assert all(item.kind is ProblemKind.lasting for item in found)


def test_a_secret_that_is_no_number_is_not_told():
    line = '{"epoch": 1, "loss": "token=ghp_0123456789abcdefghijABCDEFGHIJ456789"}\n'
    assert "ghp_0123456789" not in repr(read("json_lines", line))


def test_names_of_measures_are_told_from_names_of_texts():
    for name in ("loss", "val_loss", "Val Acc", "loss_1", "f1", "train", "정확도"):
        assert is_measure(name)
    for name in ("loss_type", "loss_fn", "eval_dataset", "train_file", "note", "phase"):
        assert not is_measure(name)
    for name in ("metric", "eval_metric", "model", "norm_layer", "", "name"):
        assert not is_measure(name)


def decimals(*values: float | str) -> str:
    rows = "".join(f'{at},"{value}"\n' for at, value in enumerate(values, 1))
    return "epoch,loss\n" + rows


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["0,935", "0,8"], [0.935, 0.8]),
        (["12,5", "-,25", "1,5E-4"], [12.5, -0.25, 0.00015]),
        (["0,935", "1,234"], [0.935, 1.234]),
        (["1,234", "2,000"], [1234, 2000]),
        (["1,234.5", "1,234"], [1234.5, 1234]),
        (["1,234,567", "1,234", "0,5"], [1234567, 1234, 0.5]),
        (["92,5%", "[0,5]", "0,5 ± 0,1"], [92.5, None, 0.5]),
        (["1234,567", "0,000"], [1234.567, 0]),
        (["1,23,4", "12,345.6.7", ",", "1,2,"], [None, None, None, None]),
    ],
)
def test_a_comma_is_what_the_log_shows_it_to_be(cells: list[str], wanted: list[float]):
    found = points(read("csv", decimals(*cells))).get("loss", [])
    assert found == [(at, w) for at, w in enumerate(wanted, 1) if w is not None]
    rows = [{"epoch": at, "loss": cell} for at, cell in enumerate(cells, 1)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    assert points(read("json_lines", lines)).get("loss", []) == found


def test_a_comma_is_known_by_the_other_values_of_its_row():
    items = read("csv", 'epoch,loss,acc\n1,"1,204","0,512"\n2,"1,100","0,6"\n')
    assert points(items)["loss"] == [(1, 1.204), (2, 1.1)]
    line = '{"epoch": 1, "loss": "1,204", "acc": "0,512"}\n'
    assert points(read("json_lines", line))["loss"] == [(1, 1.204)]


def test_commas_that_may_be_either_are_decimal_where_the_first_rows_show_it():
    data = decimals("1,204", "1,100", "0,935")
    assert claim("run/log.csv", decimals("1,204", "1,100"))[0] == "keras"
    assert claim("run/log.csv", decimals("0,935", "1,204"))[0] == "keras"
    assert claim("run/log.csv", data)[0] == "csv_decimal"
    items = read("csv_decimal", data)
    assert points(items)["loss"] == [(1, 1.204), (2, 1.1), (3, 0.935)]
    steps = data.replace("epoch", "step").replace("\n1,", '\n"1,000",')
    assert points(read("csv_decimal", steps))["loss"][0] == (1000, 1.204)
    tabs = "epoch\tloss\n1\t1,204\n2\t0,9\n"
    assert claim("run/log.tsv", tabs)[0] == "csv_decimal"
    assert points(read("csv_decimal", tabs))["loss"] == [(1, 1.204), (2, 0.9)]


def test_a_comma_in_a_step_is_what_the_first_one_is():
    data = 'epoch,loss\n"0,5",0.4\n"1,000",0.3\n'
    assert points(read("csv", data))["loss"] == [(0.5, 0.4), (1, 0.3)]
    data = 'step,loss\n"1,000",0.4\n"12,5",0.3\n"2,000","0,2"\n'
    assert points(read("csv", data))["loss"] == [(1000, 0.4), (1000, 0.3), (2000, 0.2)]


@given(
    st.lists(st.floats(0, 9.9999), min_size=2, max_size=12),
    st.lists(st.integers(0, 400), max_size=3),
)
def test_decimal_commas_are_read_as_points_wherever_a_log_is_cut(
    values: list[float], cuts: list[int]
):
    texts = [f"{value:.3f}" for value in values]
    data = decimals(*(text.replace(".", ",") for text in texts))
    name, _ = claim("run/log.csv", data)
    raw = data.encode()
    items = parse(by_name()[name], raw, [cut % (len(raw) + 1) for cut in cuts])
    is_sure = any(text.startswith("0") for text in texts)
    scale = 1.0 if is_sure else 1000.0
    found = [value for _, value in points(items)["loss"]]
    assert found == pytest.approx([float(text) * scale for text in texts])
    assert all(math.isfinite(value) for value in found)
    assert to_number("0,5") is None
