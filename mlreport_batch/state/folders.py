"""What the state knows of folders: what is in them, and whose they are."""

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_

from msgspec import Struct, field

from mlreport_batch.find.candidates import MODEL_DIRS, PARTS
from mlreport_batch.find.folder import Folder, FoundFile, Says
from mlreport_batch.find.runs import (
    RunDir,
    RunFile,
    build_run,
    named_files,
    named_run,
)
from mlreport_batch.formats import Problem
from mlreport_batch.formats.captured import is_captured
from mlreport_batch.safety.entries import names_at, status_at
from mlreport_batch.safety.files import Signature, is_below
from mlreport_batch.safety.remote.address import is_remote
from mlreport_batch.state.database import Database
from mlreport_batch.state.folder import damaged
from mlreport_batch.state.idle import ANY, changed, signed
from mlreport_batch.state.rows import damaged_row, decode, encode

TRACKED_BELOW = 8192


class Listing(Struct, frozen=True):
    """The slow half of a `Folder`; names are kept byte-exact as Latin-1."""

    folders: tuple[str, ...]
    files: dict[str, FoundFile]
    checkpoints: dict[str, tuple[int, int]] = field(name="weights")  # as states have it
    problems: tuple[Problem, ...]


class FolderTable(Database):
    """The part of the state that is about folders."""

    _named_in: tuple[str, Mapping[str, Sequence[RunFile]]] = ("", {})
    """What is named after runs in the folder that was looked into last."""

    def run_dir(self, path: str, root: str) -> RunDir:
        """Return the run directory *path*, from what is known of its folders."""
        beside: Sequence[RunFile] = ()
        if path != root:
            above = os.path.dirname(path)
            if self._named_in[0] != above:
                folder = self.folder(above)
                self._named_in = above, named_files(folder) if folder else {}
            beside = self._named_in[1].get(path, ())
        return build_run(path, root, self.folders_of_run(path), beside)

    def folder(self, path: str) -> Folder | None:
        """Return what is known of one folder."""
        key = os.fsencode(path)
        row = self._db.execute(
            "SELECT f.stats, l.listing FROM folders f JOIN listings l USING (path) "
            "WHERE path=?",
            (key,),
        ).fetchone()
        return None if row is None else _folder(path, row[0], row[1])

    def changed_folders(self, now: float) -> list[str]:
        """Return the known folders that are not as they were (see `idle`)."""
        try:
            if any(map(is_remote, self.roots())):
                found = changed(self._db, now, status_at, names_at)
            else:
                found = changed(self._db, now)
            return [os.fsdecode(path) for path in found]
        except (IndexError, TypeError, ValueError, struct.error) as exc:
            raise damaged(self.path, f"what is known of a folder: {exc}") from exc

    def folders_below(self, path: str) -> Iterator[str]:
        """Yield the paths of the known folders below *path*, itself left out."""
        key = os.fsencode(path)
        query = "SELECT path FROM listings WHERE path > ? AND path < ?"
        rows = self._db.execute(query, (key + b"/", key + b"0")).fetchall()
        for (found,) in rows:
            yield os.fsdecode(found)

    def all_folders(self) -> list[str]:
        """Return the paths of all known folders."""
        roots = self.roots()
        return [*roots, *(p for root in roots for p in self.folders_below(root))]

    def folders_of_run(self, run: str) -> list[Folder]:
        """Return the folders that belong to *run*."""
        rows = self._db.execute(
            "SELECT path, f.stats, l.listing FROM listings l "
            "JOIN folders f USING (path) WHERE l.run=? ORDER BY path",
            (os.fsencode(run),),
        )
        return [_folder(os.fsdecode(p), s, listing) for p, s, listing in rows]

    def folder_paths_of_run(self, run: str) -> list[str]:
        """Return the paths of the folders that belong to *run*."""
        rows = self._db.execute(
            "SELECT path FROM listings WHERE run=?", (os.fsencode(run),)
        )
        return [os.fsdecode(row[0]) for row in rows]

    def put_folder(
        self,
        folder: Folder,
        *,
        root: str,
        run: str | None,
        claim: tuple[str, Says] | None,
    ) -> None:
        """Keep what was found in a folder, and whom it belongs to."""
        self._named_in = "", {}
        key = os.fsencode(folder.path)
        tracked = [
            (name, found.signature)
            for name, found in folder.files.items()
            if found.format
            or found.signature.size < TRACKED_BELOW
            or _is_followed(folder, name)
        ]
        # A checkpoint that is written over in place moves no folder's time.
        tracked += [
            (name, Signature(size, mtime_ns, ANY, ANY))
            for name, (size, mtime_ns) in folder.checkpoints.items()
            if name not in MODEL_DIRS
        ]
        stats = struct.pack(
            f"<{3 + 4 * len(tracked)}q",
            folder.mtime_ns,
            signed(folder.inode),
            folder.listing,
            *(
                value
                for _, s in tracked
                for value in (s.size, s.mtime_ns, s.ctime_ns, signed(s.inode))
            ),
        )
        names = b"\0".join(os.fsencode(name) for name, _ in tracked)
        listing = Listing(
            tuple(map(_to_text, folder.folders)),
            {_to_text(name): found for name, found in folder.files.items()},
            {_to_text(name): value for name, value in folder.checkpoints.items()},
            folder.problems,
        )
        self._db.execute(
            "INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", (key, names, stats)
        )
        self._db.execute(
            "INSERT OR REPLACE INTO listings VALUES (?, ?, ?, ?, ?, ?)",
            (
                key,
                os.fsencode(root),
                None if run is None else os.fsencode(run),
                None if claim is None else os.fsencode(claim[0]),
                None if claim is None else int(claim[1]),
                encode(listing, key),
            ),
        )

    def set_owner(self, path: str, run: str | None) -> None:
        """Say which run a known folder belongs to."""
        self._db.execute(
            "UPDATE listings SET run=? WHERE path=?",
            (None if run is None else os.fsencode(run), os.fsencode(path)),
        )

    def owner_of(self, path: str) -> tuple[str | None, str | None]:
        """Return (run the folder belongs to, run it claims), each may be None."""
        row = self._db.execute(
            "SELECT run, claims FROM listings WHERE path=?", (os.fsencode(path),)
        ).fetchone()
        if row is None:
            return None, None
        run, claims = (None if value is None else os.fsdecode(value) for value in row)
        if run is not None and path != run and not is_below(path, run):
            raise damaged_row(path, f"it is no part of {run}")
        return run, claims

    def drop_folder(self, path: str) -> None:
        """Forget one folder."""
        key = os.fsencode(path)
        self._db.execute("DELETE FROM folders WHERE path=?", (key,))
        self._db.execute("DELETE FROM listings WHERE path=?", (key,))

    def claims_on(self, path: str) -> Says | None:
        """Return what folders say of the run *path*; None if none calls it a run."""
        # The column is named after its first bit, the only one there was.
        rows = self._db.execute(
            "SELECT DISTINCT closed FROM listings WHERE claims=?", (os.fsencode(path),)
        ).fetchall()
        return Says(reduce(or_, (row[0] for row in rows))) if rows else None

    def roots(self) -> list[str]:
        """Return all roots that folders are known of."""
        # From one root to the next by the index: DISTINCT would read every folder.
        rows = self._db.execute(
            "WITH RECURSIVE found(root) AS (SELECT MIN(root) FROM listings UNION ALL "
            "SELECT (SELECT MIN(root) FROM listings WHERE root > found.root) "
            "FROM found WHERE root IS NOT NULL) "
            "SELECT root FROM found WHERE root IS NOT NULL"
        )
        return [os.fsdecode(row[0]) for row in rows]

    def run_paths(self) -> list[str]:
        """Return the paths of all runs that folders belong to, wanted or not."""
        query = "SELECT DISTINCT run FROM listings WHERE run IS NOT NULL"
        return [os.fsdecode(row[0]) for row in self._db.execute(query)]


def _is_followed(folder: Folder, name: str) -> bool:
    """Return whether the end of a file may say how a run ended, however long it is."""
    if not is_captured(name):
        return False
    is_of_run = folder.is_evidence or os.path.basename(folder.path).lower() in PARTS
    return is_of_run or named_run(folder, name) is not None


def _folder(path: str, stats: bytes, listing: bytes) -> Folder:
    try:
        mtime_ns, inode, crc = struct.unpack_from("<3q", stats)
    except (TypeError, struct.error) as exc:
        raise damaged_row(path, str(exc)) from exc
    found = decode(listing, Listing, os.fsencode(path), path)
    return Folder(
        path=path,
        mtime_ns=mtime_ns,
        inode=inode,
        listing=crc,
        folders=tuple(map(_from_text, found.folders)),
        files={_from_text(name): file for name, file in found.files.items()},
        checkpoints={
            _from_text(name): value for name, value in found.checkpoints.items()
        },
        problems=found.problems,
    )


def _to_text(name: str) -> str:
    return os.fsencode(name).decode("latin-1")


def _from_text(text: str) -> str:
    return os.fsdecode(text.encode("latin-1"))
