"""What is said of Lyot fields."""

from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.levels.pieces import PieceOffsets
from jwst_mosaic_skymatch.offsets.lyot import LyotOffset
from jwst_mosaic_skymatch.products.lyot import describe_lyot, describe_pieces, findings_of_lyot


def test_offset_that_is_taken_out(match):
    assert describe_lyot(match) == []
    (line,) = describe_lyot(replace(match, lyot=LyotOffset(0.25, 0.0123, 3)))
    assert "0.25 above the imager, error 0.012, from 3 overlaps" in line
    assert "miri_lyot='separate'" in line
    (line,) = describe_lyot(replace(match, lyot=LyotOffset(0.25, 0.0123, 1)))
    assert "from 1 overlap;" in line


def test_pairs_that_hang_on_a_field(match):
    assert findings_of_lyot(match) == []
    (found,) = findings_of_lyot(replace(match, lyot_pairs=(0,)))
    warning = found.sentence
    assert "jw001 and jw002. If its" in warning
    assert "miri_lyot='mask'" in warning
    (found,) = findings_of_lyot(replace(match, lyot_pairs=(0,) * 20))
    warning = found.sentence
    assert "and jw002, and 16 more pairs. If its" in warning


def test_offsets_of_fields():
    owners, values = np.array([0, 1]), np.zeros(2)
    (line,) = describe_pieces(PieceOffsets(owners, values, 0.25, 0.01, 1))
    assert "0.25 above" in line
    assert "scatter 0.01, from 1 of 2" in line
    (line,) = describe_pieces(PieceOffsets(owners, values))
    assert "nothing relates" in line
    assert describe_pieces(PieceOffsets(owners[:0], values[:0])) == []
