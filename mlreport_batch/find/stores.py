"""Files that several runs lie in: each of these is found as if it were a folder."""

import time
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from mlreport_batch.errors import reason_of
from mlreport_batch.find.folder import INSIDE, Folder, FoundFile, is_placeholder
from mlreport_batch.formats import Match, Member, NotYetError, Problem, Role
from mlreport_batch.formats.registry import format_of
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.contents import read_store
from mlreport_batch.safety.files import Signature

_FINAL_S = 3600.0  # what is still half then has no writer that lives


def is_store(found: FoundFile) -> bool:
    """Return whether several runs lie in a file; it belongs to none of them."""
    return bool(found.format) and found.match is None


def stores_of(folder: Folder | None) -> frozenset[str]:
    """Return the names of the files in *folder* that several runs lie in."""
    files: Mapping[str, FoundFile] = folder.files if folder else {}
    return frozenset(name for name, found in files.items() if is_store(found))


def look_inside(
    folder: Folder, before: Folder | None
) -> tuple[Folder, dict[str, list[Folder]]]:
    """Return *folder*, and what lies inside those of its files that changed, by name.

    In one that is gone lies nothing. A file that cannot be read now is left out, so
    that what is known of it stays; the folder says why, or is unsure of it, so that it
    is looked into again.

    Args:
        folder: As it was just listed.
        before: The same folder at an earlier time.
    """
    known: Mapping[str, FoundFile] = before.files if before else {}
    gone = stores_of(before) - stores_of(folder)
    inside: dict[str, list[Folder]] = {name: [] for name in gone}
    for name in stores_of(folder):
        found = folder.files[name]
        if known.get(name) == found:
            folder = _with(folder, _complaints(before, name))
            continue
        try:
            said = _said_by(f"{folder.path}/{name}", found)
        except NotYetError as exc:
            if time.time() - found.signature.mtime_ns / 1e9 < _FINAL_S:
                folder = _unsure(folder, name)
            else:
                folder = _complaining(folder, name, f"ends in the middle: {exc}")
        except OSError as exc:
            folder = _complaining(folder, name, f"cannot be read: {reason_of(exc)}")
        else:
            for problem in said:
                if isinstance(problem, Problem):
                    folder = _complaining(folder, name, problem.message)
            inside[name] = [
                _as_folder(folder, name, member)
                for member in said
                if isinstance(member, Member)
            ]
    return folder, inside


def newly_unread(folder: Folder, before: Folder | None) -> Iterator[Problem]:
    """Yield what cannot be read of *folder* or the runs in its files since *before*."""
    if is_placeholder(folder):
        if before is None:
            yield Problem(folder.path, None, folder.problems[0].message)
        return
    known = before.problems if before else ()
    for name in sorted(stores_of(folder)):
        for problem in _complaints(folder, name):
            if problem not in known:
                yield replace(problem, path=f"{folder.path}/{name}")


def _said_by(path: str, found: FoundFile) -> list[Member | Problem]:
    members = format_of(found.format).members
    return [] if members is None else list(members(read_store(path)[0]))


def _as_folder(folder: Folder, name: str, member: Member) -> Folder:
    store = folder.files[name]
    time_ns = store.signature.mtime_ns if member.time_ns is None else member.time_ns
    # What is no file has no ctime: its version says when it is another.
    signature = Signature(member.size, time_ns, 1, member.version)
    match = Match(Role.metrics, note=store.why, member=member.name)
    return Folder(
        path=f"{folder.path}/{name}/{member.name}",
        mtime_ns=INSIDE,
        inode=0,
        listing=0,
        files={name: FoundFile(signature, store.format, match, store.why)},
    )


def _unsure(folder: Folder, name: str) -> Folder:
    found = folder.files[name]
    unsure = replace(found, signature=replace(found.signature, ctime_ns=0))
    return replace(folder, files={**folder.files, name: unsure})


def _complaining(folder: Folder, name: str, why: str) -> Folder:
    return _with(folder, [Problem(clean(name), None, clean(why))])


def _with(folder: Folder, problems: Iterable[Problem]) -> Folder:
    return replace(folder, problems=(*folder.problems, *problems))


def _complaints(folder: Folder | None, name: str) -> list[Problem]:
    problems = folder.problems if folder else ()
    return [problem for problem in problems if problem.path == clean(name)]
