"""Each mechanism of the match with and without, on the scene that needs it.

``python tests/benchmarks/bench_ablation.py [--seeds 5] [--first-seed 1] [--binning 4]
[--mechanisms NAME ...] [--json FILE]``

For each mechanism, over the seeds: rms error of the levels (MJy/sr, about the mean of each
component) and the standard deviation of error over ``level_error``, as the step is and without the
mechanism, and its lines of code. Scenes are those of bench_accuracy and bench_backgrounds.
"""

import argparse
import inspect
import logging
import os
from dataclasses import dataclass
from importlib import import_module
from unittest.mock import patch

import bench_accuracy
import bench_backgrounds
import numpy as np
from records import add_json_option, write_record

import jwst_mosaic_simulation as sim
from jwst_mosaic_skymatch.levels.equations import EFFECTS
from jwst_mosaic_skymatch.levels.solve import MISFIT
from jwst_mosaic_skymatch.step import PixelSkyMatchStep
from jwst_mosaic_skymatch.tiles.regions import REGIONS

PACKAGE = "jwst_mosaic_skymatch."
COLUMNS = {
    "mechanism": "mechanism",
    "scene": "scene that needs it",
    "rms": "rms error of the levels, MJy/sr",
    "without": "the same without the mechanism",
    "pull": "standard deviation of error over level_error",
    "pull_without": "the same without the mechanism",
    "lines": "lines of code, with docstrings",
}


def backgrounds(**imperfections):
    """Make six visits of two dithers with some kind of backgrounds."""
    return lambda seed, binning: simulate(bench_backgrounds.mosaic(seed, binning, imperfections))


def accuracy(name):
    """Make a scene of bench_accuracy."""

    def make(seed, binning):
        bench_accuracy.BINNING = binning
        return simulate(bench_accuracy.SCENES[name](seed))

    return make


def simulate(scene):
    """Simulate a scene."""
    return scene, sim.simulate_models(scene)


def spoiled(change):
    """Change the first of twelve exposures."""

    def make(seed, binning):
        scene, models = backgrounds()(seed, binning)
        change(models[0], np.random.default_rng(seed))
        return scene, models

    return make


def hit(model, rng):
    """Let cosmic rays hit 5 % of the pixels, unflagged."""
    hits = rng.random(model.data.shape) < 0.05
    model.data[hits] += rng.exponential(1.0, np.count_nonzero(hits)).astype(np.float32)


def make_noise(model, rng):
    """Put noise in the place of the image."""
    model.data = rng.normal(8.0, 3.0, model.data.shape).astype(np.float32)


@dataclass(frozen=True)
class Mechanism:
    """A mechanism: where it is, what takes its place, and the scene that needs it."""

    name: str
    scene: str
    make: object
    changes: dict  # dotted names of what is replaced, and by what
    code: tuple  # dotted names of its functions and constants

    @property
    def n_lines(self):
        """Lines of its functions; a constant or a name in a table counts as one."""
        return sum(_n_lines(name) for name in self.code)


def _n_lines(name):
    module, attribute = name.rsplit(".", 1)
    found = getattr(import_module(PACKAGE + module), attribute, None)
    return len(inspect.getsource(found).splitlines()) if callable(found) else 1


def without_effect(*names):
    """Leave effects out of the model."""
    kept = tuple(name for name in (*EFFECTS, MISFIT) if name not in names)
    select = import_module(PACKAGE + "levels.model").select_model

    def select_without(*args, **kwargs):
        effects = kwargs.pop("effects", (*EFFECTS, MISFIT))
        return select(*args, effects=tuple(e for e in effects if e in kept), **kwargs)

    return {"levels.estimate.select_model": select_without, "stacking.select_model": select_without}


def unit_ratios(pairs, summaries):
    """Weigh pairs as if they shared no noise."""
    ratios, outside, factors = ORIGINAL["weigh_pairs"](pairs, summaries)
    return np.ones_like(ratios), outside, factors


def unit_factors(pairs, summaries):
    """Weigh tiles as if quoted errors were true."""
    ratios, outside, factors = ORIGINAL["weigh_pairs"](pairs, summaries)
    return ratios, outside, np.ones_like(factors)


def no_structure(pairs, squares, outside, *, detrended=True):
    """Take noise for all of the variance."""
    return np.stack([np.zeros(len(pairs)), np.ones(len(pairs))], axis=1)


def no_hits(pairs, shares):
    """Take no notice of cells that stick out."""
    return np.zeros(shares.shape[1]), np.zeros(shares.shape[1])


