"""What one more report costs: HTML, PDF, PNG charts, MIME, outbox and commits.

A tick that reports 21 runs against a tick that reports one, so that starting up and
the first report, which loads fonts and templates, do not count.
"""

import statistics

from trees import Cost, lightning_runs, mlreport, run, scratch, settle

CPU_MS, MORE = 45.0, 20


def main(rounds: int = 5) -> None:
    with scratch() as folder:
        lightning_runs(folder / "runs", MORE + 1, (MORE + 1) * 20_000)
        settle()
        config = folder / "mlreport.yaml"
        config.write_text(
            f"runs:\n  - path: {folder}/runs\nstate: {folder}/state\n"
            f"mail: {{max_per_tick: 100}}\noutbox: {{dir: {folder}/outbox}}\n"
        )
        tick = mlreport("run", "-c", config, "--all")
        run(tick)
        costs: list[tuple[Cost, Cost]] = []
        for _ in range(rounds):
            one = run([*tick, "--only", "*/run_00000"])
            costs.append((run(tick), one))
        each = statistics.median(many.cpu - one.cpu for many, one in costs) / MORE
        wall = statistics.median(many.wall - one.wall for many, one in costs) / MORE
        first = statistics.median(one.cpu for _, one in costs)
        print("one report after the first (12 metrics)")
        print(
            f"  cpu {each * 1e3:.1f} ms   wall {wall * 1e3:.1f} ms   "
            f"budget {CPU_MS} ms of CPU   (a tick with one: {first:.2f} s of CPU)"
        )


if __name__ == "__main__":
    main()
