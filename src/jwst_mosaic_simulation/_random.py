"""Random generators that depend on a seed and on names, not on call order."""

import zlib

import numpy as np

__all__ = ["named_generator"]


def named_generator(seed: int, *names: str) -> np.random.Generator:
    """Make the random generator that belongs to a seed and some names.

    Parameters
    ----------
    seed : int
        Seed of the whole scene, not negative.
    *names : str
        What the numbers are for, e.g. ``"noise"`` and a rootname.

    Returns
    -------
    numpy.random.Generator
        The same stream whenever seed and names are the same.

    Notes
    -----
    The names are hashed with CRC-32, since Python's own hash of a string
    changes from process to process.
    """
    key = [zlib.crc32(name.encode()) for name in names]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
