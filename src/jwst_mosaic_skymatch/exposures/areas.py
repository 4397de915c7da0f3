"""Areas on the sky or the detector that a user names in a file: regions of DS9, or a mask."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

__all__ = ["Area", "MaskArea", "Plane", "RegionArea", "RegionPlane", "read_area"]

# How FITS files begin, and files that gzip and bzip2 have made of such.
FITS_BEGINNINGS = (b"SIMPLE", b"\x1f\x8b", b"BZh")
# Scale of the tangent plane that regions are drawn on, degrees: a third of the smallest pixels.
PLANE_SCALE = 3e-6
# A tangent plane ends at 90 degrees, and no exposure reaches as far.
LARGEST_ANGLE = 45.0 * u.deg


class Plane(Protocol):
    """A plane that areas are drawn on, about one exposure."""

    def from_sky(self, ra: np.ndarray, dec: np.ndarray) -> Sequence[np.ndarray]:
        """Take RA and Dec (ICRS, degrees) to coordinates x, y on the plane."""

    def contains(
        self, x: np.ndarray, y: np.ndarray, column: np.ndarray, row: np.ndarray
    ) -> np.ndarray:
        """Tell which points lie in the area, by place on the plane and on the detector."""


class Area(Protocol):
    """What a user has named in a file."""

    def on_plane(self, ra: float, dec: float) -> Plane:
        """Draw it on a plane for exposures about some RA and Dec (ICRS, degrees)."""


def read_area(path: Path) -> Area:
    """Read a region file of DS9, or a mask in FITS.

    Parameters
    ----------
    path : Path
        The file. Whether it is FITS, its first bytes tell.

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
        raise FileNotFoundError(
            f"{path}: no such file, but exclude names it; give the path of a DS9 region file or a "
            "FITS mask."
        )
    try:
        with path.open("rb") as file:
            beginning = file.read(8)
    except OSError as error:
        raise _unreadable(path, error) from None
    return _read_mask(path) if beginning.startswith(FITS_BEGINNINGS) else _read_regions(path)


def _unreadable(path: Path, error: Exception) -> OSError:
    return OSError(
        f"{path}: cannot be read ({type(error).__name__}: {error}); make the file for exclude anew."
    )


# --- A mask ------------------------------------------------------------------


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

    def on_plane(self, ra: float, dec: float) -> Plane:  # numpydoc ignore=PR01,RT01
        """Return itself; see `Area`."""
        return self

    def from_sky(  # numpydoc ignore=PR01,RT01
        self, ra: np.ndarray, dec: np.ndarray
    ) -> Sequence[np.ndarray]:
        """Take RA and Dec (ICRS, degrees) to pixels of the image; NaN beyond its projection."""
        return self.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))

    def contains(  # numpydoc ignore=PR01,RT01
        self, x: np.ndarray, y: np.ndarray, column: np.ndarray, row: np.ndarray
    ) -> np.ndarray:
        """Look up the pixel of the image that each point lies in; see `Plane`."""
        ny, nx = self.image.shape
        found = (x > -0.5) & (x < nx - 0.5) & (y > -0.5) & (y < ny - 0.5)
        found[found] = self.image[np.rint(y[found]).astype(int), np.rint(x[found]).astype(int)]
        return found


def _read_mask(path: Path) -> MaskArea:
    # What a damaged file raises depends on where the damage is.
    try:
        image, wcs = _first_image(path)
    except Exception as error:
        raise _unreadable(path, error) from None
    if image.ndim != 2:
        raise ValueError(
            f"{path}: has no 2-D image, but exclude names it; give a FITS image in which pixels to "
            "leave out are not zero, or a DS9 region file."
        )
    if not wcs.has_celestial:
        raise ValueError(
            f"{path}: the first image has no celestial WCS (CTYPE, CRVAL, CRPIX, CDELT or CD), but "
            "exclude names it; copy these keywords from the mosaic that the mask was drawn on."
        )
    return MaskArea(image=np.nan_to_num(image) != 0, wcs=wcs if wcs.naxis == 2 else wcs.celestial)


def _first_image(path: Path) -> tuple[np.ndarray, WCS]:
    """Read the first image that has data, empty if there is none, and its WCS."""
    with fits.open(path, memmap=False) as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.data is not None:
                with warnings.catch_warnings():
                    # Obsolete keywords are mended, which is nobody's concern here.
                    warnings.simplefilter("ignore", FITSFixedWarning)
                    return np.squeeze(hdu.data), WCS(hdu.header, hdus)
    return np.zeros(0), WCS()


