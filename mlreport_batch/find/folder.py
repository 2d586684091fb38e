"""A folder as it was listed, and what its files say of it."""

import os
from collections.abc import Mapping, Sequence
from enum import IntFlag

from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.find.candidates import is_part
from mlreport_batch.formats import Match, Problem, Role
from mlreport_batch.safety.files import Signature, is_below

SETTLED_S = 60.0

INSIDE = -1
"""The modification time of what is no folder on the disk, but a run inside a file."""


class FoundFile(Struct, frozen=True):
    """A file that was looked into.

    Attributes:
        signature: What ``stat`` said when it was looked into; with a ctime of 0 if
            it was written to so recently that a later write may bear the same.
        format: Name of the format that claims it, or empty.
        match: The claim.
        why: Why nobody claims it, or what it was recognised by.
    """

    signature: Signature
    format: str
    match: Match | None
    why: str


class Says(IntFlag):
    """What claims say of the folder that they call a run.

    Attributes:
        closed: Everything below it belongs to it (see `stands_alone`).
        metrics: It has a log of its own.
        events: It has event files, which may be another's second copy.
        hparams: It has hyperparameters, or an intent.
    """

    closed = 1
    metrics = 2
    events = 4
    hparams = 8


class Claim(Struct, frozen=True):
    """A folder's word on which folder is a run: itself or one above it."""

    levels_up: int
    says: Says


class Folder(Struct, frozen=True):
    """One folder as it was listed.

    Attributes:
        path: The folder.
        mtime_ns: Its modification time before it was listed; 0 if it was written
            to so recently that the listing may have missed something.
        inode: Its inode number.
        listing: CRC-32 of the sorted names in it.
        folders: Names of the folders below it that are entered.
        files: Files that were looked into, by name.
        checkpoints: Checkpoints in it, by name: (size, mtime_ns).
        problems: What could not be listed, with paths relative to this folder.
    """

    path: str
    mtime_ns: int
    inode: int
    listing: int
    folders: tuple[str, ...] = ()
    files: Mapping[str, FoundFile] = field(default_factory=dict)
    checkpoints: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def claim(self) -> Claim | None:
        """What its files say about which folder is a run."""
        matches = [
            found.match
            for found in self.files.values()
            if found.match is not None and found.match.role is not Role.context
        ]
        if not matches:
            return None
        levels_up = max(match.levels_up for match in matches)
        says = Says(0)
        for match in matches:
            if match.levels_up == levels_up:
                says |= _said_by(match)
        return Claim(levels_up, says)

    @property
    def is_unsure(self) -> bool:
        """Whether it, or a file in it, had just been written to when listed."""
        return self.mtime_ns == 0 or any(
            found.signature.ctime_ns == 0 for found in self.files.values()
        )

    def bare(self) -> "Folder":
        """Return the same listing without what only tells when it was made."""
        files = {
            name: replace(found, signature=replace(found.signature, ctime_ns=0))
            for name, found in self.files.items()
        }
        return replace(self, mtime_ns=0, files=files)

    def newest_ns(self) -> int:
        """Return the newest time that it or a file in it bears."""
        times = [found.signature.ctime_ns for found in self.files.values()]
        return max([self.mtime_ns, *times])

    @property
    def is_inside(self) -> bool:
        """Whether it stands for one of the runs inside a file."""
        return self.mtime_ns == INSIDE

    def path_of(self, name: str) -> str:
        """Return the path of its file *name*."""
        match = self.files[name].match
        if match is not None and match.member:
            return self.path.removesuffix(f"/{match.member}")
        return f"{self.path}/{name}"

    def owns(self, name: str) -> bool:
        """Return whether the folder *name* in it is a part of the run that it is."""
        return is_part(name, self.folders, is_run=self.is_evidence)

    def is_known_as(self, old: "Folder | None", now: float) -> bool:
        """Return whether keeping this in place of *old* is not worth a write.

        A folder listed just after a write is looked into again each tick. Once it has
        been quiet for a minute, that is worth one write to end.
        """
        if old is None or self == old:
            return old is not None
        if not old.is_unsure and not self.is_unsure:
            return False
        is_settled = not self.is_unsure and now - self.newest_ns() / 1e9 > SETTLED_S
        return not is_settled and self.bare() == old.bare()

    @property
    def is_evidence(self) -> bool:
        """Whether something in it suggests a run, if only weakly."""
        return bool(self.checkpoints) or any(f.match for f in self.files.values())


def _said_by(match: Match) -> Says:
    says = Says.closed if match.closed else Says(0)
    if match.role is not Role.metrics:
        return says | Says.hparams
    return says | (Says.events if match.fallback else Says.metrics)


def parents_of(path: str, root: str) -> tuple[str, ...]:
    """Return the names of *path* and the folders above it up to *root*."""
    parts = [os.path.basename(root)]
    if path != root:
        parts += below(path, root).split("/")
    return tuple(reversed(parts))


def below(path: str, top: str) -> str:
    """Return *path* as seen from the folder *top* above it; empty for *top* itself."""
    return path.removeprefix(top).lstrip("/")


def unreadable(path: str, exc: OSError) -> Folder:
    """Return a placeholder for a folder that cannot be listed now."""
    note = Problem(".", None, f"cannot be listed: {exc.strerror}")
    return Folder(path=path, mtime_ns=0, inode=0, listing=0, problems=(note,))


def is_placeholder(folder: Folder) -> bool:
    """Return whether *folder* was made by `unreadable`."""
    return not folder.inode and bool(folder.problems)


def root_of(path: str, roots: Sequence[str]) -> str | None:
    """Return the nearest of the *roots* that *path* is or lies in, None for none."""
    found = (root for root in roots if path == root or is_below(path, root))
    return max(found, key=len, default=None)
