"""The true sky, the same for all exposures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from gwcs import WCS
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from ._random import named_generator
from .aperture import load_aperture
from .diffuse import Cirrus, Galaxy
from .filters import FILTERS
from .plane import TangentPlane
from .pointing import Pointing
from .stars import StarCounts, Stars, draw_stars, render_stars

__all__ = ["Sky", "make_sky"]

_LARGEST_IMAGE = 4000  # cells per side: 64 MB in single precision, 4 s to draw
_CELLS_PER_FWHM = 1.4
# Spacing and least number of the points at which a frame's WCS is evaluated. A binned
# detector has as much distortion in fewer pixels; errors stay below 1e-4 pixel there too.
_MESH_STEP, _MESH_POINTS = 32, 16


@dataclass(frozen=True, eq=False)
class Sky:
    """A smooth image and point sources, in the light of one filter.

    Attributes
    ----------
    plane : TangentPlane
        Tangent plane in which the image lies.
    coefficients : numpy.ndarray
        Cubic spline coefficients of the smooth image, MJy/sr; rows to the north
        and columns to the east.
    corner : tuple of float
        Plane position of the centre of the first cell, arcsec.
    cell : float
        Size of a cell, arcsec.
    stars : Stars
        Point sources.
    fwhm : float
        Full width at half maximum of the PSF, arcsec.
    """

    plane: TangentPlane
    coefficients: np.ndarray
    corner: tuple[float, float]
    cell: float
    stars: Stars
    fwhm: float

    def diffuse(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Evaluate the smooth image.

        Parameters
        ----------
        ra, dec : numpy.ndarray
            Positions, degrees.

        Returns
        -------
        numpy.ndarray
            Brightness, MJy/sr.
        """
        return self._sample(*self.plane.project(ra, dec))

    def observe(self, wcs: WCS, shape: tuple[int, int]) -> np.ndarray:
        """Look at the sky with a detector.

        Parameters
        ----------
        wcs : gwcs.WCS
            WCS of the frame.
        shape : tuple of int
            Rows and columns.

        Returns
        -------
        numpy.ndarray
            Brightness, MJy/sr, of that shape: the smooth image at the pixel
            centres, point sources averaged over each pixel.
        """
        smooth = self._sample(*np.moveaxis(self._plane_positions(wcs, shape), -1, 0))
        if self.stars.flux.size == 0:
            return smooth
        return smooth + render_stars(self.stars, wcs, shape, self.fwhm)

    def _plane_positions(self, wcs: WCS, shape: tuple[int, int]) -> np.ndarray:
        # At each pixel the WCS would cost as much as all else.
        x, y = (_mesh(size) for size in shape[::-1])
        sky = wcs(*np.meshgrid(x, y), with_bounding_box=False)
        mesh = np.stack(self.plane.project(*sky), axis=-1)
        rows = make_interp_spline(y, mesh, axis=0)(np.arange(shape[0]))
        return make_interp_spline(x, rows, axis=1)(np.arange(shape[1]))

    def _sample(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if self.coefficients.size == 1:  # a constant sky
            return np.full(np.shape(x), float(self.coefficients[0, 0]))
        grid = (y - self.corner[1]) / self.cell, (x - self.corner[0]) / self.cell
        return map_coordinates(self.coefficients, grid, order=3, mode="mirror", prefilter=False)


def _mesh(size: int) -> np.ndarray:
    return np.linspace(0, size - 1, max(_MESH_POINTS, -(-size // _MESH_STEP) + 1))


def make_sky(
    pointings: Iterable[Pointing],
    *,
    filter_name: str = "F770W",
    pedestal: float | None = None,
    components: Iterable[Galaxy | Cirrus] = (),
    stars: StarCounts | None = None,
    binning: int = 1,
    seed: int = 1,
) -> Sky:
    """Draw a sky that covers the fields of some pointings.

    Parameters
    ----------
    pointings : iterable of Pointing
        What must be covered.
    filter_name : str, optional
        One of `FILTERS`; it sets the PSF and the default pedestal.
    pedestal : float, optional
        Uniform brightness, MJy/sr. The default is usual for the filter.
    components : iterable of Galaxy or Cirrus, optional
        Smooth components of the sky, added up.
    stars : StarCounts, optional
        Point sources. The default is none.
    binning : int, optional
        Binning of the detector. The PSF grows with it, so that its width in
        pixels stays real, and so do the fluxes, so that the peaks stay as high.
    seed : int, optional
        Seed.

    Returns
    -------
    Sky
        The sky.
    """
    plane, half_size = _cover(tuple(pointings))
    numbers = FILTERS[filter_name]
    pedestal = numbers.sky if pedestal is None else pedestal
    fwhm = numbers.fwhm * binning
    cell = max(fwhm / _CELLS_PER_FWHM, 2 * max(half_size) / _LARGEST_IMAGE)
    coefficients = np.full((1, 1), pedestal)
    if components:
        image = _draw(components, half_size, cell, seed)
        # Structure finer than the PSF would not pass the telescope.
        image = gaussian_filter(pedestal + image, fwhm / 2.355 / cell)
        coefficients = spline_filter(image, order=3, mode="mirror").astype(np.float32)
    catalogue = Stars(*np.zeros((3, 0)))
    if stars is not None:
        catalogue = draw_stars(stars, plane, half_size, named_generator(seed, "stars"))
    catalogue = Stars(catalogue.ra, catalogue.dec, catalogue.flux * binning**2)
    return Sky(
        plane=plane,
        coefficients=coefficients,
        corner=(-half_size[0], -half_size[1]),
        cell=cell,
        stars=catalogue,
        fwhm=fwhm,
    )


def _draw(
    components: Iterable[Galaxy | Cirrus], half_size: tuple[float, float], cell: float, seed: int
) -> np.ndarray:
    x, y = (np.arange(-half, half + cell, cell) for half in half_size)
    image = np.zeros((y.size, x.size))
    for number, component in enumerate(components):
        rng = named_generator(seed, "diffuse", str(number))
        image += component.draw(x[None, :], y[:, None], rng)
    return image


def _cover(
    pointings: Sequence[Pointing], margin: float = 3.0
) -> tuple[TangentPlane, tuple[float, float]]:
    # The tangent point is the mean direction; the half size holds every full frame.
    ra, dec = (np.array([getattr(p, key) for p in pointings]) for key in ("ra_ref", "dec_ref"))
    lon, lat = np.deg2rad(ra), np.deg2rad(dec)
    axis = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    mx, my, mz = (component.mean() for component in axis)
    plane = TangentPlane(
        np.rad2deg(np.arctan2(my, mx)) % 360, np.rad2deg(np.arctan2(mz, np.hypot(mx, my)))
    )
    reach = np.array([_reach(p.aperture) for p in pointings]) + margin
    half_x, half_y = (float((np.abs(c) + reach).max()) for c in plane.project(ra, dec))
    return plane, (half_x, half_y)


def _reach(name: str) -> float:
    # Largest distance of a corner from the reference point, arcsec.
    aperture = load_aperture(name)
    columns, rows = aperture.full_size
    corners = np.array([[0, columns, 0, columns], [0, 0, rows, rows]])
    v2, v3 = aperture.to_v2v3(*corners, with_bounding_box=False)
    return np.hypot(v2 - aperture.v2_ref, v3 - aperture.v3_ref).max()
