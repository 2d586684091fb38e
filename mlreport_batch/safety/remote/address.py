"""Which paths are addresses of what lies elsewhere; no import of any size."""

import os

SEPARATOR = "://"
_HERE = "file://"


def without_file(path: str) -> str:
    """Return *path*, or what ``file://`` names, which is a path on this machine."""
    return path.removeprefix(_HERE) if path.startswith(f"{_HERE}/") else path


def is_remote(path: str) -> bool:
    """Return whether *path* is the address of something elsewhere, as in a bucket."""
    return SEPARATOR in path and not path.startswith(_HERE)


def absolute(path: str) -> str:
    """Return *path* from the root of the file system on, ``~`` as the home."""
    if is_remote(path):
        return path.rstrip("/")
    return os.path.abspath(os.path.expanduser(without_file(path)))


def real_path(path: str) -> str:
    """Return *path* without symlinks and relative parts; an address as it is."""
    return path.rstrip("/") if is_remote(path) else os.path.realpath(without_file(path))
