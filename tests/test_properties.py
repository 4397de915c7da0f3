"""What must hold whatever the numbers are: of graphs, of tiles, of whole runs of the step.

Examples are drawn anew each time in the same way, so that a failure repeats.
"""

import json
import random
from dataclasses import replace

import numpy as np
import pytest
from astropy.modeling.rotations import RotationSequence3D
from gwcs import WCS
from gwcs.geometry import CartesianToSpherical, SphericalToCartesian
from helpers import make_tile, match_tiles, structured_sky
from hypothesis import Phase, assume, example, given, settings
from hypothesis import strategies as st
from jwst.associations import load_asn
from jwst.datamodels import ModelLibrary
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_simulation import dithers, simulate_mosaic
from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.levels.inverse import LevelCovariance
from jwst_mosaic_skymatch.levels.joint import joint_normal_matrix, solve_jointly
from jwst_mosaic_skymatch.levels.solution import solve_levels
from jwst_mosaic_skymatch.offsets.measure import PairFit, PairOffset
from jwst_mosaic_skymatch.offsets.statistic import OFFSET_STATS, Statistic
from jwst_mosaic_skymatch.tiles.blocks import summarize

CHEAP = settings(derandomize=True, deadline=None, max_examples=60)
# Each example matches some tiles.
TILES = settings(derandomize=True, deadline=None, max_examples=25)
# Each example runs the whole step: none is made simpler after a failure.
RUNS = settings(
    derandomize=True, deadline=None, max_examples=2, phases=[Phase.explicit, Phase.generate]
)

SEEDS = st.integers(0, 2**32 - 1)


# --- graphs ------------------------------------------------------------------


@st.composite
def graphs(draw):
    """Draw a number of nodes and pairs of them; any number of components, loops, repetitions."""
    n = draw(st.integers(2, 12))
    node = st.integers(0, n - 1)
    pairs = draw(st.lists(st.tuples(node, node).filter(lambda p: p[0] != p[1]), max_size=30))
    return n, pairs


def components_of(n, pairs):
    """Label nodes by what connects them."""
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    ties = csr_array((np.ones(len(pairs)), (first, second)), shape=(n, n))
    return connected_components(ties, directed=False)[1]


def centred(values, labels):
    """Subtract the mean over each label."""
    values = np.array(values, dtype=float)
    for label in np.unique(labels):
        values[labels == label] -= values[labels == label].mean(axis=0)
    return values


def spread_matrix(labels):
    """Build the matrix that subtracts means."""
    return centred(np.eye(len(labels)), labels)


def pair(first, second, value, variance, fit=None):
    # So many cells that the rounding of float32 adds nothing to a variance.
    return PairOffset(
        first=first, second=second, value=value, variance=variance, n_cells=10**9, fit=fit
    )


@given(graphs(), SEEDS, st.booleans())
@CHEAP
def test_consistent_pairs_give_the_levels_of_every_component(graph, seed, weighted):
    n, pairs = graph
    rng = np.random.default_rng(seed)
    truth, variances = rng.normal(scale=10.0, size=n), rng.uniform(1e-6, 1.0, len(pairs))
    offsets = [
        pair(i, j, truth[i] - truth[j], v) for (i, j), v in zip(pairs, variances, strict=True)
    ]
    labels = components_of(n, pairs)
    in_pair = np.isin(np.arange(n), np.array(pairs, dtype=int))
    expected = np.where(in_pair, centred(truth, labels), np.nan)
    solution = solve_levels(n, offsets, weighted=weighted)
    np.testing.assert_allclose(solution.levels, expected, atol=1e-8)
    # The same division, numbered without gaps in the order of first members.
    numbers = list(dict.fromkeys(labels[in_pair].tolist()))
    expected = [numbers.index(k) if there else -1 for k, there in zip(labels, in_pair, strict=True)]
    assert solution.components.tolist() == expected

    joint = solve_jointly([summarize(make_tile(0, 0, (6, 6)))] * n, offsets, weighted=weighted)
    np.testing.assert_array_equal(joint.solution.levels, solution.levels)
    for part in joint.members:
        assert len(set(labels[part])) == 1
        if len(part) > 1:
            assert abs(joint.solution.levels[part].sum()) < 1e-8
            # Nothing is known, and nothing is claimed, of the mean of a component.
            covariance = joint.covariance_of(part)
            assert np.abs(covariance.sum(axis=0)).max() < 1e-9 * np.trace(covariance)


