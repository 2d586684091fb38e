"""Talk to Google: who we are, how often we may ask, and what it answers."""
