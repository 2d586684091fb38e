"""Find run directories and what lies in them."""
