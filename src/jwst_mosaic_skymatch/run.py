"""From an open library to levels, and the sentences about them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.compute.executors import Workers
from jwst_mosaic_skymatch.exposures.library import StepInput
from jwst_mosaic_skymatch.exposures.metadata import family_names, group_labels
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.match import MatchSettings, Names, match_exposures
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.products.messages import findings_of_match, summarize_match
from jwst_mosaic_skymatch.products.progress import progress
from jwst_mosaic_skymatch.tiles.exclusion import Exclusion
from jwst_mosaic_skymatch.tiles.grid import Grid, lay_grid, observe
from jwst_mosaic_skymatch.tiles.observation import Observation

__all__ = ["Constraints", "MatchedLibrary", "match_library"]

log = logging.getLogger("stpipe.pixel_skymatch")


@dataclass(frozen=True)
class Constraints:
    """Levels that are known before the match.

    Attributes
    ----------
    held : ndarray, shape (n,), or None
        Levels of exposures, MJy/sr; NaN for unknown ones.
    image : callable or None
        Takes RA and Dec, degrees, and returns the brightness of a reference image, MJy/sr.
    """

    held: np.ndarray | None = None
    image: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


@dataclass(frozen=True)
class MatchedLibrary:
    """A match, with the sentences about it.

    Attributes
    ----------
    match : Match
        The match.
    grid : Grid
        The grid of its tiles.
    is_area_empty : bool
        Whether no exposure has a pixel in an area that is to be excluded.
    lines : tuple of str
        Lines for the log.
    warnings : tuple of Finding
        Warnings.
    """

    match: Match
    grid: Grid
    is_area_empty: bool
    lines: tuple[str, ...]
    warnings: tuple[Finding, ...]


def match_library(
    step_input: StepInput,
    settings: MatchSettings,
    exclusion: Exclusion,
    constraints: Constraints,
    workers: Workers,
    *,
    directory: str,
    grouping: str,
    pixel_scale_ratio: float,
) -> MatchedLibrary:
    """Match all exposures of a library.

    Parameters
    ----------
    step_input : StepInput
        The exposures.
    settings : MatchSettings
        How exposures are compared.
    exclusion : Exclusion
        Pixels that are excluded.
    constraints : Constraints
        Levels that are known before.
    workers : Workers
        Executor of the tasks.
    directory : str
        Directory for means of stacks, which are read again for pictures and tiles.
    grouping, pixel_scale_ratio
        As the parameters of the step.

    Returns
    -------
    MatchedLibrary
        The match.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If exposures cannot be grouped, or lie on no common grid.
    """
    library, exposures = step_input.library, step_input.exposures
    names = Names(
        groups=group_labels(exposures, grouping),
        families=family_names(exposures),
        exposures=group_labels(exposures, "exposure"),
    )
    grid, footprints = lay_grid(library, exposures, pixel_scale_ratio)
    log.info("Shared grid of %d x %d cells of %.4f arcsec", *grid.shape[::-1], grid.cell_scale)
    in_area: set[int] = set()
    from_files = workers.remote and len(step_input.unchanged) == len(exposures)
    with progress(len(exposures), "Drizzling exposures", log) as advance:

        def observe_one(k: int) -> Observation:
            advance()
            path = step_input.unchanged[exposures[k].expname] if from_files else None
            observation = observe(library, exposures[k], grid, path, exclusion)
            if observation.excluded is not None and observation.excluded.in_area:
                in_area.add(k)
            return observation

        image = constraints.image
        match = match_exposures(
            names,
            footprints,
            observe_one,
            settings,
            workers,
            directory=directory,
            held=constraints.held,
            image=image and (lambda x, y: image(*grid.wcs(x, y, with_bounding_box=False))),
        )
    return MatchedLibrary(
        match,
        grid,
        is_area_empty=exclusion.area is not None and not in_area,
        lines=tuple(summarize_match(match, names.groups, exposures, grid, grouping)),
        warnings=tuple(findings_of_match(match, exposures, grid)),
    )
