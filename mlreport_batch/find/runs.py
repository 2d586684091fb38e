"""Find run directories below the roots, by what lies in them.

A folder is a run when a file in it (or in a folder that a framework puts below
its runs) holds metrics, hyperparameters or an intent. Everything else below a
run belongs to it, unless it is a run of its own. Symlinks are not followed.
"""

import os
import re
import stat
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntFlag

from mlreport_batch.errors import Problem
from mlreport_batch.find.checkpoints import Weights, is_weights
from mlreport_batch.formats import Candidate, LogFormat, Match, Role
from mlreport_batch.safety.clean import clean, natural_key
from mlreport_batch.safety.files import Signature, read_head, storable_ns
from mlreport_batch.safety.masking.redact import redact_text, shown

DEPTH_MAX = 16
ENTRIES_MAX = 200_000
CANDIDATES_MAX = 2_000
LINKS_MAX = 10
HEAD = 8192
_SHORT = 300
_PATH_MAX = 600

_SUFFIXES = (
    ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".txt", ".log",
    ".out", ".err", ".db", ".sqlite", ".sqlite3", ".wandb",
)  # fmt: skip
MODEL_DIRS = ("model-best", "model-last")
_SKIPPED = frozenset(
    ["__pycache__", "node_modules", "site-packages", "dist-packages", "_sources"]
)
_ENTERED_HIDDEN = frozenset([".hydra"])
# Folders that hold a part of a run when the folder above looks like one.
_PARTS = frozenset(
    "logs log metrics eval evaluation evaluations val valid validation test train "
    "training tb tensorboard results csv history monitor events summaries".split()
)

# Folders that frameworks make in theirs, and copies of a checkpoint: a run in one is
# a part of the run above, where that owns what is below it.
_MADE_BY_FRAMEWORKS = re.compile(
    r"\.hydra|wandb|mlruns|artifacts|files|plots|vis_data|catboost_info"
    r"|checkpoint[-_]?\d+|(?:best|last|latest|final)(?:[-_]?(?:model|checkpoint|ckpt))?"
)
# The same, but at the root of the search these are runs side by side.
_NUMBERED = re.compile(r"lightning_logs|(?:version|fold)[-_]?\d+")
# Where frameworks put event files.
_OF_EVENTS = _PARTS | {"runs", "tb_logs", "tensorboard_logs"}

# Names that only logs and hyperparameters bear: when such a file cannot be read as
# one, its run's report says so.
_EXPECTED = re.compile(
    r"(?i)(?:[\w.-]*(?:metrics?|progress|history|scalars|train(?:ing)?_?log|results?)"
    r"[\w.-]*\.(?:csv|tsv|jsonl)|hparams\.(?:ya?ml|json)|trainer_state\.json)"
)
# What else a run may lack where it is a symlink: nothing is read through one, since it
# may lead anywhere.
_MISSED_FILE = re.compile(
    r"(?i)intent\.(?:ya?ml|json)|.*tfevents.*|.*(?:metrics|results|scores).*\.json"
    r"|(?:(?:run|experiment|train|training)_)?"
    r"(?:args|arguments|cfg|conf|configs?|hps|hyp|hyper_?param(?:eter)?s|opts?"
    r"|param(?:eter)?s|settings)\.(?:ya?ml|json)"
)
_MISSED_FOLDER = _PARTS | {".hydra", "wandb", "mlruns", "plots", "lightning_logs"}
_TEXT_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".txt")
_BOMS_16 = (b"\xff\xfe", b"\xfe\xff")
_BOMS_32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")

Recognise = Callable[[Candidate], Iterable[tuple[LogFormat, Match]]]


@dataclass(frozen=True, slots=True)
class FoundFile:
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


