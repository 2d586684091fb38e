"""What every command needs to know of its call: the config, the state folder."""

import os
from typing import TYPE_CHECKING

from mlreport_batch.config.locate import DEFAULT_OUT, find_config
from mlreport_batch.state.idle import DATABASE

if TYPE_CHECKING:
    from argparse import Namespace

    from mlreport_batch.config.settings import Config


def config_of(args: "Namespace") -> "Config":
    """Return the settings of this call.

    Raises:
        ConfigError: The config is wrong.
        UsageError: There is none, or a path is no folder.
    """
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


def check_paths_only(config: "Config") -> None:
    """Refuse what no tick can read yet.

    Raises:
        ConfigError: A root lies in a bucket.
    """
    from mlreport_batch.errors import ConfigError

    remote = [root.path for root in config.runs if root.is_remote]
    if remote:
        raise ConfigError(
            f"runs: {remote[0]} lies in a bucket, which this version cannot read",
            advice="Mount it (for example with rclone) and name the folder",
        )


def state_folder(args: "Namespace") -> str:
    """Return the state folder of the config, or of ``--out``."""
    if args.config is None and find_config(None) is None:
        out = os.path.abspath(os.path.expanduser(args.out or DEFAULT_OUT))
        if os.path.exists(os.path.join(out, DATABASE)):
            return out
    elif getattr(args, "out", None):
        return str(os.path.abspath(os.path.expanduser(args.out)))
    return os.fspath(config_of(args).state)
