"""The way in: a tick without news ends here, before anything else is imported.

Most ticks bring no news. Making the parser of the command line alone would cost them
more than the state of a thousand runs, so the plain forms of ``run`` are read by hand;
whatever else stands there is the command line's business.
"""

import sys
import time
from collections.abc import Sequence

from mlreport_batch.config.locate import quick_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from mlreport_batch.cli import PlainRun

_SHORT = {"-c": "--config", "-q": "--quiet", "-v": "--verbose"}
_LOUDNESS = ("--quiet", "--verbose")


def entry() -> "NoReturn":
    """Run the command line and leave with its exit code."""
    argv = sys.argv[1:]
    plain = plain_run(argv)
    changed = None if plain is None else first_look(*plain[:4])
    if changed == []:
        sys.exit(0)
    from mlreport_batch.cli import entry as command_line

    command_line(plain, changed)


def plain_run(argv: Sequence[str]) -> "PlainRun | None":
    """Return what a plain ``run`` asks for, None for all other commands."""
    if not argv or argv[0] != "run":
        return None
    paths: list[str] = []
    named: dict[str, str | None] = {"--out": None, "--config": None, "--shard": None}
    loudness = ""
    words = iter(argv[1:])
    for word in words:
        option = _SHORT.get(word, word)
        if option in named:
            value = next(words, "")
            if not value or value.startswith("-"):
                return None
            named[option] = value
        elif not word.startswith("-"):
            paths.append(word)
        elif option in _LOUDNESS and loudness in ("", option):
            loudness = option
        else:
            return None
    out, config, shard = named.values()
    return paths, out, config, shard, loudness.removeprefix("--")


def first_look(
    paths: Sequence[str],
    out: str | None,
    config: str | None,
    shard: str | None = None,
) -> list[bytes] | None:
    """Return what `state.idle.glance` finds of what these name: [] for no news."""
    key, folder = quick_key(paths, out, config, shard)
    if folder is None:
        return None
    from mlreport_batch.state.idle import glance

    return glance(folder, key, time.time())