@dataclass(frozen=True, slots=True)
class Claim:
    """A folder's word on which folder is a run: itself or one above it."""

    levels_up: int
    says: Says


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder as it was listed.

    Attributes:
        path: The folder.
        mtime_ns: Its modification time before it was listed; 0 if it was written
            to so recently that the listing may have missed something.
        inode: Its inode number.
        listing: CRC-32 of the sorted names in it.
        folders: Names of the folders below it that are entered.
        files: Files that were looked into, by name.
        weights: Checkpoints in it, by name: (size, mtime_ns).
        problems: What could not be listed, with paths relative to this folder.
    """

    path: str
    mtime_ns: int
    inode: int
    listing: int
    folders: tuple[str, ...] = ()
    files: Mapping[str, FoundFile] = field(default_factory=dict)
    weights: Mapping[str, tuple[int, int]] = field(default_factory=dict)
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
    def is_evidence(self) -> bool:
        """Whether something in it suggests a run, if only weakly."""
        return bool(self.weights) or any(f.match for f in self.files.values())


def _said_by(match: Match) -> Says:
    says = Says.closed if match.closed else Says(0)
    if match.role is not Role.metrics:
        return says | Says.hparams
    return says | (Says.events if match.fallback else Says.metrics)


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file of a run: ``path`` is relative to the run, with ``/`` between parts."""

    path: str
    full_path: str
    signature: Signature
    format: str
    match: Match | None
    why: str


@dataclass(frozen=True, slots=True)
class RunDir:
    """A run directory with all that was found in it.

    Attributes:
        name: Its path below the root; the root itself has its own folder's name.
        path: The directory.
        root: The root it was found under.
        files: Files that were looked into, in natural order of their paths.
        weights: Checkpoints, likewise.
        problems: What could not be listed.
    """

    name: str
    path: str
    root: str
    files: tuple[RunFile, ...]
    weights: tuple[Weights, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def is_deleted(self) -> bool:
        """Whether its framework keeps it only as a deleted one."""
        return any(file.match and file.match.is_deleted for file in self.files)


def is_racy(mtime_ns: int, now_ns: int) -> bool:
    """Return whether a later write could carry the same timestamp.

    Kernels stamp files at a tick of some milliseconds; file systems without
    fractions of seconds stamp at whole (FAT: even) ones. Times in the future say
    nothing and count as racy for two seconds only.
    """
    age = now_ns - mtime_ns
    return abs(age) < (2_000_000_000 if mtime_ns % 1_000_000_000 == 0 else 50_000_000)


def _is_candidate(name: str, parents: tuple[str, ...]) -> bool:
    lowered = name.lower()
    if lowered.endswith(_SUFFIXES) or "tfevents" in lowered:
        return True
    # MLflow's file store: one file per metric and parameter, named after it.
    above = parents[:8]
    return "metrics" in above or "params" in above or parents[:1] == ("tags",)


def list_folder(
    path: str,
    *,
    root: str,
    recognise: Recognise,
    above: Folder | None = None,
    before: Folder | None = None,
) -> Folder:
    """Return *path* as it is now.

    Args:
        path: The folder.
        root: The root of the search; ``Candidate.parents`` ends there.
        recognise: Yields the formats that claim a candidate, surest first.
        above: The folder above it, if it was listed.
        before: The same folder at an earlier time; files whose signature did not
            change are not looked into again.

    Raises:
        OSError: The folder is gone or unreadable.
    """
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) and path != root:
        raise NotADirectoryError(path)
    if path == root:
        status = os.stat(path)
    names: list[str] = []
    folders: list[str] = []
    candidates: list[os.DirEntry[str]] = []
    links: list[str] = []
    weights: dict[str, tuple[int, int]] = {}
    problems: list[Problem] = []
    parents = parents_of(path, root)
    with os.scandir(path) as entries:
        for entry in entries:
            if len(names) >= ENTRIES_MAX:
                problems.append(
                    Problem(
                        ".", None, f"more than {ENTRIES_MAX:,} entries; rest left out"
                    )
                )
                break
            names.append(entry.name)
            if entry.is_symlink() and _is_missed(entry, root):
                links.append(entry.name)
            else:
                _sort_in(entry, parents, folders, candidates, weights, problems)
    problems += _told_links(links)
    if len(candidates) > CANDIDATES_MAX:
        candidates.sort(key=lambda entry: natural_key(entry.name))
        problems.append(
            Problem(
                ".",
                None,
                f"{len(candidates):,} files that could hold metrics; only the first "
                f"{CANDIDATES_MAX:,} were looked into",
            )
        )
        del candidates[CANDIDATES_MAX:]
    look_into = _Looking(
        parents,
        frozenset(names),
        frozenset(above.files) if above is not None else frozenset(),
        recognise,
        before,
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
        weights=weights,
        problems=tuple(problems),
    )
    return _as_part(folder, above)


