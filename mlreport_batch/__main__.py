"""``python -m mlreport_batch`` is the same as the ``mlreport-batch`` command."""

from mlreport_batch.cli import entry

if __name__ == "__main__":
    entry()
