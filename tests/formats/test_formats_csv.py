"""Rows: what is a metric, what is a step, and what is wrong with a line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats_reading import claim, metrics_of, parse, points, problems, read, reread
from mlreport_batch.formats import HINT, Anew, Chunk, Item, Memory, Point, Result, Role
from mlreport_batch.formats.kit.bookkeeping import is_bookkeeping, step_column
from mlreport_batch.formats.kit.numbers import to_number, value_of
from mlreport_batch.formats.registry import by_name


def test_blank_cells_are_missing_and_words_for_nan_and_inf_are_values():
    items = read("csv", "step,a,b\n1,,nan\n2,NA,inf\n3,None,-Infinity\n4, ,0.5\n")
    found = points(items)
    assert "a" not in found
    assert [value for _, value in found["b"]][1:] == [math.inf, -math.inf, 0.5]
    assert math.isnan(found["b"][0][1])
    assert not problems(items)


def test_a_column_that_starts_with_text_is_no_metric_and_no_problem():
    items = read("csv", "epoch,note,loss\n0,warm,0.5\n1,3,0.4\n")
    assert points(items) == {"loss": [(0, 0.5), (1, 0.4)]}
    assert not problems(items)


def test_a_column_named_by_nothing_but_a_colour_is_no_metric():
    items = read("csv", "step,\x1b[0m,loss\n1,7,0.5\n2,8,0.4\n")
    assert points(items) == {"loss": [(1, 0.5), (2, 0.4)]}


def test_the_first_bad_cell_is_reported_and_the_rest_of_its_row_is_used():
    data = "epoch,loss,acc\n0,0.5,0.1\n1,oops,0.2\n2,0x10,0.3\n3,1_0,0.4\n"
    items = read("csv", data)
    assert points(items)["acc"] == [(0, 0.1), (1, 0.2), (2, 0.3), (3, 0.4)]
    assert points(items)["loss"] == [(0, 0.5)]
    assert problems(items) == [
        (3, "'oops' for loss is no number; such cells are left out")
    ]


def test_the_first_ragged_row_is_reported_and_all_are_left_out():
    items = read("csv", "epoch,loss,acc\n0,0.5\n1,0.4,0.2\n2,0.3,0.2,9\n3,0.1,0.2,,\n")
    assert points(items)["loss"] == [(1, 0.4), (3, 0.1)]
    assert problems(items) == [
        (2, "2 cells where the header has 3; such rows are left out")
    ]


def test_a_repeated_header_is_no_data_and_another_header_takes_over():
    data = (
        "epoch,loss\n0,1\nepoch,loss\n0,2\nepoch,loss,acc\n1,3,0.5\nepoch ,loss ,acc\n"
    )
    items = read("csv", data)
    assert points(items) == {"loss": [(0, 1), (0, 2), (1, 3)], "acc": [(1, 0.5)]}
    assert not problems(items)


@pytest.mark.parametrize(
    ("above", "below", "names"),
    [
        (
            "step,loss,acc\n1,5,6\n",
            "step,val_loss,val_acc\n2,7,8\n",
            "val_loss val_acc",
        ),
        ("step,loss,acc\n1,5,6\n", "iteration,ppl,x\n2,7,8\n", "ppl x"),
        ("step,loss\n1,5\n", "ppl,x,iteration\n7,8,2\n", "ppl x"),
        ("loss,acc\n5,6\n", "val_loss,val_acc\n7,8\n", "val_loss val_acc"),
    ],
)
def test_a_header_of_other_names_takes_over(above: str, below: str, names: str):
    items = read("csv", above + below)
    found = points(items)
    assert not problems(items)
    assert [found[name][0][1] for name in names.split()] == [7, 8]
    assert [value for _, value in found["loss"]] == [5]


@pytest.mark.parametrize("row", ["note,NA,x", "crash,here,again", "loss,acc", "3,a,b"])
def test_a_row_of_text_is_no_header(row: str):
    items = read("csv", f"step,loss,acc\n1,5,6\n{row}\n2,7,8\n")
    assert [value for _, value in points(items)["loss"]] == [5, 7]
    assert problems(items)


def test_rows_without_a_step_column_are_counted_from_zero():
    items = read("csv", "loss,accuracy\n0.5,0.1\n\n0.4,0.2\n")
    assert points(items)["loss"] == [(0, 0.5), (1, 0.4)]


def test_a_blank_step_takes_the_last_one_else_the_row_number():
    items = read("csv", "epoch,loss\nfirst,9\n5,8\n,7\nNaN,6\n?,5\n")
    assert points(items)["loss"] == [(0, 9), (5, 8), (5, 7), (5, 6), (5, 5)]


@pytest.mark.parametrize("count", ["epoch", "fold", "interactions"])
@pytest.mark.parametrize("words", [["mean", "std"], ["Best"], ["최고", "평균 (3)"]])
def test_a_row_that_sums_up_those_above_is_no_point(count: str, words: list[str]):
    rows = "".join(f"{word},0.5,0.8\n" for word in words)
    data = f"{count},val_loss,val_acc\n1,0.9,0.5\n2,0.8,0.6\n3,0.7,0.7\n{rows}"
    items = read(claim("run/metrics.csv", data)[0], data)
    assert [value for _, value in points(items)["val_loss"]] == [0.9, 0.8, 0.7]
    [told] = problems(items)
    assert told == (
        5, f"'{words[0]}' where {count} counts; such rows are left out"
    )  # fmt: skip


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "  "])
def test_any_separator_is_found_in_the_header(separator: str):
    rows = [["epoch", "loss", "val_loss"], ["0", "0.5", "0.25"]]
    data = "".join(separator.join(row) + "\r\n" for row in rows)
    assert points(read("csv", data)) == {"loss": [(0, 0.5)], "val_loss": [(0, 0.25)]}


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("epoch;loss (a,b)\n1;0,5\n", "loss (a,b)"),
        ("epoch;loss (a,b,c)\n1;0,5\n", "loss (a,b,c)"),
        ("step|loss, mean\n1|0.5\n", "loss, mean"),
        ("step,loss|a;b;c\n1,0.5\n", "loss|a;b;c"),
        ("acc (a,b);loss [c,d]\n;0,5\n", "loss [c,d]"),
    ],
)
def test_a_name_may_hold_another_separator(data: str, name: str):
    items = read("csv", data)
    assert [value for _, value in points(items)[name]] == [0.5]
    assert not problems(items)


def test_quoted_names_and_cells_may_hold_the_separator():
    data = 'step,"loss, total",text\n1,0.5,"a, ""b"""\n2,0.4,"c"\n'
    items = read("csv", data)
    assert points(items) == {"loss, total": [(1, 0.5), (2, 0.4)]}
    assert not problems(items)


