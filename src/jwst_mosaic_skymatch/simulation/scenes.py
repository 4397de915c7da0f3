"""Ready-made scenes on made-up pointings, and the composer of all such scenes."""

from dataclasses import replace

from .detector import DetectorOptions
from .diffuse import Cirrus, Galaxy
from .levels import draw_levels
from .noise import band_noise
from .patterns import dither_pointings, mosaic_pointings
from .pointing import detector_pointings, offset_pointing
from .scene import Scene
from .sky import make_sky
from .stars import StarCounts

__all__ = ["blank_field", "compose_scene", "dithers", "nircam_mosaic", "two_by_three"]

_SHORT_WAVE = tuple(f"NRC{module}{chip}_FULL" for module in "AB" for chip in range(1, 5))


def compose_scene(
    name,
    pointings,
    *,
    band="F770W",
    components=(),
    stars=None,
    levels=None,
    seed=1,
    binning=1,
    masked_strips=True,
    target="SIMULATED",
    **changes,
):
    """Compose a scene, with what is usual for the filter.

    Parameters
    ----------
    name : str
        Name of the mosaic's product.
    pointings : tuple of Pointing
        The exposures.
    band : str, optional
        Filter.
    components : iterable of Galaxy or Cirrus, optional
        Smooth components of the sky, on top of a pedestal usual for the filter.
    stars : StarCounts, optional
        Point sources. The default is none.
    levels : mapping of str to float, optional
        Level by rootname, MJy/sr. The default is random, from `draw_levels`.
    seed : int, optional
        Seed.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    masked_strips : bool, optional
        Whether MIRI's masked regions are masked.
    target : str, optional
        Name of the target.
    **changes
        Other fields of `Scene` to replace.

    Returns
    -------
    Scene
        The scene.
    """
    scene = Scene(
        name=name,
        pointings=pointings,
        sky=make_sky(
            pointings, band=band, components=components, stars=stars, binning=binning, seed=seed
        ),
        levels=draw_levels(pointings, seed) if levels is None else levels,
        band=band,
        noise=band_noise(band),
        detector=DetectorOptions(binning=binning, masked_strips=masked_strips),
        target=target,
        seed=seed,
    )
    return replace(scene, **changes)


def dithers(n=4, *, seed=1, binning=1, masked_strips=True, rolls=(40.0,), step=4.0, **changes):
    """Dither MIRI over a galaxy, in one visit per roll.

    Parameters
    ----------
    n : int, optional
        Dithers per visit.
    seed : int, optional
        Seed.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    masked_strips : bool, optional
        Whether MIRI's masked regions are masked.
    rolls : iterable of float, optional
        Roll of each visit, degrees.
    step : float, optional
        Typical distance of neighbouring dithers, arcsec.
    **changes
        Fields of `Scene` to replace.

    Returns
    -------
    Scene
        The scene, with random levels.
    """
    return compose_scene(
        "dithers",
        dither_pointings(n, rolls=rolls, step=step),
        band="F770W",
        components=(Galaxy(6.0, 15.0), Cirrus(0.5, 0.8)),
        stars=StarCounts(800, flux=15.0),
        seed=seed,
        binning=binning,
        masked_strips=masked_strips,
        **changes,
    )


def blank_field(n=4, *, seed=1, binning=1, masked_strips=True, rolls=(40.0,), **changes):
    """Dither MIRI over nothing but noise.

    Parameters
    ----------
    n : int, optional
        Dithers per visit.
    seed : int, optional
        Seed.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    masked_strips : bool, optional
        Whether MIRI's masked regions are masked.
    rolls : iterable of float, optional
        Roll of each visit, degrees.
    **changes
        Fields of `Scene` to replace.

    Returns
    -------
    Scene
        The scene, with random levels.
    """
    return compose_scene(
        "blank-field",
        dither_pointings(n, rolls=rolls),
        band="F770W",
        seed=seed,
        binning=binning,
        masked_strips=masked_strips,
        **changes,
    )


def nircam_mosaic(n=2, *, seed=1, binning=1, rolls=(20.0, 24.0), detector_scatter=0.01, **changes):
    """Dither NIRCam's eight short-wave detectors over faint emission, in two visits.

    Parameters
    ----------
    n : int, optional
        Dithers per visit, of 8 detectors each.
    seed : int, optional
        Seed.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    rolls : iterable of float, optional
        Roll of each visit, degrees.
    detector_scatter : float, optional
        Standard deviation of the levels between detectors, MJy/sr.
    **changes
        Fields of `Scene` to replace.

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
        band="F200W",
        levels=levels,
        components=(Cirrus(0.05, 0.8), Galaxy(1.0, 20.0)),
        stars=StarCounts(3000, flux=0.05, brightest=30.0),
        seed=seed,
        binning=binning,
        **changes,
    )


def two_by_three(levels=(0.0, 0.5, 1.0, 1.5, 2.0, 2.5), *, seed=1, binning=1, **changes):
    """Observe six overlapping MIRI tiles on a constant sky without noise or defects.

    Parameters
    ----------
    levels : sequence of float, optional
        Level of each tile, MJy/sr: two tiles per row, three rows.
    seed : int, optional
        Seed.
    binning : int, optional
        Full-frame pixels per simulated pixel.
    **changes
        Fields of `Scene` to replace.

    Returns
    -------
    Scene
        The scene.
    """
    pointings = mosaic_pointings(2, 3, overlap=0.15, visit_per_tile=True)
    names = [p.rootname for p in pointings]
    perfect = {
        "noise": band_noise("F770W", draw=False),
        "cosmic_rays": None,
        "detector": DetectorOptions(binning, None, False, bad_fraction=0, hot_fraction=0),
    }
    return compose_scene(
        "two-by-three",
        pointings,
        band="F770W",
        levels=dict(zip(names, levels, strict=True)),
        seed=seed,
        binning=binning,
        **(perfect | changes),
    )
