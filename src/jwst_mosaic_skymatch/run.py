"""From an open library to levels: the match, and its zero point."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from astropy.utils.console import ProgressBar

from jwst_mosaic_skymatch import __version__
from jwst_mosaic_skymatch.compute.executors import Workers
from jwst_mosaic_skymatch.exposures.library import StepInput, expand
from jwst_mosaic_skymatch.exposures.metadata import family_names, group_labels
from jwst_mosaic_skymatch.exposures.models import read_skies
from jwst_mosaic_skymatch.exposures.reference import (
    Stem,
    check_unit,
    named_exposures,
    open_image,
    unknown_reference,
)
from jwst_mosaic_skymatch.levels.absolute import add_global_level, global_levels, local_levels
from jwst_mosaic_skymatch.levels.gauge import (
    apply_constants,
    apply_gauge,
    constants_of_exposures,
)
from jwst_mosaic_skymatch.levels.results import NO_PIXEL, Match, unmatched
from jwst_mosaic_skymatch.match import Names, match_exposures
from jwst_mosaic_skymatch.parameters import (
    Parameters,
    exclusion,
    is_table,
    match_settings,
    sky_statistic,
)
from jwst_mosaic_skymatch.products.messages import (
    Finding,
    describe_levels,
    empty_area,
    findings_of_match,
    findings_of_unmatched,
    findings_of_zero_point,
    summarize_match,
)
from jwst_mosaic_skymatch.products.record import levels_before, record_levels
from jwst_mosaic_skymatch.products.tables import details_of_levels, read_levels, read_skylist
from jwst_mosaic_skymatch.tiles.grid import Grid, lay_grid, observe
from jwst_mosaic_skymatch.tiles.observation import Observation

__all__ = [
    "Anchor",
    "Matched",
    "absolute_levels",
    "describe",
    "fix_zero_point",
    "match_library",
    "open_anchor",
    "record",
]

log = logging.getLogger("stpipe.pixel_skymatch")

#: Takes two coordinates of places and returns the brightness there, MJy/sr.
Image = Callable[[np.ndarray, np.ndarray], np.ndarray]
# Shorter work has no progress in the log; later lines come this often. Seconds.
PATIENCE = 30.0


@dataclass(frozen=True)
class Anchor:
    """The reference of the zero point, and levels that it fixes before the match.

    Attributes
    ----------
    positions : tuple of int
        Exposures whose mean level is zero.
    held : ndarray, shape (n,), or None
        Levels of exposures, MJy/sr; NaN for unknown ones.
    image : callable or None
        Takes RA and Dec, degrees, and returns the brightness of a reference image, MJy/sr.
    """

    positions: tuple[int, ...] = ()
    held: np.ndarray | None = None
    image: Image | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a reference."""
        return bool(self.positions) or self.held is not None or self.image is not None


@dataclass(frozen=True)
class Matched:
    """A match of a library.

    Attributes
    ----------
    match : Match
        The match.
    grid : Grid or None
        The grid of its tiles; None for levels that do not come from a match.
    groups : sequence of str
        Group of each exposure.
    is_area_empty : bool
        Whether no exposure has a pixel in an area that is to be excluded.
    """

    match: Match
    grid: Grid | None = None
    groups: Sequence[str] = field(default=())
    is_area_empty: bool = False