def test_padded_columns_of_older_yolo_are_stripped():
    data = "      epoch,   train/box_loss,  metrics/mAP50(B)\n    0,   0.05,   0.1\n"
    assert points(read("csv", data)) == {
        "train/box_loss": [(0, 0.05)],
        "metrics/mAP50(B)": [(0, 0.1)],
    }


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_other_encodings_are_known_by_their_mark(encoding: str):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    text = mark + "epoch,손실,b\r\n0,1,x\r\n1,2,가\r\n2,3,나\r\n3,4,y\r\n"
    data = text.encode(encoding)
    assert claim("run/log.csv", data)[0] == "csv"
    for cut in range(len(data)):
        items = parse(by_name()["csv"], data, [cut, cut + 9])
        assert points(items) == {"손실": [(0, 1), (1, 2), (2, 3), (3, 4)]}
        assert not problems(items)


def test_quoted_cells_may_hold_line_ends():
    data = b'step,"text",loss\n1,"a\n""b""\nc",0.5\n2,"x",0.4\n3,"y\n",0.3\n'
    for cut in range(len(data)):
        items = parse(by_name()["csv"], data, [cut])
        assert points(items) == {"loss": [(1, 0.5), (2, 0.4), (3, 0.3)]}
        assert not problems(items)


def test_a_quote_that_is_never_closed_costs_one_row():
    data = 'step,loss,text\n1,0.5,"a"\n2,0.4,"torn\n3,0.3,"b"\n4,0.2,c\n'
    items = read("csv", data)
    assert points(items)["loss"] == [(1, 0.5), (3, 0.3), (4, 0.2)]
    assert [line for line, _ in problems(items)] == [3]


