"""Files of the user on the sky: images, as references or masks, and regions of DS9."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from numpy.typing import ArrayLike
from scipy.ndimage import map_coordinates

from jwst_mosaic_skymatch.exposures.pixels import unreadable

__all__ = ["Area", "AreaAbout", "SkyImage", "open_image", "read_area", "tangent_plane"]

#: Takes RA and Dec of an exposure, ICRS degrees, and returns the area about it.
AreaAbout = Callable[[float, float], "Area"]

IMAGE_REMEDY = "give a FITS image with a celestial WCS, such as _i2d.fits, as reference"
AREA_REMEDY = (
    "give a FITS image that is not zero in the area, or a DS9 region file, as exclude or include"
)
# First bytes of FITS files, and of those that gzip and bzip2 have compressed.
FITS_BEGINNINGS = (b"SIMPLE", b"\x1f\x8b", b"BZh")
# Pixels of the tangent plane that regions are drawn on, degrees: a third of the smallest pixels.
PLANE = np.diag([-3e-6, 3e-6])
# A tangent plane ends at 90 degrees, and no exposure reaches as far.
LARGEST_ANGLE = 45.0 * u.deg


def tangent_plane(ra: float, dec: float, cd: np.ndarray, pixel: ArrayLike = (1.0, 1.0)) -> WCS:
    """Make the WCS of a plane that touches the sky.

    Parameters
    ----------
    ra, dec : float
        Where it touches the sky, ICRS degrees.
    cd : ndarray, shape (2, 2)
        Degrees to the east and north of one pixel along x and y.
    pixel : array_like, shape (2,), optional
        Pixel (x, y) there, 1-based.

    Returns
    -------
    `~astropy.wcs.WCS`
        The WCS.
    """
    plane = WCS(naxis=2)
    plane.wcs.ctype = "RA---TAN", "DEC--TAN"
    plane.wcs.crval, plane.wcs.crpix, plane.wcs.cd = (ra, dec), pixel, cd
    plane.wcs.radesys = "ICRS"
    return plane


# --- Images -------------------------------------------------------------------


@dataclass(frozen=True)
class SkyImage:
    """An image of the sky.

    Attributes
    ----------
    data : ndarray, shape (ny, nx)
        Surface brightness; NaN where it is not known.
    wcs : `~astropy.wcs.WCS`
        Celestial WCS.
    """

    data: np.ndarray
    wcs: WCS

    def sample(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Interpolate the image at some positions, bilinearly.

        Parameters
        ----------
        ra, dec : ndarray, shape (n,)
            ICRS positions, degrees.

        Returns
        -------
        ndarray, shape (n,)
            Surface brightness; NaN beyond the image and beside pixels without a value.
        """
        x, y = self.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))
        place = np.nan_to_num([y, x], nan=-1.0)
        return map_coordinates(self.data, place, output=float, order=1, cval=np.nan)


def open_image(path: Path, remedy: str = IMAGE_REMEDY, *, unit: str | None = None) -> SkyImage:
    """Open an image.

    Parameters
    ----------
    path : Path
        A FITS file. Its extension SCI is taken, or the first 2-D image if it has none. Pixels that
        are not finite, or without weight (extension WHT), have no value.
    remedy : str, optional
        The remedy if it is no such image.
    unit : str or None, optional
        The unit that it must have, if its header has one.

    Returns
    -------
    SkyImage
        The image.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If there is no 2-D image or no celestial WCS in it, or it has another unit.
    """
    try:
        with warnings.catch_warnings():
            # Obsolete keywords are mended.
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(path, memmap=False) as hdus:
                candidates = [hdus["SCI"]] if "SCI" in hdus else hdus
                images = [h for h in candidates if h.is_image and sum(n > 1 for n in h.shape) == 2]
                header = images[0].header if images else fits.Header()
                data = np.squeeze(images[0].data) if images else np.zeros((0, 0))
                good = np.isfinite(data)
                if "WHT" in hdus and hdus["WHT"].shape == data.shape:
                    good &= hdus["WHT"].data > 0
                wcs = WCS(header, hdus, naxis=2)
                own_unit = header.get("BUNIT")
    except Exception as error:  # whatever a damaged file leads to
        raise unreadable(path, error, remedy) from None
    if not images:
        raise ValueError(f"{path}: holds no 2-D image; {remedy}.")
    if not wcs.has_celestial:
        raise ValueError(
            f"{path}: has no celestial WCS (CTYPE, CRVAL, CRPIX, CDELT or CD); {remedy}."
        )
    units = [u.Unit(name or "", parse_strict="silent") for name in (own_unit, unit)]
    if own_unit and unit and units[0] != units[1]:
        raise ValueError(
            f"{path}: its unit (BUNIT) is {own_unit}, but {unit} in the exposures; convert the "
            "image to that unit."
        )
    return SkyImage(np.where(good, data, np.nan), wcs)


