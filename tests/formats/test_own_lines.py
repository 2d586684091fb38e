"""Lines as the user's config says they are written."""

import pytest

from formats_reading import parse, points, problems
from mlreport_batch.config.load import parse as parse_config
from mlreport_batch.errors import ConfigError
from mlreport_batch.formats import own_lines
from mlreport_batch.formats.own_lines import OwnFormat, fault_of
from mlreport_batch.formats.registry import format_of
from ticking import Desk

EP = (
    r"ep (?P<epoch>\d+)(?: it (?P<iter>[\d,]+))? loss (?P<loss>\S+)( acc (?P<acc>\S+))?"
)


def read_with(line: str, data: str):
    return parse(format_of(f"line {line}"), data.encode())


def test_named_groups_are_steps_and_metrics():
    data = (
        "start\n>> ep 1 loss 0.5 acc 92.5%\nep 2 loss tensor(0.4)\nno\nep 3 loss nan\n"
    )
    found = points(read_with(EP, data))
    assert found["acc"] == [(1, 92.5)]
    assert str(found["loss"]) == "[(1.0, 0.5), (2.0, 0.4), (3.0, nan)]"


def test_finer_steps_that_begin_again_are_counted_on():
    data = "ep 1 it 1,000 loss 3\nep 1 it 2,000 loss 2\nep 2 it 1,000 loss 1\n"
    assert points(read_with(EP, data)) == {"loss": [(1000, 3), (2000, 2), (3000, 1)]}


def test_lines_are_taken_as_a_terminal_shows_them_in_the_end():
    data = "ep 1 loss 9\rep 1 loss 8\n\x1b[1mep 2\x1b[0m loss 7\n"
    assert points(read_with(EP, data)) == {"loss": [(1, 8), (2, 7)]}


def test_without_a_step_the_lines_that_fit_are_counted():
    assert points(read_with(r"(?P<reward>-?\d+)!", "3!\nx\n-4!\n")) == {
        "reward": [(0, 3), (1, -4)]
    }


def test_what_is_no_number_is_told_and_a_log_without_a_fit_too():
    [problem] = problems(read_with(EP, "ep 1 loss much\nep 2 loss 0.5\n"))
    assert "'much' for loss is no number" in problem[1]
    [problem] = problems(read_with(EP, "nothing\n"))
    assert "no line so far fits" in problem[1]


def test_where_a_log_is_cut_makes_no_difference():
    data = "".join(f"ep {at} loss {1 / at}\nx\n" for at in range(1, 9))
    form = format_of(f"line {EP}")
    whole = points(parse(form, data.encode()))
    for cut in range(0, len(data), 11):
        assert points(parse(form, data.encode(), [cut])) == whole


def test_a_pattern_that_never_ends_costs_its_file_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(own_lines, "CPU_S", 1)
    data = b"ep 1 loss 0.5\n" + b"a" * 200 + b"!\n"
    endless = format_of(r"line (?:ep \d loss (?P<loss>\S+)|(a+)+$)")
    found = parse(endless, data, [14])
    assert points(found) == {"loss": [(0, 0.5)]}
    [problem] = problems(found)
    assert "the pattern of `formats` was ended by" in problem[1]
    assert "no more of this file is read" in problem[1]


@pytest.mark.parametrize(
    ("name", "parents", "is_meant"),
    [
        ("a.log", ("r1", "top"), True),
        ("a.txt", ("r1", "top"), False),
        ("out", ("logs", "r1", "top"), True),
        ("out", ("r1", "top"), False),
        ("out", ("top",), False),
    ],
)
def test_globs_are_on_names_or_on_paths(
    name: str, parents: tuple[str, ...], *, is_meant: bool
):
    assert OwnFormat(("*.log", "*/logs/out"), EP).is_of(name, parents) == is_meant


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("loss (?P<loss", "is no regular expression: missing >, unterminated name"),
        (r"loss (\S+)", "names no metric"),
        (r"ep (?P<epoch>\d+)", "names no metric"),
        ("(?P<loss>" + 1000 * "x" + ")", "is longer than 1,000 characters"),
    ],
)
def test_a_pattern_that_is_wrong_is_an_error_with_its_place(line: str, why: str):
    assert why in fault_of(line)
    text = f"runs:\n  - path: /runs\nformats:\n  - files: '*.log'\n    line: '{line}'\n"
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode(), "/etc/c.yaml")
    [problem] = caught.value.problems
    assert problem.startswith(f"/etc/c.yaml:5 formats[0].line: {why}")


def test_another_pattern_reads_its_files_anew(desk: Desk):
    desk.put("a/notes.weird", "ep 1 loss 0.5\nep 2 loss 0.25\n")
    pattern = (
        "formats: [{{files: '*.weird', line: 'ep (?P<epoch>\\d+) {} (?P<{}>\\S+)'}}]\n"
    )
    config = desk.config()
    desk.run("run", "-c", config)
    assert desk.mails() == []
    desk.config(pattern.format("loss", "loss"))
    desk.run("run", "-c", config)
    [text] = desk.texts()
    assert "loss" in text
    desk.config(pattern.format("loss", "val_err"))
    desk.run("run", "-c", config)
    [text] = desk.texts()
    assert "val_err" in text
    said = desk.run("inspect", str(desk.runs), "-c", config, "--json").json
    [run] = said["runs"]
    assert list(run["metrics"]) == ["val_err"]
    assert run["files"][0]["why"] == "`formats` in the config"
    desk.config()
    assert (
        desk.run("inspect", str(desk.runs), "-c", config, "--json").json["runs"] == []
    )
