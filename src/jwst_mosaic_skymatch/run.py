"""From an open library to levels: the match, and its zero point."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.utils.console import ProgressBar

from jwst_mosaic_skymatch.anchors import open_anchor
from jwst_mosaic_skymatch.compute.executors import Workers
from jwst_mosaic_skymatch.exposures.library import StepInput
from jwst_mosaic_skymatch.exposures.metadata import family_names, group_labels
from jwst_mosaic_skymatch.exposures.models import load_models
from jwst_mosaic_skymatch.levels.gauge import fix_zero_point
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.match import Names, match_exposures
from jwst_mosaic_skymatch.observe import lay_grid, observe
from jwst_mosaic_skymatch.parameters import Parameters, exclusion, match_settings
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.observation import Observation

__all__ = ["Matched", "match_library"]

log = logging.getLogger("stpipe.pixel_skymatch")


@dataclass(frozen=True)
class Matched:
    """A match of a library.

    Attributes
    ----------
    match : Match
        The match.
    values : ndarray, shape (n,)
        Its levels about the zero point, MJy/sr; NaN for none.
    grid : Grid or None
        The grid of its tiles; None for levels that do not come from a match.
    positions : tuple of int
        Exposures that are the reference of the zero point.
    unreached : sequence of int
        Components that no reference reaches.
    area_is_empty : bool
        Whether no exposure has a pixel in the area that is to be excluded.
    """

    match: Match
    values: np.ndarray
    grid: Grid | None = None
    positions: tuple[int, ...] = ()
    unreached: Sequence[int] = ()
    area_is_empty: bool = False


def match_library(
    step_input: StepInput, parameters: Parameters, workers: Workers, directory: str
) -> Matched:
    """Match all exposures of a library.

    Parameters
    ----------
    step_input : StepInput
        The exposures.
    parameters : mapping
        Parameters of the step, by name.
    workers, directory
        See `match_exposures`; pictures and tiles are made of the means in the directory.

    Returns
    -------
    Matched
        The match.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If exposures cannot be grouped or lie on no common grid, or the reference is unusable.
    """
    library, exposures = step_input.library, step_input.exposures
    anchor, excluded = open_anchor(exposures, parameters), exclusion(parameters)
    labels = group_labels(exposures, parameters["grouping"]), family_names(exposures)
    grid, footprints = lay_grid(library, exposures, parameters["pixel_scale_ratio"])
    log.info("Shared grid of %d x %d cells of %.4f arcsec", *grid.wcs.pixel_shape, grid.cell_scale)
    from_files = workers.n_remote > 0 and step_input.in_files
    if not (library.on_disk or workers.n_remote):
        # Between tiles, reading takes a twentieth of a run longer.
        load_models(library, exposures)
    image, in_area = anchor.image, [excluded.area is None]

    def observe_one(k: int) -> Observation:
        bar.update()
        observation = observe(library, exposures[k], grid, excluded, from_file=from_files)
        in_area.append(observation.excluded.in_area)
        return observation

    with ProgressBar(len(exposures), file=sys.stderr) as bar:
        match = match_exposures(
            Names(*labels, group_labels(exposures, "exposure")),
            footprints,
            observe_one,
            match_settings(parameters),
            workers,
            directory=directory,
            held=anchor.held,
            image=image and (lambda x, y: image(*grid.wcs(x, y, with_bounding_box=False))),
        )
    skies = match.skies if parameters["skymethod"] == "global+match" else None
    values, unreached = fix_zero_point(
        match.levels, anchor.positions, match_down=parameters["match_down"], skies=skies
    )
    return Matched(match, values, grid, anchor.positions, unreached.tolist(), not any(in_area))