# --- Areas --------------------------------------------------------------------


@dataclass(frozen=True)
class Area:
    """Areas about an exposure, on a plane of the sky and on the detector.

    Attributes
    ----------
    wcs : `~astropy.wcs.WCS`
        From the plane to the sky.
    parts : sequence of tuple of (callable, bool, bool)
        Functions of places x and y that are True inside. The first flag is True for places on the
        plane, False for pixels of the detector. The second is False for a part that is removed from
        those before it.
    """

    wcs: WCS
    parts: Sequence[tuple[Callable[..., np.ndarray], bool, bool]]

    def contains(
        self, x: np.ndarray, y: np.ndarray, column: np.ndarray, row: np.ndarray
    ) -> np.ndarray:
        """Select the points that lie in the area.

        Parameters
        ----------
        x, y : ndarray, shape (ny, nx)
            Places on the plane.
        column, row : ndarray, shape (ny, nx)
            Places on the detector, pixels, 0-based.

        Returns
        -------
        ndarray of bool, shape (ny, nx)
            True in the area.
        """
        inside = np.zeros(x.shape, dtype=bool)
        for contains, is_on_sky, is_added in self.parts:
            within = contains(x, y) if is_on_sky else contains(column, row)
            inside = inside | within if is_added else inside & ~within
        return inside


def read_area(path: Path) -> AreaAbout:
    """Read a region file of DS9, or a mask in FITS.

    Parameters
    ----------
    path : Path
        The file. Its first bytes decide whether it is FITS.

    Returns
    -------
    callable
        Takes RA and Dec of an exposure, ICRS degrees, and returns the `Area` about it.

    Raises
    ------
    ImportError
        If it is a region file and the package ``regions`` is not installed.
    OSError
        If it does not exist or cannot be read.
    ValueError
        If it names no area.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {AREA_REMEDY}.")
    with path.open("rb") as file:
        is_image = file.read(8).startswith(FITS_BEGINNINGS)
    if not is_image:
        return partial(_draw_regions, _read_regions(path))
    image = open_image(path, AREA_REMEDY)
    mask = partial(_is_marked, np.nan_to_num(image.data) != 0)
    return lambda ra, dec: Area(image.wcs, [(mask, True, True)])


def _is_marked(mask: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    place = np.nan_to_num([y, x], nan=-1.0)
    return map_coordinates(mask, place, order=0, mode="grid-constant", cval=False)


def _draw_regions(regions: Sequence[tuple[Any, bool]], ra: float, dec: float) -> Area:
    """Draw regions on a tangent plane about a place."""
    plane, here = tangent_plane(ra, dec, PLANE), SkyCoord(ra, dec, unit="deg")
    parts = []
    for region, is_added in regions:
        is_on_sky = hasattr(region, "to_pixel")
        if is_on_sky:
            places = region.vertices if hasattr(region, "vertices") else region.center
            if np.any(places.separation(here) > LARGEST_ANGLE):
                continue
            region = region.to_pixel(plane)
        parts.append((partial(_within, region), is_on_sky, is_added))
    return Area(plane, parts)


def _within(region: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from regions import PixCoord

    box = region.bounding_box
    inside = (x > box.ixmin - 1) & (x < box.ixmax) & (y > box.iymin - 1) & (y < box.iymax)
    if inside.any():
        inside[inside] = region.contains(PixCoord(x[inside], y[inside]))
    return inside


def _read_regions(path: Path) -> list[tuple[Any, bool]]:
    """Read regions, those to remove at the end, with the flag False."""
    try:
        from regions import RegionMeta, Regions
    except ImportError as error:
        raise ImportError(
            f"{path}: is no FITS file, and to read a DS9 region file exclude and include need "
            "regions: pip install regions"
        ) from error
    # Its parser raises whatever the text causes in it.
    try:
        regions = Regions.read(path, format="ds9")
    except Exception as error:
        raise ValueError(
            f"{path}: neither a DS9 region file nor FITS ({type(error).__name__}: {error}), but "
            "exclude or include names it; save regions from DS9 anew."
        ) from None
    area = [
        # Older versions of regions invert those with "-" by themselves.
        (region.copy(meta=RegionMeta()), bool(region.meta.get("include", True)))
        for region in regions
        if not type(region).__name__.startswith(("Line", "Point", "Text"))
    ]
    if not any(is_included for _, is_included in area):
        raise ValueError(
            f"{path}: has no region, but exclude or include names it; draw circles, ellipses, "
            "boxes or polygons in DS9, those with '-' in front only inside of others."
        )
    return sorted(area, key=lambda one: not one[1])
