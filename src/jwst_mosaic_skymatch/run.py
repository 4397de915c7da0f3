"""From an open library to levels up to their free constants, and what is to be said of them."""

import logging
from dataclasses import dataclass, replace

from jwst_mosaic_skymatch.compute.executors import Workers
from jwst_mosaic_skymatch.exposures.library import StepInput
from jwst_mosaic_skymatch.exposures.metadata import LYOT_MARK, family_names, group_labels
from jwst_mosaic_skymatch.levels.pieces import PieceOffsets, place_pieces
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.levels.ties import TiedLevels, tie_match
from jwst_mosaic_skymatch.match import match_exposures
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.products.lyot import describe_lyot, describe_pieces, findings_of_lyot
from jwst_mosaic_skymatch.products.messages import (
    describe_planes,
    describe_ties,
    findings_of_match,
    summarize_match,
)
from jwst_mosaic_skymatch.products.progress import progress
from jwst_mosaic_skymatch.stack import MatchSettings
from jwst_mosaic_skymatch.tiles.exclusion import Exclusion
from jwst_mosaic_skymatch.tiles.grid import Grid, lay_grid, observe
from jwst_mosaic_skymatch.tiles.observation import Observation
from jwst_mosaic_skymatch.tiles.pieces import Pieces

__all__ = ["MatchedLibrary", "match_library"]

log = logging.getLogger("stpipe.pixel_skymatch")


@dataclass(frozen=True)
class MatchedLibrary:
    """A match, with what is to be said of it.

    Attributes
    ----------
    match : Match
        Levels of all images, each component with a constant of its own.
    offsets : PieceOffsets
        Levels of pieces above their exposures.
    grid : Grid
        The grid of its tiles.
    n_ties : int
        Number of exposures that tie components.
    is_area_empty : bool
        Whether an area is to be left out in which no exposure has a pixel.
    news : tuple of str
        What to say of it.
    warnings : tuple of Finding
        What users should know of it.
    """

    match: Match
    offsets: PieceOffsets
    grid: Grid
    n_ties: int
    is_area_empty: bool
    news: tuple[str, ...]
    warnings: tuple[Finding, ...]


def match_library(
    step_input: StepInput,
    pieces: Pieces,
    settings: MatchSettings,
    exclusion: Exclusion,
    workers: Workers,
    *,
    directory: str,
    grouping: str,
    pixel_scale_ratio: float,
    tie_detectors: bool,
    shift_threshold: float,
) -> MatchedLibrary:
    """Match all images of a library.

    Parameters
    ----------
    step_input : StepInput
        The exposures.
    pieces : Pieces
        All images: the exposures, and pieces of some of them.
    settings : MatchSettings
        How images are compared.
    exclusion : Exclusion
        What is left out.
    workers : Workers
        Where tasks run.
    directory : str
        Where means of stacks are stored; they are read again while pictures and tiles are made.
    grouping, pixel_scale_ratio, tie_detectors, shift_threshold
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
    exposures, images = step_input.exposures, pieces.images
    labels = group_labels(exposures, grouping)
    grid, footprints = lay_grid(step_input.library, exposures, pixel_scale_ratio)
    if pieces.owners:
        footprints += grid.locate(pieces.footprints)
    size = grid.shape[::-1]
    log.info("Shared grid of %d x %d cells of %.4f arcsec", *size, grid.cell_scale)
    in_area: set[int] = set()
    from_files = workers.remote and len(step_input.unchanged) == len(exposures)
    with progress(len(images), "Drizzling exposures", log) as advance:

        def look(k: int) -> Observation:
            advance()
            path = step_input.unchanged[images[k].expname] if from_files else None
            left_out = replace(exclusion, lyot_alone=k in pieces.positions)
            observation = observe(step_input.library, images[k], grid, path, left_out)
            if observation.excluded is not None and observation.excluded.in_area:
                in_area.add(k)
            return observation

        match = match_exposures(
            pieces.with_pieces(labels, "_lyot"),
            footprints,
            look,
            settings,
            workers,
            directory=directory,
            families=family_names(images),
            pieces=dict(zip(pieces.positions, pieces.owners, strict=True)),
            whole_stacks=from_files and workers.distant,
        )
    news = [*summarize_match(match, labels, grouping), *describe_lyot(match)]
    n_ties = 0
    if tie_detectors:
        n_components = match.n_components
        match, tied = _tie(match, pieces)
        n_ties = tied.n_ties
        news += describe_ties(tied, n_components)
    match, offsets = place_pieces(match, pieces.owners)
    news += [*describe_pieces(offsets), *describe_planes(match, images, grid)]
    found = findings_of_match(match, images, grid, shift_threshold)
    return MatchedLibrary(
        match,
        offsets,
        grid,
        n_ties=n_ties,
        is_area_empty=exclusion.area is not None and not in_area,
        news=tuple(news),
        warnings=(*found, *findings_of_lyot(match)),
    )


def _tie(match: Match, pieces: Pieces) -> tuple[Match, TiedLevels]:
    """Tie components that do not overlap by the exposures that have detectors in several."""
    # Pieces see no level in common with the rest of their exposure: they tie nothing.
    labels = group_labels(pieces.images[: pieces.n_exposures], "exposure")
    return tie_match(match, pieces.with_pieces(labels, LYOT_MARK))
