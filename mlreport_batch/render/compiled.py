"""The code of our templates, kept for the next process: compiling costs a report more.

It is a cache. Code in it is run, so it counts only if nobody but its owner, who is the
one that runs it, can have written it; and only for the versions that it was made with.
"""

import contextlib
import marshal
import os
import stat
import zlib
from importlib.util import MAGIC_NUMBER
from typing import TYPE_CHECKING

from mlreport_batch import __version__
from mlreport_batch.safety.files import open_regular, replace_file

if TYPE_CHECKING:
    from jinja2 import BytecodeCache
    from jinja2.bccache import Bucket

_CODE_MAX = 10_000_000


def code_cache(folder: str) -> "BytecodeCache":
    """Return a cache of compiled templates in *folder*, which is made when needed."""
    import jinja2

    class Kept(jinja2.BytecodeCache):
        def load_bytecode(self, bucket: "Bucket") -> None:
            head = _head(bucket, jinja2.__version__)
            with contextlib.suppress(OSError):
                data = _read_own(_path(folder, bucket))
                body = data.removeprefix(head)[4:]
                if data == head + _checksum(body) + body:
                    bucket.code = marshal.loads(body)  # noqa: S302 - our own

        def dump_bytecode(self, bucket: "Bucket") -> None:
            body = marshal.dumps(bucket.code)
            data = _head(bucket, jinja2.__version__) + _checksum(body) + body
            with contextlib.suppress(OSError):
                os.makedirs(folder, mode=0o700, exist_ok=True)
                if _is_own(os.stat(folder)):  # else it would never be taken
                    replace_file(_path(folder, bucket), data, is_synced=False)

    return Kept()


def _path(folder: str, bucket: "Bucket") -> str:
    return os.path.join(os.path.realpath(folder), f"template-{bucket.key}")


def _head(bucket: "Bucket", jinja_version: str) -> bytes:
    """Return what code begins with that was made of the same, by the same."""
    versions = f"{__version__} {jinja_version} {bucket.checksum}\n"
    return MAGIC_NUMBER + versions.encode()


def _checksum(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


def _read_own(path: str) -> bytes:
    """Return a file that only who runs this can have written, else nothing."""
    with open(open_regular(path), "rb") as file:
        if _is_own(os.fstat(file.fileno())) and _is_own(os.stat(os.path.dirname(path))):
            return file.read(_CODE_MAX)
    return b""


def _is_own(status: os.stat_result) -> bool:
    others = stat.S_IWGRP | stat.S_IWOTH
    return status.st_uid == os.geteuid() and not status.st_mode & others
