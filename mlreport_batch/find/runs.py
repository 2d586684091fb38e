"""Find run directories below the roots, by what lies in them.

A folder is a run when a file in it (or in a folder that a framework puts below
its runs) holds metrics, hyperparameters or an intent. Everything else below a
run belongs to it, unless it is a run of its own. Symlinks are not followed.
"""

import os
import re
import zlib
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.find.candidates import PARTS
from mlreport_batch.find.checkpoints import Checkpoint
from mlreport_batch.find.folder import Folder, Says, below
from mlreport_batch.formats import Match, Problem
from mlreport_batch.formats.captured import is_captured, named_after
from mlreport_batch.formats.hparams import HPARAMS_FILE
from mlreport_batch.safety.clean import clean, natural_key
from mlreport_batch.safety.files import Signature
from mlreport_batch.safety.masking.redact import redact_text, shown

ABOVE = "../"
"""How the paths of those files of a run begin that lie in the folder above it."""

_SHORT = 300
_PATH_MAX = 600
_LATE_NS = 3600 * 10**9  # copies have the times of their copying

# Folders that frameworks make in theirs, and copies of a checkpoint: a run in one is
# a part of the run above, where that owns what is below it.
_MADE_BY_FRAMEWORKS = re.compile(
    r"\.hydra|wandb|mlruns|artifacts|files|plots|vis_data|catboost_info"
    r"|checkpoint[-_]?\d+|(?:best|last|latest|final)(?:[-_]?(?:model|checkpoint|ckpt))?"
)
# The same, but at the root of the search these are runs side by side.
_NUMBERED = re.compile(r"lightning_logs|(?:version|fold)[-_]?\d+")
# Where frameworks put event files.
_OF_EVENTS = PARTS | {"runs", "tb_logs", "tensorboard_logs"}
# What is caught of an evaluation, or says nothing of the program that ran.
_OF_OTHERS = frozenset("eval evaluation evaluate test val valid validation git".split())
_WORDS = re.compile(r"[a-z]+")
_OUTPUT = "captured output; its end tells how the run ended"
# What a framework says of a run that it made.
_MADE = Says.closed | Says.hparams


class RunFile(Struct, frozen=True):
    """A file of a run: ``path`` is relative to the run, with ``/`` between parts.

    ``is_output`` says whether it holds what was caught of the run's own output; one
    that is named after the run may lie beside its folder.
    """

    path: str
    full_path: str
    signature: Signature
    format: str
    match: Match | None
    why: str
    is_output: bool = False


