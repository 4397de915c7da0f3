"""What makes loading many exposures cost less time and memory."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import asdf

__all__ = ["frozen_objects", "rare_collection", "trusted_files"]

# New objects between collections (700 or 2000 by default), and how many of these between those
# that look at older objects, and at all.
THRESHOLDS = (50_000, 20, 100)


@contextmanager
def trusted_files() -> Iterator[None]:  # numpydoc ignore=YD01
    """Read the WCS of exposures without holding it against the schemas of ASDF.

    That was done when the file was written, and takes a tenth of the time of a run in memory.
    What stdatamodels checks of the FITS keywords is still checked, as is what is written.
    """
    with asdf.config_context() as config:
        config.validate_on_read = False
        yield


@contextmanager
def rare_collection() -> Iterator[None]:  # numpydoc ignore=YD01
    """Collect garbage less often, where all models stay in memory.

    A model is tens of thousands of small objects. Every few models Python looks through
    those of all models for garbage and finds none: a tenth of the time of a run.
    """
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def frozen_objects() -> Iterator[None]:  # numpydoc ignore=YD01
    """Collect garbage only among objects that are made from now on.

    A model that nobody holds any more, 25 MB for MIRI, stays until garbage is collected,
    because its WCS refers to itself. Without the objects of all imported modules a collection
    after each exposure takes milliseconds.
    """
    gc.collect()  # garbage would be kept with the rest
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
