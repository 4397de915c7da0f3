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
from mosaics import Table, depths, parse_options, rms, run, strip, survey, true_levels

import jwst_mosaic_simulation as sim

LONG = ("NRCA5_FULL", "NRCB5_FULL")
SHORT = tuple(f"NRC{module}{k}_FULL" for module in "AB" for k in (1, 2, 3, 4))
GRIDS = {
    "visits 0.01": {"visit_gradient_rms": 0.01},
    "visits 0.05": {"visit_gradient_rms": 0.05},
    "exposures 0.01": {"exposure_gradient_rms": 0.01},
    "exposures 0.05": {"exposure_gradient_rms": 0.05},
    "rows 0.02": {"row_rms": 0.02},
    "glow 0.1": {"glow": 0.1},
}
STEPS = {
    "row": (176.0, 0.0),
    "closer": (150.0, 0.0),
    "apart": (260.0, 0.0),
    "column": (0.0, 110.0),
    "diagonal": (120.0, 60.0),
}
SCENES = {
    "2 dithers": partial(depths, dithers=(2, 2, 2, 2)),
    "mixed depths": partial(depths, dithers=(1, 2, 4, 8)),
    "one short visit": partial(depths, dithers=(2, 2, 2, 2)),
    "strip": partial(strip, step=0.3),
    "strip, one short visit": partial(strip, step=0.3),
    "long strip": partial(strip, step=0.7),
    **{name: partial(depths, dithers=(3, 3, 3, 3), **own) for name, own in GRIDS.items()},
    "strip, exposures 0.05": partial(strip, step=0.3, exposure_gradient_rms=0.05),
    "strip, visits 0.05": partial(strip, step=0.3, visit_gradient_rms=0.05),
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


def simulate(name, seed, binning):
    """Simulate a scene, in which one visit may have a ninth of the exposure time."""
    scene = SCENES[name](seed, binning)
    models = sim.simulate_models(scene)
    if "one short" in name:
        time = scene.noise.exposure_time / 9.0
        noise = sim.filter_noise(scene.filter_name, exposure_time=time)
        noisy = sim.simulate_models(replace(scene, noise=noise))
        visits = [p.visit_id for p in scene.pointings]
        short = sorted(set(visits))[1]
        models = [b if own == short else a for a, b, own in zip(models, noisy, visits, strict=True)]
    return scene, models


def measure(name, seed, binning):
    """Give rms errors by grouping, and that of the stock step on a survey."""
    scene, models = simulate(name, seed, binning)
    errors = [run(scene, models, grouping=grouping)[0]["error"] for grouping in ("visit", "none")]
    stock = np.nan
    if name.startswith("survey"):
        # Without a level nothing is subtracted.
        stock = np.std(np.nan_to_num(stock_levels(models)) - true_levels(scene))
        errors = [error - error.mean() for error in errors]
    return [rms([error]) for error in errors] + [stock]


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
