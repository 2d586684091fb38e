"""Tables of results: a row a class, a task or a data set."""

import pytest

from formats_reading import claim, found_runs, items_by_file, read
from mlreport_batch.formats import NotYetError, Problem, Result, Role
from places import RUNS

TABLE = "class,precision,recall\ncat,0.91,0.88\ndog,0.8,\n"


def test_each_number_is_a_result_of_its_row():
    name, match = claim("run/per_class_metrics.csv", TABLE)
    assert (name, match.role) == ("compared_rows", Role.context)
    assert read("compared_rows", TABLE) == [
        Result("cat/precision", 0.91),
        Result("cat/recall", 0.88),
        Result("dog/precision", 0.8),
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classification_report.csv", ",precision,support\na,0.5,1\nb c,0.25,2\n"),
        ("eval_results.csv", "dataset,accuracy\nsquad,0.91\nnq,0.8\n"),
        ("benchmarkScores.tsv", "task\tacc\nmmlu\t0.4\narc\t0.5\n"),
        ("benchmark.csv", "task,score\nmmlu,0.4\narc,0.5\n"),
        ("metrics_by_language.csv", 'language,bleu\n"ko, en",20\nde,30\n'),
        ("results.csv", "class;precision\ncat;0,91\ndog;0,8\n"),
        ("results.csv", "sep=;\n\nclass;precision\ncat;0,91\ndog;0,8\n"),
        ("results.csv", "class\tprecision (a, b)\ncat\t0.9\ndog\t0.8\n"),
        ("클래스별_성능.csv", "클래스,정밀도\n고양이,0.91\n개,0.8\n"),
        ("metrics.csv", "class,loss\n" + "".join(f"c{i},1\n" for i in range(201))),
    ],
)
def test_tables_that_are_named_after_results_are_read(file: str, text: str):
    assert claim(file, text)[0] == "compared_rows"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("cats.csv", TABLE),
        ("metrics.csv", "model,accuracy\na,0.5\nb,0.6\n"),
        ("metrics.csv", "class,phase,loss\na,train,1\na,val,2\n"),
        ("metrics.csv", "class,colour\na,red\nb,green\n"),
        ("metrics.csv", "class,weight\na,0.5\nb,0.6\n"),
        ("metrics.csv", "class,epoch,loss\na,1,0.5\nb,1,0.6\n"),
        ("metrics.csv", "class,loss\n0,0.5\n1,0.6\n"),
        ("metrics.csv", "class,loss\n"),
        ("metrics.csv", "class,loss\na,0.5\n"),
        ("metrics.csv", ""),
        ("metrics.csv", 'class,loss\n"a\n'),
        ("results.csv", "split,loss\ntrain,0.5\nval,0.6\n"),
        ("results.json", TABLE),
        ("results.csv", "class precision\ncat 0.9\ndog 0.8\n"),
    ],
)
def test_other_tables_are_none(file: str, text: str):
    found = claim(file, text)
    assert found is None or found[0] != "compared_rows"


def test_half_a_table_is_waited_for():
    with pytest.raises(NotYetError):
        read("compared_rows", "class,precision\ncat,0.9\n")


def test_tables_beside_a_log_belong_to_its_run():
    (run,) = found_runs(RUNS / "csv_by_class").values()
    results = {
        item.name: item.value
        for items in items_by_file(run).values()
        for item in items
        if isinstance(item, Result)
    }
    assert results.keys() >= {"mmlu/acc", "arc/acc_norm", "dog, big/recall", "새/f1"}
    assert "mmlu/acc_norm" not in results
    assert results["cat/f1"] == 0.8947


def results_in(rows: str) -> dict[str, float]:
    items = read("compared_rows", rows)
    return {item.name: item.value for item in items if isinstance(item, Result)}


def problems_in(rows: str) -> list[str]:
    items = read("compared_rows", rows)
    return [str(item) for item in items if isinstance(item, Problem)]


def test_columns_of_one_name_are_told_apart():
    found = results_in("class,acc,acc\ncat,0.5,0.6\ndog,0.7,0.8\n")
    assert found == {
        "cat/acc": 0.5,
        "cat/acc.1": 0.6,
        "dog/acc": 0.7,
        "dog/acc.1": 0.8,
    }


def test_numbers_may_be_dressed():
    found = results_in('class,acc\ncat,50%\ndog,0.7 ± 0.1\nbird,"0,935"\n')
    assert found == {"cat/acc": 50, "dog/acc": 0.7, "bird/acc": 0.935}


def test_only_ends_of_lines_end_rows():
    found = results_in('class,acc\r\n"big\ncat",0.5\r\nd\x0bo\u2028g,0.7\r\n')
    assert found == {"big\ufffdcat/acc": 0.5, "d\ufffdo\ufffdg/acc": 0.7}


def test_rows_of_another_length_are_told():
    table = "class,acc,f1\ncat,0.5\ndog,0.7,0.2,9\nbird,0.1,0.2,\nfish,0.2,0.2\n"
    assert results_in(table).keys() == {"bird/acc", "bird/f1", "fish/acc", "fish/f1"}
    (told,) = problems_in(table)
    assert told.endswith(":2: 2 cells where the header has 3; such rows are left out")


def test_of_half_a_row_nothing_is_told():
    table = "class,acc,f1\ncat,0.5,0.1\ndog,0.7,0.2\nbird,0."
    assert problems_in(table) == []
    assert len(problems_in(table + "\n")) == 1


def test_cells_that_are_no_numbers_are_told_once_a_measure():
    table = "class,acc,note\ncat,1_000,good\ndog,0x10,bad\nbird,NA,\nfish,0.5,\n"
    assert results_in(table) == {"fish/acc": 0.5}
    (told,) = problems_in(table)
    assert told.endswith(":2: '1_000' for acc is no number; such cells are left out")


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("above", ["", "sep=;\n", "\n\n"])
def test_what_stands_between_the_cells_makes_no_difference(mark: str, above: str):
    rows = TABLE.replace(",", mark)
    assert read("compared_rows", above + rows) == read("compared_rows", TABLE)


def test_between_semicolons_commas_are_decimal():
    assert results_in("class;acc\ncat;0,5\ndog;1,234\n") == {
        "cat/acc": 0.5,
        "dog/acc": 1.234,
    }


def test_the_line_of_a_fault_counts_those_above_the_header():
    (told,) = problems_in("sep=;\nclass;acc\ncat;0,5\ndog\nbird;0,1\n")
    assert ":4: 1 cells where the header has 2" in told


def test_of_many_rows_the_first_are_read_and_the_rest_is_told():
    rows = "class,acc\n" + "".join(f"c{i},{i}\n" for i in range(1250))
    assert [*results_in(rows)] == [f"c{i}/acc" for i in range(200)]
    (told,) = problems_in(rows)
    assert told.endswith("1,250 rows; results beyond the first 200 are left out")
