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


def secret_of(
    env: str | None, path: Path | None, key: str, *, kept: str, advice: str
) -> tuple[str, str]:
    """Return a secret, or empty, and where it was looked for.

    Args:
        env: Name of the environment variable, or of the systemd credential, that holds
            it.
        path: The file that does, where *env* is None.
        key: The config key that names the file, for messages.
        kept: What is kept meanwhile, for messages.
        advice: What to do where the file cannot be read.

    Raises:
        CredentialError: The file cannot be read.
        ConfigError: Others can read it.
    """
    if env:
        secret = os.environ.get(env) or _systemd(env)
        return secret, f"the environment variable {env}"
    file = (path or Path()).expanduser()
    data = read_private(file, key, kept=kept, advice=advice)
    return data.decode("utf-8", "replace").rstrip("\r\n"), os.fspath(file)


def _systemd(name: str) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or "/" in name:
        return ""
    try:
        return (Path(folder) / name).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeError):
        return ""
