"""Read YAML without its dangers."""
