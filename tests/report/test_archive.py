"""A result in files, and back."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import make_result, save_result

from jwst_mosaic_skymatch.report.archive import (
    ENDINGS,
    KEPT,
    find_prefix,
    pairs_of_interest,
    read_result,
)
from jwst_mosaic_skymatch.report.page import render_report


def test_report_made_again_is_the_same(faulty):
    result, _, directory = faulty
    (path,) = directory.glob(f"*{ENDINGS['report']}")
    again = read_result(path)
    assert str(again.verdict) == str(result.verdict)
    assert again.findings == result.findings
    assert render_report(again) == path.read_text()


def test_all_is_kept_but_pictures_of_good_pairs(tmp_path):
    result = make_result(80)
    again = read_result(save_result(result, tmp_path))
    assert len(result.pictures) > KEPT + 1
    worst = pairs_of_interest(result)
    names = [(result.pairs["first"][k], result.pairs["second"][k]) for k in worst]
    assert set(again.pictures) == {*names[:KEPT], names[len(names) // 2]}
    for key, picture in again.pictures.items():
        np.testing.assert_array_equal(picture.image, result.pictures[key].image)
        np.testing.assert_array_equal(picture.counts, result.pictures[key].counts)
    for name in ("before", "after", "residual"):
        np.testing.assert_array_equal(getattr(again.mosaic, name), getattr(result.mosaic, name))
    assert again.mosaic.extent == result.mosaic.extent
    np.testing.assert_allclose(again.footprints, result.footprints)
    assert again.levels["remark"].tolist() == [""] * len(result.levels)
    for name in ("product", "method", "n_ties", "findings", "provenance", "closure"):
        assert getattr(again, name) == getattr(result, name)


def test_tables_alone_will_do(tmp_path):
    result = make_result()
    result.pairs.remove_column("offset_error_noise")  # as before there was a report
    again = read_result(save_result(result, tmp_path, material=False))
    assert again.mosaic is None
    assert again.verdict.headline.startswith("Matched: 8 of 8")
    assert "On the sky" not in render_report(again)


def test_directory_of_one_run_will_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such table of levels"):
        find_prefix(tmp_path)
    result = make_result(4)
    prefix = save_result(result, tmp_path)
    assert find_prefix(tmp_path) == prefix
    save_result(replace(result, product="other"), tmp_path)
    with pytest.raises(ValueError, match=rf"{tmp_path}: has several products \(.*other"):
        find_prefix(tmp_path)


@pytest.mark.parametrize("ending", ["", *ENDINGS.values()])
def test_any_file_tells_which_run_is_meant(tmp_path, ending):
    prefix = save_result(make_result(4), tmp_path)
    assert find_prefix(f"{prefix}{ending}") == prefix


def test_worst_first(result):
    pairs = result.pairs
    order = pairs_of_interest(result)
    assert sorted(order) == list(range(len(pairs)))
    left = np.abs(pairs["residual"].value)[order]
    assert np.all(np.diff(left) <= 0)
    pairs = pairs.copy()
    pairs["used"][order[-1]] = False
    assert pairs_of_interest(replace(result, pairs=pairs))[0] == order[-1]
    assert pairs_of_interest(replace(result, pairs=pairs[:0])) == []


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("levels", FileNotFoundError, "no such table of levels; give the name of a product"),
        ("pairs", FileNotFoundError, "no such table; run with save_diagnostics=True"),
    ],
)
def test_missing_files(tmp_path, what, error, message):
    prefix = save_result(make_result(4), tmp_path)
    (tmp_path / f"{prefix.name}{ENDINGS[what]}").unlink()
    with pytest.raises(error, match=message):
        read_result(prefix)


@pytest.mark.parametrize("what", ["levels", "pairs", "material"])
def test_broken_files_are_named(tmp_path, what):
    prefix = save_result(make_result(4), tmp_path)
    path = tmp_path / f"{prefix.name}{ENDINGS[what]}"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"cannot be read .*run the step again") as caught:
        read_result(prefix)
    assert str(path) in str(caught.value)
    assert caught.value.__suppress_context__
