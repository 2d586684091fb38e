"""First read of many small runs against what listing and reading them costs."""

import shutil
import sys

from trees import Cost, compare, mlreport, run, scratch, settle, small_runs, tell

READ = """
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            file.read()
"""
CPU_MS = 3.0


def main(runs: int = 10_000, rounds: int = 3) -> None:
    with scratch() as folder:
        root, state = folder / "runs", folder / "state"
        small_runs(root, runs)
        settle()
        config = folder / "mlreport.yaml"
        config.write_text(f"runs:\n  - path: {root}\nstate: {state}\n")

        def first() -> Cost:
            shutil.rmtree(state, ignore_errors=True)
            return run(mlreport("baseline", "-c", config))

        plain = [sys.executable, "-c", READ, str(root)]
        ours, theirs = compare(first, lambda: run(plain), rounds)
        tell(f"first read, {runs:,} small runs", ours, theirs, "reading the bytes", 0)
        each = ours.cpu / runs * 1e3
        print(f"  {each:.2f} ms of CPU a run   budget {CPU_MS} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
