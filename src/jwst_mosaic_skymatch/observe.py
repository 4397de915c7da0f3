"""From the exposures of a library to observations on a shared grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.coordinates import SkyCoord
from gwcs import WCS
from stcal.alignment.util import wcs_bbox_from_shape
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe.library import AbstractModelLibrary

from jwst_mosaic_skymatch.exposures.detectors import LYOT_FIELD, detector_regions
from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.models import (
    each_model,
    pixels_of,
    read_footprint,
    wcs_footprint,
)
from jwst_mosaic_skymatch.exposures.pixels import ExcludedPixels, FilePixels
from jwst_mosaic_skymatch.exposures.sky_files import AreaAbout
from jwst_mosaic_skymatch.tiles.grid import Grid, shared_grid
from jwst_mosaic_skymatch.tiles.observation import Observation
from jwst_mosaic_skymatch.tiles.pixel_map import map_pixels
from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape

__all__ = ["Exclusion", "excluded_pixels", "lay_grid", "observe", "pixels_in_area"]

# Degrees on the sky from one exposure to another that a tangent plane can hold.
LARGEST_ANGLE = 80.0


@dataclass(frozen=True)
class Exclusion:
    """Parts of all exposures that are left out of the matching.

    Attributes
    ----------
    edge_trim : int
        Rows and columns next to the edge of the bounding box of the WCS.
    miri_lyot : {'keep', 'mask'}
        'mask' for the field of MIRI's Lyot coronagraph, too.
    area : callable or None
        An area on the sky or on the detector, too.
    kept : callable or None
        An area outside of which all is left out, too.
    """

    edge_trim: int = 0
    miri_lyot: str = "keep"
    area: AreaAbout | None = None
    kept: AreaAbout | None = None


def excluded_pixels(
    exclusion: Exclusion, regions: tuple[Bounds, ...], wcs: WCS, shape: Shape
) -> ExcludedPixels:
    """Mark the pixels of an exposure that are left out.

    Parameters
    ----------
    exclusion : Exclusion
        The parts to leave out, beside pixels outside of the bounding box of the WCS.
    regions : tuple of tuple of int
        Regions of its detector, see `detector_regions`.
    wcs : `~gwcs.wcs.WCS`
        Its WCS.
    shape : tuple of int
        Its shape (ny, nx).

    Returns
    -------
    ExcludedPixels
        The pixels.
    """
    box, trim = wcs.bounding_box, exclusion.edge_trim
    limits = box.bounding_box(order="F") if box else wcs_bbox_from_shape(shape)
    excluded = np.zeros(shape, dtype=bool)
    for axis, (low, high) in zip(np.indices(shape, sparse=True)[::-1], limits, strict=True):
        excluded |= (axis < max(low, 0) + trim) | (axis > min(high, axis.size - 1) - trim)
    if exclusion.miri_lyot == "mask":
        for x_min, x_max, y_min, y_max in regions[LYOT_FIELD:]:
            excluded[y_min:y_max, x_min:x_max] = True
    if exclusion.kept is not None:
        excluded |= ~pixels_in_area(exclusion.kept, wcs, shape)
    inside = exclusion.area is not None and pixels_in_area(exclusion.area, wcs, shape)
    in_area = bool(np.any(inside))
    if in_area:
        excluded |= inside
    return ExcludedPixels(excluded, in_area)


def pixels_in_area(area: AreaAbout, wcs: WCS, shape: Shape) -> np.ndarray:
    """Mark the pixels whose centres lie in an area.

    Parameters
    ----------
    area : callable
        The area; see `~jwst_mosaic_skymatch.exposures.sky_files.read_area`.
    wcs : `~gwcs.wcs.WCS`
        WCS of the exposure, whose sky is ICRS.
    shape : tuple of int
        Its shape (ny, nx).

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        True in the area. Places are interpolated to a thousandth of a pixel. False for
        exposures that a mask's projection does not reach.
    """
    ny, nx = shape
    plane = area(*wcs((nx - 1) / 2, (ny - 1) / 2))
    inside = np.zeros(shape, dtype=bool)
    pixel_map = map_pixels(
        lambda *pixel: plane.wcs.world_to_pixel(
            SkyCoord(*wcs(*pixel, with_bounding_box=False), unit="deg")
        ),
        shape,
    )
    if np.isfinite(pixel_map.cells).all():
        for rows, places in pixel_map.bands():
            x, y = np.moveaxis(places, -1, 0)
            inside[rows] = plane.contains(x, y, *np.meshgrid(np.arange(nx), np.arange(ny)[rows]))
    return inside


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

    Raises
    ------
    ValueError
        If no tangent plane can hold all exposures.
    """
    footprints = []
    for exposure in exposures:
        footprint = read_footprint(exposure.s_region)
        if not footprint.size:
            (footprint,) = each_model(
                library, [exposure], lambda _, m: wcs_footprint(m.meta.wcs, m.data.shape)
            )
        footprints.append(footprint)
    corners = SkyCoord([footprint[0] for footprint in footprints], unit="deg")
    angles = corners[0].separation(corners).deg
    if angles.max() > LARGEST_ANGLE:
        raise ValueError(
            f"{exposures[int(angles.argmax())].name}: lies {angles.max():.0f} degrees from "
            f"{exposures[0].name}, and no grid can hold both; make one association for each field."
        )
    (grid,) = each_model(
        library,
        exposures[:1],
        lambda _, model: shared_grid(
            footprints, model.meta.wcs, model.data.shape, pixel_scale_ratio
        ),
    )
    return grid, [np.transpose(grid.from_sky(*corners.T)) for corners in footprints]


def observe(
    library: AbstractModelLibrary,
    exposure: Exposure,
    grid: Grid,
    exclusion: Exclusion = Exclusion(),
    *,
    from_file: bool = False,
) -> Observation:
    """Take the pixels of an exposure of a library, and their places on the grid.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures.
    exposure : Exposure
        Metadata of the exposure.
    grid : Grid
        The grid.
    exclusion : Exclusion, optional
        Parts that are left out of the matching.
    from_file : bool, optional
        Leave the pixels in its FITS file.

    Returns
    -------
    Observation
        The exposure without its model.
    """

    def take(exposure: Exposure, model: JwstDataModel) -> Observation:
        wcs, shape = model.meta.wcs, model.data.shape
        # A resampled image has no edge or field of a detector where the array has.
        instrument = None if exposure.resample == "COMPLETE" else exposure.instrument
        regions = detector_regions(instrument, exposure.detector, exposure.subarray, shape)
        return Observation(
            pixels=FilePixels(exposure.expname) if from_file else pixels_of(model, exposure.name),
            pixel_map=grid.map_pixels(wcs, shape),
            excluded=excluded_pixels(exclusion, regions, wcs, shape),
            detector=exposure.detector or "",
            regions=regions if exclusion.miri_lyot == "keep" else regions[:LYOT_FIELD],
        )

    return each_model(library, [exposure], take)[0]
