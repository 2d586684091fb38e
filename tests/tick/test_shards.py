"""Several ticks that share a tree of runs, each for its own groups."""

import time
from pathlib import Path

import pytest

from mlreport_batch.config.locate import shard_of
from mlreport_batch.start import first_look
from ticking import Desk, Said

GROUPS = ("gan", "vit", "sweep", "ablation", "seeds")
SHARDS = ("1/3", "2/3", "3/3")


def _lay_down(desk: Desk) -> None:
    for group in GROUPS:
        for number in (1, 2):
            rows = "".join(f"{step},{number / (step + 1)}\n" for step in range(4))
            desk.put(f"{group}/{number}/metrics.csv", f"step,val_loss\n{rows}")
            desk.put(f"{group}/{number}/hparams.yaml", f"lr: 0.{number}\n")


def _told(said: Said) -> dict[str, tuple[object, ...]]:
    assert said.code == 0, said.err
    return {
        run["name"]: (run["headline"], run["position"]) for run in said.json["runs"]
    }


def test_shards_tell_together_what_one_tick_tells_and_split_no_group(desk: Desk):
    _lay_down(desk)
    shards = [_told(desk.report("--shard", each, "--json")) for each in SHARDS]

    names = [name for shard in shards for name in shard]
    assert len(names) == len(set(names)) == 2 * len(GROUPS)
    groups = [{name.partition("/")[0] for name in shard} for shard in shards]
    assert sum(map(len, groups)) == len(GROUPS)
    assert sum(map(bool, groups)) > 1

    whole = desk.run("run", desk.runs, "--out", desk.folder / "whole", "--json")
    assert _told(whole) == shards[0] | shards[1] | shards[2]


def test_where_the_tree_is_mounted_does_not_move_a_group(desk: Desk):
    _lay_down(desk)
    other = desk.folder / "elsewhere" / "runs"
    other.parent.mkdir()
    here = _told(desk.report("--shard", "1/3", "--json"))
    desk.runs.rename(other)
    there = desk.run("run", other, "--out", desk.folder / "o", "--shard=1/3", "--json")
    assert list(_told(there)) == list(here)


def test_each_shard_has_state_and_pages_of_its_own_and_ends_in_a_look(desk: Desk):
    _lay_down(desk)
    time.sleep(0.2)  # what was written just now is looked at again for a while
    pages = desk.folder / "pages"
    config = desk.config(f"pages: {{dir: {pages}}}\n")
    for shard in SHARDS:
        assert desk.run("run", "-c", config, "--shard", shard, "-q").code == 0
    assert {path.name for path in desk.out.iterdir() if path.is_dir()} == {
        "shard-1-of-3",
        "shard-2-of-3",
        "shard-3-of-3",
    }
    assert len(list(pages.glob("shard-*/index.html"))) == 3
    known = [
        run["name"]
        for shard in SHARDS
        for run in desk.run("ls", "-c", config, "--shard", shard, "--json").json["runs"]
    ]
    assert len(known) == 2 * len(GROUPS)
    assert desk.run("status", "-c", config, "--shard", "2/3", "--json").code == 0
    for shard in SHARDS:
        assert desk.run("run", "-c", config, "--shard", shard, "-q").code == 0
        assert first_look([], None, str(config), shard) == []


def test_shards_leave_the_default_state_folder_to_their_config(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(desk.folder / "home"))
    _lay_down(desk)
    config = desk.config()
    text = config.read_text().replace(f"state: {desk.out}\n", "")
    config.write_text(text)
    assert desk.run("baseline", "-c", config, "--shard", "1/2").code == 0
    other = desk.folder / "other.yaml"
    other.write_text(text)
    assert desk.run("baseline", "-c", other, "--shard", "1/2").code == 0
    states = sorted(path.parent.parent for path in _states(desk.folder / "home"))
    assert len(set(states)) == 2


def _states(home: Path) -> list[Path]:
    return list((home / ".local" / "state").rglob("state.db"))


@pytest.mark.parametrize(
    "text", ["", "0/3", "4/3", "1", "/", "1/", "-1/2", "1/2/3", "1.0/2"]
)
def test_what_is_no_shard_is_refused(desk: Desk, text: str):
    assert shard_of(text) is None
    said = desk.report(f"--shard={text}")
    assert said.code == 2
    assert "1/4" in said.err
    assert not desk.out.exists()