@given(graphs(), SEEDS, st.booleans(), st.booleans())
@CHEAP
def test_solution_is_that_of_dense_least_squares(graph, seed, weighted, with_shifts):
    """The equations of docs/accuracy.rst, written down row by row."""
    n, pairs = graph
    assume(pairs)
    rng = np.random.default_rng(seed)
    size = 3 if with_shifts else 1
    truth = np.concatenate([rng.normal(size=(n, 1)), 0.05 * rng.normal(size=(n, 2))], axis=1)
    offsets, rows, values = [], [], []
    for i, j in pairs:
        root = 0.02 * rng.normal(size=(3, 3))
        covariance = root @ root.T + 1e-4 * np.eye(3)
        response = np.eye(3) + 0.3 * rng.normal(size=(3, 3))
        # As for any fit of a constant: it comes out whole, and no shift comes of it.
        response[:, 0] = [1.0, 0.0, 0.0]
        # Well within the errors, so that no pair loses weight.
        noise = np.linalg.cholesky(covariance) @ rng.uniform(-0.3, 0.3, 3)
        fit = PairFit(response @ (truth[i] - truth[j]) + noise, covariance, response)
        offsets.append(pair(i, j, fit.estimate[0], covariance[0, 0], fit if with_shifts else None))
        ends = np.zeros(n)
        ends[i], ends[j] = 1.0, -1.0
        for row, value in dense_rows(fit, weighted, with_shifts):
            rows.append(np.concatenate([coefficient * ends for coefficient in row[:size]]))
            values.append(value)
    # The prior of each shift: a quarter of a cell.
    rows += list(np.eye(size * n)[n:] / 0.25)
    design, values = np.array(rows), np.r_[values, np.zeros((size - 1) * n)]

    found = solve_levels(n, offsets, weighted=weighted)
    assert np.all(found.robust_weights == 1.0)
    labels = components_of(n, pairs)
    in_pair = np.isin(np.arange(n), np.array(pairs))
    # Of all solutions the shortest, which has zero means.
    expected = np.linalg.lstsq(design, values, rcond=1e-10)[0].reshape(size, n)
    levels = np.where(in_pair, expected[0], np.nan)
    np.testing.assert_allclose(found.levels, levels, atol=1e-9)
    if with_shifts:
        shifts = np.where(in_pair, expected[1:], np.nan).T
        np.testing.assert_allclose(found.shifts, shifts, atol=1e-9)
    if weighted:  # else errors are those of equal weights
        inverse, spread = np.linalg.pinv(design.T @ design, rcond=1e-10), spread_matrix(labels)
        variances = found.level_variances * found.inflation
        np.testing.assert_allclose(variances, np.diag(inverse)[:n], rtol=1e-6, atol=1e-12)
        for axis in range(size - 1):
            block = np.s_[(axis + 1) * n : (axis + 2) * n]
            expected = np.diag(spread @ inverse[block, block] @ spread)
            np.testing.assert_allclose(
                found.shift_variances[:, axis], expected, rtol=1e-6, atol=1e-12
            )


def dense_rows(fit, weighted, with_shifts):
    """Yield coefficients of level and shift, and the value, of each equation of one pair."""
    if not with_shifts:
        weight = 1.0 / np.sqrt(fit.covariance[0, 0]) if weighted else 1.0
        yield [weight], weight * fit.estimate[0]
        return
    # What a shift that scatters by a hundredth of a cell makes of the estimate.
    to_shifts = fit.response[:, 1:]
    covariance = fit.covariance + 0.01**2 * to_shifts @ to_shifts.T
    if weighted:
        precision = np.linalg.inv(covariance)
        combination = precision[0] / precision[0, 0]
        weight = np.sqrt(precision[0, 0])
        yield weight * combination @ fit.response, weight * combination @ fit.estimate
    else:
        yield [1.0, 0.0, 0.0], fit.estimate[0]
    values, vectors = np.linalg.eigh(covariance[1:, 1:])
    for value, vector in zip(values, vectors.T, strict=True):
        yield (
            [0.0, *(vector @ fit.response[1:, 1:] / np.sqrt(value))],
            vector @ fit.estimate[1:] / np.sqrt(value),
        )


