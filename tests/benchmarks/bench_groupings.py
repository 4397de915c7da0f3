"""Rms errors of levels by visit and of every image by itself, and of the stock step for surveys.

``python tests/benchmarks/bench_groupings.py [--seeds 5] [--first-seed 1] [--binning 4]
[--scenes NAME ...] [--json FILE]``

Strips, visits of different depths, gradients; surveys of NIRCam, whose modules never overlap each
other, and in whose rows module B of each pointing overlaps module A of the next.
"""

from dataclasses import replace
from functools import partial

import numpy as np
from bench_accuracy import stock_levels
from mosaics import Table, galaxy, mosaic, parse_options, rms, run, survey, true_levels

import jwst_mosaic_simulation as sim

FIELD = 110.0  # side of the field of MIRI, arcsec


def depths(seed, binning, *, dithers=(3, 3, 3, 3), **imperfections):
    """Make 2 x 2 visits of so many dithers each."""
    scene = mosaic(seed, binning, overlap=0.2, dithers=max(dithers), imperfections=imperfections)
    depth = dict(zip(sorted({p.visit_id for p in scene.pointings}), dithers, strict=True))
    chosen = [p for p in scene.pointings if int(p.exposure) <= depth[p.visit_id]]
    return replace(scene, pointings=tuple(chosen))


def strip(seed, binning, *, step=0.3, **imperfections):
    """Make three visits of four exposures, one after the other along a strip."""
    names = [{"observation": f"{k // 4 + 1:03}", "exposure": f"{k % 4 + 1:05}"} for k in range(12)]
    pointings = [
        sim.offset_pointing(sim.Pointing(150.0, 2.0, 40.0), step * FIELD * k, 3.0 * (k % 2), **name)
        for k, name in enumerate(names)
    ]
    return galaxy(pointings, seed, binning, imperfections=imperfections)


LONG = ("NRCA5_FULL", "NRCB5_FULL")
SHORT = [f"NRC{module}{k}_FULL" for module in "AB" for k in (1, 2, 3, 4)]
STEPS = {"row": (176.0, 0.0), "column": (0.0, 110.0), "diagonal": (120.0, 60.0)}
SCENES = {
    "mixed depths": partial(depths, dithers=(1, 2, 4, 8)),
    "one short visit": depths,
    "strip": strip,
    "strip, one short visit": strip,
    "long strip": partial(strip, step=0.7),
    "visits 0.05": partial(depths, visit_gradient_rms=0.05),
    "exposures 0.05": partial(depths, exposure_gradient_rms=0.05),
    "rows 0.02": partial(depths, row_rms=0.02),
    "glow 0.1": partial(depths, glow=0.1),
    "strip, exposures 0.05": partial(strip, exposure_gradient_rms=0.05),
    **{f"survey, {k}": partial(survey, step=s, apertures=LONG) for k, s in STEPS.items()},
    "survey, short wave": partial(survey, step=STEPS["row"], apertures=SHORT, filter_name="F150W"),
}
COLUMNS = {
    "scene": "scene",
    "visit": "rms error of the levels with grouping=visit, MJy/sr",
    "none": "the same with grouping=none",
    "ratio": "the larger over the smaller",
    "stock": "SkyMatchStep, MJy/sr",
    "worst": "the first over that, in the worst seed",
}


def measure(name, seed, binning):
    """Give rms errors by grouping, and that of the stock step on a survey."""
    scene = SCENES[name](seed, binning)
    models = sim.simulate_models(scene)
    if "one short" in name:  # a visit has a ninth of the exposure time
        time = scene.noise.exposure_time / 9.0
        noise = sim.filter_noise(scene.filter_name, exposure_time=time)
        visits = [p.visit_id for p in scene.pointings]
        for k in np.flatnonzero(np.array(visits) == sorted(set(visits))[1]):
            models[k] = sim.simulate_exposure(replace(scene, noise=noise), scene.pointings[k])
    errors = [run(scene, models, grouping=grouping)[0]["error"] for grouping in ("visit", "none")]
    if not name.startswith("survey"):
        return [rms([error]) for error in errors] + [np.nan]
    # Without a level nothing is subtracted.
    stock = np.nan_to_num(stock_levels(models)) - true_levels(scene)
    return [np.std(error) for error in (*errors, stock)]


def main():
    """Run all scenes."""
    options = parse_options(__doc__, SCENES, seeds=5, binning=4)
    table = Table(COLUMNS, options.json)
    for name in options.scenes:
        results = np.array([measure(name, seed, options.binning) for seed in options.all_seeds])
        visit, none, stock = np.sqrt(np.mean(results**2, axis=0))
        table.add(
            scene=name,
            visit=visit,
            none=none,
            ratio=max(visit, none) / min(visit, none),
            stock=stock,
            worst=np.max(results[:, 0] / results[:, 2]),
        )


if __name__ == "__main__":
    main()
