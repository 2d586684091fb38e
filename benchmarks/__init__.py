"""What this program costs beside others that do the same work: see `__main__`."""
