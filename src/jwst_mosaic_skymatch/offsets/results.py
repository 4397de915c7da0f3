"""Measurement of a pair of tiles."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.offsets.strips import StripScatter
from jwst_mosaic_skymatch.offsets.trends import Region

__all__ = ["PairMeasurement", "PairQuality", "Shift"]


@dataclass(frozen=True)
class Shift:
    """Misalignment of a pair, and its part in the offset.

    Attributes
    ----------
    value : ndarray, shape (2,)
        Shift (x, y) of the first tile relative to the second, cells; NaN where the sky does not
        constrain it.
    covariance : ndarray, shape (3, 3)
        Covariance of the offset and of the shift; NaN for an unknown shift but for the offset.
    """

    value: np.ndarray
    covariance: np.ndarray

    @property
    def is_known(self) -> bool:
        """Whether the sky constrains the shift."""
        return bool(np.isfinite(self.value).all())

    @property
    def errors(self) -> np.ndarray:
        """1-sigma errors of ``value``, cells, shape (2,); NaN if it is not known."""
        return np.sqrt(np.diag(self.covariance)[1:])

    def at(self, shift: np.ndarray, variance: float) -> tuple[float, float]:
        """Compute the offset for a shift that is known from other pairs as well.

        Parameters
        ----------
        shift : ndarray, shape (2,)
            The shift, cells.
        variance : float
            Its variance along each axis, cells^2.

        Returns
        -------
        change : float
            Change of the offset, MJy/sr: minus the regression of its error on that of the shift;
            zero where the sky does not constrain the shift.
        variance : float
            Variance of the changed offset, (MJy/sr)^2.
        """
        if not self.is_known:
            return 0.0, self.covariance[0, 0]
        with_offset = self.covariance[1:, 0]
        of_difference = self.covariance[1:, 1:] + variance * np.eye(2)
        regression = np.linalg.solve(of_difference, with_offset)
        change = -regression @ (self.value - shift)
        return change, max(self.covariance[0, 0] - regression @ with_offset, 0.0)


@dataclass(frozen=True)
class PairQuality:
    """Scatter and outliers of the differences of a pair.

    Attributes
    ----------
    noise_ratio : float
        Variance of the cells over that by quoted errors, or by unit errors of all pixels.
    asymmetry : float
        Change of the offset from half the cutoff of the biweight to the whole, MJy/sr: positive
        for hits of the first tile.
    excess : tuple of float
        Share of cells in which the first tile, and the second, is brighter beyond the cutoff.
    strips : tuple of StripScatter
        Scatter along rows, and along columns, of the detectors.
    n_cells : int
        Number of cells in which both tiles have data.
    picture : DifferencePicture or None
        The differences minus their offset, if they were asked for.
    """

    noise_ratio: float
    asymmetry: float
    excess: tuple[float, float]
    strips: tuple[StripScatter, StripScatter]
    n_cells: int
    picture: DifferencePicture | None = None


@dataclass(frozen=True)
class PairMeasurement:
    r"""The measurement :math:`y_p` of a pair with its covariance :math:`R_p` by noise.

    Attributes
    ----------
    first, second : int
        Positions of the two tiles in the caller's sequence.
    estimate : ndarray, shape (4 + n_regions,)
        Offset at ``centre``, which is positive if the first is brighter (MJy/sr). Gradient along x
        and y (MJy/sr per cell), relative gain, and contrast of each region (MJy/sr).
    covariance : ndarray, shape (4 + n_regions, 4 + n_regions)
        Its covariance, with the correlation that drizzle leaves between cells.
    centre : ndarray, shape (3 + n_regions,)
        Weighted means of place x and y (cells), of brightness (MJy/sr), and of the share of each
        region, negative in the second tile.
    regions : tuple of Region
        The regions.
    shift : Shift
        The misalignment.
    quality : PairQuality
        Scatter and outliers of the differences.
    """

    first: int
    second: int
    estimate: np.ndarray
    covariance: np.ndarray
    centre: np.ndarray
    regions: tuple[Region, ...]
    shift: Shift
    quality: PairQuality

    @property
    def offset(self) -> float:
        """Level of the first tile minus that of the second, MJy/sr."""
        return float(self.estimate[0])

    @property
    def variance(self) -> float:
        """Variance of the offset by noise, (MJy/sr)^2."""
        return float(self.covariance[0, 0])
