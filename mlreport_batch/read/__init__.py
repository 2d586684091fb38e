"""From bytes to what is known of a run: tail, fold, collect."""