def test_a_quote_inside_a_cell_opens_nothing():
    items = read("csv", 'step,name,loss\n1,5" screen,0.5\n2,x,0.4\n')
    assert points(items) == {"loss": [(1, 0.5), (2, 0.4)]}
    assert not problems(items)


def test_bulk_readers_leave_utf_16_alone():
    assert by_name()["csv"].bulk_layout("epoch,loss".encode("utf-16")) is None


def test_nul_bytes_are_passed_over_and_reported_once():
    items = read("csv", b"epoch,loss\n0,1\n\0\0\0\n\0\0001,2\n")
    assert points(items)["loss"] == [(0, 1), (1, 2)]
    assert problems(items) == [
        (3, "NUL bytes, as a power loss leaves them; they are passed over")
    ]


def test_names_are_cleaned_and_equal_names_are_kept_apart():
    items = read("csv", "epoch,lo\x1bss,lo\x1bss\n0,1,2\n")
    assert points(items) == {"lo\ufffdss": [(0, 1)], "lo\ufffdss.1": [(0, 2)]}


def test_an_equal_name_takes_a_number_that_no_other_has():
    items = read("csv", "step,loss,loss,loss.1,loss\n1,2,3,4,5\n")
    assert points(items) == {
        "loss": [(1, 2)], "loss.2": [(1, 3)], "loss.1": [(1, 4)], "loss.3": [(1, 5)]
    }  # fmt: skip


@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff\ufeff", "\u200b", "\ufeff\u200b"])
def test_marks_without_width_are_no_part_of_a_name(mark: str):
    data = f"{mark}step,loss\n3,0.5\n4,0.4\n"
    assert claim("run/log.csv", data)[1].role is Role.metrics
    assert points(read("csv", data)) == {"loss": [(3, 0.5), (4, 0.4)]}
    assert parse(by_name()["csv"], data.encode(), [20]) == read("csv", data)


def test_commas_in_quoted_numbers_are_between_thousands():
    data = 'epoch,step,loss\n1,"1,000",0.5\n1,"2,000","1,234.5"\n2,"12,34",0.4\n'
    items = read("csv", data)
    assert points(items)["loss"] == [(1000, 0.5), (2000, 1234.5), (2000, 0.4)]


def test_huge_numbers_neither_crash_nor_turn_into_text():
    items = read("csv", "epoch,loss\n0," + "9" * 5000 + "\n1,1e400\n2,-1e400\n")
    assert [value for _, value in points(items)["loss"]] == [
        math.inf,
        math.inf,
        -math.inf,
    ]


def test_a_log_without_names_is_reported_once():
    assert problems(read("csv", "0.1,0.2\n0.3,0.4\n")) == [
        (1, "no column names; rows before a header line are left out")
    ]


def test_a_savetxt_header_is_recognised_behind_its_mark():
    data = "# epoch loss\n0 0.5\n"
    assert claim("run/history.csv", data)[0] == "csv"
    assert points(read("csv", data)) == {"loss": [(0, 0.5)]}


@pytest.mark.parametrize(
    "data",
    [
        "sepal_length,sepal_width,species\n5.1,3.5,setosa\n",
        "id,name,price\n1,a,2.5\n",
        "name;age\nbob;3\n",
        "1,2,3\n4,5,6\n",
        "date,open,close,volume\n2020-01-01,1,2,3\n",
        "image,label\ncat.png,1\n",
        "image,loss\ncat.png,1\n",
        "epoch,loss",
        "",
    ],
)
def test_a_data_set_is_no_log(data: str):
    assert claim("data/train.csv", data) is None


