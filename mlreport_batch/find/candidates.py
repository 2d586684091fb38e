"""Which files and folders are worth a look, by their names alone; and which links."""

import os
import re
from collections.abc import Iterable, Iterator

from mlreport_batch.formats import Problem
from mlreport_batch.formats.captured import is_captured
from mlreport_batch.formats.kit.bookkeeping import is_log_name, is_measured_in
from mlreport_batch.formats.kit.labels import is_part as is_part_of_data
from mlreport_batch.formats.kit.moved import turn_of
from mlreport_batch.safety.clean import clean, natural_key
from mlreport_batch.safety.entries import Entry
from mlreport_batch.safety.files import is_below
from mlreport_batch.safety.remote.address import is_remote

LINKS_MAX = 10

_SUFFIXES = (
    ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".yaml", ".yml", ".txt", ".log",
    ".out", ".err", ".dat", ".db", ".sqlite", ".sqlite3", ".wandb", ".toml", ".ini",
    ".cfg",
)  # fmt: skip

MODEL_DIRS = ("model-best", "model-last")

SKIPPED = frozenset(
    ["__pycache__", "node_modules", "site-packages", "dist-packages", "_sources"]
)

ENTERED_HIDDEN = frozenset([".hydra"])

# Folders that hold a part of a run when the folder above looks like one.
PARTS = frozenset(
    "logs log metrics eval evaluation evaluations val valid validation test train "
    "training tb tensorboard results csv history monitor monitors events "
    "summaries".split()
)

# Where a run keeps what it trained: beside it, `logs/` is a part of the folder above.
_KEPT = frozenset(["checkpoint", "checkpoints", "ckpt", "ckpts", "weights"])

# Names that only logs and hyperparameters bear: when such a file cannot be read as
# one, its run's report says so.
EXPECTED = re.compile(
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

_MISSED_FOLDER = PARTS | {".hydra", "wandb", "mlruns", "plots", "lightning_logs"}


def is_candidate(name: str, parents: tuple[str, ...]) -> bool:
    """Return whether a file is looked into; *parents* are the folders above it."""
    lowered = turn_of(name)[0].lower()
    if lowered.endswith(_SUFFIXES) or "tfevents" in lowered or is_captured(name):
        return True
    if "." not in name and (is_log_name(name) or is_measured_in(name)):
        return True
    # MLflow's file store: one file per metric and parameter, named after it.
    above = parents[:8]
    return "metrics" in above or "params" in above or parents[:1] == ("tags",)


def is_telling(name: str) -> bool:
    """Return whether a file's name alone tells that a run is there."""
    lowered = name.lower()
    return (
        EXPECTED.fullmatch(lowered) is not None
        or _MISSED_FILE.fullmatch(lowered) is not None
        or lowered.endswith(".wandb")
    )


def is_missed(entry: Entry, folder: str, root: str) -> bool:
    """Return whether a symlink seems to stand for a part of a run.

    Only its name and text are looked at: what it leads to may be slow or gone.
    """
    name = entry.name.lower()
    if EXPECTED.fullmatch(name):
        return True
    if _MISSED_FILE.fullmatch(name):
        # How Hugging Face keeps the models that it downloads.
        return "/blobs/" not in _target(entry, folder)
    return name in _MISSED_FOLDER and _leads_out(entry, folder, root)


def _target(entry: Entry, folder: str) -> str:
    try:
        return os.readlink(f"{folder}/{entry.name}")
    except OSError:
        return ""  # vanished between listing and looking


def _leads_out(entry: Entry, folder: str, root: str) -> bool:
    """Return whether what a link leads to is not found without it."""
    path = os.path.normpath(os.path.join(folder, _target(entry, folder)))
    return path != root and not is_below(path, root)


def linked_folders(root: str) -> list[str]:
    """Return the names of links right below *root* that lead to folders elsewhere.

    Raises:
        OSError: *root* cannot be listed.
    """
    if is_remote(root):
        return []
    with os.scandir(root) as entries:
        found = [
            entry.name
            for entry in entries
            if entry.is_symlink()
            and not entry.name.startswith(".")
            and _leads_out(entry, root, root)
            and entry.is_dir()
        ]
    return sorted(found, key=natural_key)


def told_links(names: list[str]) -> Iterator[Problem]:
    """Yield what is said of links that are not followed, the first few by name."""
    names.sort(key=natural_key)
    for name in names[:LINKS_MAX]:
        yield Problem(clean(name), None, "is a symlink; not opened")
    if len(names) > LINKS_MAX:
        more = len(names) - LINKS_MAX
        yield Problem(".", None, f"{more:,} more symlinks; not opened")


def is_part(name: str, beside: Iterable[str], *, is_run: bool) -> bool:
    """Return whether a folder is a part of the run that the folder above it is.

    Args:
        name: The folder.
        beside: All folders above which it lies, itself included.
        is_run: Whether anything in the folder above suggests a run.
    """
    lowered = name.lower()
    if lowered not in PARTS and lowered not in _KEPT:
        return False
    if is_run:
        return True
    others = {other.lower() for other in beside} - {lowered}
    if is_part_of_data(lowered):  # a writer of event files for each
        return any(map(is_part_of_data, others))
    if lowered in _KEPT:
        return not others.isdisjoint(PARTS)
    return lowered in PARTS and not others.isdisjoint(_KEPT)
