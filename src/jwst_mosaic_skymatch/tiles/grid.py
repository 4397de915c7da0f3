"""The grid of cells on the sky that all exposures of a mosaic share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import Shift
from gwcs import WCS
from stcal.alignment.util import wcs_from_sregions
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe.library import AbstractModelLibrary

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.models import (
    each_model,
    pixels_of,
    read_footprint,
    wcs_footprint,
)
from jwst_mosaic_skymatch.exposures.pixels import FilePixels
from jwst_mosaic_skymatch.tiles.exclusion import Exclusion, excluded_pixels, kept_parts
from jwst_mosaic_skymatch.tiles.observation import Observation
from jwst_mosaic_skymatch.tiles.pixel_map import Cutout, PixelMap, map_pixels
from jwst_mosaic_skymatch.tiles.tile import Tile

__all__ = ["Grid", "lay_grid", "observe", "shared_grid"]

# Of meta.wcsinfo.
ORIENTATION = ("ra_ref", "dec_ref", "roll_ref", "v3yangle", "vparity")

NOTHING = Exclusion()

# Degrees on the sky from one exposure to another that a tangent plane can hold.
LARGEST_ANGLE = 80.0


@dataclass(frozen=True)
class Grid:
    """A tangent-plane grid of square cells that covers a mosaic.

    Attributes
    ----------
    wcs : `~gwcs.wcs.WCS`
        From cell indices (x, y), 0-based, to the sky.
    shape : tuple of int
        Number of cells (ny, nx) that would cover all exposures. No array of
        this shape is ever made.
    """

    wcs: WCS
    shape: tuple[int, int]

    @cached_property
    def from_sky(self) -> Model:
        """Transform from right ascension and declination (degrees) to cells (x, y).

        The WCS inverts its steps anew for every call: half of the time of a pixel map.
        """
        return self.wcs.backward_transform

    @property
    def sky_axes(self) -> np.ndarray:
        """Offset on the sky (east, north), arcsec, for one cell in x and in y.

        An array of shape (2, 2): multiply it with a shift in cells. Taken
        at the centre of the grid.
        """
        x, y = (self.shape[1] - 1) / 2.0, (self.shape[0] - 1) / 2.0
        ra, dec = self.wcs(
            np.array([x, x + 1, x]), np.array([y, y, y + 1]), with_bounding_box=False
        )
        # Right ascension may pass 360 degrees between two cells.
        east = ((ra[1:] - ra[0] + 180.0) % 360.0 - 180.0) * np.cos(np.deg2rad(dec[0]))
        return 3600.0 * np.array([east, dec[1:] - dec[0]])

    @property
    def cell_scale(self) -> float:
        """Side of a cell at the centre of the grid, arcsec."""
        return float(np.sqrt(np.abs(np.linalg.det(self.sky_axes))))

    def locate(  # numpydoc ignore=PR01,RT01
        self, footprints: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Find where footprints, RA and Dec (degrees) of shape (n, 2), lie on the grid, cells.

        NaN for a point that the projection does not reach.
        """
        corners = np.concatenate(footprints)
        cells = np.stack(self.from_sky(*corners.T), axis=1)
        return np.split(cells, np.cumsum([len(f) for f in footprints])[:-1])

    def map_pixels(  # numpydoc ignore=PR01,RT01
        self, wcs: WCS, shape: tuple[int, int]
    ) -> PixelMap:
        """Make the `PixelMap` of an exposure with some WCS and shape (ny, nx)."""

        def to_grid(x: np.ndarray, y: np.ndarray) -> Sequence[np.ndarray]:
            sky = wcs(x, y, with_bounding_box=False)
            return self.from_sky(*sky)

        box = wcs.bounding_box
        return map_pixels(to_grid, shape, box and box.bounding_box(order="F"))

    def cutout_wcs(self, cutout: Cutout | Tile) -> WCS:  # numpydoc ignore=PR01,RT01
        """Make the `~gwcs.wcs.WCS` of a cutout or tile, from its cells to the sky."""
        first, *rest = self.wcs.pipeline
        corner = Shift(float(cutout.x0)) & Shift(float(cutout.y0))
        wcs = WCS([(first.frame, corner | first.transform), *rest])
        ny, nx = cutout.shape
        wcs.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
        wcs.array_shape = cutout.shape
        return wcs


def shared_grid(
    footprints: Sequence[np.ndarray],
    reference_wcs: WCS,
    reference_wcsinfo: Mapping[str, Any],
    pixel_scale_ratio: float,
) -> Grid:
    """Lay a grid over all exposures, as resample does.

    Parameters
    ----------
    footprints : sequence of ndarray, shape (n, 2)
        RA and Dec (degrees) of each exposure's corners. They only place the
        grid; they need not be exact.
    reference_wcs : `~gwcs.wcs.WCS`
        WCS of the exposure that gives orientation and pixel scale.
    reference_wcsinfo : dict
        That exposure's ``meta.wcsinfo``.
    pixel_scale_ratio : float
        Side of a cell in native pixels.

    Returns
    -------
    Grid
        The grid, with its axes along the reference exposure's detector axes.
    """
    wcs = wcs_from_sregions(
        [np.concatenate(footprints)],  # as one: for each it would invert the WCS anew
        ref_wcs=reference_wcs,
        ref_wcsinfo=reference_wcsinfo,
        pscale_ratio=pixel_scale_ratio,
    )
    return Grid(wcs=wcs, shape=tuple(wcs.array_shape))