@pytest.mark.parametrize(
    ("path", "data", "name"),
    [
        ("run/results.csv", "epoch,train/box_loss\n1,0.5\n", "csv"),
        ("run/results.csv", "step,train_loss,train_accuracy\n1,0.5,0.1\n", "csv"),
        ("run/history.csv", "epoch,train_loss,valid_loss,time\n0,1,2,00:01\n", "csv"),
        ("run/anything.csv", "train_loss,val_acc\n0.1,0.2\n", "csv"),
        ("run/metrics.csv", "epoch,val_loss,step\n0,,1\n", "lightning"),
        ("run/log.csv", "epoch,accuracy,loss\n0,0.5,1\n", "keras"),
        ("run/summary.csv", "epoch,train_loss,eval_loss,lr\n0,1,2,3\n", "timm"),
        ("run/progress.csv", "time/total_timesteps,rollout/x\n1,2\n", "sb3_csv"),
        ("run/progress.csv", "loss,training_iteration,pid\n1,2,3\n", "ray_progress"),
        ("run/my_metrics.tsv", "a\tb\n1\t2\n", "csv"),
    ],
)
def test_logs_are_recognised_by_name_and_content(path: str, data: str, name: str):
    assert claim(path, data)[0] == name


def test_bookkeeping_is_told_from_metrics():
    for name in ("Epoch", "global_step", "train/epoch", "time", "_runtime", "Step"):
        assert is_bookkeeping(name)
    for name in ("loss", "step_loss", "epoch_time", "timers/step", "time/fps", "lr"):
        assert not is_bookkeeping(name)
    assert step_column(["epoch", "loss", "step"]) == 2
    assert step_column(["loss"]) is None


def test_a_short_row_of_timm_lacks_its_evaluation():
    data = "epoch,train_loss,eval_loss,eval_top1,lr\n0,1,2,3,0.1\n1,0.5,0.01\n"
    assert points(read("timm", data)) == {
        "train_loss": [(0, 1), (1, 0.5)],
        "eval_loss": [(0, 2)],
        "eval_top1": [(0, 3)],
        "lr": [(0, 0.1), (1, 0.01)],
    }


def test_a_name_with_a_comma_does_not_shift_the_columns_of_sb3():
    data = "rollout/a, b,time/total_timesteps,train/loss\n1,128,0.5\n2,256,0.4\n"
    items = read("sb3_csv", data)
    assert points(items)["train/loss"] == [(128, 0.5), (256, 0.4)]
    assert not problems(items)


def test_bulk_layout_names_the_same_columns_as_the_reader():
    for name in ("csv", "lightning", "keras", "dvclive", "sb3_csv", "ray_progress"):
        header = {
            "dvclive": b"step\ttimestamp\tloss",
            "sb3_csv": b"train/loss,time/total_timesteps\r",
            "ray_progress": b"loss,training_iteration,pid",
        }.get(name, b"epoch,step,loss\r")
        layout = by_name()[name].bulk_layout(header)
        assert [metric for _, metric in layout.metrics] in (["loss"], ["train/loss"])
        assert layout.step is not None
        assert by_name()[name].bulk_layout(b"1,2,3") is None


CELL = st.sampled_from(["", "0.5", "nan", "1e-3", "x", "NA", " 2 ", "-inf", '"q"'])


@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=12),
    cuts=st.lists(st.integers(0, 400), max_size=5),
)
def test_rows_agree_with_a_naive_reading(rows: list[list[str]], cuts: list[int]):
    data = "".join(
        ",".join(row) + "\n" for row in [["epoch", "a", "b"], *rows]
    ).encode()
    naive = {"a": [], "b": []}
    last = None
    for number, row in enumerate(rows):
        cells = [cell.strip().strip('"') for cell in row]
        step = to_number(cells[0])
        if (
            step is None
            and last is not None
            and cells[0].isalpha()
            and cells[0] != "NA"
        ):
            continue  # such a row sums up those above
        last = step if step is not None and math.isfinite(step) else last
        for name, cell in zip("ab", cells[1:], strict=True):
            naive[name].append((number if last is None else last, cell))
    items = parse(by_name()["csv"], data, [cut % (len(data) + 1) for cut in cuts])
    found = points(items)
    for name, cells in naive.items():
        first = next((cell for _, cell in cells if cell not in ("", "NA")), "0")
        is_text = to_number(first) is None
        wanted = [
            (step, value)
            for step, cell in cells
            if not is_text and (value := to_number(cell)) is not None
        ]
        assert repr(found.get(name, [])) == repr([(float(s), v) for s, v in wanted])


