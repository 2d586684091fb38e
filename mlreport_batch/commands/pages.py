"""Make one page over the runs of all shards."""

import argparse
import os
import time

from mlreport_batch.commands.call import config_of
from mlreport_batch.config.locate import DEFAULT_OUT, find_config
from mlreport_batch.errors import UsageError
from mlreport_batch.language.dates import local_now
from mlreport_batch.printing import complain, tell
from mlreport_batch.render.merged import merge_pages, shards_in


def main(args: argparse.Namespace) -> int:
    """Merge the pages of shards; return the exit code.

    Raises:
        UsageError: It is not known where there are pages, or there are none.
        ConfigError: The config is wrong.
        StateError: Pages could not be read or written.
    """
    zone, out = None, args.out
    if args.config is not None or find_config(None) is not None:
        config = config_of(argparse.Namespace(config=args.config))
        zone = config.report.zone()
        out = out or config.pages_folder
    elif out is None:
        out = DEFAULT_OUT
    if out is None:
        raise UsageError(
            "the config names no pages.dir",
            advice="Name the folder for the pages of all shards with --out",
        )
    out = os.path.abspath(os.path.expanduser(out))
    folders = [os.path.expanduser(folder) for folder in args.folders]
    if not folders:
        folders, missing = shards_in(out)
        if missing:
            complain(
                f"without shard {', '.join(map(str, missing))}, which has no pages"
            )
    if not folders:
        raise UsageError(
            f"{out} holds no pages of shards",
            advice="Name their folders, or run `mlreport-batch run --shard K/N` first",
        )
    count = merge_pages(folders, out, local_now(zone, time.time()))
    tell(f"{os.path.join(out, 'index.html')}: {count:,} runs of {len(folders)} shards")
    return 0
