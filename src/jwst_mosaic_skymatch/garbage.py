"""Python's garbage collection while many models are loaded."""

import gc
from contextlib import contextmanager

__all__ = ["rare_collection"]

# New objects between collections (700 by default), and how many of these between those
# that look at older objects, and at all.
THRESHOLDS = (50_000, 20, 100)


@contextmanager
def rare_collection():
    """Collect garbage less often.

    A model is tens of thousands of small objects that live on. Every few models
    Python looks through those of all models for garbage and finds none: with a
    hundred MIRI exposures in memory, that is a quarter of the time of loading them.

    Yields
    ------
    None
        The thresholds as they were come back at the end.
    """
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
