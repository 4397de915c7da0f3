r"""The algorithm, from the first pixel to the last level.

    exposures -> tiles -> pairs inside stacks, means of stacks -> pairs of stacks
              -> equations -> variance components -> levels

Pairs p of tiles give the measurements of a linear mixed model,

.. math:: y = X b + U u + e, \quad u \sim N(0, \Theta), \quad e \sim N(0, R)

with the levels b of all exposures and the random effects u of their backgrounds. Effects are
gradients of visits and of exposures, gains, pedestals of detectors, contrasts of detector regions.
The variances in :math:`\Theta` maximize the restricted likelihood. Levels, their errors, and the
predictions of u come from one matrix,

.. math:: C = \begin{pmatrix} X^T R^{-1} X + T & X^T R^{-1} U \\ U^T R^{-1} X &
          U^T R^{-1} U + \Theta^{-1} \end{pmatrix}

The free constant of each component is the caller's (`levels.gauge`). Nothing here imports jwst, so
that worker processes start quickly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jwst_mosaic_skymatch.compute.executors import Workers
from jwst_mosaic_skymatch.exposures.detectors import lyot_variance
from jwst_mosaic_skymatch.levels.assembly import assemble
from jwst_mosaic_skymatch.levels.equations import number_unknowns
from jwst_mosaic_skymatch.levels.estimate import estimate_levels
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.offsets.measure import PairSettings
from jwst_mosaic_skymatch.stacking import (
    compare_stacks,
    compare_with_image,
    match_stacks,
    plan_stacks,
)
from jwst_mosaic_skymatch.tiles.observation import Observation, TileSettings

__all__ = ["MatchSettings", "Names", "match_exposures"]


@dataclass(frozen=True)
class Names:
    """Names that exposures have in common.

    Attributes
    ----------
    groups : sequence of str
        Exposures that may be averaged: their visit, as a rule.
    families : sequence of str
        Exposures whose backgrounds may have one gradient: those of a detector in a visit.
    exposures : sequence of str
        Detectors of one exposure, whose levels agree but for pedestals.
    """

    groups: Sequence[str]
    families: Sequence[str]
    exposures: Sequence[str]


@dataclass(frozen=True)
class MatchSettings:
    """Settings of a match.

    Attributes
    ----------
    tiles : TileSettings
        How exposures become tiles.
    pairs : PairSettings
        How two tiles are compared.
    rigid : bool
        One level for all members of a group, whether they overlap or not.
    tied : bool
        Detectors of an exposure agree, which ties components that do not overlap.
    plane_per : {'group', 'exposure'} or None
        Predict planes of backgrounds: of each visit and detector, or of each exposure.
    """

    tiles: TileSettings
    pairs: PairSettings
    rigid: bool = False
    tied: bool = True
    plane_per: str | None = None


def match_exposures(
    names: Names,
    footprints: Sequence[np.ndarray],
    observe: Callable[[int], Observation],
    settings: MatchSettings,
    workers: Workers,
    *,
    directory: str | Path,
    held: np.ndarray | None = None,
    image: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> Match:
    """Match exposures.

    Parameters
    ----------
    names : Names
        Names that exposures have in common; n of each.
    footprints : sequence of ndarray, shape (n_corners, 2)
        Corners (x, y) of each exposure on the grid, cells.
    observe : callable
        Takes the position of an exposure, once for each, and returns its `Observation`.
    settings : MatchSettings
        How to match them.
    workers : Workers
        Executor of the tasks: one for each stack, and one for each pair of stacks.
    directory : str or Path
        Directory where means of stacks wait in files until they are compared.
    held : ndarray, shape (n,), optional
        Levels that are constraints, MJy/sr; NaN for others.
    image : callable, optional
        Brightness of a reference image, MJy/sr, at places x and y on the grid; NaN for none.

    Returns
    -------
    Match
        Levels about the mean of each component without a constraint, their errors, and the pairs.
    """
    plan, tiles, pairs = plan_stacks(names.groups, footprints), settings.tiles, settings.pairs
    inside, stacks, exposures = match_stacks(plan, observe, tiles, pairs, workers, Path(directory))
    if settings.rigid:  # exposures with one level measure no difference of levels
        inside = []
    between = compare_stacks(stacks, pairs, workers)
    if image is not None:
        between += compare_with_image(stacks, image, pairs)
    measurements = assemble(len(footprints), inside, stacks, between)
    centres = np.array([*(corners.mean(axis=0) for corners in footprints), np.zeros(2)])
    for stack in stacks:
        centres[list(stack.members)] = [frame.centre for frame in stack.frames]
    single = range(len(footprints))
    unknowns = number_unknowns(
        names.groups if settings.rigid else single,
        names.families,
        names.exposures if settings.tied and not settings.rigid else single,
        centres,
        held,
    )
    known = lyot_variance([exposures[k].steps for k in single], unknowns.family_of)
    return estimate_levels(
        measurements, unknowns, exposures, stacks, known=known, plane_per=settings.plane_per
    )
