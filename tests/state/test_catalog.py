"""What is known of folders is what a look at all of them would find."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hostile import scalar_event
from lengths import examples
from mlreport_batch.commands import inspect as look
from mlreport_batch.find import listing
from mlreport_batch.find.candidates import LINKS_MAX
from mlreport_batch.find.folder import Folder
from mlreport_batch.find.listing import list_folder, walk
from mlreport_batch.find.runs import RunDir, group_runs
from mlreport_batch.safety.clean import natural_key
from mlreport_batch.state import catalog
from mlreport_batch.state.catalog import Catalog
from mlreport_batch.state.idle import ADOPT, SLICES, glance
from mlreport_batch.state.store import RunRow, State

CSV = "step,loss\n1,0.5\n"
CONTENTS = {
    "metrics.csv": CSV,
    "hparams.yaml": "lr: 0.1\n",
    "trainer_state.json": '{"log_history": [{"loss": 1, "step": 1}], "epoch": 1}',
    "config.yaml": "a: 1\n",
    "best.ckpt": "x",
    "notes.md": "x",
}
FOLDERS = ("a", "logs", "version_0", "checkpoint-10", "train", ".hydra", "plots")


class Shelf:
    """A root, its state, and surveys of it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.folder = folder / "state"
        self.folder.mkdir()
        self.now = time.time()
        self.state = State(str(self.folder))
        self.accept = lambda _root, _name: True

    @property
    def catalog(self) -> Catalog:
        return Catalog(
            self.state,
            self.accept,
            frozenset([str(self.root / "ours")]),
        )

    def put(self, path: str, text: str = CSV) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def survey(self, *, full: bool = False) -> list[str]:
        """Return the dirty runs; a *full* survey lists every folder again."""
        self.now += 1
        if full:
            root = str(self.root)
            below = [root, *self.state.folders_below(root)]
            everything = [path for path in below if self.state.folder(path)]
            self.state.changed_folders = lambda _: everything  # type: ignore[method-assign]
        survey = self.catalog.survey([str(self.root)], self.now)
        vars(self.state).pop("changed_folders", None)
        assert not survey.problems
        return [os.path.relpath(path, self.root) for path in survey.dirty]

    def known(self) -> dict[str, RunDir]:
        runs = [self.catalog.run_dir(row) for row in self.state.runs()]
        return {run.name: run for run in runs}

    def there(self) -> dict[str, RunDir]:
        folders = walk(
            str(self.root),
            root=str(self.root),
            never_enter=frozenset([str(self.root / "ours")]),
        )
        return {run.name: run for run in group_runs(folders, str(self.root))}

    def settle(self) -> None:
        """Note every dirty run as read, as a tick does."""
        with self.state.transaction():
            for path in self.state.due_runs(self.now):
                row = self.state.run(path)
                assert row is not None
                self.state.put_run(RunRow(row.path, row.root, row.name))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    yield shelf
    shelf.state.close()


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("metrics.csv", "fold,epoch,loss\n0,1,2\n", "1,1,3\n"),
        (
            "log.jsonl",
            '{"fold": 0, "epoch": 1, "loss": 2}\n',
            '{"fold": 1, "epoch": 1, "loss": 3}\n',
        ),
    ],
)
def test_a_log_that_turns_out_to_be_of_several_trainings_changes_its_format(
    shelf: Shelf, name: str, first: str, second: str
):
    shelf.put(f"run/{name}", first)
    shelf.survey()
    shelf.put(f"run/{name}", first + second)
    shelf.survey()
    assert parts(shelf.known()["run"]) == parts(shelf.there()["run"])
    (file,) = shelf.known()["run"].files
    assert file.format.startswith("training_")


def parts(run: RunDir) -> object:
    return (
        [(file.path, file.format, file.signature.size) for file in run.files],
        [(each.path, each.size) for each in run.checkpoints],
        run.problems,
    )


