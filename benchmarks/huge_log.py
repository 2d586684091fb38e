"""One log of a gigabyte: memory of its first read, bytes read for a kilobyte more."""

import subprocess
import sys

from trees import append_rows, huge_log, mlreport, run, scratch, settle

MEMORY_MB, READ_BYTES = 250, 1_000_000


def main(size: int = 1_000_000_000) -> None:
    with scratch() as folder:
        log = folder / "runs" / "run" / "metrics.csv"
        written = huge_log(log, size)
        settle()
        config = folder / "mlreport.yaml"
        config.write_text(
            f"runs:\n  - path: {folder}/runs\nstate: {folder}/state\n"
            f"outbox: {{dir: {folder}/outbox}}\n"
        )
        cost = run(mlreport("baseline", "-c", config))
        print(f"first read of one log of {written / 1e6:.0f} MB")
        print(
            f"  wall {cost.wall:.2f} s   cpu {cost.cpu:.2f} s   "
            f"peak {cost.peak_mb:.0f} MB   budget {MEMORY_MB} MB"
        )
        run(mlreport("run", "-c", config))
        append_rows(log, 1000)
        settle()
        count = read_of(log.name, mlreport("run", "-c", config))
        print("1 KB more")
        print(f"  {count:,} bytes of the log read   budget {READ_BYTES:,}")


def read_of(name: str, command: list[str]) -> int:
    """Return how many bytes *command* and its children read of files called *name*."""
    traced = subprocess.run(
        ["strace", "-f", "-y", "-e", "trace=read,pread64,readv,preadv", *command],
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(
        int(line.rpartition("= ")[2].split()[0])
        for line in traced.stderr.splitlines()
        if f"/{name}>" in line and line.rpartition("= ")[2][:1].isdigit()
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000_000)