def lay_grid(
    library: AbstractModelLibrary, exposures: Sequence[Exposure], pixel_scale_ratio: float
) -> tuple[Grid, list[np.ndarray]]:
    """Lay a grid over the exposures of a library.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures.
    exposures : sequence of Exposure
        Their metadata.
    pixel_scale_ratio : float
        Side of a cell in native pixels.

    Returns
    -------
    grid : Grid
        The grid, with the orientation of the first exposure.
    footprints : list of ndarray, shape (n, 2)
        Corners (x, y) of each exposure on it, cells.
    """
    skies: list[Any] = [read_footprint(exposure.s_region) for exposure in exposures]
    without = [k for k, corners in enumerate(skies) if corners is None or not corners.size]
    found = each_model(
        library,
        [exposures[k] for k in without],
        lambda _, model: wcs_footprint(model.meta.wcs, model.data.shape),
    )
    for k, corners in zip(without, found, strict=True):
        skies[k] = corners

    _refuse_opposite_sides(exposures, skies)

    def lay(exposure: Exposure, model: JwstDataModel) -> Grid:
        try:
            return shared_grid(skies, model.meta.wcs, _orientation(model), pixel_scale_ratio)
        except ValueError:  # a shape of NaN
            raise ValueError(
                f"{exposure.name}: meta.wcsinfo (ra_ref, dec_ref) lies far from where the WCS "
                "does; run assign_wcs (calwebb_image2) on it."
            ) from None

    (grid,) = each_model(library, exposures[:1], lay)
    return grid, grid.locate(skies)


def _orientation(model: JwstDataModel) -> Mapping[str, Any]:
    """Take the metadata that tell how an exposure lies; where any is missing, its WCS tells."""
    info = model.meta.wcsinfo.instance
    if all(info.get(name) is not None for name in ORIENTATION):
        return info
    x, y = (0.5 * (n - 1) for n in model.data.shape[::-1])
    (ra, ra_up), (dec, dec_up) = model.meta.wcs(np.array([x, x]), np.array([y, y + 1.0]))
    east = np.sin(np.deg2rad(ra_up - ra)) * np.cos(np.deg2rad(dec))
    angle = np.rad2deg(np.arctan2(east, np.sin(np.deg2rad(dec_up - dec))))
    return dict(zip(ORIENTATION, (ra, dec, angle, 0.0, -1), strict=True))


def _refuse_opposite_sides(exposures: Sequence[Exposure], skies: Sequence[np.ndarray]) -> None:
    """Refuse exposures that one tangent plane cannot hold."""
    ra, dec = np.deg2rad([footprint[0] for footprint in skies]).T
    towards = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    angles = np.rad2deg(np.arccos(np.clip(towards[:, 0] @ towards, -1.0, 1.0)))
    farthest = int(np.argmax(angles))
    if angles[farthest] > LARGEST_ANGLE:
        raise ValueError(
            f"{exposures[farthest].name}: lies {angles[farthest]:.0f} degrees from "
            f"{exposures[0].name}, and no grid can hold both; make one association for each field."
        )


def observe(  # numpydoc ignore=PR01,RT01
    library: AbstractModelLibrary,
    exposure: Exposure,
    grid: Grid,
    path: str | None = None,
    exclusion: Exclusion = NOTHING,
) -> Observation:
    """Take the pixels of an exposure of a library, and their places on the grid.

    With the path of the FITS file that the pixels are in, they are left there. The
    `~jwst_mosaic_skymatch.tiles.exclusion.Exclusion` says which are left out of the matching.
    """

    def take(exposure: Exposure, model: JwstDataModel) -> Observation:
        try:
            pixel_map = grid.map_pixels(model.meta.wcs, model.data.shape)
        except ValueError:  # no spline passes through NaN
            raise ValueError(
                f"{exposure.name}: the WCS gives no sky position for some pixels; run assign_wcs "
                "(calwebb_image2) on it."
            ) from None
        pixels = pixels_of(model, exposure.name) if path is None else FilePixels(path)
        excluded = excluded_pixels(exclusion, exposure, model.meta.wcs, pixel_map)
        return Observation(
            pixels=pixels,
            pixel_map=pixel_map,
            excluded=excluded,
            parts=kept_parts(exclusion, exposure, pixel_map.shape),
        )

    (observation,) = each_model(library, [exposure], take)
    return observation
