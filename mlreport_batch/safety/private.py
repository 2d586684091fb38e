"""Read what only its owner may read: passwords and credentials."""

import os
import stat
from pathlib import Path

from mlreport_batch.errors import ConfigError, CredentialError

_BYTES_MAX = 100_000


def read_private(path: Path, key: str, *, kept: str, advice: str) -> bytes:
    """Return the first 100 kB of *path*.

    Args:
        path: The file; ``~`` is expanded.
        key: The config key that names it, for messages.
        kept: What is kept meanwhile, for messages.
        advice: What to do where it cannot be read.

    Raises:
        CredentialError: It cannot be read.
        ConfigError: Others can read it.
    """
    try:
        with path.expanduser().open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_BYTES_MAX)
    except OSError as exc:
        raise CredentialError(
            f"{key}: {path} cannot be read: {exc.strerror}", kept=kept, advice=advice
        ) from exc
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(
            f"{key}: others can read {path}",
            kept=kept,
            advice=f"Run: chmod 600 {path}",
        )
    return data
