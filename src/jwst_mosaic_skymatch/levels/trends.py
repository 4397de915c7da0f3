"""Structure of backgrounds: how large it is, and what it makes of offsets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self, cast

import numpy as np
from scipy import sparse
from scipy.optimize import minimize_scalar

from jwst_mosaic_skymatch.levels.inverse import BATCH
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.offsets.trends import FITTED, WIDE, StripScatter, Trends
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame

__all__ = [
    "BackgroundStructure",
    "StripNoise",
    "TrendEffects",
    "TrendVariances",
    "family_matrix",
    "find_structure",
    "include_structure",
]

# Twice the logarithm of the likelihood ratio from which on a variance is more than zero: that
# of slopes, and that of gains, which act on all light and of which little makes large errors.
SLOPE_SIGNIFICANCE = 6.0
GAIN_SIGNIFICANCE = 20.0
# The same for strips, in errors of their scatter.
STRIP_SIGNIFICANCE = 4.0


@dataclass(frozen=True)
class TrendVariances:
    """Variances of what is not constant in the backgrounds of exposures.

    Attributes
    ----------
    slope : float
        Variance of the gradient along each axis of the grid, (MJy/sr per cell)^2.
    gain : float
        Variance of the relative gain.
    """

    slope: float = 0.0
    gain: float = 0.0

    @property
    def by_axis(self) -> tuple[float, float, float]:
        """The variances for position x, position y, and brightness."""
        return self.slope, self.slope, self.gain


@dataclass(frozen=True)
class TrendEffects:
    r"""What trends of exposures make in offsets.

    An offset that is measured at a place that is :math:`w_i` and :math:`w_j` in the frames of two
    exposures is off by :math:`g_i w_i - g_j w_j`. A gain acts on all light: its place is the
    brightness.

    Attributes
    ----------
    shares : sparse array, shape (n_pairs, n)
        Share of each exposure in each offset; negative on the second side.
    by_axis : tuple of sparse array, shape (n_pairs, n)
        Change of each offset for a unit gradient along x, along y, and a unit gain, of each
        exposure.
    """

    shares: sparse.csr_array
    by_axis: tuple[sparse.csr_array, ...]

    @classmethod
    def of(
        cls,
        shares: sparse.sparray,
        offsets: Sequence[PairOffset],
        frames: Sequence[DetectorFrame | None],
    ) -> Self:
        """Find the effects from shares and the frames of exposures; None for one in no pair."""
        positions = np.array([o.trends.position if o.trends else np.zeros(3) for o in offsets])
        positions = positions.reshape(-1, 3)
        # Where trends are not known they make nothing.
        known = np.array([o.trends is not None for o in offsets], dtype=float)
        shares = (sparse.diags_array(known) @ shares).tocsc()
        changes = np.zeros((3, shares.nnz))
        for k, frame in enumerate(frames):
            own = slice(*shares.indptr[k : k + 2])
            if frame is not None and own.stop > own.start:
                x, y, brightness = positions[shares.indices[own]].T
                changes[:, own] = *frame.places(x, y), brightness

        def changed(by: np.ndarray) -> sparse.csr_array:
            product = shares.copy()
            product.data = shares.data * by
            return product.tocsr()

        return cls(shares=shares.tocsr(), by_axis=tuple(changed(by) for by in changes))

    def by_group(self, membership: sparse.sparray) -> Self:
        """Add up over the exposures of groups, by the matrix (n, n_groups) of who is in which."""
        return type(self)(
            shares=(self.shares @ membership).tocsr(),
            by_axis=tuple((effects @ membership).tocsr() for effects in self.by_axis),
        )

    def variances(self, of_trends: TrendVariances) -> np.ndarray:
        """Variance of each offset by trends of these variances, (MJy/sr)^2."""
        return sum(
            variance * effects.power(2).sum(axis=1)
            for variance, effects in zip(of_trends.by_axis, self.by_axis, strict=True)
        )

    def columns(self, of_trends: TrendVariances) -> Iterator[np.ndarray]:
        """Yield changes of all offsets for each trend, one sigma large, some at a time."""
        for variance, effects in zip(of_trends.by_axis, self.by_axis, strict=True):
            for start in range(0, effects.shape[1] * (variance > 0), BATCH):
                yield np.sqrt(variance) * effects[:, start : start + BATCH].toarray()


@dataclass(frozen=True)
class StripNoise:
    r"""How far strips of single exposures, rows or columns, lie from their surroundings.

    Attributes
    ----------
    variance : float
        Variance of the mean of a strip, (MJy/sr)^2.
    exponent : float
        The mean of n neighbouring strips has the variance :math:`v n^{-\alpha}`: 1 if strips
        are independent, less for 1/f noise.
    """

    variance: float = 0.0
    exponent: float = 1.0

    def offset_variance(self, strips: StripScatter) -> float:  # numpydoc ignore=PR01,RT01
        """Give the variance of an offset over some strips of one exposure, (MJy/sr)^2."""
        return self.variance * strips.n_strips**-self.exponent


@dataclass(frozen=True)
class BackgroundStructure:
    """What backgrounds have beside their level.

    Attributes
    ----------
    of_exposures, of_families : TrendVariances
        Trends of each exposure, and those that exposures of a family share.
    strips : tuple of StripNoise
        Scatter of the rows, and of the columns, of each exposure.
    effects, family_effects : TrendEffects
        What trends of each exposure, and of each family, make in all offsets.
    structure_variances : ndarray, shape (n_pairs,)
        Variance of each offset by strips, and what else disagrees in its overlap, (MJy/sr)^2.
    slope_covariances : ndarray, shape (n_pairs, 2, 2)
        Covariance of the slopes of each pair along x and y by all but gradients of families.
    """

    of_exposures: TrendVariances
    of_families: TrendVariances
    strips: tuple[StripNoise, ...]
    effects: TrendEffects
    family_effects: TrendEffects
    structure_variances: np.ndarray
    slope_covariances: np.ndarray

    def with_family_slope(self, variance: float) -> Self:
        """Put in another variance of the gradients of families."""
        return replace(self, of_families=replace(self.of_families, slope=variance))

    @property
    def trend_variances(self) -> np.ndarray:
        """Variance of each offset by trends, (MJy/sr)^2, shape (n_pairs,)."""
        own = self.effects.variances(self.of_exposures)
        return own + self.family_effects.variances(self.of_families)

    def part(self, pairs: slice) -> Self:
        """Take some pairs."""

        def some(effects: TrendEffects) -> TrendEffects:
            by_axis = tuple(one[pairs] for one in effects.by_axis)
            return TrendEffects(shares=effects.shares[pairs], by_axis=by_axis)

        return replace(
            self,
            effects=some(self.effects),
            family_effects=some(self.family_effects),
            structure_variances=self.structure_variances[pairs],
            slope_covariances=self.slope_covariances[pairs],
        )

    def changes(self, structure: np.ndarray) -> Iterator[np.ndarray]:  # numpydoc ignore=PR01,YD01
        """Yield changes of all offsets for each trend, one sigma large, some at a time.

        And by structure, of which the variance in each offset, (n_pairs,), is given; see
        `LevelOperator`.
        """
        yield from self.effects.columns(self.of_exposures)
        yield from self.family_effects.columns(self.of_families)
        sigmas = sparse.diags_array(np.sqrt(structure)).tocsc()
        spoiled = np.flatnonzero(structure)
        for start in range(0, spoiled.size, BATCH):
            yield sigmas[:, spoiled[start : start + BATCH]].toarray()


def family_matrix(families: Sequence[str]) -> sparse.csr_array:  # numpydoc ignore=PR01,RT01
    """Build the matrix (n, n_families) of who is in which family, in the order of their names."""
    n = len(families)
    _, family = np.unique(list(families), return_inverse=True)
    return sparse.coo_array((np.ones(n), (np.arange(n), family))).tocsr()


def find_structure(
    offsets: Sequence[PairOffset],
    shares: sparse.sparray,
    frames: Sequence[DetectorFrame | None],
    families: Sequence[str],
    outside: np.ndarray,
) -> BackgroundStructure:
    """Find what the backgrounds of a mosaic have beside their levels.

    Parameters
    ----------
    offsets : sequence of PairOffset
        All pairs.
    shares : sparse array, shape (n_pairs, n)
        Share of each exposure in each offset; negative on the second side.
    frames : sequence of DetectorFrame
        Places in the frame of each exposure; None for one in no pair.
    families : sequence of str
        Name that exposures share whose backgrounds may have one gradient.
    outside : ndarray, shape (n_pairs,)
        Share of the two tiles of each pair that lies outside of their overlap: what all of a
        tile has is part of its level.

    Returns
    -------
    BackgroundStructure
        How large it is and what it does to offsets.
    """
    membership = family_matrix(families)
    effects = TrendEffects.of(shares, offsets, frames)
    family_effects = effects.by_group(membership)
    squares = np.asarray(effects.shares.power(2).sum(axis=1)).ravel()
    strips = _measure_strips(offsets, squares, with_trends=False)
    covariances = [_covariance(o, q, strips) for o, q in zip(offsets, squares, strict=True)]
    # What a family shares drops out of pairs of its own.
    within = np.asarray(family_effects.shares.power(2).sum(axis=1)).ravel() < 1e-3
    own = sparse.diags_array(within.astype(float)) @ effects.shares
    own_slope = _measure_trends(offsets, own, covariances, "slope")
    if not own_slope.slope:
        strips = _measure_strips(offsets, squares, with_trends=True)
    shared = np.asarray(family_effects.shares.power(2).sum(axis=1)).ravel()
    others = _with_slopes(covariances, squares, own_slope)
    of_families = _measure_trends(offsets, family_effects.shares, others, "slope")
    if own_slope.slope:
        # Now that the share of families is known, pairs of different ones tell it as well.
        others = _with_slopes(covariances, shared, of_families)
        own_slope = _measure_trends(offsets, effects.shares, others, "slope")
        others = _with_slopes(covariances, squares, own_slope)
        of_families = _measure_trends(offsets, family_effects.shares, others, "slope")
    # Gains are those of exposures: the narrow overlaps of visits tell too little of them.
    gain = _measure_trends(offsets, effects.shares, others, "gain").gain
    return BackgroundStructure(
        of_exposures=replace(own_slope, gain=gain),
        of_families=of_families,
        strips=strips,
        effects=effects,
        family_effects=family_effects,
        structure_variances=outside
        * np.array(
            [_structure_variance(o, q, strips) for o, q in zip(offsets, squares, strict=True)]
        ),
        slope_covariances=np.array(others).reshape(-1, 3, 3)[:, :2, :2],
    )


def _with_slopes(
    covariances: Sequence[np.ndarray], squares: np.ndarray, of_trends: TrendVariances
) -> list[np.ndarray]:
    """Add to covariances of trends what slopes of these variances make of each pair's."""
    added = np.diag(of_trends.by_axis)
    return [c + q * added for c, q in zip(covariances, squares, strict=True)]


