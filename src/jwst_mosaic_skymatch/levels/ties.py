"""Components tied to each other by exposures that have detectors in several."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.inverse import LevelCovariance, subtract_means
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.offsets.graph import connected_parts

__all__ = ["TiedLevels", "tie_components", "tie_match"]


@dataclass(frozen=True)
class TiedLevels:
    """Levels after components were tied.

    Attributes
    ----------
    levels : ndarray of float64, shape (n,)
        Levels, MJy/sr, with zero mean over each tied component; NaN where nothing ties one.
    errors : ndarray of float64, shape (n,)
        1-sigma errors of ``levels``, MJy/sr, with those of the ties.
    components : ndarray of int, shape (n,)
        Tied component of each exposure, in the order of first members; -1 for none.
    n_ties : int
        Number of exposures that tie components.
    pedestal_rms : float
        Scatter of the levels of one exposure's detectors, MJy/sr; NaN where there are no more
        detectors than it takes to tie, and ``errors`` are without that of the ties.
    """

    levels: np.ndarray
    errors: np.ndarray
    components: np.ndarray
    n_ties: int
    pedestal_rms: float


def tie_match(
    match: Match, exposures: Sequence[str]
) -> tuple[Match, TiedLevels]:  # numpydoc ignore=PR01,RT01
    """Tie the components of a match, see `tie_components`; it has the tied levels then."""
    tied = tie_components(match.levels, match.level_errors, match.components, exposures)
    return replace(
        match,
        levels=tied.levels,
        level_errors=tied.errors,
        level_noise=np.where(np.isfinite(tied.levels), np.nan_to_num(match.level_noise), np.nan),
        components=tied.components,
        reasons=tuple(
            "" if np.isfinite(level) else reason
            for level, reason in zip(tied.levels, match.reasons, strict=True)
        ),
    ), tied


def tie_components(
    levels: np.ndarray, errors: np.ndarray, components: np.ndarray, exposures: Sequence[str]
) -> TiedLevels:
    r"""Choose the constants of components so that detectors of an exposure agree.

    Parameters
    ----------
    levels, errors : ndarray, shape (n,)
        Level of each detector's image and its 1-sigma error, MJy/sr; NaN for one that overlaps
        no other.
    components : ndarray of int, shape (n,)
        Component of each; -1 where the level is NaN.
    exposures : sequence of str
        Name that the detectors of one exposure share.

    Returns
    -------
    TiedLevels
        The levels; those inside a component move together.

    Notes
    -----
    All detectors of an exposure see one sky :math:`u_x`, through small pedestals of their own.
    With :math:`m_{xa}` the mean level of the :math:`k_{xa}` detectors of exposure x in
    component a, the constants c make :math:`\sum_{xa} k_{xa} (m_{xa} + c_a - u_x)^2` least.
    An image without overlap is a component of its own.
    """
    alone = components < 0
    nodes = components.copy()
    nodes[alone] = components.max(initial=-1) + 1 + np.arange(np.count_nonzero(alone))
    n_nodes = int(nodes.max(initial=-1)) + 1
    found = np.nan_to_num(levels)
    _, exposure = np.unique(list(exposures), return_inverse=True)
    # One cell for each exposure and component it has detectors in.
    keys, cell = np.unique(exposure * n_nodes + nodes, return_inverse=True)
    of_exposure, of_node = keys // n_nodes, keys % n_nodes
    counts = np.bincount(cell)
    means = np.bincount(cell, found) / counts
    ties = np.bincount(of_exposure)[of_exposure] > 1
    if alone.all() or not ties.any():
        return TiedLevels(levels, errors, components, 0, np.nan)
    normal, right = _normal_equations(n_nodes, of_exposure, of_node, counts, means)
    ends = normal.tocoo()
    parts = connected_parts(n_nodes, ends.row, ends.col)
    inverse = LevelCovariance(normal, parts)
    constants = inverse.apply(right)
    # Images that nothing but each other ties have no level either.
    matched = np.isin(parts, parts[nodes[~alone]])
    has_level = matched[nodes]
    joined = np.where(has_level, parts[nodes], -1)
    _, joined[has_level] = np.unique(joined[has_level], return_inverse=True)
    n_constants = n_nodes - parts.max() - 1
    tied_means = means + constants[of_node]
    variance = _pedestal_variance(found, cell, tied_means, of_exposure, counts, n_constants)
    added = np.nan_to_num(variance) * inverse.variances[nodes]
    return TiedLevels(
        levels=np.where(has_level, _centred(found + constants[nodes], joined), np.nan),
        errors=np.where(has_level, np.sqrt(np.nan_to_num(errors) ** 2 + added), np.nan),
        components=_in_order(joined),
        n_ties=int(np.unique(of_exposure[ties]).size),
        pedestal_rms=float(np.sqrt(variance)),
    )


def _normal_equations(
    n_nodes: int,
    of_exposure: np.ndarray,
    of_node: np.ndarray,
    counts: np.ndarray,
    means: np.ndarray,
) -> tuple[sparse.csr_array, np.ndarray]:
    """Eliminate the exposures' levels from the equations for the constants."""
    shape = (int(of_exposure.max()) + 1, n_nodes)
    weights = sparse.coo_array((counts.astype(float), (of_exposure, of_node)), shape=shape).tocsr()
    total = np.asarray(weights.sum(axis=1)).ravel()
    shared = weights.T @ sparse.diags_array(1.0 / total) @ weights
    normal = sparse.diags_array(np.asarray(weights.sum(axis=0)).ravel()) - shared
    mean_of_exposure = np.bincount(of_exposure, counts * means) / total
    right = -np.bincount(of_node, counts * (means - mean_of_exposure[of_exposure]))
    return normal.tocsr(), right


def _pedestal_variance(
    found: np.ndarray,
    cell: np.ndarray,
    means: np.ndarray,
    of_exposure: np.ndarray,
    counts: np.ndarray,
    n_constants: int,
) -> float:
    """Variance of one detector's pedestal, inside components and by ties; NaN if none tells."""
    inside = found - (np.bincount(cell, found) / counts)[cell]
    total = np.bincount(of_exposure, counts)
    between = means - (np.bincount(of_exposure, counts * means) / total)[of_exposure]
    squares = np.sum(inside**2) + np.sum(counts * between**2)
    freedom = found.size - total.size - n_constants
    return float(squares / freedom) if freedom > 0 else np.nan


def _centred(levels: np.ndarray, components: np.ndarray) -> np.ndarray:
    centred = levels.copy()
    placed = components >= 0
    centred[placed] = subtract_means(levels[placed], components[placed])
    return centred


def _in_order(components: np.ndarray) -> np.ndarray:
    """Number components in the order of their first member."""
    placed = components >= 0
    _, start, inverse = np.unique(components[placed], return_index=True, return_inverse=True)
    ordered = components.copy()
    ordered[placed] = np.argsort(np.argsort(start))[inverse]
    return ordered
