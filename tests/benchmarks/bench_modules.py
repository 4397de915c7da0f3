"""Surveys of NIRCam, whose modules never overlap each other, against the stock step.

``python tests/benchmarks/bench_modules.py [--seeds 10] [--binning 4] [--layouts NAME ...]``

Five pointings of both modules, with levels of visits of 0.02 MJy/sr and pedestals of detectors of
0.003. For each layout: rms error of all levels about their mean, that of the stock step, and
the ratio of the two in the worst seed.
"""

import argparse
import logging
import os
import warnings

import numpy as np

import jwst_mosaic_simulation as sim
from jwst_mosaic_skymatch.step import PixelSkyMatchStep

N_POINTINGS = 5
LONG = ("NRCA5_FULL", "NRCB5_FULL")
SHORT = tuple(f"NRC{module}{k}_FULL" for module in "AB" for k in (1, 2, 3, 4))
# Steps (arcsec) from one pointing to the next, and detectors. In a row module B of one meets
# module A of the next, and nothing else does.
LAYOUTS = {
    "row": ((176.0, 0.0), LONG),
    "closer": ((150.0, 0.0), LONG),
    "apart": ((260.0, 0.0), LONG),
    "column": ((0.0, 110.0), LONG),
    "diagonal": ((120.0, 60.0), LONG),
    "row, short wave": ((176.0, 0.0), SHORT),
}


def survey(layout, seed, binning):
    """Make a survey."""
    (dx, dy), apertures = LAYOUTS[layout]
    first = sim.dither_pointings(1, aperture="NRCA5_FULL", rolls=(0.0,))[0]
    telescope = [
        sim.offset_pointing(first, dx * k, dy * k, observation=f"{k + 1:03d}")
        for k in range(N_POINTINGS)
    ]
    pointings = tuple(q for p in telescope for q in sim.detector_pointings(p, apertures))
    levels = sim.draw_levels(
        pointings, seed, visit_scatter=0.02, exposure_scatter=0.0, detector_scatter=0.003
    )
    return sim.compose_scene(
        "survey",
        pointings,
        filter_name="F444W" if apertures is LONG else "F150W",
        levels=levels,
        components=(sim.Cirrus(0.05, 0.8),),
        binning=binning,
        seed=seed,
    )


def rms(scene, step, make_library):
    """Run a step; rms error of its levels."""
    truth = {f"{p.rootname}_cal.fits": sim.true_level(scene, p) for p in scene.pointings}
    error = []
    with step.run(make_library(sim.simulate_models(scene))) as library:
        for model in library:
            # Without a level nothing is subtracted.
            error.append((model.meta.background.level or 0.0) - truth[model.meta.filename])
            library.shelve(model, modify=False)
    return np.std(error)


def main():
    """Run all layouts and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--binning", type=int, default=4)
    parser.add_argument("--layouts", nargs="+", default=list(LAYOUTS), choices=list(LAYOUTS))
    options = parser.parse_args()
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # the stock step divides by zero without overlaps
    from jwst.datamodels import ModelLibrary
    from jwst.skymatch import SkyMatchStep

    print(f"{'layout':18}{'rms':>9}{'stock':>9}{'worst':>7}")
    for layout in options.layouts:
        found = np.array(
            [
                (
                    rms(scene, PixelSkyMatchStep(), ModelLibrary),
                    rms(scene, SkyMatchStep(), ModelLibrary),
                )
                for scene in (
                    survey(layout, seed, options.binning) for seed in range(1, options.seeds + 1)
                )
            ]
        )
        ours, stock = np.sqrt(np.mean(found**2, axis=0))
        print(f"{layout:18}{ours:9.5f}{stock:9.5f}{np.max(found[:, 0] / found[:, 1]):7.2f}")


if __name__ == "__main__":
    main()
