"""Ready-made scenes, on the pointings of real mosaics or on made-up ones."""

from collections.abc import Iterable, Sequence
from typing import Any

from .detector import DetectorOptions
from .diffuse import Cirrus, Galaxy
from .levels import draw_levels, measured_levels
from .noise import filter_noise
from .patterns import dither_pointings, mosaic_pointings
from .pointing import Pointing, detector_pointings, offset_pointing, read_pointings
from .scene import Scene, compose_scene
from .stars import StarCounts

__all__ = [
    "blank_field",
    "dithers",
    "ngc628",
    "nircam_mosaic",
    "stephans_quintet",
    "thirty_doradus",
    "two_by_three",
]

_SHORT_WAVE = tuple(f"NRC{module}{chip}_FULL" for module in "AB" for chip in range(1, 5))


def stephans_quintet(n: int | None = None, **options: Any) -> Scene:
    """Observe a compact group of galaxies: 32 real MIRI F770W pointings, 4 visits.

    Parameters
    ----------
    n : int, optional
        Use only that many exposures, spread evenly over the visits.
    **options
        ``seed``, ``binning`` and whatever else `compose_scene` takes.

    Returns
    -------
    Scene
        The scene, with the levels that jwst's own step found on the real data.
    """
    galaxies = (
        Galaxy(6.0, 12.0, -35, 25, angle=60),
        Galaxy(9.0, 8.0, 20, 10, axis_ratio=0.8, arm_contrast=0.3),
        Galaxy(4.0, 15.0, 45, -40, axis_ratio=0.5, angle=130),
    )
    pointings = _thin(read_pointings("stephans-quintet-f770w"), n)
    return compose_scene(
        "stephans-quintet",
        pointings,
        filter_name="F770W",
        levels=measured_levels(pointings),
        components=(*galaxies, Cirrus(0.3, 0.8)),
        stars=StarCounts(1000, flux=8.0),
        target="STEPHANS QUINTET",
        **options,
    )


def ngc628(n: int | None = None, **options: Any) -> Scene:
    """Observe a face-on spiral: 20 real MIRI F1000W pointings, three connected components.

    Parameters
    ----------
    n : int, optional
        Use only that many exposures, spread evenly over the visits.
    **options
        ``seed``, ``binning`` and whatever else `compose_scene` takes.

    Returns
    -------
    Scene
        The scene, with random levels.
    """
    return compose_scene(
        "ngc628",
        _thin(read_pointings("ngc628-f1000w"), n),
        filter_name="F1000W",
        components=(Galaxy(12.0, 90.0, axis_ratio=0.95, bulge=1.5), Cirrus(3.0, 0.9)),
        stars=StarCounts(900, slope=1.8, flux=2.0),
        target="NGC 628",
        **options,
    )


def thirty_doradus(n: int | None = None, **options: Any) -> Scene:
    """Observe a nebula that fills the field: 20 real MIRI F1280W pointings, 2 visits.

    Parameters
    ----------
    n : int, optional
        Use only that many exposures, spread evenly over the visits.
    **options
        ``seed``, ``binning`` and whatever else `compose_scene` takes.

    Returns
    -------
    Scene
        The scene, with random levels.
    """
    return compose_scene(
        "thirty-doradus",
        _thin(read_pointings("30dor-f1280w"), n),
        filter_name="F1280W",
        components=(Cirrus(60.0, 1.1), Cirrus(15.0, 0.8, 2.6)),
        stars=StarCounts(800, slope=1.8, flux=5.0),
        target="30 DORADUS",
        **options,
    )


