"""Regular expressions that are compiled when they are first looked for.

To compile all that the program may need takes longer than to read a log; a tick needs
one of five.
"""

import re
from typing import Any, cast


def late(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what ``re.compile`` would, but compiled when it is first used.

    A pattern that is wrong is found out only then; what is found with it has another
    object as its ``re``.
    """
    return cast("re.Pattern[str]", _Late(text, flags))


class _Late:
    def __init__(self, text: str, flags: int) -> None:
        self.pattern = text
        self._flags = flags
        self._compiled: re.Pattern[str] | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what a pattern has
        if name.startswith("__"):  # asked by `copy` and its like, not by a search
            raise AttributeError(name)
        if self._compiled is None:
            self._compiled = re.compile(self.pattern, self._flags)
        found = getattr(self._compiled, name)
        setattr(self, name, found)  # from now on it is not asked for here
        return found
