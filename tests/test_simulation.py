"""Simulated exposures: geometry, sky, noise, defects, metadata, determinism."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from jwst.assign_wcs import pointing as jwst_pointing
from jwst.datamodels import ModelLibrary
from numpy.testing import assert_allclose, assert_array_equal
from stdatamodels.jwst.datamodels import ImageModel

from jwst_mosaic_skymatch import simulation as sim
from jwst_mosaic_skymatch.simulation.artifacts import draw_cosmic_rays, draw_plane
from jwst_mosaic_skymatch.simulation.attitude import attitude_at
from jwst_mosaic_skymatch.simulation.detector import FLAGS
from jwst_mosaic_skymatch.simulation.diffuse import random_field
from jwst_mosaic_skymatch.simulation.plane import TangentPlane, map_pixels

APERTURES = ["MIRIM_FULL", "NIS_CEN", *(f"NRC{m}{i}_FULL" for m in "AB" for i in range(1, 6))]
ARCSEC = 1 / 3600


def grid(shape, n=15):
    """Pixel positions spread over a frame."""
    return np.meshgrid(np.linspace(0, shape[1] - 1, n), np.linspace(0, shape[0] - 1, n))


def clean(scene, **changes):
    """Take noise, cosmic rays and bad pixels out of a scene."""
    return replace(
        scene,
        noise=replace(scene.noise, draw=False),
        cosmic_rays=None,
        detector=replace(scene.detector, bad_fraction=0.0, hot_fraction=0.0),
        **changes,
    )


@pytest.fixture(scope="module")
def dithered():
    return sim.dithers(2, binning=8, rolls=(40.0, 55.0))


# Geometry


@pytest.mark.parametrize(
    ("name", "binning", "subarray"),
    [
        *((name, 1, None) for name in APERTURES),
        ("MIRIM_FULL", 8, None),
        ("MIRIM_FULL", 2, (100, 40, 256, 128)),
    ],
)
def test_wcs_round_trip(name, binning, subarray):
    wcs = sim.Pointing(150.0, -60.0, 77.0, name).wcs(binning, subarray)
    x, y = grid(wcs.array_shape)
    result = wcs.invert(*wcs(x, y, with_bounding_box=False), with_bounding_box=False)
    assert_allclose(result, (x, y), atol=0.002)


def test_distortion_agrees_with_siaf_reference_point_and_scale():
    aperture = sim.load_aperture("MIRIM_FULL")
    assert_allclose(aperture.to_v2v3(692.5, 511.5), (aperture.v2_ref, aperture.v3_ref))
    here, there = (np.array(aperture.to_v2v3(692.5 + d, 511.5)) for d in (0, 1))
    assert_allclose(np.hypot(*(there - here)), 0.11049812, rtol=1e-4)  # x_sci_scale of SIAF


@pytest.mark.parametrize("name", ["MIRIM_FULL", "NRCB3_FULL"])
@pytest.mark.parametrize(("ra", "dec", "roll"), [(10.0, 0.0, 0.0), (359.999, -69.1, 174.9)])
def test_sky_agrees_with_jwst(name, ra, dec, roll):
    aperture = sim.load_aperture(name)
    model = ImageModel((4, 4))
    model.meta.wcsinfo = {"ra_ref": ra, "dec_ref": dec, "roll_ref": roll}
    model.meta.wcsinfo.v2_ref, model.meta.wcsinfo.v3_ref = aperture.v2_ref, aperture.v3_ref
    v2v3 = aperture.to_v2v3(*grid(aperture.shape))
    ours = sim.v2v3_to_sky(aperture.v2_ref, aperture.v3_ref, ra, dec, roll)(*v2v3)
    theirs = jwst_pointing.v23tosky(model)(*v2v3)
    assert_allclose(ours, theirs, rtol=0, atol=1e-6 * ARCSEC)


def test_attitude_agrees_with_jwst():
    known = {"v2_ref": 86.0, "v3_ref": -493.5, "ra_ref": 53.1, "dec_ref": -67.8, "roll_ref": 33.0}
    ra, dec, roll = attitude_at(-120.0, -520.0, **known)
    theirs = jwst_pointing.compute_roll_ref(**known, new_v2_ref=-120.0, new_v3_ref=-520.0)
    assert roll == pytest.approx(theirs, abs=1e-6)
    known_at_new = dict(zip(("ra_ref", "dec_ref", "roll_ref"), (ra, dec, roll), strict=True))
    back = attitude_at(86.0, -493.5, v2_ref=-120.0, v3_ref=-520.0, **known_at_new)
    assert_allclose(back, (53.1, -67.8, 33.0), rtol=0, atol=1e-9)


def test_orientation_of_miri():
    # At this roll the ideal y axis points north; seen from inside, east is to the left.
    angle = sim.load_aperture("MIRIM_FULL").v3_idl_yangle
    wcs = sim.Pointing(150.0, 2.0, -angle).wcs()
    (ra0, dec0), (ra1, dec1), (ra2, dec2) = (wcs(*p) for p in ((692, 512), (692, 612), (792, 512)))
    assert dec1 - dec0 == pytest.approx(100 * 0.11134 * ARCSEC, rel=1e-3)
    assert ra2 - ra0 == pytest.approx(-100 * 0.1105 * ARCSEC, rel=2e-3)
    assert abs(ra1 - ra0) < 1 * ARCSEC
    assert abs(dec2 - dec0) < 1 * ARCSEC


def test_wcs_looks_like_that_of_jwst():
    wcs = sim.Pointing(150.0, 2.0).wcs()
    assert wcs.available_frames == ["detector", "v2v3", "v2v3vacorr", "world"]
    assert wcs.bounding_box.bounding_box(order="F") == ((3.5, 1027.5), (-0.5, 1023.5))
    assert wcs.array_shape == (1024, 1032)


@pytest.mark.parametrize(
    ("name", "binning", "subarray", "shape"),
    [
        ("MIRIM_FULL", 1, None, (1024, 1032)),
        ("MIRIM_FULL", 8, None, (128, 129)),
        ("MIRIM_FULL", 1, (8, 888, 128, 128), (128, 128)),
        ("NRCA1_FULL", 8, None, (256, 256)),
    ],
)
def test_shapes(name, binning, subarray, shape):
    assert sim.load_aperture(name, binning, subarray).shape == shape


def test_binning_and_subarray_keep_the_field():
    full, binned, cropped = (
        sim.Pointing(150.0, 2.0, 30.0).wcs(*args) for args in ((), (8,), (1, (8, 888, 128, 128)))
    )
    full.bounding_box = None
    assert_allclose(binned(-0.5, -0.5, with_bounding_box=False), full(-0.5, -0.5), atol=1e-12)
    assert_allclose(binned(100, 20), full(803.5, 163.5), atol=1e-12)
    assert_allclose(cropped(10, 20), full(18, 908), atol=1e-12)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("MIRIM_NONE",), "unknown aperture"),
        (("MIRIM_FULL", 0), "binning must be"),
        (("MIRIM_FULL", 1, (1000, 0, 128, 128)), "does not fit"),
    ],
)
def test_load_aperture_refuses(args, message):
    with pytest.raises(ValueError, match=message):
        sim.load_aperture(*args)


def test_plane_and_pixel_map():
    plane = TangentPlane(0.001, 88.0)
    ra, dec = plane.deproject(np.array([-100.0, 40.0]), np.array([30.0, -200.0]))
    assert_allclose(plane.project(ra, dec), ([-100, 40], [30, -200]), atol=1e-8)
    wcs = sim.Pointing(0.0, 88.0, 20.0).wcs()
    mapped = map_pixels(wcs, (1024, 1032), plane)
    x, y = 517, 333
    exact = plane.project(*wcs(x, y))
    assert_allclose([m[y, x] for m in mapped], exact, atol=1e-4 * 0.11)


# Pointings


@pytest.mark.parametrize(
    ("field", "first", "count"),
    [
        ("stephans-quintet-f770w", "jw02732002001_02101_00001_mirimage", 32),
        ("ngc628-f1000w", "jw02107039001_02103_00001_mirimage", 20),
        ("30dor-f1280w", "jw02729002001_02105_00001_mirimage", 20),
    ],
)
def test_read_pointings(field, first, count):
    pointings = sim.read_pointings(field)
    assert pointings[0].rootname == first
    assert len({p.rootname for p in pointings}) == count


def test_read_pointings_refuses_unknown_field():
    with pytest.raises(ValueError, match="unknown field"):
        sim.read_pointings("andromeda")


def test_mosaic_overlaps_by_the_given_pixels():
    left, right = sim.mosaic_pointings(2, 1, overlap_pixels=100, rolls=(33.0,))
    x, y = left.wcs().invert(right.ra_ref, right.dec_ref, with_bounding_box=False)
    # Distortion shifts the mean pitch a little from that at the reference point.
    assert_allclose((x - 692.5, y - 511.5), (1032 - 100, 0), atol=8)


def test_mosaic_visits_and_dithers():
    pointings = sim.mosaic_pointings(2, 3, dithers=2, rolls=(0.0, 90.0), visit_per_tile=True)
    assert len({p.rootname for p in pointings}) == 24
    assert len({p.visit_id for p in pointings}) == 12
    together = sim.mosaic_pointings(2, 3, dithers=2, rolls=(0.0, 90.0))
    assert len({p.rootname for p in together}) == 24
    assert len({p.visit_id for p in together}) == 2


def test_nircam_detectors_share_the_exposure_but_not_the_field():
    names = [f"NRC{m}{i}_FULL" for m in "AB" for i in range(1, 5)]
    telescope = sim.Pointing(53.1, -27.8, 20.0, "NRCA5_FULL")
    pointings = sim.detector_pointings(telescope, [*names, "NRCB5_FULL"])
    assert [p.detector for p in pointings[:2]] == ["NRCA1", "NRCA2"]
    assert pointings[-1].rootname == "jw09999001001_02101_00001_nrcblong"
    assert len({p.exposure_id for p in pointings}) == 1
    for one in pointings[:8]:
        for other in pointings[:8]:
            x, y = one.wcs().invert(other.ra_ref, other.dec_ref, with_bounding_box=False)
            apart = max(abs(x - 1023.5), abs(y - 1023.5))
            assert one is other or apart > 2048
    # The long-wave detector of a module sees what its four short-wave detectors see.
    long = pointings[-1].wcs()
    for short in pointings[4:8]:
        x, y = long.invert(short.ra_ref, short.dec_ref, with_bounding_box=False)
        assert 400 < x < 1650
        assert 400 < y < 1650


# Sky


def test_two_exposures_see_the_same_sky():
    scene = clean(sim.dithers(1, binning=4, rolls=(40.0, 130.0)))
    scene = replace(scene, sky=replace(scene.sky, stars=sim.Stars(*np.zeros((3, 0)))))
    for p in scene.pointings:
        wcs = p.wcs(4)
        x, y = np.meshgrid(np.arange(258.0), np.arange(256.0))
        expected = scene.sky.diffuse(*wcs(x, y, with_bounding_box=False))
        assert_allclose(
            sim.true_exposure(scene, p).signal - scene.levels[p.rootname], expected, atol=1e-4
        )


def test_stars_keep_flux_and_place():
    pointing = sim.Pointing(150.0, 2.2, 40.0)
    wcs = pointing.wcs()
    # In the last column of the list: far outside, where the inverse distortion is nonsense.
    ra, dec = (
        np.append(c, v) for c, v in zip(wcs([600.3, 900], [500.1, 40.4]), (151, 3), strict=True)
    )
    flux = np.array([100.0, 30.0, 1e6])
    sky = sim.make_sky([pointing], pedestal=0.0)
    sky = replace(sky, stars=sim.Stars(ra, dec, flux))
    image = sky.observe(wcs, (1024, 1032))
    for x, y, f in ((600.3, 500.1, 100.0), (900.0, 40.4, 30.0)):
        stamp = image[int(y) - 12 : int(y) + 13, int(x) - 12 : int(x) + 13]
        i, j = np.mgrid[int(y) - 12 : int(y) + 13, int(x) - 12 : int(x) + 13]
        janskys = stamp.sum() * 1e6 * pointing_area(wcs, x, y)
        assert janskys * 1e6 == pytest.approx(f, rel=1e-3)
        assert (stamp * j).sum() / stamp.sum() == pytest.approx(x, abs=1e-3)
        assert (stamp * i).sum() / stamp.sum() == pytest.approx(y, abs=1e-3)
    assert image.sum() == pytest.approx(
        sum(image[p].sum() for p in (np.s_[480:520, 580:620], np.s_[20:60, 880:920]))
    )


def pointing_area(wcs, x, y):
    """Area of a pixel on the sky, sr."""
    dec = np.deg2rad(wcs(x, y)[1])
    east, north = np.deg2rad(np.array(wcs([x, x + 1, x], [y, y, y + 1])))
    dx, dy = (east[1:] - east[0]) * np.cos(dec), north[1:] - north[0]
    return abs(dx[0] * dy[1] - dx[1] * dy[0])


def test_binned_stars_are_as_high_and_as_wide_in_pixels():
    pointing = sim.Pointing(150.0, 2.2)
    peaks = []
    for binning in (1, 8):
        wcs = pointing.wcs(binning)
        star = sim.Stars(
            *(np.atleast_1d(c) for c in wcs(90.0, 60.0)), np.array([50.0 * binning**2])
        )
        sky = replace(sim.make_sky([pointing], pedestal=0.0, binning=binning), stars=star)
        image = sky.observe(wcs, wcs.array_shape)
        peaks.append(image[60, 90])
        assert (image > 0.5 * image.max()).sum() in (5, 9)
    assert_allclose(peaks[0], peaks[1], rtol=0.02)


def test_random_field_has_the_slope():
    field = random_field((512, 512), 3.0, np.random.default_rng(5))
    power = np.abs(np.fft.rfft2(field)) ** 2
    k = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512))
    low, high = (power[(k > a) & (k < 1.2 * a)].mean() for a in (0.02, 0.2))
    assert np.log10(low / high) == pytest.approx(3.0, abs=0.2)


# Levels


def test_levels_come_back_from_noiseless_dithers():
    levels = {"jw09999001001_02101_00001_mirimage": 0.3, "jw09999001001_02101_00002_mirimage": 1.7}
    pointings = sim.dither_pointings(2, step=8 * 4 * 0.1109)
    scene = clean(sim.dithers(2, binning=8), pointings=pointings, levels=levels)
    scene = replace(
        scene, sky=sim.make_sky(pointings, components=(sim.Galaxy(6.0, 15.0),), binning=8)
    )
    first, second = sim.simulate_models(scene)
    y, x = np.nonzero((second.dq & 1) == 0)
    sky = second.meta.wcs(x, y, with_bounding_box=False)
    u, v = first.meta.wcs.invert(*sky, with_bounding_box=False)
    u, v = np.rint(u).astype(int), np.rint(v).astype(int)
    both = (u >= 50) & (u < 128) & (v >= 0) & (v < 128)
    difference = second.data[y[both], x[both]] - first.data[v[both], u[both]]
    assert np.nanmedian(difference) == pytest.approx(1.4, abs=0.01)


def test_draw_levels():
    pointings = sim.read_pointings("stephans-quintet-f770w")
    levels = sim.draw_levels(pointings, 3, visit_scatter=5.0, exposure_scatter=0.05)
    assert (
        levels[pointings[7].rootname]
        == sim.draw_levels(pointings[7:8], 3, visit_scatter=5.0, exposure_scatter=0.05)[
            pointings[7].rootname
        ]
    )
    by_visit = {}
    for p in pointings:
        by_visit.setdefault(p.visit_id, []).append(levels[p.rootname])
    assert all(0.01 < np.std(v) < 0.15 for v in by_visit.values())
    assert np.std([np.mean(v) for v in by_visit.values()]) > 1


def test_measured_levels():
    levels = sim.measured_levels(sim.read_pointings("stephans-quintet-f770w"))
    assert levels["jw02732002001_02101_00001_mirimage"] == 1.15274
    with pytest.raises(ValueError, match="no measured level"):
        sim.measured_levels(sim.read_pointings("ngc628-f1000w"))


# Detector


def test_dq_of_miri():
    scene = sim.blank_field(1)
    dq = sim.simulate_exposure(scene, scene.pointings[0]).dq
    masked = FLAGS["DO_NOT_USE"] | FLAGS["NON_SCIENCE"]
    assert np.all(dq[:740, :357] & masked == masked)
    assert np.all(dq[:, 285:357] & masked == masked)
    assert np.all(dq[:, -4:] & FLAGS["DO_NOT_USE"])
    for science in (dq[745:1019, 10:280], dq[:, 357:1028]):
        bad = (science & FLAGS["DO_NOT_USE"]) != 0
        assert bad.mean() == pytest.approx(0.005, abs=0.001)
        assert not np.any(science & FLAGS["NON_SCIENCE"])
        assert ((science & FLAGS["HOT"]) != 0).mean() == pytest.approx(0.001, abs=0.0005)


def test_masked_strips_can_be_left_out():
    scene = sim.blank_field(1, binning=8, masked_strips=False)
    dq = sim.true_exposure(scene, scene.pointings[0]).dq
    assert not np.any(dq & FLAGS["NON_SCIENCE"])


@pytest.mark.parametrize("binning", [1, 8])
def test_reference_pixels_of_nircam(binning):
    aperture = sim.load_aperture("NRCA1_FULL", binning)
    options = sim.DetectorOptions(bad_fraction=0.0, hot_fraction=0.0)
    dq = sim.draw_dq(aperture, "NRCA1", options, 1)
    edge = 4 if binning == 1 else 1
    assert np.all(dq[:edge] & dq[-edge:] & FLAGS["DO_NOT_USE"])
    assert np.all(dq[:, :edge] & dq[:, -edge:] & FLAGS["DO_NOT_USE"])
    assert not np.any(dq[edge:-edge, edge:-edge])


def test_unusable_pixels_are_partly_nan(dithered):
    model = sim.simulate_exposure(dithered, dithered.pointings[0])
    bad = (model.dq & FLAGS["DO_NOT_USE"]) != 0
    assert np.isnan(model.data[bad]).mean() == pytest.approx(0.5, abs=0.05)
    assert np.all(np.isfinite(model.data[~bad]))
    assert_array_equal(np.isnan(model.err), np.isnan(model.data))


def test_bad_pixels_stay_with_the_detector(dithered):
    first, second = (sim.true_exposure(dithered, p).dq for p in dithered.pointings[:2])
    assert_array_equal(first, second)


# Noise and artifacts


def test_noise_level():
    scene = replace(sim.blank_field(1, binning=2), cosmic_rays=None)
    pointing = scene.pointings[0]
    truth = sim.true_exposure(scene, pointing)
    model = sim.simulate_exposure(scene, pointing)
    residual = (model.data - truth.signal)[truth.good] / np.sqrt(truth.variance[truth.good])
    assert residual.mean() == pytest.approx(0, abs=0.02)
    assert residual.std() == pytest.approx(1, abs=0.01)
    assert 0.02 < np.median(model.err[truth.good]) < 0.05
    assert_allclose(model.err**2, model.var_poisson + model.var_rnoise, rtol=1e-5)
    # Quoted from the noisy data, as a pipeline does: brighter pixels claim more noise.
    good = truth.good
    assert np.corrcoef(model.data[good], model.var_poisson[good])[0, 1] > 0.99


def test_negative_light_makes_no_photon_noise():
    noise = sim.band_noise("F770W")
    poisson, read = sim.variances(np.array([-1.0, 0.0, 8.0, np.nan]), noise)
    assert_array_equal(poisson[:2], 0)
    assert poisson[2] == pytest.approx(8.0 / noise.electrons)
    assert np.isnan(poisson[3])
    assert np.isnan(read[3])


def test_cosmic_rays():
    options = sim.CosmicRays(fraction=0.01, energy=30.0, detected=0.7, residual=0.1)
    energy, flagged = draw_cosmic_rays((600, 700), options, np.random.default_rng(2))
    hit = energy > 0
    assert hit.mean() == pytest.approx(0.01, rel=0.1)
    assert flagged[hit].mean() == pytest.approx(0.7, abs=0.05)
    assert np.mean(energy[hit & ~flagged]) == pytest.approx(30, rel=0.15)
    assert np.mean(energy[flagged]) == pytest.approx(3, rel=0.15)


def test_pointing_error_displaces_the_sky(dithered):
    errors = sim.Imperfections(pointing_rms=0.5)
    pointing = dithered.pointings[0]
    model = sim.simulate_exposure(clean(dithered, imperfections=errors), pointing)
    nominal = sim.simulate_exposure(clean(dithered), pointing)
    assert model.meta.wcs(10, 10) == nominal.meta.wcs(10, 10)
    moved, still = (m.data[10:120, 60:120] for m in (model, nominal))
    # The shift that explains the difference, by least squares on the gradients.
    gradients = np.gradient(still)
    design = np.stack([g.ravel() for g in gradients], axis=1)
    shift = np.linalg.lstsq(design, (moved - still).ravel(), rcond=None)[0]
    assert 0.1 < np.hypot(*shift) * 8 * 0.11 < 2.0


def test_gradients_gain_and_patch(dithered):
    pointing = dithered.pointings[0]
    plain = sim.true_exposure(dithered, pointing)
    errors = sim.Imperfections(visit_gradient_rms=0.2)
    tilted = sim.true_exposure(replace(dithered, imperfections=errors), pointing)
    plane = tilted.signal - plain.signal
    assert abs(plane.mean()) < 1e-9
    assert_allclose(np.diff(plane, n=2, axis=0), 0, atol=1e-9)
    scaled = sim.true_exposure(
        replace(dithered, imperfections=sim.Imperfections(gain_rms=0.005)), pointing
    )
    assert np.ptp(scaled.signal / plain.signal) < 1e-9
    assert 0 < abs(scaled.signal[0, 0] / plain.signal[0, 0] - 1) < 0.02
    patch = sim.Patch(90, 60, 10, 0.5)
    patched = sim.true_exposure(replace(dithered, patches={pointing.rootname: (patch,)}), pointing)
    assert (patched.signal - plain.signal)[60, 90] == pytest.approx(0.5, abs=1e-3)
    assert abs(patched.signal - plain.signal)[5, 5] < 1e-6


def test_planes_have_the_rms():
    rng = np.random.default_rng(8)
    rms = [draw_plane((40, 50), 0.2, rng).std() for _ in range(500)]
    assert np.sqrt(np.mean(np.square(rms))) == pytest.approx(0.2, rel=0.1)


# Exposures and mosaics


def test_exposures_depend_on_seed_and_name_only(dithered):
    models = sim.simulate_models(dithered)
    backwards = sim.simulate_models(replace(dithered, pointings=dithered.pointings[:0:-1]))
    assert_array_equal(models[-1].data, backwards[0].data)
    assert_array_equal(models[-1].dq, backwards[0].dq)
    other = sim.simulate_exposure(replace(dithered, seed=2), dithered.pointings[0])
    assert not np.array_equal(models[0].data, other.data, equal_nan=True)
    first, second = (m.data[:, 60:120] for m in models[:2])
    assert (
        abs(np.corrcoef(first[~np.isnan(first + second)], second[~np.isnan(first + second)])[0, 1])
        < 1
    )


def test_mosaic_files(dithered, tmp_path):
    done = []
    scene = replace(dithered, name="tiny")
    result = sim.simulate_mosaic(scene, tmp_path / "new", lambda i, n: done.append((i, n)))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert result.levels == dict(scene.levels)
    members = json.loads(result.association.read_text())["products"][0]["members"]
    assert [m["expname"] for m in members] == [path.name for path in result.files]
    expected = sim.simulate_exposure(scene, scene.pointings[2])
    with ImageModel(result.files[2]) as model:
        assert_array_equal(model.data, expected.data)
        assert_array_equal(model.dq, expected.dq)
        assert_allclose(model.meta.wcs(90, 60), expected.meta.wcs(90, 60), atol=1e-12)
        assert model.meta.wcsinfo.s_region.startswith("POLYGON ICRS  ")
        assert model.meta.filename == f"{scene.pointings[2].rootname}_cal.fits"
        model.validate()
    library = ModelLibrary(str(result.association), on_disk=True)
    assert len(library.group_indices) == 4


def test_nircam_scene_groups_by_exposure():
    scene = sim.nircam_mosaic(1, binning=32)
    models = sim.simulate_models(scene)
    assert len(models) == 16
    library = ModelLibrary(models)
    assert sorted(len(v) for v in library.group_indices.values()) == [8, 8]
    assert {m.meta.instrument.module for m in models} == {"A", "B"}
    assert models[0].meta.exposure.type == "NRC_IMAGE"


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (sim.stephans_quintet, 32),
        (sim.ngc628, 20),
        (sim.thirty_doradus, 20),
        (sim.blank_field, 4),
        (sim.two_by_three, 6),
    ],
)
def test_ready_made_scenes(make, count):
    scene = make(binning=16)
    assert len(scene.pointings) == count
    truth = sim.true_exposure(scene, scene.pointings[-1])
    assert truth.signal.shape == (64, 64)
    assert np.all(truth.variance > 0)
    assert np.all(np.isfinite(truth.signal))


def test_constant_tiles_show_their_levels():
    scene = sim.two_by_three((0.0, 1.0, 2.0, 3.0, 4.0, 5.0), binning=16)
    medians = [np.nanmedian(m.data) for m in sim.simulate_models(scene)]
    assert_allclose(np.array(medians) - 8.0, range(6), atol=1e-5)


def test_scene_refuses_missing_levels_and_doubles(dithered):
    with pytest.raises(ValueError, match="no level for"):
        replace(dithered, levels={})
    with pytest.raises(ValueError, match="same rootname"):
        replace(dithered, pointings=dithered.pointings[:1] * 2)


def test_subarray_exposure():
    options = sim.DetectorOptions(subarray=(8, 888, 128, 128))
    scene = sim.blank_field(1, detector=options)
    model = sim.simulate_exposure(scene, scene.pointings[0])
    assert model.data.shape == (128, 128)
    assert (model.meta.subarray.xstart, model.meta.subarray.ystart) == (9, 889)
    assert model.meta.subarray.name == "GENERIC"


def test_import_does_not_need_jwst():
    code = (
        "import sys, jwst_mosaic_skymatch.simulation; "
        "sys.exit(any(m == 'jwst' or m.startswith('jwst.') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
