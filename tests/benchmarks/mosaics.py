"""Simulated mosaics of every kind, one match of a mosaic, and a table of many.

Scenes are functions of seed and binning (1 is the full-size detector). At a binning of 2
structure is twice as sharp, in pixels, as in reality.
"""

import argparse
import json
import logging
import os
import platform
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import distributions
from pathlib import Path

import numpy as np

import jwst_mosaic_simulation as sim
from jwst_mosaic_simulation._effects import draw_background
from jwst_mosaic_simulation._geometry import load_aperture

PACKAGES = ("jwst-mosaic-skymatch", "jwst", "stcal", "numpy", "scipy", "astropy", "drizzle", "gwcs")
MIRI_PIXEL = 0.11
# Of a printed column.
WIDTH = 16
SUB128 = (500, 500, 128, 128)


# --- Scenes ------------------------------------------------------------------


def galaxy(pointings, seed, binning, *, stars=500, imperfections=None, **options):
    """Compose a scene of a galaxy in cirrus, with stars."""
    return sim.compose_scene(
        "galaxy",
        tuple(pointings),
        components=(sim.Galaxy(6.0, 15.0), sim.Cirrus(0.5, 0.8)),
        stars=sim.StarCounts(stars, flux=10.0) if stars else None,
        seed=seed,
        binning=binning,
        imperfections=sim.Imperfections(**imperfections or {}),
        **options,
    )


def structured(seed, binning, *, misaligned=0.0, imperfections=None, **changes):
    """Make a galaxy group of 24 exposures; ``misaligned`` is in native pixels."""
    imperfections = dict(imperfections or {}, pointing_rms=misaligned * MIRI_PIXEL * binning)
    return sim.stephans_quintet(
        24, seed=seed, binning=binning, imperfections=sim.Imperfections(**imperfections), **changes
    )


def mosaic(seed, binning, *, n=(2, 2), overlap=0.15, dithers=4, rolls=None, **options):
    """Make visits of some dithers each, side by side."""
    rolls = {} if rolls is None else {"rolls": rolls}
    pointings = sim.mosaic_pointings(
        *n, overlap=overlap, dithers=dithers, visit_per_tile=True, **rolls
    )
    return galaxy(pointings, seed, binning, **options)


def thin_overlaps(seed, binning):
    """Make twelve exposures that share strips of about ten cells."""
    pointings = sim.mosaic_pointings(4, 3, overlap_pixels=22 * binning, dithers=1)
    return sim.compose_scene(
        "thin",
        pointings,
        components=(sim.Galaxy(3.0, 20.0), sim.Cirrus(0.5, 0.8)),
        seed=seed,
        binning=binning,
        masked_strips=False,
    )


def spoiled(seed, binning):
    """Make 5 % of cosmic rays, and an afterglow over a part of one exposure."""
    scene = structured(seed, binning, cosmic_rays=sim.CosmicRays(fraction=0.05))
    glow = sim.Patch(720 / binning, 480 / binning, 160 / binning, 0.6)
    return replace(scene, patches={scene.pointings[2].rootname: (glow,)})


def bright_stars(seed, binning):
    """Make bright undersampled stars in a faint field."""
    return sim.compose_scene(
        "stars",
        sim.dither_pointings(6, rolls=(40.0, 43.0)),
        components=(sim.Cirrus(0.2, 0.8),),
        stars=sim.StarCounts(2000, flux=60.0),
        seed=seed,
        binning=binning,
    )


def small_frames(seed, binning):
    """Make subarrays of 128 pixels, whatever the binning."""
    pointings = sim.mosaic_pointings(2, 2, overlap=0.4, subarray=SUB128, dithers=2, step=1.0)
    return sim.compose_scene(
        "sub128",
        pointings,
        components=(sim.Galaxy(2.0, 6.0),),
        seed=seed,
        detector=sim.DetectorOptions(subarray=SUB128, masked_strips=False),
    )


