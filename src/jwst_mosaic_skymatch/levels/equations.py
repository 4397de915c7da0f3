r"""The linear mixed model of all pairs: its design matrix and its values.

.. math:: y = X b + U u + e, \quad u \sim N(0, \Theta), \quad e \sim N(0, R)

Rows are the measurements of pairs, divided by their errors. One row for the prior of each unknown
follows: a measurement of zero with the standard deviation in :math:`\Theta`.

The centre of a pair has the shares f, the position P, the brightness S and the region shares
:math:`\phi`. The offset of the pair is
:math:`\sum_k f_k (b_k + g_k \cdot (P - c_k) + \gamma_k S) + \sum_r c_r \phi_r`. Its gradient,
gain and contrasts are :math:`\sum_k f_k g_k`, :math:`\sum_k f_k \gamma_k` and :math:`c_r`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.matrices import sparse_matrix
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.tiles.frame import REGIONS

__all__ = [
    "EFFECTS",
    "PEDESTAL",
    "Equations",
    "Unknowns",
    "build_equations",
    "detectors_of",
    "incidence",
    "number_unknowns",
]

#: Random effects in the order of their columns: gradients of the exposures of a detector in a
#: visit, gradients and gains of exposures, contrast of MIRI's Lyot field, and glow at each edge of
#: a detector, of which the exposures have a part in common and one of their own.
EFFECTS = ("visit gradient", "exposure gradient", "gain", *REGIONS)
#: Pedestals of the detectors of an exposure: a prior of the differences of their levels.
PEDESTAL = "pedestal"

# Data without noise are known to the rounding of single precision.
ROUNDING = float(np.finfo(np.float32).eps)
# Trends without noise must not be known exactly either.
LEAST_VARIANCE = 1e-24


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
    levels: Sequence[str] | None,
    families: Sequence[str],
    exposures: Sequence[str] | None,
    centres: Mapping[int, np.ndarray],
    held: np.ndarray | None = None,
) -> Unknowns:
    """Number the unknowns of n exposures, and of a reference image after them.

    Parameters
    ----------
    levels : sequence of str or None
        Name of the level of each exposure; None for a level each.
    families : sequence of str
        Visit and detector of each exposure.
    exposures : sequence of str or None
        Exposure that each detector's image is a part of; None for no ties.
    centres : mapping of int to ndarray
        Place (x, y) of exposures on the grid, cells.
    held : ndarray, shape (n,), optional
        Levels that are constraints, MJy/sr; NaN for others. That of the image is zero.

    Returns
    -------
    Unknowns
        The unknowns.
    """
    n = len(families)

    def numbers(names: Sequence[str] | None) -> np.ndarray:
        number = np.arange(n) if names is None else np.unique(list(names), return_inverse=True)[1]
        return np.append(number, number.max() + 1)

    places = np.zeros((n + 1, 2))
    for position, centre in centres.items():
        places[position] = centre
    return Unknowns(
        level_of=numbers(levels),
        family_of=numbers(families),
        exposure_of=numbers(exposures),
        centres=places,
        held=np.append(np.full(n, np.nan) if held is None else held, 0.0),
    )


@dataclass(frozen=True)
class Equations:
    """Equations of all pairs, divided by their errors, and of the priors.

    Attributes
    ----------
    design : sparse array, shape (n_measured + n_columns, n_columns)
        Levels first, then the random effects. Rows of the priors have unit variance.
    values : ndarray, shape (n_measured + n_columns,)
        The measurements minus what fixed levels contribute to them, and the same of the priors.
    offset_rows : ndarray of int, shape (n_pairs,)
        Rows of the offsets; other measured rows are trends.
    sigmas : ndarray, shape (n_pairs,)
        Errors that the offsets were divided by, MJy/sr.
    columns : mapping of str to slice
        Columns of levels, as those of `PEDESTAL`, and of each random effect.
    fixed : ndarray, shape (n_columns,)
        Levels that are no unknowns, MJy/sr: those held, and zero for one in each component
        without any; NaN for all others.
    parts : ndarray of int, shape (n,)
        Component of each image, by pairs and ties.
    tie_rank : int
        Number of independent differences of levels within exposures.
    """

    design: sparse.csc_array
    values: np.ndarray
    offset_rows: np.ndarray
    sigmas: np.ndarray
    columns: Mapping[str, slice]
    fixed: np.ndarray
    parts: np.ndarray
    tie_rank: int

    @property
    def n_measured(self) -> int:
        """Number of measured rows."""
        return self.design.shape[0] - self.design.shape[1]

    def measured(self, name: str) -> sparse.csc_array:
        """Give the measured rows of some columns.

        Parameters
        ----------
        name : str
            The effect, or `PEDESTAL` for the levels.

        Returns
        -------
        sparse array, shape (n_measured, k)
            The rows.
        """
        return self.design[: self.n_measured, self.columns[name]]

    @property
    def offsets(self) -> sparse.csr_array:
        """Rows of the offsets in units of the measurements, (n_pairs, n_columns)."""
        return sparse.diags_array(self.sigmas) @ self.design.tocsr()[self.offset_rows]


def build_equations(
    pairs: Sequence[PairMeasurement],
    shares: sparse.csr_array,
    variances: np.ndarray,
    unknowns: Unknowns,
    levels: np.ndarray | None = None,
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
    levels : ndarray, shape (n,), optional
        Approximate levels of the images, MJy/sr, which are subtracted from the brightness under
        gains. Half of a level difference of 1 MJy/sr under a gain of 0.5 % is ten times the noise
        of an offset.

    Returns
    -------
    Equations
        The equations.
    """
    starts = np.cumsum([0, *(pair.estimate.size for pair in pairs)])
    centres = np.array([pair.centre[:3] for pair in pairs]).reshape(-1, 3)
    if levels is not None:
        centres[:, 2] -= 0.5 * (abs(shares) @ levels)
    blocks = {
        **_image_columns(shares, starts, centres, unknowns),
        **_region_columns(pairs, shares, starts),
    }
    ends = np.cumsum([0, *(block.shape[1] for block in blocks.values())]).tolist()
    columns = dict(zip(blocks, map(slice, ends[:-1], ends[1:]), strict=True))
    whitening, sigmas = _whitening(pairs, variances)
    ties = _ties(unknowns)
    prior = sparse.block_diag([ties, sparse.eye_array(ends[-1] - ends[1])])
    design = sparse.vstack(
        [whitening @ sparse.hstack(list(blocks.values()), format="csr"), prior], format="csc"
    )
    parts, fixed = _fixed_levels(shares, unknowns, ends[-1])
    measured = np.concatenate([pair.estimate for pair in pairs] or [np.zeros(0)])
    values = np.append(whitening @ measured, np.zeros(ends[-1]))
    return Equations(
        design=design,
        values=values - design @ np.nan_to_num(fixed),
        offset_rows=starts[:-1],
        sigmas=sigmas,
        columns=columns,
        fixed=fixed,
        parts=parts,
        tie_rank=round(ties.trace()),
    )