paths = st.tuples(
    st.lists(st.sampled_from(FOLDERS), max_size=3).map(tuple),
    st.sampled_from(sorted(CONTENTS)),
).map(lambda pair: "/".join((*pair[0], pair[1])))
changes = st.one_of(
    st.tuples(st.just("put"), paths, paths),
    st.tuples(st.just("append"), paths, paths),
    st.tuples(st.just("remove"), paths, paths),
    st.tuples(st.just("remove folder"), paths, paths),
    st.tuples(st.just("move folder"), paths, paths),
    st.tuples(st.just("survey"), paths, paths),
    st.tuples(st.just("full survey"), paths, paths),
)


def apply(root: Path, name: str, path: str, other: str) -> None:
    file, folder = root / path, (root / path).parent
    if name == "put":
        if not any(parent.is_file() for parent in file.parents):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(CONTENTS[file.name])
    elif name == "append" and file.exists():
        with file.open("a") as stream:
            stream.write("2,0.25\n" if file.suffix == ".csv" else "\n")
    elif name == "remove":
        file.unlink(missing_ok=True)
    elif name == "remove folder" and folder != root:
        shutil.rmtree(folder, ignore_errors=True)
    elif name == "move folder" and folder != root and folder.exists():
        target = (root / other).parent
        if not target.exists() and folder not in target.parents:
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(target)


@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(changes, min_size=1, max_size=14))
def test_surveys_know_what_a_walk_would_find(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, str, str]]
):
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    before: dict[str, object] = {}
    for name, path, other in [*operations, ("survey", "", "")]:
        if "survey" not in name:
            apply(shelf.root, name, path, other)
            continue
        shelf.survey(full=name.startswith("full"))
        known = {key: parts(run) for key, run in shelf.known().items()}
        assert known == {key: parts(run) for key, run in shelf.there().items()}
        due = {shelf.state.run(found) for found in shelf.state.due_runs(shelf.now)}
        due_names = {row.name for row in due if row is not None}
        assert {key for key in known if known[key] != before.get(key)} <= due_names
        before = known
        shelf.settle()
    shelf.state.close()


STATE = CONTENTS["trainer_state.json"]
STRAYS = {
    "checkpoint-500/trainer_state.json": STATE,
    "trainer_state.json": STATE,
    ".hydra/config.yaml": "lr: 1\n",
    "plots/metrics/x.tsv": "step\tx\n1\t0.5\n",
    "run.json": '{"experiment": {}, "command": "x", "status": "RUNNING"}',
}


@pytest.mark.parametrize("above", ["", "project/"])
@pytest.mark.parametrize("stray", STRAYS)
def test_what_strays_into_a_folder_of_runs_does_not_take_them(
    shelf: Shelf, stray: str, above: str
):
    runs = ("plain", "lightning/version_0", "hydra", "hf", "board", "dvc")
    shelf.put(f"{above}plain/logs/metrics.csv")
    shelf.put(f"{above}plain/hparams.yaml", "lr: 1\n")
    # At the root of a search, versions are runs side by side.
    shelf.put("lightning/version_0/metrics.csv")
    shelf.put(f"{above}hydra/.hydra/config.yaml", "lr: 1\n")
    shelf.put(f"{above}hydra/lightning_logs/version_0/metrics.csv")
    shelf.put(f"{above}hf/checkpoint-8/trainer_state.json", STATE)
    shelf.put(f"{above}board/args.json", '{"lr": 1}')
    events = shelf.root / f"{above}board/tb/events.out.tfevents.1700000000.h.1.0"
    events.parent.mkdir()
    events.write_bytes(scalar_event(1, b"loss", 0.5))
    shelf.put(f"{above}dvc/plots/metrics/x.tsv", STRAYS["plots/metrics/x.tsv"])
    names = {n if n.startswith("lightning") else f"{above}{n}" for n in runs}
    shelf.survey()
    assert set(shelf.known()) == names
    shelf.settle()

    shelf.put(f"{above}{stray}", STRAYS[stray])
    shelf.survey()

    stray_run = above.strip("/") or "root"
    assert set(shelf.known()) == {*names, stray_run}
    assert {name: parts(run) for name, run in shelf.known().items()} == {
        name: parts(run) for name, run in shelf.there().items()
    }
    assert [f.path for f in shelf.known()[stray_run].files] == [stray]


