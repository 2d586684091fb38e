"""From a template to a merged document."""
