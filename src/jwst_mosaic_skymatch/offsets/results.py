"""Measurement of a pair of tiles."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jwst_mosaic_skymatch.offsets.trends import Region, StripScatter

__all__ = ["Link", "PairMeasurement", "PairQuality"]


@dataclass(frozen=True)
class Link:
    """Two tiles that overlap, and their overlap among all others.

    Attributes
    ----------
    first, second : int
        Positions of the two tiles in the caller's sequence.
    part : ndarray of float32, shape (ny, nx) in blocks, or None
        Part of the information in each block of the overlap that no other pair shares, up to 1;
        None for all of it.
    outside : float
        Share of the two tiles that lies outside of their overlap, 0 to 1.
    """

    first: int = 0
    second: int = 1
    part: np.ndarray | None = None
    outside: float = 0.0


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
    alone : float
        Variance of the offset by the noise of the pair alone, over that in its covariance, which
        has all noise that no other pair shares. See
        `~jwst_mosaic_skymatch.offsets.information.information_links`.
    excess : float
        Share of cells in which the first tile is brighter beyond the cutoff, minus the same of the
        second.
    strips : StripScatter
        Scatter of strips along the rows and columns of detectors.
    n_cells : int
        Number of cells in which both tiles have data.
    outside : float
        Share of the two tiles that lies outside of their overlap, 0 to 1.
    picture : any
        Picture of the differences minus their offset; None if none was asked for.
    """

    noise_ratio: float
    asymmetry: float
    alone: float
    excess: float
    strips: StripScatter
    n_cells: int
    outside: float = 0.0
    picture: Any = None


@dataclass(frozen=True)
class PairMeasurement:
    r"""The measurement :math:`y_p` of a pair with its covariance :math:`R_p` by noise.

    Attributes
    ----------
    first, second : int
        Positions of the two tiles in the caller's sequence.
    estimate : ndarray, shape (6 + n_regions,)
        Offset at ``centre``, positive if the first is brighter (MJy/sr). It is measured at shift
        zero, and `align_pairs` takes it to the shifts of the exposures. Shift along x and y of the
        first relative to the second (cells). Gradient along x and y (MJy/sr per cell), relative
        gain, and contrast of each region (MJy/sr).
    covariance : ndarray, shape (6 + n_regions, 6 + n_regions)
        Its covariance, with the correlation that drizzle leaves between cells.
    centre : ndarray, shape (5 + n_regions,)
        Change of the offset with each of the others: with the shift along x and y (MJy/sr per
        cell). Weighted means of place x and y (cells), of brightness (MJy/sr), and of the share of
        each region, negative in the second tile.
    regions : tuple of Region
        The regions.
    quality : PairQuality
        Scatter and outliers of the differences.
    """

    first: int
    second: int
    estimate: np.ndarray
    covariance: np.ndarray
    centre: np.ndarray
    regions: tuple[Region, ...]
    quality: PairQuality

    @property
    def offset(self) -> float:
        """Level of the first tile minus that of the second, MJy/sr."""
        return float(self.estimate[0])

    @property
    def variance(self) -> float:
        """Variance of the offset by noise that no other pair shares, (MJy/sr)^2."""
        return float(self.covariance[0, 0])
