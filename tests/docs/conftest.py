"""A directory of simulated files, in which the examples of the documentation are executed."""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import draw_sky
from jwst.associations.asn_from_list import asn_from_list

import jwst_mosaic_simulation as sim

# MIRI pixels to a simulated one, per axis. Fields are as large as they are.
BINNING = 8
# At this tweakreg still finds its stars.
BINNING_OF_STARS = 4
SKY = (sim.Galaxy(6.0, 25.0), sim.Cirrus(0.5, 0.8))


def galaxy(name="galaxy", visits=3, *, program, binning=BINNING, stars=300, **options):
    """Make visits of three dithers, side by side, each over half of the one before."""
    pointings = sim.mosaic_pointings(
        visits, 1, overlap=0.5, dithers=3, visit_per_tile=True, rolls=(40.0,), program=program
    )
    return sim.compose_scene(
        name,
        pointings,
        components=SKY,
        stars=sim.StarCounts(stars, flux=8.0),
        binning=binning,
        seed=1,
        **options,
    )


def gradients():
    """Make four visits with a gradient each."""
    pointings = sim.mosaic_pointings(
        2, 2, overlap=0.5, dithers=2, visit_per_tile=True, program="09998"
    )
    return sim.compose_scene(
        "gradients",
        pointings,
        components=SKY,
        binning=BINNING,
        seed=1,
        imperfections=sim.Imperfections(visit_gradient_rms=0.1),
    )


def write_association(path, files):
    """Write an association of some files."""
    association = asn_from_list([file.name for file in files], product_name="galaxy")
    path.write_text(association.dump()[1])


def simulate_displaced(scene, directory):
    """Write the exposures of a scene, the last of which lies beside its place."""
    simulation = sim.simulate_mosaic(scene, directory)
    off = replace(scene, imperfections=sim.Imperfections(pointing_rms=0.3))
    with sim.simulate_exposure(off, scene.pointings[-1]) as model:
        model.save(simulation.files[-1])
    return simulation


@pytest.fixture(scope="session")
def simulated_examples(tmp_path_factory):
    """Simulate all that examples work on; none of them may change these files.

    ``asn.json``
        MIRI mosaic of a galaxy: two visits of three dithers, product ``galaxy``.
    ``more_asn.json``
        A third visit, and the second of these.
    ``trusted_i2d.fits``
        The true sky of these, as a mosaic would show it.
    ``nircam_asn.json``
        Two visits of NIRCam, eight detectors each.
    ``gradients_asn.json``
        Four visits, each with a gradient in its background.
    ``lyot_asn.json``
        Two visits whose Lyot fields are 0.5 MJy/sr brighter than the imager.
    ``misaligned_asn.json``
        Two visits, of which the last exposure lies beside its place.
    """
    directory = tmp_path_factory.mktemp("simulated-examples")
    scene = galaxy(program="09999")
    simulation = sim.simulate_mosaic(scene, directory)
    write_association(directory / "asn.json", simulation.files[:6])
    write_association(directory / "more_asn.json", simulation.files[3:])
    simulation.association.unlink()
    draw_sky(scene, directory / "trusted_i2d.fits", (150.0, 2.2), 500)
    lyot = galaxy("lyot", 2, program="09996", imperfections=sim.Imperfections(lyot_offset=0.5))
    stars = galaxy("misaligned", 2, program="09997", binning=BINNING_OF_STARS, stars=1500)
    for name, made in (
        ("nircam", sim.simulate_mosaic(sim.nircam_mosaic(1, binning=2 * BINNING), directory)),
        ("gradients", sim.simulate_mosaic(gradients(), directory)),
        ("lyot", sim.simulate_mosaic(lyot, directory)),
        ("misaligned", simulate_displaced(stars, directory)),
    ):
        made.association.rename(directory / f"{name}_asn.json")
    return directory


@pytest.fixture
def examples(simulated_examples, tmp_path, monkeypatch):
    """Work in a copy of these files, with the commands of this Python, and without CRDS."""
    directory = tmp_path / "examples"
    shutil.copytree(simulated_examples, directory)
    monkeypatch.chdir(directory)
    commands = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    monkeypatch.setenv("MPLBACKEND", "agg")
    return directory