def _structure_variance(offset: PairOffset, square: float, strips: Sequence[StripNoise]) -> float:
    """Variance of an offset by strips of known variances, or by what it shows itself.

    ``square`` is the sum of the squares of the shares of exposures in it: 2 for a pair of two.
    """
    if offset.trends is None:
        return 0.0
    of_strips = [
        square * noise.offset_variance(scatter)
        for noise, scatter in zip(strips, offset.trends.strips, strict=True)
    ]
    return max(sum(of_strips), offset.trends.excess(offset.noise_variance))


def _covariance(offset: PairOffset, square: float, strips: Sequence[StripNoise]) -> np.ndarray:
    """Covariance of the trends of a pair by noise and by strips of known variances."""
    trends = offset.trends
    if trends is None:
        return np.eye(3)
    noise = max(offset.noise_variance, 1e-30)
    covariance = trends.covariance * (1.0 + trends.excess(noise, with_trends=False) / noise)
    for one, scatter in zip(strips, trends.strips, strict=True):
        # Strips that are alike weigh the more, the fewer of them there are.
        covariance = covariance + (
            square * one.offset_variance(scatter) * scatter.n_strips * scatter.of_slopes
        )
    return covariance


def _measure_strips(
    offsets: Sequence[PairOffset], squares: np.ndarray, *, with_trends: bool
) -> tuple[StripNoise, ...]:
    """Find how far strips of single exposures, rows and columns, lie from their surroundings.

    If slopes are those of 1/f noise and not of gradients, they belong to the scatter of strips.
    """
    names = [("variance", "n_strips"), ("variance_wide", "n_wide")]
    if with_trends:
        names = [("with_trends", "n_strips"), ("wide_with_trends", "n_wide")]
    known = [(o, q) for o, q in zip(offsets, squares.tolist(), strict=True) if o.trends]
    if not known:
        return StripNoise(), StripNoise()
    noise = np.array([max(offset.noise_variance, 1e-30) for offset, _ in known])
    share = np.array([square for _, square in known])
    found = []
    for axis in range(2):
        strips = [cast(Trends, offset.trends).strips[axis] for offset, _ in known]
        narrow, wide = (
            _median_excess(
                np.array([getattr(one, variance) for one in strips]) / noise,
                np.array([getattr(one, number) for one in strips]),
                noise / share,
            )
            for variance, number in names
        )
        exponent = np.log(narrow / wide) / np.log(WIDE) if narrow > 0 and wide > 0 else 1.0
        found.append(StripNoise(variance=narrow, exponent=float(np.clip(exponent, 0.2, 1.0))))
    return tuple(found)


