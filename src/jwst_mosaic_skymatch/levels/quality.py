"""Defects of single exposures: noise that nobody quotes, and hits that nobody flags."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.offsets.results import PairMeasurement

__all__ = ["LARGEST_FACTOR", "hits_of", "remarks_of"]

# Noise variance of an exposure, over its quoted one and in units of the median of all exposures,
# from which on it is no image of this sky.
LARGEST_FACTOR = 16.0
# Share of cells that stick out of all partners from which on an exposure is full of hits; usual is
# 0.002.
LARGEST_SHARE = 0.03
# Bias of an offset in units of its asymmetry: 1.4 to 4 for exponential energies of 1 to 30 standard
# deviations in 1 to 40 % of the cells, the median 2.
BIAS_OF_HITS = 2.0
# Share of an exposure in a pair from which on the pair counts: in the mean of a stack hits are cut.
LEAST_PART = 0.99
# Scatter of the asymmetry by noise, in errors of the offset, and the multiple of it up to which it
# is taken for noise.
ASYMMETRY_NOISE, SIGNIFICANCE = 0.64, 3.0

NOISY = (
    "its pixels scatter {ratio:.3g} times as much around other exposures as these among "
    "themselves: check the image, and exclude the exposure if it is no image of this sky"
)
HITS = (
    "{share:.1%} of its cells stick out of all others: run the jump step again, or lower its "
    "rejection threshold"
)


def hits_of(
    pairs: Sequence[PairMeasurement], shares: sparse.csr_array
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the share of the cells of each exposure that are hit, and the bias by faint hits.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        All pairs.
    shares : sparse array, shape (n_pairs, n)
        Share of each exposure in each pair, negative on the second side.

    Returns
    -------
    hits : ndarray, shape (n,)
        Share of cells above the cutoff minus that below: lower median over the pairs in which an
        exposure is alone on a side.
    biases : ndarray, shape (n,)
        Bias of its offsets, MJy/sr: lower median over the same pairs, but not below zero.
    """
    measured = [(np.subtract(*p.quality.excess), BIAS_OF_HITS * _asymmetry(p)) for p in pairs]
    entries = shares.tocoo()
    alone = np.abs(entries.data) > LEAST_PART
    images, signs = entries.col[alone], np.sign(entries.data[alone, None])
    values = signs * np.array(measured).reshape(-1, 2)[entries.row[alone]]
    result = np.zeros((shares.shape[1], 2))
    for k in np.unique(images):
        result[k] = np.quantile(values[images == k], 0.5, axis=0, method="lower")
    return tuple(np.maximum(result, 0.0).T)


def _asymmetry(pair: PairMeasurement) -> float:
    """Give the asymmetry of the differences of a pair; zero within noise and stripes."""
    variance = max(pair.variance_alone, *(strips.variance for strips in pair.quality.strips))
    limit = SIGNIFICANCE * ASYMMETRY_NOISE * np.sqrt(variance)
    return pair.quality.asymmetry if abs(pair.quality.asymmetry) > limit else 0.0


def remarks_of(factors: np.ndarray, hits: np.ndarray) -> dict[int, str]:
    """Describe the defects of exposures.

    Parameters
    ----------
    factors : ndarray, shape (n,)
        Factor between actual and quoted noise variance; NaN for an exposure without a tile.
    hits : ndarray, shape (n,)
        See `hits_of`.

    Returns
    -------
    dict of int to str
        Defects by position. Of two exposures that disagree neither is named.
    """
    known = np.isfinite(factors)
    usual = float(np.median(factors[known])) if np.count_nonzero(known) > 2 else np.inf
    remarks = {}
    for k in np.flatnonzero(known).tolist():
        if factors[k] > LARGEST_FACTOR * usual:
            remarks[k] = NOISY.format(ratio=np.sqrt(factors[k] / usual))
        elif hits[k] > LARGEST_SHARE:
            remarks[k] = HITS.format(share=hits[k])
    return remarks
