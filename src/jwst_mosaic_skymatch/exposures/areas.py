"""Areas on the sky or the detector that a user names in a file: regions of DS9, or a mask."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from numpy.typing import ArrayLike
from scipy.ndimage import map_coordinates

from jwst_mosaic_skymatch.exposures.pixels import unreadable
from jwst_mosaic_skymatch.exposures.reference import open_image

__all__ = ["Area", "MaskArea", "RegionArea", "RegionPlane", "read_area", "tangent_plane"]

# First bytes of FITS files, and of those that gzip and bzip2 have compressed.
FITS_BEGINNINGS = (b"SIMPLE", b"\x1f\x8b", b"BZh")
# Pixels of the tangent plane that regions are drawn on, degrees: a third of the smallest pixels.
PLANE = np.diag([-3e-6, 3e-6])
# A tangent plane ends at 90 degrees, and no exposure reaches as far.
LARGEST_ANGLE = 45.0 * u.deg
REMEDY = (
    "give a FITS image that is not zero in the area, or a DS9 region file, as exclude or include"
)


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
        raise FileNotFoundError(f"{path}: no such file; {REMEDY}.")
    try:
        with path.open("rb") as file:
            beginning = file.read(8)
    except OSError as error:
        raise unreadable(path, error, REMEDY) from None
    if not beginning.startswith(FITS_BEGINNINGS):
        return _read_regions(path)
    image = open_image(path, REMEDY)
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

    def from_sky(self, ra: np.ndarray, dec: np.ndarray) -> Sequence[np.ndarray]:
        """Project the sky to pixels.

        Parameters
        ----------
        ra, dec : ndarray
            ICRS degrees.

        Returns
        -------
        x, y : ndarray
            Pixels, 0-based; NaN beyond the projection.
        """
        return self.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))

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
    included : tuple of `~regions.Region`
        The area, together.
    excluded : tuple of `~regions.Region`
        Regions that are removed from it, those with ``-`` in front.
    """

    included: tuple[Any, ...]
    excluded: tuple[Any, ...] = ()

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
        for is_included, regions in ((True, self.included), (False, self.excluded)):
            for region in regions:
                if not hasattr(region, "to_pixel"):
                    drawn.append((region, False, is_included))
                elif _is_near(region, here):
                    drawn.append((region.to_pixel(plane), True, is_included))
        return RegionPlane(plane, drawn)


def _is_near(region: Any, here: SkyCoord) -> bool:
    place = region.vertices if hasattr(region, "vertices") else region.center
    return bool(np.all(place.separation(here) < LARGEST_ANGLE))


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

    def from_sky(self, ra: np.ndarray, dec: np.ndarray) -> Sequence[np.ndarray]:
        """Project the sky to the plane.

        Parameters
        ----------
        ra, dec : ndarray
            ICRS degrees.

        Returns
        -------
        x, y : ndarray
            Places on the plane.
        """
        return self.wcs.wcs_world2pix(ra, dec, 0)

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
    area: dict[bool, list[Any]] = {True: [], False: []}
    for region in regions:
        if not type(region).__name__.startswith(("Line", "Point", "Text")):
            # Older versions of regions invert those with "-" by themselves.
            plain = region.copy(meta=RegionMeta())
            area[bool(region.meta.get("include", True))].append(plain)
    if not area[True]:
        raise ValueError(
            f"{path}: has no region, but exclude or include names it; draw circles, ellipses, "
            "boxes or polygons in DS9, those with '-' in front only inside of others."
        )
    return RegionArea(included=tuple(area[True]), excluded=tuple(area[False]))
