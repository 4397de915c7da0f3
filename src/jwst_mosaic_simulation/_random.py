"""Random generators that depend on a seed and on names, not on the order of calls."""

import zlib

import numpy as np


def named_generator(seed: int, *names: str) -> np.random.Generator:
    """Make the generator of a purpose, for example ``"noise"`` and a rootname."""
    # CRC-32, since Python's own hash of a string differs between processes.
    key = [zlib.crc32(name.encode()) for name in names]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
