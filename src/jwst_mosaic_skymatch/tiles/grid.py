"""The grid of cells on the sky that all exposures of a mosaic share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.modeling import Model
from astropy.modeling.models import Shift
from gwcs import WCS
from stcal.alignment.util import wcs_bbox_from_shape, wcs_from_sregions
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
from jwst_mosaic_skymatch.tiles.exclusion import Exclusion, excluded_pixels
from jwst_mosaic_skymatch.tiles.frame import LYOT, detector_regions
from jwst_mosaic_skymatch.tiles.observation import Observation
from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap, map_pixels
from jwst_mosaic_skymatch.tiles.tile import Tile
from jwst_mosaic_skymatch.tiles.windows import Shape

__all__ = ["Grid", "lay_grid", "observe", "shared_grid"]

# Degrees on the sky from one exposure to another that a tangent plane can hold.
LARGEST_ANGLE = 80.0


@dataclass(frozen=True)
class Grid:
    """A tangent-plane grid of square cells that covers a mosaic.

    Attributes
    ----------
    wcs : `~gwcs.wcs.WCS`
        From cell indices (x, y), 0-based, to the sky. Its ``pixel_shape`` is the number of cells
        (nx, ny) that would cover all exposures. No array of this shape is ever made.
    """

    wcs: WCS

    @property
    def sky_axes(self) -> np.ndarray:
        """Offset on the sky (east, north), arcsec, for one cell in x and in y.

        An array of shape (2, 2): multiply it with a shift in cells. Taken
        where the grid touches the sky.
        """
        plane = self.wcs.forward_transform
        return 3600.0 * plane.cdelt.value[:, None] * plane.pc.value

    @property
    def cell_scale(self) -> float:
        """Side of a cell where the grid touches the sky, arcsec."""
        return 3600.0 * float(self.wcs.forward_transform.cdelt[0])

    @cached_property
    def from_sky(self) -> Model:
        """Transform from right ascension and declination, ICRS degrees, to cells (x, y).

        The WCS inverts its steps anew for every call: half of the time of a pixel map.
        """
        return self.wcs.backward_transform

    def map_pixels(self, wcs: WCS, shape: Shape) -> PixelMap:
        """Map the pixels of an exposure to the grid.

        Parameters
        ----------
        wcs : `~gwcs.wcs.WCS`
            Its WCS.
        shape : tuple of int
            Its shape (ny, nx).

        Returns
        -------
        PixelMap
            Places of its pixels; NaN where the WCS gives NaN.
        """
        return map_pixels(lambda x, y: self.from_sky(*wcs(x, y, with_bounding_box=False)), shape)

    def cutout_wcs(self, tile: Tile) -> WCS:
        """Make the WCS of a part of the grid.

        Parameters
        ----------
        tile : Tile
            A tile of that part.

        Returns
        -------
        `~gwcs.wcs.WCS`
            From its cells to the sky.
        """
        to_sky = Shift(tile.x0) & Shift(tile.y0) | self.wcs.forward_transform
        wcs = WCS(to_sky, self.wcs.input_frame, self.wcs.output_frame)
        wcs.array_shape, wcs.bounding_box = tile.shape, wcs_bbox_from_shape(tile.shape)
        return wcs


def shared_grid(
    footprints: Sequence[np.ndarray],
    reference_wcs: WCS,
    reference_shape: Shape,
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
    reference_shape : tuple of int
        Shape (ny, nx) of that exposure.
    pixel_scale_ratio : float
        Side of a cell in native pixels.

    Returns
    -------
    Grid
        The grid, with its axes along the reference exposure's detector axes.
    """
    # From the WCS: meta.wcsinfo may be incomplete, or contradict it.
    y, x = np.divide(reference_shape, 2.0) - 0.5
    centre, above = SkyCoord(*reference_wcs([x, x], [y, y + 1.0]), unit="deg")
    orientation = {
        "ra_ref": centre.ra.deg,
        "dec_ref": centre.dec.deg,
        "roll_ref": centre.position_angle(above).deg,
        "v3yangle": 0.0,
        "vparity": -1,
    }
    whole = [np.concatenate(footprints)]  # for each footprint it would invert the WCS anew
    return Grid(
        wcs_from_sregions(whole, reference_wcs, orientation, pscale_ratio=pixel_scale_ratio)
    )


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
    exclusion: Exclusion = Exclusion(),  # noqa: B008 (frozen)
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
        regions = detector_regions(exposure, shape)
        return Observation(
            pixels=FilePixels(exposure.expname) if from_file else pixels_of(model, exposure.name),
            pixel_map=grid.map_pixels(wcs, shape),
            excluded=excluded_pixels(exclusion, regions, wcs, shape),
            detector=exposure.detector or "",
            regions=regions if exclusion.miri_lyot == "keep" else regions[:LYOT],
        )

    return each_model(library, [exposure], take)[0]
