"""Verdict and seams."""

from dataclasses import replace

import pytest
from made_up import UNIT, make_result

from jwst_mosaic_skymatch.products.findings import Finding

SEAMS = "worst seam 0.5 MJy/sr (500 sigma) before, 0.004 MJy/sr (4 sigma) after"
ONE = f" in 1 component; {SEAMS}."
WRONG = Finding("this is wrong", "mend it")
TOO = Finding("another", "that, too", details=("the worst", "the second"))


def result_with(n_skipped=0, worst=4, **changes):
    """Make up a result with a known worst seam before, at row 3, and after."""
    result = make_result(8, pictures=False, mosaic=False)
    pairs, levels = result.pairs, result.levels
    pairs["offset"][:], pairs["residual"][:] = 0.1 * UNIT, 0.001 * UNIT
    pairs["offset"][3], pairs["residual"][worst] = -0.5 * UNIT, 0.004 * UNIT
    levels["status"][:n_skipped] = "SKIPPED"
    return replace(result, **({"findings": ()} | changes))


TEXTS = {
    f"Matched: 8 of 8 exposures{ONE}": {},
    f"Matched, with doubts: 8 of 8 exposures in 1 component; {SEAMS}; look at: "
    "this is wrong (mend it); the worst, and 1 more (that, too).": {
        "findings": (WRONG, TOO),
    },
    f"Matched in part: 7 of 8 exposures{ONE}": {"n_skipped": 1},
    f"Not matched: 0 of 8 exposures{ONE}": {"n_skipped": 8},
    "Not matched (skymethod=local): 8 of 8 exposures have a level.": {"method": "local"},
}


@pytest.mark.parametrize("text", TEXTS)
def test_texts(text):
    assert str(result_with(**TEXTS[text]).verdict) == text


def test_seams_are_those_of_used_pairs():
    result = result_with()
    pairs = result.pairs
    names = [f"{first} and {second}" for first, second in pairs["first", "second"].iterrows()]
    assert [name for _, name in result.verdict.seams] == [names[3], names[4]]
    pairs["residual"][0] = 99.0 * UNIT
    assert result.verdict.seams[1] == ("99 MJy/sr (9.9e+04 sigma)", names[0])
    pairs["used"][0] = False
    assert result.verdict.seams[1] == ("0.004 MJy/sr (4 sigma)", names[4])
    pairs["used"][:] = False
    assert result.verdict.seams == ()
    assert replace(result, pairs=pairs[:0]).verdict.seams == ()


def test_seams_of_images_without_noise():
    result = result_with()
    for name in ("residual", "offset_error", "offset_error_noise"):
        result.pairs[name] *= 0.0
    (before, _), (after, _) = result.verdict.seams
    assert ("inf sigma" in before, "(0 sigma" in after) == (True, True)
