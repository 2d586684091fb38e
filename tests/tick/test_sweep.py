"""Thirty runs of a real sweep, tick by tick: what its digests say, and who leads."""

import json
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd  # noqa: TID253 - an oracle
import pytest
import yaml

from browser import CHROMIUM, Browser
from places import RUNS
from ticking import MAIL, Desk

SWEEP = RUNS / "optuna_sweep" / "tree" / "spirals"
MOMENTS_S = (0.45, 0.95, 60.0)
"""Of the recording: some runs have begun, all go on, all are over."""
PHONE = (375, 667)


@cache
def logs() -> dict[str, pd.DataFrame]:
    return {
        path.parent.name: pd.read_csv(path, dtype=str)
        for path in sorted(SWEEP.glob("trial_*/metrics.csv"))
    }


def lay(desk: Desk, until_s: float, now: float) -> None:
    """Write what the thirty runs had written at a moment of the recording."""
    for name, rows in logs().items():
        here = rows[rows["seconds"].astype(float) <= until_s]
        folder = desk.runs / "spirals" / name
        folder.mkdir(parents=True, exist_ok=True)
        written = {
            "hparams.json": (SWEEP / name / "hparams.json").read_text(),
            "metrics.csv": here.to_csv(index=False, na_rep="nan", lineterminator="\n"),
        }
        last_words = SWEEP / name / "train.log"
        if len(here) == len(rows) and last_words.exists():
            written["train.log"] = last_words.read_text()
        for each, text in written.items():
            path = folder / each
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
                os.utime(path, (now - 30, now - 30))


def ticks(desk: Desk, extra: str = "") -> list[str]:
    """Do three ticks over the sweep; return the HTML of their digests."""
    config = desk.config(f"mail: {{{MAIL}, digest: true}}\n{extra}")
    began, found = time.time(), []
    for number, moment in enumerate(MOMENTS_S):
        now = began + 60 * number
        lay(desk, moment, now)
        assert desk.tick(config, now).sent == 1
        [mail] = desk.mails()
        body = mail.get_body(("html",))
        assert body is not None
        found.append(body.get_content())
    return found


def settings(name: str) -> dict:
    return json.loads((SWEEP / name / "hparams.json").read_text())


def best() -> pd.Series:
    """Return the least loss of each run, the best first, by pandas."""
    losses = {
        name: rows["val_loss"].astype(float).min() for name, rows in logs().items()
    }
    return pd.Series(losses).dropna().sort_values()


def test_a_sweep_of_thirty_runs_gives_one_digest_a_tick(desk: Desk):
    digests = ticks(desk)
    assert "30 runs have news; " in digests[0]
    for digest, who in zip(digests, ("trial_06", "trial_13", "trial_13"), strict=True):
        wrong = digest.index("Needs attention")
        assert wrong < digest.index(who, wrong) < digest.index("Who leads", wrong)
    assert all(len(digest.encode()) < 40_000 for digest in digests)
    assert "27 finished, 3 failed; took" in digests[2]
    assert digests[2].index("of the best 3") < digests[2].index("(logarithmic)")
    assert (
        "All 30 runs of spirals are over; best: trial_02 with val_loss 0.02"
        in (digests[2])
    )


def test_places_and_what_goes_with_them_are_those_of_pandas(desk: Desk):
    config = desk.config()
    now = time.time()
    lay(desk, MOMENTS_S[-1], now)
    said = desk.tick(config, now, with_values=True)
    wanted = best()
    places = {run.name.removeprefix("spirals/"): run.position for run in said.runs}
    ranks = wanted.rank(method="min")
    assert {name: places[name].rank for name in wanted.index} == ranks.to_dict()
    assert {place.leader for place in places.values() if place} == {
        f"spirals/{wanted.index[0]}"
    }
    # A run that broke is not held against the others.
    broke = {path.parent.name for path in SWEEP.glob("*/train.log")}
    frame = pd.DataFrame({name: settings(name) for name in wanted.index}).T
    done = frame.assign(best=wanted)[~frame.index.isin(broke)]
    rho = done["lr"].astype(float).rank().corr(-done["best"].rank())
    [board] = said.boards
    assert (
        f"Higher lr goes with better val_loss (Spearman {rho:+.2f}, n {len(done)})"
        in (board.notes)
    )
    same = done[(done["lr"] == 0.02) & (done["momentum"] == 0.9)]
    assert len(same) == 3
    mean, spread = same["best"].mean(), same["best"].std()
    [seeds] = [note for note in board.notes if note.startswith("3 seeds")]
    assert seeds.endswith(f"{mean:.6f} ± {spread:.2g}")
    assert board.columns == ("lr", "width", "activation", "momentum")


