"""Makers of small tiles with known levels, and what is done to them."""

import numpy as np

from jwst_mosaic_skymatch.engine import Engine
from jwst_mosaic_skymatch.match import Method, match_groups, match_members
from jwst_mosaic_skymatch.tile import Tile

# So many pixels in a cell that hardly any lies across an edge.
INDEPENDENT = 1e8


def make_tile(x0, y0, shape, *, level=0.0, noise=0.0, seed=0, sky=None):
    """Make a tile of level + sky + noise; sky is a function of grid cells (x, y).

    Its cells are independent, as if no pixel were shared by two.
    """
    y, x = np.indices(shape)
    data = np.full(shape, level, dtype=float)
    if sky is not None:
        data += sky(x + x0, y + y0)
    data += noise * np.random.default_rng(seed).standard_normal(shape)
    weight = np.full(shape, 4.0, dtype=np.float32)
    return Tile(x0, y0, data.astype(np.float32), weight, pixels_per_cell=INDEPENDENT)


def match_tiles(tiles, labels, statistic, *, min_cells=25, **how):
    """Match tiles group by group, as the step does."""
    method, engine = Method(statistic, min_cells, **how), Engine()
    matched = []
    for label in dict.fromkeys(labels):
        positions = [k for k, other in enumerate(labels) if other == label]
        members = [tiles[k] for k in positions]
        matched.append(match_members(label, members, positions, method, engine))
    return match_groups(len(tiles), matched, method, engine)


def structured_sky(x, y):
    """Emission that fills the field, with a contrast of several MJy/sr."""
    return 10.0 * np.exp(-((x - 40.0) ** 2 + (y - 30.0) ** 2) / 800.0) + 3.0 * np.sin(
        x / 7.0 + y / 11.0
    )


def rootname(filename):
    """Strip directory, extension and product suffix: the key of the true levels."""
    return filename.rsplit("/", 1)[-1].removesuffix(".fits").rsplit("_", 1)[0]


def read_levels(library):
    """Read {rootname: level} from a library."""
    levels = {}
    with library:
        for model in library:
            levels[rootname(model.meta.filename)] = model.meta.background.level
            library.shelve(model, modify=False)
    return levels


def level_errors(levels, truth):
    """Level minus true level, means removed, as an array in the order of names."""
    names = sorted(levels)
    errors = np.array([levels[name] - truth[name] for name in names], dtype=float)
    return errors - errors.mean()


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))
