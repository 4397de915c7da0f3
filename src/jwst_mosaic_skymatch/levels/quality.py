"""Defects of single exposures: noise that nobody quotes, and hits that nobody flags."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.assembly import pair_shares
from jwst_mosaic_skymatch.offsets.results import PairMeasurement

__all__ = ["LARGEST_FACTOR", "Defects", "defects_of", "noise_factors", "remarks_of"]

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

NOISY = (
    "its pixels scatter {ratio:.3g} times as much around other exposures as these among "
    "themselves: check the image, and exclude the exposure if it is no image of this sky"
)
HITS = (
    "{share:.1%} of its cells stick out of all others: run the jump step again, or lower its "
    "rejection threshold"
)


@dataclass(frozen=True)
class Defects:
    """Defects of n exposures: lower medians over the pairs in which each is alone on a side.

    Attributes
    ----------
    hits : ndarray, shape (n,)
        Share of cells above the cutoff minus that below, but not below zero.
    biases : ndarray, shape (n,)
        Bias of the offsets of an exposure full of hits by the faint ones, MJy/sr; 0 for others.
    noise : ndarray, shape (n,)
        Variance of its differences from others over that by quoted errors; NaN without such a pair.
    """

    hits: np.ndarray
    biases: np.ndarray
    noise: np.ndarray


def defects_of(pairs: Sequence[PairMeasurement], shares: sparse.csr_array) -> Defects:
    """Compare each exposure with its partners.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        All pairs.
    shares : sparse array, shape (n_pairs, n)
        Share of each exposure in each pair, negative on the second side.

    Returns
    -------
    Defects
        The defects.
    """
    measured = [
        (p.quality.excess, BIAS_OF_HITS * p.quality.asymmetry, p.quality.noise_ratio) for p in pairs
    ]
    entries = shares.tocoo()
    alone = np.abs(entries.data) > LEAST_PART
    images, values = entries.col[alone], np.array(measured).reshape(-1, 3)[entries.row[alone]]
    values[:, :2] *= np.sign(entries.data[alone, None])
    result = np.tile([0.0, 0.0, np.nan], (shares.shape[1], 1))
    for k in np.unique(images):
        result[k] = np.quantile(values[images == k], 0.5, axis=0, method="lower")
    hits, biases, noise = np.maximum(result, 0.0).T
    return Defects(hits, np.where(hits > LARGEST_SHARE, biases, 0.0), noise)


def noise_factors(pairs: Sequence[PairMeasurement], n: int) -> np.ndarray:
    """Compare the noise of tiles with their variances.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        Pairs of the tiles.
    n : int
        Number of tiles.

    Returns
    -------
    ndarray, shape (n,)
        Factor between the actual and the quoted noise variance of each tile; 1 for a tile in no
        pair.

    Notes
    -----
    The variance of a pair is the mean of both factors if both quote the same. A tile is noisy if
    all its pairs are, so that their lower median counts. The others have the least factor.
    """
    noise = np.nan_to_num(defects_of(pairs, pair_shares(n, pairs)).noise, nan=1.0)
    return 2.0 * noise - noise.min(initial=np.inf)


def remarks_of(defects: Defects) -> dict[int, str]:
    """Describe the defects of exposures.

    Parameters
    ----------
    defects : Defects
        The defects.

    Returns
    -------
    dict of int to str
        Defects by position. Of two exposures that disagree neither is named.
    """
    known = defects.noise[np.isfinite(defects.noise)]
    usual = float(np.median(known)) if known.size > 2 else np.inf
    factors = 2.0 * defects.noise / usual - 1.0  # half of the variance is noise of the others
    hits = np.flatnonzero(defects.hits > LARGEST_SHARE).tolist()
    noisy = np.flatnonzero(factors > LARGEST_FACTOR).tolist()
    return {k: HITS.format(share=defects.hits[k]) for k in hits} | {
        k: NOISY.format(ratio=np.sqrt(factors[k])) for k in noisy
    }