@pytest.mark.parametrize("stray", STRAYS)
def test_parts_of_a_run_that_owns_what_is_below_it_stay_parts(shelf: Shelf, stray: str):
    shelf.put(f"run/{stray}", STRAYS[stray])
    shelf.put("run/csv/version_0/metrics.csv")
    shelf.put("run/fold_1/metrics.csv")
    shelf.put("run/eval/metrics.csv")
    shelf.put("run/best_model/trainer_state.json", STATE)
    shelf.put("run/wandb/run-20240101_000000-abc/files/config.yaml", "lr: 1\n")
    events = shelf.root / "run/runs/Nov26_host/events.out.tfevents.1700000000.h.1.0"
    events.parent.mkdir(parents=True)
    events.write_bytes(scalar_event(1, b"loss", 0.5))
    shelf.survey()
    assert list(shelf.known()) == list(shelf.there()) == ["run"]


def test_a_run_that_gets_its_first_log_leaves_the_one_that_took_it(shelf: Shelf):
    shelf.put("a/hparams.yaml", "lr: 1\n")
    shelf.put("trainer_state.json", STATE)
    shelf.survey()
    assert list(shelf.known()) == ["root"]
    shelf.settle()
    shelf.put("a/train/metrics.csv")
    shelf.survey()
    assert set(shelf.known()) == set(shelf.there()) == {"a", "root"}


def test_only_what_changed_is_dirty(shelf: Shelf):
    for name in "abc":
        shelf.put(f"{name}/metrics.csv")
    assert shelf.survey() == ["a", "b", "c"]
    shelf.settle()
    time.sleep(0.1)
    shelf.survey()
    with (shelf.root / "b/metrics.csv").open("a") as file:
        file.write("2,0.25\n")
    assert "b" in shelf.survey()
    assert shelf.state.due_runs(shelf.now) == [str(shelf.root / "b")]


def test_captured_output_above_wakes_the_run_that_it_is_named_after(shelf: Shelf):
    for name in ("run7", "run70"):
        shelf.put(f"{name}/metrics.csv")
    shelf.survey()
    shelf.settle()
    shelf.put("run7.err", "Killed\n")
    shelf.put("notes.err", "Killed\n")
    shelf.survey()
    assert shelf.state.due_runs(shelf.now) == [str(shelf.root / "run7")]
    for runs in (shelf.known(), shelf.there()):
        assert [file.path for file in runs["run7"].files if file.is_output] == [
            "../run7.err"
        ]
        assert not any(file.is_output for file in runs["run70"].files)


def test_our_own_folder_is_not_entered_however_it_came(shelf: Shelf):
    shelf.put("a/metrics.csv")
    shelf.survey()
    shelf.put("ours/metrics.csv")
    shelf.survey()
    assert list(shelf.known()) == ["a"]


def test_a_root_that_is_left_out_takes_its_runs_along(shelf: Shelf, tmp_path: Path):
    shelf.put("a/metrics.csv")
    shelf.survey()
    other = tmp_path / "other"
    other.mkdir()
    shelf.catalog.survey([str(other)], shelf.now)
    assert list(shelf.state.runs()) == []
    assert shelf.survey() == ["a"]


def test_a_root_that_cannot_be_read_keeps_its_runs(shelf: Shelf):
    shelf.put("a/metrics.csv")
    shelf.survey()
    shelf.root.rename(shelf.root.with_name("away"))
    survey = shelf.catalog.survey([str(shelf.root)], shelf.now)
    assert len(survey.problems) == 1
    assert "root cannot be read" in str(survey.problems[0])
    assert [row.name for row in shelf.state.runs()] == ["a"]


def test_a_folder_that_is_no_folder_any_more_is_forgotten(shelf: Shelf):
    shelf.put("a/metrics.csv")
    shelf.survey()
    shelf.settle()
    shutil.rmtree(shelf.root / "a")
    (shelf.root / "a").write_text("x")
    shelf.survey()
    assert shelf.known() == {}


