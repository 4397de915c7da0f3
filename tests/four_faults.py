"""A mosaic in which four things are wrong, to be told from its report."""

import numpy as np

import jwst_mosaic_simulation as sim

# Visits of the mosaic of three by three, and the exposure that lies beside it.
DISPLACED, SPOILED, STEEP = "09999001001", "09999001005", "09999001009"
NEIGHBOUR = "09999001004"
ALONE = "jw09999009001_02101_00001_mirimage_cal.fits"
# By how much the displaced visit lies beside its place, native pixels.
HALF = 0.5


def four_faults(binning=4, seed=1):
    """Simulate nine visits of two exposures each, and one exposure far away.

    One visit looks half a pixel beside its place, scattered light fills the overlap of another with
    its neighbour, a third has a gradient, and the exposure far away overlaps no other.
    """
    pointings = sim.mosaic_pointings(3, 3, overlap=0.25, dithers=2, visit_per_tile=True)
    alone = sim.offset_pointing(pointings[0], 600.0, 0.0, observation="009", visit="001")
    names = [p.rootname for p in (*pointings, alone)]
    levels = dict(zip(names, np.random.default_rng(seed).normal(1.0, 0.5, len(names)), strict=True))
    scene = sim.compose_scene(
        "four-faults",
        (*pointings, alone),
        components=(sim.Galaxy(6.0, 15.0), sim.Cirrus(0.5, 0.8)),
        stars=sim.StarCounts(300, flux=15.0),
        levels=levels,
        seed=seed,
        binning=binning,
    )
    pixel = 0.11 * binning
    return [_with_faults(scene, pointing, pixel) for pointing in scene.pointings]


def _with_faults(scene, pointing, pixel):
    model = sim.simulate_exposure(scene, pointing)
    if pointing.visit_id == DISPLACED:
        moved = sim.offset_pointing(
            pointing, HALF * pixel, 0.0, visit=pointing.visit, exposure=pointing.exposure
        )
        displaced = sim.simulate_exposure(scene, moved)
        displaced.meta.wcs = model.meta.wcs
        displaced.meta.wcsinfo.s_region = model.meta.wcsinfo.s_region
        return displaced
    ny, nx = model.data.shape
    y, x = np.mgrid[:ny, :nx] / (np.array([ny, nx]) - 1.0).reshape(2, 1, 1)
    if pointing.visit_id == SPOILED:  # no more than its left neighbour sees
        model.data[(x < 0.3) & (np.abs(y - 0.5) < 0.35)] += 0.6
    elif pointing.visit_id == STEEP:
        model.data += (0.3 * (x - 0.5)).astype(np.float32)
    return model