@given(
    st.lists(
        st.tuples(st.integers(0, 15), st.integers(0, 15), st.integers(1, 8), st.integers(1, 8)),
        min_size=2,
        max_size=7,
    ),
    SEEDS,
)
@CHEAP
def test_joint_covariance_is_that_of_every_cell_as_an_unknown(rectangles, seed):
    """The matrix A of docs/accuracy.rst, from all cells one by one."""
    rng, n = np.random.default_rng(seed), len(rectangles)
    weights = rng.uniform(1.0, 9.0, n).astype(np.float32)
    factors = rng.uniform(0.5, 2.0, n)
    information, cells = [], np.zeros((n, 48, 48))
    # Cells are taken two by two: corners are at even ones.
    for k, (x, y, nx, ny) in enumerate(rectangles):
        tile = make_tile(2 * x, 2 * y, (2 * ny, 2 * nx))
        tile = replace(tile, weight=np.full(tile.shape, weights[k]))
        information.append(summarize(tile).information)
        cells[k, 2 * y : 2 * (y + ny), 2 * x : 2 * (x + nx)] = weights[k] / factors[k]
    cells = cells.reshape(n, -1)
    total = np.maximum(cells.sum(axis=0), 1e-30)
    expected = np.diag(cells.sum(axis=1)) - (cells / total) @ cells.T
    normal = joint_normal_matrix(information, factors)
    scale = cells.sum(axis=1).max()
    np.testing.assert_allclose(normal.toarray(), expected, atol=1e-5 * scale)

    labels = components_of(n, np.argwhere(np.triu(expected < -1e-9 * scale, 1)))
    covariance = LevelCovariance(normal, labels)
    inverse = np.linalg.pinv(normal.toarray(), rcond=1e-6, hermitian=True)
    atol = 1e-5 * max(np.abs(inverse).max(), 1e-9)
    np.testing.assert_allclose(covariance.apply(np.eye(n)), inverse, atol=atol)
    np.testing.assert_allclose(covariance.variances, np.diag(inverse), atol=atol)


# --- tiles -------------------------------------------------------------------

# Sizes and shifts are whole blocks of cells, so that a turned grid has the same blocks.
FIELD = 96
# Multiples of this are added and subtracted without rounding.
QUANTUM = 2.0**-10


@st.composite
def mosaics(draw):
    """Draw up to six tiles of one noisy, structured sky, and the group of each."""
    n = draw(st.integers(2, 6))
    corner = st.integers(0, FIELD - 40)
    noise = draw(st.sampled_from([0.0, 0.02, 0.02, 0.5]))
    tiles = [
        make_tile(draw(corner), draw(corner), (40, 36), noise=noise, seed=k, sky=structured_sky)
        for k in range(n)
    ]
    tiles = [replace(t, data=np.float32(QUANTUM) * np.round(t.data / QUANTUM)) for t in tiles]
    return tiles, draw(st.lists(st.sampled_from("abcdef"), min_size=n, max_size=n))


@given(mosaics(), st.data(), st.sampled_from(OFFSET_STATS), st.booleans())
@TILES
def test_constants_come_back(mosaic, data, offset_stat, weighted):
    tiles, labels = mosaic
    number = st.integers(-100_000, 100_000)
    constants = QUANTUM * np.array([data.draw(number) for _ in tiles])
    raised = [
        replace(tile, data=tile.data + np.float32(constant))
        for tile, constant in zip(tiles, constants, strict=True)
    ]
    before = match_tiles(tiles, labels, Statistic(offset_stat), weighted=weighted)
    after = match_tiles(raised, labels, Statistic(offset_stat), weighted=weighted)
    assert after.components.tolist() == before.components.tolist()
    expected = before.levels + centred(constants, before.components)
    # float32 knows a number to 1e-7, and a mean of a stack is rounded again.
    largest = max(np.abs(tile.data).max() for tile in raised)
    np.testing.assert_allclose(after.levels, expected, atol=1e-6 * largest)
    # Of images without noise what is rounded is the noise.
    atol = 1e-7 * largest
    np.testing.assert_allclose(after.level_noise, before.level_noise, rtol=1e-3, atol=atol)
    # Where pairs do not close, the factor on errors follows what is rounded of the residuals.
    np.testing.assert_allclose(after.level_errors, before.level_errors, rtol=0.02, atol=atol)


def mirrored(tile):
    return replace(tile, x0=FIELD - tile.x0 - tile.shape[1], **images(tile, np.s_[:, ::-1]))


def upside_down(tile):
    return replace(tile, y0=FIELD - tile.y0 - tile.shape[0], **images(tile, np.s_[::-1]))


def transposed(tile):
    return replace(
        tile, x0=tile.y0, y0=tile.x0, data=tile.data.T.copy(), weight=tile.weight.T.copy()
    )


def elsewhere(tile):
    return replace(tile, x0=tile.x0 - 160, y0=tile.y0 + 320)


def images(tile, part):
    return {"data": tile.data[part].copy(), "weight": tile.weight[part].copy()}


@given(mosaics(), st.sampled_from([mirrored, upside_down, transposed, elsewhere]))
@TILES
def test_orientation_of_the_grid_does_not_matter(mosaic, turn):
    tiles, labels = mosaic
    match = match_tiles(tiles, labels, Statistic())
    turned = match_tiles([turn(tile) for tile in tiles], labels, Statistic())
    # Two tiles that share just half of their footprints may be one stack or two.
    assume([s.members for s in turned.stacks] == [s.members for s in match.stacks])
    assert turned.components.tolist() == match.components.tolist()
    np.testing.assert_allclose(turned.levels, match.levels, atol=1e-6)
    np.testing.assert_allclose(turned.level_errors, match.level_errors, rtol=1e-3, atol=1e-9)


