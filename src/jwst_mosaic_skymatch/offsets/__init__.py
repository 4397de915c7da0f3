"""Offsets of overlapping tiles."""
