"""Have what is new in a bucket fetched together, not file by file."""

from collections.abc import Callable, Container, Iterable, Iterator

from mlreport_batch.find.candidates import is_candidate
from mlreport_batch.find.folder import Folder, parents_of
from mlreport_batch.find.listing import HEAD
from mlreport_batch.find.runs import RunFile
from mlreport_batch.find.tail import WINDOW
from mlreport_batch.safety.contents import plain_name
from mlreport_batch.safety.files import Signature
from mlreport_batch.safety.remote.address import is_remote


def plan_ahead(
    roots: Iterable[str],
    changed: Iterable[str],
    folders_below: Callable[[str], Iterable[str]],
    known: Callable[[str], Folder | None],
) -> None:
    """Plan to fetch the heads of the files in buckets that will be looked into.

    Args:
        roots: Those that were just listed.
        changed: The known folders in which something is not as it was.
        folders_below: Returns the known folders below a root.
        known: Returns what is known of a folder.
    """
    for root in filter(is_remote, roots):
        from mlreport_batch.safety.remote.objects import plan

        as_known = set(folders_below(root)).difference(changed)
        plan(_new(root, as_known, known), HEAD)


def plan_reading(files: Iterable[RunFile]) -> None:
    """Plan to fetch files of a run in a bucket that will be read."""
    from mlreport_batch.safety.remote.objects import plan

    plan(((file.full_path, file.signature) for file in files), WINDOW)


def _new(
    root: str, as_known: Container[str], known: Callable[[str], Folder | None]
) -> Iterator[tuple[str, Signature]]:
    """Yield the files that are not as they were, with their signatures."""
    from mlreport_batch.safety.remote.tree import listed_at

    tree = listed_at(root)
    for path in tree.folders():
        if path in as_known:
            continue
        before = known(path)
        files = before.files if before else {}
        parents = parents_of(path, root)
        for entry in tree.entries(path)[1]:
            if entry.is_file() and is_candidate(plain_name(entry.name), parents):
                found = files.get(entry.name)
                signature = Signature.of(entry.stat())
                if found is None or found.signature != signature:
                    yield f"{path}/{entry.name}", signature
