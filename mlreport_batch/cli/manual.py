"""The man page and the command reference, made from the parser.

``python -m mlreport_batch.cli.manual docs`` writes ``docs/mlreport-batch.1`` and
``docs/commands.md``.
"""

import argparse
import re
import sys
from pathlib import Path

from mlreport_batch import __version__
from mlreport_batch.cli.helpful import PROGRAM, Parser
from mlreport_batch.cli.parser import make_parser
from mlreport_batch.cli.texts import EXIT_CODES, PLACES, description_of, examples_of


def man_page() -> str:
    """Return the man page, in the language of groff."""
    parser = make_parser()
    lines = [
        f'.TH MLREPORT-BATCH 1 "" "mlreport-batch {__version__}" "User Commands"',
        ".SH NAME",
        "mlreport\\-batch \\- mail a report about every training run that has news",
        ".SH SYNOPSIS",
        ".B mlreport\\-batch",
        ".I COMMAND",
        "[OPTION ...]",
        ".SH DESCRIPTION",
        _roff(description_of("")),
        ".SH COMMANDS",
    ]
    for name, (command, text) in parser.commands().items():
        lines += [".SS", f"mlreport\\-batch {_roff(_usage(command))}"]
        lines.append(_roff(description_of(name) or text))
        for action in _told(command):
            lines += [".TP", f".B {_roff(_names(action))}", _roff(_help(action))]
        for call, why in examples_of(name):
            lines += [".PP", ".nf", f"  {_roff(_example(call, why))}", ".fi"]
    lines.append(".SH EXIT STATUS")
    for code, text in EXIT_CODES.items():
        lines += [".TP", f".B {code}", _roff(text)]
    lines.append(".SH FILES")
    for place, text in PLACES:
        lines += [".TP", f".I {_roff(place)}", _roff(text)]
    lines += [
        ".SH ENVIRONMENT",
        ".TP",
        ".B MLREPORT_CONFIG",
        "the config file, where \\-c names none",
        ".TP",
        ".B NO_COLOR",
        "no colours on a terminal",
        ".SH SEE ALSO",
        "crontab(5), systemd.timer(5), scrontab(1), sysexits(3)",
    ]
    return "\n".join(lines) + "\n"


def reference() -> str:
    """Return the command reference as Markdown."""
    parser = make_parser()
    lines = [
        "# Commands",
        "",
        "Made from the parser (`python -m mlreport_batch.cli.manual docs`); `man",
        "docs/mlreport-batch.1` and `mlreport-batch COMMAND --help` say the same.",
        "",
    ]
    for name, (command, text) in parser.commands().items():
        lines += [
            f"## {name}",
            "",
            "```text",
            f"mlreport-batch {_usage(command)}",
            "```",
        ]
        lines += ["", _markdown(description_of(name) or text), ""]
        if actions := _told(command):
            lines += ["| option | meaning |", "|---|---|"]
            lines += [
                f"| `{_names(each)}` | {_markdown(_help(each))} |".replace("||", "|")
                for each in actions
            ]
            lines.append("")
        if examples := examples_of(name):
            lines += ["```text", *(_example(*each) for each in examples), "```", ""]
    lines += ["## Exit codes", "", "| code | means |", "|---|---|"]
    lines += [f"| {code} | {_markdown(text)} |" for code, text in EXIT_CODES.items()]
    lines += ["", "## Where things lie", "", "| place | what |", "|---|---|"]
    lines += [f"| `{place}` | {_markdown(text)} |" for place, text in PLACES]
    lines += [
        "",
        "`$MLREPORT_CONFIG` names the config where `-c` does not, `$NO_COLOR` takes",
        "colours away, and `$XDG_CONFIG_HOME` stands for `~/.config`.",
        "",
    ]
    return "\n".join(lines)


def _usage(command: Parser) -> str:
    """Return how *command* is called, on one line, without the program's name."""
    usage = " ".join(command.format_usage().split()).removeprefix("usage: ")
    return usage.removeprefix(f"{PROGRAM} ").replace("[-h] ", "")


def _told(command: Parser) -> list[argparse.Action]:
    return [each for each in command.shown_actions() if each.dest != "help"]


def _names(action: argparse.Action) -> str:
    """Return an option with its value, or what stands without one."""
    value = str(action.metavar or "")
    if action.choices is not None:
        value = f"{{{','.join(map(str, action.choices))}}}"
    elif not value and action.option_strings and action.nargs != 0:
        value = action.dest.upper()
    names = ", ".join(action.option_strings)
    return f"{names} {value}".strip()


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%") or "which one"


def _example(call: str, why: str) -> str:
    return f"{call}  # {why}" if why else call


def _markdown(text: str) -> str:
    """Return *text* so that Markdown shows it as it is; code stays code."""
    parts = re.split("(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<>|$])", r"\\\1", part)
        for part in parts
    )


def _roff(text: str) -> str:
    """Return *text* so that groff shows it as it is."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "").split("\n")
    return "\n".join(
        f"\\&{line}" if line.startswith((".", "'")) else line or ".PP" for line in lines
    )


def main(folder: str) -> None:
    """Write both into *folder*."""
    Path(folder, "mlreport-batch.1").write_text(man_page(), encoding="utf-8")
    Path(folder, "commands.md").write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
