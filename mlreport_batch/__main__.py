"""``python -m mlreport_batch`` is the same as the ``mlreport-batch`` command."""

from mlreport_batch.start import entry

if __name__ == "__main__":
    entry()