def test_numbers_are_read_more_strictly_than_python_reads_them():
    assert to_number("1_000") is None
    assert to_number("١٢") is None
    assert to_number("0x1p3") is None
    assert value_of(True) is None
    assert value_of(10**400) == math.inf
    assert value_of(-(10**400)) == -math.inf
    assert value_of("0.5") == 0.5
    assert value_of("") is None
    assert value_of([1]) is None


def test_columns_beyond_ten_thousand_are_left_out_and_said():
    names = ",".join(f"m{number}" for number in range(12_000))
    data = f"epoch,{names}\n0,{',' * 11_999}\n1,{','.join(['1'] * 12_000)}\n"
    items = read("csv", data)
    assert len(points(items)) == 10_000
    assert problems(items) == [
        (1, "12,001 columns; metrics beyond the first 10,000 are left out")
    ]


def test_a_header_longer_than_the_tail_remembers_is_kept():
    name = "m" * 70_000
    data = f"epoch,{name}\n0,1\n1,2\n".encode()
    cuts = [data.index(b"0,1")]
    assert [point.value for point in parse(by_name()["csv"], data, cuts)] == [1, 2]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("step,metric,value", "{step},{name},{value}"),
        ("wall_time,step,tag,value", "1700000000.5,{step},{name},{value}"),
        ("Epoch,Name,Value,seed", "{step},{name},{value},3"),
    ],
)
def test_rows_that_name_their_metric_are_one_curve_a_name(header: str, row: str):
    rows = [(1, "loss", 0.5), (1, "acc", 0.1), (2, "loss", 0.4), (2, "acc", 0.2)]
    lines = [row.format(step=s, name=n, value=v) for s, n, v in rows]
    data = "\n".join([header, *lines, ""])
    name, _ = claim("run/metrics.csv", data)
    assert points(read(name, data)) == {
        "loss": [(1, 0.5), (2, 0.4)],
        "acc": [(1, 0.1), (2, 0.2)],
    }


def test_a_name_beside_metrics_is_not_theirs():
    data = "step,name,reward,value\n1,ant,3,0.5\n"
    name, _ = claim("run/log.csv", data)
    assert points(read(name, data)) == {"reward": [(1, 3)], "value": [(1, 0.5)]}
    line = '{"step": 1, "name": "ant", "reward": 3, "value": 0.5}\n'
    assert points(read("json_lines", line)) == points(read(name, data))
    assert claim("run/log.csv", "step,name,train,val\n1,ant,3,0.5\n")[0] == "csv"


def test_a_table_of_results_is_no_curve():
    data = "metric,value\naccuracy,0.9\nf1,0.8\n"
    name, match = claim("run/results.csv", data)
    assert match.role is Role.metrics
    assert read(name, data) == [Result("accuracy", 0.9), Result("f1", 0.8)]
    assert claim("run/test_results.csv", data)[1].role is Role.context
    assert claim("data/settings.csv", "name,value\na,1\n") is None


