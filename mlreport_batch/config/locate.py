"""The little that a tick needs before it knows whether there is news.

No YAML, no msgspec, no ``re``, no ``pathlib``: a tick without news compares
one key and stats files, and importing more would cost more than that. Paths are
plain text here.
"""

import errno
import os
import stat
import zlib
from collections.abc import Mapping, Sequence

from mlreport_batch import __version__

CONFIG_NAME = "mlreport.yaml"
DEFAULT_OUT = "./mlreport-out"
CONFIG_MAX = 1_000_000
PIPE_S = 10
SHARD_TEXT_MAX = 12
DEFAULT_STATE = "~/.local/state/mlreport-batch"
OWNER = "config"
"""In a state folder: the path of the config file that made it."""

_KEY_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz_")
_PATH_STARTS = ("/", "~/", "./", "../")


def find_config(
    explicit: str | None = None, environ: Mapping[str, str] = os.environ
) -> str | None:
    """Return the config file to use, or None where there is none.

    A file that was asked for (*explicit*, ``$MLREPORT_CONFIG``) is returned whether
    or not it exists; reading it says so. The usual places count only if they do.
    """
    asked = explicit or environ.get("MLREPORT_CONFIG")
    if asked:
        return asked
    for place in (CONFIG_NAME, os.path.join(user_folder(environ), "config.yaml")):
        if os.path.isfile(place):
            return place
    return None


def user_folder(environ: Mapping[str, str] = os.environ) -> str:
    """Return the folder of the user's own config and password."""
    # The XDG specification: what is not absolute is ignored.
    home = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(home):
        home = os.path.expanduser("~/.config")
    return os.path.join(home, "mlreport-batch")


def read_config(path: str) -> bytes:
    """Return the bytes of a config file; a pipe is read to its end.

    Raises:
        OSError: It cannot be read: ``EFBIG`` for one that is no config by its size
            alone, ``ETIMEDOUT`` for a pipe whose writer does not come to an end.
    """
    # Opening a FIFO would wait for somebody to write to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        parts: list[bytes] = []
        left = CONFIG_MAX + 1
        ends: float | None = None
        while left:
            try:
                part = os.read(descriptor, left)
            except BlockingIOError:
                import select
                import time

                ends = ends or time.monotonic() + PIPE_S
                wait_s = ends - time.monotonic()
                if wait_s <= 0 or not select.select([descriptor], [], [], wait_s)[0]:
                    text = f"nothing more came in {PIPE_S} s"
                    raise TimeoutError(errno.ETIMEDOUT, text, path) from None
                continue
            if not part:
                return b"".join(parts)
            parts.append(part)
            left -= len(part)
        raise OSError(errno.EFBIG, f"larger than {CONFIG_MAX:,} bytes", path)
    finally:
        os.close(descriptor)


def config_key(data: bytes, config_path: str = "") -> str:
    """Return a key that changes with all that a parsed config comes from.

    Two checksums and the size tell one edit from another; nobody gains by two configs
    that look alike, and hashlib would load OpenSSL: 2 ms of a tick that finds nothing.

    Args:
        data: The bytes of the config file.
        config_path: Where it lies; relative paths in it depend on that.
    """
    home, place = os.path.expanduser("~"), os.path.abspath(config_path)
    parts = (__version__.encode(), os.fsencode(home), os.fsencode(place), data)
    text = b"\0".join(parts)
    return f"{zlib.crc32(text):08x}{zlib.adler32(text):08x}{len(text):x}"


def identity(source: str | os.PathLike[str] | None) -> str:
    """Return what tells one config file from another; empty for none, or a pipe."""
    file = "" if source is None else os.path.realpath(source)
    return file if os.path.isfile(file) else ""


def quick_key(
    paths: Sequence[str],
    out: str | None,
    config: str | None,
    shard: str | None = None,
) -> tuple[str, str | None]:
    """Return the config's key and the state folder, None where it takes a closer look.

    Args:
        paths: Folders of runs that were named instead of a config, or beside it.
        out: Where to, where that was named.
        config: The config file that was asked for.
        shard: Which part of the runs was asked for, as `shard_of` reads it.
    """
    key, folder = _key_of_all(paths, out, config)
    if not shard or folder is None:
        return key, folder
    part = shard_of(shard)
    return key, None if part is None else shard_folder(folder, part)


