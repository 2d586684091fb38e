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


def entry() -> "NoReturn":
    """Run the command line and leave with its exit code."""
    argv = sys.argv[1:]
    plain = plain_run(argv)
    changed = None if plain is None else first_look(*plain)
    if changed == []:
        sys.exit(0)
    from mlreport_batch.cli import entry as command_line

    command_line(has_news=plain is not None, changed=changed)


def plain_run(
    argv: Sequence[str],
) -> tuple[list[str], str | None, str | None, str | None] | None:
    """Return the arguments of `first_look` in a plain ``run``, else None."""
    if not argv or argv[0] != "run":
        return None
    paths: list[str] = []
    named: dict[str, str | None] = {"--out": None, "--config": None, "--shard": None}
    words = iter(argv[1:])
    for word in words:
        option = "--config" if word == "-c" else word
        if option in named:
            value = next(words, "")
            if not value or value.startswith("-"):
                return None
            named[option] = value
        elif word.startswith("-"):
            if word not in ("-q", "--quiet"):
                return None
        else:
            paths.append(word)
    return paths, named["--out"], named["--config"], named["--shard"]


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
