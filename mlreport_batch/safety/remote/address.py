"""Which paths are addresses of what lies in a bucket; no import of any size."""

import os

SEPARATOR = "://"


def is_remote(path: str) -> bool:
    """Return whether *path* is the address of something in a bucket."""
    return SEPARATOR in path


def real_path(path: str) -> str:
    """Return *path* without symlinks and relative parts; an address as it is."""
    return path.rstrip("/") if is_remote(path) else os.path.realpath(path)
