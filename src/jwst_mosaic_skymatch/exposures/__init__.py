"""Input: associations, metadata, models, pixels."""
