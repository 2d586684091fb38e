"""Runs that lie in a bucket: what an object says of itself, and its bytes."""
