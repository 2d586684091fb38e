"""List folders, and look into the files that may belong to a run."""

import os
import time
import zlib
from collections.abc import Iterable, Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.find.candidates import (
    ENTERED_HIDDEN,
    EXPECTED,
    MODEL_DIRS,
    SKIPPED,
    is_candidate,
    is_missed,
    is_telling,
    told_links,
)
from mlreport_batch.find.checkpoints import is_checkpoint
from mlreport_batch.find.folder import Folder, FoundFile, Says, parents_of, unreadable
from mlreport_batch.find.stores import look_inside
from mlreport_batch.formats import Candidate, Match, Problem
from mlreport_batch.formats.csv_log import why_no_log
from mlreport_batch.formats.own_lines import OwnFormat
from mlreport_batch.formats.registry import recognise
from mlreport_batch.safety.clean import clean, natural_key
from mlreport_batch.safety.contents import is_packed, plain_name, read_head
from mlreport_batch.safety.entries import Entry, listed
from mlreport_batch.safety.files import (
    Signature,
    Status,
    is_racy,
    storable_ns,
)

DEPTH_MAX = 16
CANDIDATES_MAX = 2_000
HEAD = 8192
_TEXT_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".txt")
_PRINTED = (".log", ".out", ".err")
_BOMS_16 = (b"\xff\xfe", b"\xfe\xff")
_BOMS_32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")


def list_folder(
    path: str,
    *,
    root: str,
    above: Folder | None = None,
    before: Folder | None = None,
    own: tuple[OwnFormat, ...] = (),
) -> Folder:
    """Return *path* as it is now.

    Args:
        path: The folder.
        root: The root of the search; ``Candidate.parents`` ends there.
        above: The folder above it, if it was listed.
        before: The same folder at an earlier time; files whose signature did not
            change are not looked into again.
        own: What the user says of some files.

    Raises:
        OSError: The folder is gone or unreadable.
    """
    with listed(path) as (status, entries):
        return _listed(path, status, entries, root, above, before, own)


def _listed(
    path: str,
    status: Status,
    entries: Iterable[Entry],
    root: str,
    above: Folder | None,
    before: Folder | None,
    own: tuple[OwnFormat, ...],
) -> Folder:
    names: list[str] = []
    folders: list[str] = []
    candidates: list[Entry] = []
    links: list[str] = []
    checkpoints: dict[str, tuple[int, int]] = {}
    problems: list[Problem] = []
    parents = parents_of(path, root)
    for entry in entries:
        names.append(entry.name)
        if entry.is_symlink() and is_missed(entry, path, root):
            links.append(entry.name)
        else:
            _sort_in(entry, parents, folders, candidates, checkpoints, problems, own)
    problems += told_links(links)
    if folders and len(parents) > DEPTH_MAX:
        folders.clear()
        note = f"folders more than {DEPTH_MAX} deep are left out"
        problems.append(Problem(".", None, note))
    if len(candidates) > CANDIDATES_MAX:
        note = (
            f"{len(candidates):,} files that could hold metrics; only "
            f"{CANDIDATES_MAX:,} were looked into, those with the names of logs first"
        )
        problems.append(Problem(".", None, note))
        _cut(candidates, before)
    look_into = _Looking(
        path,
        parents,
        frozenset(names),
        frozenset(above.files) if above is not None else frozenset(),
        before,
        own,
    )
    files = {}
    for entry in candidates:
        found = look_into(entry, problems)
        if found is not None:
            files[entry.name] = found
    # What could not be looked into may be readable next time, and nothing of the
    # folder itself will have changed.
    is_unsure = bool(look_into.unread) or is_racy(status.st_mtime_ns, time.time_ns())
    folder = Folder(
        path=path,
        mtime_ns=0 if is_unsure else storable_ns(status.st_mtime_ns),
        inode=status.st_ino,
        listing=zlib.crc32(b"\0".join(sorted(map(os.fsencode, names)))),
        folders=tuple(sorted(folders, key=natural_key)),
        files=files,
        checkpoints=checkpoints,
        problems=tuple(problems),
    )
    return _as_part(folder, above)


def _cut(candidates: list[Entry], before: Folder | None) -> None:
    """Keep the candidates that were read before, and those that tell of a run."""
    known = (
        {name for name, found in before.files.items() if found.format} if before else ()
    )

    def last(entry: Entry) -> tuple[object, ...]:
        name = entry.name
        return name not in known, not is_telling(name), natural_key(name)

    candidates.sort(key=last)
    del candidates[CANDIDATES_MAX:]


def _sort_in(
    entry: Entry,
    parents: tuple[str, ...],
    folders: list[str],
    candidates: list[Entry],
    checkpoints: dict[str, tuple[int, int]],
    problems: list[Problem],
    own: tuple[OwnFormat, ...],
) -> None:
    name = entry.name
    try:
        if entry.is_dir(follow_symlinks=False):
            hidden = name.startswith(".") and name not in ENTERED_HIDDEN
            if not hidden and name not in SKIPPED:
                folders.append(name)
                if name in MODEL_DIRS:
                    status = entry.stat(follow_symlinks=False)
                    checkpoints[name] = (0, storable_ns(status.st_mtime_ns))
        elif is_checkpoint(name, parents[0]):
            # A symlinked last.ckpt is listed by its name but never followed.
            status = entry.stat(follow_symlinks=False)
            checkpoints[name] = (status.st_size, storable_ns(status.st_mtime_ns))
        elif entry.is_file(follow_symlinks=False):
            plain = plain_name(name)
            if is_candidate(plain, parents) or any(
                o.is_of(plain, parents) for o in own
            ):
                candidates.append(entry)
        elif EXPECTED.fullmatch(name):
            problems.append(
                Problem(clean(name), None, "is no regular file; not opened")
            )
    except OSError:
        return  # vanished between listing and looking


