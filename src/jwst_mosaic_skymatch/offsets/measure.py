"""Offset of two overlapping tiles, from their differences cell by cell."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter, label, maximum_filter, uniform_filter
from scipy.ndimage import mean as labelled_mean

from jwst_mosaic_skymatch.offsets.correlation import CellCorrelation
from jwst_mosaic_skymatch.offsets.outliers import Outliers
from jwst_mosaic_skymatch.offsets.overlap import Overlap
from jwst_mosaic_skymatch.offsets.picture import DifferencePicture, draw_differences
from jwst_mosaic_skymatch.offsets.planes import measure_planes
from jwst_mosaic_skymatch.offsets.regression import Regression, robust_regression
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.offsets.trends import Trends, measure_trends
from jwst_mosaic_skymatch.tiles.gradient import gradient
from jwst_mosaic_skymatch.tiles.tile import Tile, shift_tile

__all__ = ["PairFit", "PairOffset", "measure_offset"]

# Shift in cells from which on a line along the gradient does not describe a star.
LARGEST_LINEAR_SHIFT = 0.03
# Side of the square, in cells, that outliers must fill to count as a patch.
PATCH_CELLS = 9
# Below this response a sky says nothing of a shift.
LEAST_RESPONSE = 0.1
# Width in cells of the kernel that smooths difference and gradient alike.
SMOOTHING_CELLS = 1.6


@dataclass(frozen=True)
class PairFit:
    """What a regression with shift says: estimate = response @ truth + noise.

    Attributes
    ----------
    estimate : ndarray, shape (3,)
        Offset, MJy/sr, and shift (x, y), cells.
    covariance : ndarray, shape (3, 3)
        Covariance of the estimate.
    response : ndarray, shape (3, 3)
        Mean estimate for a true offset and shift. On a sky without structure, of
        which the gradient is mere noise, an estimate of the shift is zero whatever
        the truth.
    """

    estimate: np.ndarray
    covariance: np.ndarray
    response: np.ndarray

    @property
    def inverse_response(self) -> np.ndarray:
        """Inverse of the response of the shift alone; NaN if the sky does not show it."""
        response = self.response[1:, 1:]
        if np.linalg.svd(response, compute_uv=False)[-1] < LEAST_RESPONSE:
            return np.full((2, 2), np.nan)
        return np.linalg.inv(response)


@dataclass(frozen=True)
class PairOffset:
    """How much higher one tile lies than another.

    Attributes
    ----------
    first, second : int
        Positions of the two tiles in the caller's sequence.
    value : float
        Level of ``first`` minus level of ``second``, MJy/sr.
    variance : float
        Variance of ``value``, (MJy/sr)^2: noise, from the scatter of the differences and with
        the correlation that drizzle leaves between cells, and what backgrounds add.
    n_cells : int
        Number of cells where both have data.
    quoted_variance : float
        Variance of ``value`` if the quoted errors of the exposures were all
        its noise, (MJy/sr)^2; for exposures without errors, if pixels had
        unit variance.
    fit : PairFit or None
        The regression behind ``value``; None when no shift was fitted.
    trends : Trends or None
        How the differences change over the overlap; None where that is not known.
    noise_variance, structure_variance, trend_variance : float
        The parts of ``variance``, (MJy/sr)^2: by noise, by structure within the overlap, and by
        gradients and gains of the two.
    outliers : Outliers or None
        Cells that the regression left out, if they were asked for.
    picture : DifferencePicture or None
        The differences less ``value`` for a look at them, if that was asked for.
    """

    first: int
    second: int
    value: float
    variance: float
    n_cells: int
    quoted_variance: float = 1.0
    fit: PairFit | None = None
    trends: Trends | None = None
    noise_variance: float = 0.0
    structure_variance: float = 0.0
    trend_variance: float = 0.0
    outliers: Outliers | None = None
    picture: DifferencePicture | None = None

    def with_variance(
        self, *, structure: float = 0.0, trend: float = 0.0
    ) -> Self:  # numpydoc ignore=PR01,RT01
        """Add to the variance that by structure, and by gradients and gains, (MJy/sr)^2."""
        fit = self.fit
        if fit is not None:
            covariance = fit.covariance.copy()
            covariance[0, 0] += structure + trend
            fit = replace(fit, covariance=covariance)
        return replace(
            self,
            variance=self.variance + structure + trend,
            structure_variance=self.structure_variance + structure,
            trend_variance=self.trend_variance + trend,
            fit=fit,
        )

    @property
    def shift(self) -> np.ndarray:
        """Shift (x, y) of ``first`` relative to ``second``, cells, as an array.

        NaN when it was not fitted or the sky does not show it.
        """
        if self.fit is None:
            return np.full(2, np.nan)
        return self.fit.inverse_response @ self.fit.estimate[1:]

    @property
    def shift_variance(self) -> np.ndarray:
        """Variance of ``shift``, cells^2."""
        if self.fit is None:
            return np.full(2, np.nan)
        inverse = self.fit.inverse_response
        return np.diag(inverse @ self.fit.covariance[1:, 1:] @ inverse.T)


def measure_offset(
    first: Tile,
    second: Tile,
    statistic: Statistic,
    *,
    min_cells: int,
    fit_shift: bool = True,
    fit_plane: bool = False,
    quoted: bool = True,
    keep_outliers: bool = False,
    keep_picture: bool = False,
) -> PairOffset | None:
    """Measure the offset of one tile from another.

    Parameters
    ----------
    first, second : Tile
        Two tiles of one grid.
    statistic : Statistic
        How to take the location of the differences, MJy/sr.
    min_cells : int
        Least number of cells in which both tiles have data.
    fit_shift : bool, optional
        With the 'biweight' statistic, regress the differences on the gradient
        of the mean image, so that a misalignment does not pass for an offset. If
        the tiles turn out to be shifted by much of a cell, one is moved, and they
        are compared again.
    fit_plane : bool, optional
        With the 'biweight' statistic, regress the differences on the place, too, so that the
        slopes of ``trends`` are as good as the offset.
    quoted : bool, optional
        Take the variance of cells from the exposures' errors, if both quote
        them.
    keep_outliers : bool, optional
        Record the cells that the regression leaves out.
    keep_picture : bool, optional
        Keep a picture of the differences.

    Returns
    -------
    PairOffset or None
        The offset, between positions 0 and 1; None when there are fewer than
        ``min_cells`` common cells or no offset can be found.
    """
    overlap = Overlap.of(first, second, quoted)
    if np.count_nonzero(overlap.valid) < min_cells:
        return None
    if statistic.name != "biweight":
        offset, compared = _plain_offset(overlap, statistic), overlap
    else:
        terms = _Terms(shift=fit_shift, plane=fit_plane)
        offset, compared = _regressed_offset(
            first, second, overlap, min_cells, terms, keep_outliers
        )
    if offset is None or not keep_picture:
        return offset
    return replace(offset, picture=_picture(compared, offset.value))


@dataclass(frozen=True)
class _Terms:
    """What differences are regressed on, beside a constant: gradients (x, y), place (x, y)."""

    shift: bool
    plane: bool

    @property
    def n_offset(self) -> int:
        """Number of coefficients without those of the place, which come last."""
        return 3 if self.shift else 1


def _regressed_offset(
    first: Tile,
    second: Tile,
    overlap: Overlap,
    min_cells: int,
    terms: _Terms,
    keep_outliers: bool,
) -> tuple[PairOffset, Overlap]:
    """Measure by regression; with it the overlap that was compared in the end."""
    kept = _kept_overlap(overlap, min_cells, terms)
    if terms.shift and _is_shifted(kept):
        shift = _smoothed_shift(kept)
        moved = Overlap.of(first, shift_tile(second, *(-shift)), overlap.quoted)
        kept = _kept_overlap(moved, min_cells, terms)
        return _offset(kept, moved, keep_outliers, shift), moved
    return _offset(kept, overlap, keep_outliers), overlap


@dataclass(frozen=True)
class _Fitted:
    """An overlap, or a part of it, with the regression of its differences."""

    overlap: Overlap
    fit: Regression
    quoted_variance: float
    terms: _Terms

    @property
    def slopes(self) -> np.ndarray:
        """Fitted slopes along x and y of the grid, MJy/sr per cell; zero if there are none."""
        if not self.terms.plane:
            return np.zeros(2)
        return self.fit.coefficients[-2:] / self.overlap.span

    def expected(self) -> np.ndarray | np.float32:
        """Evaluate the offset, and the plane if there is one, in all cells."""
        if not self.terms.plane:
            return np.float32(self.fit.coefficients[0])
        ny, nx = self.overlap.valid.shape
        middle, corner = self.overlap.middle, (self.overlap.x0, self.overlap.y0)
        along = [
            slope * (np.arange(n) + first - mean)
            for slope, n, first, mean in zip(self.slopes, (nx, ny), corner, middle, strict=True)
        ]
        plane = self.fit.coefficients[0] + np.add.outer(along[1], along[0])
        return plane.astype(np.float32)


def _plain_offset(overlap: Overlap, statistic: Statistic) -> PairOffset | None:
    location = statistic(overlap.difference().astype(np.float64))
    if not np.isfinite(location.value):
        return None
    return PairOffset(
        first=0,
        second=1,
        value=location.value,
        variance=overlap.correlation * location.variance,
        n_cells=int(np.count_nonzero(overlap.valid)),
        quoted_variance=_variance_of_mean(overlap.variance()),
    )


def _kept_overlap(overlap: Overlap, min_cells: int, terms: _Terms) -> _Fitted:
    """Regress, and once more without spoiled patches if there are any."""
    fitted = _regress(overlap, terms)
    patches = _spoiled_patches(overlap.valid, fitted.fit.used)
    if patches is None or np.count_nonzero(overlap.valid & ~patches) < min_cells:
        return fitted
    return _regress(replace(overlap, valid=overlap.valid & ~patches), terms)


def _regress(overlap: Overlap, terms: _Terms) -> _Fitted:
    slopes = np.stack([overlap.take(slope) for slope in gradient(overlap.mean)])
    variance = overlap.variance()
    regressors = slopes if terms.shift else slopes[:0]
    if terms.plane:
        regressors = np.concatenate([regressors, overlap.positions()])
    fit = robust_regression(
        overlap.difference(),
        regressors,
        variance,
        slopes[0] ** 2 + slopes[1] ** 2,
        CellCorrelation(valid=overlap.valid, of_mean=overlap.correlation),
    )
    quoted_variance = _variance_of_mean(variance)
    return _Fitted(overlap=overlap, fit=fit, quoted_variance=quoted_variance, terms=terms)


def _variance_of_mean(variance: np.ndarray) -> float:
    return 1.0 / float((1.0 / variance).sum(dtype=np.float64))


def _is_shifted(fitted: _Fitted) -> bool:
    """Tell whether it is worth moving an image."""
    fit = fitted.fit
    limit = max(LARGEST_LINEAR_SHIFT, 4.0 * np.sqrt(np.trace(fit.covariance[1:3, 1:3])))
    return np.hypot(*fit.coefficients[1:3]) > limit


def _offset(
    kept: _Fitted, overlap: Overlap, keep_outliers: bool, shift: np.ndarray | None = None
) -> PairOffset:
    """Make the result; ``shift`` is by how much an image has been moved."""
    cells, fit = kept.overlap, kept.fit
    trends = measure_trends(
        cells.valid,
        (cells.x0, cells.y0),
        fit.residuals,
        fit.weights,
        cells.take(cells.mean),
        variance=float(fit.covariance[0, 0]),
        angles=cells.angles,
    )
    # The offset at the place of the trends, and what goes with it.
    to_place = np.eye(len(fit.coefficients))
    if kept.terms.plane:
        to_place[0, -2:] = (trends.position[:2] - cells.middle) / cells.span
        trends = trends.with_planes(
            kept.slopes,
            fit.covariance[-2:, -2:] / cells.span**2,
            measure_planes(
                cells.valid,
                (cells.x0, cells.y0),
                fit.weights,
                cells.frames,
                trends.position[:2],
            ),
        )
    # An image shifted by +s has lost s times its gradient.
    sign = np.array([1.0, -1.0, -1.0])[: kept.terms.n_offset]
    reduced = np.s_[: sign.size, : sign.size]
    estimate = sign * (to_place @ fit.coefficients)[: sign.size]
    covariance = np.outer(sign, sign) * (to_place @ fit.covariance @ to_place.T)[reduced]
    pair_fit = None
    if kept.terms.shift:
        response = np.outer(sign, sign) * fit.response[reduced]
        moved = np.zeros(2) if shift is None else shift
        pair_fit = PairFit(
            estimate=estimate + response[:, 1:] @ moved, covariance=covariance, response=response
        )
    return PairOffset(
        first=0,
        second=1,
        value=float(estimate[0]),
        variance=float(covariance[0, 0]),
        noise_variance=float(covariance[0, 0]),
        n_cells=int(np.count_nonzero(cells.valid)),
        quoted_variance=kept.quoted_variance,
        fit=pair_fit,
        trends=trends,
        outliers=_outliers(overlap, kept) if keep_outliers else None,
    )


def _picture(overlap: Overlap, offset: float) -> DifferencePicture:
    """Draw all differences, those that the regression leaves out as well."""
    difference = overlap.data[0] - overlap.data[1] - np.float32(offset)
    return draw_differences(difference, (overlap.x0, overlap.y0))


def _outliers(overlap: Overlap, kept: _Fitted) -> Outliers:
    """Cells that were left out, by the tile that is brighter there."""
    left_out = overlap.valid.copy()
    left_out[kept.overlap.valid] = ~kept.fit.used
    excess = overlap.data[0] - overlap.data[1] - kept.expected()
    # A patch belongs to one tile as a whole: in its wings single cells are noise.
    if kept.overlap is not overlap:
        patches, n_patches = label(overlap.valid & ~kept.overlap.valid)
        numbers = np.arange(n_patches + 1)
        mean = np.nan_to_num(labelled_mean(np.nan_to_num(excess), patches, numbers))
        excess = np.where(patches > 0, mean[patches], excess)
    first_brighter = excess > 0
    return Outliers(
        x0=overlap.x0,
        y0=overlap.y0,
        valid=overlap.valid,
        first=left_out & first_brighter,
        second=left_out & ~first_brighter,
    )


def _spoiled_patches(valid: np.ndarray, used: np.ndarray) -> np.ndarray | None:
    """Find patches in which nearly all cells are outliers, with a margin.

    The wings of an afterglow or a ghost are too faint for any one cell to be
    recognized, but add up. Cosmic rays never fill a patch.
    """
    outliers = np.zeros(valid.shape, dtype=np.float32)
    outliers[valid] = ~used
    if not _any_dense_block(outliers):
        return None
    share = uniform_filter(outliers, PATCH_CELLS, mode="constant")
    covered = uniform_filter(valid.astype(np.float32), PATCH_CELLS, mode="constant")
    core = share > 0.8 * np.maximum(covered, 0.5)
    return maximum_filter(core, PATCH_CELLS + 4) if core.any() else None


def _any_dense_block(outliers: np.ndarray) -> bool:
    """Look at blocks of three by three, of which a patch holds one that is as full."""
    ny, nx = (n - n % 3 for n in outliers.shape)
    sums = sum(outliers[j:ny:3, i:nx:3] for j in range(3) for i in range(3))
    return bool(np.any(sums >= 7))


def _smoothed_shift(fitted: _Fitted) -> np.ndarray:
    """Find the shift from difference and gradient, after smoothing both alike.

    What is as narrow as a cell has no accurate gradient; smoothed by the same
    kernel, difference and gradient keep their ratio, and wider structure decides.
    """
    overlap, fit = fitted.overlap, fitted.fit
    used = np.zeros(overlap.valid.shape, dtype=bool)
    used[overlap.valid] = fit.used
    difference = overlap.data[0] - overlap.data[1] - fitted.expected()

    def smooth(image: np.ndarray | float) -> np.ndarray:
        return gaussian_filter(np.where(used, image, 0.0), SMOOTHING_CELLS, mode="constant")

    covered = smooth(1.0)
    inside = used & (covered > 0.5)
    columns = [smooth(slope)[inside] / covered[inside] for slope in gradient(overlap.mean)]
    values = smooth(difference)[inside] / covered[inside]
    return -np.linalg.lstsq(np.stack(columns, axis=1), values, rcond=1e-8)[0]