def survey(seed, binning, *, step, apertures, n=5, counter=("observation", 3), **options):
    """Make a survey of both modules of NIRCam, which never overlap each other.

    Levels of visits scatter by 0.02 MJy/sr, pedestals of detectors by 0.003.
    """
    first = sim.dither_pointings(1, aperture="NRCA5_FULL", rolls=(0.0,))[0]
    name, digits = counter
    telescope = [
        sim.offset_pointing(first, step[0] * k, step[1] * k, **{name: f"{k + 1:0{digits}d}"})
        for k in range(n)
    ]
    pointings = tuple(q for p in telescope for q in sim.detector_pointings(p, apertures))
    return sim.compose_scene(
        "survey",
        pointings,
        levels=sim.draw_levels(
            pointings, seed, visit_scatter=0.02, exposure_scatter=0.0, detector_scatter=0.003
        ),
        components=(sim.Cirrus(0.05, 0.8),),
        binning=binning,
        seed=seed,
        **{"filter_name": "F444W", **options},
    )


def ready(make, *args, **options):
    """Adapt a ready-made scene."""
    return lambda seed, binning: make(*args, seed=seed, binning=binning, **options)


ACCURACY = {
    "blank": ready(sim.blank_field, 6, rolls=(40.0, 47.0)),
    "structured": structured,
    "emission-filled": ready(sim.thirty_doradus, 16),
    "stars": bright_stars,
    **{f"misaligned {x}": partial(structured, misaligned=x) for x in (0.1, 0.3, 0.5)},
    "cosmic rays": spoiled,
    "thin overlaps": thin_overlaps,
    "1 dither": partial(mosaic, dithers=1, rolls=(40.0, 48.0)),
    "4 dithers": mosaic,
    "16 dithers": ready(sim.dithers, 16),
    "NIRCam": lambda seed, binning: sim.nircam_mosaic(seed=seed, binning=4 * binning),
    "two rolls": ready(sim.dithers, 4, rolls=(40.0, 75.0)),
    "gain 0.5 %": partial(structured, imperfections={"gain_rms": 0.005}),
    "Lyot field 0.5": partial(structured, imperfections={"lyot_offset": 0.5}),
    "SUB128": small_frames,
}
IMPERFECTIONS = {
    "constants": {},
    **{f"visits {rms:g}": {"visit_gradient_rms": rms} for rms in (0.002, 0.01, 0.05, 0.2)},
    **{f"exposures {rms:g}": {"exposure_gradient_rms": rms} for rms in (0.002, 0.01, 0.05, 0.2)},
    "gain 0.5 %": {"gain_rms": 0.005},
    "rows 0.02": {"row_rms": 0.02},
    "rows 0.05": {"row_rms": 0.05},
    "columns 0.02": {"column_rms": 0.02},
    "glow 0.1": {"glow": 0.1},
    "Lyot 0.5": {"lyot_offset": 0.5},
}
BACKGROUNDS = {
    name: partial(mosaic, n=(2, 3), dithers=2, rolls=(40.0,), imperfections=own)
    for name, own in IMPERFECTIONS.items()
}


# --- Damages ---------------------------------------------------------------


def hit(model, rng, share=0.05):
    """Let cosmic rays hit a share of the pixels, unflagged."""
    hits = rng.random(model.data.shape) < share
    model.data[hits] += rng.exponential(1.0, np.count_nonzero(hits))


def make_noise(model, rng):
    """Put noise in the place of the image."""
    model.data = rng.normal(8.0, 3.0, model.data.shape).astype(np.float32)


def tilt(model, rng):
    """Add a plane without mean."""
    good = model.dq == 0
    plane = np.linspace(-0.5, 0.5, good.size).reshape(good.shape)
    model.data += plane - plane[good].mean()


# Changes of the first of twelve exposures.
DAMAGES = {
    "one of twelve is hit": hit,
    "one of twelve is noise": make_noise,
    "one of twelve is tilted": tilt,
}


# --- Match -------------------------------------------------------------------


def run(scene, models=None, **parameters):
    """Match a mosaic.

    Returns
    -------
    table : QTable
        Levels in the order of pointings, with their ``error``, MJy/sr, about the mean of each
        component, and ``pull``.
    step : PixelSkyMatchStep
        After its run.
    library : ModelLibrary
        The exposures, of which the models given are copied.
    """
    from jwst_mosaic_skymatch.step import PixelSkyMatchStep

    models = sim.simulate_models(scene) if models is None else models
    step = PixelSkyMatchStep(**parameters)
    library = step.run([model.copy() for model in models])
    names = step.levels_table["filename"].tolist()
    table = step.levels_table[[names.index(f"{p.rootname}_cal.fits") for p in scene.pointings]]
    error = table["level"].value - true_levels(scene)
    table["error"] = about_means(error, np.asarray(table["component"]))
    with np.errstate(divide="ignore", invalid="ignore"):  # one exposure is its own mean
        table["pull"] = table["error"] / table["level_error"].value
    return table, step, library