def test_settings_drawn_at_random_are_shown_as_briefly_as_they_differ(desk: Desk):
    lay(desk, MOMENTS_S[-1], time.time())
    for name, lr in (("twin", 0.153307001), ("brother", 0.153307999)):
        desk.copy(SWEEP / "trial_02", f"spirals/{name}")
        hparams = settings("trial_02") | {"lr": lr}
        desk.put(f"spirals/{name}/hparams.json", json.dumps(hparams))
    desk.runs.joinpath("spirals/trial_02/metrics.csv").unlink()
    [board] = desk.tick(None, time.time()).boards
    assert {row.cells[0] for row in board.rows[:2]} == {"0.15331"}
    assert "lr 0.153307999 instead of 0.153307001" in board.notes[0]


def test_the_sweeps_own_table_says_the_same_of_each_trial():
    trials = pd.read_csv(SWEEP / "trials.csv", index_col="number")["value"].dropna()
    trials.index = pd.Index([f"trial_{number:02}" for number in trials.index])
    assert best()[trials.index].to_dict() == trials.to_dict()


def hydra_settings(folder: Path) -> dict[str, object]:
    overrides = yaml.safe_load((folder / ".hydra/overrides.yaml").read_text())
    return dict(line.split("=") for line in overrides)


def ray_settings(folder: Path) -> dict[str, object]:
    return json.loads((folder / "params.json").read_text())


@pytest.mark.parametrize(
    ("fixture", "table", "stated"),
    [
        ("hydra_multirun", "metrics.csv", hydra_settings),
        ("ray_tune", "progress.csv", ray_settings),
    ],
)
def test_leaderboards_of_other_sweeps_are_those_of_pandas(
    desk: Desk, fixture: str, table: str, stated: Callable[[Path], dict[str, object]]
):
    desk.copy(RUNS / fixture / "tree")
    boards = desk.tick(None, time.time()).boards
    for board in boards:
        [group] = desk.runs.rglob(board.group)
        folders = {path.parent.name: path.parent for path in group.glob(f"*/{table}")}
        assert {row.run for row in board.rows} == set(folders)
        best = pd.Series(
            {n: pd.read_csv(p / table)[board.metric].min() for n, p in folders.items()}
        )
        ranks = best.rank(method="min")
        assert {row.run: float(row.rank) for row in board.rows} == ranks.to_dict()
        assert [float(row.value) for row in board.rows] == pytest.approx(
            best.sort_values().to_list(), rel=1e-4
        )
        said = pd.DataFrame({name: stated(p) for name, p in folders.items()}).T
        differs = said.astype(str).describe().loc["unique"] > 1
        assert set(board.columns) == set(said.columns[differs]) - {"seed"}
    assert boards


@pytest.mark.browser
@pytest.mark.timeout(180)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_first_screen_of_a_phone_tells_what_a_sweep_needs_and_who_leads(
    desk: Desk, language: str
):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    digests = ticks(desk, f"report: {{language: {language}}}\n")
    browser = Browser(desk.folder / "chromium")
    try:
        for digest in digests:
            page = Path(desk.folder / "digest.html")
            page.write_text(digest, encoding="utf-8")
            browser.show(page, width=PHONE[0], dark=False)
            seen = browser.run(
                "JSON.stringify({first: Math.max(...['.alert', '.boardlead', "
                "'.boardnote'].map(s => document.querySelector(s)).filter(e => e)"
                ".map(e => e.getBoundingClientRect().bottom)), "
                "all: document.documentElement.scrollHeight})"
            )
            assert seen["first"] <= PHONE[1]
            assert seen["all"] < 3500
    finally:
        browser.close()
