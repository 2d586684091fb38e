"""First read of 1,000 Lightning runs, then a kilobyte more in ten of them.

The other side is `naive.py`: it reads every file every time, and makes no report.
"""

import shutil
import sys
from pathlib import Path

from trees import (
    Cost,
    append_rows,
    compare,
    lightning_runs,
    mlreport,
    run,
    scratch,
    settle,
    tell,
)

RUNS, SIZE, CHANGED = 1000, 200_000_000, 10
FIRST, NEWS = 0.4, 0.2
NAIVE = [sys.executable, str(Path(__file__).with_name("naive.py"))]


def main(rounds: int = 5) -> None:
    with scratch() as folder:
        root, state, outbox = folder / "runs", folder / "state", folder / "outbox"
        written = lightning_runs(root, RUNS, SIZE)
        settle()
        config = folder / "mlreport.yaml"
        config.write_text(
            f"runs:\n  - path: {root}\nstate: {state}\noutbox: {{dir: {outbox}}}\n"
        )
        naive = [*NAIVE, str(root)]

        def first() -> Cost:
            shutil.rmtree(state, ignore_errors=True)
            return run(mlreport("baseline", "-c", config))

        ours, theirs = compare(first, lambda: run(naive), rounds)
        title = f"first read, {RUNS:,} runs, {written / 1e6:.0f} MB"
        tell(title, ours, theirs, "pandas, every file", FIRST)
        run(mlreport("run", "-c", config))
        logs = sorted(root.rglob("metrics.csv"))[: RUNS : RUNS // CHANGED]
        count = 0

        def news() -> Cost:
            nonlocal count
            count += 1
            for log in logs:
                append_rows(log, 1000, seed=count)
            settle()
            cost = run(mlreport("run", "-c", config))
            made = len(list(outbox.glob("*.eml")))
            if made != count * CHANGED:
                raise SystemExit(f"{made} mails instead of {count * CHANGED}")
            return cost

        ours, theirs = compare(news, lambda: run(naive), rounds)
        title = f"1 KB more in {CHANGED} of {RUNS:,} runs, {CHANGED} reports"
        tell(title, ours, theirs, "pandas, every file", NEWS)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
