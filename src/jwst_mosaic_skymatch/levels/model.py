"""The model of all pairs: its random effects, their variances, and its equations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components

from jwst_mosaic_skymatch.levels.equations import (
    EFFECTS,
    PEDESTAL,
    Equations,
    Unknowns,
    build_equations,
    incidence,
)
from jwst_mosaic_skymatch.levels.measurements import Measurements
from jwst_mosaic_skymatch.levels.solve import MISFIT, solve
from jwst_mosaic_skymatch.levels.structure import structure_variances
from jwst_mosaic_skymatch.levels.variances import estimate_variances
from jwst_mosaic_skymatch.offsets.results import PairMeasurement

__all__ = ["Model", "select_model"]

# Largest number of exposures that variances are estimated from: the likelihood is evaluated a
# hundred times, and 400 exposures estimate a standard deviation to 4 %.
LARGEST_SAMPLE = 400

# Pairs, their shares, the variances of their offsets and trends, and the unknowns.
_Problem = tuple[Sequence[PairMeasurement], sparse.csr_array, np.ndarray, Unknowns]


@dataclass(frozen=True)
class Model:
    """Equations, and the variances of the random effects in them.

    Attributes
    ----------
    equations : Equations
        The equations of all pairs.
    variances : mapping of str to float
        Variance of each effect in the model.
    own_variances : ndarray, shape (n_pairs,)
        Variance of each offset by itself, whatever noise pairs share, (MJy/sr)^2.
    has_structure : bool
        Whether backgrounds have structure beside noise.
    """

    equations: Equations
    variances: Mapping[str, float]
    own_variances: np.ndarray
    has_structure: bool


def select_model(
    measurements: Measurements,
    unknowns: Unknowns,
    *,
    biases: np.ndarray | float = 0.0,
    effects: tuple[str, ...] = (*EFFECTS, MISFIT),
    detrended: bool = True,
) -> Model:
    """Select random effects, estimate their variances, and build the equations.

    Parameters
    ----------
    measurements : Measurements
        Pairs of n images.
    unknowns : Unknowns
        Images and their unknowns.
    biases : ndarray, shape (n,), optional
        1-sigma errors of images beside noise, MJy/sr.
    effects : tuple of str, optional
        Effects that may be part of the model.
    detrended : bool, optional
        Whether structure is measured without the gradients of pairs.

    Returns
    -------
    Model
        The model.
    """
    pairs, squares = measurements.pairs, measurements.shares.power(2)
    structure, factor = structure_variances(
        pairs, squares.sum(axis=1), measurements.outside, detrended=detrended
    ).T
    noise = np.array([pair.variance for pair in pairs])
    beside = structure + squares @ np.broadcast_to(np.square(biases), squares.shape[1])
    variances = beside + noise / measurements.ratios
    variances = np.stack([variances, factor / measurements.ratios], axis=1)
    whole = pairs, measurements.shares, variances, unknowns
    sample = _connected_sample(whole)
    equations = _equations(sample, with_gains="gain" in effects)
    striped = bool(pairs) and bool(np.median(structure) > 0.0)
    of_effects = estimate_variances(equations, effects, striped=striped)
    if sample is not whole:
        equations = _equations(whole, with_gains="gain" in of_effects)
    # The equations add the rounding of the data to each variance.
    own = equations.sigmas**2 - variances[:, 0] + beside + noise
    return Model(equations, of_effects, own, bool(structure.any()))


def _equations(problem: _Problem, *, with_gains: bool) -> Equations:
    """Build equations; brightness that gains act on excludes the levels."""
    equations = build_equations(*problem)
    if not with_gains:
        return equations
    fit = solve(equations, {PEDESTAL: 1.0} if equations.tie_rank else {})
    levels, parts = fit.unknowns[problem[3].level_of], equations.parts
    # About the mean of each component, whichever of its levels was fixed.
    levels -= (np.bincount(parts, levels) / np.bincount(parts))[parts]
    return build_equations(*problem, levels)


def _connected_sample(whole: _Problem) -> _Problem:
    """Choose images by their distance in the graph from one of them, if there are too many."""
    pairs, shares, variances, unknowns = whole
    free = np.isnan(unknowns.held)
    if np.count_nonzero(free) <= LARGEST_SAMPLE:
        return whole
    edges = incidence(shares, unknowns).tocsr() @ sparse.diags_array(free.astype(float))
    graph = edges.T @ edges
    parts = connected_components(graph, directed=False)[1]
    tied = free & (np.bincount(unknowns.exposure_of)[unknowns.exposure_of] > 1)
    # The first image of the largest component, if possible of one with ties.
    start = np.argmax(np.bincount(parts)[parts] + len(parts) * tied)
    order = breadth_first_order(graph, start, directed=False, return_predecessors=False)
    inside = np.zeros(len(free))
    inside[order[:LARGEST_SAMPLE]] = 1.0
    rows = (abs(shares) @ inside > 0) & (abs(shares) @ (free * (1.0 - inside)) == 0)
    columns = np.unique(shares[rows].indices)
    numbers = unknowns.level_of, unknowns.family_of, unknowns.exposure_of
    level_of, family_of, exposure_of = (
        np.unique(number[columns], return_inverse=True)[1] for number in numbers
    )
    return (
        [pairs[k] for k in np.flatnonzero(rows).tolist()],
        shares[rows][:, columns],
        variances[rows],
        Unknowns(
            level_of, family_of, exposure_of, unknowns.centres[columns], unknowns.held[columns]
        ),
    )