# --- the step ----------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Simulate two visits of two exposures, on a mosaic whose levels have small errors."""
    scene = dithers(2, rolls=(40.0, 75.0), binning=16, seed=5)
    return simulate_mosaic(scene, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def models(small):
    """Open them; tests copy what they change."""
    return [open_model(path) for path in small.files]


def run(inputs, **parameters):
    """Run the step, and give levels and their errors in the order of file names."""
    step = PixelSkyMatchStep(**parameters)
    library = step.run(inputs)
    levels = {}
    with library:
        for model in library:
            levels[model.meta.filename] = model.meta.background.level
            library.shelve(model, modify=False)
    table = step.levels_table
    errors = dict(zip(table["filename"], np.array(table["level_error"]), strict=True))
    return (
        library,
        np.array([levels[name] for name in sorted(levels)]),
        np.array([errors[name] for name in sorted(levels)]),
    )


@pytest.fixture(scope="module")
def reference(small):
    return {
        grouping: run(str(small.association), grouping=grouping)[1]
        for grouping in ("visit", "exposure", "none")
    }


WAYS = ("association", "files", "mapping", "library", "library on disk", "models")


@pytest.mark.filterwarnings("ignore:Input association file contains path information")
@given(
    way=st.sampled_from(WAYS),
    seed=SEEDS,
    in_memory=st.booleans(),
    grouping=st.sampled_from(["visit", "visit", "exposure", "none"]),
)
@example(way="library on disk", seed=1, in_memory=True, grouping="none")
@example(way="files", seed=2, in_memory=False, grouping="visit")
@example(way="models", seed=3, in_memory=True, grouping="exposure")
@RUNS
@pytest.mark.slow
def test_order_and_memory_and_way_in_change_nothing(
    small, models, reference, tmp_path_factory, way, seed, in_memory, grouping
):
    order = list(range(len(small.files)))
    random.Random(seed).shuffle(order)
    directory = tmp_path_factory.mktemp("way")
    with small.association.open() as file:
        association = dict(load_asn(file))
    product = association["products"][0]
    members = [{**product["members"][k], "expname": str(small.files[k])} for k in order]
    association["products"] = [{**product, "members": members}]
    inputs = {
        "association": lambda: write_association(association, directory),
        "files": lambda: [str(small.files[k]) for k in order],
        "mapping": lambda: association,
        "library": lambda: ModelLibrary(association),
        "library on disk": lambda: ModelLibrary(
            association, on_disk=True, temp_directory=directory
        ),
        "models": lambda: [models[k] for k in order],
    }[way]()
    _, levels, _ = run(inputs, in_memory=in_memory, grouping=grouping)
    np.testing.assert_array_equal(levels, reference[grouping])


def write_association(association, directory):
    path = directory / "asn.json"
    path.write_text(json.dumps(association))
    return str(path)


def turned(model, angles):
    """Copy a model with its sky turned about three axes."""
    turn = (
        SphericalToCartesian(wrap_lon_at=360)
        | RotationSequence3D(angles, axes_order="zyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    model = model.copy()
    *steps, last, world = model.meta.wcs.pipeline
    model.meta.wcs = WCS([*steps, (last.frame, last.transform | turn), world])
    info = model.meta.wcsinfo
    info.ra_ref, info.dec_ref = (float(x) for x in turn(info.ra_ref, info.dec_ref))
    info.s_region = None
    return model


@pytest.mark.slow
@given(st.tuples(*[st.floats(-180.0, 180.0)] * 3))
@example((150.0, 87.8, 30.0))  # to the pole
@RUNS
def test_rotated_sky_has_the_same_levels(models, reference, angles):
    """Of the same pixels: what differs is how the cells of the grid lie on them."""
    _, levels, errors = run([turned(model, angles) for model in models])
    difference = levels - reference["visit"]
    assert np.all(np.abs(difference - difference.mean()) < 4 * errors)
    assert np.all(errors < 0.02 * np.ptp(reference["visit"]))


@given(
    st.sampled_from(["biweight", "median", "mean"]),
    st.sampled_from(["visit", "exposure", "none"]),
    st.booleans(),
)
@RUNS
def test_what_was_matched_and_subtracted_matches(small, offset_stat, grouping, in_memory):
    parameters = {"offset_stat": offset_stat, "grouping": grouping, "subtract": True}
    library, levels, _ = run(str(small.association), in_memory=in_memory, **parameters)
    _, sums, errors = run(library, **parameters)
    # Of levels a hundred times their errors, all but a few hundredths of an error is gone.
    assert np.ptp(levels) > 50 * errors.max()
    changes = sums - levels
    assert np.all(np.abs(changes - changes.mean()) < 0.1 * errors)
