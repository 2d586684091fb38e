"""What the program says of itself: help, man page, reference, completion."""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlreport_batch.cli.helpful import Parser
from mlreport_batch.cli.manual import man_page, reference
from mlreport_batch.cli.parser import make_parser
from mlreport_batch.cli.texts import DESCRIPTIONS, EXIT_CODES, examples_of
from mlreport_batch.commands.completion import bash, fish, zsh
from mlreport_batch.errors import MlreportError
from places import ROOT
from ticking import Desk

COMMANDS = make_parser().commands()


def subclasses(cls: type) -> set[type]:
    return {cls, *(each for sub in cls.__subclasses__() for each in subclasses(sub))}


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_tells_what_why_and_how(name: str, desk: Desk):
    said = desk.run(*filter(None, [name]), "--help")
    assert said.code == 0
    assert said.out.startswith(f"usage: mlreport-batch {name}".rstrip())
    told = " ".join(said.out.split())
    assert " ".join(DESCRIPTIONS[name].split())[:60] in told.replace("- ", "-")
    for call, _ in examples_of(name):
        assert call in said.out
    if name:
        for action in COMMANDS[name][0].shown_actions():
            assert action.help or action.choices, action.dest
    else:
        for code in EXIT_CODES:
            assert re.search(rf"(?m)^  {code} ", said.out)


def test_the_examples_are_calls_that_the_parser_takes():
    for name in COMMANDS:
        for call, _ in examples_of(name):
            words = shlex.split(re.split("[|>] ", call)[0])[1:]
            args = make_parser().parse_args(words, argparse.Namespace())
            assert args.command == words[0]


def test_the_exit_codes_that_are_told_are_those_that_there_are():
    ours = {cls.exit_code for cls in subclasses(MlreportError)}  # type: ignore[attr-defined]
    assert ours | {0, 4} == set(EXIT_CODES)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"(?m)^\| (\d+) \|", readme)} == set(
        EXIT_CODES
    )


def test_the_config_option_says_where_it_looks(desk: Desk):
    told = " ".join(desk.run("run", "--help").out.split()).replace("- ", "-")
    assert "$MLREPORT_CONFIG, ./mlreport.yaml, ~/.config/mlreport-batch/config" in told


def test_a_wrong_call_says_what_was_meant_or_where_help_is(desk: Desk):
    assert "did you mean --dry-run?" in desk.run("run", "--dryrun").err
    said = desk.run("schedule", "cronn")
    assert said.code == 2
    assert "did you mean cron?" in said.err
    assert "did you mean alert?" in desk.run("run", "--fail-on", "alerts").err
    assert "did you mean status?" in desk.run("statsu").err


@pytest.mark.parametrize("call", [["frobnicate"], ["run", "-c"]])
def test_a_call_that_resembles_nothing_is_told_where_help_is(
    desk: Desk, call: list[str]
):
    said = desk.run(*call)
    assert said.code == 2
    assert "did you mean" not in said.err
    assert "--help` tells more" in said.err


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="argparse words it anew")
def test_man_page_and_reference_are_up_to_date():
    """`python -m mlreport_batch.cli.manual docs` writes them."""
    assert (ROOT / "docs/mlreport-batch.1").read_text("utf-8") == man_page()
    assert (ROOT / "docs/commands.md").read_text("utf-8") == reference()


def test_groff_takes_the_man_page_without_a_word():
    if shutil.which("groff") is None:
        pytest.skip("groff is not here")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z"],
        input=man_page(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""


# -- completion -------------------------------------------------------------------


def completed(*words: str, folder: Path) -> set[str]:
    """Return what bash offers for the last of *words*."""
    script = (
        f"{bash(make_parser())}\nCOMP_WORDS=({shlex.join(words)})\n"
        f"COMP_CWORD={len(words) - 1}\n_mlreport_batch\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_commands_options_values_and_files(tmp_path: Path):
    (tmp_path / "experiments").mkdir()
    call = "mlreport-batch"
    assert completed(call, "st", folder=tmp_path) == {"status"}
    assert set(COMMANDS) <= completed(call, "", folder=tmp_path)
    assert completed(call, "run", "--d", folder=tmp_path) == {"--dry-run"}
    assert completed(call, "run", "-q", "e", folder=tmp_path) == {"experiments"}
    found = completed(call, "run", "--fail-on", "", folder=tmp_path)
    assert found == {"alert", "problem"}
    assert completed(call, "schedule", "s", folder=tmp_path) == {"slurm", "systemd"}


@pytest.mark.parametrize("make", [bash, zsh, fish])
def test_every_shell_is_told_every_command_and_option(make):  # noqa: ANN001
    script = make(make_parser())
    for name, (command, _) in COMMANDS.items():
        assert name in script
        for action in command.shown_actions():
            for flag in action.option_strings:
                wanted = flag.lstrip("-") if make is fish else flag
                assert wanted in script, (name, flag)


def test_fish_and_zsh_take_their_scripts(desk: Desk):
    for shell in ("zsh", "fish"):
        said = desk.run("completion", shell)
        assert said.code == 0
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=said.out, text=True, check=True)


def test_a_command_is_a_parser_of_ours():
    assert all(isinstance(command, Parser) for command, _ in COMMANDS.values())
