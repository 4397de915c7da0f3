r"""The linear mixed model of all pairs: its design matrix, its values, its errors.

.. math:: y = X b + U u + e, \quad u \sim N(0, \Theta), \quad e \sim N(0, R)

Rows are the measurements of pairs, divided by their errors; columns are the levels b and the
random effects u.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.measure import PairMeasurement
from jwst_mosaic_skymatch.tiles.regions import REGIONS

__all__ = ["EFFECTS", "Equations", "Unknowns", "build_equations", "detectors_of"]

#: Random effects in the order of their columns: gradients of the exposures of a detector in a
#: visit, gradients and gains of exposures, contrast of MIRI's Lyot field, and glow at each edge of
#: a detector, of which the exposures have a part in common and one of their own. Pedestals of the
#: detectors of an exposure have no columns: they are a prior of the levels.
EFFECTS = ("visit gradient", "exposure gradient", "gain", *REGIONS)

# Data without noise are known to the rounding of single precision.
ROUNDING = float(np.finfo(np.float32).eps)
# Trends without noise must not be known exactly either.
LEAST_VARIANCE = 1e-24

# Rows, columns and values of the elements of a matrix.
_Terms = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Unknowns:
    """Exposures and their unknowns.

    Attributes
    ----------
    level_of : ndarray of int, shape (n,)
        Number of the level of each exposure; exposures may share one.
    family_of : ndarray of int, shape (n,)
        Number of the visit and detector of each exposure.
    exposure_of : ndarray of int, shape (n,)
        Number of the exposure that each detector's image is a part of; all different for no ties.
    centres : ndarray, shape (n, 2)
        Place (x, y) on the grid, cells, of the mean good pixel of each exposure.
    held : ndarray, shape (n,)
        Level of exposures that are constraints, MJy/sr; NaN for others.
    """

    level_of: np.ndarray
    family_of: np.ndarray
    exposure_of: np.ndarray
    centres: np.ndarray
    held: np.ndarray


@dataclass(frozen=True)
class Equations:
    """Equations of all pairs, divided by their errors.

    Attributes
    ----------
    design : sparse array, shape (n_rows, n_columns)
        Levels first, then the random effects.
    values : ndarray, shape (n_rows,)
        The measurements.
    offset_rows : ndarray of int, shape (n_pairs,)
        Rows of the offsets; the others are trends.
    sigmas : ndarray, shape (n_pairs,)
        Errors that the offsets were divided by, MJy/sr.
    columns : mapping of str to slice
        Columns of each random effect.
    parts : ndarray of int, shape (n_levels,)
        Component of each level, by pairs and ties.
    ties : sparse array, shape (n_levels, n_levels)
        Precision of the levels by pedestals of unit variance.
    regions : tuple of str
        Detector and region of each contrast that exposures have in common.
    """

    design: sparse.csr_array
    values: np.ndarray
    offset_rows: np.ndarray
    sigmas: np.ndarray
    columns: Mapping[str, slice]
    parts: np.ndarray
    ties: sparse.csr_array
    held: np.ndarray

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return len(self.parts)


def build_equations(
    pairs: Sequence[PairMeasurement],
    shares: sparse.csr_array,
    variances: np.ndarray,
    unknowns: Unknowns,
    levels: np.ndarray | None = None,
) -> Equations:
    r"""Build the design matrix.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        The measurements.
    shares : sparse array, shape (n_pairs, n)
        Share of each exposure in each pair: +1 and -1 for a pair of two, and for means the shares
        of the members in the overlap, negative on the second side.
    variances : ndarray, shape (n_pairs, 2)
        Variance of each offset, (MJy/sr)^2, and factor on the covariance of its trends.
    unknowns : Unknowns
        Exposures and their unknowns.
    levels : ndarray, shape (n,), optional
        Approximate levels of the exposures, MJy/sr. They are subtracted from the brightness that
        gains act on: half of a level difference of 1 MJy/sr under a gain of 0.5 % is ten times the
        noise of an offset.

    Returns
    -------
    Equations
        The equations.

    Notes
    -----
    With shares f, place P, brightness S and region shares :math:`\phi` of the centre of a pair,
    its offset is :math:`\sum_k f_k (b_k + g_k \cdot (P - c_k) + \gamma_k S) + \sum_r c_r \phi_r`;
    its gradient, gain and contrasts are :math:`\sum_k f_k g_k`, :math:`\sum_k f_k \gamma_k`
    and :math:`c_r`.
    """
    starts = np.cumsum([0, *(pair.estimate.size for pair in pairs)])
    centres = np.array([pair.centre[:3] for pair in pairs]).reshape(-1, 3)
    if levels is not None:
        centres[:, 2] -= 0.5 * (abs(shares) @ levels)
    design, columns = _design(pairs, shares, starts, centres, unknowns)
    whitening, sigmas = _whitening(pairs, variances, starts)
    entries = shares.tocoo()
    level = unknowns.level_of
    n_levels = int(level.max()) + 1
    ties = _ties(unknowns, n_levels).tocoo()
    ends = np.concatenate([[entries.row + n_levels, level[entries.col]], [ties.row, ties.col]], 1)
    parts = connected_parts(n_levels + len(pairs), *ends)[:n_levels]
    held = np.full(n_levels, np.nan)
    known = np.isfinite(unknowns.held)
    held[level[known]] = unknowns.held[known]
    design = (whitening @ design).tocsr()
    values = whitening @ np.concatenate([pair.estimate for pair in pairs] or [np.zeros(0)])
    return Equations(
        design=design,
        values=values - design[:, :n_levels] @ np.nan_to_num(held),
        offset_rows=starts[:-1],
        sigmas=sigmas,
        columns=columns,
        parts=np.unique(parts, return_inverse=True)[1],
        ties=ties.tocsr(),
        held=held,
    )


def _design(
    pairs: Sequence[PairMeasurement],
    shares: sparse.csr_array,
    starts: np.ndarray,
    centres: np.ndarray,
    unknowns: Unknowns,
) -> tuple[sparse.csr_array, dict[str, slice]]:
    """Build the columns of all unknowns, in the units of the measurements."""
    entries = shares.tocoo()
    pair, image, share = entries.row, entries.col, entries.data
    row = starts[pair]
    centre = centres[pair]
    lever = share[:, None] * (centre[:, :2] - unknowns.centres[image])
    n = len(unknowns.level_of)
    n_families = int(unknowns.family_of.max()) + 1
    shape = int(starts[-1])

    def block(
        n_columns: int, *terms: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> sparse.coo_array:
        rows, columns, values = (np.concatenate(part) for part in zip(*terms, strict=True))
        return sparse.coo_array((values, (rows, columns)), shape=(shape, n_columns))

    def gradient(member: np.ndarray, size: int) -> sparse.coo_array:
        return block(
            2 * size,
            *((row, axis * size + member, lever[:, axis]) for axis in (0, 1)),
            *((row + 1 + axis, axis * size + member, share) for axis in (0, 1)),
        )

    blocks = {
        "level": block(int(unknowns.level_of.max()) + 1, (row, unknowns.level_of[image], share)),
        "visit gradient": gradient(unknowns.family_of[image], n_families),
        "exposure gradient": gradient(image, n),
        "gain": block(n, (row, image, share * centre[:, 2]), (row + 3, image, share)),
    }
    for name, (size, terms) in _region_terms(pairs, shares, starts).items():
        blocks[name] = block(size, terms)
    ends = np.cumsum([0, *(b.shape[1] for b in blocks.values())]).tolist()
    columns = {name: slice(a, b) for name, a, b in zip(blocks, ends[:-1], ends[1:], strict=True)}
    return sparse.hstack(list(blocks.values()), format="csr"), columns


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


def _region_terms(
    pairs: Sequence[PairMeasurement], shares: sparse.csr_array, starts: np.ndarray
) -> dict[str, tuple[int, _Terms]]:
    """List the elements of the columns of each region: those of detectors, then of exposures."""
    detectors = detectors_of(pairs)
    n = shares.shape[1]
    entries: dict[str, list[tuple[float, ...]]] = {name: [] for name in REGIONS}
    for p, (pair, start) in enumerate(zip(pairs, starts[:-1].tolist(), strict=True)):
        members = slice(*shares.indptr[p : p + 2])
        images, parts = shares.indices[members], shares.data[members]
        for k, region in enumerate(pair.regions):
            mean, own = pair.centre[3 + k], entries[region.name]
            columns = [(detectors.index(region.detector), 1.0)]
            if region.side is not None:
                of_side = parts < 0 if region.side else parts > 0
                columns += zip(images[of_side] + len(detectors), abs(parts[of_side]), strict=True)
            for column, part in columns:
                own += [(start, column, part * mean), (start + 4 + k, column, part)]
    return {name: (len(detectors) + n, _terms(own)) for name, own in entries.items()}


def _terms(entries: Sequence[tuple[float, ...]]) -> _Terms:
    rows, columns, values = np.array(entries, dtype=float).reshape(-1, 3).T
    return rows.astype(int), columns.astype(int), values


def _whitening(
    pairs: Sequence[PairMeasurement], variances: np.ndarray, starts: np.ndarray
) -> tuple[sparse.csr_array, np.ndarray]:
    """Build the block diagonal matrix that divides measurements by their errors."""
    blocks, sigmas = [], []
    scale = max((abs(pair.offset) for pair in pairs), default=0.0) or 1.0
    for pair, (variance, factor) in zip(pairs, variances, strict=True):
        floor = (ROUNDING * scale) ** 2 / pair.quality.n_cells
        block = np.zeros_like(pair.covariance)
        block[0, 0] = 1.0 / np.sqrt(variance + floor)
        block[1:, 1:] = _inverse_root(factor * pair.covariance[1:, 1:])
        blocks.append(block)
        sigmas.append(1.0 / block[0, 0])
    rows = [
        np.repeat(np.arange(s, s + len(b)), len(b)) for s, b in zip(starts, blocks, strict=False)
    ]
    columns = [
        np.tile(np.arange(s, s + len(b)), len(b)) for s, b in zip(starts, blocks, strict=False)
    ]
    values = [block.ravel() for block in blocks]
    empty = [np.zeros(0, dtype=int)]
    size = int(starts[-1])
    matrix = sparse.coo_array(
        (
            np.concatenate(values or [np.zeros(0)]),
            (np.concatenate(rows or empty), np.concatenate(columns or empty)),
        ),
        shape=(size, size),
    ).tocsr()
    matrix.eliminate_zeros()
    return matrix, np.array(sigmas)


def _inverse_root(covariance: np.ndarray) -> np.ndarray:
    """Give a matrix W with W C W^T = 1; no combination is known better than a billionth."""
    scale = np.sqrt(np.maximum(np.diag(covariance), LEAST_VARIANCE))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    return (vectors / np.sqrt(np.maximum(values, 1e-9))).T / scale


def _ties(unknowns: Unknowns, n_levels: int) -> sparse.csr_array:
    r"""Build :math:`\sum_x (I - 1 1^T / k_x)` over the k detectors of each exposure x."""
    n = len(unknowns.exposure_of)
    exposure = np.unique(unknowns.exposure_of, return_inverse=True)[1]
    of_level = sparse.coo_array(
        (np.ones(n), (exposure, unknowns.level_of)), shape=(int(exposure.max()) + 1, n_levels)
    ).tocsr()
    counts = np.asarray(of_level.sum(axis=1)).ravel()
    shared = of_level.T @ sparse.diags_array(1.0 / counts) @ of_level
    ties = (sparse.diags_array(np.asarray(of_level.sum(axis=0)).ravel()) - shared).tocsr()
    ties.data[np.abs(ties.data) < 1e-12] = 0.0
    ties.eliminate_zeros()
    return ties
