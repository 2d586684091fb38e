"""What the YAML reader found, kept for ticks that cannot find it by a look."""

import contextlib
import os

from mlreport_batch.config.locate import told_file
from mlreport_batch.config.settings import Config
from mlreport_batch.safety.files import replace_file


def remember_state(key: str, config: Config) -> None:
    """Keep where the state of *config* lies, so that an idle tick need not parse it.

    It is a cache: where nothing can be written, such ticks go on parsing.

    Args:
        key: What `config.locate.quick_key` made of the config.
        config: As it was read from a file.
    """
    if config.source is None:
        return
    path = told_file(os.fspath(config.source))
    state = config.state if config.shard is None else config.state.parent
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace_file(path, key.encode() + b"\n" + os.fsencode(state))
