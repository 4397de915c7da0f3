"""What comes in: associations, metadata, models, pixels."""
