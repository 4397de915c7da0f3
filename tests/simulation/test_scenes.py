"""Ready-made scenes."""

import pytest

import jwst_mosaic_simulation as sim


@pytest.mark.parametrize(
    ("make", "filter_name", "n_exposures", "n_visits", "first"),
    [
        (sim.stephans_quintet, "F770W", 32, 4, "jw02732002001_02101_00001_mirimage"),
        (sim.ngc628, "F1000W", 20, 5, "jw02107039001_02103_00001_mirimage"),
        (sim.thirty_doradus, "F1280W", 20, 2, "jw02729002001_02105_00001_mirimage"),
        (sim.dithers, "F770W", 4, 1, "jw09999001001_02101_00001_mirimage"),
        (sim.nircam_mosaic, "F200W", 32, 2, "jw09999001001_02101_00001_nrca1"),
        (sim.two_by_three, "F770W", 6, 6, "jw09999001001_02101_00001_mirimage"),
    ],
)
def test_ready_made_scene(make, filter_name, n_exposures, n_visits, first):
    scene = make(binning=16, seed=4)
    assert (scene.filter_name, scene.seed, scene.detector.binning) == (filter_name, 4, 16)
    names = [p.rootname for p in scene.pointings]
    assert (names[0], len(names)) == (first, n_exposures)
    assert len({p.visit_id for p in scene.pointings}) == n_visits
    if not first.startswith("jw09999"):
        thinned = make(4, binning=16).pointings
        assert [p.rootname for p in thinned] == names[:: n_exposures // 4]
