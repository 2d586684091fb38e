"""``completion``: scripts that complete commands, options, values and files."""

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from mlreport_batch.printing import tell

_NAME = "mlreport-batch"
_BASH = """\
# bash completion of mlreport-batch
_mlreport_batch() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    local command= each words=
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $each in -*) ;; *) command=$each; break ;; esac
    done
    case "$command $before" in
{values}
    esac
    if [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
        return
    fi
    case "$command" in
{options}
        *) words="{commands} --help --version" ;;
    esac
    if [ -z "$command" ] || [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        words=$(printf '%s\\n' $words | grep -v ^-)
        if [ -n "$words" ]; then
            COMPREPLY=($(compgen -W "$words" -- "$word"))
        else
            COMPREPLY=($(compgen -f -- "$word"))
        fi
    fi
}}
complete -o filenames -F _mlreport_batch mlreport-batch
"""


class _Option(Struct, frozen=True):
    """One option of a command, or what stands without one."""

    names: tuple[str, ...]
    text: str
    choices: tuple[str, ...]
    takes_value: bool


def main(args: argparse.Namespace) -> int:
    """Print the script of a shell; return the exit code."""
    makers = {"bash": bash, "zsh": zsh, "fish": fish}
    tell(makers[args.shell](args.parser), end="")
    return 0


class Parser(Protocol):
    """What a parser tells of itself."""

    def commands(self) -> Mapping[str, tuple["Parser", str]]:
        """Return the commands by name, each with what it does."""

    def shown_actions(self) -> Sequence[argparse.Action]:
        """Return what the help shows, in its order."""


def _options(parser: Parser) -> Iterator[_Option]:
    for action in parser.shown_actions():
        if not isinstance(action.choices, dict):
            yield _Option(
                tuple(action.option_strings),
                (action.help or "").replace("%%", "%"),
                tuple(map(str, action.choices or ())),
                action.nargs != 0,
            )


def bash(parser: Parser) -> str:
    """Return the completion of bash."""
    values, options = [], []
    for name, (command, _) in parser.commands().items():
        found = list(_options(command))
        options.append(f'        {name}) words="{" ".join(_words(found))}" ;;')
        for each in found:
            if each.names and each.choices:
                cases = "|".join(f'"{name} {flag}"' for flag in each.names)
                values.append(f'        {cases}) words="{" ".join(each.choices)}" ;;')
    return _BASH.format(
        commands=" ".join(parser.commands()),
        values="\n".join(values),
        options="\n".join(options),
    )


def _words(options: list[_Option]) -> list[str]:
    return [word for each in options for word in each.names or each.choices]


def zsh(parser: Parser) -> str:
    """Return the completion of zsh."""
    lines = [
        f"#compdef {_NAME}",
        "_mlreport_batch() {",
        "  local -a commands",
        "  commands=(",
    ]
    for name, (_, text) in parser.commands().items():
        lines.append(f"    {shlex.quote(f'{name}:{text}')}")
    lines += [
        "  )",
        "  if (( CURRENT == 2 )); then _describe command commands; return; fi",
        "  local command=$words[2]",
        "  shift words; (( CURRENT-- ))",
        "  case $command in",
    ]
    for name, (command, _) in parser.commands().items():
        specs = [spec for each in _options(command) for spec in _zsh_specs(each)]
        lines.append(f"    {name}) _arguments {' '.join(specs)} ;;")
    lines += ["  esac", "}", "compdef _mlreport_batch mlreport-batch", ""]
    return "\n".join(lines)


def _zsh_specs(option: _Option) -> list[str]:
    value = f":value:({' '.join(option.choices)})" if option.choices else ":file:_files"
    if not option.names:
        return [shlex.quote(f"*{value}")]
    text = option.text.replace("[", "(").replace("]", ")").replace(":", "\\:")
    end = value if option.takes_value else ""
    return [shlex.quote(f"{name}[{text}]{end}") for name in option.names]


def fish(parser: Parser) -> str:
    """Return the completion of fish."""
    lines = ["# fish completion of mlreport-batch"]
    for name, (_, text) in parser.commands().items():
        lines.append(
            f"complete -c {_NAME} -n __fish_use_subcommand -f -a {name}"
            f" -d {_fish_quoted(text)}"
        )
    for name, (command, _) in parser.commands().items():
        start = f"complete -c {_NAME} -n '__fish_seen_subcommand_from {name}'"
        for each in _options(command):
            words = [
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                for flag in each.names
            ]
            if each.choices:
                words.append(f"-x -a {_fish_quoted(' '.join(each.choices))}")
            elif each.names and each.takes_value:
                words.append("-r")
            elif not each.names:
                continue
            lines.append(f"{start} {' '.join(words)} -d {_fish_quoted(each.text)}")
    return "\n".join(lines) + "\n"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
