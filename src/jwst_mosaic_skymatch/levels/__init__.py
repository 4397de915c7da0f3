"""Levels from offsets, with their errors."""
