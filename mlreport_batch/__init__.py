"""Mail a report about every training run that has news."""

__version__ = "0.1.0"