def _median_excess(scatter: np.ndarray, n_strips: np.ndarray, unit: np.ndarray) -> float:
    """Find the variance of a strip from scatter in units of noise; 0 if that is all noise."""
    freedom = np.maximum(n_strips - FITTED, 0.01)
    excess = (scatter - 1.0) * n_strips * unit
    # The median, as glow and patches make single pairs scatter by far more.
    order = np.argsort(excess)
    middle = order[np.searchsorted(np.cumsum(freedom[order]), 0.5 * freedom.sum())]
    if scatter[middle] - 1.0 > STRIP_SIGNIFICANCE * np.sqrt(2.0 / freedom.sum()):
        return float(excess[middle])
    return 0.0


def _measure_trends(
    offsets: Sequence[PairOffset],
    shares: sparse.sparray,
    covariances: Sequence[np.ndarray],
    kinds: str,
) -> TrendVariances:
    r"""Find how large trends are from how those of pairs scatter, by maximum likelihood.

    The trend of a pair is a sum of trends, with variance :math:`\sigma^2 \sum_k f_{pk}^2` for
    shares f of exposures (or families), and of noise with the given covariance. Few exposures
    tell their variance badly: it is multiplied by :math:`(\nu + 2) / \nu` for :math:`\nu`
    independent trends. Where it is not significant it is zero.
    """
    squares = np.asarray(shares.power(2).sum(axis=1)).ravel()
    chosen = [k for k, offset in enumerate(offsets) if offset.trends and squares[k] > 1e-3]
    if not chosen:
        return TrendVariances()
    n_free = max(np.unique(shares.tocsr()[chosen].indices).size - 1, 1)
    slopes, gains = [], []
    for k in chosen:
        found = cast(Trends, offsets[k].trends).slopes
        # Along the axes of its covariance the two parts of a gradient are independent.
        values, axes = np.linalg.eigh(covariances[k][:2, :2])
        slopes += [(s, v, squares[k]) for s, v in zip(axes.T @ found[:2], values, strict=True)]
        gains.append((found[2], covariances[k][2, 2], squares[k]))
    slope = gain = 0.0
    if "slope" in kinds:
        slope = _likely_variance(np.array(slopes), SLOPE_SIGNIFICANCE)
    if "gain" in kinds:
        gain = _likely_variance(np.array(gains), GAIN_SIGNIFICANCE)
    return TrendVariances(slope=slope * (n_free + 1) / n_free, gain=gain * (n_free + 2) / n_free)


