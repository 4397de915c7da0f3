"""Levels of this step beside those of other tools, on simulated mosaics with known levels.

``python tests/benchmarks/compare_tools.py [--scenes NAME ...] [--seeds 3] [--first-seed 1]
[--binning 2] [--tools NAME ...] [--environments DIR] [--json FILE]``

Tools, each in a process and, but for the first three, in an environment of its own, which is made
below DIR (./compare-tools) with pip if it is not there:

ours
    PixelSkyMatchStep, default parameters.
SkyMatchStep, stock median
    jwst's own, default parameters, and with ``skystat=median``, which many set.
reproject
    ``reproject_and_coadd(match_background=True)``: medians of differences of pixels, all pairs
    alike, solved by gradient descent. Levels are what its sum lacks beside that without matching.
Montage
    ``mImgtbl``, ``mOverlaps``, ``mDiffFitExec`` and ``mBgModel`` of MontagePy, levels only.
pjpipe
    ``LevelMatchStep``, default parameters: differences of reprojected pixels inside dithers, then
    of stacked images. spacepylot, which another of its steps imports, is not on PyPI; an empty
    module stands in for it.

This step, SkyMatchStep and pjpipe get the calibrated exposures. Those of pjpipe have the WCS in
their FITS header too, with distortion (SIP), by jwst's own function, as cal files from MAST have.
reproject and Montage want images on a common projection, and know no DQ: each exposure by itself is
resampled by jwst's ResampleStep onto the cutout of one grid, bad pixels being left out. That is the
same for both, and no part of either.

For each scene, over the seeds: rms error of the levels, MJy/sr, the mean of each connected
component removed, and the information bound.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Levels are read by these in the environment of this step; the others have one of their own.
OWN = ("ours", "SkyMatchStep", "stock median")
PACKAGES = {
    "reproject": ["reproject==0.21.0"],
    "Montage": ["MontagePy==2.3.0", "astropy"],
    "pjpipe": ["pjpipe==1.3.0"],
}
TOOLS = (*OWN, *PACKAGES)
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


def scenes():
    """Give the scenes by name, as functions of seed and binning."""
    import jwst_mosaic_simulation as sim

    return {
        "blank": lambda seed, binning: sim.blank_field(
            4, seed=seed, binning=binning, rolls=(40.0, 47.0)
        ),
        "galaxies": lambda seed, binning: sim.stephans_quintet(12, seed=seed, binning=binning),
        "emission-filled": lambda seed, binning: sim.thirty_doradus(12, seed=seed, binning=binning),
        "misaligned": lambda seed, binning: sim.stephans_quintet(
            12, seed=seed, binning=binning, imperfections=sim.Imperfections(pointing_rms=0.03)
        ),
        "gradients": lambda seed, binning: sim.stephans_quintet(
            12, seed=seed, binning=binning, imperfections=sim.Imperfections(visit_gradient_rms=0.02)
        ),
    }


def main():
    """Simulate, run all tools, and print a line for each scene."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ("blank", "galaxies", "emission-filled", "misaligned", "gradients")
    parser.add_argument("--scenes", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--binning", type=int, default=2)
    parser.add_argument("--tools", nargs="+", default=TOOLS, choices=TOOLS)
    parser.add_argument("--environments", type=Path, default=Path("compare-tools"))
    from records import add_json_option, write_record

    add_json_option(parser)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    pythons, notes = find_pythons(options.tools, options.environments)
    print(f"{'scene':16}{'bound':>10}" + "".join(f"{tool:>14}" for tool in options.tools))
    left_out = set(TOOLS) - set(options.tools)
    columns = {key: text for key, text in COLUMNS.items() if key not in left_out}
    packages = [text for tool in pythons for text in PACKAGES.get(tool, ()) if "==" in text]
    versions = dict(text.split("==") for text in packages)
    rows = []
    for name in options.scenes:
        results = []
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            result = run_scene(scenes()[name](seed, options.binning), pythons)
            notes += [f"{name}, seed {seed}: {note}" for note in result.pop("notes")]
            results.append(result)
        row = {key: rms([r[key] for r in results if key in r]) for key in ("bound", *options.tools)}
        print(
            f"{name:16}"
            + f"{row['bound']:10.5f}"
            + "".join(f"{row[t]:14.5f}" for t in options.tools),
            flush=True,
        )
        rows.append({"scene": name, **row})
        write_record(options.json, rows, columns, versions=versions, notes=notes)
    for note in notes:
        print(note)


def find_pythons(tools, directory):
    """Give the Python that runs each tool, and say which could not be installed."""
    pythons, notes = {}, []
    for tool in tools:
        if tool in OWN:
            pythons[tool] = sys.executable
            continue
        python = (directory / tool / "bin/python").absolute()
        try:
            if not python.exists():
                subprocess.run([sys.executable, "-m", "venv", directory / tool], check=True)
                pip = [python, "-m", "pip", "install", "--quiet", *PACKAGES[tool]]
                subprocess.run(pip, check=True, capture_output=True, text=True)
            pythons[tool] = str(python)
        except subprocess.CalledProcessError as error:
            said = (error.stderr or str(error)).strip().splitlines()[-1]
            notes.append(f"{tool} could not be installed ({' '.join(PACKAGES[tool])}): {said}")
    return pythons, notes


def rms(parts):
    """Root mean square of several arrays; NaN if there is none."""
    import numpy as np

    return float(np.sqrt(np.mean(np.concatenate(parts) ** 2))) if parts else np.nan


def run_scene(scene, pythons):
    """Simulate a scene and give the errors of each tool."""
    import numpy as np
    from information_bound import level_covariance

    import jwst_mosaic_simulation as sim

    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        simulation = sim.simulate_mosaic(scene, directory / "cal")
        models = sim.simulate_models(scene)
        covariance = level_covariance(models, scene)
        project = covariance @ np.linalg.pinv(covariance, rcond=1e-8, hermitian=True)
        truth = np.array([sim.true_level(scene, p) for p in scene.pointings])
        if {"reproject", "Montage"} & set(pythons):
            resample(simulation.association, directory / "tiles")
        if "pjpipe" in pythons:
            add_fits_wcs(directory / "cal", directory / "sip")
        found = {"bound": np.sqrt(np.diag(covariance)), "notes": []}
        for tool, python in pythons.items():
            try:
                levels = run_tool(tool, python, directory, simulation.association)
                values = np.array([levels[p.rootname] for p in scene.pointings], dtype=float)
                if not np.isfinite(values).all():
                    raise ValueError(f"{np.sum(~np.isfinite(values))} exposures have no level")
                found[tool] = project @ (values - truth)
            except (RuntimeError, ValueError, KeyError) as error:
                found["notes"].append(f"{tool} failed: {error}")
    return found


def add_fits_wcs(before, after):
    """Copy exposures, with an approximation of their WCS in the FITS header."""
    from jwst.assign_wcs.util import update_fits_wcsinfo
    from stdatamodels.jwst.datamodels import ImageModel

    after.mkdir()
    for path in sorted(before.glob("*_cal.fits")):
        with ImageModel(path) as model:
            update_fits_wcsinfo(model)
            model.save(after / path.name)


def resample(association, directory):
    """Resample each exposure onto its cutout of one tangent plane, north up."""
    import numpy as np
    from astropy.io import fits
    from jwst.resample import ResampleStep
    from stdatamodels.jwst.datamodels import ImageModel

    directory.mkdir()
    members = json.loads(association.read_text())["products"][0]["members"]
    paths = [association.parent / member["expname"] for member in members]
    grid = _common_grid(paths)
    for path in paths:
        with ImageModel(path) as model:
            result = ResampleStep(**grid, rotation=0.0, weight_type="exptime").run(model)
        data = np.where(result.wht > 0, result.data, np.nan)
        rows, columns = (np.flatnonzero(np.isfinite(data).any(axis=k)) for k in (1, 0))
        y0, x0 = rows[0], columns[0]
        header = _tangent_header(grid, x0, y0)
        _check_header(header, result.meta.wcs, x0, y0)
        cut = data[y0 : rows[-1] + 1, x0 : columns[-1] + 1].astype(np.float32)
        name = path.name.replace("_cal", "")
        fits.PrimaryHDU(cut, header).writeto(directory / name)


def _common_grid(paths):
    import numpy as np
    from stdatamodels.jwst.datamodels import ImageModel

    corners, scales = [], []
    for path in paths:
        with ImageModel(path) as model:
            ny, nx = model.data.shape
            x, y = np.array([0, nx - 1, nx - 1, 0]), np.array([0, 0, ny - 1, ny - 1])
            corners.append(np.stack(model.meta.wcs(x, y, with_bounding_box=False)))
            scales.append(np.sqrt(model.meta.photometry.pixelarea_arcsecsq))
    ra, dec = np.concatenate(corners, axis=1)
    centre = float((ra.min() + ra.max()) / 2), float((dec.min() + dec.max()) / 2)
    scale = float(np.mean(scales))
    width = (ra.max() - ra.min()) * np.cos(np.deg2rad(centre[1])) * 3600 / scale
    height = (dec.max() - dec.min()) * 3600 / scale
    shape = int(np.ceil(width)) + 40, int(np.ceil(height)) + 40
    return {
        "crval": list(centre),
        "crpix": [(n - 1) / 2 for n in shape],
        "output_shape": list(shape),
        "pixel_scale": scale,
    }


def _tangent_header(grid, x0, y0):
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = grid["crval"]
    # FITS counts from one.
    wcs.wcs.crpix = [n + 1 - first for n, first in zip(grid["crpix"], (x0, y0), strict=True)]
    wcs.wcs.cdelt = [-grid["pixel_scale"] / 3600, grid["pixel_scale"] / 3600]
    header = wcs.to_header()
    # Montage wants these even where they are the defaults.
    header["CROTA2"], header["EQUINOX"] = 0.0, 2000.0
    return header


def _check_header(header, gwcs, x0, y0):
    """Hold the header of a cutout against the WCS that ResampleStep has given the whole."""
    import numpy as np
    from astropy.wcs import WCS

    x, y = np.array([0.0, 50.0, 200.0]), np.array([0.0, 100.0, 20.0])
    sky = gwcs(x + x0, y + y0, with_bounding_box=False)
    found = WCS(header).all_world2pix(*sky, 0)
    if not np.allclose(found, (x, y), rtol=0, atol=0.01):
        raise RuntimeError(f"the header of a cutout is off: {found} instead of {(x, y)}")


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
        lines = (done.stderr.strip() or "no message").splitlines()
        raise RuntimeError(lines[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


# --- in the process of a tool, with nothing but what its environment has ---


def work(tool, directory, association):
    """Run a tool and print its levels as the last line."""
    levels = {
        "ours": levels_of_ours,
        "SkyMatchStep": levels_of_stock,
        "stock median": lambda *places: levels_of_stock(*places, skystat="median"),
        "reproject": levels_of_reproject,
        "Montage": levels_of_montage,
        "pjpipe": levels_of_pjpipe,
    }[tool](Path(directory), association)
    print(
        json.dumps(
            {name: None if value is None else float(value) for name, value in levels.items()}
        )
    )


def levels_of_ours(directory, association):
    """Read levels of this step from its models."""
    from jwst_mosaic_skymatch import PixelSkyMatchStep

    return _levels_in(PixelSkyMatchStep().run(association))


def levels_of_stock(directory, association, **parameters):
    """Read levels of jwst's step from its models."""
    from jwst.skymatch import SkyMatchStep

    return _levels_in(SkyMatchStep(**parameters).run(association))


def _levels_in(library):
    levels = {}
    with library:
        for index, model in enumerate(library):
            levels[model.meta.filename.rpartition("_")[0]] = model.meta.background.level
            library.shelve(model, index, modify=False)
    return levels


def levels_of_reproject(directory, association):
    """Find what it has subtracted from each exposure from what its sum lacks."""
    import numpy as np
    from astropy.io import fits
    from astropy.wcs import WCS
    from reproject import reproject_interp
    from reproject.mosaicking import find_optimal_celestial_wcs, reproject_and_coadd

    np.random.seed(1)  # noqa: NPY002, it shuffles with this one
    paths = sorted((directory / "tiles").glob("*.fits"))
    inputs = []
    for path in paths:
        with fits.open(path) as hdus:
            inputs.append((hdus[0].data.astype(float), WCS(hdus[0].header)))
    wcs, shape = find_optimal_celestial_wcs(inputs, projection="TAN")
    before, after = (
        reproject_and_coadd(
            inputs,
            wcs,
            shape_out=shape,
            reproject_function=reproject_interp,
            combine_function="sum",
            match_background=match,
        )[0]
        for match in (False, True)
    )
    # Each pixel of the sum lacks the levels of the exposures that it is a sum of.
    parts = np.array([reproject_interp(one, wcs, shape_out=shape)[1].ravel() for one in inputs]).T
    lacking = np.nan_to_num(before - after).ravel()
    levels, *_ = np.linalg.lstsq(parts, lacking)
    if not np.allclose(parts @ levels, lacking, rtol=0, atol=1e-6):
        raise RuntimeError("what the sum lacks is not a level of each exposure")
    return dict(zip((path.stem for path in paths), levels, strict=True))


def levels_of_montage(directory, association):
    """Read the table of corrections that mBgModel writes."""
    from astropy.table import Table
    from MontagePy import main as montage

    tiles = directory / "tiles"
    montage_call(montage.mImgtbl, str(tiles), "images.tbl")
    montage_call(montage.mMakeHdr, "images.tbl", "region.hdr")
    montage_call(montage.mOverlaps, "images.tbl", "diffs.tbl")
    (directory / "diffs").mkdir()
    montage_call(
        montage.mDiffFitExec,
        *(str(tiles), "diffs.tbl", "region.hdr", "diffs", "fits.tbl"),
        levelOnly=True,
        noAreas=True,
    )
    montage_call(montage.mBgModel, "images.tbl", "fits.tbl", "corrections.tbl", noslope=True)
    images = Table.read("images.tbl", format="ascii.ipac")
    corrections = Table.read("corrections.tbl", format="ascii.ipac")
    names = {row["cntr"]: Path(row["fname"]).stem for row in images}
    # An image without a row has no correction.
    levels = dict.fromkeys(names.values(), 0.0)
    return levels | {names[row["id"]]: row["c"] for row in corrections}


def montage_call(function, *arguments, **options):
    """Call a function of Montage, and raise an error if it says so."""
    result = function(*arguments, **options)
    if result["status"] not in (0, "0"):
        raise RuntimeError(f"{function.__name__}: {result.get('msg', result)}")
    return result


def levels_of_pjpipe(directory, association):
    """Give what it has subtracted."""
    from unittest.mock import MagicMock

    import numpy as np

    # Not on PyPI, and only another step of it, which aligns exposures, uses it.
    for name in ("spacepylot", "spacepylot.alignment", "spacepylot.alignment_utilities"):
        sys.modules.setdefault(name, MagicMock())
    from pjpipe.level_match import LevelMatchStep
    from stdatamodels.jwst import datamodels

    before, after = directory / "sip", directory / "pjpipe"
    step = LevelMatchStep(
        in_dir=str(before), out_dir=str(after), step_ext="cal", procs=1, band="F770W"
    )
    if not step.do_step():
        raise RuntimeError("do_step did not succeed")
    levels = {}
    for path in sorted(after.glob("*_cal.fits")):
        with datamodels.open(before / path.name) as old, datamodels.open(path) as new:
            levels[path.stem.removesuffix("_cal")] = np.nanmedian(old.data.astype(float) - new.data)
    return levels


if __name__ == "__main__":
    if "--worker" in sys.argv:
        work(*sys.argv[2:])
    else:
        main()