ORIGINAL = {"weigh_pairs": import_module(PACKAGE + "stacking").weigh_pairs}
WEIGHTS = ("stacking.weigh_pairs", "levels.assembly.weigh_pairs")
MECHANISMS = (
    Mechanism(
        "visit gradients",
        "visits 0.05",
        backgrounds(visit_gradient_rms=0.05),
        without_effect("visit gradient"),
        ("levels.equations.EFFECTS",),
    ),
    Mechanism(
        "exposure gradients",
        "exposures 0.05",
        backgrounds(exposure_gradient_rms=0.05),
        without_effect("exposure gradient"),
        ("levels.equations.EFFECTS",),
    ),
    Mechanism(
        "gains",
        "gain 0.5 %",
        backgrounds(gain_rms=0.005),
        without_effect("gain"),
        ("levels.equations.EFFECTS",),
    ),
    Mechanism(
        "glow at edges",
        "glow 0.1",
        backgrounds(glow=0.1),
        without_effect(*(name for name in REGIONS if name != "lyot")),
        ("levels.equations._region_columns",),
    ),
    Mechanism(
        "Lyot field",
        "Lyot field 0.5",
        accuracy("Lyot field 0.5"),
        without_effect("lyot"),
        ("levels.equations.EFFECTS",),
    ),
    Mechanism(
        "structure",
        "rows 0.02",
        backgrounds(row_rms=0.02),
        {"levels.model.structure_variances": no_structure},
        ("levels.structure.structure_variances", "offsets.strips.strip_scatter"),
    ),
    Mechanism(
        "shared noise",
        "structured",
        accuracy("structured"),
        dict.fromkeys(WEIGHTS, unit_ratios),
        ("levels.information.information_ratios",),
    ),
    Mechanism(
        "noise of tiles",
        "one of twelve is noise",
        spoiled(make_noise),
        dict.fromkeys(WEIGHTS, unit_factors),
        ("levels.information.noise_factors",),
    ),
    Mechanism(
        "bias of hits",
        "one of twelve is hit",
        spoiled(hit),
        {"levels.estimate.hits_of": no_hits},
        ("levels.quality.hits_of",),
    ),
    Mechanism(
        "common shifts",
        "misaligned 0.5",
        accuracy("misaligned 0.5"),
        {"levels.shifts.SHIFT_SCATTER": 10.0},
        ("levels.shifts.align_pairs", "offsets.results.Shift"),
    ),
    Mechanism(
        "moved images",
        "misaligned 0.5",
        accuracy("misaligned 0.5"),
        {"offsets.measure.N_MOVES": 0},
        ("tiles.tile.shift_tile",),
    ),
    Mechanism(
        "variance of steep cells",
        "misaligned 0.3",
        accuracy("misaligned 0.3"),
        {"offsets.regression.growth_with_gradient": lambda *_: 0.0},
        ("tiles.scatter.growth_with_gradient",),
    ),
    Mechanism(
        "outlying blocks of pairs",
        "cosmic rays",
        accuracy("cosmic rays"),
        {"offsets.trends.BLOCK_CUTOFF": np.inf},
        ("offsets.trends.BLOCK_CUTOFF",),
    ),
    Mechanism(
        "robust means",
        "cosmic rays",
        accuracy("cosmic rays"),
        {"stacking.robust_mean": import_module(PACKAGE + "tiles.mean").mean_tile},
        ("tiles.mean.robust_mean", "tiles.mean._deviation"),
    ),
)


def measure(mechanism, seed, binning, *, with_it):
    """Match one mosaic; errors of the levels about their mean, and over the quoted errors."""
    scene, models = mechanism.make(seed, binning)
    step = PixelSkyMatchStep()
    changes = {} if with_it else mechanism.changes
    patches = [patch(PACKAGE + name, new) for name, new in changes.items()]
    for one in patches:
        one.start()
    try:
        step.run(models)
    finally:
        for one in patches:
            one.stop()
    table = step.levels_table
    order = np.argsort(np.argsort([p.rootname for p in scene.pointings]))
    error = table["level"].value[order] - [sim.true_level(scene, p) for p in scene.pointings]
    good = np.arange(len(error)) >= ("twelve" in mechanism.scene and "noise" in mechanism.scene)
    error -= error[good].mean()
    return error[good], (error / table["level_error"].value[order])[good]


def main():
    """Run all mechanisms and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [mechanism.name for mechanism in MECHANISMS]
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--binning", type=int, default=4)
    parser.add_argument("--mechanisms", nargs="+", default=names, choices=names)
    add_json_option(parser)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    head = f"{'mechanism':26}{'scene':24}{'rms':>10}{'without':>10}{'pull':>7}{'without':>9}"
    print(f"{head}{'lines':>7}")
    rows = []
    for mechanism in (m for m in MECHANISMS if m.name in options.mechanisms):
        figures = []
        for with_it in (True, False):
            seeds = range(options.first_seed, options.first_seed + options.seeds)
            results = [measure(mechanism, s, options.binning, with_it=with_it) for s in seeds]
            error, pull = (np.concatenate(part) for part in zip(*results, strict=True))
            figures.append((np.sqrt(np.mean(error**2)), np.std(pull)))
        (rms, pull), (without, pull_without) = figures
        print(
            f"{mechanism.name:26}{mechanism.scene:24}{rms:10.5f}{without:10.5f}{pull:7.2f}"
            f"{pull_without:9.2f}{mechanism.n_lines:7}",
            flush=True,
        )
        row = mechanism.name, mechanism.scene, rms, without, pull, pull_without, mechanism.n_lines
        rows.append(dict(zip(COLUMNS, row, strict=True)))
    write_record(options.json, rows, COLUMNS)


if __name__ == "__main__":
    main()
