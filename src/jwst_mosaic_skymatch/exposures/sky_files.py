"""Files of the user on the sky: images, as references or masks, and regions of DS9."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
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

__all__ = [
    "Area",
    "MaskArea",
    "RegionArea",
    "RegionPlane",
    "SkyImage",
    "open_image",
    "read_area",
    "tangent_plane",
]

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
        Surface brightness; NaN where it is not known. In the file until it is needed.
    weight : ndarray or None, shape (ny, nx)
        Weight of each pixel (extension WHT); those without are left out.
    wcs : `~astropy.wcs.WCS`
        Celestial WCS.
    """

    data: np.ndarray
    weight: np.ndarray | None
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
        sky = self.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))
        place = np.nan_to_num(sky[::-1], nan=-1.0)
        # Of a large mosaic only this part is read.
        ends = place.min(axis=1), place.max(axis=1) + 2
        (y0, x0), (y1, x1) = np.clip(ends, 0, self.data.shape).astype(int).tolist()
        part = np.s_[y0:y1, x0:x1]
        image = np.array(self.data[part], dtype=float)
        if not image.size:
            return np.full(place[0].shape, np.nan)
        image[~np.isfinite(image)] = np.nan
        if self.weight is not None:
            image[~(self.weight[part] > 0)] = np.nan
        return map_coordinates(image, place - [[y0], [x0]], order=1, cval=np.nan)


def open_image(path: Path, remedy: str = IMAGE_REMEDY, *, unit: str | None = None) -> SkyImage:
    """Open an image, of which no pixel is read yet.

    Parameters
    ----------
    path : Path
        A FITS file. Its extension SCI is taken, or the first 2-D image if it has none.
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
            with fits.open(path) as hdus:
                candidates = [hdus["SCI"]] if "SCI" in hdus else hdus
                images = [h for h in candidates if h.is_image and sum(n > 1 for n in h.shape) == 2]
                header = images[0].header if images else fits.Header()
                data = np.squeeze(images[0].data) if images else None
                wcs = WCS(header, hdus, naxis=2)
                weight = hdus["WHT"].data if "WHT" in hdus else None
                own_unit = header.get("BUNIT") or hdus[0].header.get("BUNIT")
    except Exception as error:  # whatever a damaged file leads to
        raise unreadable(path, error, remedy) from None
    if data is None:
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
    return SkyImage(data, weight if np.shape(weight) == data.shape else None, wcs)


# --- Areas --------------------------------------------------------------------


def read_area(path: Path) -> "Area":
    """Read a region file of DS9, or a mask in FITS.

    Parameters
    ----------
    path : Path
        The file. Its first bytes decide whether it is FITS.

    Returns
    -------
    RegionArea or MaskArea
        The area that it names.

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
        return _read_regions(path)
    image = open_image(path, AREA_REMEDY)
    return MaskArea(image=np.nan_to_num(image.data) != 0, wcs=image.wcs)


@dataclass(frozen=True)
class MaskArea:
    """Pixels of an image with a celestial WCS; its own plane everywhere.

    Attributes
    ----------
    image : ndarray of bool, shape (ny, nx)
        True in the area, which does not reach beyond the image.
    wcs : `~astropy.wcs.WCS`
        From pixels (x, y), 0-based, to the sky.
    """

    image: np.ndarray
    wcs: WCS

    def on_plane(self, ra: float, dec: float) -> "MaskArea":
        """Return the mask itself; see `RegionArea.on_plane`.

        Parameters
        ----------
        ra, dec : float
            Without effect.

        Returns
        -------
        MaskArea
            The mask.
        """
        return self

    def contains(
        self, x: np.ndarray, y: np.ndarray, column: np.ndarray, row: np.ndarray
    ) -> np.ndarray:
        """Return the value of the pixel that each point lies in.

        Parameters
        ----------
        x, y, column, row : ndarray
            See `RegionPlane.contains`.

        Returns
        -------
        ndarray of bool
            True in the area.
        """
        place = np.nan_to_num([y, x], nan=-1.0)
        return map_coordinates(self.image, place, order=0, mode="grid-constant", cval=False)


@dataclass(frozen=True)
class RegionArea:
    """Regions of DS9, in sky or image coordinates.

    Attributes
    ----------
    regions : sequence of tuple of (`~regions.Region`, bool)
        The regions. The flag is False for one that is removed from all others, with ``-`` in
        front.
    """

    regions: Sequence[tuple[Any, bool]]

    def on_plane(self, ra: float, dec: float) -> "RegionPlane":
        """Draw the regions on a tangent plane, for exposures about a place.

        Parameters
        ----------
        ra, dec : float
            Where the plane touches the sky, ICRS degrees.

        Returns
        -------
        RegionPlane
            The plane.
        """
        plane, here = tangent_plane(ra, dec, PLANE), SkyCoord(ra, dec, unit="deg")
        drawn = []
        for region, is_included in self.regions:
            if not hasattr(region, "to_pixel"):
                drawn.append((region, False, is_included))
            elif np.all(_places(region).separation(here) < LARGEST_ANGLE):
                drawn.append((region.to_pixel(plane), True, is_included))
        return RegionPlane(plane, drawn)


def _places(region: Any) -> SkyCoord:
    return region.vertices if hasattr(region, "vertices") else region.center


@dataclass(frozen=True)
class RegionPlane:
    """Regions about an exposure.

    Attributes
    ----------
    wcs : `~astropy.wcs.WCS`
        From the plane to the sky.
    regions : sequence of tuple of (`~regions.PixelRegion`, bool, bool)
        The regions in their order. The first flag is True for one that is drawn on the plane, False
        for one on the detector. The second is True for one that is added to the area, False for
        one that is removed from it.
    """

    wcs: WCS
    regions: Sequence[tuple[Any, bool, bool]]

    def contains(
        self, x: np.ndarray, y: np.ndarray, column: np.ndarray, row: np.ndarray
    ) -> np.ndarray:
        """Select the points that lie in the regions.

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
        for region, on_sky, is_included in self.regions:
            within = _within(region, *((x, y) if on_sky else (column, row)))
            inside = inside | within if is_included else inside & ~within
        return inside


Area = RegionArea | MaskArea


def _within(region: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from regions import PixCoord

    box = region.bounding_box
    inside = (x > box.ixmin - 1) & (x < box.ixmax) & (y > box.iymin - 1) & (y < box.iymax)
    if inside.any():
        inside[inside] = region.contains(PixCoord(x[inside], y[inside]))
    return inside


def _read_regions(path: Path) -> RegionArea:
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
    return RegionArea(sorted(area, key=lambda one: not one[1]))
