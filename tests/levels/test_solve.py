"""Solution, covariance and likelihood against dense algebra, and variance components."""

from dataclasses import replace

import numpy as np
import pytest
from levels.synthetic import grid, measure_all, measurements_of, unknowns_of
from numpy.random import default_rng
from numpy.testing import assert_allclose
from scipy import sparse

from jwst_mosaic_skymatch.levels import model
from jwst_mosaic_skymatch.levels import solve as solution
from jwst_mosaic_skymatch.levels.assembly import pair_shares
from jwst_mosaic_skymatch.levels.equations import PEDESTAL, build_equations
from jwst_mosaic_skymatch.levels.factorization import Factorization
from jwst_mosaic_skymatch.levels.matrices import sparse_matrix
from jwst_mosaic_skymatch.levels.solve import CUTOFF, MISFIT, solve

N = 9
VARIANCES = {"visit gradient": 1e-8, "gain": 1e-5, PEDESTAL: 0.5, MISFIT: 1e-6}


@pytest.fixture
def dense():
    """Equations, and the dense design matrix, values, R and Theta written down by hand."""
    rng = default_rng(0)
    sky = grid(3, rng)
    pairs = measure_all(sky, rng)
    families = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3])
    exposures = np.array([0, 1, 2, 3, 0, 4, 5, 6, 0, 7])
    unknowns = unknowns_of(sky, family_of=families, exposure_of=exposures)
    variances = np.array([[(1 + k % 3) * 1e-6, 1 + k % 2] for k in range(len(pairs))])
    equations = build_equations(pairs, pair_shares(N + 1, pairs), variances, unknowns)
    signs = np.array([np.eye(N)[pair.first] - np.eye(N)[pair.second] for pair in pairs])
    centres = np.array([pair.centre[2:] for pair in pairs])
    # Gains act on the light of each of the two images.
    light = signs * centres[:, 2:] + np.abs(signs) * [[0.5 * pair.offset] for pair in pairs]
    x, y = (signs * (centres[:, k, None] - sky.centres[:, k]) for k in (0, 1))
    members = np.eye(3)[families[:N]]
    design = np.zeros((len(pairs), 4, N + 6 + N))
    design[:, 0] = np.hstack([signs, x @ members, y @ members, light])
    design[:, 1, N : N + 3] = design[:, 2, N + 3 : N + 6] = signs @ members
    design[:, 3, N + 6 :] = signs
    design = design.reshape(-1, N + 6 + N)
    measured = np.r_[0, 3:6]  # without the shift
    errors = np.array([np.diag(pair.covariance)[measured] for pair in pairs]) * variances[:, 1:]
    errors[:, 0] = variances[:, 0] + VARIANCES[MISFIT]
    values = np.concatenate([pair.estimate[measured] for pair in pairs])
    ties = np.zeros((N, N))
    ties[np.ix_([0, 4, 8], [0, 4, 8])] = np.eye(3) - 1.0 / 3.0
    return equations, design, values, errors.ravel(), ties


def joint(design, values, errors, ties, variances=VARIANCES):
    """Solve with the first level at zero; give the covariance, and the deviance."""
    prior = np.zeros((N + 6 + N,) * 2)
    prior[:N, :N] = ties / variances[PEDESTAL]
    effects = np.repeat([variances["visit gradient"], variances["gain"]], [6, N])
    prior[N:, N:] = np.diag(1.0 / effects)
    matrix = (design.T / errors @ design + prior)[1:, 1:]
    covariance = np.zeros((N + 6 + N,) * 2)
    covariance[1:, 1:] = np.linalg.inv(matrix)
    solution = covariance @ design.T @ (values / errors)
    residuals = values - design @ solution
    deviance = np.log(errors).sum() + np.log(effects).sum() + 2.0 * np.log(variances[PEDESTAL])
    deviance += np.linalg.slogdet(matrix)[1] + np.sum(residuals**2 / errors)
    return solution, covariance, residuals, deviance + solution @ prior @ solution


def columns_of(equations):
    own = equations.columns
    return np.r_[
        :N, own["visit gradient"].start + np.r_[0:3, 4:7], own["gain"].start + np.arange(N)
    ]


