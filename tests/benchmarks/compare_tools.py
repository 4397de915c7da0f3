"""Levels of this step beside those of other tools, on simulated mosaics with known levels.

``python tests/benchmarks/compare_tools.py [--scenes NAME ...] [--seeds 3] [--first-seed 1]
[--binning 2] [--json FILE]``

Tools, each in a process and, but for the first three, in an environment of its own, which is made
below ./compare-tools with pip if it is not there:

ours
    PixelSkyMatchStep, default parameters.
SkyMatchStep, stock median
    jwst's own, default parameters, and with ``skystat=median``, which many set.
reproject
    ``reproject_and_coadd(match_background=True)``: medians of differences of pixels, all pairs
    alike, solved by gradient descent. Levels are the deficit of its sum beside that without
    matching.
Montage
    ``mImgtbl``, ``mOverlaps``, ``mDiffFitExec`` and ``mBgModel`` of MontagePy, levels only.
pjpipe
    ``LevelMatchStep``, default parameters: differences of reprojected pixels inside dithers, then
    of stacked images. spacepylot, which another of its steps imports, is not on PyPI; an empty
    module stands in for it.

This step, SkyMatchStep and pjpipe get the calibrated exposures. Those of pjpipe have the WCS in
their FITS header too, with distortion (SIP), by jwst's own function, as cal files from MAST have.
reproject and Montage need images on a common projection, and do not read DQ: each exposure by
itself is resampled by jwst's ResampleStep onto the cutout of one grid, without bad pixels. That is
the same for both, and no part of either.
"""

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

# These run in the environment of this step; the others have one of their own.
OWN = ("ours", "SkyMatchStep", "stock median")
PACKAGES = {
    "reproject": ["reproject==0.21.0"],
    "Montage": ["MontagePy==2.3.0", "astropy"],
    "pjpipe": ["pjpipe==1.3.0"],
}
ENVIRONMENTS = Path("compare-tools").absolute()
COLUMNS = {
    "scene": "scene",
    "bound": "information bound, MJy/sr",
    "ours": "PixelSkyMatchStep, rms error, MJy/sr",
    "SkyMatchStep": "jwst's SkyMatchStep",
    "stock median": "the same with skystat=median",
    "reproject": "reproject, match_background",
    "Montage": "Montage, mBgModel",
    "pjpipe": "pjpipe, level_match",
}


def main():
    """Simulate, run all tools, and print a line for each scene."""
    from mosaics import Table, parse_options, rms

    import jwst_mosaic_simulation as sim

    def quintet(**imperfections):
        return partial(sim.stephans_quintet, 12, imperfections=sim.Imperfections(**imperfections))

    scenes = {
        "blank": partial(sim.blank_field, 4, rolls=(40.0, 47.0)),
        "galaxies": quintet(),
        "emission-filled": partial(sim.thirty_doradus, 12),
        "misaligned": quintet(pointing_rms=0.03),
        "gradients": quintet(visit_gradient_rms=0.02),
    }
    options = parse_options(__doc__, scenes, seeds=3, binning=2)
    pythons = dict.fromkeys(OWN, sys.executable) | {tool: install(tool) for tool in PACKAGES}
    versions = dict(texts[0].split("==") for texts in PACKAGES.values())
    table = Table(COLUMNS, options.json, versions)
    for name in options.scenes:
        results = []
        for seed in options.all_seeds:
            errors, notes = run_scene(scenes[name](seed=seed, binning=options.binning), pythons)
            results.append(errors)
            table.notes += [f"{name}, seed {seed}: {note}" for note in notes]
        row = {key: rms([r[key] for r in results if key in r]) for key in ("bound", *pythons)}
        table.add(scene=name, **row)
    print(*table.notes, sep="\n")


def install(tool):
    """Make the environment of a tool, if there is none, and give its Python."""
    python = ENVIRONMENTS / tool / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENTS / tool], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES[tool]], check=True)
    return python


def run_scene(scene, pythons):
    """Simulate a scene; give the errors of each tool, and notes on tools that fail."""
    from information_bound import level_bound
    from mosaics import true_levels

    import jwst_mosaic_simulation as sim

    notes = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        simulation = sim.simulate_mosaic(scene, directory / "cal")
        bound, project = level_bound(sim.simulate_models(scene), scene)
        resample(simulation.files, directory / "tiles")
        add_fits_wcs(simulation.files, directory / "sip")
        errors = {"bound": bound}
        for tool, python in pythons.items():
            try:
                levels = run_tool(tool, python, directory, simulation.association)
                values = np.array([levels[p.rootname] for p in scene.pointings], dtype=float)
                if not np.isfinite(values).all():
                    raise ValueError(f"{np.sum(~np.isfinite(values))} exposures have no level")
                errors[tool] = project @ (values - true_levels(scene))
            except (RuntimeError, ValueError, KeyError) as error:
                notes.append(f"{tool} failed: {error}")
    return errors, notes


def add_fits_wcs(paths, directory):
    """Copy exposures, with an approximation of their WCS in the FITS header."""
    from jwst.assign_wcs.util import update_fits_wcsinfo
    from stdatamodels.jwst.datamodels import ImageModel

    directory.mkdir()
    for path in paths:
        with ImageModel(path) as model:
            update_fits_wcsinfo(model)
            model.save(directory / path.name)