def open_anchor(step_input: StepInput, parameters: Parameters, stem: Stem) -> Anchor:
    """Decide whether the reference is a table, an exposure, a visit, or an image, and open it.

    Parameters
    ----------
    step_input : StepInput
        The exposures.
    parameters : mapping
        Parameters of the step, by name.
    stem : callable
        Reduces a file name to the part that is compared.

    Returns
    -------
    Anchor
        The anchor.

    Raises
    ------
    OSError
        If the table or image cannot be read.
    ValueError
        If there is neither a member or visit nor a file of that name. If the file is no table of
        levels of these exposures and no image of the sky.
    """
    exposures, reference = step_input.exposures, parameters["reference"]
    if is_table(reference) and "match" in parameters["skymethod"]:
        levels = read_levels(expand(reference), exposures, stem)
        return Anchor(held=levels - levels_before(exposures, subtract=parameters["subtract"]))
    if not reference or parameters["skymethod"] != "match":
        return Anchor()
    path = expand(reference)
    is_image = path.is_file() and path.resolve() not in step_input.files
    if not is_image or path.name in {exposure.filename for exposure in exposures}:
        labels = group_labels(exposures, parameters["grouping"])
        positions = named_exposures(str(reference), exposures, labels, stem)
        if positions:
            return Anchor(positions)
    if not path.is_file():
        raise unknown_reference(str(reference), exposures)
    image = open_image(path)
    check_unit(image, exposures[0].unit)
    return Anchor(image=image.sample)


def absolute_levels(step_input: StepInput, parameters: Parameters, stem: Stem) -> Matched:
    """Read levels from a list, or measure each exposure's own pixels.

    Parameters
    ----------
    step_input, parameters, stem
        See `open_anchor`; ``skymethod`` is 'user', 'local' or 'global'.

    Returns
    -------
    Matched
        The levels, without pairs.

    Raises
    ------
    OSError
        If the list or an exposure cannot be read.
    ValueError
        If there is no list, or it does not fit the exposures.
    """
    exposures, skymethod = step_input.exposures, parameters["skymethod"]
    if skymethod == "user":
        if parameters["skylist"] is None:
            raise ValueError("skymethod is 'user' but no skylist is given; set skylist to a file.")
        levels = read_skylist(expand(parameters["skylist"]), exposures, stem)
    else:
        levels = read_skies(step_input.library, exposures, sky_statistic(parameters))
        if skymethod == "global":
            levels = global_levels(levels)
        else:
            grouping = "none" if parameters["grouping"] == "none" else "exposure"
            levels = local_levels(levels, group_labels(exposures, grouping))
    reasons = tuple("" if np.isfinite(level) else NO_PIXEL for level in levels.tolist())
    return Matched(unmatched(levels, reasons))


def match_library(
    step_input: StepInput,
    parameters: Parameters,
    anchor: Anchor,
    workers: Workers,
    directory: str,
) -> Matched:
    """Match all exposures of a library.

    Parameters
    ----------
    step_input, parameters
        See `open_anchor`.
    anchor : Anchor
        Levels that are known before.
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
        If exposures cannot be grouped, or lie on no common grid.
    """
    library, exposures = step_input.library, step_input.exposures
    excluded = exclusion(parameters)
    groups = group_labels(exposures, parameters["grouping"])
    names = Names(groups, family_names(exposures), group_labels(exposures, "exposure"))
    grid, footprints = lay_grid(library, exposures, parameters["pixel_scale_ratio"])
    log.info("Shared grid of %d x %d cells of %.4f arcsec", *grid.shape[::-1], grid.cell_scale)
    from_files = workers.n_remote and len(step_input.unchanged) == len(exposures)
    is_area_empty = excluded.area is not None

    def observe_one(k: int) -> Observation:
        nonlocal is_area_empty
        advance()
        path = exposures[k].expname if from_files else None
        observation = observe(library, exposures[k], grid, path, excluded)
        is_area_empty &= not observation.excluded.in_area
        return observation

    with _progress(len(exposures)) as advance:
        match = match_exposures(
            names,
            footprints,
            observe_one,
            match_settings(parameters),
            workers,
            directory=directory,
            held=anchor.held,
            image=_on_grid(anchor.image, grid),
        )
    return Matched(match, grid, groups, is_area_empty)


