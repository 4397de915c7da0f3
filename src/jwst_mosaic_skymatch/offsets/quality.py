"""Exposures that disagree with all others of their stack."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.offsets.measure import PairFit, PairOffset

__all__ = ["doubt", "find_rough", "find_spoiled", "find_unlike"]

# Scatter of an exposure's best pair over that of the stack's best, from which on it is spoiled.
LARGEST_RATIO = 4.0
# Variance by structure, in units of that by noise, from which on structure is to blame.
STRUCTURE = 4.0
# Share of cells that stick out from which on an exposure is full of hits, if these spoil others
# as well, which then scatter more by this; usual is 0.002.
LARGEST_SHARE = 0.03
RATIO_OF_HITS = 1.5
# Scatter of a stack's best pair over the median of all best ones, from which on it is no image of
# this sky; where overlaps of galaxies and of empty sky are compared it is a few.
UNLIKE_RATIO = 50.0
# Share of the scatter of cells from which on a gradient explains it: 0.3 to 0.4 for planes, as the
# regression leaves out cells where these are largest; below 0.001 for zeros and noise.
GRADIENT_SHARE = 0.2
# Scatter of a pair over what quoted errors say, in units of that of the median pair, from which on
# its overlap is rough. Stripes, glow and gradients of simulated mosaics reach 9, light scattered
# over half of an overlap 70.
ROUGH = 20.0
# By how much the errors of a spoiled exposure are made larger.
DOUBT = 10.0

#: What may be wrong with an exposure, and what to do.
NOISY = (
    "its pixels scatter {ratio:.3g} times as much around the others of its visit as these among "
    "themselves: look at the image, and leave the exposure out if it is no image of this sky"
)
UNLIKE = (
    "its pixels scatter {ratio:.3g} times as much around those of other visits as these among "
    "themselves: look at the image, and leave the exposure out if it is no image of this sky"
)
UNEVEN = (
    "a part of it lies higher or lower than the rest by far more than noise: look for persistence, "
    "scattered light or a failed correction, and flag it in DQ"
)
HITS = (
    "{share:.1%} of its cells stick out of all others: run the jump step again, or lower its "
    "rejection threshold"
)


def find_spoiled(
    n: int, offsets: Sequence[PairOffset], outlier_shares: Sequence[float]
) -> Mapping[int, str]:
    """Find members of a stack that all others disagree with.

    Parameters
    ----------
    n : int
        Number of members.
    offsets : sequence of PairOffset
        Their pairs.
    outlier_shares : sequence of float
        Share of each member's cells that most others find too bright.

    Returns
    -------
    mapping of int to str
        What is wrong with which member. Of two that disagree none can be told.
    """
    scatter = np.full(n, np.inf)
    uneven = np.zeros(n)
    for offset in offsets:
        excess = offset.trends.excess(offset.noise_variance) if offset.trends else 0.0
        ratio = (offset.noise_variance + excess) / offset.quoted_variance
        for end in (offset.first, offset.second):
            if ratio < scatter[end]:
                scatter[end], uneven[end] = ratio, excess / max(offset.noise_variance, 1e-30)
    best = scatter.min(initial=np.inf)
    spoiled = {}
    for k in range(n if np.count_nonzero(np.isfinite(scatter)) > 2 else 0):
        if outlier_shares[k] > LARGEST_SHARE and scatter[k] > RATIO_OF_HITS * best:
            spoiled[k] = HITS.format(share=outlier_shares[k])
        elif LARGEST_RATIO * best < scatter[k] < np.inf:
            ratio = np.sqrt(scatter[k] / best) if best > 0 else np.inf
            spoiled[k] = UNEVEN if uneven[k] > STRUCTURE else NOISY.format(ratio=ratio)
    return spoiled


def find_unlike(n: int, offsets: Sequence[PairOffset]) -> Mapping[int, str]:
    """Find stacks that are like none of those they overlap.

    Parameters
    ----------
    n : int
        Number of stacks.
    offsets : sequence of PairOffset
        Their pairs.

    Returns
    -------
    mapping of int to str
        What is wrong with which stack. Of two that disagree none can be told.

    Notes
    -----
    Where a good part of the scatter is that of a gradient, two stacks are not unlike.
    """
    scatter = np.full(n, np.inf)
    for offset in offsets:
        ratio = offset.noise_variance / offset.quoted_variance
        if _share_of_gradient(offset) > GRADIENT_SHARE:
            ratio = min(ratio, 1.0)
        for end in (offset.first, offset.second):
            scatter[end] = min(scatter[end], ratio)
    known = np.isfinite(scatter)
    if np.count_nonzero(known) < 3:
        return {}
    usual = float(np.median(scatter[known]))
    return {
        k: UNLIKE.format(ratio=np.sqrt(scatter[k] / usual))
        for k in np.flatnonzero(known & (scatter > UNLIKE_RATIO * usual)).tolist()
        if usual > 0
    }


def _share_of_gradient(offset: PairOffset) -> float:
    """Compare the variance of a fitted plane over an overlap with that of all cells."""
    if offset.trends is None:
        return 0.0
    slopes = offset.trends.slopes[:2]
    size = slopes @ np.linalg.solve(offset.trends.covariance[:2, :2], slopes)
    return float(size) / offset.n_cells


def doubt(
    offsets: Sequence[PairOffset], spoiled: Collection[int]
) -> list[PairOffset]:  # numpydoc ignore=PR01,RT01
    """Give offsets of spoiled members large errors, and forget what else they say.

    Ten times their noise and, where structure is to blame, what a single strip may be off by.
    """
    return [
        _doubted(offset) if {offset.first, offset.second} & set(spoiled) else offset
        for offset in offsets
    ]


def _doubted(offset: PairOffset) -> PairOffset:
    noise = DOUBT**2 * offset.noise_variance
    structure = 0.0
    if offset.trends:
        n_strips = max(strips.n_strips for strips in offset.trends.strips)
        structure = n_strips * offset.trends.excess(offset.noise_variance)
    fit = offset.fit and PairFit(
        estimate=np.array([offset.value, 0.0, 0.0]),
        covariance=np.diag([noise + structure, 1.0, 1.0]),
        response=np.diag([1.0, 0.0, 0.0]),
    )
    return replace(
        offset,
        variance=noise + structure,
        noise_variance=noise,
        structure_variance=structure,
        fit=fit,
        trends=None,
    )


def find_rough(offsets: Sequence[PairOffset]) -> list[int]:
    """Find pairs in whose overlap far more disagrees than noise and gradients explain.

    Parameters
    ----------
    offsets : sequence of PairOffset
        Pairs of one kind: inside stacks, or between them.

    Returns
    -------
    list of int
        Positions of such pairs, the worst first.
    """
    known = [k for k, offset in enumerate(offsets) if offset.trends is not None]
    if not known:
        return []
    ratios = np.array([_ratio_beyond_trends(offsets[k]) for k in known])
    usual = float(np.median(ratios))
    order = np.argsort(-ratios, kind="stable").tolist()
    return [known[k] for k in order if ratios[k] > ROUGH**2 * usual > 0.0]


def _ratio_beyond_trends(offset: PairOffset) -> float:
    """Compare the variance that an overlap shows with that by quoted errors, whatever its size."""
    assert offset.trends is not None
    noise = offset.noise_variance
    excess = offset.trends.excess(noise, with_trends=False)
    return (noise + excess) / max(offset.quoted_variance, 1e-30)
