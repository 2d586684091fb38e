"""Files that NeMo moved away from where a run that was resumed wrote them."""

import re

from mlreport_batch.formats import Candidate

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
