"""What makes loading many exposures cost less time and memory."""

import gc
from contextlib import contextmanager

import asdf

__all__ = ["drop_garbage", "prompt_collection", "rare_collection", "trusted_files"]

# New objects between collections (700 by default), and how many of these between those
# that look at older objects, and at all.
THRESHOLDS = (50_000, 20, 100)
# Collections of new objects between those of all.
FULL_COLLECTION = 8


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
def prompt_collection():
    """Collect garbage when told to, by `drop_garbage`, and not by itself.

    A model that nobody holds any more, 25 MB for MIRI, stays until garbage is
    collected, because its WCS refers to itself. Objects that are there already, those
    of all imported modules, are not looked at.

    Yields
    ------
    None
        Collection is as before at the end.
    """
    enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


def drop_garbage():
    """Collect what has become garbage since the call before the last one.

    Under `prompt_collection` that takes a few ms, however many objects there are:
    older ones have been moved to the oldest generation, which is looked at only now
    and then.
    """
    gc.collect(1 if gc.get_count()[2] < FULL_COLLECTION else 2)


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
