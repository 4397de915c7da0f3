"""Measurement of a pair of tiles."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.offsets.strips import StripScatter
from jwst_mosaic_skymatch.offsets.trends import Region

__all__ = ["PairMeasurement", "PairQuality", "Shift"]

# Below this response a sky does not constrain a shift.
LEAST_RESPONSE = 0.1


@dataclass(frozen=True)
class Shift:
    r"""Misalignment of a pair, and its part in the offset.

    With the true offset d and shift s, the regression has the mean :math:`H (d, m - s)`. An image
    shifted by +s is too faint by s times its gradient.

    Attributes
    ----------
    moved : ndarray, shape (2,)
        Shift m (x, y) that was taken back before the regression, cells.
    coefficients : ndarray, shape (2,)
        Coefficients of the gradients.
    covariance : ndarray, shape (3, 3)
        Covariance of offset and coefficients.
    response : ndarray, shape (3, 3)
        H; noise of the gradients attenuates coefficients.
    """

    moved: np.ndarray
    coefficients: np.ndarray
    covariance: np.ndarray
    response: np.ndarray

    @property
    def is_known(self) -> bool:
        """Whether the sky constrains the shift."""
        return bool(np.linalg.norm(self.response[1:, 1:], ord=-2) > LEAST_RESPONSE)

    @property
    def value(self) -> np.ndarray:
        """Shift (x, y) of the first tile relative to the second, cells; NaN if it is not known."""
        return self.moved - self._inverse @ self.coefficients

    @property
    def errors(self) -> np.ndarray:
        """1-sigma errors of ``value``, cells, shape (2,); NaN if it is not known."""
        return np.sqrt(np.diag(self._inverse @ self.covariance[1:, 1:] @ self._inverse.T))

    @property
    def _inverse(self) -> np.ndarray:
        return np.linalg.inv(self.response[1:, 1:]) if self.is_known else np.full((2, 2), np.nan)

    def at(self, shift: np.ndarray, variance: float) -> tuple[float, float]:
        r"""Compute the offset for a shift that is known from other pairs as well.

        Parameters
        ----------
        shift : ndarray, shape (2,)
            The shift, cells.
        variance : float
            Its variance along each axis, cells^2.

        Returns
        -------
        change : float
            Change of the offset, MJy/sr: minus the regression of its error on that of the
            coefficients.
        variance : float
            Variance of the changed offset, (MJy/sr)^2.
        """
        by_shift = self.response[:, 1:]
        expected = by_shift @ (self.moved - shift)
        covariance = self.covariance + variance * by_shift @ by_shift.T
        # So little more on the diagonal keeps it regular where the sky has no gradient.
        of_coefficients = covariance[1:, 1:] + 1e-12 * np.eye(2)
        regression = np.linalg.solve(of_coefficients, covariance[1:, 0])
        change = -expected[0] - regression @ (self.coefficients - expected[1:])
        return change, max(covariance[0, 0] - regression @ covariance[1:, 0], 0.0)


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