# --- Regions -----------------------------------------------------------------


@dataclass(frozen=True)
class RegionArea:
    """Regions of DS9, in sky or image coordinates.

    Attributes
    ----------
    included : tuple of `~regions.Region`
        The area, together.
    excluded : tuple of `~regions.Region`
        What is taken out of it again, those with ``-`` in front.
    """

    included: tuple[Any, ...]
    excluded: tuple[Any, ...] = ()

    def on_plane(self, ra: float, dec: float) -> Plane:  # numpydoc ignore=PR01,RT01
        """Draw the regions on the tangent plane at some RA and Dec (ICRS, degrees)."""
        plane = WCS(naxis=2)
        plane.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        plane.wcs.crval = [ra, dec]
        plane.wcs.cdelt = [-PLANE_SCALE, PLANE_SCALE]
        plane.wcs.radesys = "ICRS"
        here = SkyCoord(ra, dec, unit="deg")

        def draw(regions: Sequence[Any]) -> list[tuple[Any, bool]]:
            on_sky = [(region, hasattr(region, "to_pixel")) for region in regions]
            return [
                (region.to_pixel(plane) if sky else region, sky)
                for region, sky in on_sky
                if not sky or _is_near(region, here)
            ]

        return RegionPlane(plane, draw(self.included), draw(self.excluded))


def _is_near(region: Any, here: SkyCoord) -> bool:
    where = region.vertices if hasattr(region, "vertices") else region.center
    return bool(np.all(where.separation(here) < LARGEST_ANGLE))


@dataclass(frozen=True)
class RegionPlane:
    """Regions about an exposure.

    Attributes
    ----------
    wcs : `~astropy.wcs.WCS`
        From the plane to the sky.
    included, excluded : sequence of tuple of `~regions.PixelRegion` and bool
        The area, and what is taken out of it; whether it is drawn on the plane, or else
        on the detector.
    """

    wcs: WCS
    included: Sequence[tuple[Any, bool]]
    excluded: Sequence[tuple[Any, bool]]

    def from_sky(  # numpydoc ignore=PR01,RT01
        self, ra: np.ndarray, dec: np.ndarray
    ) -> Sequence[np.ndarray]:
        """Project RA and Dec (ICRS, degrees); see `Plane`."""
        return self.wcs.wcs_world2pix(ra, dec, 0)

    def contains(  # numpydoc ignore=PR01,RT01
        self, x: np.ndarray, y: np.ndarray, column: np.ndarray, row: np.ndarray
    ) -> np.ndarray:
        """Tell which points lie in the regions; see `Plane`."""
        found = np.zeros(x.shape, dtype=bool)
        for region, on_sky in self.included:
            found |= _within(region, *((x, y) if on_sky else (column, row)))
        for region, on_sky in self.excluded:
            found &= ~_within(region, *((x, y) if on_sky else (column, row)))
        return found


def _within(region: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    from regions import PixCoord

    box = region.bounding_box
    found = (x > box.ixmin - 1) & (x < box.ixmax) & (y > box.iymin - 1) & (y < box.iymax)
    if found.any():
        found[found] = region.contains(PixCoord(x[found], y[found]))
    return found


def _read_regions(path: Path) -> RegionArea:
    try:
        from regions import (
            LinePixelRegion,
            LineSkyRegion,
            PointPixelRegion,
            PointSkyRegion,
            RegionMeta,
            Regions,
        )
    except ImportError as error:
        raise ImportError(
            f"{path}: is no FITS file, and to read a DS9 region file exclude needs regions: pip "
            "install regions"
        ) from error
    # Its parser raises whatever the text causes in it.
    try:
        regions = Regions.read(path, format="ds9")
    except Exception as error:
        raise ValueError(
            f"{path}: neither a DS9 region file nor FITS ({type(error).__name__}: {error}), but "
            "exclude names it; save regions from DS9 anew."
        ) from None
    without_area = (LinePixelRegion, LineSkyRegion, PointPixelRegion, PointSkyRegion)
    area: dict[bool, list[Any]] = {True: [], False: []}
    for region in regions:
        if not isinstance(region, without_area):
            # Older versions of regions invert those with "-" by themselves.
            plain = region.copy(meta=RegionMeta())
            area[bool(region.meta.get("include", True))].append(plain)
    if not area[True]:
        raise ValueError(
            f"{path}: has no region to leave out, but exclude names it; draw circles, ellipses, "
            "boxes or polygons in DS9, those with '-' in front only inside of others."
        )
    return RegionArea(included=tuple(area[True]), excluded=tuple(area[False]))
