"""Rms errors of levels by visit, by exposure and for every image by itself, side by side.

``python tests/benchmarks/bench_groupings.py [--seeds 5] [--first-seed 1] [--binning 4]
[--scenes NAME ...]``

Strips, visits of different depths, gradients. Of each scene the rms error (MJy/sr, mean of each
component removed) with each ``grouping``, over the seeds, and the largest over the smallest. With
one detector an exposure is an image, so that ``exposure`` is left out.
"""

import argparse
import logging
import os
from dataclasses import replace

import numpy as np

import jwst_mosaic_simulation as sim
from jwst_mosaic_skymatch.step import PixelSkyMatchStep

GROUPINGS = ("visit", "none")
# Side of MIRI's field, arcsec.
FIELD = 110.0


def galaxy(pointings, seed, binning, **options):
    """Compose a scene of a galaxy with stars."""
    return sim.compose_scene(
        "groupings",
        tuple(pointings),
        components=(sim.Galaxy(6.0, 15.0), sim.Cirrus(0.5, 0.8)),
        stars=sim.StarCounts(500, flux=10.0),
        seed=seed,
        binning=binning,
        **options,
    )


def grid(dithers, **imperfections):
    """Make 2 x 2 visits of so many dithers each."""

    def make(seed, binning):
        tiles = [
            p
            for k, n in enumerate(dithers)
            for p in sim.mosaic_pointings(2, 2, overlap=0.2, dithers=n, visit_per_tile=True)
            if int(p.observation) * int(p.visit) == k + 1
        ]
        return galaxy(tiles, seed, binning, imperfections=sim.Imperfections(**imperfections))

    return make


def strip(step, **imperfections):
    """Make three visits of four exposures, one after the other along a strip."""

    def make(seed, binning):
        first = sim.Pointing(150.0, 2.0, 40.0)
        pointings = [
            sim.offset_pointing(
                first,
                step * FIELD * k,
                3.0 * (k % 2),
                observation=f"{k // 4 + 1:03}",
                exposure=f"{k % 4 + 1:05}",
            )
            for k in range(12)
        ]
        return galaxy(pointings, seed, binning, imperfections=sim.Imperfections(**imperfections))

    return make


def noisier(make, factor=9.0):
    """Give one visit so many times less exposure time."""

    def simulate(seed, binning):
        scene, models = simple(make)(seed, binning)
        time = scene.noise.exposure_time / factor
        noise = sim.filter_noise(scene.filter_name, exposure_time=time)
        short = sim.simulate_models(replace(scene, noise=noise))
        visit = [(p.observation, p.visit) for p in scene.pointings]
        models = [
            b if own == sorted(set(visit))[1] else a
            for a, b, own in zip(models, short, visit, strict=True)
        ]
        return scene, models

    return simulate


def simple(make):
    """Simulate a scene."""

    def simulate(seed, binning):
        scene = make(seed, binning)
        return scene, sim.simulate_models(scene)

    return simulate


SCENES = {
    "2 dithers": simple(grid((2, 2, 2, 2))),
    "mixed depths": simple(grid((1, 2, 4, 8))),
    "one short visit": noisier(grid((2, 2, 2, 2))),
    "strip": simple(strip(0.3)),
    "strip, one short": noisier(strip(0.3)),
    "long strip": simple(strip(0.7)),
    "visits 0.01": simple(grid((3, 3, 3, 3), visit_gradient_rms=0.01)),
    "visits 0.05": simple(grid((3, 3, 3, 3), visit_gradient_rms=0.05)),
    "exposures 0.01": simple(grid((3, 3, 3, 3), exposure_gradient_rms=0.01)),
    "exposures 0.05": simple(grid((3, 3, 3, 3), exposure_gradient_rms=0.05)),
    "strip, exposures 0.05": simple(strip(0.3, exposure_gradient_rms=0.05)),
    "strip, visits 0.05": simple(strip(0.3, visit_gradient_rms=0.05)),
    "rows 0.02": simple(grid((3, 3, 3, 3), row_rms=0.02)),
    "glow 0.1": simple(grid((3, 3, 3, 3), glow=0.1)),
}


def error_of(scene, models, grouping):
    """Match, and return the errors of the levels about the mean of each component."""
    step = PixelSkyMatchStep(grouping=grouping)
    step.run([model.copy() for model in models])
    table = step.levels_table
    order = np.argsort(np.argsort([p.rootname for p in scene.pointings]))
    error = table["level"].value[order] - [sim.true_level(scene, p) for p in scene.pointings]
    component = np.asarray(table["component"])[order]
    for number in np.unique(component):
        error[component == number] -= error[component == number].mean()
    return error


def main():
    """Run all scenes and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--binning", type=int, default=4)
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=list(SCENES))
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    print(f"{'scene':24}" + "".join(f"{name:>10}" for name in GROUPINGS) + f"{'ratio':>8}")
    for name in options.scenes:
        squares = []
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            scene, models = SCENES[name](seed, options.binning)
            squares.append([np.mean(error_of(scene, models, g) ** 2) for g in GROUPINGS])
        rms = np.sqrt(np.mean(squares, axis=0))
        columns = "".join(f"{value:10.5f}" for value in rms)
        print(f"{name:24}{columns}{rms.max() / rms.min():8.2f}", flush=True)


if __name__ == "__main__":
    main()