def test_solution_and_covariance(dense, monkeypatch):
    """With a wide cutoff no measurement counts as an outlier."""
    for name in ("CUTOFF", "PRIOR_CUTOFF"):
        monkeypatch.setattr(solution, name, 1e6)
    equations, *by_hand = dense
    fit = solve(equations, VARIANCES)
    unknowns, covariance, residuals, _ = joint(*by_hand)
    columns = columns_of(equations)
    assert_allclose(fit.unknowns[columns], unknowns, rtol=1e-5, atol=1e-9)
    select = sparse_matrix((len(columns), len(fit.unknowns)), np.arange(len(columns)), columns)
    assert_allclose(fit.variances(select), np.diag(covariance), rtol=1e-5)
    assert_allclose(fit.sigmas**2, by_hand[2][::4], rtol=1e-6)
    offsets = fit.residuals[: len(fit.sigmas)] * fit.sigmas
    assert_allclose(offsets, residuals[::4], atol=1e-9)


@pytest.mark.parametrize("name", list(VARIANCES))
def test_differences_of_the_likelihood(dense, name):
    """The biweight of small residuals is their square, so that a wide cutoff is dense algebra."""
    equations, design, values, errors, ties = dense
    small = 1e-3
    quiet = replace(equations, values=small * equations.values)
    changed = {**VARIANCES, name: 3.0 * VARIANCES[name]}
    after = errors.copy()
    after[::4] += changed[MISFIT] - VARIANCES[MISFIT]
    expected = (
        joint(design, small * values, after, ties, changed)[3]
        - joint(design, small * values, errors, ties)[3]
    )
    of_fits = [solve(quiet, own).deviance for own in (changed, VARIANCES)]
    assert np.subtract(*of_fits) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_weights_and_cost_of_the_biweight(dense):
    equations = dense[0]
    values = equations.values.copy()
    clean = solve(equations, VARIANCES)
    values[3] += 100.0
    fit = solve(replace(equations, values=values), VARIANCES)
    assert fit.weights[3] < 1e-5
    others = np.delete(np.arange(equations.n_measured), 3)
    inside = np.clip(1.0 - (fit.residuals[others] / CUTOFF) ** 2, 0.0, 1.0)
    assert_allclose(fit.weights[others], inside**2, rtol=0.05, atol=0.02)
    # A rejected row costs a third of the squared cutoff, and no more.
    assert fit.deviance - clean.deviance < CUTOFF**2 / 3.0 + 10.0


def test_variances_of_a_part_of_a_large_graph(monkeypatch):
    """Of 144 exposures, 40 estimate the gradients; the equations hold all pairs."""
    rng = default_rng(1)
    sky = grid(12, rng, noise=1e-3, gradients=default_rng(2).normal(0.0, 2.5e-4, (144, 2)))
    pairs = measure_all(sky, rng)
    unknowns = unknowns_of(sky, family_of=np.append(np.arange(144) // 4, 36))
    sigmas = []
    for largest in (144, 40):
        monkeypatch.setattr(model, "LARGEST_SAMPLE", largest)
        equations, variances = model.select_model(
            pairs, measurements_of(144, pairs).shares, unknowns
        )
        assert len(equations.sigmas) == len(pairs)
        sigmas.append(np.sqrt(variances["exposure gradient"]))
    # All components give their own size but for the tails of the biweight, 80 of them to 8 %.
    assert np.all(abs(np.divide(sigmas, sky.gradients.std()) - 1.0) < (0.05, 0.2))
    assert sigmas[0] != sigmas[1]


def test_elements_of_the_inverse():
    """Of small integers some elements of the factors cancel."""
    rng = default_rng(0)
    for n in range(1, 30):
        root = rng.integers(-1, 2, (n, n)) * (rng.random((n, n)) < 0.2)
        matrix = root @ root.T + np.eye(n)
        inverse = Factorization(sparse.csr_array(matrix)).inverse.toarray()
        assert_allclose((inverse - np.linalg.inv(matrix))[matrix != 0.0], 0.0, atol=1e-9)
