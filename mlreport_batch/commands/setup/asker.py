"""Get answers: from an option, a person or a default; else say what is missing."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from mlreport_batch.errors import MlreportError, UsageError
from mlreport_batch.language.dialogue import asked
from mlreport_batch.printing import ask, complain, tell

_T = TypeVar("_T")


class Asker:
    """Gets each answer once.

    Args:
        language: Of the questions.
        can_ask: Whether there is a person to ask; otherwise what has no option and no
            default is noted as missing.
    """

    def __init__(self, language: str, *, can_ask: bool) -> None:
        self.language = language
        self.can_ask = can_ask
        self.missing: list[str] = []

    def get(
        self,
        key: str,
        flag: str,
        check: Callable[[str], _T],
        *,
        given: str | None = None,
        default: str | None = None,
        is_secret: bool = False,
    ) -> _T | None:
        """Return an answer, None where it is missing.

        Args:
            key: Of the question in `language.dialogue`.
            flag: The option that answers it, for messages.
            check: Returns what the answer means, or raises a `UsageError`.
            given: What the option said.
            default: What Enter means; without a person, what holds.
            is_secret: Whether what is typed must not be seen.

        Raises:
            UsageError: The option's answer is wrong, or nothing more will be typed.
        """
        if given is not None:
            return check(given)
        if not self.can_ask:
            if default is None:
                self.missing.append(flag)
                return None
            return check(default)
        shown = f" [{default}]" if default else ""
        while True:
            said = self._typed(f"{self.say(key)}{shown}: ", is_secret=is_secret)
            if not said and default is None:
                self.tell("needed")
                continue
            try:
                return check(said or default or "")
            except MlreportError as exc:
                complain(str(exc))

    def try_again(self, key: str) -> str:
        """Return what a person types instead, empty for nothing."""
        return self._typed(f"{self.say(key)}: ", is_secret=True) if self.can_ask else ""

    def say(self, key: str, **fields: object) -> str:
        """Return a text of the dialogue in the person's language."""
        return asked(self.language, key, **fields)

    def tell(self, key: str, **fields: object) -> None:
        """Tell a person something."""
        tell(self.say(key, **fields))

    def choose(self, lines: Sequence[str]) -> None:
        """Show *lines* with numbers, where there is a person to see them."""
        for number, line in enumerate(lines if self.can_ask else (), 1):
            tell(f"  {number:>2}  {line}")

    @staticmethod
    def _typed(question: str, *, is_secret: bool) -> str:
        try:
            return ask(question, is_secret=is_secret)
        except (EOFError, KeyboardInterrupt) as exc:
            tell("")
            raise UsageError(
                "ended before the last answer",
                kept="Nothing more was written",
                advice="`mlreport-batch init` asks again; its --help names an option "
                "for each answer",
            ) from exc
