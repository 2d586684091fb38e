"""What every command needs to know of its call: the config, the state folder."""

import os
from typing import TYPE_CHECKING

from mlreport_batch.config.locate import (
    DEFAULT_OUT,
    find_config,
    shard_folder,
    shard_of,
)
from mlreport_batch.state.idle import DATABASE

if TYPE_CHECKING:
    from argparse import Namespace

    from mlreport_batch.config.settings import Config


def config_of(args: "Namespace") -> "Config":
    """Return the settings of this call.

    Raises:
        ConfigError: The config is wrong.
        UsageError: There is none, a path is no folder, or a shard no shard.
    """
    shard = _shard(args)
    config = _config_of_all(args)
    return config if shard is None else _of_shard(config, shard)


def _config_of_all(args: "Namespace") -> "Config":
    from pathlib import Path

    from msgspec.structs import replace

    from mlreport_batch.config.load import from_paths, load
    from mlreport_batch.errors import UsageError

    paths = getattr(args, "paths", [])
    out = getattr(args, "out", None)
    if paths and not args.config:
        return from_paths(paths, out or DEFAULT_OUT)
    file = find_config(args.config)
    if file is None:
        raise UsageError(
            "there is no config file and no PATH was named",
            advice="`mlreport-batch run PATH` needs no config; `mlreport-batch init` "
            "writes one",
        )
    config = load(file)
    if paths:
        config = replace(config, runs=from_paths(paths, out or DEFAULT_OUT).runs)
    if out:
        folder = Path(out).expanduser().absolute()
        config = replace(config, out=folder, never_enter=(*config.never_enter, folder))
    return config


def _of_shard(config: "Config", shard: tuple[int, int]) -> "Config":
    """Return the settings of one shard: what only one tick may write lies apart."""
    from pathlib import Path

    from msgspec.structs import replace

    def own(folder: Path | None) -> Path | None:
        return None if folder is None else Path(shard_folder(os.fspath(folder), shard))

    url, figures = config.pages.url, config.prometheus.file
    if url is not None:
        url = shard_folder(url, shard)
    if figures is not None:  # all that are read lie in one folder
        figures = figures.with_stem(f"{figures.stem}-{shard[0]}-of-{shard[1]}")
    return replace(
        config,
        shard=shard,
        state=Path(shard_folder(os.fspath(config.state), shard)),
        out=own(config.out),
        pages=replace(config.pages, dir=own(config.pages.dir), url=url),
        prometheus=replace(config.prometheus, file=figures),
    )


def _shard(args: "Namespace") -> tuple[int, int] | None:
    """Return the shard that was asked for.

    Raises:
        UsageError: It is none.
    """
    from mlreport_batch.errors import UsageError

    text = getattr(args, "shard", None)
    found = None if text is None else shard_of(text)
    if text is not None and found is None:
        raise UsageError(
            f"--shard {text} is no K/N with K from 1 to N",
            kept="Nothing was read, sent or changed",
            advice="Of four shards, the first is 1/4 and the last 4/4",
        )
    return found


def state_folder(args: "Namespace") -> str:
    """Return the state folder of the config, or of ``--out``."""
    if args.config is None and find_config(None) is None:
        out = _out_folder(args)
        if os.path.exists(os.path.join(out, DATABASE)):
            return out
    elif getattr(args, "out", None):
        return _out_folder(args)
    return os.fspath(config_of(args).state)


def _out_folder(args: "Namespace") -> str:
    out = os.path.abspath(os.path.expanduser(args.out or DEFAULT_OUT))
    shard = _shard(args)
    return out if shard is None else shard_folder(out, shard)
