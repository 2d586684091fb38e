"""Keep what is known of the folders up to date, at the price of what changed.

Only folders that are not as they were are listed again; whom a folder belongs to
is worked out anew only where a claim came or went.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from mlreport_batch.find.ahead import plan_ahead
from mlreport_batch.find.folder import Folder, Says, root_of, unreadable
from mlreport_batch.find.listing import list_folder, walk
from mlreport_batch.find.runs import (
    RunDir,
    claimed_run,
    lacks_settings,
    newly_named,
    owner,
    run_name,
    with_settings_above,
)
from mlreport_batch.find.stores import look_inside, newly_unread
from mlreport_batch.formats.own_lines import OwnFormat
from mlreport_batch.safety.entries import look_anew
from mlreport_batch.safety.remote.address import is_remote
from mlreport_batch.state.rows import damaged_row
from mlreport_batch.state.store import LEFT_OUT, RunRow, State
from mlreport_batch.state.survey import Survey, Update

GONE_S = 30 * 86400.0


class Catalog:
    """The known folders and runs of a state.

    Args:
        state: Where they are kept.
        accept: Tells whether a run of this (root, name) is wanted.
        never_enter: Folders that are not looked into, such as our own output.
        own: What the user says of some files, and whether it is another than before.
    """

    def __init__(
        self,
        state: State,
        accept: Callable[[str, str], bool],
        never_enter: frozenset[str],
        own: tuple[tuple[OwnFormat, ...], bool] = ((), False),
    ) -> None:
        self._state = state
        self._accept = accept
        self._never_enter = never_enter
        self._last_shared: tuple[str, Folder | None] = "", None
        self._own, self._is_own_new = own

    def survey(
        self,
        roots: Sequence[str],
        now: float,
        changed: Sequence[str] | None = None,
        shared: int = 0,
    ) -> Survey:
        """Look at all *roots* and keep what was found.

        Every dirty run is marked to be looked at in the same commit, so that a
        tick that dies before reading it leaves nothing unread.

        Args:
            roots: Real paths of the root folders.
            now: Seconds since the epoch.
            changed: The folders that were just found changed; None for no look yet.
            shared: Up to how many runs and folders the commit is left to what follows.

        Raises:
            StateError: The result could not be kept.
        """
        result = Survey()
        known = set(self._state.roots())
        update = Update(is_first=not known)
        readable = []
        for root in roots:
            try:
                look_anew(root)
            except OSError as exc:
                result.note_unread(root, exc)
                continue
            readable.append(root)
        for root in known.difference(roots):
            update.dropped.update([root, *self._state.folders_below(root)])
        not_as_known = self._changed(changed, update, now)
        known_as = partial(self._known, update=update)
        plan_ahead(readable, not_as_known, self._state.folders_below, known_as)
        for path in not_as_known:
            found = root_of(path, readable)
            if found is not None and found in known:
                self._relist(path, found, update)
        for root in readable:
            if root not in known:
                self._walk(root, root, None, update, result)
        if update.listed or update.dropped:
            self._keep(update, result, now, shared)
        result.folders = len(update.listed)
        return result

    def _changed(
        self, found: Sequence[str] | None, update: Update, now: float
    ) -> list[str]:
        """Return the known folders that are not as they were; all are known whole."""
        if self._is_own_new:  # what each file is taken for may be another now
            return sorted(self._state.all_folders())
        is_remote_too = any(map(is_remote, self._state.roots()))
        if (
            found is None
            or is_remote_too  # which a first look cannot tell of
            or not all(self._known(path, update) for path in found)
        ):
            # Another tick may have come between.
            found = self._state.changed_folders(now)
        for path in found:
            if self._known(path, update) is None:
                raise damaged_row(path, "it is known by half")
        return sorted(found)

    def _walk(
        self,
        top: str,
        root: str,
        above: Folder | None,
        update: Update,
        result: Survey | None = None,
    ) -> None:
        if top in self._never_enter:
            return
        try:
            for folder in walk(
                top,
                root=root,
                never_enter=self._never_enter,
                above=above,
                own=self._own,
            ):
                update.listed[folder.path] = (folder, root)
        except OSError as exc:
            if result is not None:
                result.note_unread(top, exc)
            elif not isinstance(exc, FileNotFoundError | NotADirectoryError):
                # The folder above is not listed again for it: the next tick must know.
                update.listed[top] = (unreadable(top, exc), root)

    def _relist(self, path: str, root: str, update: Update) -> None:
        if path in update.listed or path in update.dropped:
            return
        before = self._known(path, update)
        if before is not None and before.is_inside:
            return  # the folder of its file tells of it
        above = self._above(path, root, update)
        try:
            kept = None if self._is_own_new else before
            folder = list_folder(
                path, root=root, above=above, before=kept, own=self._own
            )
        except OSError as exc:
            if isinstance(exc, FileNotFoundError | NotADirectoryError) and path != root:
                update.dropped.update([path, *self._state.folders_below(path)])
            elif before is not None and path != root:
                # What is known of it stays true; that it cannot be seen is news.
                problems = unreadable(path, exc).problems
                folder = replace(before, mtime_ns=0, problems=problems)
                update.listed[path] = (folder, root)
            return
        entered = tuple(
            name for name in folder.folders if f"{path}/{name}" not in self._never_enter
        )
        folder, inside = look_inside(replace(folder, folders=entered), kept)
        update.listed[path] = (folder, root)
        self._relist_inside(path, inside, root, update)
        # A folder that vanished while it was walked is told of above and not known.
        known = set(self._state.folders_below(path))
        old = {
            name
            for name in (before.folders if before else ())
            if f"{path}/{name}" in known
        }
        for name in sorted(old.difference(entered)):
            gone = f"{path}/{name}"
            update.dropped.update([gone, *self._state.folders_below(gone)])
        for name in entered:
            child = f"{path}/{name}"
            if name not in old:
                self._walk(child, root, folder, update)
            elif before is not None and before.owns(name) != folder.owns(name):
                self._relist(child, root, update)

    def _relist_inside(
        self, path: str, inside: Mapping[str, list[Folder]], root: str, update: Update
    ) -> None:
        """Note which runs in the files of the folder *path* are others, or gone."""
        for name, members in inside.items():
            known = self._state.folders_below(f"{path}/{name}")
            update.dropped.update(set(known).difference(each.path for each in members))
            for member in members:
                if self._known(member.path, update) != member:
                    update.listed[member.path] = member, root

    def _above(self, path: str, root: str, update: Update) -> Folder | None:
        if path == root:
            return None
        parent = os.path.dirname(path)
        if parent in update.listed:
            return update.listed[parent][0]
        return self._known(parent, update)

    def _known(self, path: str, update: Update) -> Folder | None:
        """Return what the state knows of a folder, read once."""
        if update.is_first:
            return None
        if path not in update.known:
            update.known[path] = self._state.folder(path)
        return update.known[path]

    def _keep(self, update: Update, result: Survey, now: float, shared: int) -> None:
        state = self._state
        moved = update.dropped.intersection(update.listed)  # to another root
        update.dropped.difference_update(update.listed)
        listed = {
            path: found
            for path, found in update.listed.items()
            if path in moved or not found[0].is_known_as(self._known(path, update), now)
        }
        # Racy folders are looked into again although nothing may have changed.
        owners = map(state.owner_of, set(update.listed).difference(listed))
        dirty = {run for run, _ in owners if run is not None}
        if listed or update.dropped:
            with state.transaction(stays_open=True):
                self._write(listed, update, dirty, result, now)
            # What does not fit into SQLite's cache locks out all who want to read.
            if max(len(dirty), len(listed)) > shared:
                state.commit()
        result.dirty = sorted(dirty)

    def _write(
        self,
        listed: dict[str, tuple[Folder, str]],
        update: Update,
        dirty: set[str],
        result: Survey,
        now: float,
    ) -> None:
        state = self._state
        claims = {path: claimed_run(*found) for path, found in listed.items()}
        asked = () if update.is_first else (*update.dropped, *listed)
        owners = [state.owner_of(path) for path in asked]
        changed = {run for run, _ in owners if run is not None}
        disputed = {claimed for _, claimed in owners}
        disputed |= {claim[0] for claim in claims.values() if claim is not None}
        contested = {
            path: state.claims_on(path) for path in disputed if path is not None
        }
        for path in update.dropped:
            state.drop_folder(path)
        for path, (folder, root) in listed.items():
            state.put_folder(folder, root=root, run=None, claim=claims[path])
        to_assign = set(listed)
        for path, before in contested.items():
            if state.claims_on(path) != before:
                to_assign.update([path, *state.folders_below(path)])
        changed |= self._assign(to_assign)
        for path, (folder, _) in listed.items():
            named = newly_named(folder, self._known(path, update))
            changed.update(run for run in named if state.run(run) is not None)
        result.unlisted += [
            problem
            for path in sorted(listed)
            for problem in newly_unread(listed[path][0], self._known(path, update))
            if state.owner_of(path)[0] is None
        ]
        roots = state.roots()
        for path in sorted(changed):
            self._note_run(path, roots, dirty, now)

    def _assign(self, paths: set[str]) -> set[str]:
        """Work out whom *paths* belong to; return the runs that gained or lost some."""
        state = self._state
        roots = state.roots()
        claims: dict[str, Says | None] = {}
        touched: set[str] = set()
        for path in sorted(paths):
            root = root_of(path, roots)
            before, claimed = state.owner_of(path)
            if root is None:
                continue
            runs: dict[str, Says] = {}
            above = path
            while True:
                if above not in claims:
                    claims[above] = state.claims_on(above)
                says = claims[above]
                if says is not None:
                    runs[above] = says
                if above == root:
                    break
                above = os.path.dirname(above)
            after = owner(path, claimed, runs, root)
            if after != before:
                state.set_owner(path, after)
            touched.update(run for run in (before, after) if run is not None)
        return touched

    def _note_run(
        self,
        path: str,
        roots: Sequence[str],
        dirty: set[str],
        now: float,
    ) -> None:
        state = self._state
        folders = state.folder_paths_of_run(path)
        row = state.run(path)
        if not folders:
            if row is not None and row.gone_at is None:
                self._note_gone(row, roots, now)
            dirty.discard(path)
            return
        root = root_of(path, roots)
        if root is None:
            return
        is_wanted = self._accept(root, run_name(path, root))
        if row is None and not is_wanted:
            return
        name = run_name(path, root)
        row = (
            RunRow(path, root, name)
            if row is None
            else replace(row, root=root, name=name, gone_at=None)
        )
        state.put_run(replace(row, wake_at=0.0 if is_wanted else LEFT_OUT))
        if not is_wanted:
            dirty.discard(path)
            return
        dirty.add(path)

    def _note_gone(self, row: RunRow, roots: Sequence[str], now: float) -> None:
        """Note that a run vanished, or have it looked at once more.

        Of one that waits for a time, not all that was read may have been told.
        """
        waits = row.wake_at is not None and row.wake_at != LEFT_OUT
        is_wanted = root_of(row.path, roots) and self._accept(row.root, row.name)
        if waits and is_wanted:
            self._state.put_run(replace(row, wake_at=0.0))
        else:
            self._state.mark_gone(row.path, now)

    def choose_anew(self, now: float) -> None:
        """Take in and leave out runs, now that the config is another.

        Those that stay are looked at too: other rules may make news of what is known.
        """
        state = self._state
        roots = state.roots()
        rows = []
        paths = set(state.run_paths())
        known = set()
        for row in state.known_runs():
            known.add(row.path)
            if row.path not in paths:
                if row.gone_at is None and not self._accept(row.root, row.name):
                    rows.append(replace(row, wake_at=None, gone_at=now))
                continue
            if (root := root_of(row.path, roots)) is not None:
                is_wanted = self._accept(root, run_name(row.path, root))
                if is_wanted == (row.wake_at == LEFT_OUT):
                    rows.append(replace(row, wake_at=0.0 if is_wanted else LEFT_OUT))
        for path in paths - known:
            root = root_of(path, roots)
            if root is None or state.run(path) is not None:
                continue
            if self._accept(root, name := run_name(path, root)):
                rows.append(RunRow(path, root, name, wake_at=0.0))
        with state.transaction():
            for row in rows:
                state.put_run(row)
            state.wake_all()

    def run_dir(self, row: RunRow) -> RunDir:
        """Return the run directory of *row*, from what is known of its folders."""
        run = self._state.run_dir(row.path, row.root)
        above = self._shared(os.path.dirname(row.path)) if lacks_settings(run) else None
        return run if above is None else with_settings_above(run, above)

    def _shared(self, path: str) -> Folder | None:
        """Return a folder that belongs to no run; the last one is remembered."""
        if self._last_shared[0] != path:
            is_shared = self._state.owner_of(path)[0] is None
            self._last_shared = path, self._state.folder(path) if is_shared else None
        return self._last_shared[1]
