"""A gigabyte in 5,000 logs, in one process and in two."""

import shutil
import sys

from trees import Cost, compare, lightning_runs, mlreport, run, scratch, settle, tell

TARGET = 1 / 1.5


def main(size: int = 1_000_000_000, runs: int = 5000, rounds: int = 3) -> None:
    with scratch() as folder:
        root, state = folder / "runs", folder / "state"
        written = lightning_runs(root, runs, size)
        settle()
        config = folder / "mlreport.yaml"
        config.write_text(f"runs:\n  - path: {root}\nstate: {state}\n")

        def first(jobs: int) -> Cost:
            shutil.rmtree(state, ignore_errors=True)
            return run(mlreport("baseline", "-c", config, "--jobs", str(jobs)))

        two, one = compare(lambda: first(2), lambda: first(1), rounds)
        title = f"--jobs 2, {runs:,} runs, {written / 1e6:.0f} MB"
        tell(title, two, one, "--jobs 1", TARGET)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000_000)
