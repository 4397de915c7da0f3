"""The field of MIRI's Lyot coronagraph, brighter than the imager by a known offset."""

import logging

import numpy as np
import pytest
from helpers import rms
from stdatamodels.jwst.datamodels import open as open_model

import jwst_mosaic_simulation as sim
from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.tiles import grid

BINNING = 4
OFFSET = 0.5
# Of a simulated frame: the field, and all to the right of it.
FIELD, IMAGER = np.s_[179:, :80], np.s_[:, 80:]


def make_scene(offset=0.0, seed=1, n=8, **errors):
    imperfections = sim.Imperfections(lyot_offset=offset, **errors)
    return sim.stephans_quintet(n, binning=BINNING, seed=seed, imperfections=imperfections)


def make_narrow_mosaic(offset=0.0):
    """In a narrow mosaic nothing but Lyot fields ties columns to each other."""
    return sim.compose_scene(
        "mosaic",
        sim.mosaic_pointings(2, 2, overlap=0.25, dithers=2, visit_per_tile=True),
        components=(sim.Galaxy(6.0, 15.0),),
        binning=BINNING,
        imperfections=sim.Imperfections(lyot_offset=offset),
    )


@pytest.fixture(scope="module")
def scene():
    return make_scene(OFFSET)


@pytest.fixture(scope="module")
def exposures(scene, tmp_path_factory):
    """Write the exposures to files."""
    return sim.simulate_mosaic(scene, tmp_path_factory.mktemp("lyot"))


@pytest.fixture
def models(exposures):
    return [open_model(path) for path in exposures.files]


def separate(inputs, **parameters):
    step = PixelSkyMatchStep(miri_lyot="separate", subtract=True, **parameters)
    return step.run(inputs), step.levels_table


def by_name(table, column="level"):
    return dict(zip(map(str, table["filename"]), np.array(table[column].value), strict=True))


def errors(scene, table):
    """Errors of the imager's levels and the errors that they quote, by pointing."""
    found, quoted = by_name(table), by_name(table, "level_error")
    names = [p.rootname for p in scene.pointings]
    error = np.array([found[f"{name}_cal.fits"] - scene.levels[name] for name in names])
    return error - error.mean(), np.array([quoted[f"{name}_cal.fits"] for name in names])


def run(scene, **parameters):
    step = PixelSkyMatchStep(**parameters)
    step.run(sim.simulate_models(scene))
    return errors(scene, step.levels_table)


@pytest.mark.slow
@pytest.mark.parametrize("grouping", ["visit", "none"])
def test_default_is_as_good_as_without_the_field(grouping):
    default, masked = (
        np.concatenate(
            [
                run(make_scene(OFFSET, seed, n=12), miri_lyot=option, grouping=grouping)[0]
                for seed in (1, 2)
            ]
        )
        for option in ("keep", "mask")
    )
    assert rms(default) < 1.2 * rms(masked)


