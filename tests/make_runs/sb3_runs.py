"""Stable-Baselines3 runs: progress.csv + progress.json, monitor.csv only, NaN.

Needs: stable-baselines3==2.9.2, gymnasium, torch==2.13.0 (CPU). Run: ``python
tests/make_runs/sb3_runs.py``; about 30 s. PPO and DQN on CartPole, seed 7. Truth: what
the logger was given at each dump (a KVWriter of ours beside SB3's own), compared with
a csv reading.

Cases: sb3_ppo (csv, json, log.txt, evaluation rows, five snapshots), sb3_monitor_only
(two environments, no logger), sb3_nan (NaN, inf, text and a Korean name recorded by
hand), sb3_json_only (progress.json alone).

`bookkeeping` in truth holds time/total_timesteps, time/iterations and
time/time_elapsed: step, iteration and clock in our words, metrics in SB3's.
"""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path

import gymnasium as gym
from common import Case, Points, checkpoints_in, csv_points, run, same
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    EvalCallback,
)
from stable_baselines3.common.logger import KVWriter, configure
from stable_baselines3.common.monitor import Monitor

warnings.filterwarnings("ignore")
PACKAGES = ("stable-baselines3", "gymnasium", "torch")
STEP = "time/total_timesteps"
BOOKKEEPING = (STEP, "time/iterations", "time/time_elapsed")


class Memory(KVWriter):
    """An SB3 output format that keeps every dump."""

    def __init__(self):
        self.rows: list[tuple[int, dict]] = []

    def write(self, key_values, key_excluded, step=0):
        kept = {}
        for key, value in key_values.items():
            if isinstance(value, (int, float)) or hasattr(value, "item"):
                kept[key] = float(value)
        self.rows.append((step, kept))

    def close(self):
        pass


def truths(rows) -> tuple[dict, dict]:
    """Return (metrics, bookkeeping) of dumps as (step, values)."""
    metrics, books = Points(), Points()
    for step, values in rows:
        metrics.add(step, values, BOOKKEEPING)
        books.add(step, {k: values[k] for k in BOOKKEEPING if k in values})
    return metrics.summary(), books.summary()


