"""Exposures that meet others only in their Lyot fields."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.exposures.library import open_input
from jwst_mosaic_skymatch.offsets.links import find_lyot_links, lyot_links
from jwst_mosaic_skymatch.simulation import (
    compose_scene,
    mosaic_pointings,
    nircam_mosaic,
    simulate_models,
    stephans_quintet,
)
from jwst_mosaic_skymatch.tiles.grid import lay_grid


def box(x, y, width=60.0, height=100.0):
    return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])


def field(x, y):
    """Lyot field of an imager there: to the left of it, at the top."""
    return box(x - 36.0, y + 70.0, 30.0, 30.0)


@pytest.mark.parametrize(
    ("corners", "links"),
    [
        # Imagers overlap.
        ([(0, 0), (50, 0)], set()),
        # The field of the second lies on the first, in part; or just beside it.
        ([(0, 0), (75, 0)], {1}),
        ([(0, 0), (97, 0)], set()),
        # The same, but a third connects both.
        ([(0, 0), (75, 0), (40, 90)], set()),
        # The field lies across the first's edge.
        ([(0, 0), (80, 20)], {1}),
        ([(0, 0), (80, 40)], set()),
    ],
)
def test_fields_that_alone_overlap(corners, links):
    imagers = [box(*corner) for corner in corners]
    fields = {k: field(*corner) for k, corner in enumerate(corners)}
    assert lyot_links(imagers, fields) == links
    assert lyot_links(imagers, {}) == set()


def test_two_fields_on_each_other_are_both():
    imagers = [box(0, 0), box(100, 0)]
    assert lyot_links(imagers, {0: box(70, 0, 20, 20), 1: box(72, 0, 20, 20)}) == {0, 1}


def mosaic(overlap):
    pointings = mosaic_pointings(2, 2, overlap=overlap, visit_per_tile=True)
    return compose_scene("mosaic", pointings, binning=16)


@pytest.mark.parametrize(
    ("scene", "links"),
    [
        # A frame is 1032 columns wide, its imager begins at column 359.
        (mosaic(0.25), {1, 3}),
        (mosaic(0.40), set()),
        (stephans_quintet(12, binning=16), set()),
        (nircam_mosaic(n=1, binning=16), set()),
    ],
    ids=["fields", "imagers", "real pointings", "no fields"],
)
def test_where_fields_lie_in_exposures(scene, links):
    given = open_input(simulate_models(scene), on_disk=False, own_models=list)
    grid, footprints = lay_grid(given.library, given.exposures, 2.2)
    assert find_lyot_links(given.library, given.exposures, grid, footprints) == links
    # Footprints may list corners the other way round.
    footprints[1:] = [corners[[0, 3, 2, 1]] for corners in footprints[1:]]
    assert find_lyot_links(given.library, given.exposures, grid, footprints) == links
