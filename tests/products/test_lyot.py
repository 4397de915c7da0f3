"""What is said of Lyot fields."""

import numpy as np

from jwst_mosaic_skymatch.levels.pieces import PieceOffsets
from jwst_mosaic_skymatch.products.lyot import describe_links, describe_pieces


def test_links_name_exposures_and_a_remedy(exposures):
    (kept,) = describe_links({2, 0}, exposures, "auto")
    assert kept.startswith("Only the Lyot field of 0_cal.fits, 2_cal.fits overlaps some other")
    assert "miri_lyot='mask'" in kept
    for option in ("mask", "separate"):
        (left_out,) = describe_links({1}, exposures, option)
        assert f"miri_lyot={option!r}" in left_out
        assert "miri_lyot='keep'" in left_out
    assert describe_links({1}, exposures, "keep") == []
    assert describe_links(set(), exposures, "auto") == []


def test_few_links_are_listed(exposures):
    (sentence,) = describe_links(range(20), exposures * 5, "auto")
    assert "and 16 more overlaps" in sentence


def test_offsets_of_fields():
    owners, values = np.array([0, 1]), np.zeros(2)
    (line,) = describe_pieces(PieceOffsets(owners, values, 0.25, 0.01, 1))
    assert "0.25 above" in line
    assert "scatter 0.01, from 1 of 2" in line
    (line,) = describe_pieces(PieceOffsets(owners, values))
    assert "nothing relates" in line
    assert describe_pieces(PieceOffsets(owners[:0], values[:0])) == []
