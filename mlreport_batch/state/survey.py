"""What a look at the folders below the roots brings."""

from msgspec import Struct, field

from mlreport_batch.errors import reason_of
from mlreport_batch.find.folder import Folder
from mlreport_batch.formats import Problem


class Survey(Struct):
    """What a look at the roots brought.

    Attributes:
        dirty: Runs with changed files or folders, in order of their paths.
        problems: Roots that cannot be read; what is known below them stays.
        unlisted: New folders that cannot be listed and belong to no run, files of
            several runs that cannot be read, and why.
        folders: How many folders were listed.
    """

    dirty: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unlisted: list[Problem] = field(default_factory=list)
    folders: int = 0

    def note_unread(self, root: str, exc: OSError) -> None:
        """Note a root that cannot be read, and why."""
        self.problems.append(
            Problem(root, None, f"root cannot be read: {reason_of(exc)}")
        )


class Update(Struct):
    """Folders as they are now, those that are gone, and those that were known.

    ``is_first`` says that none was.
    """

    listed: dict[str, tuple[Folder, str]] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    known: dict[str, Folder | None] = field(default_factory=dict)
    is_first: bool = False
