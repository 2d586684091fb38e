"""CPU of one report in all its forms, against one blank PDF page.

Run it from the project's root: ``python benchmarks/render.py``. The ratio to the
blank page, taken in turn in the same run, is what can be compared between
machines; the milliseconds are this machine's.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import sample_reports  # noqa: E402
from mlreport_batch.render import pdf  # noqa: E402
from mlreport_batch.render.local import LocalRenderer  # noqa: E402

ROUNDS = 15
CASES = {
    "fine, 5 metrics, 2 charts": sample_reports.fine,
    "alarming, 2 charts": sample_reports.alarming,
    "Korean, 1 chart": sample_reports.korean,
    "50 metrics, 1 chart of 6": sample_reports.many,
    "300 metrics": lambda: sample_reports.many(300),
    "nothing yet": sample_reports.bare,
    "digest of 4": sample_reports.digest,
    "digest of 100": lambda: sample_reports.digest(count=100),
}


def blank() -> None:
    pdf.write_pdf("<p></p>", title="", made_at="2000-01-01T00:00:00Z")


def cpu_ms(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def main() -> None:
    renderer = LocalRenderer()
    first = sample_reports.fine()
    once = cpu_ms(lambda: renderer.render(first))
    print(f"first report, imports included: {once:.0f} ms")
    print(f"{'report':28}{'CPU ms':>8}{'blank ms':>10}{'ratio':>8}", end="")
    print(f"{'mail B':>9}{'PDF B':>9}")
    for name, build in CASES.items():
        report = build()
        rendered = renderer.render(report)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(statistics.mean(cpu_ms(blank) for _ in range(20)))
            ours.append(cpu_ms(lambda: renderer.render(report)))  # noqa: B023
        mine, base = statistics.median(ours), statistics.median(theirs)
        print(
            f"{name:28}{mine:8.1f}{base:10.2f}{mine / base:8.1f}"
            f"{len(rendered.mail_html.encode()):9}{len(rendered.pdf or b''):9}"
        )


if __name__ == "__main__":
    main()