@pytest.mark.parametrize(
    "imperfections",
    [
        {},
        pytest.param({"visit_gradient_rms": 0.05}, marks=pytest.mark.slow),
        pytest.param({"pointing_rms": 0.05}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_no_offset_is_made_up(imperfections, caplog, monkeypatch):
    """Neither stars and galaxies nor gradients and misalignment look like one."""
    caplog.set_level("INFO", "stpipe")
    scene = make_scene(**imperfections)
    found = run(scene)
    assert not [text for text in caplog.messages if "Lyot" in text]
    # As if no frame told where the field is.
    monkeypatch.setattr(grid, "kept_parts", lambda *_: None)
    np.testing.assert_array_equal(found, run(scene))


@pytest.mark.parametrize(
    "parameters", [pytest.param({"miri_lyot": "mask"}, marks=pytest.mark.slow), {}]
)
def test_imager_is_within_its_errors(parameters):
    pulls = [np.divide(*run(make_scene(OFFSET, seed), **parameters)) for seed in (1, 2, 3)]
    assert 0.5 < np.std(pulls) < 1.5


@pytest.mark.slow
def test_separate_levels_are_within_their_errors():
    """So are the offsets of fields, except of those that nothing has measured."""
    pulls, offsets = [], []
    for seed in (1, 2, 3):
        scene = make_scene(OFFSET, seed)
        _, table = separate(sim.simulate_models(scene))
        pulls.append(np.divide(*errors(scene, table)))
        found, quoted = by_name(table), by_name(table, "level_error")
        noise = by_name(table, "level_error_noise")
        for name in scene.levels:
            imager, field = f"{name}_cal.fits", f"{name}_cal.fits[Lyot]"
            if np.isfinite(noise[field]):
                error = np.hypot(quoted[field], quoted[imager])
                offsets.append((found[field] - found[imager] - OFFSET) / error)
            else:
                assert abs(found[field] - found[imager] - OFFSET) < 3 * quoted[field]
    assert 0.5 < np.std(pulls) < 1.5
    assert len(offsets) >= 15
    assert 0.4 < rms(offsets) < 1.6


def test_separate_levels_are_subtracted_each_from_its_part(models):
    before = [model.data.copy() for model in models]
    library, table = separate(models)
    levels = by_name(table)
    with library:
        for data, model in zip(before, library, strict=True):
            name = model.meta.filename
            background, more = model.meta.background, model.meta.pixel_skymatch
            assert background.level == levels[name]
            assert more.lyot_level == levels[f"{name}[Lyot]"]
            for part, level in ((FIELD, more.lyot_level), (IMAGER, background.level)):
                change = data[part] - model.data[part]
                np.testing.assert_allclose(change[np.isfinite(change)], level, atol=1e-3)
            library.shelve(model, modify=False)
    assert np.nanmin([levels[name] for name in levels if "Lyot" not in name]) == 0.0


def test_second_run_adds_up(models):
    library, first = separate(models)
    with library:
        for k, model in enumerate(library):
            if k == 3:
                model.data[FIELD] += np.float32(0.1)
                model.data[IMAGER] += np.float32(0.05)
            library.shelve(model)
    library, second = separate(library)
    change = by_name(second)
    change = {name: change[name] - level for name, level in by_name(first).items()}
    name = models[3].meta.filename
    assert change.pop(name) == pytest.approx(0.05, abs=1e-3)
    assert change.pop(f"{name}[Lyot]") == pytest.approx(0.1, abs=2e-3)
    assert max(map(abs, change.values())) < 2e-3
    # A run without separate levels changes both parts alike.
    step = PixelSkyMatchStep(subtract=True, skymethod="global")
    totals = by_name(second)
    with step.run(library) as library:
        for model in library:
            added = model.meta.background.level - totals[model.meta.filename]
            in_field = totals[f"{model.meta.filename}[Lyot]"] + added
            assert added > 5.0
            assert model.meta.pixel_skymatch.lyot_level == pytest.approx(in_field, abs=1e-6)
            library.shelve(model, modify=False)


@pytest.mark.parametrize(
    ("parameters", "tolerance"),
    [
        pytest.param({"maximum_cores": 2}, 0.0, marks=pytest.mark.slow),
        pytest.param({"in_memory": False, "maximum_cores": 2}, 0.0, marks=pytest.mark.slow),
        pytest.param({"grouping": "exposure"}, 0.01, marks=pytest.mark.slow),
        ({"grouping": "none"}, 0.01),
        pytest.param({"skymethod": "global+match"}, 1e-6, marks=pytest.mark.slow),
        pytest.param({"match_down": False}, 1e-6, marks=pytest.mark.slow),
        ({"reference": "02732002001"}, 1e-6),
    ],
    ids=str,
)
def test_ways_to_separate_levels(exposures, tmp_path, monkeypatch, parameters, tolerance):
    """They differ by one constant for all."""
    monkeypatch.chdir(tmp_path)
    levels, others = (
        by_name(separate(str(exposures.association), **p)[1]) for p in ({}, parameters)
    )
    assert levels.keys() == others.keys()
    assert len(levels) == 16
    assert np.ptp([others[name] - level for name, level in levels.items()]) <= tolerance


@pytest.mark.slow
def test_separate_levels_can_be_fixed(exposures, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    _, table = separate(str(exposures.association), save_diagnostics=True, save_tiles=True)
    assert "No skylist is saved. Lyot fields have levels of their own" in caplog.text
    assert not list(tmp_path.glob("*skylist*"))
    assert len(list(tmp_path.glob("*_lyot_skytile.fits"))) == 4
    table["level"] += 0.25 * table["level"].unit
    # Levels of one exposure and of another's field are to be found anew.
    table[[k for k in range(16) if k not in (1, 12)]].write("held.ecsv")
    _, held = separate(str(exposures.association), fixed="held.ecsv")
    expected = by_name(table)
    for k, (name, level) in enumerate(by_name(held).items()):
        assert level == pytest.approx(expected[name], abs=1e-3 if k in (1, 12) else 0.0)


@pytest.mark.parametrize("skymethod", ["match", "global+match"])
def test_separate_levels_need_subtraction(skymethod):
    step = PixelSkyMatchStep(miri_lyot="separate", skymethod=skymethod)
    with pytest.raises(ValueError, match="only subtract=True"):
        step.run("no such file")


def test_offset_is_in_the_log(models, caplog):
    caplog.set_level("INFO", "stpipe")
    separate(models)
    (line,) = [text for text in caplog.messages if text.startswith("Lyot fields lie ")]
    assert float(line.split()[3]) == pytest.approx(OFFSET, abs=0.01)


def test_offset_that_is_taken_out_is_in_the_log(caplog):
    caplog.set_level("INFO", "stpipe")
    run(make_scene(OFFSET))
    (line,) = [text for text in caplog.messages if text.startswith("Lyot fields lie ")]
    value, error = (float(line.replace(",", "").split()[k]) for k in (3, 8))
    assert abs(value - OFFSET) < 3 * error < 0.05


@pytest.mark.parametrize(("option", "n_components"), [("keep", 1), ("mask", 2)])
def test_narrow_mosaic_hangs_on_the_field(caplog, option, n_components):
    with caplog.at_level(logging.WARNING, "stpipe"):
        step = PixelSkyMatchStep(miri_lyot=option)
        step.run(sim.simulate_models(make_narrow_mosaic()))
    assert int(np.ptp(step.levels_table["component"])) + 1 == n_components
    warned = [text for text in caplog.messages if text.startswith("Next to nothing but MIRI's")]
    assert len(warned) == (option == "keep")
    if warned:
        assert "jw09999001001 and jw09999001002" in warned[0]
