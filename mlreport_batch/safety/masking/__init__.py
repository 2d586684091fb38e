"""Mask secrets by their names, and in texts."""
