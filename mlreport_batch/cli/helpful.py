"""A parser that says what was meant, and whose help shows examples.

What help says beyond a line an option is in `texts`, which only help needs.
"""

import argparse
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from mlreport_batch.printing import printable, tell

PROGRAM = "mlreport-batch"
HIDDEN = argparse.SUPPRESS


class _Help(argparse.HelpFormatter):
    """Fills paragraphs, and leaves lines that are indented as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

    def add_argument(self, action: argparse.Action) -> None:
        """Leave room for the longest command too, which stands further in."""
        super().add_argument(action)
        if isinstance(action.choices, Mapping) and action.help != HIDDEN:
            longest = max(map(len, action.choices)) + 2 * self._indent_increment
            self._action_max_length = max(self._action_max_length, longest + 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(
            part
            if "\n  " in f"\n{part}"
            else super(_Help, self)._fill_text(part, width, indent)
            for part in text.split("\n\n")
        )


class Parser(argparse.ArgumentParser):
    """Says which option or command was meant, and shows examples in its help."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as argparse
        settings.setdefault("formatter_class", _Help)
        super().__init__(**settings)

    @property
    def command(self) -> str:
        """The name of the command, empty for the program itself."""
        return self.prog.removeprefix(PROGRAM).strip()

    def format_help(self) -> str:
        """Return the help, with what `texts` says of the command."""
        from mlreport_batch.cli.texts import description_of, epilog_of

        self.description = description_of(self.command) or self.description
        self.epilog = epilog_of(self.command)
        return super().format_help()

    def shown_actions(self) -> list[argparse.Action]:
        """Return what the help shows, in its order."""
        return [each for each in self._actions if each.help != HIDDEN]

    def commands(self) -> dict[str, tuple["Parser", str]]:
        """Return the commands by name, each with what it does."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
                told = {each.dest: each.help for each in action._choices_actions}  # noqa: SLF001
                return {n: (p, told[n] or "") for n, p in action.choices.items()}
        return {}

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, what was meant, and where help is; exit with 2."""
        known: list[str] = []
        for action in self._actions:
            known += action.option_strings
            if isinstance(action.choices, Mapping):
                for name, command in action.choices.items():
                    known += [name, *command._option_string_actions]  # noqa: SLF001
            else:
                known += map(str, action.choices or ())
        hint = f" (`{self.prog} --help` tells more)"
        for word in _written(message):
            import difflib

            close = difflib.get_close_matches(word, known, 1, 0.75)
            if close and close[0] != word:
                hint = f"; did you mean {close[0]}?"
                break
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {printable(message)}{hint}\n")


def _written(message: str) -> list[str]:
    """Return the words of argparse's *message* that are not the parser's own."""
    if message.startswith("argument "):
        message = message.partition(": ")[2].partition(" (choose from ")[0]
    return [word.rstrip(",") for word in message.replace("'", " ").split()]


class Version(argparse.Action):
    """Prints the versions of the program, Python and the libraries that matter."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print them and exit with 0."""
        from mlreport_batch.cli.texts import versions

        tell(versions(), end="", is_last=True)
        parser.exit(0)