def read(path: Path) -> tuple[dict, dict]:
    """Return (metrics, bookkeeping) of a progress.csv read plainly."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = []
        for number, row in enumerate(csv.DictReader(file)):
            values = {}
            for key, text in row.items():
                try:
                    values[key] = float(text)
                except (TypeError, ValueError):
                    continue
            rows.append((values.get(STEP, number), values))
    return truths(rows)


class Snap(BaseCallback):
    """Copies of the folder at some rollout starts."""

    def __init__(self, case, folder, at):
        super().__init__()
        self.case, self.folder, self.at, self.count = case, folder, at, 0

    def _on_rollout_start(self):
        self.count += 1
        if self.count in self.at:
            metrics, books = read(self.folder / "progress.csv")
            found = checkpoints_in(self.folder, "*.zip")
            rel = str(self.folder.relative_to(self.case.scratch))
            when = f"start of rollout {self.count}"
            entry = run(rel, metrics, {}, found, bookkeeping=books)
            self.case.snapshot(when, [entry])

    def _on_step(self):
        return True


HPARAMS = {"n_steps": 64, "batch_size": 32, "learning_rate": 0.001, "gamma": 0.99}


def agent(env):
    """Return a small seeded PPO."""
    net = {"net_arch": [8]}
    return PPO(
        "MlpPolicy", env, n_epochs=2, seed=7, device="cpu", policy_kwargs=net, **HPARAMS
    )


def ppo() -> None:
    case = Case("sb3_ppo", "stable-baselines3", PACKAGES)
    folder = case.tree / "PPO_1"
    memory = Memory()
    logger = configure(str(folder), ["csv", "json", "log"])
    logger.output_formats.append(memory)
    model = agent(Monitor(gym.make("CartPole-v1"), str(folder / "monitor.csv")))
    model.set_logger(logger)
    (folder / "hparams.json").write_text(json.dumps(HPARAMS))
    best = str(folder / "best")
    callbacks = CallbackList(
        [
            CheckpointCallback(200, str(folder / "ckpt"), "ppo"),
            EvalCallback(
                Monitor(gym.make("CartPole-v1")),
                eval_freq=150,
                n_eval_episodes=2,
                best_model_save_path=best,
                log_path=best,
                verbose=0,
            ),
            Snap(case, folder, (1, 2, 4, 7)),
        ]
    )
    model.learn(640, callback=callbacks)
    model.save(folder / "final_model")
    logger.close()
    metrics, books = truths(memory.rows)
    same(metrics, read(folder / "progress.csv")[0], 1e-6)
    same(books, read(folder / "progress.csv")[1], 1e-6)
    metrics, books = read(folder / "progress.csv")
    found = checkpoints_in(folder, "*.zip")
    monitor = csv_points(folder / "monitor.csv", None, skip_lines=1).summary()
    notes = [
        "progress.json has the same rows as progress.csv: count once; float32 values"
        " are shorter in csv (3.98e-06) than in json: compare to 1e-6",
        "rows between rollouts (EvalCallback) have no rollout/*",
        "monitor: r,l,t per episode, no step column; whether it counts is open",
    ]
    entry = run("tree/PPO_1", metrics, HPARAMS, found, None, notes)
    entry |= {"bookkeeping": books, "monitor": monitor}
    case.snapshot("after the end", [entry])
    case.save([entry])


def monitor_only() -> None:
    case = Case("sb3_monitor_only", "stable-baselines3", PACKAGES)
    folder = case.tree / "a2c_monitor"
    folder.mkdir()
    memory = Points()
    for number in range(2):
        env = Monitor(gym.make("CartPole-v1"), str(folder / str(number)))
        env.reset(seed=number)
        env.action_space.seed(number)
        for _ in range(12):
            done = False
            while not done:
                _, _, end, cut, _ = env.step(env.action_space.sample())
                done = end or cut
            env.reset()
        for row, (r, l) in enumerate(
            zip(env.get_episode_rewards(), env.get_episode_lengths(), strict=True)
        ):
            memory.add(row, {f"{number}.r": r, f"{number}.l": l})
        env.close()
    files = {
        f"{n}.monitor.csv": csv_points(
            folder / f"{n}.monitor.csv", None, ("t",), skip_lines=1
        ).summary()
        for n in range(2)
    }
    for n in range(2):
        for name in ("r", "l"):
            same(
                {name: memory.summary()[f"{n}.{name}"]},
                {name: files[f"{n}.monitor.csv"][name]},
                1e-6,
            )
    notes = [
        "two files with the same columns r, l, t (t is seconds since t_start: clock);"
        " no step column: last_step in `files` is the row number from 0",
        "how the two files' metrics are named and stepped is the program's choice:"
        " per_file has the truth of each",
    ]
    case.save([run("tree/a2c_monitor", {}, {}, [], None, notes, per_file=files)])


def odd(name: str, formats: list[str]) -> None:
    case = Case(name, "stable-baselines3", PACKAGES)
    folder = case.tree / "logger_only"
    logger = configure(str(folder), formats)
    memory = Memory()
    logger.output_formats.append(memory)
    losses = [0.5, float("nan"), float("inf"), 0.25, -float("inf"), float("nan")]
    for number, loss in enumerate(losses):
        logger.record("train/loss", loss)
        logger.record("평가/보상", number * 1.5)
        if number >= 3:
            logger.record("train/late", 1.0 / number)
        if number % 2:
            logger.record("note", f'text, with "quotes" {number}')
        logger.record(STEP, number * 100)
        logger.dump(number * 100)
    logger.close()
    metrics, books = truths(memory.rows)
    if "csv" in formats:
        same(metrics, read(folder / "progress.csv")[0], 1e-6)
    notes = ["'note' is text: no metric", "train/late appears in the fourth row"]
    entry = run("tree/logger_only", metrics, {}, [], None, notes)
    case.save([entry | {"bookkeeping": books}])


if __name__ == "__main__":
    ppo()
    monitor_only()
    odd("sb3_nan", ["csv", "json"])
    odd("sb3_json_only", ["json"])
