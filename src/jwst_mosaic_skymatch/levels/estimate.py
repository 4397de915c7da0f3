"""Levels of exposures, their errors, and their backgrounds, from all measurements."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.equations import (
    EFFECTS,
    PEDESTAL,
    Equations,
    Unknowns,
    detectors_of,
)
from jwst_mosaic_skymatch.levels.matrices import sparse_matrix
from jwst_mosaic_skymatch.levels.measurements import Measurements
from jwst_mosaic_skymatch.levels.model import Model, select_model
from jwst_mosaic_skymatch.levels.quality import hits_of, remarks_of
from jwst_mosaic_skymatch.levels.results import (
    FEW_CELLS,
    NO_OVERLAP,
    Backgrounds,
    Levels,
    Match,
    MatchedStack,
    PairResult,
    Stack,
)
from jwst_mosaic_skymatch.levels.solve import MISFIT, Fit, solve
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.tiles.frame import PixelPlane
from jwst_mosaic_skymatch.tiles.regions import REGIONS
from jwst_mosaic_skymatch.tiles.windows import overlapping_pairs

__all__ = ["estimate_levels"]

# Effects whose trends in an overlap are no structure if they are part of the model.
GRADIENTS = ("visit gradient", "exposure gradient")
# Effects for levels where no gradient is subtracted. Steps between 100 images of 2MASS are then
# 0.08 DN instead of 0.20 (median); on simulated gradients errors of levels are the same to 8 %.
CONSTANTS = (*(name for name in EFFECTS if name not in GRADIENTS), MISFIT)
TRENDS = {*GRADIENTS, "gain", "lyot"}
# Number of pairs that stand for all in chi2.
CLOSURE_SAMPLE = 2000
# Share of a loop's current through a pair from which on it is as likely spoiled as the pair that
# was rejected, and the number of rejected pairs that are examined.
BRIDGE, N_BRIDGES = 0.9, 50
# Levels whose errors are computed at a time.
BATCH = 64


def estimate_levels(
    measurements: Measurements,
    unknowns: Unknowns,
    inside: Sequence[MatchedStack],
    stacks: tuple[Stack, ...],
    *,
    plane_per: str | None = None,
) -> Match:
    """Solve the mixed model of all pairs.

    Parameters
    ----------
    measurements : Measurements
        All pairs of n exposures, and of a reference image after them.
    unknowns : Unknowns
        Exposures, and the image.
    inside : sequence of MatchedStack
        Skies and defects of exposures.
    stacks : tuple of Stack
        The stacks.
    plane_per : {'group', 'exposure'} or None, optional
        Gradients that are predicted as planes: of visits, or of exposures as well.

    Returns
    -------
    Match
        The match.
    """
    hits, biases = hits_of(measurements.pairs, measurements.shares)
    remarks = remarks_of(measurements.factors, hits)
    model, fit = _fit_model(measurements, unknowns, biases)
    components, anchored = _components(model.equations, measurements, unknowns)
    along = _gradient_rows(model.equations, fit, unknowns, plane_per)
    tilts = list(zip(unknowns.centres[:-1].T, along, strict=True)) if plane_per else []
    values, errors = _about_means(fit, unknowns, components, anchored, list(remarks), tilts)
    seams = model.equations, fit
    if plane_per is None and not model.variances.keys().isdisjoint(GRADIENTS):
        constants, best = _fit_model(measurements, unknowns, biases, CONSTANTS)
        values, own = _about_means(best, unknowns, components, anchored, list(remarks), tilts)
        errors, seams = np.maximum(errors, own), (constants.equations, best)
    pairs = _pair_results(measurements, *seams, plane_per)
    skies = {k: sky for matched in inside for k, sky in matched.skies.items()}
    backgrounds = _backgrounds(model, fit, along, stacks if plane_per else None)
    n_inside = sum(len(matched.pairs) for matched in inside)
    return Match(
        levels=Levels(
            np.where(components < 0, np.nan, values),
            np.hypot(errors, biases[:-1]),
            components,
            anchored,
            *_shifts(measurements, components),
            _reasons(components, inside, stacks),
            _closure(model, fit),
        ),
        backgrounds=replace(
            backgrounds,
            contrasts=_contrasts(model, fit, detectors_of(measurements.pairs)),
            n_ties=_count_ties(measurements, unknowns),
        ),
        stacks=stacks,
        exposure_pairs=pairs[:n_inside],
        stack_pairs=pairs[n_inside:],
        skies=np.array([skies[k] for k in range(len(skies))]),
        remarks=remarks,
    )


def _fit_model(
    measurements: Measurements,
    unknowns: Unknowns,
    biases: np.ndarray,
    effects: tuple[str, ...] = (*EFFECTS, MISFIT),
) -> tuple[Model, Fit]:
    """Select the model, and solve it with the variance that rejected pairs put on others."""
    model = select_model(measurements, unknowns, biases=biases, effects=effects)
    # Without gradients in the model, slopes of 1/f noise are structure.
    if model.has_structure and not TRENDS & set(model.variances):
        model = select_model(
            measurements, unknowns, biases=biases, effects=effects, detrended=False
        )
    fit = solve(model.equations, model.variances)
    widening = _widening(model.equations, fit)
    if widening.any():
        fit = solve(model.equations, model.variances, widening)
    return model, fit


def _widening(equations: Equations, fit: Fit) -> np.ndarray:
    """Compute the additional variance of pairs that may be spoiled in place of rejected pairs.

    A current from one end of a rejected pair to the other takes all paths through the other pairs
    in proportion to their information. A bridge is a pair with the whole current. No other pair
    constrains it, so that its error may be the misfit of the rejected pair.
    """
    weights = fit.weights[equations.offset_rows]
    misfits = np.abs(fit.residuals[equations.offset_rows]) * fit.sigmas
    rejected = np.flatnonzero(weights < 0.5)
    order = np.argsort(-(misfits / fit.sigmas)[rejected], kind="stable")
    rejected = rejected[order][:N_BRIDGES]
    offsets = equations.offsets[:, fit.free]
    potentials = fit.factor.solve(offsets[rejected].toarray().T)
    currents = np.abs(offsets @ potentials) * (weights / fit.sigmas**2)[:, None]
    return np.max(np.where(currents > BRIDGE, misfits[rejected] ** 2, 0.0), axis=1, initial=0.0)


def _components(
    equations: Equations, measurements: Measurements, unknowns: Unknowns
) -> tuple[np.ndarray, np.ndarray]:
    """Number the components that have a pair or an anchor, and mark those with an anchor.

    The number is -1 for exposures in none.
    """
    held = np.isfinite(unknowns.held)
    measured = held.copy()
    measured[measurements.shares.indices] = True
    parts = equations.parts[:-1]
    has_level = np.isin(parts, equations.parts[measured])
    components = np.full(len(parts), -1)
    numbers, components[has_level] = np.unique(parts[has_level], return_inverse=True)
    return components, np.isin(numbers, equations.parts[held])


def _closure(model: Model, fit: Fit) -> tuple[float, float]:
    """Chi2 and degrees of freedom of all offsets.

    Pairs share noise, for which the equations widen their errors. A residual by itself has the
    variance of the pair minus that of its prediction.
    """
    equations, n_pairs = model.equations, len(fit.sigmas)
    chosen = np.unique(np.linspace(0, n_pairs - 1, min(n_pairs, CLOSURE_SAMPLE)).astype(int))
    own = (model.own_variances + fit.sigmas**2 - equations.sigmas**2)[chosen]
    fitted = fit.variances(equations.offsets[chosen])
    residuals = fit.residuals[equations.offset_rows[chosen]] * fit.sigmas[chosen]
    values = np.array([np.sum(residuals**2 / own), np.sum(np.maximum(1.0 - fitted / own, 0.0))])
    chi2, freedom = (values * n_pairs / max(len(chosen), 1)).tolist()
    return chi2, freedom


def _select(fit: Fit, columns: np.ndarray) -> sparse.csr_array:
    """Build the matrix that selects unknowns."""
    return sparse.eye_array(len(fit.unknowns), format="csr")[columns]


def _about_means(
    fit: Fit,
    unknowns: Unknowns,
    components: np.ndarray,
    anchored: np.ndarray,
    remarked: Sequence[int],
    tilts: Sequence[tuple[np.ndarray, sparse.csr_array]],
) -> tuple[np.ndarray, np.ndarray]:
    """Give levels about the mean of each component without an anchor, and their errors.

    Exposures with a defect count in a mean only if all have one. Nothing constrains a plane that
    is common to all exposures. With tilts, places and gradients of the exposures along each axis,
    errors are about that plane.
    """
    n, n_components = len(components), len(anchored)
    levels = _select(fit, unknowns.level_of[:n])
    clean = (components >= 0) & ~np.isin(np.arange(n), remarked)
    free = (components >= 0) & ~np.append(anchored, False)[components]
    averaged = free & (clean | ~np.isin(components, components[clean]))
    counts = np.bincount(components[averaged], minlength=n_components)
    members, numbers = np.flatnonzero(averaged), components[averaged]
    mean = sparse_matrix((n_components, n), numbers, members, 1.0 / counts[numbers])
    to_component = sparse_matrix((n, n_components), np.flatnonzero(free), components[free])
    # Some at a time: levels about their means are a dense matrix.
    batches = np.array_split(np.arange(n), n // BATCH + 1)
    rows = [levels[batch] - to_component[batch] @ (mean @ levels) for batch in batches]
    values, errors = np.concatenate([fit.combine(row) for row in rows], axis=1)
    for places, gradients in tilts:
        common, distances = mean @ gradients, places - to_component @ (mean @ places)
        rows = [
            row - sparse.diags_array(distances[batch]) @ (to_component[batch] @ common)
            for row, batch in zip(rows, batches, strict=True)
        ]
    if tilts:
        errors = np.concatenate([fit.combine(row)[1] for row in rows])
    return values, errors


def _pair_results(
    measurements: Measurements, equations: Equations, fit: Fit, plane_per: str | None
) -> tuple[PairResult, ...]:
    """Compare pairs with levels, and with the planes that are subtracted."""
    predicted = np.zeros(len(fit.unknowns))
    effects = {None: (), "group": ("visit gradient",)}.get(plane_per, GRADIENTS)
    for name in (PEDESTAL, *effects):
        predicted[equations.columns[name]] = fit.unknowns[equations.columns[name]]
    offsets = np.array([pair.offset for pair in measurements.pairs])
    seams = offsets - equations.offsets @ predicted
    columns = fit.sigmas, seams, fit.weights[equations.offset_rows]
    values = np.stack(columns, axis=1).tolist()
    return tuple(PairResult(p, *v) for p, v in zip(measurements.pairs, values, strict=True))


def _shifts(measurements: Measurements, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give shifts about the mean of each component, and their errors."""
    n = len(components)
    shifts = measurements.shifts[:n].copy()
    known = np.isfinite(shifts[:, 0])
    for component in np.unique(components[known]):
        members = known & (components == component)
        shifts[members] -= shifts[members].mean(axis=0)
    errors = np.where(known, np.sqrt(measurements.shift_variances[:n]), np.nan)
    return shifts, np.stack([errors, errors], axis=1)