def true_levels(scene):
    """Give the true levels in the order of pointings, MJy/sr."""
    return np.array([sim.true_level(scene, p) for p in scene.pointings])


def about_means(values, components):
    """Subtract the mean over each component, NaN left out."""
    values = np.array(values, dtype=float)
    for number in np.unique(components[np.isfinite(values)]):
        values[components == number] -= np.nanmean(values[components == number])
    return values


def rms(values):
    """Root mean square of arrays of any shape; NaN of none."""
    flat = np.concatenate([np.ravel(part) for part in values] or [[np.nan]])
    return float(np.sqrt(np.mean(np.square(flat))))


def remaining_background(scene, models, library, *, planes, step=8):
    """Give the error of the subtracted background at every ``step``-th good pixel, by exposure.

    The mean over all exposures is zero, and with ``planes`` the plane on the sky as well: neither
    is constrained by differences.
    """
    values, places = [], []
    after = library.map_function(lambda model, _: model, modify=False)
    for pointing, before, model in zip(scene.pointings, models, after, strict=True):
        aperture = load_aperture(pointing.aperture, scene.detector.binning, scene.detector.subarray)
        truth = scene.levels[pointing.rootname] + draw_background(scene, pointing, aperture)
        error = truth - (before.data.astype(float) - model.data)
        y, x = np.indices(truth.shape)[:, ::step, ::step]
        good = np.isfinite(before.data[y, x]) & (model.dq[y, x] % 2 == 0)
        values.append(error[y, x][good])
        places.append(np.stack(model.meta.wcs(x[good], y[good], with_bounding_box=False), axis=1))
    place, errors = np.concatenate(places), np.concatenate(values)
    design = np.ones((len(place), 1))
    if planes:
        design = np.column_stack([design, place - place.mean(axis=0)])
    errors -= design @ np.linalg.lstsq(design, errors, rcond=None)[0]
    return np.split(errors, np.cumsum([part.size for part in values])[:-1])


# --- Table -------------------------------------------------------------------


def parse_options(description, scenes, *, seeds, binning, **more):
    """Parse the command line; ``more`` are options with their choices, the first the default."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=seeds, help="number of seeds")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--binning", type=int, default=binning, help="1: full-size detector")
    parser.add_argument("--scenes", nargs="+", default=list(scenes), choices=list(scenes))
    for name, choices in more.items():
        parser.add_argument(f"--{name}", choices=choices, default=choices[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args()
    options.all_seeds = range(options.first_seed, options.first_seed + options.seeds)
    logging.disable(logging.WARNING)
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    return options


class Table:
    """Rows that are printed as they come, and written as a record of the documentation.

    Parameters
    ----------
    columns : dict of str to str
        Explanation of each column, with its unit.
    path : pathlib.Path or None
        Where the record goes, after each row.
    versions : dict of str to str, optional
        Versions of packages beyond those of this environment.
    """

    def __init__(self, columns, path, versions=()):
        self.columns, self.path, self.versions = columns, path, dict(versions)
        self.rows, self.notes = [], []
        print(*(f"{name:>{WIDTH}}" for name in columns))

    def add(self, **row):
        """Print a row and write all of them."""
        self.rows.append({name: _plain(row[name]) for name in self.columns if name in row})
        cells = (self.rows[-1].get(name) for name in self.columns)
        print(*(f"{'...' if c is None else c:>{WIDTH}}" for c in cells), flush=True)
        if self.path is not None:
            self.path.write_text(json.dumps(self._record(), indent=1) + "\n")

    def _record(self):
        """Give all that a reader needs to repeat the figures."""
        words = [w for w in sys.argv[1:] if w not in ("--json", str(self.path))]
        script = f"tests/benchmarks/{Path(sys.argv[0]).name}"
        versions = {d.name: d.version for d in distributions() if d.name in PACKAGES}
        return {
            "command": shlex.join(["python", script, *words]),
            "date": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}",
            "versions": versions | self.versions,
            "columns": self.columns,
            "rows": self.rows,
            "notes": self.notes,
        }


def _plain(value):
    """Round to five digits; a value that is not finite is null."""
    if value is None or isinstance(value, str | int):
        return value
    return float(f"{float(value):.5g}") if np.isfinite(value) else None