def incidence(shares: sparse.csr_array, unknowns: Unknowns) -> sparse.coo_array:
    """Build the matrix whose rows connect images: by a pair, an exposure, or a common level.

    Parameters
    ----------
    shares : sparse array, shape (n_pairs, n)
        Share of each image in each pair.
    unknowns : Unknowns
        Images and their unknowns.

    Returns
    -------
    sparse array, shape (n_rows, n)
        Nonzero for images that are connected.
    """
    ties, levels = _membership(unknowns.exposure_of), _membership(unknowns.level_of)
    return sparse.vstack([abs(shares), ties, levels], format="coo")


def _membership(numbers: np.ndarray) -> sparse.csr_array:
    n = len(numbers)
    return sparse_matrix((int(numbers.max()) + 1, n), numbers, np.arange(n))


def _fixed_levels(
    shares: sparse.csr_array, unknowns: Unknowns, n_columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Number the components of images, and fix the levels that are held, or one of each other."""
    edges, n = incidence(shares, unknowns), shares.shape[1]
    parts = connected_parts(n + edges.shape[0], edges.row + n, edges.col)[:n]
    held = np.isfinite(unknowns.held)
    first = np.unique(parts, return_index=True)[1]
    fixed = np.full(n_columns, np.nan)
    fixed[unknowns.level_of[first[~np.isin(parts[first], parts[held])]]] = 0.0
    fixed[unknowns.level_of[held]] = unknowns.held[held]
    return parts, fixed


def _image_columns(
    shares: sparse.csr_array, starts: np.ndarray, centres: np.ndarray, unknowns: Unknowns
) -> dict[str, sparse.csr_array]:
    """Build the columns of levels, gradients and gains, in the units of the measurements."""
    entries = shares.tocoo()
    image, share, row = entries.col, entries.data, starts[entries.row]
    place = centres[entries.row]
    levers = np.append(place[:, :2] - unknowns.centres[image], place[:, 2:], axis=1)
    n_rows = int(starts[-1])

    def trend(number: np.ndarray, axes: Sequence[int]) -> sparse.csr_array:
        """Build the columns of one trend of an image: its part in offsets, and in the trend."""
        size = int(number.max()) + 1
        blocks = [
            sparse_matrix(
                (n_rows, size),
                [row, row + 1 + axis],
                number[image],
                [share * levers[:, axis], share],
            )
            for axis in axes
        ]
        return sparse.hstack(blocks, format="csr")

    n_levels, images = int(unknowns.level_of.max()) + 1, np.arange(len(unknowns.level_of))
    return {
        PEDESTAL: sparse_matrix((n_rows, n_levels), row, unknowns.level_of[image], share),
        "visit gradient": trend(unknowns.family_of, (0, 1)),
        "exposure gradient": trend(images, (0, 1)),
        "gain": trend(images, (2,)),
    }


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


def _region_columns(
    pairs: Sequence[PairMeasurement], shares: sparse.csr_array, starts: np.ndarray
) -> dict[str, sparse.csr_array]:
    """Build the columns of each region: its contrasts in detectors, then in exposures."""
    detectors = detectors_of(pairs)
    entries: dict[str, list[tuple[float, ...]]] = {name: [] for name in REGIONS}
    for number, (pair, start) in enumerate(zip(pairs, starts, strict=False)):
        members = slice(*shares.indptr[number : number + 2])
        images, parts = shares.indices[members], shares.data[members]
        for k, region in enumerate(pair.regions):
            columns = [(detectors.index(region.detector), 1.0)]
            if region.side is not None:
                of_side = parts < 0 if region.side else parts > 0
                columns += zip(images[of_side] + len(detectors), abs(parts[of_side]), strict=True)
            for column, part in columns:
                entries[region.name] += [
                    (start, column, part * pair.centre[3 + k]),
                    (start + 4 + k, column, part),
                ]
    shape = (int(starts[-1]), len(detectors) + shares.shape[1])
    return {
        name: sparse_matrix(shape, *np.array(own, dtype=float).reshape(-1, 3).T)
        for name, own in entries.items()
    }


def _whitening(
    pairs: Sequence[PairMeasurement], variances: np.ndarray
) -> tuple[sparse.csr_array, np.ndarray]:
    """Build the block diagonal matrix that divides measurements by their errors."""
    if not pairs:
        return sparse.csr_array((0, 0)), np.zeros(0)
    largest = max(abs(pair.offset) for pair in pairs) or 1.0
    sigmas = np.sqrt(variances[:, 0] + (ROUNDING * largest) ** 2)
    blocks = []
    for pair, sigma, factor in zip(pairs, sigmas, variances[:, 1], strict=True):
        blocks += [np.array([[1.0 / sigma]]), _inverse_root(factor * pair.covariance[1:, 1:])]
    matrix = sparse.block_diag(blocks, format="csr")
    matrix.eliminate_zeros()
    return matrix, sigmas


def _inverse_root(covariance: np.ndarray) -> np.ndarray:
    """Give a matrix W with W C W^T = 1; no combination is known better than a billionth."""
    scale = np.sqrt(np.maximum(np.diag(covariance), LEAST_VARIANCE))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    return (vectors / np.sqrt(np.maximum(values, 1e-9))).T / scale


def _ties(unknowns: Unknowns) -> sparse.csr_array:
    """Build I - 1 1^T / k over the levels of the k detectors of each exposure."""
    members, levels = _membership(unknowns.exposure_of), _membership(unknowns.level_of)
    means = members.T @ sparse.diags_array(1.0 / members.sum(axis=1)) @ members
    return levels @ (sparse.eye_array(levels.shape[1]) - means) @ levels.T