class _Looking(Struct, frozen=True):
    """What is the same for all files of a folder that is being listed."""

    folder: str
    parents: tuple[str, ...]
    siblings: frozenset[str]
    above: frozenset[str]
    before: Folder | None
    own: tuple[OwnFormat, ...]
    unread: set[str] = field(default_factory=set)

    def __call__(self, entry: Entry, problems: list[Problem]) -> FoundFile | None:
        """Return what *entry* was recognised as, None if it cannot be read."""
        known = self.before.files.get(entry.name) if self.before else None
        try:
            signature = Signature.of(entry.stat(follow_symlinks=False))
            if is_racy(signature.ctime_ns, time.time_ns()):
                signature = replace(signature, ctime_ns=0)
            if known is not None and known.signature == signature:
                return known
            head = read_head(f"{self.folder}/{entry.name}", HEAD)
        except OSError as exc:
            if isinstance(exc, FileNotFoundError):
                return None
            self.unread.add(entry.name)
            if known is not None:
                return known  # what it said stays true; reading it will say the rest
            problems.append(
                Problem(clean(entry.name), None, f"cannot be read: {exc.strerror}")
            )
            return None
        return self._recognised(
            entry, signature, _text_of(plain_name(entry.name), head), known, problems
        )

    def _recognised(
        self,
        entry: Entry,
        signature: Signature,
        head: bytes,
        known: FoundFile | None,
        problems: list[Problem],
    ) -> FoundFile:
        name, size = plain_name(entry.name), signature.size
        if is_packed(entry.name):  # more than the head, if that is full
            size = len(head) + (len(head) == HEAD)
        candidate = Candidate(
            f"{self.folder}/{entry.name}",
            self.parents,
            name,
            head,
            size,
            self.siblings,
            self.above,
        )
        known_as = known.format if known is not None else ""
        claim = recognise(candidate, known_as, self.own)
        if claim is not None:
            log_format, match = claim
            of_run = None if log_format.members else match
            return FoundFile(signature, log_format.name, of_run, match.note)
        if known is not None and known.format:
            return replace(known, signature=signature)  # what it was, cut short
        why = why_no_log(candidate) or _why_not(name, head)
        if b"\n" in head and EXPECTED.fullmatch(entry.name):
            problems.append(Problem(clean(entry.name), None, f"not read: {why}"))
        return FoundFile(signature, "", None, why)


def _text_of(name: str, head: bytes) -> bytes:
    """Return the text before the NUL bytes that a power loss leaves in a log."""
    if b"\0" not in head or not name.lower().endswith(_TEXT_SUFFIXES):
        return head
    text = head.partition(b"\0")[0]
    return text if b"\n" in text and not head.startswith(_BOMS_16) else head


def _why_not(name: str, head: bytes) -> str:
    if not head:
        return "empty so far"
    if head.startswith(_BOMS_32):
        return "UTF-32 text; only UTF-8 and UTF-16 are read"
    if head.startswith(_BOMS_16):
        return "UTF-16 text; no metrics, hyperparameters or results recognised in it"
    if b"\0" in head[:1024] or head.startswith((b"\x1f\x8b", b"\x89PNG", b"PK\3\4")):
        return "binary"
    why = "no metrics, hyperparameters or results recognised in it"
    if name.lower().endswith(_PRINTED):
        return f"{why}; `formats` in the config can say how its lines are written"
    return why


def _as_part(folder: Folder, above: Folder | None) -> Folder:
    """Hand a folder such as ``logs/`` to the run above it, if that looks like one."""
    name = os.path.basename(folder.path)
    if above is None or not above.owns(name):
        return folder
    claim = folder.claim
    if claim and Says.hparams in claim.says and not above.is_evidence:
        return folder  # Ultralytics calls its runs `train` and `val`
    name = name.lower()
    files = {
        key: replace(found, match=_lifted(found.match, name))
        if found.match is not None and found.match.levels_up == 0
        else found
        for key, found in folder.files.items()
    }
    return replace(folder, files=files)


def _lifted(match: Match, folder: str) -> Match:
    """Return the claim for the folder above; ``train/`` and ``val/`` stay apart."""
    series = f"{match.series} {folder}" if match.series else ""
    return replace(match, levels_up=1, series=series)


def walk(
    top: str,
    *,
    root: str,
    never_enter: frozenset[str] = frozenset(),
    above: Folder | None = None,
    own: tuple[OwnFormat, ...] = (),
) -> Iterator[Folder]:
    """Yield *top* and every folder below it, those above first.

    The runs inside a file follow the folder of that. For a folder below *top* that
    cannot be listed a placeholder is yielded; one that vanished meanwhile is passed
    over.

    Raises:
        OSError: *top* itself cannot be listed.
    """
    stack: list[tuple[str, Folder | None]] = [(top, above)]
    while stack:
        path, parent = stack.pop()
        try:
            folder = list_folder(path, root=root, above=parent, own=own)
        except OSError as exc:
            if path == top:
                raise
            if not isinstance(exc, FileNotFoundError | NotADirectoryError):
                yield unreadable(path, exc)
            continue
        entered = tuple(
            name for name in folder.folders if f"{path}/{name}" not in never_enter
        )
        folder, stores = look_inside(replace(folder, folders=entered), None)
        yield folder
        for members in stores.values():
            yield from members
        stack.extend((f"{path}/{name}", folder) for name in reversed(entered))