def _on_grid(image: Image | None, grid: Grid) -> Image | None:
    """Convert an image of the sky to one of places on the grid."""
    return image and (lambda x, y: image(*grid.wcs(x, y, with_bounding_box=False)))


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], object]]:
    """Report progress by a bar on a terminal, else now and then by a line in the log."""
    if sys.stderr.isatty() and total > 1:
        with ProgressBar(total, file=sys.stderr) as bar:
            yield bar.update
        return
    done, last = 0, time.monotonic()

    def advance() -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last > PATIENCE and done < total:
            log.info("Drizzling exposures: %d of %d", done, total)
            last = time.monotonic()

    yield advance


def fix_zero_point(
    matched: Matched, anchor: Anchor, parameters: Parameters
) -> tuple[np.ndarray, list[int]]:
    """Fix the constant of each component.

    Parameters
    ----------
    matched : Matched
        The match; levels of others remain as they are.
    anchor : Anchor
        The reference of the zero point.
    parameters : mapping
        Parameters of the step, by name.

    Returns
    -------
    values : ndarray, shape (n,)
        Levels, MJy/sr; NaN for none.
    unreached : list of int
        Components without a reference, if there is one.
    """
    levels = matched.match.levels
    if matched.grid is None:
        return levels.values, []
    # Levels of components with an anchor get zero mean, as others have it.
    centred = levels.values.copy()
    for component in np.flatnonzero(levels.anchored).tolist():
        members = levels.components == component
        centred[members] -= centred[members].mean()
    usual = apply_gauge(centred, match_down=parameters["match_down"])
    if not anchor.is_set:
        is_global = parameters["skymethod"] == "global+match"
        return (add_global_level(usual, matched.match.skies) if is_global else usual), []
    constants = np.where(levels.anchored, 0.0, np.nan)
    if anchor.positions:
        constants = constants_of_exposures(levels.values, levels.components, anchor.positions)
    values = apply_constants(levels.values, levels.components, constants, usual)
    if anchor.held is not None:
        values = np.where(np.isfinite(anchor.held), anchor.held, values)
    return values, np.flatnonzero(np.isnan(constants)).tolist()


def describe(
    matched: Matched,
    anchor: Anchor,
    unreached: Sequence[int],
    step_input: StepInput,
    parameters: Parameters,
) -> tuple[list[str], list[Finding]]:
    """Describe a match in the log.

    Parameters
    ----------
    matched, anchor, unreached, parameters
        See `fix_zero_point`.
    step_input : StepInput
        The exposures.

    Returns
    -------
    lines : list of str
        The match in some lines; empty for levels that do not come from a match.
    findings : list of Finding
        Its warnings.
    """
    match, grid, exposures = matched.match, matched.grid, step_input.exposures
    if grid is None:
        return [], []
    findings = findings_of_match(match, exposures, grid)
    if matched.is_area_empty:
        findings.append(empty_area(parameters["exclude"]))
    findings += findings_of_zero_point(
        match.levels, parameters["reference"], anchor.positions, unreached, exposures
    )
    return summarize_match(match, matched.groups, exposures, grid, parameters["grouping"]), findings


def record(
    match: Match, levels: np.ndarray, step_input: StepInput, parameters: Parameters
) -> tuple[list[str], list[Finding]]:
    """Write levels into the models.

    Parameters
    ----------
    match : Match
        The match.
    levels : ndarray, shape (n,)
        Levels, MJy/sr; NaN for none.
    step_input, parameters
        See `open_anchor`.

    Returns
    -------
    lines : list of str
        The levels as they are recorded.
    findings : list of Finding
        Warnings of exposures without a match.
    """
    exposures, subtract = step_input.exposures, parameters["subtract"]
    record_levels(
        step_input.library,
        exposures,
        levels,
        method=parameters["skymethod"],
        subtract=subtract,
        version=__version__,
        details=details_of_levels(match) if "match" in parameters["skymethod"] else None,
        planes=match.backgrounds.planes,
    )
    totals = levels + levels_before(exposures, subtract=subtract)
    findings = findings_of_unmatched(exposures, levels, match.levels.reasons)
    return describe_levels(exposures, totals), findings
