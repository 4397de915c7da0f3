"""From a library of exposures to their matched levels."""

import logging
import os
from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np
from stcal.multiprocessing import compute_num_cores

from jwst_mosaic_skymatch.cluster import DaskEngine
from jwst_mosaic_skymatch.engine import Engine
from jwst_mosaic_skymatch.exposures import (
    borrowed,
    check_model,
    drop_models,
    pixels_of,
    read_footprint,
    wcs_footprint,
)
from jwst_mosaic_skymatch.grid import Grid, shared_grid
from jwst_mosaic_skymatch.match import Method, match_groups, match_members
from jwst_mosaic_skymatch.pixels import FilePixels, Pixels
from jwst_mosaic_skymatch.pool import PoolEngine
from jwst_mosaic_skymatch.progress import progress
from jwst_mosaic_skymatch.tasks import Recipe, make_tile

__all__ = ["LibraryMatch", "choose_engine", "each_exposure", "match_library"]

log = logging.getLogger("stpipe.pixel_skymatch")

# With in_memory=False tiles beyond this many bytes go to temporary files.
TILE_BUDGET = 256 * 2**20


@dataclass(frozen=True)
class LibraryMatch:
    """How to match a library.

    Attributes
    ----------
    labels : sequence of str
        Group of each exposure.
    method : Method
        How to compare tiles.
    recipe : Recipe
        How to make them.
    pixel_scale_ratio : float
        Side of a cell in native pixels.
    unchanged : mapping of str to str
        Path of each exposure, by its name in the association, whose pixels are
        those in its file.
    """

    labels: list[str]
    method: Method
    recipe: Recipe
    pixel_scale_ratio: float
    unchanged: dict[str, str]


def choose_engine(maximum_cores, dask_scheduler, *, in_memory, n_tasks):
    """Choose where to work.

    Parameters
    ----------
    maximum_cores : str
        A number, 'none', 'one', 'quarter', 'half' or 'all', as jwst has it.
    dask_scheduler : str or None
        Address of a Dask scheduler; None for this machine.
    in_memory : bool
        Whether tiles may fill the memory.
    n_tasks : int
        Number of exposures.

    Returns
    -------
    Engine
        The engine, to be closed.

    Raises
    ------
    OSError
        If no scheduler answers.
    ValueError
        If ``maximum_cores`` is none of these.
    """
    budget = None if in_memory else TILE_BUDGET
    cores = maximum_cores.lower()
    if cores not in ("none", "one", "quarter", "half", "all") and not (
        cores.isnumeric() and int(cores)
    ):
        raise ValueError(
            f"maximum_cores={maximum_cores!r}: give a number, 'quarter', 'half', 'all' or 'none'."
        )
    if dask_scheduler is not None:
        return _dask_engine(dask_scheduler, budget)
    n_cores = compute_num_cores(cores, n_tasks, os.cpu_count() or 1)
    return PoolEngine(n_cores, budget) if n_cores > 1 else Engine(budget)


def _dask_engine(address, budget):
    engine = DaskEngine(address, budget)
    try:
        if not engine.n_cores:
            log.warning("%s: no worker yet; waiting for the first", address)
        engine.prepare()
    except BaseException:
        engine.close()
        raise
    log.info("Dask workers with %d cores in all at %s", engine.n_cores, address)
    return engine


def match_library(library, members, how, engine):
    """Match the exposures of a library.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures; borrowed one at a time, and not changed.
    members : sequence of Member
        Their metadata.
    how : LibraryMatch
        How to match them.
    engine : Engine
        Where to work.

    Returns
    -------
    match : Match
        What was found; tiles of groups are kept by the engine.
    grid : Grid
        The shared grid.
    skies : ndarray, shape (n,)
        Levels of the exposures' own pixels, MJy/sr; NaN if the recipe does not
        ask for them.
    """
    grid = _lay_grid(library, members, how)
    positions_of = defaultdict(list)
    for position, label in enumerate(how.labels):
        positions_of[label].append(position)
    matched, waiting = [], deque()
    with progress(len(members), "Drizzling exposures", log) as count:
        for label, positions in positions_of.items():
            tiles = _make_tiles(library, [members[k] for k in positions], grid, how, engine, count)
            waiting.append(
                engine.background(match_members, label, tiles, positions, how.method, engine)
            )
            # Two groups' tiles beside those being made, and no more.
            del tiles
            if len(waiting) > 2:
                matched.append(waiting.popleft()())
        matched += [wait() for wait in waiting]
    skies = np.full(len(members), np.nan)
    for group in matched:
        skies[list(group.skies)] = list(group.skies.values())
    return match_groups(len(members), matched, how.method, engine), grid, skies


def each_exposure(library, members, function):
    """Apply a function to each exposure, of which one at a time is open.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures.
    members : sequence of Member
        Which of them.
    function : callable
        Takes a member and its model, and keeps hold of neither.

    Returns
    -------
    list
        What the function returns for each.

    Raises
    ------
    ValueError
        If one is no image on the sky.
    """
    results = []
    with library:
        for member in members:
            with borrowed(library, member.index) as model:
                check_model(model, member.filename)
                results.append(function(member, model))
            del model
            drop_models(library)
    return results


def _lay_grid(library, members, how) -> Grid:
    footprints = [read_footprint(member.s_region) for member in members]
    without = [k for k, found in enumerate(footprints) if found is None or not found.size]
    found = each_exposure(
        library,
        [members[k] for k in without],
        lambda _, model: wcs_footprint(model.meta.wcs, model.data.shape),
    )
    for k, footprint in zip(without, found, strict=True):
        footprints[k] = footprint

    def lay(_, model):
        return shared_grid(
            footprints, model.meta.wcs, model.meta.wcsinfo.instance, how.pixel_scale_ratio
        )

    (grid,) = each_exposure(library, members[:1], lay)
    log.info(
        "Statistic %s, grid of %d x %d cells of %.4f arcsec",
        how.method.statistic.skystat,
        *grid.shape[::-1],
        grid.cell_scale,
    )
    return grid


def _make_tiles(library, members, grid, how, engine, count):
    """Reduce each exposure to its tile; returns handles."""
    under_way = deque()

    def submit(member, model):
        pixel_map = grid.map_pixels(model.meta.wcs, model.data.shape)
        if engine.width > 1 and member.expname in how.unchanged:
            source = FilePixels(how.unchanged[member.expname])
        else:
            source = pixels_of(model)
        tile = engine.submit(make_tile, source, pixel_map, how.recipe)
        # Pixels of few exposures at a time are on their way.
        if isinstance(source, Pixels):
            under_way.append(tile)
            if len(under_way) == engine.width:
                engine.wait(under_way.popleft())
        count()
        return tile

    return each_exposure(library, members, submit)
