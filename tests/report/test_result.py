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
    figure, draw = ax.figure, getattr(result, method)
    drawn = draw(*arguments, ax=ax, **options)
    assert drawn in figure.axes
    assert drawn.has_data()
    # Plain Axes give way to those of the sky.
    assert (ax in figure.axes) == (drawn is ax) == (not hasattr(drawn, "wcs"))
    assert draw(*arguments, ax=drawn, **options) is drawn
    figure.canvas.draw()
    new = draw(*arguments, **options).figure
    assert new is not figure
    pyplot.close(new)


def test_levels_and_their_errors_are_drawn(result, ax):
    result.plot_levels(ax)
    drawn = np.concatenate([line.get_ydata() for line in ax.lines if line.get_marker() in "os"])
    np.testing.assert_allclose(np.sort(drawn), np.sort(result.levels["level"].value))
    bars = [segment for c in ax.collections for segment in c.get_segments()]
    lengths = {round(float(np.ptp(bar[:, 1])), 6) for bar in bars}
    assert lengths == {0.004}


@pytest.mark.parametrize("width", [4.0, 6.4, 10.0])
@pytest.mark.parametrize(
    ("sizes", "least"),
    [((1, 36, 2, 1, 3, 20, 4, 2, 12, 5, 8, 6), 5), ((1,) * 200, 8), ((1, 1, 98), 2), ((7,), 1)],
)
def test_names_of_visits_do_not_overlap(sizes, least, width):
    result = make_result(sum(sizes), pictures=False, mosaic=False)
    visits = np.repeat(np.arange(len(sizes)), sizes)
    result.levels["visit_id"] = [f"09999001{visit:03d}" for visit in visits]
    figure = Figure(figsize=(width, 3.4), layout="constrained")
    ax = result.plot_levels(figure.add_subplot())
    figure.canvas.draw()
    labels = sorted(ax.get_xticklabels(), key=lambda label: label.get_position()[0])
    assert f"09999001{np.argmax(sizes):03d}" in [label.get_text() for label in labels]
    at = np.array([ax.transData.transform((label.get_position()[0], 0))[0] for label in labels])
    angle = np.deg2rad(labels[0].get_rotation())
    for label in labels:
        label.set_rotation(0)
    height = max(label.get_window_extent().height for label in labels)
    assert np.all(np.diff(at) * np.sin(angle) > height)
    assert len(labels) >= least


def test_footprints_and_pairs_lie_on_the_sky(result):
    levels = result.levels.copy()
    levels["level"][2] = np.nan * UNIT
    pairs = result.pairs.copy()
    pairs["used"][5] = False
    ax = replace(result, levels=levels, pairs=pairs).plot_pairs(Figure().add_subplot())
    footprints, lines = ax.collections
    assert [patch.get_hatch() for patch in ax.patches if isinstance(patch, Polygon)] == ["////"]
    for path, sky in zip(footprints.get_paths(), result.footprints, strict=True):
        corners = ax.wcs.pixel_to_world_values(*path.vertices[:4].T)
        np.testing.assert_allclose(np.transpose(corners), sky, atol=1e-8)
    assert len(lines.get_segments()) == len(pairs)
    dashes = [dash for _, dash in lines.get_linestyle()]
    assert len(pairs) - dashes.count(None) == 1
    east, west = ax.wcs.pixel_to_world_values([ax.get_xlim()[0], ax.get_xlim()[1]], [0, 0])[0]
    assert east > west


def test_pairs_are_identified_by_row_name_or_stack(result):
    names = list(result.levels["filename"])
    pairs = result.pairs
    row = list(zip(pairs["first"], pairs["second"], strict=True)).index((names[0], names[1]))
    expected = result.pictures[names[0], names[1]].image + pairs["residual"][row].value
    for i, j in ((0, 1), (1, 0), (names[0], names[1]), (0, names[1])):
        image = result.plot_pair(i, j, Figure().add_subplot()).images[0].get_array()
        np.testing.assert_allclose(image.filled(np.nan), expected, atol=1e-8)
    # Of different stacks: these were compared.
    stacks = result.plot_pair("group0000", "group0001", Figure().add_subplot()).images[0]
    ends = result.plot_pair(0, 5, Figure().add_subplot()).images[0]
    np.testing.assert_array_equal(ends.get_array(), stacks.get_array())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: r.plot_pair(0, 99), IndexError, "99"),
        (lambda r: r.plot_pair("a", "b"), ValueError, "a and b were not compared"),
        (lambda r: r.plot_pair(0, 1, what="colour"), ValueError, "not 'image' or 'histogram'"),
        (
            lambda r: r.plot_mosaic(which="during"),
            ValueError,
            "not 'after', 'before' or 'residual'",
        ),
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


def test_notebooks_show_verdict_and_groups(result):
    html = result._repr_html_()
    assert result.verdict.headline in html
    assert html.count("<tr>") == 3
    assert result.product in repr(result)
    assert make_result(1000, pictures=False, mosaic=False)._repr_html_().count("<tr>") < 50


def test_names_are_harmless(ax):
    result = make_result(8, name=SCRIPT + "{k}")
    result.levels["group"] = [""] * 8
    result.levels["visit_id"] = [""] * 8
    html = replace(result, product=SCRIPT)._repr_html_()
    assert SCRIPT not in html
    assert html.count("&lt;script&gt;") == 10
    result.levels["visit_id"] = ["$\\frac{$"] * 8  # no mathematics
    result.plot_levels(ax)
    ax.figure.canvas.draw()
