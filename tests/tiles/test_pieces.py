"""Lyot fields that are matched by themselves."""

from dataclasses import replace

import numpy as np
import pytest

from jwst_mosaic_simulation import nircam_mosaic, simulate_models, stephans_quintet
from jwst_mosaic_skymatch.exposures.library import open_input
from jwst_mosaic_skymatch.tiles.exclusion import Exclusion, lyot_window
from jwst_mosaic_skymatch.tiles.pieces import find_pieces

SEPARATE = Exclusion(miri_lyot="separate")


def opened(models):
    return open_input(models, on_disk=False, own_models=list)


@pytest.fixture(scope="module")
def models():
    return simulate_models(stephans_quintet(3, binning=8))


def test_pieces_stand_behind_exposures(models):
    given = opened(models)
    exposures = [replace(e, level=0.5) for e in given.exposures]
    exposures[1] = replace(exposures[1], lyot_level=0.75, alias="b/name.fits")
    pieces = find_pieces(given.library, exposures, SEPARATE)
    assert pieces.n_exposures == 3
    assert pieces.owners == (0, 1, 2)
    assert list(pieces.positions) == [3, 4, 5]
    assert pieces.images[:3] == tuple(exposures)
    assert [e.level for e in pieces.images[3:]] == [0.5, 0.75, 0.5]
    assert pieces.images[3].name == f"{exposures[0].filename}[Lyot]"
    assert pieces.images[4].name == "b/name.fits[Lyot]"
    assert pieces.with_pieces(["a", "b", "c"], "!") == ["a", "b", "c", "a!", "b!", "c!"]


def test_corners_are_those_of_the_field(models):
    given = opened(models)
    pieces = find_pieces(given.library, given.exposures, SEPARATE)
    names = [model.meta.filename for model in models]
    for exposure, corners in zip(given.exposures, pieces.footprints, strict=True):
        model = models[names.index(exposure.filename)]
        x, y = model.meta.wcs.backward_transform(*corners.T)
        rows, columns = lyot_window(exposure, model.data.shape)
        inverse = 0.01  # distortion and its inverse agree to that, pixels
        np.testing.assert_allclose([x.min(), x.max()], [0, columns.stop - 1], atol=inverse)
        np.testing.assert_allclose([y.min(), y.max()], [rows.start, 127], atol=inverse)


def test_others_have_none(models):
    given = opened(models)
    for option in ("auto", "keep", "mask"):
        assert find_pieces(given.library, given.exposures, Exclusion(0, option)).owners == ()
    nircam = opened(simulate_models(nircam_mosaic(n=1, binning=16)))
    pieces = find_pieces(nircam.library, nircam.exposures, SEPARATE)
    assert pieces.images == nircam.exposures
