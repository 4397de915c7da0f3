"""Levels of exposures, their errors, and their backgrounds, from all measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.special import chdtrc

from jwst_mosaic_skymatch.levels.assembly import Measurements
from jwst_mosaic_skymatch.levels.equations import (
    Equations,
    Unknowns,
    build_equations,
    detectors_of,
)
from jwst_mosaic_skymatch.levels.quality import hits_of, remarks_of
from jwst_mosaic_skymatch.levels.results import (
    NO_OVERLAP,
    Backgrounds,
    Levels,
    Match,
    PairResult,
    Stack,
)
from jwst_mosaic_skymatch.levels.solve import Fit, solve
from jwst_mosaic_skymatch.levels.structure import structure_variances
from jwst_mosaic_skymatch.levels.variances import estimate_variances
from jwst_mosaic_skymatch.stacking import MatchedStack
from jwst_mosaic_skymatch.tiles.regions import REGIONS

__all__ = ["estimate_levels"]

# Effects whose trends in an overlap are no structure if they are part of the model.
TRENDS = {"visit gradient", "exposure gradient", "gain", "lyot"}
# Residual, in its errors, that a pair counts at most in the factor on errors.
LARGEST_MISFIT = 3.0
# Probability of a chi2 from which on it may be chance.
LEAST_PROBABILITY = 1e-3
# Share of a loop's current through a pair from which on it is as likely spoiled as the pair that
# was rejected, and the number of rejected pairs that are looked at.
BRIDGE, N_BRIDGES = 0.9, 50


class _Names(Protocol):
    groups: Sequence[str]
    families: Sequence[str]
    exposures: Sequence[str]


class _Settings(Protocol):
    rigid: bool
    tied: bool
    weighted: bool
    plane_per: str | None


def estimate_levels(
    names: _Names,
    measurements: Measurements,
    inside: Sequence[MatchedStack],
    stacks: tuple[Stack, ...],
    settings: _Settings,
    held: np.ndarray | None = None,
) -> Match:
    """Solve the mixed model of all pairs.

    Parameters
    ----------
    names : Names
        Names that exposures have in common; n of each.
    measurements : Measurements
        All pairs.
    inside : sequence of MatchedStack
        Skies and defects of exposures.
    stacks : tuple of Stack
        The stacks.
    settings : MatchSettings
        Whether groups are rigid, whether detectors tie components, whether to predict planes.
    held : ndarray, shape (n,), optional
        Levels that are constraints, MJy/sr; NaN for others.

    Returns
    -------
    Match
        The match.
    """
    unknowns = _unknowns(names, stacks, settings, held)
    hits, biases = hits_of(measurements.pairs, measurements.shares)
    equations, of_effects = _model(measurements, unknowns, biases, settings.weighted)
    fit = solve(equations, of_effects)
    fit = solve(equations, of_effects, _widening(equations, fit))
    remarks = remarks_of(measurements.factors, hits)
    every = [
        PairResult(pair, float(sigma), float(fit.residuals[row] * sigma), float(fit.weights[row]))
        for pair, sigma, row in zip(
            measurements.pairs, fit.sigmas, equations.offset_rows, strict=True
        )
    ]
    skies = {k: sky for matched in inside for k, sky in matched.skies.items()}
    levels, factor = _levels(equations, fit, unknowns, measurements, biases, remarks, inside)
    backgrounds = _backgrounds(equations, fit, of_effects, stacks, unknowns, settings)
    contrasts = _contrasts(equations, fit, of_effects, detectors_of(measurements.pairs))
    return Match(
        levels=levels,
        backgrounds=replace(backgrounds, contrasts=contrasts, factor=factor),
        stacks=stacks,
        exposure_pairs=tuple(every[: measurements.n_inside]),
        stack_pairs=tuple(every[measurements.n_inside :]),
        skies=np.array([skies[k] for k in range(len(skies))]),
        remarks=remarks,
    )


def _unknowns(
    names: _Names, stacks: Sequence[Stack], settings: _Settings, held: np.ndarray | None
) -> Unknowns:
    """Number the unknowns of all exposures, and of a reference image after them."""
    n = len(names.groups)

    def numbers(of: Sequence[str] | None) -> np.ndarray:
        number = np.arange(n) if of is None else np.unique(list(of), return_inverse=True)[1]
        return np.append(number, number.max() + 1)

    centres = np.zeros((n + 1, 2))
    for stack in stacks:
        centres[list(stack.members)] = [frame.centre for frame in stack.frames]
    tied = settings.tied and not settings.rigid
    return Unknowns(
        level_of=numbers(names.groups if settings.rigid else None),
        family_of=numbers(names.families),
        exposure_of=numbers(names.exposures if tied else None),
        centres=centres,
        held=np.append(np.full(n, np.nan) if held is None else held, 0.0),
    )


def _model(
    measurements: Measurements, unknowns: Unknowns, biases: np.ndarray, weighted: bool
) -> tuple[Equations, dict[str, float]]:
    """Build the equations, and estimate the variances of the effects in them."""
    pairs, shares = measurements.pairs, measurements.shares
    squares = shares.power(2)
    for detrended in (True, False):
        variances = structure_variances(
            pairs, squares.sum(axis=1), measurements.outside, detrended=detrended
        )
        has_structure = bool(np.any(variances[:, 0]))
        variances[:, 0] += [pair.variance for pair in pairs] / measurements.ratios
        variances[:, 0] += squares @ biases**2
        variances[:, 1] /= measurements.ratios
        if not weighted and pairs:
            variances[:, 0] = variances[:, 0].mean()
        equations = build_equations(pairs, shares, variances, unknowns)
        levels = solve(equations, {}).unknowns[unknowns.level_of]
        equations = build_equations(pairs, shares, variances, unknowns, levels)
        of_effects = estimate_variances(equations)
        if not has_structure or TRENDS & set(of_effects):
            break
    return equations, of_effects


def _widening(equations: Equations, fit: Fit) -> np.ndarray:
    """Give the variance that rejected pairs put on others that may be spoiled in their place.

    A current from one end of a rejected pair to the other takes all ways through the other pairs
    in proportion to their information. A pair that all of it passes through is a bridge: nothing
    else constrains it, so that it may be off by the misfit as well as the rejected one.
    """
    rows = equations.offset_rows
    widening = np.zeros(len(rows))
    misfits = np.abs(fit.residuals[rows])
    rejected = np.flatnonzero(fit.weights[rows] < 0.5)
    rejected = rejected[np.argsort(-misfits[rejected], kind="stable")][:N_BRIDGES]
    if not rejected.size:
        return widening
    scale = sparse.diags_array(equations.sigmas)
    offsets = (scale @ equations.design[rows]).tocsc()[:, fit.free].tocsr()
    potentials = fit.factor.solve(offsets[rejected].toarray().T)
    currents = np.abs(offsets @ potentials) * (fit.weights[rows] / fit.sigmas**2)[:, None]
    squares = (misfits * fit.sigmas)[rejected] ** 2
    return np.max(np.where(currents > BRIDGE, squares, 0.0), axis=1)


def _levels(
    equations: Equations,
    fit: Fit,
    unknowns: Unknowns,
    measurements: Measurements,
    biases: np.ndarray,
    remarks: Mapping[int, str],
    inside: Sequence[MatchedStack],
) -> tuple[Levels, float]:
    """Centre the levels of each component without an anchor, and compute their errors."""
    n = len(unknowns.level_of) - 1
    components, anchored = _components(equations, measurements, unknowns)
    in_mean = (components >= 0) & ~np.isin(np.arange(n), list(remarks))
    in_mean |= ~np.isin(components, components[in_mean]) & (components >= 0)
    has_level = np.flatnonzero(components >= 0)
    rows = _about_mean(components, in_mean, anchored, unknowns.level_of[:n])
    rows = _padded(rows, equations.design.shape[1])
    values, errors = np.full(n, np.nan), np.full(n, np.nan)
    values[has_level] = (rows @ fit.unknowns)[has_level]
    closure, factors = _closure(equations, fit, components, measurements)
    variance = fit.covariances(rows[has_level]) * factors[components[has_level]] ** 2
    errors[has_level] = np.sqrt(np.maximum(variance, 0.0) + biases[has_level] ** 2)
    shifts, shift_errors = _shifts(measurements, components)
    levels = Levels(
        values=values,
        errors=errors,
        components=components,
        anchored=anchored,
        shifts=shifts,
        shift_errors=shift_errors,
        reasons=_reasons(components, inside),
        closure=closure,
    )
    return levels, float(factors.max(initial=1.0))


def _components(
    equations: Equations, measurements: Measurements, unknowns: Unknowns
) -> tuple[np.ndarray, np.ndarray]:
    """Number the components that have a pair or an anchor in the order of their first members.

    -1 for exposures in none; with it whether each component is anchored.
    """
    parts = equations.parts[unknowns.level_of]
    held = np.isfinite(unknowns.held)
    tied = np.zeros(len(parts), dtype=bool)
    tied[np.unique(measurements.shares.indices)] = True
    has_level = np.isin(parts, parts[tied | held])[:-1]
    components = np.full(len(parts) - 1, -1)
    _, first, number = np.unique(parts[:-1][has_level], return_index=True, return_inverse=True)
    components[has_level] = np.argsort(np.argsort(first))[number]
    anchored = np.zeros(len(first), dtype=bool)
    anchored[components[has_level & np.isin(parts, parts[held])[:-1]]] = True
    return components, anchored


def _about_mean(
    components: np.ndarray, in_mean: np.ndarray, anchored: np.ndarray, level_of: np.ndarray
) -> sparse.csr_array:
    """Build the matrix that takes levels to levels minus the mean of a component without anchor."""
    n = len(components)
    free = np.flatnonzero((components >= 0) & ~np.append(anchored, False)[components])
    shape = (n, len(anchored))
    to_component = sparse.coo_array(
        (np.ones(free.size), (free, components[free])), shape=shape
    ).tocsr()
    mean = sparse.diags_array(in_mean.astype(float)) @ to_component
    mean = mean @ sparse.diags_array(1.0 / np.maximum(np.asarray(mean.sum(axis=0)), 1.0))
    level = sparse.coo_array(
        (np.ones(n), (np.arange(n), level_of)), shape=(n, int(level_of.max()) + 1)
    ).tocsr()
    return (level - to_component @ (mean.T @ level)).tocsr()


def _padded(rows: sparse.csr_array, n_columns: int) -> sparse.csr_array:
    return sparse.csr_array((rows.data, rows.indices, rows.indptr), (rows.shape[0], n_columns))


def _closure(
    equations: Equations, fit: Fit, components: np.ndarray, measurements: Measurements
) -> tuple[tuple[float, float], np.ndarray]:
    """Chi2 and degrees of freedom of all offsets, and the factor on errors of each component."""
    n_components = int(components.max(initial=-1)) + 1
    first = measurements.shares.indptr[:-1]
    of_pair = components[measurements.shares.indices[first]] if len(first) else first
    n_pairs = np.bincount(of_pair, minlength=n_components)
    n_levels = np.bincount(components[components >= 0], minlength=n_components)
    freedom = np.maximum(n_pairs - n_levels + 1, 0)
    squares = fit.residuals[equations.offset_rows] ** 2
    capped = np.bincount(of_pair, np.minimum(squares, LARGEST_MISFIT**2), minlength=n_components)
    factors = np.ones(n_components)
    open_loops = (freedom > 0) & (chdtrc(np.maximum(freedom, 1), capped) < LEAST_PROBABILITY)
    factors[open_loops] = np.sqrt(np.maximum(capped / np.maximum(freedom, 1), 1.0))[open_loops]
    return (float(squares.sum()), float(freedom.sum())), factors


def _shifts(measurements: Measurements, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give shifts about the mean of each component, and their errors."""
    n = len(components)
    shifts = measurements.shifts[:n].copy()
    known = np.isfinite(shifts[:, 0])
    for component in range(components.max(initial=-1) + 1):
        members = known & (components == component)
        if members.any():
            shifts[members] -= shifts[members].mean(axis=0)
    errors = np.where(known, np.sqrt(measurements.shift_variances[:n]), np.nan)
    return shifts, np.stack([errors, errors], axis=1)


