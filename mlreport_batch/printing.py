"""What the program prints, and on what terms."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping

_COLOURS = {"bad": "\033[31;1m", "good": "\033[1m", "soft": "\033[2m", "end": "\033[0m"}
_PLAIN = dict.fromkeys(_COLOURS, "")


def open_standard_streams() -> None:
    """Make sure that no file of ours becomes standard output by its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def tell_json(value: object) -> None:
    """Print *value* as JSON.

    Bytes of a path that are no UTF-8 become escapes, and so does what a terminal
    would obey instead of showing it.
    """
    import json

    from mlreport_batch.safety.clean import escape_unsafe

    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    tell(escape_unsafe(json.dumps(value, ensure_ascii=not is_utf8)))


def tell(text: str, end: str = "\n", *, is_last: bool = False) -> None:
    """Print to standard output.

    Raises:
        BrokenPipeError: Nobody reads it.
        StateError: It cannot be written, as on a full disk.
    """
    try:
        print(text, end=end, flush=is_last)
    except BrokenPipeError:
        raise
    except OSError as exc:
        from mlreport_batch.errors import StateError, reason_of

        tell_no_more()
        raise StateError(
            f"standard output cannot be written: {reason_of(exc)}",
            kept="The work itself is done",
        ) from exc


def tell_no_more() -> None:
    """Let what is still told go nowhere: nobody reads it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def colours(choice: str = "auto") -> Mapping[str, str]:
    """Return escape sequences for ``bad``, ``good``, ``soft`` and ``end``.

    Args:
        choice: ``always``, ``never``, or ``auto``: only on a terminal that can, and
            not where ``NO_COLOR`` is set (https://no-color.org). Without colours, all
            are empty.
    """
    if choice == "auto":
        is_wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        choice = "always" if is_wanted and sys.stdout.isatty() else "never"
    return _COLOURS if choice == "always" else _PLAIN


def painted(text: str, shades: Mapping[str, str], *, is_bad: bool) -> str:
    """Return *text* in the colour of what is bad, if it is."""
    return f"{shades['bad']}{text}{shades['end']}" if is_bad else text


def columns_of(text: str) -> int:
    """Return how many columns of a terminal *text* takes.

    A Chinese character or a Korean syllable takes two.
    """
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(each) in "WF" else 1 for each in text)


def fitted(text: str, columns: int) -> str:
    """Return *text* in so many *columns* of a terminal; of a long one, the end."""
    left = columns - columns_of(text)
    if left >= 0:
        return text + " " * left
    while left < 1:  # one for the sign that something is cut
        left += columns_of(text[0])
        text = text[1:]
    return f"…{text}{' ' * (left - 1)}"


def can_ask() -> bool:
    """Whether a person can be asked: both ends are a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()


def ask(question: str, *, is_secret: bool = False) -> str:
    """Return what a person types, without blanks around it.

    Args:
        question: What to ask.
        is_secret: Whether what is typed must not be seen.

    Raises:
        EOFError: Nothing more will be typed.
    """
    if is_secret:
        import getpass

        return getpass.getpass(question).strip()
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - lets what is typed be edited
    return input(question).strip()


def complain(text: str) -> None:
    """Print to standard error, if that can be written."""
    text = printable(text)
    with contextlib.suppress(OSError, ValueError):
        print(f"mlreport-batch: {text}", file=sys.stderr)


def printable(text: str) -> str:
    """Return *text* without what a terminal obeys: a path may hold anything."""
    if text.isascii() and text.isprintable():
        return text
    from mlreport_batch.safety.clean import clean

    return "\n".join(clean(line, len(line)) for line in text.split("\n"))


@contextlib.contextmanager
def progress_shown(*, is_quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Hand out what shows how far long work is, on a terminal only."""
    if is_quiet or not sys.stderr.isatty():
        yield lambda *_: None
        return
    started = time.monotonic()
    shown = False

    def show(stage: str, done: int, total: int) -> None:
        nonlocal shown
        if time.monotonic() - started < 0.5:  # noqa: PLR2004
            return
        shown = True
        filled = 24 * done // max(1, total)
        bar = "█" * filled + "·" * (24 - filled)
        print(f"\r\033[K{stage} {bar} {done:,}/{total:,}", end="", file=sys.stderr)
        sys.stderr.flush()

    try:
        yield show
    finally:
        if shown:
            print("\r\033[K", end="", file=sys.stderr)
            sys.stderr.flush()