def _likely_variance(measured: np.ndarray, significance: float) -> float:
    """Find the variance v of largest likelihood for values of variance noise + factor * v.

    ``measured`` has a row for each: value, noise, factor.
    """
    values, noise, factors = measured.T
    known = np.isfinite(values) & (noise > 0)
    values, noise, factors = values[known], noise[known], factors[known]
    if not values.size:
        return 0.0

    def doubled(variance: float) -> float:
        total = noise + factors * variance
        return float(np.sum(np.log(total / noise) + values**2 / total - values**2 / noise))

    largest = np.log(np.max((values**2 + noise) / factors))
    smallest = np.log(np.min(noise / factors)) - 5.0
    found = minimize_scalar(
        lambda logarithm: doubled(np.exp(logarithm)), bounds=(smallest, largest), method="bounded"
    )
    return float(np.exp(found.x)) if found.fun < -significance else 0.0


def include_structure(
    offsets: Sequence[PairOffset], structure: np.ndarray, trends: np.ndarray
) -> list[PairOffset]:  # numpydoc ignore=PR01,RT01
    """Add to the variance of each offset that by structure, and by trends, (MJy/sr)^2."""
    return [
        offset.with_variance(structure=of_structure, trend=of_trend)
        for offset, of_structure, of_trend in zip(
            offsets, structure.tolist(), trends.tolist(), strict=True
        )
    ]
