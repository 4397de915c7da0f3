"""What makes it quicker to load many exposures."""

import gc
from contextlib import contextmanager

import asdf

__all__ = ["rare_collection", "trusted_files"]

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


@contextmanager
def trusted_files():
    """Read the WCS of exposures without holding it against the schemas of ASDF.

    That was done when the file was written, and takes nearly half of the time of
    opening it. What stdatamodels checks of the FITS keywords is still checked, as is
    everything that is written.

    Yields
    ------
    None
        In this thread; the setting as it was comes back at the end.
    """
    with asdf.config_context() as config:
        config.validate_on_read = False
        yield
