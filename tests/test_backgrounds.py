"""Levels and their errors where backgrounds are no constants, and one bad exposure among good."""

import numpy as np
import pytest

import jwst_mosaic_simulation as sim
from jwst_mosaic_skymatch.step import PixelSkyMatchStep

BINNING = 4
# Of the third exposure in the mosaics below.
BAD = 2


def mosaic(seed, *, dithers=2, nx=2, ny=2, overlap=0.25, **imperfections):
    return sim.compose_scene(
        "mosaic",
        sim.mosaic_pointings(nx, ny, overlap=overlap, dithers=dithers, visit_per_tile=True),
        components=(sim.Galaxy(6.0, 15.0), sim.Cirrus(0.5, 0.8)),
        seed=seed,
        binning=BINNING,
        imperfections=sim.Imperfections(**imperfections),
    )


def run(scene, models=None, **parameters):
    """Match a scene; errors of the levels in the order of its pointings, and the table."""
    models = sim.simulate_models(scene) if models is None else models
    step = PixelSkyMatchStep(**parameters)
    step.run(models)
    table = step.levels_table
    order = np.argsort(np.argsort([p.rootname for p in scene.pointings]))
    table = table[order]
    truth = np.array([sim.true_level(scene, p) for p in scene.pointings])
    return table["level"].value - truth, table


def pulls(scenes):
    found = []
    for scene in scenes:
        error, table = run(scene)
        found.append((error - error.mean()) / table["level_error"].value)
    return np.std(found)


@pytest.mark.parametrize(
    ("imperfections", "largest"),
    [
        ({}, 1.4),
        ({"visit_gradient_rms": 0.05}, 1.8),
        pytest.param({"exposure_gradient_rms": 0.05}, 1.8, marks=pytest.mark.slow),
        pytest.param({"gain_rms": 0.005}, 2.0, marks=pytest.mark.slow),
        pytest.param({"row_rms": 0.02}, 2.4, marks=pytest.mark.slow),
    ],
    ids=lambda value: "-".join(value) or "constants" if isinstance(value, dict) else "",
)
def test_errors_contain_what_backgrounds_do(imperfections, largest):
    """Without it the pulls are 1, 40, 40, 600 and 20; few seeds, so with some room."""
    width = pulls(mosaic(seed, **imperfections) for seed in range(301, 304))
    assert 0.4 < width < largest


def test_errors_by_noise_stay_beside_the_total():
    _, table = run(mosaic(1, visit_gradient_rms=0.05))
    assert np.all(table["level_error"] > 20 * table["level_error_noise"])
    _, clean = run(mosaic(1))
    np.testing.assert_allclose(clean["level_error"], clean["level_error_noise"], rtol=0.15)
    assert np.all(table["level_error_noise"] < 3 * clean["level_error_noise"].max())


def test_gradients_and_gains_are_reported(caplog):
    run(mosaic(1, visit_gradient_rms=0.05))
    assert any("Backgrounds have gradients of" in text for text in caplog.messages)
    caplog.clear()
    run(mosaic(1, gain_rms=0.005))
    assert any("gains of exposures differ by 0." in text for text in caplog.messages)
    caplog.clear()
    run(mosaic(1))
    assert not any("gradients" in text or "gains" in text for text in caplog.messages)


def zeros(model, rng):
    model.data[:] = 0.0


def noise(model, rng):
    model.data = rng.normal(8.0, 3.0, model.data.shape).astype(np.float32)


def hits(model, rng):
    hit = rng.random(model.data.shape) < 0.1
    scale = 20 * float(np.nanmedian(model.err))
    model.data[hit] += rng.exponential(scale, np.count_nonzero(hit)).astype(np.float32)


def plane(model, rng):
    ny, nx = model.data.shape
    model.data += np.add.outer(np.linspace(-0.5, 0.5, ny), np.linspace(-0.5, 0.5, nx)).astype("f4")


def half_raised(model, rng):
    model.data[: len(model.data) // 2] += 0.1


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (zeros, "scatter"),
        pytest.param(noise, "scatter", marks=pytest.mark.slow),
        pytest.param(hits, "stick out|scatter", marks=pytest.mark.slow),
        pytest.param(half_raised, "a part of it", marks=pytest.mark.slow),
    ],
)
def test_bad_exposure_harms_only_itself(spoil, what, caplog):
    scene = mosaic(1, dithers=3)
    good = np.arange(len(scene.pointings)) != BAD
    error, _ = run(scene)
    models = sim.simulate_models(scene)
    spoil(models[BAD], np.random.default_rng(1))
    caplog.clear()
    spoiled, table = run(scene, models)
    rms, with_bad = (np.std(e[good]) for e in (error, spoiled))
    assert with_bad < 1.5 * rms
    assert np.std((spoiled - spoiled[good].mean())[good] / table["level_error"].value[good]) < 1.6
    name = f"{scene.pointings[BAD].rootname}_cal.fits"
    assert table["remark"][BAD]
    assert np.count_nonzero(table["remark"] != "") == 1
    (message,) = [text for text in caplog.messages if text.startswith(f"{name}: ")]
    assert any(part in message for part in what.split("|"))
    assert not any("displaced" in text for text in caplog.messages)


@pytest.mark.parametrize(("spoil", "is_named"), [(zeros, True), (plane, False)])
def test_visit_with_a_gradient_is_an_image_of_this_sky(spoil, is_named):
    """Both scatter as much around the two other visits."""
    scene = mosaic(1, nx=3, ny=1, dithers=1, overlap=0.8)
    models = sim.simulate_models(scene)
    spoil(models[1], None)
    _, table = run(scene, models)
    assert ["no image of this sky" in remark for remark in table["remark"]] == [
        False,
        is_named,
        False,
    ]


def test_modules_are_tied_by_exposures_they_share(caplog):
    """Module B of each pointing overlaps module A of the next, and nothing else does."""
    scene = chain()
    caplog.set_level("INFO", "stpipe")
    tied, table = run(scene)
    assert np.isfinite(tied).all()
    assert np.ptp(table["component"]) == 0
    # Pedestals of 0.003, levels of visits of 0.02: what a chain of four ties adds up to.
    assert np.std(tied) < 0.006
    assert any("tie 3 components" in text for text in caplog.messages)
    apart, table = run(scene, tie_detectors=False)
    assert np.ptp(table["component"][table["component"] >= 0]) > 0
    assert np.nanstd(apart) > np.std(tied)
    # Inside a component nothing moves.
    for number in np.unique(table["component"][table["component"] >= 0]):
        members = table["component"] == number
        moved = (tied - apart)[members]
        np.testing.assert_allclose(moved, moved[0], atol=1e-6)


def chain():
    apertures = ("NRCA5_FULL", "NRCB5_FULL")
    first = sim.dither_pointings(1, aperture="NRCA5_FULL", rolls=(0.0,))[0]
    telescope = [
        sim.offset_pointing(first, 176.0 * k, 0.0, observation=f"{k + 1:03d}") for k in range(4)
    ]
    pointings = tuple(q for p in telescope for q in sim.detector_pointings(p, apertures))
    levels = sim.draw_levels(
        pointings, 3, visit_scatter=0.02, exposure_scatter=0.0, detector_scatter=0.003
    )
    return sim.compose_scene(
        "chain",
        pointings,
        filter_name="F444W",
        levels=levels,
        components=(sim.Cirrus(0.05, 0.8),),
        binning=8,
    )
