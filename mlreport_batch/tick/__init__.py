"""One tick: find, read, report, keep and send, in the order that loses nothing."""