def _sort_in(
    entry: os.DirEntry[str],
    parents: tuple[str, ...],
    folders: list[str],
    candidates: list[os.DirEntry[str]],
    weights: dict[str, tuple[int, int]],
    problems: list[Problem],
) -> None:
    name = entry.name
    try:
        if entry.is_dir(follow_symlinks=False):
            hidden = name.startswith(".") and name not in _ENTERED_HIDDEN
            if not hidden and name not in _SKIPPED:
                folders.append(name)
                if name in MODEL_DIRS:
                    status = entry.stat(follow_symlinks=False)
                    weights[name] = (0, storable_ns(status.st_mtime_ns))
        elif is_weights(name):
            # A symlinked last.ckpt is listed by its name but never followed.
            status = entry.stat(follow_symlinks=False)
            weights[name] = (status.st_size, storable_ns(status.st_mtime_ns))
        elif entry.is_file(follow_symlinks=False):
            if _is_candidate(name, parents):
                candidates.append(entry)
        elif _EXPECTED.fullmatch(name):
            problems.append(
                Problem(clean(name), None, "is no regular file; not opened")
            )
    except OSError:
        return  # vanished between listing and looking


def _is_missed(entry: os.DirEntry[str], root: str) -> bool:
    """Return whether a symlink seems to stand for a part of a run.

    Only its name and text are looked at: what it leads to may be slow or gone.
    """
    name = entry.name.lower()
    if _EXPECTED.fullmatch(name):
        return True
    if _MISSED_FILE.fullmatch(name):
        # How Hugging Face keeps the models that it downloads.
        return "/blobs/" not in _target(entry)
    return name in _MISSED_FOLDER and _leads_out(entry, root)


def _target(entry: os.DirEntry[str]) -> str:
    try:
        return os.readlink(entry.path)
    except OSError:
        return ""  # vanished between listing and looking


def _leads_out(entry: os.DirEntry[str], root: str) -> bool:
    """Return whether what a link leads to is not found without it."""
    path = os.path.normpath(os.path.join(os.path.dirname(entry.path), _target(entry)))
    return path != root and not path.startswith(root.rstrip("/") + "/")


def linked_folders(root: str) -> list[str]:
    """Return the names of links right below *root* that lead to folders elsewhere.

    Raises:
        OSError: *root* cannot be listed.
    """
    with os.scandir(root) as entries:
        found = [
            entry.name
            for entry in entries
            if entry.is_symlink()
            and not entry.name.startswith(".")
            and _leads_out(entry, root)
            and entry.is_dir()
        ]
    return sorted(found, key=natural_key)


def _told_links(names: list[str]) -> Iterator[Problem]:
    names.sort(key=natural_key)
    for name in names[:LINKS_MAX]:
        yield Problem(clean(name), None, "is a symlink; not opened")
    if len(names) > LINKS_MAX:
        more = len(names) - LINKS_MAX
        yield Problem(".", None, f"{more:,} more symlinks; not opened")


@dataclass(frozen=True, slots=True)
class _Looking:
    """What is the same for all files of a folder that is being listed."""

    parents: tuple[str, ...]
    siblings: frozenset[str]
    above: frozenset[str]
    recognise: Recognise
    before: Folder | None
    unread: set[str] = field(default_factory=set)

    def __call__(
        self, entry: os.DirEntry[str], problems: list[Problem]
    ) -> FoundFile | None:
        """Return what *entry* was recognised as, None if it cannot be read."""
        known = self.before.files.get(entry.name) if self.before else None
        try:
            signature = Signature.of(entry.stat(follow_symlinks=False))
            if is_racy(signature.ctime_ns, time.time_ns()):
                signature = replace(signature, ctime_ns=0)
            if known is not None and known.signature == signature:
                return known
            head = read_head(entry.path, HEAD)
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
            entry, signature, _text_of(entry.name, head), known, problems
        )

    def _recognised(
        self,
        entry: os.DirEntry[str],
        signature: Signature,
        head: bytes,
        known: FoundFile | None,
        problems: list[Problem],
    ) -> FoundFile:
        candidate = Candidate(
            entry.path,
            self.parents,
            entry.name,
            head,
            signature.size,
            self.siblings,
            self.above,
        )
        found = (
            (log_format.name, match) for log_format, match in self.recognise(candidate)
        )
        claims: Iterable[tuple[str, Match]] = found
        if known is not None and known.format:
            # A claimed file keeps its format while it can be: half a rewrite, cut in
            # the middle of its header, must not turn it into something else.
            claims = sorted(found, key=lambda claim: claim[0] != known.format)
            if not claims:
                return replace(known, signature=signature)
        for name, match in claims:
            return FoundFile(signature, name, match, match.note)
        why = _why_not(head)
        if b"\n" in head and _EXPECTED.fullmatch(entry.name):
            problems.append(Problem(clean(entry.name), None, f"not read: {why}"))
        return FoundFile(signature, "", None, why)