def test_rows_of_training_and_validation_are_told_apart():
    data = (
        "epoch,phase,loss,acc,val_best\n1,train,0.5,,\n1,val,0.6,0.1,0.6\n"
        "2,Train,0.4,,\n2,other,0.7,0.2,\n"
    )
    name, _ = claim("run/log.csv", data)
    assert points(read(name, data)) == {
        "train/loss": [(1, 0.5), (2, 0.4)],
        "val/loss": [(1, 0.6)],
        "val/acc": [(1, 0.1)],
        "val_best": [(1, 0.6)],
        "loss": [(2, 0.7)],
        "acc": [(2, 0.2)],
    }
    told = points(reread(name, data + "3,other,0.6,,\n"))
    assert told["other/loss"] == [(2, 0.7), (3, 0.6)]
    assert told["val/loss"] == [(1, 0.6)]
    assert claim("run/log.csv", "epoch,loss,phase\n")[0] == name
    assert claim("run/log.csv", "epoch,loss,mode\n1,0.5,max\n")[0] == name


def test_steps_that_begin_again_with_each_epoch_are_counted_on():
    rows = [(epoch, step) for epoch in range(3) for step in range(0, 50, 10)]
    data = "epoch,step,loss\n" + "".join(f"{e},{s},{e + s}\n" for e, s in rows)
    assert points(read("csv", data))["loss"] == [
        (10 * number, e + s) for number, (e, s) in enumerate(rows)
    ]


def test_epochs_of_any_length_and_rows_without_one_are_counted_on():
    data = (
        "epoch,iter,loss,val\n1,50,5,\n1,100,4,\n1,7,,9\n,120,4,\n"
        "2,50,3,\n2,7,,8\n3,50,2,\n3,500,1,\n,7,,7\n4,50,0,\n"
    )
    found = points(read("csv", data))
    assert found["loss"] == [
        (50, 5), (100, 4), (120, 4), (170, 3), (220, 2), (670, 1), (720, 0)
    ]  # fmt: skip
    assert found["val"] == [(7, 9), (127, 8), (177, 7)]


def test_a_resume_among_counted_epochs_goes_back_to_where_its_epoch_was():
    first = [(epoch, step) for epoch in range(4) for step in range(5)]
    again = [(epoch, step) for epoch in range(2, 5) for step in range(7)]
    data = "epoch,step,loss\n" + "".join(f"{e},{s},1\n" for e, s in first + again)
    steps = [step for step, _ in points(read("csv", data))["loss"]]
    # The epochs that come again are longer, and still overtake none of their own.
    assert steps == [*range(20), *range(10, 31)]
    assert metrics_of(read("csv", data))["loss"].count == 31
    # The same epoch once more is a resume as well.
    data = "epoch,step,loss\n0,0,1\n0,1,1\n1,0,1\n1,1,1\n1,0,1\n"
    steps = [step for step, _ in points(read("csv", data))["loss"]]
    assert steps == [0, 1, 2, 3, 2]


def test_a_global_step_beside_epochs_stays_as_written():
    data = "epoch,step,loss\n0,5,1\n1,10,1\n,15,1\nnan,16,1\n2,16,1\n1,11,1\n2,18,1\n"
    steps = [step for step, _ in points(read("csv", data))["loss"]]
    assert steps == [5, 10, 15, 16, 16, 11, 18]


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=60),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_counted_steps_are_alike_wherever_a_log_is_cut(
    rows: list[tuple[int, int]], cuts: list[int]
):
    data = "epoch,step,loss\n" + "".join(f"{e},{s},1\n" for e, s in rows)
    lines = "".join(f'{{"epoch":{e},"step":{s},"loss":1}}\n' for e, s in rows)
    whole = read("csv", data)
    cut = sorted({at % len(data) for at in cuts})
    assert parse(by_name()["csv"], data.encode(), cut) == whole
    assert read("json_lines", lines) == whole
    rising = sorted(rows)
    data = "epoch,step,loss\n" + "".join(f"{e},{s},1\n" for e, s in rising)
    items = read_to_the_end("csv", data)
    steps = [item.step for item in items if isinstance(item, Point)]
    assert steps == sorted(steps)


def read_to_the_end(name: str, data: str) -> list[Item]:
    """Read once more, from the start, where the log was taken for something else."""
    memory: Memory = {}
    while True:
        header = data.partition("\n")[0].encode()
        chunk = Chunk("x", header, data.encode(), 0, 1)
        items = list(by_name()[name].parse(chunk, memory))
        if Anew() not in items:
            return items
        memory = {key: memory[key] for key in memory if key.startswith(HINT)}