def test_a_run_that_vanishes_before_it_is_read_is_looked_at_once_more(shelf: Shelf):
    shelf.put("a/metrics.csv")
    shelf.survey()
    shutil.rmtree(shelf.root / "a")
    for _ in range(2):
        assert shelf.survey() == []
        assert shelf.state.due_runs(shelf.now) == [str(shelf.root / "a")]
    shelf.settle()
    assert shelf.survey() == []
    assert shelf.state.due_runs(shelf.now) == []


def test_runs_are_chosen_anew_when_the_config_changes(shelf: Shelf):
    shelf.put("a/metrics.csv")
    shelf.put("b/metrics.csv")
    shelf.accept = lambda _root, name: name == "a"
    shelf.survey()
    assert list(shelf.known()) == ["a"]
    shelf.settle()
    shelf.accept = lambda _root, name: name == "b"
    shelf.catalog.choose_anew(1e9)
    assert shelf.state.due_runs(shelf.now) == [str(shelf.root / "b")]
    shelf.settle()
    with (shelf.root / "a/metrics.csv").open("a") as file:
        file.write("2,0.25\n")
    assert "a" not in shelf.survey()
    shelf.settle()
    shelf.catalog.choose_anew(1e9)
    # What is known of it may be news by other rules.
    assert shelf.state.due_runs(shelf.now) == [str(shelf.root / "b")]
    shelf.settle()
    shelf.accept = lambda _root, _name: True
    shelf.catalog.choose_anew(1e9)
    assert set(shelf.state.due_runs(shelf.now)) == {
        str(shelf.root / "a"),
        str(shelf.root / "b"),
    }


def test_a_glance_sees_every_kind_of_change(shelf: Shelf):
    csv = shelf.put("a/metrics.csv")
    best = shelf.put("a/best.ckpt", "x" * 10)
    shelf.put("b/metrics.csv")

    def wait_and_settle() -> None:
        time.sleep(0.1)
        shelf.survey(full=True)
        shelf.settle()
        with shelf.state.transaction():
            shelf.state.set_meta("config_key", "key")
            shelf.state.set_meta(ADOPT, "0")  # as a tick leaves it
        shelf.now += 100  # what was unsure is kept once it is a minute old
        shelf.survey(full=True)
        shelf.settle()
        assert glance(str(shelf.folder), "key", shelf.now) == []

    wait_and_settle()
    assert glance(str(shelf.folder), "other key", shelf.now) != []
    assert glance(str(shelf.root), "key", shelf.now) != []
    with csv.open("a") as file:
        file.write("2,0.25\n")
    assert glance(str(shelf.folder), "key", shelf.now) != []
    wait_and_settle()
    status = csv.stat()
    csv.write_text(csv.read_text().replace("0.25", "0.26"))
    os.utime(csv, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert csv.stat().st_size == status.st_size
    assert glance(str(shelf.folder), "key", shelf.now) != []
    wait_and_settle()
    with best.open("r+") as file:
        file.write("y")
    os.utime(best)
    assert glance(str(shelf.folder), "key", shelf.now) != []
    wait_and_settle()
    shelf.put("c/metrics.csv")
    assert glance(str(shelf.folder), "key", shelf.now) != []
    wait_and_settle()
    shutil.rmtree(shelf.root / "c")
    assert glance(str(shelf.folder), "key", shelf.now) != []
    wait_and_settle()
    with shelf.state.transaction():
        row = next(shelf.state.runs())
        shelf.state.put_run(
            RunRow(row.path, row.root, row.name, wake_at=shelf.now + 50)
        )
    assert glance(str(shelf.folder), "key", shelf.now) == []
    assert glance(str(shelf.folder), "key", shelf.now + 51) != []


def test_a_glance_lists_each_folder_now_and_then(shelf: Shelf):
    """A network file system may keep a folder's old time."""
    folder = shelf.put("a/metrics.csv").parent
    shelf.survey()
    time.sleep(0.1)
    shelf.now += 100
    shelf.survey(full=True)
    shelf.settle()
    status = folder.stat()
    shelf.put("a/new.csv")
    os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))
    found = [
        list(shelf.state.changed_folders(shelf.now + 60 * turn))
        for turn in range(SLICES)
    ]
    assert sum(str(folder) in changed for changed in found) == 1


