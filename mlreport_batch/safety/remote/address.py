"""Which paths are addresses of what lies in a bucket; no import of any size."""

import os

SEPARATOR = "://"


def is_remote(path: str) -> bool:
    """Return whether *path* is the address of something in a bucket."""
    return SEPARATOR in path


def absolute(path: str) -> str:
    """Return *path* from the root of the file system on, ``~`` as the home."""
    if is_remote(path):
        return path.rstrip("/")
    return os.path.abspath(os.path.expanduser(path))


def real_path(path: str) -> str:
    """Return *path* without symlinks and relative parts; an address as it is."""
    return path.rstrip("/") if is_remote(path) else os.path.realpath(path)