class RunDir(Struct, frozen=True):
    """A run directory with all that was found in it.

    Attributes:
        name: Its path below the root; the root itself has its own folder's name.
        path: The directory.
        root: The root it was found under.
        files: Files that were looked into, in natural order of their paths.
        checkpoints: Checkpoints, likewise.
        problems: What could not be listed.
    """

    name: str
    path: str
    root: str
    files: tuple[RunFile, ...]
    checkpoints: tuple[Checkpoint, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def is_deleted(self) -> bool:
        """Whether its framework keeps it only as a deleted one."""
        return any(file.match and file.match.is_deleted for file in self.files)


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
    names = below(run, above).lower().split("/")
    if any(map(_MADE_BY_FRAMEWORKS.fullmatch, names)) or names[-1] in PARTS:
        return False
    if above != root and any(map(_NUMBERED.fullmatch, names)):
        return False
    if Says.metrics in says or says & _MADE == _MADE:
        return True
    if Says.events not in says or not _OF_EVENTS.isdisjoint(names):
        return False
    return Says.hparams in says or above == root


def run_name(path: str, root: str) -> str:
    """Return a run's name: its path below *root*, or the root's own name."""
    if path == root:
        return told_path(os.path.basename(root) or root)
    return told_path(below(path, root))


def told_path(path: str) -> str:
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


def named_run(folder: Folder, name: str) -> str | None:
    """Return which folder below *folder* a file of captured output is named after.

    ``train.log`` beside the events in ``train/`` is of no run there.
    """
    if not is_captured(name):
        return None
    runs = [below for below in folder.folders if below.lower() not in PARTS]
    return named_after(name, runs)


def _is_output(inside: str, folder: Folder, name: str) -> bool:
    """Return whether a file *inside* a run tells how the run itself ended.

    What an evaluation says, or a run in a folder below, is no word on the training.
    """
    if not is_captured(name) or named_run(folder, name) is not None:
        return False
    return _OF_OTHERS.isdisjoint(_WORDS.findall(f"{inside}/{name}".lower()))


def build_run(
    path: str, root: str, folders: Iterable[Folder], beside: Iterable[RunFile] = ()
) -> RunDir:
    """Return the run at *path*, made of its *folders*.

    Args:
        path: The run directory.
        root: The root it was found under.
        folders: Those that belong to it.
        beside: What lies beside it and belongs to it, as `named_files` gives it.
    """
    files: list[RunFile] = []
    checkpoints: list[Checkpoint] = []
    problems: list[Problem] = []
    for folder in folders:
        inside = below(folder.path, path)
        prefix = f"{inside}/" if inside else ""
        for name, found in folder.files.items():
            is_output = _is_output(inside, folder, name)
            why = _OUTPUT if is_output and not found.format else found.why
            files.append(
                RunFile(
                    told_path(prefix + name), folder.path_of(name), found.signature,
                    found.format, found.match, why, is_output,
                )
            )  # fmt: skip
        for name, (size, mtime_ns) in folder.checkpoints.items():
            checkpoints.append(Checkpoint(told_path(prefix + name), size, mtime_ns))
        problems += [
            Problem(
                shown(prefix + problem.path if problem.path != "." else prefix or "."),
                problem.line,
                problem.message,
            )
            for problem in folder.problems
        ]
    if files:
        files += beside
    files.sort(key=lambda file: natural_key(file.path))
    checkpoints.sort(key=lambda file: natural_key(file.path))
    return RunDir(
        run_name(path, root),
        path,
        root,
        tuple(files),
        tuple(checkpoints),
        tuple(problems),
    )


def lacks_settings(run: RunDir) -> bool:
    """Return whether nothing in a run below the root is named after its settings."""
    has_own = any(file.format == HPARAMS_FILE.name for file in run.files)
    return not has_own and run.path != run.root


def with_settings_above(run: RunDir, above: Folder) -> RunDir:
    """Return *run* with the configurations in the folder *above*, which is no run.

    ML-Agents keeps one for the folders of its behaviours. Who writes another one for
    the next run leaves the earlier runs without: what was written after a run's last
    file is not its own.
    """
    newest = max((file.signature.mtime_ns for file in run.files), default=0)
    found = [
        RunFile(
            told_path(ABOVE + name), f"{above.path}/{name}", file.signature,
            file.format, file.match, file.why,
        )
        for name, file in above.files.items()
        if file.format == HPARAMS_FILE.name
        and file.signature.mtime_ns <= newest + _LATE_NS
    ]  # fmt: skip
    found.sort(key=lambda file: natural_key(file.path))
    return replace(run, files=(*run.files, *found))


def named_files(folder: Folder) -> dict[str, list[RunFile]]:
    """Return the captured output in *folder* by the folders that it is named after."""
    files: dict[str, list[RunFile]] = {}
    for name, found in folder.files.items():
        child = named_run(folder, name)
        if child is not None:
            told, full = told_path(f"../{name}"), f"{folder.path}/{name}"
            file = RunFile(
                told, full, found.signature, "", None, _OUTPUT, is_output=True
            )
            files.setdefault(f"{folder.path}/{child}", []).append(file)
    return files


def newly_named(folder: Folder, before: Folder | None) -> list[str]:
    """Return the folders after which captured output is named that is another now."""
    known = named_files(before) if before else {}
    found = named_files(folder)
    return [path for path, files in found.items() if files != known.get(path)]


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
    beside: dict[str, list[RunFile]] = {}
    for folder in folders:
        beside |= named_files(folder)
    shared = {folder.path: folder for folder in folders}
    for folders_of_run in members.values():
        for folder in folders_of_run:
            del shared[folder.path]
    found: list[RunDir] = []
    for path in sorted(members, key=natural_key):
        if path in runs:
            run = build_run(path, root, members[path], beside.get(path, ()))
            above = shared.get(os.path.dirname(path)) if lacks_settings(run) else None
            found.append(run if above is None else with_settings_above(run, above))
    return [run for run in found if not run.is_deleted]
