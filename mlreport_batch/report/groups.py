"""Which runs belong together: by their folder, or as the user says.

A framework lays the runs of one sweep into one folder: Hydra's jobs, Ray's trials,
the trials of a tuner, Lightning's versions.
"""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from mlreport_batch.report.brief import Brief

BY_FOLDER = "{parent}"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"\d\d-\d\d-\d\d")


def group_of(name: str, groups: Sequence[str]) -> str:
    """Return the group of the run called *name*.

    Args:
        name: Its path below its root.
        groups: One text for all runs of the root, in which ``{parent}`` stands for
            the folder above the run; or globs on names, of which the first that fits
            names the group. A run that none fits goes by its folder.
    """
    if len(groups) == 1 and not _GLOB.search(groups[0]):
        return groups[0].replace(BY_FOLDER, _folder(name))
    found = next((glob for glob in groups if fnmatchcase(name, glob)), None)
    return _folder(name) if found is None else found


_GLOB = re.compile(r"[*?\[]")


def _folder(name: str) -> str:
    """Return the folder above a run, empty for the root.

    Hydra gives each single job a folder named by the clock, in one named by the day:
    what belongs together lies above both.
    """
    folder, _, own = name.rpartition("/")
    above, _, day = folder.rpartition("/")
    return above if _CLOCK.fullmatch(own) and _DAY.fullmatch(day) else folder


def peers_of(run: Brief, members: Mapping[str, Brief], *, chosen: bool) -> list[Brief]:
    """Return the *members* of a group that *run* can be compared with, it included.

    They are ranked by the same metric towards the same goal. Of those that only share
    a folder, a run of another training is no peer: its metrics have other names, and
    it states other hyperparameters.

    Args:
        run: One of the members.
        members: By name.
        chosen: Whether the user said that they belong together.
    """
    return [
        other
        for other in members.values()
        if (other.metric, other.goal) == (run.metric, run.goal)
        and (chosen or _are_kin(run, other))
    ]


def _are_kin(first: Brief, second: Brief) -> bool:
    if first.kin == second.kin:
        return True
    shared = len(first.hparams.keys() & second.hparams.keys())
    return 0 < max(len(first.hparams), len(second.hparams)) <= 2 * shared