def resample(paths, directory, pixel_scale_ratio=1.0):
    """Resample each exposure onto its cutout of one tangent plane, north up."""
    import asdf
    from jwst.resample import ResampleStep

    directory.mkdir()
    grid = str(directory.with_suffix(".asdf"))
    every = ResampleStep(rotation=0.0, pixel_scale_ratio=pixel_scale_ratio).run(
        [str(path) for path in paths]
    )
    asdf.AsdfFile({"wcs": every.meta.wcs, "array_shape": every.data.shape}).write_to(grid)
    for path in paths:
        whole, cutout = (directory / path.name.replace("_cal", end) for end in ("_i2d", ""))
        result = ResampleStep(output_wcs=grid, weight_type="exptime").run(str(path))
        result.save(whole)
        rows, columns = (np.flatnonzero((result.wht > 0).any(axis=k)) for k in (1, 0))
        window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        header = WCS(fits.getheader(whole, "SCI"))[window].to_header()
        whole.unlink()
        # Montage needs these even where they are the defaults.
        header["CDELT1"], header["CROTA2"], header["EQUINOX"] = -header["CDELT1"], 0.0, 2000.0
        del header["PC1_1"]
        data = np.where(result.wht > 0, result.data, np.nan)[window].astype(np.float32)
        fits.PrimaryHDU(data, header).writeto(cutout)


def run_tool(tool, python, directory, association):
    """Run a tool in a process of its own and give its levels by rootname."""
    done = subprocess.run(
        [python, __file__, "--worker", tool, directory, association],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or "no message").splitlines()[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


# --- In the process of a tool, whose environment may have nothing else -------


def levels_of_step(tool, directory, association):
    """Read levels of this step, or of jwst's own, from its models."""
    from jwst.skymatch import SkyMatchStep

    from jwst_mosaic_skymatch import PixelSkyMatchStep

    def level(model, _):
        return model.meta.filename.rpartition("_")[0], model.meta.background.level

    step = PixelSkyMatchStep() if tool == "ours" else SkyMatchStep()
    if tool == "stock median":
        step.skystat = "median"
    return dict(step.run(association).map_function(level, modify=False))


def levels_of_reproject(tool, directory, association):
    """Solve for the levels whose sum, at each pixel, is the deficit of the matched sum."""
    from reproject import reproject_interp
    from reproject.mosaicking import find_optimal_celestial_wcs, reproject_and_coadd

    np.random.seed(1)  # noqa: NPY002, it shuffles with this one
    paths = sorted((directory / "tiles").glob("*.fits"))
    inputs = [(fits.getdata(path).astype(float), WCS(fits.getheader(path))) for path in paths]
    wcs, shape = find_optimal_celestial_wcs(inputs, projection="TAN")
    add_up = partial(
        reproject_and_coadd,
        output_projection=wcs,
        shape_out=shape,
        reproject_function=reproject_interp,
        combine_function="sum",
    )
    before, after = (add_up(inputs, match_background=match)[0] for match in (False, True))
    # One of seven pixels has each overlap, and a seventh of the memory.
    some = np.s_[::7]
    parts = np.transpose([add_up([one])[1].ravel()[some] for one in inputs])
    deficit = np.nan_to_num(before - after).ravel()[some]
    levels = np.linalg.lstsq(parts, deficit)[0]
    if not np.allclose(parts @ levels, deficit, rtol=0, atol=1e-6):
        raise RuntimeError("the deficit of the sum is not a level of each exposure")
    return dict(zip((path.stem for path in paths), levels, strict=True))


def levels_of_montage(tool, directory, association):
    """Read the table of corrections that mBgModel writes."""
    from astropy.table import Table
    from MontagePy import main as montage

    def call(name, *arguments, **options):
        result = getattr(montage, name)(*arguments, **options)
        if result["status"] not in (0, "0"):
            raise RuntimeError(f"{name}: {result.get('msg', result)}")

    tiles = str(directory / "tiles")
    (directory / "diffs").mkdir()
    call("mImgtbl", tiles, "images.tbl")
    call("mMakeHdr", "images.tbl", "region.hdr")
    call("mOverlaps", "images.tbl", "diffs.tbl")
    files = ("diffs.tbl", "region.hdr", "diffs", "fits.tbl")
    call("mDiffFitExec", tiles, *files, levelOnly=True, noAreas=True)
    call("mBgModel", "images.tbl", "fits.tbl", "corrections.tbl", noslope=True)
    images = Table.read("images.tbl", format="ascii.ipac")
    names = {row["cntr"]: Path(row["fname"]).stem for row in images}
    corrections = Table.read("corrections.tbl", format="ascii.ipac")
    # An image without a row has no correction.
    return dict.fromkeys(names.values(), 0.0) | {names[r["id"]]: r["c"] for r in corrections}


def levels_of_pjpipe(tool, directory, association):
    """Measure the constants that it has subtracted."""
    from unittest.mock import MagicMock

    # Not on PyPI, and only another step of it, which aligns exposures, uses it.
    for name in ("spacepylot", "spacepylot.alignment", "spacepylot.alignment_utilities"):
        sys.modules.setdefault(name, MagicMock())
    from pjpipe.level_match import LevelMatchStep

    before, after = directory / "sip", directory / "pjpipe"
    step = LevelMatchStep(
        in_dir=str(before), out_dir=str(after), step_ext="cal", procs=1, band="F770W"
    )
    if not step.do_step():
        raise RuntimeError("do_step did not succeed")
    levels = {}
    for path in sorted(after.glob("*_cal.fits")):
        old, new = (fits.getdata(own, "SCI").astype(float) for own in (before / path.name, path))
        levels[path.stem.removesuffix("_cal")] = np.nanmedian(old - new)
    return levels


TOOLS = {
    **dict.fromkeys(OWN, levels_of_step),
    "reproject": levels_of_reproject,
    "Montage": levels_of_montage,
    "pjpipe": levels_of_pjpipe,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        tool, directory, association = sys.argv[2:]
        levels = TOOLS[tool](tool, Path(directory), association)
        # The last line of its output.
        print(json.dumps({k: None if v is None else float(v) for k, v in levels.items()}))
    else:
        main()