def _reasons(components: np.ndarray, inside: Sequence[MatchedStack]) -> tuple[str, ...]:
    obstacles = {k: text for matched in inside for k, text in matched.obstacles.items()}
    return tuple(
        "" if component >= 0 else obstacles.get(k, NO_OVERLAP)
        for k, component in enumerate(components.tolist())
    )


def _backgrounds(
    equations: Equations,
    fit: Fit,
    of_effects: Mapping[str, float],
    stacks: Sequence[Stack],
    unknowns: Unknowns,
    settings: _Settings,
) -> Backgrounds:
    """Predict the random effects, and make planes of the gradients where these are asked for."""
    n = len(unknowns.level_of) - 1
    kinds = [("visit gradient", unknowns.family_of[:n])]
    if settings.plane_per != "group":
        kinds.append(("exposure gradient", np.arange(n)))
    combinations = [_gradient_rows(equations, kinds, axis) for axis in (0, 1)]
    gradients = np.stack([rows @ fit.unknowns for rows in combinations], axis=1)
    errors, planes = np.full((n, 2), np.nan), ()
    if settings.plane_per:
        errors = np.sqrt(np.stack([fit.covariances(rows) for rows in combinations], axis=1))
        frames = {k: f for s in stacks for k, f in zip(s.members, s.frames, strict=True)}
        planes = tuple(
            frames[k].plane(gradient) if k in frames and gradient.any() else None
            for k, gradient in enumerate(gradients)
        )
    return Backgrounds(
        sigmas={name: float(np.sqrt(variance)) for name, variance in of_effects.items()},
        gradients=gradients,
        gradient_errors=errors,
        planes=planes,
    )


