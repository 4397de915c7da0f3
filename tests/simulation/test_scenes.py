"""Ready-made scenes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import jwst_mosaic_simulation as sim


@pytest.mark.parametrize(
    ("make", "filter_name", "n_exposures", "n_visits"),
    [
        (sim.stephans_quintet, "F770W", 32, 4),
        (sim.ngc628, "F1000W", 20, 5),
        (sim.thirty_doradus, "F1280W", 20, 2),
        (sim.dithers, "F770W", 4, 1),
        (sim.blank_field, "F770W", 4, 1),
        (sim.nircam_mosaic, "F200W", 32, 2),
        (sim.two_by_three, "F770W", 6, 6),
    ],
)
def test_ready_made_scene(make, filter_name, n_exposures, n_visits):
    scene = make(binning=16, seed=4)
    assert (scene.filter_name, scene.seed, scene.detector.binning) == (filter_name, 4, 16)
    assert len(scene.pointings) == n_exposures
    assert len({p.visit_id for p in scene.pointings}) == n_visits
    truth = sim.true_exposure(scene, scene.pointings[-1])
    assert np.all(truth.variance > 0)
    assert np.all(np.isfinite(truth.signal))


@pytest.mark.parametrize("make", [sim.stephans_quintet, sim.ngc628, sim.thirty_doradus])
def test_real_fields_can_be_thinned(make):
    names = [p.rootname for p in make(binning=16).pointings]
    step = len(names) // 4
    assert [p.rootname for p in make(4, binning=16).pointings] == names[::step]


def test_constant_fields_show_their_levels():
    scene = sim.two_by_three((0.0, 1.0, 2.0, 3.0, 4.0, 5.0), binning=16)
    for level, model in zip(range(6), sim.simulate_models(scene), strict=True):
        assert_allclose(model.data[model.dq == 0], 8.0 + level, atol=1e-5)