AGES = ["epoch", "Epoch", "ep", "current_epoch", "stage", "task"]
COUNTS = ["step", "iter", "it", "batch_idx", "iteration", "global_step"]


@pytest.mark.parametrize("name", ["csv", "json_lines"])
@given(st.data())
def test_no_row_of_many_ages_is_overtaken_by_another(name: str, data: st.DataObject):
    """Whatever the counts are called, each row has a step of its own, in order.

    Steps that begin again with each age, lengths of episodes, constants.
    """
    outer, inner = data.draw(st.sampled_from(AGES)), data.draw(st.sampled_from(COUNTS))
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    kind = data.draw(st.sampled_from(["again", "on", "alone", "constant"]))
    first = data.draw(st.integers(0, 1))
    rows: list[tuple[int, int]] = []
    for age, size in enumerate(sizes, first):
        if kind in ("alone", "constant"):
            rows.append((age, size * 10 if kind == "alone" else 100))
        else:
            start = len(rows) if kind == "on" else 0
            rows += [(age, start + at) for at in range(size)]
    if name == "csv":
        text = f"{outer},{inner},loss\n" + "".join(f"{a},{s},1\n" for a, s in rows)
    else:
        text = "".join(f'{{"{outer}":{a},"{inner}":{s},"loss":1}}\n' for a, s in rows)
    items = read_to_the_end(name, text)
    steps = [item.step for item in items if isinstance(item, Point)]
    assert len(steps) == len(rows)
    assert steps == sorted(set(steps))


def test_more_epochs_than_are_remembered_are_counted_on():
    rows = [(epoch, step) for epoch in range(700) for step in range(2)]
    data = "epoch,step,loss\n" + "".join(f"{e},{s},1\n" for e, s in [*rows, (1, 0)])
    memory: Memory = {}
    chunk = Chunk("x.csv", b"epoch,step,loss", data.encode(), 0, 1)
    steps = [
        item.step
        for item in by_name()["csv"].parse(chunk, memory)
        if isinstance(item, Point)
    ]
    assert steps[:-1] == list(range(1400))
    # No longer known; the first one that is.
    assert steps[-1] == 2 * (700 - 256)
    assert len(repr(memory)) < 4000


def test_rows_of_several_trainings_are_told_apart():
    data = "Fold,epoch,phase,loss\n0,1,train,0.5\n0,2,val,0.4\n1,1,train,0.9\n"
    name, match = claim("run/log.csv", data)
    assert match.role is Role.metrics
    assert points(read(name, data + ",2,val,0.8\n")) == {
        "fold_0/train/loss": [(1, 0.5)],
        "fold_0/val/loss": [(2, 0.4)],
        "fold_1/train/loss": [(1, 0.9)],
        "val/loss": [(2, 0.8)],
    }
    data = "run,step,loss\na b,1,0.5\nb,1,0.9\na b,2,0.4\nb,2,0.8\n"
    name, _ = claim("run/log.csv", data)
    assert points(read(name, data)) == {
        "run_a b/loss": [(1, 0.5), (2, 0.4)],
        "run_b/loss": [(1, 0.9), (2, 0.8)],
    }


@pytest.mark.parametrize(
    "data",
    [
        "seed,step,loss\n42,1,0.5\n42,2,0.4\n42,1,0.4\n",
        "seed,step,loss\n7,1,0.5\n42,2,0.4\n9,3,0.4\n",
        "seed,step,loss\n",
        "seed,model,acc\n1,a,0.5\n2,b,0.9\n",
        "fold,epoch\n0,1\n1,1\n",
    ],
)
def test_a_column_that_tells_no_trainings_apart_is_a_column(data: str):
    found = claim("run/metrics.csv", data)
    assert found is None or found[0] != "training_rows"


