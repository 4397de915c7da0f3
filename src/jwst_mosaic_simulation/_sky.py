"""The true sky, the same for all exposures: a smooth image and stars."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from gwcs import WCS
from scipy.interpolate import make_interp_spline
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter
from scipy.special import erf

from ._components import Cirrus, Galaxy, StarCounts
from ._geometry import Aperture, TangentPlane, load_aperture
from ._random import named_generator
from .noise import FILTERS
from .pointing import Pointing

_LARGEST_IMAGE = 4000  # cells per side: 64 MB in single precision, 4 s to draw
_CELLS_PER_FWHM = 1.4
# Spacing and least number of the points at which a frame's WCS is evaluated. A binned detector
# has the same distortion in fewer pixels; errors remain below 1e-4 pixel.
_MESH_STEP, _MESH_POINTS = 32, 16
_COVER_MARGIN = 3.0  # margin of the sky around the frames, arcsec
_STAR_MARGIN = 30  # largest distance of rendered stars from the frame, pixels
_MJY_PER_SR = 1e-12 / np.deg2rad(1 / 3600) ** 2  # 1 uJy distributed over 1 arcsec**2
_SIGMA_PER_FWHM = 1 / (2 * np.sqrt(2 * np.log(2)))


@dataclass(frozen=True, eq=False)
class Sky:
    """A smooth image and point sources, in the light of one filter.

    The image consists of cubic spline coefficients in MJy/sr on a tangent plane, rows to the
    north and columns to the east. The corner of the first cell and the size of the cells are in
    arcsec. A single coefficient makes a constant sky. Stars have right ascension and declination
    in degrees and flux in uJy, shape (3, n). The FWHM of the PSF is in arcsec.
    """

    plane: TangentPlane
    coefficients: np.ndarray
    corner: tuple[float, float]
    cell: float
    stars: np.ndarray
    fwhm: float

    def diffuse(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Evaluate the smooth image, MJy/sr, at positions in degrees."""
        return self._sample(*self.plane.project(ra, dec))

    def observe(self, wcs: WCS, shape: tuple[int, int]) -> np.ndarray:
        """Image the sky, MJy/sr: smooth part at pixel centres, stars averaged over pixels."""
        # A spline on a mesh, since the WCS of each pixel would double the cost.
        x, y = (
            np.linspace(0, size - 1, max(_MESH_POINTS, -(-size // _MESH_STEP) + 1))
            for size in shape[::-1]
        )
        sky = wcs(*np.meshgrid(x, y), with_bounding_box=False)
        mesh = np.stack(self.plane.project(*sky), axis=-1)
        rows = make_interp_spline(y, mesh, axis=0)(np.arange(shape[0]))
        positions = make_interp_spline(x, rows, axis=1)(np.arange(shape[1]))
        smooth = self._sample(*np.moveaxis(positions, -1, 0))
        if not self.stars.size:
            return smooth
        return smooth + render_stars(self.stars, wcs, shape, self.fwhm)

    def _sample(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if self.coefficients.size == 1:
            return np.full(np.shape(x), float(self.coefficients[0, 0]))
        grid = (y - self.corner[1]) / self.cell, (x - self.corner[0]) / self.cell
        return map_coordinates(self.coefficients, grid, order=3, mode="mirror", prefilter=False)


def make_sky(
    pointings: Sequence[Pointing],
    filter_name: str = "F770W",
    components: Iterable[Galaxy | Cirrus] = (),
    stars: StarCounts | None = None,
    binning: int = 1,
    seed: int = 1,
) -> Sky:
    """Draw a sky that covers the full frames of all pointings.

    The PSF grows with the binning, so that its width in pixels is real. Fluxes grow as well,
    so that peaks keep their height.
    """
    plane, half_size = _cover(pointings)
    pedestal, fwhm = FILTERS[filter_name].sky, FILTERS[filter_name].fwhm * binning
    cell = max(fwhm / _CELLS_PER_FWHM, 2 * max(half_size) / _LARGEST_IMAGE)
    coefficients = np.full((1, 1), pedestal)
    if components:
        x, y = (np.arange(-half, half + cell, cell) for half in half_size)
        image = np.zeros((y.size, x.size))
        for number, component in enumerate(components):
            rng = named_generator(seed, "diffuse", str(number))
            image += component.draw(x[None, :], y[:, None], rng)
        # The telescope does not resolve structure finer than the PSF.
        image = gaussian_filter(pedestal + image, fwhm / 2.355 / cell)
        coefficients = spline_filter(image, order=3, mode="mirror").astype(np.float32)
    catalogue = np.zeros((3, 0))
    if stars is not None:
        x, y, flux = stars.draw(half_size, named_generator(seed, "stars"))
        catalogue = np.stack([*plane.deproject(x, y), flux * binning**2])
    return Sky(plane, coefficients, (-half_size[0], -half_size[1]), cell, catalogue, fwhm)


def _cover(pointings: Sequence[Pointing]) -> tuple[TangentPlane, tuple[float, float]]:
    # The tangent point is the mean direction; the half size covers every full frame.
    ra, dec = np.array([(p.ra_ref, p.dec_ref) for p in pointings]).T
    lon, lat = np.deg2rad(ra), np.deg2rad(dec)
    axis = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    mx, my, mz = np.mean(axis, axis=1)
    lon0, lat0 = np.arctan2(my, mx), np.arctan2(mz, np.hypot(mx, my))
    plane = TangentPlane(np.rad2deg(lon0) % 360, np.rad2deg(lat0))
    reach = np.array([_reach(load_aperture(p.aperture)) for p in pointings]) + _COVER_MARGIN
    half_x, half_y = (float((np.abs(c) + reach).max()) for c in plane.project(ra, dec))
    return plane, (half_x, half_y)


def _reach(aperture: Aperture) -> float:
    # Largest distance of a corner from the reference point, arcsec.
    columns, rows = aperture.full_size
    corners = np.array([[0, columns, 0, columns], [0, 0, rows, rows]])
    v2v3 = np.array(aperture.to_v2v3(*corners, with_bounding_box=False))
    return np.hypot(*(v2v3 - np.array(aperture.reference_point)[:, None])).max()


def render_stars(stars: np.ndarray, wcs: WCS, shape: tuple[int, int], fwhm: float) -> np.ndarray:
    """Render stars in MJy/sr on a frame, with a Gaussian PSF integrated over each pixel.

    Stars are as in `Sky`. ``fwhm`` is the full width at half maximum of the PSF in arcsec.
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


def _place(stars: np.ndarray, wcs: WCS, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    # Pixel positions, pixel areas in arcsec squared, and fluxes of the stars near the frame.
    x, y = wcs.invert(*stars[:2], with_bounding_box=False)
    near = (np.abs(x - (shape[1] - 1) / 2) < shape[1] / 2 + _STAR_MARGIN) & (
        np.abs(y - (shape[0] - 1) / 2) < shape[0] / 2 + _STAR_MARGIN
    )
    x, y, (ra, dec, flux) = x[near], y[near], stars[:, near]
    to_v2v3 = wcs.get_transform("detector", "v2v3")
    origin, right, up = (
        np.array(to_v2v3(x + dx, y + dy, with_bounding_box=False))
        for dx, dy in ((0, 0), (1, 0), (0, 1))
    )
    along, across = right - origin, up - origin
    area = np.abs(along[0] * across[1] - along[1] * across[0])
    # Far outside the frame the inverse distortion is invalid, and may map stars back into it.
    back = wcs(x, y, with_bounding_box=False)
    miss = np.hypot((back[0] - ra) * np.cos(np.deg2rad(back[1])), back[1] - dec) * 3600
    true = miss < np.sqrt(area)
    return x[true], y[true], area[true], flux[true]
