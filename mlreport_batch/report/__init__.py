"""What a run's state means: news, alerts, and the report to be drawn."""