def _key_of_all(
    paths: Sequence[str], out: str | None, config: str | None
) -> tuple[str, str | None]:
    if paths and not config:
        place = os.path.abspath(os.path.expanduser(out or DEFAULT_OUT))
        roots = sorted({os.path.realpath(os.path.expanduser(p)) for p in paths})
        text = "\0".join(["paths", *roots])
        return config_key(os.fsencode(text), place), place
    file = find_config(config)
    if file is None:
        return "", None
    try:
        # A pipe says it once, to the YAML reader; anything else but a file is refused.
        if not stat.S_ISREG(os.stat(file).st_mode):
            return "", None
        data = read_config(file)
    except OSError:
        return "", None
    extra = "\0".join(map(os.path.realpath, paths)) + f"\0{out or ''}"
    key = config_key(data + os.fsencode(extra), file)
    return key, quick_state_dir(data, file) or _told_before(key, file)


def shard_of(text: str) -> tuple[int, int] | None:
    """Return (K, N) of a text ``K/N``, K from 1 to N; None for any other text."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and len(text) < SHARD_TEXT_MAX):
        return None
    part = int(number), int(count)
    return part if 1 <= part[0] <= part[1] else None


def shard_folder(folder: str, shard: tuple[int, int]) -> str:
    """Return the folder of one shard in a folder that all of them share."""
    return os.path.join(folder, f"shard-{shard[0]}-of-{shard[1]}")


def told_file(config_path: str) -> str:
    """Return where it is kept what the YAML reader found to be the state folder.

    The file holds the config's key and the folder, one a line.
    """
    place = os.fsencode(os.path.abspath(config_path))
    return os.path.join(cache_folder(), f"state-{zlib.crc32(place):08x}")


def cache_folder() -> str:
    """Return the folder of what may be deleted and is made again."""
    # The XDG specification: what is not absolute is ignored.
    home = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):
        home = os.path.expanduser("~/.cache")
    return os.path.join(home, "mlreport-batch")


def _told_before(key: str, config_path: str) -> str | None:
    """Return the state folder that the YAML reader found, None for another config.

    As with `quick_state_dir`, a wrong answer does no harm.
    """
    try:
        with open(told_file(config_path), "rb") as file:
            told, _, folder = file.read(10_000).partition(b"\n")
    except OSError:
        return None
    return os.fsdecode(folder) if told == key.encode() else None


def default_state(config_path: str) -> str:
    """Return the state folder of a config that names none: each has one of its own.

    The first config to run has `DEFAULT_STATE`, others a folder beside it.
    """
    folder = os.path.expanduser(DEFAULT_STATE)
    own = identity(config_path)
    other = f"{folder}-{zlib.crc32(os.fsencode(own)):08x}"
    if not own or (owner_of(folder) in ("", own) and not os.path.isdir(other)):
        return folder
    return other


def owner_of(state: str) -> str:
    """Return the config file that made a state folder, empty if there is none now."""
    try:
        with open(os.path.join(state, OWNER), "rb") as file:
            return identity(os.fsdecode(file.read(10_000)))
    except (OSError, ValueError):
        return ""


def resolved(text: str, config_path: str) -> str:
    """Return a path of the config file as absolute path: ``~`` is the home."""
    path = os.path.expanduser(text)
    return os.path.abspath(os.path.join(os.path.dirname(config_path), path))


def quick_state_dir(data: bytes, config_path: str) -> str | None:
    """Return the state folder that the config names, by a look at its bytes.

    None means that only the YAML reader can tell. A wrong answer does no harm: a
    state holds the key of the config that it was made by.
    """
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        return None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    found = ""
    for number, line in enumerate(lines):
        if not line.isprintable():
            return None  # tabs, and line breaks that only YAML counts as such
        if not line or line == "---" or line[0] in " #" or line.startswith("- "):
            continue
        key, colon, value = line.partition(":")
        if not colon or not _KEY_LETTERS.issuperset(key):
            return None  # a quoted or complex key, a flow mapping, a directive
        if key != "state":
            continue
        following = next((x for x in lines[number + 1 :] if x.strip()), "")
        found = value.partition(" #")[0].strip(" ")
        is_plain = value.startswith(" ") and found.startswith(_PATH_STARTS)
        if not is_plain or not found.isprintable() or ": " in found + " ":
            return None
        if following[0:1].isspace():  # the text goes on in the next line
            return None
    return resolved(found, config_path) if found else default_state(config_path)