def test_a_folder_that_vanished_while_it_was_walked_is_found_when_it_is_back(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
):
    shelf.put("a/metrics.csv")
    shelf.put("b/metrics.csv")

    def vanishing(path: str, **options: object) -> Folder:
        if path.endswith("/b"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return list_folder(path, **options)

    for module in (listing, catalog):
        monkeypatch.setattr(module, "list_folder", vanishing)
    shelf.survey()
    monkeypatch.undo()
    shelf.put("c/metrics.csv")  # the folder above is listed again
    assert {"b", "c"} <= set(shelf.survey())


def test_a_new_folder_that_cannot_be_listed_is_looked_at_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
):
    shelf.put("a/metrics.csv")
    shelf.survey()
    shelf.put("b/metrics.csv")

    def failing(path: str, **options: object) -> Folder:
        if path.endswith("/b"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return list_folder(path, **options)

    for module in (listing, catalog):
        monkeypatch.setattr(module, "list_folder", failing)
    survey = shelf.catalog.survey([str(shelf.root)], shelf.now)
    assert [str(problem) for problem in survey.unlisted] == [
        f"{shelf.root}/b: cannot be listed: {os.strerror(errno.EIO)}"
    ]
    assert str(shelf.root / "b") not in survey.dirty
    again = shelf.catalog.survey([str(shelf.root)], shelf.now)
    assert again.unlisted == []  # it is said once
    monkeypatch.undo()
    assert "b" in shelf.survey()
    assert not shelf.known()["b"].problems


def test_what_was_just_written_is_looked_into_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
):
    """A later write may bear the same time, to the tick of the kernel's clock."""
    csv = shelf.put("a/metrics.csv")
    status = csv.stat()
    for path in (csv, csv.parent, shelf.root):
        os.utime(path, (1, 1))

    def surveyed_after(ms: int) -> list[str]:
        newest = max(p.stat().st_ctime_ns for p in (csv, csv.parent, shelf.root))
        monkeypatch.setattr(time, "time_ns", lambda: newest + ms * 1_000_000)
        found = shelf.survey()
        shelf.settle()
        return found

    assert surveyed_after(10) == ["a"]
    assert csv.stat().st_size == status.st_size
    assert surveyed_after(20) == ["a"]
    assert surveyed_after(60) == ["a"]
    shelf.now += 100  # by then it is worth a write to end this
    surveyed_after(100_000)
    assert surveyed_after(100_001) == []


def test_a_link_to_a_folder_is_neither_told_of_nor_entered(
    shelf: Shelf, tmp_path: Path
):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "metrics.csv").write_text(CSV)
    (shelf.root / "link").symlink_to(outside)
    where = {"root": str(shelf.root)}
    assert list_folder(str(shelf.root), **where).folders == ()
    # It may take a folder's place after that was listed.
    with pytest.raises(NotADirectoryError):
        list_folder(str(shelf.root / "link"), **where)


def test_links_that_may_stand_for_a_part_of_a_run_are_said_once(
    shelf: Shelf, tmp_path: Path
):
    shelf.put("a/metrics.csv")
    shelf.put("shared/notes.md", "x")
    run = shelf.root / "a"
    missed = (
        ".hydra", "args.json", "config.yaml", "events.out.tfevents.1.h.1.0",
        "intent.yaml", "wandb",
    )  # fmt: skip
    for name in missed:
        (run / name).symlink_to(tmp_path / "elsewhere")
    (run / "latest").symlink_to(tmp_path)
    (run / "logs").symlink_to("../shared")  # read where it lies
    (run / "config.json").symlink_to("../../blobs/0a1b")
    (run / "self").symlink_to(".")
    shelf.survey()
    said = [
        f"{name}: is a symlink; not opened" for name in sorted(missed, key=natural_key)
    ]
    assert list(map(str, shelf.known()["a"].problems)) == said
    shelf.settle()
    time.sleep(0.1)
    shelf.now += 100
    shelf.survey(full=True)
    shelf.settle()
    before = (shelf.folder / "state.db").read_bytes()
    assert shelf.survey() == shelf.survey() == []
    assert (shelf.folder / "state.db").read_bytes() == before


