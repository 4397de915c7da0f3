"""Point sources: drawing a catalogue and rendering it on a detector."""

from dataclasses import dataclass

import numpy as np
from gwcs import WCS
from scipy.special import erf

from .plane import TangentPlane

__all__ = ["StarCounts", "Stars", "draw_stars", "render_stars"]

# 1 uJy spread over 1 arcsec**2, in MJy/sr.
_MJY_PER_SR = 1e-12 / np.deg2rad(1 / 3600) ** 2
_SIGMA_PER_FWHM = 1 / (2 * np.sqrt(2 * np.log(2)))


@dataclass(frozen=True)
class StarCounts:
    """How many point sources to draw and how bright.

    Attributes
    ----------
    number : int
        Number in the whole field.
    flux : float, optional
        Median flux (log-normal) or faintest flux (power law), uJy.
    width : float, optional
        Standard deviation of the logarithm (base e) of a log-normal flux.
    slope : float, optional
        Differential slope of a power law, e.g. 1.8. The default is a log-normal.
    brightest : float, optional
        Upper limit of the flux, uJy.
    """

    number: int
    flux: float = 5.0
    width: float = 1.2
    slope: float | None = None
    brightest: float = 3000.0


@dataclass(frozen=True, eq=False)
class Stars:
    """A catalogue of point sources.

    Attributes
    ----------
    ra, dec : numpy.ndarray
        Positions, degrees.
    flux : numpy.ndarray
        Fluxes, uJy.
    """

    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray


def draw_stars(
    counts: StarCounts,
    plane: TangentPlane,
    half_size: tuple[float, float],
    rng: np.random.Generator,
) -> Stars:
    """Draw point sources, evenly over the field.

    Parameters
    ----------
    counts : StarCounts
        How many and how bright.
    plane : TangentPlane
        Tangent plane of the field.
    half_size : tuple of float
        Half the field's extent to the east and to the north, arcsec.
    rng : numpy.random.Generator
        Source of positions and fluxes.

    Returns
    -------
    Stars
        The catalogue.
    """
    x, y = rng.uniform(-1, 1, (2, counts.number)) * np.array(half_size)[:, None]
    ra, dec = plane.deproject(x, y)
    if counts.slope is None:
        flux = counts.flux * np.exp(counts.width * rng.standard_normal(counts.number))
    else:
        # Fluxes above the faintest follow N(> f) ~ f**(1 - slope).
        flux = counts.flux * rng.uniform(size=counts.number) ** (1 / (1 - counts.slope))
    return Stars(ra, dec, np.minimum(flux, counts.brightest))


def render_stars(stars: Stars, wcs: WCS, shape: tuple[int, int], fwhm: float) -> np.ndarray:
    """Render point sources on a frame, with a Gaussian PSF integrated over each pixel.

    Parameters
    ----------
    stars : Stars
        The catalogue.
    wcs : gwcs.WCS
        WCS of the frame.
    shape : tuple of int
        Rows and columns.
    fwhm : float
        Full width at half maximum of the PSF, arcsec.

    Returns
    -------
    numpy.ndarray
        Surface brightness, MJy/sr, of that shape.
    """
    x, y, area, flux = _place(stars, wcs, shape)
    image = np.zeros(shape)
    if not x.size:
        return image
    sigma = fwhm * _SIGMA_PER_FWHM / np.sqrt(area)
    reach = int(np.ceil(5 * sigma.max()))
    columns, along = _profiles(x, sigma, reach)
    rows, across = _profiles(y, sigma, reach)
    height = flux * _MJY_PER_SR / area
    stamps = height[:, None, None] * across[:, :, None] * along[:, None, :]
    rows, columns = np.broadcast_arrays(rows[:, :, None], columns[:, None, :])
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    np.add.at(image, (rows[inside], columns[inside]), stamps[inside])
    return image


def _profiles(center: np.ndarray, sigma: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    # Share of the light in each pixel along one axis, shape (stars, 2 reach + 1).
    pixels = np.rint(center).astype(int)[:, None] + np.arange(-reach, reach + 1)
    scale = np.sqrt(2) * sigma[:, None]
    low, high = pixels - 0.5 - center[:, None], pixels + 0.5 - center[:, None]
    return pixels, (erf(high / scale) - erf(low / scale)) / 2


def _place(
    stars: Stars, wcs: WCS, shape: tuple[int, int], margin: float = 30
) -> tuple[np.ndarray, ...]:
    x, y = wcs.invert(stars.ra, stars.dec, with_bounding_box=False)
    x, y = np.atleast_1d(x), np.atleast_1d(y)
    near = (np.abs(x - (shape[1] - 1) / 2) < shape[1] / 2 + margin) & (
        np.abs(y - (shape[0] - 1) / 2) < shape[0] / 2 + margin
    )
    # Far outside the frame the inverse distortion means nothing and may fold back into it.
    x, y, flux = x[near], y[near], stars.flux[near]
    if not x.size:
        return x, y, x, flux
    to_v2v3 = wcs.get_transform("detector", "v2v3")
    corners = (
        to_v2v3(x + dx, y + dy, with_bounding_box=False) for dx, dy in ((0, 0), (1, 0), (0, 1))
    )
    origin, right, up = (np.array(corner) for corner in corners)
    along, across = right - origin, up - origin
    area = np.abs(along[0] * across[1] - along[1] * across[0])
    ra, dec = wcs(x, y, with_bounding_box=False)
    miss = np.hypot((ra - stars.ra[near]) * np.cos(np.deg2rad(dec)), dec - stars.dec[near]) * 3600
    true = miss < np.sqrt(area)
    return x[true], y[true], area[true], flux[true]
