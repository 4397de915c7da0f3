"""The result in Python: figures, and its representation in a notebook."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from made_up import UNIT, make_result
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def ax():
    return Figure().add_subplot()


@pytest.mark.parametrize(
    ("method", "arguments", "options"),
    [
        ("plot_levels", (), {}),
        ("plot_pairs", (), {}),
        *(("plot_mosaic", (), {"which": which}) for which in ("before", "after", "residual")),
        *(("plot_pair", (0, 1), {"what": what}) for what in ("image", "histogram")),
    ],
)
def test_figures_take_and_return_axes(result, ax, method, arguments, options):
    draw = getattr(result, method)
    drawn = draw(*arguments, ax=ax, **options)
    assert drawn.has_data()
    # Plain Axes give way to those of the sky.
    assert (ax in drawn.figure.axes) == (drawn is ax) == (not hasattr(drawn, "wcs"))
    assert draw(*arguments, ax=drawn, **options) is drawn
    drawn.figure.canvas.draw()
    new = draw(*arguments, **options).figure
    assert new is not drawn.figure
    pyplot.close(new)


def test_levels_and_their_errors_are_drawn(result, ax):
    result.plot_levels(ax)
    drawn = np.concatenate([line.get_ydata() for line in ax.lines if line.get_marker() in "os"])
    np.testing.assert_allclose(np.sort(drawn), np.sort(result.levels["level"].value))
    bars = [segment for c in ax.collections for segment in c.get_segments()]
    lengths = {round(float(np.ptp(bar[:, 1])), 6) for bar in bars}
    assert lengths == {0.004}


def test_footprints_and_pairs_lie_on_the_sky(result):
    """An exposure without a level is hatched; a pair that is not used is dashed."""
    result = replace(result, levels=result.levels.copy(), pairs=result.pairs.copy())
    result.levels["level"][2] = np.nan * UNIT
    result.pairs["used"][5] = False
    ax = result.plot_pairs()
    footprints, lines = ax.collections
    assert [patch.get_hatch() for patch in ax.patches if isinstance(patch, Polygon)] == ["////"]
    vertices = [ax.wcs.all_pix2world(p.vertices[:4], 0) for p in footprints.get_paths()]
    np.testing.assert_allclose(vertices, result.footprints, atol=1e-8)
    assert len(lines.get_segments()) == len(result.pairs)
    assert sum(dash is not None for _, dash in lines.get_linestyle()) == 1
    (east, _), (west, _) = ax.wcs.all_pix2world([(x, 0.0) for x in ax.get_xlim()], 0)
    assert east > west
    pyplot.close(ax.figure)


def test_pairs_are_identified_by_row_name_or_stack(result):
    def image(i, j):
        return result.plot_pair(i, j, Figure().add_subplot()).images[0].get_array().filled(np.nan)

    a, b = result.levels["filename"][:2]
    row = [*zip(result.pairs["first"], result.pairs["second"], strict=True)].index((a, b))
    expected = result.pictures[a, b].image + result.pairs["residual"][row].value
    for i, j in ((0, 1), (1, 0), (a, b), (0, b)):
        np.testing.assert_allclose(image(i, j), expected, atol=1e-8)
    # Of different stacks: these were compared.
    np.testing.assert_array_equal(image(0, 5), image("group0000", "group0001"))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: r.plot_pair(0, 99), IndexError, "99"),
        (lambda r: r.plot_pair("a", "b"), ValueError, "a and b: they were not compared"),
        (lambda r: r.plot_pair(0, 1, what="colour"), ValueError, "not 'image' or 'histogram'"),
        (lambda r: r.plot_mosaic(which="during"), ValueError, "not 'after', 'before' or"),
        (lambda r: replace(r, mosaic=None).plot_mosaic(), ValueError, "save_diagnostics=True"),
        (lambda r: replace(r, pictures={}).plot_pair(0, 1), ValueError, "save_diagnostics=True"),
    ],
)
def test_errors_name_the_remedy(result, call, error, message):
    with pytest.raises(error, match=message):
        call(result)


def test_says_what_to_install_without_matplotlib(result, monkeypatch):
    import jwst_mosaic_skymatch.report as package

    monkeypatch.delitem(sys.modules, "jwst_mosaic_skymatch.report.figures", raising=False)
    monkeypatch.delattr(package, "figures", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    with pytest.raises(ImportError, match=r'pip install "jwst-mosaic-skymatch\[plots\]"'):
        result.plot_levels()


def test_notebooks_show_verdict_and_levels(result):
    html = result._repr_html_()
    assert result.verdict.headline in html
    assert html.count("<tr>") == 2 + 8
    assert result.product in repr(result)
    assert make_result(1000, pictures=False, mosaic=False)._repr_html_().count("<tr>") < 50


def test_names_are_harmless(ax):
    result = replace(make_result(8), product=SCRIPT)
    result.levels["filename"] = [SCRIPT] * 8
    assert SCRIPT not in result._repr_html_()
    result.levels["visit_id"] = ["$\\frac{$"] * 8  # no mathematics
    result.plot_levels(ax)
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("sizes", "least"),
    [((1, 36, 2, 1, 20, 4, 12, 6), 4), ((1,) * 200, 8), ((7,), 1)],
)
def test_names_of_visits_do_not_overlap(sizes, least):
    result = make_result(sum(sizes), pictures=False, mosaic=False)
    names = [f"09999001{visit:03d}" for visit in range(len(sizes))]
    result.levels["visit_id"] = np.repeat(names, sizes)
    ax = result.plot_levels(Figure(figsize=(4.0, 3.4), layout="constrained").add_subplot())
    ax.figure.canvas.draw()
    labels = sorted(ax.get_xticklabels(), key=lambda label: label.get_position()[0])
    assert len(labels) >= least
    assert {label.get_text() for label in labels} <= {*names, ""}
    at = [ax.transData.transform(label.get_position())[0] for label in labels]
    # Distance of the lines of text, which are turned, and their height.
    distance = np.diff(at) * np.sin(np.deg2rad(labels[0].get_rotation()))
    assert np.all(distance > labels[0].get_fontsize() * ax.figure.dpi / 72)
