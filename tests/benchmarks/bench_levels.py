"""Error of the levels, ours and the stock step's, on full-size MIRI mosaics.

``python tests/benchmarks/bench_levels.py [--seeds 1 2] [--binning 1] [--scenes NAME ...]
[--json FILE]``

For each scene and seed, with and without MIRI's masked strips: rms error of the
levels in MJy/sr (the mean of each connected component removed), the information
bound of our levels, and how many times smaller our error is than the stock step's.
"""

import argparse
import tempfile

import numpy as np
from bench_cost import run
from information_bound import level_covariance
from records import add_json_option, write_record
from stdatamodels.jwst.datamodels import open as open_model

import jwst_mosaic_simulation as sim

SCENES = {"stephans_quintet": 32, "ngc628": 20, "thirty_doradus": 20, "dithers": 12}
COLUMNS = {
    "mosaic": "scene, exposures, and whether MIRI's masked strips are there",
    "seed": "seed of the simulation",
    "ours": "PixelSkyMatchStep, rms error of the levels, MJy/sr",
    "bound": "information bound, MJy/sr",
    "stock": "SkyMatchStep, rms error, MJy/sr",
}


def main():
    """Simulate, run both steps, print errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--binning", type=int, default=1, help="1 is the full-size detector")
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=list(SCENES))
    add_json_option(parser)
    options = parser.parse_args()
    print(
        f"{'scene':18}{'seed':>5}{'strips':>8}{'ours':>10}{'bound':>10}{'stock':>10}{'stock/ours':>12}"
    )
    rows = []
    for name in options.scenes:
        for masked_strips in (True, False):
            for seed in options.seeds:
                rows.append(compare(name, seed, options.binning, masked_strips))
                write_record(options.json, rows, COLUMNS)


def compare(name, seed, binning, masked_strips):
    """Run both steps on one mosaic, print their errors and give them."""
    maker = getattr(sim, name)
    scene = maker(SCENES[name], seed=seed, binning=binning, masked_strips=masked_strips)
    with tempfile.TemporaryDirectory() as directory:
        mosaic = sim.simulate_mosaic(scene, directory)
        models = [open_model(path) for path in mosaic.files]
        covariance = level_covariance(models, scene)
        for model in models:
            model.close()
        truth = np.array([scene.levels[p.rootname] for p in scene.pointings])
        project = covariance @ np.linalg.pinv(covariance, rcond=1e-8, hermitian=True)
        errors = {}
        for way in ("ours", "stock"):
            found = run(way, mosaic.association)["levels"]
            # Projecting takes out the free constant of each component.
            error = project @ (np.array([found[p.rootname] for p in scene.pointings]) - truth)
            errors[way] = np.sqrt(np.mean(error**2))
    bound = np.sqrt(np.trace(covariance) / len(truth))
    print(
        f"{name:18}{seed:5}{'masked' if masked_strips else 'none':>8}{errors['ours']:10.6f}"
        f"{bound:10.6f}{errors['stock']:10.4f}{errors['stock'] / errors['ours']:12.0f}",
        flush=True,
    )
    mosaic = f"{name}, {SCENES[name]}{'' if masked_strips else ', no strips'}"
    return {"mosaic": mosaic, "seed": seed, "bound": bound, **errors}


if __name__ == "__main__":
    main()
