"""Every failure a user can meet, with its exit code.

::

    MlreportError (70)           our bug, unless a subclass says otherwise
    ├── UsageError (2)           the command line
    ├── ConfigError (78)         the config file, or a template it names
    ├── StateError (74)          state folder, spool or lock unusable
    │   ├── DamagedStateError    state.db is not what was written
    │   └── NewerStateError (78) written by a later version; left untouched
    ├── RenderError (75)         a report could not be drawn; it stays owed
    ├── CredentialError (77)     a person must renew something
    └── DeliveryError (75)       a mail is kept and will be tried again
        ├── RefusedError         refused for good: kept under ``dead/``
        │   └── TooLargeError    larger than the server takes; it may get lighter
        ├── UnknownOutcomeError  nobody knows whether the mail was taken
        └── ChannelDownError     no mail can go out now; stop trying this tick

Wrong *data* is not here: it becomes a `Problem` and is shown in the report.
"""

import errno
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar


class MlreportError(Exception):
    """Base of all failures that end in a message to the user.

    Args:
        message: What happened, and to which file or run.
        kept: What is kept, or empty where nothing was at stake.
        advice: What the user can do next.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, kept: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kept = kept
        self.advice = advice

    def __str__(self) -> str:
        return " ".join(
            part.rstrip(".") + "."
            for part in (self.message, self.kept, self.advice)
            if part
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders; keyword-only arguments need help there.
        return (_rebuild, (type(self), self.message, dict(self.__dict__)))


def _rebuild(
    cls: type[MlreportError], message: str, fields: dict[str, object]
) -> MlreportError:
    error = cls.__new__(cls, message)
    error.__dict__.update(fields)
    return error


DISK_ERRORS = frozenset(
    {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE, errno.ENXIO}
)
"""What a file system answers when it, and not the request, is at fault."""


def reason_of(exc: Exception) -> str:
    """Return what the system said and its name for it, such as ``ENOSPC``."""
    name = getattr(exc, "sqlite_errorname", "")
    text = str(exc)
    if isinstance(exc, OSError) and exc.errno is not None:
        name = errno.errorcode.get(exc.errno, str(exc.errno))
        text = exc.strerror or text
    return f"{text} ({name})" if name else text


class UsageError(MlreportError):
    """The command line asks for something that cannot be done."""

    exit_code = 2


class ConfigError(MlreportError):
    """The config file is wrong; holds every problem found in it, not the first."""

    exit_code = 78

    def __init__(
        self,
        message: str,
        *,
        problems: Sequence[str] = (),
        kept: str = "",
        advice: str = "",
    ) -> None:
        super().__init__(message, kept=kept, advice=advice)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [super().__str__(), *(f"  {problem}" for problem in self.problems)]
        return "\n".join(lines)


class StateError(MlreportError):
    """The state folder, the spool or the lock cannot be used."""

    exit_code = 74


class DamagedStateError(StateError):
    """The state file is not what was last written to it."""


class NewerStateError(StateError):
    """The state was written by a later version and is left untouched."""

    exit_code = 78


class RenderError(MlreportError):
    """A report could not be drawn; its news stay owed."""

    exit_code = 75


class CredentialError(MlreportError):
    """A credential is missing, refused or revoked; only a person can renew it."""

    exit_code = 77


class DeliveryError(MlreportError):
    """A mail was surely not accepted; it is kept and tried again."""

    exit_code = 75


class RefusedError(DeliveryError):
    """A mail was refused for good; it is kept under ``dead/``."""


class TooLargeError(RefusedError):
    """A mail is larger than the server takes; nobody has it."""


class UnknownOutcomeError(DeliveryError):
    """The connection was lost after the mail's last byte; nobody knows."""


class ChannelDownError(DeliveryError):
    """No mail can go out at all now; the tick stops sending."""


Checked = tuple[str, MlreportError | None]
"""One line about a thing that was checked, and the failure if it failed."""


def checked(thing: Callable[[], str]) -> Checked:
    """Return the line that *thing* returns, or its failure."""
    try:
        return thing(), None
    except MlreportError as exc:
        return failed(exc)


def failed(error: MlreportError) -> Checked:
    """Return the line of a thing that *error* was found about."""
    return str(error), error


def until_failed(lines: Iterator[Checked]) -> Iterator[Checked]:
    """Yield *lines*, and last the failure that ends them, if any."""
    try:
        yield from lines
    except MlreportError as exc:
        yield failed(exc)
