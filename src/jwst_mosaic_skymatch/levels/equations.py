r"""The linear mixed model of all pairs: its design matrix and its values.

.. math:: y = X b + U u + e, \quad u \sim N(0, \Theta), \quad e \sim N(0, R)

Rows are the measurements of pairs, divided by their errors: all offsets, then the trends of each
pair. One row for the prior of each unknown follows: a measurement of zero with the standard
deviation in :math:`\Theta`.

The centre of a pair has the shares f, the position P, the brightness S of each of its sides and the
region shares :math:`\phi`. The offset of the pair is
:math:`\sum_k f_k (b_k + g_k \cdot (P - c_k) + \gamma_k S_k) + \sum_r c_r \phi_r`. Its gradient,
gain and contrasts are :math:`\sum_k f_k g_k`, :math:`\sum_k f_k \gamma_k` and :math:`c_r`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from jwst_mosaic_skymatch.levels.matrices import sparse_matrix
from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.tiles.frame import REGIONS

__all__ = [
    "EFFECTS",
    "PEDESTAL",
    "Equations",
    "Unknowns",
    "build_equations",
    "detectors_of",
    "number_unknowns",
]

#: Pedestals of the detectors of an exposure: a prior of the differences of their levels.
PEDESTAL = "pedestal"
#: Random effects in the order of their columns: gradients of the exposures of a detector in a
#: visit, gradients and gains of exposures, contrast of MIRI's Lyot field, and glow at each edge of
#: a detector, of which the exposures have a part in common and one of their own.
EFFECTS = ("visit gradient", "exposure gradient", "gain", *REGIONS)

# Offset and shift, which is no unknown of the model, precede the trends of a pair.
FIRST_TREND = 3
# Data without noise are known to the rounding of single precision.
ROUNDING = float(np.finfo(np.float32).eps)
# Trends without noise must not be known exactly either.
LEAST_TREND_VARIANCE = 1e-24


@dataclass(frozen=True)
class Unknowns:
    """Images and their unknowns.

    Attributes
    ----------
    level_of : ndarray of int, shape (n,)
        Number of the level of each image; images may share one.
    family_of : ndarray of int, shape (n,)
        Number of the visit and detector of each image.
    exposure_of : ndarray of int, shape (n,)
        Number of the exposure that each detector's image is a part of; all different for no ties.
    centres : ndarray, shape (n, 2)
        Place (x, y) on the grid, cells, of the mean good pixel of each image.
    held : ndarray, shape (n,)
        Level of images that are constraints, MJy/sr; NaN for others.
    """

    level_of: np.ndarray
    family_of: np.ndarray
    exposure_of: np.ndarray
    centres: np.ndarray
    held: np.ndarray


def number_unknowns(
    levels: Sequence[str | int],
    families: Sequence[str],
    exposures: Sequence[str | int],
    centres: np.ndarray,
    held: np.ndarray | None = None,
) -> Unknowns:
    """Number the unknowns of n exposures, and of a reference image after them.

    Parameters
    ----------
    levels : sequence of str or int
        Name of the level of each exposure.
    families : sequence of str
        Visit and detector of each exposure.
    exposures : sequence of str or int
        Exposure that each detector's image is a part of; all different for no ties.
    centres : ndarray, shape (n + 1, 2)
        Place (x, y) of exposures, and of the image, on the grid, cells.
    held : ndarray, shape (n,), optional
        Levels that are constraints, MJy/sr; NaN for others. That of the image is zero.

    Returns
    -------
    Unknowns
        The unknowns.
    """
    n = len(families)

    def numbers(names: Sequence[str | int]) -> np.ndarray:
        number = np.unique(list(names), return_inverse=True)[1]
        return np.append(number, number.max() + 1)

    return Unknowns(
        level_of=numbers(levels),
        family_of=numbers(families),
        exposure_of=numbers(exposures),
        centres=centres,
        held=np.append(np.full(n, np.nan) if held is None else held, 0.0),
    )


@dataclass(frozen=True)
class Equations:
    """Equations of all pairs, divided by their errors, and of the priors.

    Attributes
    ----------
    design : sparse array, shape (n_measured + n_columns, n_columns)
        Levels first, then the random effects. The first rows are the offsets of the n_pairs pairs;
        rows of the priors, the last ones, have unit variance.
    values : ndarray, shape (n_measured + n_columns,)
        The measurements minus what fixed levels contribute to them, and the same of the priors.
    sigmas : ndarray, shape (n_pairs,)
        Errors that the offsets were divided by, MJy/sr.
    columns : mapping of str to slice
        Columns of levels, as those of `PEDESTAL`, and of each random effect.
    fixed : ndarray, shape (n_columns,)
        Levels that are no unknowns, MJy/sr: those held, and zero for one in each component
        without any; NaN for all others.
    components : ndarray of int, shape (n,)
        Component of each image: pairs, exposures and common levels connect its members. -1 for one
        without a pair or a held level in its component.
    tie_rank : int
        Number of independent differences of levels within exposures.
    """

    design: sparse.csc_array
    values: np.ndarray
    sigmas: np.ndarray
    columns: Mapping[str, slice]
    fixed: np.ndarray
    components: np.ndarray
    tie_rank: int

    @property
    def n_measured(self) -> int:
        """Number of measured rows."""
        return self.design.shape[0] - self.design.shape[1]

    @property
    def offsets(self) -> sparse.csr_array:
        """Rows of the offsets in units of the measurements, (n_pairs, n_columns)."""
        return sparse.diags_array(self.sigmas) @ self.design.tocsr()[: len(self.sigmas)]


def build_equations(
    pairs: Sequence[PairMeasurement],
    shares: sparse.csr_array,
    variances: np.ndarray,
    unknowns: Unknowns,
) -> Equations:
    """Build the design matrix.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        The measurements.
    shares : sparse array, shape (n_pairs, n)
        Share of each image in each pair, see `Measurements`.
    variances : ndarray, shape (n_pairs, 2)
        Variance of each offset, (MJy/sr)^2, and factor on the covariance of its trends.
    unknowns : Unknowns
        Images and their unknowns.

    Returns
    -------
    Equations
        The equations.
    """
    centres = np.array([pair.centre[2:5] for pair in pairs]).reshape(-1, 3)
    offsets = np.array([pair.offset for pair in pairs])
    whitening, sigmas = _whitening(pairs, variances)
    effects, columns = _design(pairs, shares, centres, offsets, unknowns)
    ties, n_columns = _ties(unknowns), effects.shape[1]
    n_effects = n_columns - ties.shape[0]
    prior = sparse.block_diag([ties, sparse.eye_array(n_effects)])
    design = sparse.vstack([whitening @ effects, prior], format="csc")
    components = _connected_images(shares, unknowns)
    fixed = np.append(_fixed_levels(components, unknowns), np.full(n_effects, np.nan))
    trends = [pair.estimate[FIRST_TREND:] for pair in pairs]
    measured = np.concatenate([offsets, *trends])
    values = np.append(whitening @ measured, np.zeros(n_columns))
    return Equations(
        design=design,
        values=values - design @ np.nan_to_num(fixed),
        sigmas=sigmas,
        columns=columns,
        fixed=fixed,
        components=components,
        tie_rank=round(ties.trace()),
    )


def _connected_images(shares: sparse.csr_array, unknowns: Unknowns) -> np.ndarray:
    """Number the components of images that pairs, exposures and common levels connect."""
    links = [shares, _membership(unknowns.exposure_of), _membership(unknowns.level_of)]
    graph = abs(sparse.vstack(links))
    parts = connected_components(graph.T @ graph, directed=False)[1]
    measured = np.isfinite(unknowns.held)
    measured[shares.indices] = True
    numbers = np.unique(parts[measured])
    return np.where(np.isin(parts, numbers), np.searchsorted(numbers, parts), -1)


def _membership(numbers: np.ndarray) -> sparse.csr_array:
    """Build the matrix that adds up the images of each number."""
    n = len(numbers)
    return sparse_matrix((int(numbers.max()) + 1, n), numbers, np.arange(n))


def _fixed_levels(components: np.ndarray, unknowns: Unknowns) -> np.ndarray:
    """Give the levels that are held, and zero for one of each component without any."""
    fixed = np.full(int(unknowns.level_of.max()) + 1, np.nan)
    fixed[unknowns.level_of[components < 0]] = 0.0
    held_first = np.argsort(np.isnan(unknowns.held), kind="stable")
    first = held_first[np.unique(components[held_first], return_index=True)[1]]
    fixed[unknowns.level_of[first]] = 0.0
    held = np.isfinite(unknowns.held)
    fixed[unknowns.level_of[held]] = unknowns.held[held]
    return fixed


def _design(
    pairs: Sequence[PairMeasurement],
    shares: sparse.csr_array,
    centres: np.ndarray,
    offsets: np.ndarray,
    unknowns: Unknowns,
) -> tuple[sparse.csr_array, dict[str, slice]]:
    """Build the matrix of all measurements, and give the columns of levels and of each effect."""
    n, detectors = shares.shape[1], detectors_of(pairs)
    n_levels, n_families = (int(k.max()) + 1 for k in (unknowns.level_of, unknowns.family_of))
    sizes = [n_levels, 2 * n_families, 2 * n, n, *[len(detectors) + n] * len(REGIONS)]
    ends = np.cumsum([0, *sizes]).tolist()
    columns = dict(zip((PEDESTAL, *EFFECTS), map(slice, ends[:-1], ends[1:]), strict=True))
    # All offsets precede the trends, which are in the order of the pairs.
    n_trends = np.array([len(pair.estimate) - FIRST_TREND for pair in pairs], dtype=int)
    first = len(pairs) + np.cumsum(n_trends) - n_trends
    row, image, share = sparse.find(shares)
    entries = [(row, unknowns.level_of[image], share)]
    levers = centres[row]
    levers[:, :2] -= unknowns.centres[image]
    # Gains act on all light of an image, which differs from the mean of both by half the offset.
    levers[:, 2] += 0.5 * np.sign(share) * offsets[row]
    family = unknowns.family_of[image]
    for name, trend, column in (
        ("visit gradient", 0, family),
        ("visit gradient", 1, n_families + family),
        ("exposure gradient", 0, image),
        ("exposure gradient", 1, n + image),
        ("gain", 2, image),
    ):
        own = columns[name].start + column
        entries += [(row, own, share * levers[:, trend]), (first[row] + trend, own, share)]
    for k, pair in enumerate(pairs):
        inside = slice(*shares.indptr[k : k + 2])
        members, parts = shares.indices[inside], shares.data[inside]
        for trend, (region, phi) in enumerate(zip(pair.regions, pair.centre[5:], strict=True), 3):
            is_own = parts * region.side > 0.0
            own = np.append(detectors.index(region.detector), len(detectors) + members[is_own])
            own += columns[region.name].start
            amount = np.append(1.0, np.abs(parts[is_own]))
            entries += [(k, own, amount * phi), (first[k] + trend, own, amount)]
    equal = [np.broadcast_arrays(*entry) for entry in entries]
    rows, own, values = map(np.concatenate, zip(*equal, strict=True))
    shape = len(pairs) + int(n_trends.sum()), ends[-1]
    return sparse_matrix(shape, rows, own, values), columns


def detectors_of(pairs: Sequence[PairMeasurement]) -> list[str]:
    """List the detectors with regions in the order of their columns.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        The pairs.

    Returns
    -------
    list of str
        Names of the detectors.
    """
    return sorted({region.detector for pair in pairs for region in pair.regions})


def _whitening(
    pairs: Sequence[PairMeasurement], variances: np.ndarray
) -> tuple[sparse.csr_array, np.ndarray]:
    """Build the block diagonal matrix that divides offsets, then trends, by their errors."""
    largest = max((abs(pair.offset) for pair in pairs), default=0.0) or 1.0
    sigmas = np.sqrt(variances[:, 0] + (ROUNDING * largest) ** 2)
    roots = [
        _inverse_root(factor * pair.covariance[FIRST_TREND:, FIRST_TREND:])
        for pair, factor in zip(pairs, variances[:, 1], strict=True)
    ]
    matrix = sparse.block_diag([sparse.diags_array(1.0 / sigmas), *roots], format="csr")
    matrix.eliminate_zeros()
    return matrix, sigmas


def _inverse_root(covariance: np.ndarray) -> np.ndarray:
    """Give a matrix W with W C W^T = 1; no combination is known better than a billionth."""
    scale = np.sqrt(np.maximum(np.diag(covariance), LEAST_TREND_VARIANCE))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    return (vectors / np.sqrt(np.maximum(values, 1e-9))).T / scale


def _ties(unknowns: Unknowns) -> sparse.csr_array:
    """Build I - 1 1^T / k over the levels of the k detectors of each exposure."""
    members, levels = _membership(unknowns.exposure_of), _membership(unknowns.level_of)
    means = members.T @ sparse.diags_array(1.0 / members.sum(axis=1)) @ members
    return levels @ (sparse.eye_array(levels.shape[1]) - means) @ levels.T