def _reasons(
    components: np.ndarray, inside: Sequence[MatchedStack], stacks: Sequence[Stack]
) -> tuple[str, ...]:
    obstacles = {k: text for matched in inside for k, text in matched.obstacles.items()}
    for ends in overlapping_pairs([stack.summary.coverage for stack in stacks]):
        obstacles |= {k: FEW_CELLS for end in ends for k in stacks[end].members}
    return tuple(
        "" if component >= 0 else obstacles.get(k, NO_OVERLAP)
        for k, component in enumerate(components.tolist())
    )


def _gradient_rows(
    equations: Equations, fit: Fit, unknowns: Unknowns, plane_per: str | None
) -> list[sparse.csr_array]:
    """Build the matrices of the gradients of exposures along x and along y."""
    n = len(unknowns.level_of) - 1
    members = {"visit gradient": unknowns.family_of[:n], "exposure gradient": np.arange(n)}
    if plane_per == "group":
        del members["exposure gradient"]
    columns = {name: np.r_[equations.columns[name]].reshape(2, -1) for name in members}
    return [
        sum(_select(fit, columns[name][axis, member]) for name, member in members.items())
        for axis in (0, 1)
    ]


def _backgrounds(
    model: Model, fit: Fit, along: Sequence[sparse.csr_array], stacks: Sequence[Stack] | None
) -> Backgrounds:
    """Predict gradients, and make planes of those in stacks, if any are given."""
    gradients = np.stack([rows @ fit.unknowns for rows in along], axis=1)
    errors = np.full(gradients.shape, np.nan)
    planes: tuple[PixelPlane | None, ...] = ()
    if stacks is not None:
        errors = np.stack([fit.combine(rows)[1] for rows in along], axis=1)
        frames = {k: f for s in stacks for k, f in zip(s.members, s.frames, strict=True)}
        planes = tuple(
            frames[k].plane(gradient) if k in frames and gradient.any() else None
            for k, gradient in enumerate(gradients)
        )
    return Backgrounds(
        sigmas={name: float(np.sqrt(variance)) for name, variance in model.variances.items()},
        gradients=gradients,
        gradient_errors=errors,
        planes=planes,
    )


def _contrasts(model: Model, fit: Fit, detectors: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Give the contrast of each region of a detector in the model, and its error."""
    names = [name for name in REGIONS if name in model.variances]
    starts = np.array([model.equations.columns[name].start for name in names], dtype=int)
    columns = np.add.outer(starts, np.arange(len(detectors))).ravel()
    keys = [f"{detector} {name}" for name in names for detector in detectors]
    values = np.stack(fit.combine(_select(fit, columns)), axis=1).tolist()
    return dict(zip(keys, map(tuple, values), strict=True))


def _count_ties(measurements: Measurements, unknowns: Unknowns) -> int:
    """Count the exposures whose detectors lie in components that no pair connects."""
    shares = measurements.shares.tocoo()
    n_pairs, n = shares.shape
    measured = np.unique(shares.col)
    parts = connected_parts(n + n_pairs, shares.row + n, shares.col)[measured]
    ends = np.unique([unknowns.exposure_of[measured], parts], axis=1)[0]
    return int(np.count_nonzero(np.bincount(ends) > 1)) if ends.size else 0