def _text_of(name: str, head: bytes) -> bytes:
    """Return the text before the NUL bytes that a power loss leaves in a log."""
    if b"\0" not in head or not name.lower().endswith(_TEXT_SUFFIXES):
        return head
    text = head.partition(b"\0")[0]
    return text if b"\n" in text and not head.startswith(_BOMS_16) else head


def _why_not(head: bytes) -> str:
    if not head:
        return "empty so far"
    if head.startswith(_BOMS_32):
        return "UTF-32 text; only UTF-8 and UTF-16 are read"
    if head.startswith(_BOMS_16):
        return "UTF-16 text; no metrics, hyperparameters or results recognised in it"
    if b"\0" in head[:1024] or head.startswith((b"\x1f\x8b", b"\x89PNG", b"PK\3\4")):
        return "binary"
    return "no metrics, hyperparameters or results recognised in it"


def _as_part(folder: Folder, above: Folder | None) -> Folder:
    """Hand a folder such as ``logs/`` to the run above it, if that looks like one."""
    name = os.path.basename(folder.path).lower()
    if name not in _PARTS or above is None or not above.is_evidence:
        return folder
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


def is_part(path: str) -> bool:
    """Return whether what a folder is depends on the folder above it."""
    return os.path.basename(path).lower() in _PARTS


def parents_of(path: str, root: str) -> tuple[str, ...]:
    """Return the names of *path* and the folders above it up to *root*."""
    parts = [os.path.basename(root)]
    if path != root:
        parts += _below(path, root).split("/")
    return tuple(reversed(parts))


def _below(path: str, top: str) -> str:
    """Return *path* as seen from the folder *top* above it; empty for *top* itself."""
    return path.removeprefix(top).lstrip("/")


def walk(
    top: str,
    *,
    root: str,
    recognise: Recognise,
    never_enter: frozenset[str] = frozenset(),
    above: Folder | None = None,
) -> Iterator[Folder]:
    """Yield *top* and every folder below it, those above first.

    For a folder below *top* that cannot be listed a placeholder is yielded; one that
    vanished meanwhile is passed over.

    Raises:
        OSError: *top* itself cannot be listed.
    """
    base_depth = len(parents_of(top, root))
    stack: list[tuple[str, Folder | None]] = [(top, above)]
    while stack:
        path, parent = stack.pop()
        try:
            folder = list_folder(path, root=root, recognise=recognise, above=parent)
        except OSError as exc:
            if path == top:
                raise
            if not isinstance(exc, FileNotFoundError | NotADirectoryError):
                yield unreadable(path, exc)
            continue
        entered = tuple(
            name for name in folder.folders if f"{path}/{name}" not in never_enter
        )
        if len(parents_of(path, root)) - base_depth >= DEPTH_MAX and entered:
            note = Problem(
                ".", None, f"folders more than {DEPTH_MAX} deep are left out"
            )
            folder = replace(folder, problems=(*folder.problems, note))
            entered = ()
        folder = replace(folder, folders=entered)
        yield folder
        stack.extend((f"{path}/{name}", folder) for name in reversed(entered))


def unreadable(path: str, exc: OSError) -> Folder:
    """Return a placeholder for a folder that cannot be listed now."""
    note = Problem(".", None, f"cannot be listed: {exc.strerror}")
    return Folder(path=path, mtime_ns=0, inode=0, listing=0, problems=(note,))


def is_placeholder(folder: Folder) -> bool:
    """Return whether *folder* was made by `unreadable`."""
    return not folder.inode and bool(folder.problems)


def claimed_run(folder: Folder, root: str) -> tuple[str, Says] | None:
    """Return (path of the run that *folder* speaks for, what it says), or None."""
    claim = folder.claim
    if claim is None:
        return None
    path = folder.path
    for _ in range(claim.levels_up):
        if path == root:
            break
        path = os.path.dirname(path)
    return path, claim.says


