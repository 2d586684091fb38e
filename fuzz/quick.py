"""Fuzz readers with a plain mutator: quick, and without anything to install.

    python fuzz/quick.py [-n INPUTS] [-s SECONDS] [--seed N] [TARGET ...]

Prints, per target, inputs, inputs a second and the slowest one. The first input that
breaks a target is kept in fuzz/corpus/TARGET/ and ends the run of that target.
"""

import argparse
import hashlib
import random
import sys
import time
import traceback
from multiprocessing import Pool
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "helpers"))

import fuzz_targets  # noqa: E402


def keep(target: str, data: bytes) -> Path:
    """Keep an input where the tests find it."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(data).hexdigest()[:12]
    path.write_bytes(data)
    return path


def fuzz(job: tuple[str, int, float, int]) -> tuple[str, int, float, float, str]:
    """Fuzz one target; return its name, inputs, seconds, slowest and what broke."""
    name, inputs, seconds, seed = job
    target, pool = fuzz_targets.TARGETS[name], fuzz_targets.seeds_of(name)
    rng = random.Random(f"{name} {seed}")
    start = time.monotonic()
    slowest = 0.0
    for done in range(inputs):
        data = fuzz_targets.mutated(rng, pool)
        before = time.process_time()
        try:
            target(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is what we look for
            path = keep(name, data)
            return (
                name,
                done,
                time.monotonic() - start,
                slowest,
                (f"{path}\n{traceback.format_exc()}"),
            )
        slowest = max(slowest, time.process_time() - before)
        if done % 64 == 0 and time.monotonic() - start > seconds:
            return name, done, time.monotonic() - start, slowest, ""
    return name, inputs, time.monotonic() - start, slowest, ""


def main() -> int:
    """Fuzz the targets that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*fuzz_targets.TARGETS, []])
    parser.add_argument("-n", type=int, default=100_000, metavar="INPUTS")
    parser.add_argument("-s", type=float, default=1e9, metavar="SECONDS")
    parser.add_argument("-j", type=int, default=2, metavar="PROCESSES")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    names = args.targets or list(fuzz_targets.TARGETS)
    total = broken = 0
    jobs = [(name, args.n, args.s, args.seed) for name in names]
    with Pool(args.j) as pool:
        for name, done, seconds, slowest, fault in pool.imap_unordered(fuzz, jobs):
            total += done
            rate = done / max(seconds, 1e-9)
            print(f"{name:28} {done:9,} inputs {rate:8,.0f}/s  max {slowest:.3f} s")
            if fault:
                broken += 1
                print(f"BROKEN by {fault}")
            sys.stdout.flush()
    print(f"{len(names)} targets, {total:,} inputs, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