def _thin(pointings: tuple[Pointing, ...], n: int | None) -> tuple[Pointing, ...]:
    if n is None:
        return pointings
    return tuple(pointings[i * len(pointings) // n] for i in range(n))


def dithers(
    n: int = 4, *, rolls: Iterable[float] = (40.0,), step: float = 4.0, **options: Any
) -> Scene:
    """Dither MIRI over a galaxy, in one visit per roll.

    Parameters
    ----------
    n : int, optional
        Dithers per visit.
    rolls : iterable of float, optional
        Roll of each visit, degrees.
    step : float, optional
        Smallest distance of two dithers, arcsec.
    **options
        ``seed``, ``binning`` and whatever else `compose_scene` takes.

    Returns
    -------
    Scene
        The scene, with random levels.
    """
    return compose_scene(
        "dithers",
        dither_pointings(n, rolls=rolls, step=step),
        components=(Galaxy(6.0, 15.0), Cirrus(0.5, 0.8)),
        stars=StarCounts(800, flux=15.0),
        **options,
    )


def blank_field(n: int = 4, *, rolls: Iterable[float] = (40.0,), **options: Any) -> Scene:
    """Dither MIRI over nothing but noise.

    Parameters
    ----------
    n : int, optional
        Dithers per visit.
    rolls : iterable of float, optional
        Roll of each visit, degrees.
    **options
        ``seed``, ``binning`` and whatever else `compose_scene` takes.

    Returns
    -------
    Scene
        The scene, with random levels.
    """
    return compose_scene("blank-field", dither_pointings(n, rolls=rolls), **options)


def nircam_mosaic(
    n: int = 2,
    *,
    seed: int = 1,
    rolls: Iterable[float] = (20.0, 24.0),
    detector_scatter: float = 0.01,
    **options: Any,
) -> Scene:
    """Dither NIRCam's eight short-wave detectors over faint emission, in two visits.

    Parameters
    ----------
    n : int, optional
        Dithers per visit, of 8 detectors each.
    seed : int, optional
        Seed.
    rolls : iterable of float, optional
        Roll of each visit, degrees.
    detector_scatter : float, optional
        Standard deviation of the levels between detectors, MJy/sr.
    **options
        ``binning`` and whatever else `compose_scene` takes.

    Returns
    -------
    Scene
        The scene, with random levels per visit, exposure and detector.
    """
    telescope = dither_pointings(n, rolls=rolls, step=12.0, aperture="NRCA5_FULL")
    # Each visit 70 arcsec from the last: enough to bridge the gap between the modules.
    moved = (offset_pointing(p, 70.0 * (int(p.observation) - 1), 0.0) for p in telescope)
    pointings = tuple(q for p in moved for q in detector_pointings(p, _SHORT_WAVE))
    levels = draw_levels(
        pointings,
        seed,
        visit_scatter=0.05,
        exposure_scatter=0.005,
        detector_scatter=detector_scatter,
    )
    return compose_scene(
        "nircam-mosaic",
        pointings,
        filter_name="F200W",
        levels=levels,
        components=(Cirrus(0.05, 0.8), Galaxy(1.0, 20.0)),
        stars=StarCounts(3000, flux=0.05, brightest=30.0),
        seed=seed,
        **options,
    )


def two_by_three(
    levels: Sequence[float] = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5), *, binning: int = 1, **options: Any
) -> Scene:
    """Observe six overlapping MIRI fields on a constant sky without noise or defects.

    Parameters
    ----------
    levels : sequence of float, optional
        Level of each field, MJy/sr: two fields per row, three rows.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    **options
        ``seed`` and whatever else `compose_scene` takes.

    Returns
    -------
    Scene
        The scene.
    """
    pointings = mosaic_pointings(2, 3, overlap=0.15, visit_per_tile=True)
    names = [p.rootname for p in pointings]
    perfect = {
        "noise": filter_noise("F770W", draw=False),
        "cosmic_rays": None,
        "detector": DetectorOptions(
            binning=binning, masked_strips=False, bad_fraction=0.0, hot_fraction=0.0
        ),
    }
    return compose_scene(
        "two-by-three",
        pointings,
        levels=dict(zip(names, levels, strict=True)),
        binning=binning,
        **(perfect | options),
    )
