"""Where runs may be: folders that people use, and what lies in them."""

import os
from collections.abc import Sequence
from itertools import islice

from msgspec import Struct

from mlreport_batch.config.channels import DEFAULT_OUTBOX
from mlreport_batch.config.locate import DEFAULT_STATE
from mlreport_batch.errors import UsageError, reason_of
from mlreport_batch.find.listing import walk
from mlreport_batch.find.runs import group_runs
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.files import is_below
from mlreport_batch.safety.remote.address import absolute, real_path

FOLDERS_MAX = 2_000
_NAMED_MAX = 3
_OWN = (DEFAULT_STATE, DEFAULT_OUTBOX)
_USUAL = (
    "runs experiments exp lightning_logs outputs output results logs work_dirs wandb "
    "mlruns checkpoints training trainings 실험"
).split()


class Found(Struct, frozen=True):
    """What a look at a folder found.

    Attributes:
        path: The folder, as a config names it.
        names: The runs in it.
        is_all: Whether all of it was looked at.
    """

    path: str
    names: tuple[str, ...]
    is_all: bool = True

    @property
    def some_names(self) -> str:
        """The first names."""
        return ", ".join(clean(name, 40) for name in self.names[:_NAMED_MAX])


def usual_folders(places: Sequence[str]) -> list[Found]:
    """Return the folders of usual names below *places* that hold runs, most first."""
    found: dict[str, Found] = {}
    for place in places:
        for name in _USUAL:
            path = os.path.join(place, name)
            real = os.path.realpath(path)
            if os.path.isdir(path) and real not in found:
                try:
                    found[real] = look(path)
                except UsageError:
                    continue
    held = [each for each in found.values() if each.names]
    return sorted(held, key=lambda each: -len(each.names))


def look(path: str) -> Found:
    """Return which runs lie below *path*; files are only told apart, not read.

    Raises:
        UsageError: It is no folder that can be listed.
    """
    folder = absolute(path)
    real = real_path(folder)
    for own in _OWN:
        if is_below(os.path.realpath(os.path.expanduser(own)), real):
            raise UsageError(
                f"{path} holds {own}, which is written to; folders of runs never are",
                advice="Name the folder inside that holds the runs",
            )
    try:
        folders = list(islice(walk(real, root=real), FOLDERS_MAX))
    except OSError as exc:
        raise UsageError(
            f"{path} cannot be read: {reason_of(exc)}",
            advice="Name a folder of runs; it may be empty yet",
        ) from exc
    names = tuple(run.name for run in group_runs(folders, real))
    return Found(shortened(folder), names, len(folders) < FOLDERS_MAX)


def shortened(path: str) -> str:
    """Return an absolute path with ``~`` for the home, as people write it."""
    home = os.path.expanduser("~").rstrip("/")
    return f"~{path[len(home) :]}" if home and path.startswith(f"{home}/") else path
