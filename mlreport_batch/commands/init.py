"""``init``: write a commented config."""

import argparse
import os

from mlreport_batch.printing import tell


def main(args: argparse.Namespace) -> int:
    """Write a commented config; return the exit code."""
    from mlreport_batch.config.reference import init_text
    from mlreport_batch.errors import UsageError

    try:
        os.makedirs(os.path.dirname(os.path.abspath(args.file)), exist_ok=True)
        descriptor = os.open(args.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError as exc:
        raise UsageError(
            f"{args.file} is there already", advice="Name another file"
        ) from exc
    except OSError as exc:
        raise UsageError(f"{args.file} cannot be written: {exc.strerror}") from exc
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(init_text())
    tell(f"{args.file} is written; set `runs` in it, then: mlreport-batch check")
    return 0