def owner(
    folder_path: str, claimed: str | None, runs: Mapping[str, Says], root: str
) -> str | None:
    """Return the run that a folder belongs to, or None.

    Args:
        folder_path: The folder.
        claimed: The run it speaks for itself, if any.
        runs: All runs on the way up, with what is said of them.
        root: Where the way up ends.
    """
    nearest = claimed
    path = folder_path
    while True:
        if path in runs:
            if Says.closed in runs[path]:
                # The topmost closed run owns what is below it and no run by itself.
                if nearest is None or not stands_alone(nearest, path, runs, root):
                    nearest = path
            elif nearest is None:
                nearest = path
        if path == root or len(path) <= len(root):
            return nearest
        path = os.path.dirname(path)


def stands_alone(run: str, above: str, runs: Mapping[str, Says], root: str) -> bool:
    """Return whether *run* is none of the parts of the closed run *above* it.

    A checkpoint or a ``.hydra`` that got into a folder of runs must not take them
    all: a run with a log of its own, or one that a framework made, is a part only
    where its place says so. Event files may repeat the log of the run above, so
    they count where hyperparameters lie beside them, or below the root of the
    search, which is a folder of runs more often than a run.
    """
    says = runs.get(run, Says(0))
    if len(run) <= len(above) or not says:
        return False
    names = _below(run, above).lower().split("/")
    if any(map(_MADE_BY_FRAMEWORKS.fullmatch, names)) or names[-1] in _PARTS:
        return False
    if above != root and any(map(_NUMBERED.fullmatch, names)):
        return False
    if Says.metrics in says or says & _MADE == _MADE:
        return True
    if Says.events not in says or not _OF_EVENTS.isdisjoint(names):
        return False
    return Says.hparams in says or above == root


_MADE = Says.closed | Says.hparams


def run_name(path: str, root: str) -> str:
    """Return a run's name: its path below *root*, or the root's own name."""
    if path == root:
        return _told(os.path.basename(root) or root)
    return _told(_below(path, root))


def _told(path: str) -> str:
    """Return *path* as it can be shown; one that had to be changed stays unique.

    Frameworks name folders by random letters, as MLflow does: they are no secrets.
    """
    if path.isascii() and path.isprintable() and len(path) <= _SHORT:
        told = redact_text(path, is_hash=True)
    else:
        told = clean(redact_text(path, is_hash=True), _PATH_MAX)
    if told == path:
        return path
    return f"{told}~{zlib.crc32(os.fsencode(path)):08x}"


def build_run(path: str, root: str, folders: Iterable[Folder]) -> RunDir:
    """Return the run at *path*, made of its *folders*."""
    files: list[RunFile] = []
    weights: list[Weights] = []
    problems: list[Problem] = []
    for folder in folders:
        below = _below(folder.path, path)
        prefix = f"{below}/" if below else ""
        for name, found in folder.files.items():
            files.append(
                RunFile(
                    _told(prefix + name), f"{folder.path}/{name}", found.signature,
                    found.format, found.match, found.why,
                )
            )  # fmt: skip
        for name, (size, mtime_ns) in folder.weights.items():
            weights.append(Weights(_told(prefix + name), size, mtime_ns))
        problems += [
            Problem(
                shown(prefix + problem.path if problem.path != "." else prefix or "."),
                problem.line,
                problem.message,
            )
            for problem in folder.problems
        ]
    files.sort(key=lambda file: natural_key(file.path))
    weights.sort(key=lambda file: natural_key(file.path))
    return RunDir(
        run_name(path, root), path, root, tuple(files), tuple(weights), tuple(problems)
    )


def group_runs(folders: Iterable[Folder], root: str) -> list[RunDir]:
    """Return the runs in a whole tree of *folders* below *root*."""
    folders = list(folders)
    runs: dict[str, Says] = {}
    claims: dict[str, str] = {}
    for folder in folders:
        claim = claimed_run(folder, root)
        if claim is not None:
            path, says = claim
            claims[folder.path] = path
            runs[path] = runs.get(path, Says(0)) | says
    members: dict[str, list[Folder]] = {}
    for folder in folders:
        path_owner = owner(folder.path, claims.get(folder.path), runs, root)
        if path_owner is not None:
            members.setdefault(path_owner, []).append(folder)
    found = (
        build_run(path, root, members[path])
        for path in sorted(members, key=natural_key)
        if path in runs
    )
    return [run for run in found if not run.is_deleted]