def test_many_links_are_counted(shelf: Shelf):
    shelf.put("a/metrics.csv")
    for number in range(30):
        (shelf.root / f"a/results{number}.csv").symlink_to("nowhere")
    shelf.survey()
    problems = list(map(str, shelf.known()["a"].problems))
    assert len(problems) == LINKS_MAX + 1
    assert problems[-1] == ".: 20 more symlinks; not opened"


@pytest.mark.parametrize("has_run", [False, True])
def test_inspect_names_links_that_may_be_runs(
    shelf: Shelf, tmp_path: Path, *, has_run: bool
):
    if has_run:
        shelf.put("a/metrics.csv")
    (tmp_path / "scratch/exp1").mkdir(parents=True)
    (shelf.root / "exp1").symlink_to(tmp_path / "scratch/exp1")
    (shelf.root / "exp2").symlink_to("../scratch/exp1")
    (shelf.root / "latest").symlink_to("a")
    (shelf.root / "gone").symlink_to(tmp_path / "nowhere")
    (shelf.root / "b").mkdir()
    (shelf.root / "b/metrics.csv").symlink_to(tmp_path / "nowhere")
    paths = [str(shelf.root)]
    rest: list[look.Rest] = []
    looked = look.look_at(paths, rest=rest)
    lines = look.as_text(looked, 0).split("\n") + look.left_alone(rest)
    assert [line.strip() for line in lines if "link  " in line] == [
        f"link        {name}: a symlink to a folder elsewhere; not followed"
        for name in ("exp1", "exp2")
    ]
    assert "  problem     b/metrics.csv: is a symlink; not opened" in lines
    assert len(looked) == has_run


def test_inodes_beyond_63_bits_are_kept(shelf: Shelf):
    """SQLite and struct know signed numbers; network file systems use all 64 bits."""
    shelf.put("a/metrics.csv")
    folder = list_folder(str(shelf.root / "a"), root=str(shelf.root))
    found = folder.files["metrics.csv"]
    large = replace(found, signature=replace(found.signature, inode=2**64 - 2))
    folder = replace(folder, inode=2**63 + 7, files={"metrics.csv": large})
    with shelf.state.transaction():
        shelf.state.put_folder(folder, root=str(shelf.root), run=None, claim=None)
    kept = shelf.state.folder(folder.path)
    assert kept is not None
    assert kept.inode % 2**64 == folder.inode
    assert kept.files["metrics.csv"].signature.inode % 2**64 == 2**64 - 2


@pytest.mark.parametrize("first", [1, 12, 16, 17, 30])
def test_a_folder_is_as_deep_as_it_is_below_its_root(shelf: Shelf, first: int):
    # However often it is listed again, and wherever that begins.
    folders = [str(number) for number in range(1, 31)]
    shelf.put("/".join(folders[:first]) + "/metrics.csv")
    shelf.survey()
    shelf.put("/".join(folders) + "/metrics.csv")
    for number in (1, 10, 15, 16, 17, 18):
        shelf.put("/".join(folders[:number]) + "/metrics.csv")
        for _ in range(2):
            shelf.survey()
    for _ in range(2):
        shelf.survey(full=True)
        names = [row.name for row in shelf.state.runs()]
        assert max(name.count("/") + 1 for name in names) == 16
        assert sorted(shelf.known()) == sorted(shelf.there())


def test_a_large_survey_locks_nobody_out(shelf: Shelf):
    """Of one run with many folders, as of many runs."""
    for number in range(4):
        shelf.put(f"run/{number}/metrics.csv")
    roots = [str(shelf.root)]
    shelf.catalog.survey(roots, shelf.now, shared=4)
    assert not shelf.state._db.in_transaction
    shelf.put("run/0/more.csv")
    shelf.catalog.survey(roots, shelf.now, shared=4)
    assert shelf.state._db.in_transaction
    shelf.state.commit()
