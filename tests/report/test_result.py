"""The result in Python: tables, figures, and what a notebook shows."""

import sys
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from made_up import UNIT, make_result
from matplotlib.figure import Figure

from jwst_mosaic_skymatch.report.figures import add_bar
from jwst_mosaic_skymatch.report.result import MatchResult

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def ax():
    return Figure().add_subplot()


def test_is_frozen(result):
    with pytest.raises(FrozenInstanceError):
        result.product = "another"


@pytest.mark.parametrize(
    ("method", "arguments", "options"),
    [
        ("plot_levels", (), {}),
        ("plot_pairs", (), {}),
        ("plot_mosaic", (), {"which": "before"}),
        ("plot_mosaic", (), {"which": "after"}),
        ("plot_mosaic", (), {"which": "residual"}),
        ("plot_pair", (0, 1), {"what": "image"}),
        ("plot_pair", (0, 1), {"what": "histogram"}),
    ],
)
def test_figures_take_and_return_axes(result, ax, method, arguments, options):
    assert getattr(result, method)(*arguments, ax=ax, **options) is ax
    assert ax.has_data()
    figure = getattr(result, method)(*arguments, **options).figure
    assert figure is not ax.figure
    from matplotlib import pyplot

    pyplot.close(figure)


def test_levels_and_their_errors_are_drawn(result, ax):
    result.plot_levels(ax)
    drawn = np.concatenate([line.get_ydata() for line in ax.lines if line.get_marker() in "os"])
    assert set(np.round(drawn, 9)) >= set(np.round(result.levels["level"].value, 9))
    bars = [s for c in ax.collections for s in c.get_segments()]
    lengths = sorted({round(float(np.ptp(bar[:, 1])), 6) for bar in bars})
    assert lengths == [0.002, 0.004]


def test_footprints_and_pairs_can_be_told_apart(result, ax):
    result.plot_pairs(ax)
    assert {p.get_gid() for p in ax.patches} == {f"exposure-{k}" for k in range(8)}
    drawn = {line.get_gid() for line in ax.lines if line.get_gid()}
    assert drawn == {f"pair-{k}" for k in range(len(result.pairs))}
    assert ax.get_xlim()[0] > ax.get_xlim()[1]  # east is to the left


@pytest.mark.parametrize(("shape", "is_tall"), [((40, 4), True), ((8, 8), False)])
def test_bar_of_a_tall_image_has_room_for_its_ticks(ax, shape, is_tall):
    image = ax.imshow(np.linspace(0.0, 1.0, np.prod(shape)).reshape(shape))
    bar = add_bar(ax, image, "level")
    assert (len(bar.get_ticks()) <= 3) == is_tall


def test_before_and_after_have_one_stretch(result):
    norms = []
    for which in ("before", "after"):
        axes = result.plot_mosaic(Figure().add_subplot(), which=which)
        norms.append(axes.images[0].norm)
    assert (norms[0].vmin, norms[0].vmax) == (norms[1].vmin, norms[1].vmax)


def test_pairs_are_found_by_row_name_or_stack(result):
    pairs = result.pairs
    names = list(result.levels["filename"])
    for i, j in ((0, 1), (1, 0), (names[0], names[1]), (0, names[1])):
        row = result.find_pair(i, j)
        assert {pairs["first"][row], pairs["second"][row]} == set(names[:2])
    # Of different stacks: these were compared.
    row = result.find_pair(0, 5)
    assert (pairs["first"][row], pairs["second"][row]) == ("group0000", "group0001")
    assert row == result.find_pair("group0001", "group0000")


def test_the_picture_is_that_of_the_pair(result, ax):
    row = result.find_pair(0, 1)
    result.plot_pair(0, 1, ax)
    key = result.pairs["first"][row], result.pairs["second"][row]
    expected = result.pictures[key].image + result.pairs["residual"][row].value
    np.testing.assert_allclose(ax.images[0].get_array().filled(np.nan), expected, atol=1e-8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.plot_pair(0, 99), "99: there are 8 exposures"),
        (lambda r: r.plot_pair("a", "b"), "a and b were not compared"),
        (lambda r: r.plot_pair(0, 1, what="colour"), "is not 'image' or 'histogram'"),
        (lambda r: r.plot_mosaic(which="during"), "is not 'after', 'before' or 'residual'"),
        (lambda r: replace(r, mosaic=None).plot_mosaic(), "save_diagnostics=True"),
        (lambda r: replace(r, pictures={}).plot_pair(0, 1), "save_diagnostics=True"),
    ],
)
def test_errors_say_what_to_do(result, call, message):
    with pytest.raises(ValueError, match=message):
        call(result)


def test_notebooks_show_verdict_and_groups(result):
    html = result._repr_html_()
    assert str(result.verdict.headline) in html
    assert html.count("<tr>") == 3
    assert result.product in repr(result)


def test_names_are_harmless_in_a_notebook():
    html = make_result(4, name=SCRIPT + "{k}")._repr_html_()
    assert SCRIPT not in html
    html = replace(make_result(4), product=SCRIPT)._repr_html_()
    assert SCRIPT not in html
    assert "&lt;script&gt;" in html


def test_names_are_not_read_as_mathematics(ax):
    result = make_result(4, name="$x_{{{k}$ & <b>_cal.fits")
    result.plot_levels(ax)
    result.levels["visit_id"] = ["$\\frac{$"] * 4
    result.plot_levels(ax)
    ax.figure.canvas.draw()


def test_says_what_to_install_without_matplotlib(result, monkeypatch):
    for name in [n for n in sys.modules if n.startswith("jwst_mosaic_skymatch.report.figures")]:
        monkeypatch.delitem(sys.modules, name)
    import jwst_mosaic_skymatch.report as package

    monkeypatch.delattr(package, "figures", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    with pytest.raises(ImportError, match=r'pip install "jwst-mosaic-skymatch\[plots\]"'):
        result.plot_levels()


def test_a_result_without_footprints_or_pairs(result, ax):
    bare = MatchResult(
        product="bare",
        method="local",
        levels=result.levels,
        pairs=result.pairs[:0],
        closure=result.closure,
    )
    bare.plot_pairs(ax)
    assert ax.texts[0].get_text() == "footprints are not known"
    bare.plot_levels(Figure().add_subplot())
    with pytest.raises(ValueError, match="were not compared"):
        bare.plot_pair(0, 1)


def test_exposures_without_a_level(result, ax):
    levels = result.levels.copy()
    levels["level"][2] = np.nan * UNIT
    levels["level_error"][2] = np.nan * UNIT
    lacking = replace(result, levels=levels)
    lacking.plot_pairs(ax)
    assert [p.get_hatch() for p in ax.patches].count("////") == 1
    lacking.plot_levels(Figure().add_subplot()).figure.canvas.draw()
