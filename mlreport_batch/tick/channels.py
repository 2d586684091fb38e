"""Make the channel that the config names."""

from dataclasses import asdict
from typing import cast

from mlreport_batch.config.load import Config
from mlreport_batch.deliver import Channel, channel_type


def make_channel(config: Config) -> Channel:
    """Return the channel of ``mail.via``, made from its config table."""
    via = config.mail.via
    kind = channel_type(via)
    if via == "gmail":
        return cast(Channel, kind.from_settings(config.google))
    table = asdict(getattr(config, via))
    for key, value in table.items():
        if key.endswith(("_file", "dir")) and value is not None:
            table[key] = str(value)
    return cast(Channel, kind(**table))
