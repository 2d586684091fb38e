"""The config file, from where it lies to checked settings."""
