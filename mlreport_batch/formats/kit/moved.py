"""Files that were moved away from where they were written: by NeMo, or in turns."""

import re

from mlreport_batch.formats import Candidate

_TURN = re.compile(
    r"(?i)(.+\.(?:csv|tsv|jsonl|ndjson|log|out|txt))\.(\d{1,3})(?:\.gz)?"
)
_FOLDER = re.compile(r"run_\d+")


def is_nemo(candidate: Candidate) -> bool:
    """Return whether NeMo's own files lie beside the file."""
    return any(
        name.startswith(("nemo_log_", "cmd-args.log")) for name in candidate.siblings
    )


def is_moved(candidate: Candidate) -> bool:
    """Return whether NeMo moved the file from the folder above on a resume."""
    folder = candidate.parents[0] if candidate.parents else ""
    return _FOLDER.fullmatch(folder) is not None and is_nemo(candidate)


def turn_of(name: str) -> tuple[str, int]:
    """Return a log's name and how often it was moved away since: ``log.csv.2``."""
    match = _TURN.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, 0)


def has_turns(candidate: Candidate) -> bool:
    """Return whether earlier parts of a log lie beside it."""
    first = f"{candidate.name}.1"
    return not candidate.siblings.isdisjoint((first, f"{first}.gz"))
