"""Ready-made scenes, with pointings of real mosaics or artificial pointings."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from typing import Any

from ._components import Cirrus, Galaxy, StarCounts
from .noise import filter_noise
from .pointing import (
    Pointing,
    detector_pointings,
    dither_pointings,
    mosaic_pointings,
    offset_pointing,
)
from .scene import DetectorOptions, Scene, compose_scene, draw_levels


def real_field(name: str, n: int | None = None, **options: Any) -> Scene:
    """Observe a field with the pointings of a real MIRI mosaic.

    Parameters
    ----------
    name : str
        ``stephans-quintet``, ``ngc628`` or ``thirty-doradus``.
    n : int, optional
        Number of exposures, distributed evenly over the visits. The default is all.
    **options
        ``seed``, ``binning`` and other options of `compose_scene`.

    Returns
    -------
    Scene
        The scene, with random levels. ``stephans-quintet`` has the levels of the real data
        by jwst's own step.
    """
    field = json.loads((files(__package__) / "data" / f"{name}.json").read_text())
    exposures = field["exposures"]
    n = len(exposures) if n is None else n
    exposures = [exposures[i * len(exposures) // n] for i in range(n)]
    measured = [exposure.pop("stock_match_level", None) for exposure in exposures]
    pointings = tuple(Pointing(aperture=field["aperture"], **e) for e in exposures)
    if None not in measured:
        names = [p.rootname for p in pointings]
        options = {"levels": dict(zip(names, measured, strict=True))} | options
    usual = {"filter_name": field["filter"], "target": field["target"]}
    return compose_scene(name, pointings, **(usual | options))


#: Compact group of galaxies: 32 exposures of 4 visits.
stephans_quintet = partial(
    real_field,
    "stephans-quintet",
    components=(
        Galaxy(6.0, 12.0, -35, 25, angle=60),
        Galaxy(9.0, 8.0, 20, 10, axis_ratio=0.8, arm_contrast=0.3),
        Galaxy(4.0, 15.0, 45, -40, axis_ratio=0.5, angle=130),
        Cirrus(0.3, 0.8),
    ),
    stars=StarCounts(1000, flux=8.0),
)
#: Face-on spiral: 20 exposures in three connected components.
ngc628 = partial(
    real_field,
    "ngc628",
    components=(Galaxy(12.0, 90.0, axis_ratio=0.95, bulge=1.5), Cirrus(3.0, 0.9)),
    stars=StarCounts(900, slope=1.8, flux=2.0),
)
#: Nebula that fills the field: 20 exposures of 2 visits.
thirty_doradus = partial(
    real_field,
    "thirty-doradus",
    components=(Cirrus(60.0, 1.1), Cirrus(15.0, 0.8, 2.6)),
    stars=StarCounts(800, slope=1.8, flux=5.0),
)


def dithers(
    n: int = 4, *, rolls: Iterable[float] = (40.0,), name: str = "dithers", **options: Any
) -> Scene:
    """Dither MIRI over a galaxy, or another sky, one visit for each roll.

    Parameters
    ----------
    n : int, optional
        Dithers per visit.
    rolls : iterable of float, optional
        Roll of each visit, degrees.
    name : str, optional
        Name of the mosaic's product.
    **options
        ``seed``, ``binning`` and other options of `compose_scene`.

    Returns
    -------
    Scene
        The scene, with random levels.
    """
    galaxy: dict[str, Any] = {
        "components": (Galaxy(6.0, 15.0), Cirrus(0.5, 0.8)),
        "stars": StarCounts(800, flux=15.0),
    }
    return compose_scene(name, dither_pointings(n, rolls=rolls), **(galaxy | options))


#: Dithers over noise alone.
blank_field = partial(dithers, name="blank-field", components=(), stars=None)


def nircam_mosaic(n: int = 2, *, detector_scatter: float = 0.01, **options: Any) -> Scene:
    """Dither NIRCam's eight short-wave detectors over faint emission, in two visits.

    Parameters
    ----------
    n : int, optional
        Dithers per visit, each with 8 detectors.
    detector_scatter : float, optional
        Standard deviation of the levels between detectors, MJy/sr.
    **options
        ``binning`` and other options of `compose_scene`.

    Returns
    -------
    Scene
        The scene, with random levels of visits, exposures and detectors.
    """
    telescope = dither_pointings(n, rolls=(20.0, 24.0), step=12.0, aperture="NRCA5_FULL")
    # The visits are 70 arcsec apart: enough to bridge the gap between the modules.
    moved = (offset_pointing(p, 70.0 * (int(p.observation) - 1), 0.0) for p in telescope)
    apertures = [f"NRC{module}{chip}_FULL" for module in "AB" for chip in range(1, 5)]
    pointings = tuple(q for p in moved for q in detector_pointings(p, apertures))
    scene = compose_scene(
        "nircam-mosaic",
        pointings,
        filter_name="F200W",
        components=(Cirrus(0.05, 0.8), Galaxy(1.0, 20.0)),
        stars=StarCounts(3000, flux=0.05, brightest=30.0),
        **options,
    )
    scatter = {"visit_scatter": 0.05, "exposure_scatter": 0.005}
    levels = draw_levels(pointings, scene.seed, detector_scatter=detector_scatter, **scatter)
    return replace(scene, levels=levels)


def two_by_three(
    levels: Sequence[float] = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5), *, binning: int = 1, **options: Any
) -> Scene:
    """Observe six overlapping MIRI fields on a constant sky without noise or defects.

    Parameters
    ----------
    levels : sequence of float, optional
        Level of each field, MJy/sr, in three rows of two fields.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    **options
        ``seed`` and other options of `compose_scene`.

    Returns
    -------
    Scene
        The scene.
    """
    pointings = mosaic_pointings(2, 3, overlap=0.15, visit_per_tile=True)
    return compose_scene(
        "two-by-three",
        pointings,
        levels={p.rootname: level for p, level in zip(pointings, levels, strict=True)},
        noise=replace(filter_noise("F770W"), draw=False),
        cosmic_rays=None,
        detector=DetectorOptions(binning, masked_strips=False, bad_fraction=0.0, hot_fraction=0.0),
        binning=binning,
        **options,
    )