def test_csv_that_nemo_moved_is_continued_by_the_one_above():
    data = "epoch,step,loss\n0,1,0.5\n"
    beside = ["nemo_log_globalrank-0_localrank-0.txt"]
    name, moved = claim("run/run_0/metrics.csv", data, beside=beside)
    assert (name, moved.levels_up, moved.series) == ("lightning", 1, "lightning")
    kept = claim("run/metrics.csv", data, beside=beside)[1]
    assert (kept.levels_up, kept.series) == (0, "lightning")
    other = claim("run/run_0/metrics.csv", data)[1]
    assert (other.levels_up, other.series) == (0, "")


def test_a_word_to_excel_may_stand_above_the_header():
    data = "sep=;\nepoch;loss\n1;0,5\n2;0,25\n"
    for path in ("run/log.csv", "run/train_log.txt"):
        found = claim(path, data)
        assert found is not None
        items = read(found[0], data)
        assert points(items) == {"loss": [(1, 0.5), (2, 0.25)]}
        assert not problems(items)


def test_comments_may_stand_above_the_header():
    data = "# run of 2024-05-01\n#\n# lr=0.1 seed=3\nepoch\tloss\n1\t0.5\n# end\n"
    assert claim("run/log.tsv", data)[0] == "csv"
    items = read("csv", data)
    assert points(items) == {"loss": [(1, 0.5)]}
    assert not problems(items)


def test_a_decimal_comma_is_read_where_no_comma_separates():
    data = "epoch;lr;loss\n1;1e-3;0,5\n2;1,5E-4;-,25\n3;;nan\n"
    assert claim("run/log.csv", data)[0] == "csv"
    items = read("csv", data)
    assert points(items)["loss"][:2] == [(1, 0.5), (2, -0.25)]
    assert points(items)["lr"] == [(1, 0.001), (2, 0.00015)]
    assert not problems(items)
    items = read("csv", 'epoch,loss\n1,0.5\n2,"0,5"\n')
    assert points(items)["loss"] == [(1, 0.5), (2, 0.5)]


def test_a_step_of_so_many_is_a_step():
    items = read("csv", "epoch,loss\n1/3,0.5\n2 / 3,0.4\n3/3,0.3\n")
    assert points(items) == {"loss": [(1, 0.5), (2, 0.4), (3, 0.3)]}


def test_a_table_with_a_row_for_each_sample_is_no_log():
    assert claim("run/test_results.csv", "id,score\n1,0.5\n") is None
    assert claim("run/results.csv", "image_id,score\n1,0.5\n") is None
    assert claim("run/results.csv", "trial_id,val_loss\n1,0.5\n")[0] == "csv"


def test_trials_of_optuna_are_stepped_by_their_number():
    times = "2026-11-26 13:02:59.577581,2026-11-26 13:02:59.699790,0 days 00:00:00.12"
    data = (
        ",number,value,datetime_start,datetime_complete,duration,params_opt,params_x,"
        f"user_attrs_acc,state\n0,0,0.25,{times},b,0.5,0.9,COMPLETE\n"
        f"1,1,,{times},a,0.1,,FAIL\n2,2,0.01,{times},b,-0.1,0.8,COMPLETE\n"
    )
    name, _ = claim("study/trials.csv", data)
    assert points(read(name, data)) == {
        "value": [(0, 0.25), (2, 0.01)],
        "user_attrs_acc": [(0, 0.9), (2, 0.8)],
    }
    many = (
        "number,values_0,values_1,datetime_start,params_x,state\n0,1,2,x,3,COMPLETE\n"
    )
    assert points(read(name, many)) == {"values_0": [(0, 1)], "values_1": [(0, 2)]}


def test_colours_are_no_part_of_a_table():
    rows = "\x1b[1mstep,loss\x1b[0m\n1,\x1b[36m0.5\x1b[0m\n2,\x1b[32;1m0.4\x1b[0m\n"
    plain = "step,loss\n1,0.5\n2,0.4\n"
    assert claim("run/metrics.csv", rows) == claim("run/metrics.csv", plain)
    assert read("csv", rows) == read("csv", plain)
