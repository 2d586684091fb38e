"""Every word and sentence that reports speak, and how figures and dates look."""
