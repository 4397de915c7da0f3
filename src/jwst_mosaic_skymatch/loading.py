"""What makes loading many exposures cost less time and memory."""

import gc
from contextlib import contextmanager

import asdf

__all__ = ["old_objects_set_aside", "rare_collection", "trusted_files"]

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
def old_objects_set_aside():
    """Look for garbage among new objects only.

    A model that nobody holds any more, 25 MB for MIRI, goes when garbage is collected,
    because its WCS refers to itself. To collect after every exposure takes 2 ms when
    the objects of all imported modules are left out, and 70 ms else.

    Yields
    ------
    None
        All objects are looked at again afterwards. Objects that somebody has set
        aside before stay there.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


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