def _gradient_rows(
    equations: Equations, kinds: Sequence[tuple[str, np.ndarray]], axis: int
) -> sparse.csr_array:
    """Build the matrix that takes unknowns to the gradient of each exposure along an axis."""
    n = len(kinds[0][1])
    columns = []
    for name, member in kinds:
        own = equations.columns[name]
        columns.append(own.start + axis * ((own.stop - own.start) // 2) + member)
    rows = np.tile(np.arange(n), len(kinds))
    return sparse.coo_array(
        (np.ones(rows.size), (rows, np.concatenate(columns))),
        shape=(n, equations.design.shape[1]),
    ).tocsr()


def _contrasts(
    equations: Equations, fit: Fit, of_effects: Mapping[str, float], detectors: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Give the contrast of each region of a detector in the model, and its error."""
    names = [name for name in REGIONS if name in of_effects]
    columns = np.array(
        [equations.columns[name].start + k for name in names for k in range(len(detectors))],
        dtype=int,
    )
    rows = sparse.coo_array(
        (np.ones(columns.size), (np.arange(columns.size), columns)),
        shape=(columns.size, equations.design.shape[1]),
    ).tocsr()
    values, errors = rows @ fit.unknowns, np.sqrt(fit.covariances(rows))
    keys = [f"{detector} {name}" for name in names for detector in detectors]
    return dict(zip(keys, zip(values.tolist(), errors.tolist(), strict=True), strict=True))
