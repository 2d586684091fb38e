"""Fuzz one reader guided by coverage: ``pip install atheris``, then see README.md.

python fuzz/guided.py TARGET [libFuzzer options] [CORPUS ...]
"""

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "helpers"))

with atheris.instrument_imports(include=["mlreport_batch"]):
    import fuzz_targets


def main() -> None:
    """Let libFuzzer call the target that was named."""
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in fuzz_targets.TARGETS:
        sys.exit("Name one of: " + " ".join(fuzz_targets.TARGETS))
    target = fuzz_targets.TARGETS[name]
    atheris.Setup(sys.argv, lambda data: target(bytes(data)))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
