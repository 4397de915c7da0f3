"""Levels of exposures, their errors, and their backgrounds, from all measurements."""

from collections.abc import Container, Mapping, Sequence

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.assembly import Measurements
from jwst_mosaic_skymatch.levels.equations import (
    PEDESTAL,
    Equations,
    Unknowns,
    detectors_of,
)
from jwst_mosaic_skymatch.levels.matrices import sparse_matrix
from jwst_mosaic_skymatch.levels.model import select_model
from jwst_mosaic_skymatch.levels.quality import defects_of, remarks_of
from jwst_mosaic_skymatch.levels.results import (
    NO_OVERLAP,
    Backgrounds,
    Levels,
    Match,
    PairResult,
    Stack,
)
from jwst_mosaic_skymatch.levels.solve import Fit, solve
from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.tiles.frame import REGIONS
from jwst_mosaic_skymatch.tiles.observation import TiledExposure

__all__ = ["estimate_levels"]

GRADIENTS = ("visit gradient", "exposure gradient")
# Share of a loop's current through a pair from which on it is as likely spoiled as the pair that
# was rejected, and the number of rejected pairs that are examined.
BRIDGE, N_BRIDGES = 0.9, 50


def estimate_levels(
    measurements: Measurements,
    unknowns: Unknowns,
    exposures: Mapping[int, TiledExposure],
    stacks: tuple[Stack, ...],
    *,
    known: Mapping[str, float],
    plane_per: str | None = None,
) -> Match:
    """Solve the mixed model of all pairs.

    Parameters
    ----------
    measurements : Measurements
        All pairs of n exposures, and of a reference image after them.
    unknowns : Unknowns
        Exposures, and the image.
    exposures : mapping of int to TiledExposure
        Skies of the exposures by position, and why some have no tile.
    stacks : tuple of Stack
        The stacks.
    known : mapping of str to float
        Variances of effects by other measurements, for effects that the likelihood does not select.
    plane_per : {'group', 'exposure'} or None, optional
        Gradients that are predicted as planes: of visits, or of exposures as well.

    Returns
    -------
    Match
        The match.
    """
    n, pairs = len(unknowns.level_of) - 1, measurements.pairs
    defects = defects_of(pairs, measurements.shares[:, :n])
    remarks, beside = remarks_of(defects), measurements.shares[:, :n].power(2) @ defects.biases**2
    equations, variances = select_model(pairs, measurements.shares, unknowns, beside=beside)
    variances = {**known, **variances}
    fit = solve(equations, variances)
    # Pairs that may be spoiled in place of a rejected one are known after a solution only.
    fit = solve(equations, variances, _widening(equations, fit))
    components = equations.components[:n]
    held = equations.components[np.isfinite(unknowns.held)]
    anchored = np.isin(np.arange(components.max(initial=-1) + 1), held)
    effects = GRADIENTS[:1] if plane_per == "group" else GRADIENTS
    slopes = _slopes(equations, unknowns, effects)
    tilts, subtracted, planar = (slopes, effects, stacks) if plane_per else ([], (), ())
    counted = np.setdiff1d(measurements.shares.indices, list(remarks))
    values, errors = _about_means(fit, unknowns, components, anchored, counted, tilts)
    errors, reasons = np.hypot(errors, defects.biases), _reasons(components, exposures)
    results = _pair_results(pairs, equations, fit, (PEDESTAL, *subtracted))
    shifts = measurements.shifts[:n], measurements.shift_errors[:n]
    contrasts = _contrasts(fit, equations, variances, pairs)
    return Match(
        levels=Levels(values, errors, components, anchored, *shifts, reasons),
        backgrounds=_backgrounds(fit, variances, slopes, planar, contrasts),
        stacks=stacks,
        exposure_pairs=results[: measurements.n_inside],
        stack_pairs=results[measurements.n_inside :],
        skies=np.array([exposures[k].sky for k in range(n)]),
        remarks=remarks,
    )


def _widening(equations: Equations, fit: Fit) -> np.ndarray:
    """Compute the additional variance of pairs that may be spoiled in place of rejected pairs.

    A current from one end of a rejected pair to the other takes all paths through the other pairs
    in proportion to their information. A bridge is a pair with the whole current. No other pair
    constrains it, so that its error may be the misfit of the rejected pair.
    """
    n_pairs = len(fit.sigmas)
    weights, sizes = fit.weights[:n_pairs], np.abs(fit.residuals[:n_pairs])
    rejected = np.argsort(-sizes, kind="stable")[:N_BRIDGES]
    rejected = rejected[weights[rejected] < 0.5]
    offsets = equations.offsets[:, fit.free]
    potentials = fit.factor.solve(offsets[rejected].toarray().T)
    currents = np.abs(offsets @ potentials) * (weights / fit.sigmas**2)[:, None]
    misfits = (sizes * fit.sigmas)[rejected]
    return np.max(np.where(currents > BRIDGE, misfits**2, 0.0), axis=1, initial=0.0)


def _slopes(
    equations: Equations, unknowns: Unknowns, effects: Sequence[str]
) -> list[sparse.csr_array]:
    """Build the matrices that give the gradients of exposures along x and along y."""
    n, n_columns = len(unknowns.level_of) - 1, len(equations.fixed)
    numbers = {"visit gradient": unknowns.family_of[:n], "exposure gradient": np.arange(n)}
    columns = [np.r_[equations.columns[k]].reshape(2, -1)[:, numbers[k]] for k in effects]
    along = np.swapaxes(columns, 0, 1)
    return [sparse_matrix((n, n_columns), np.arange(n), own) for own in along]


def _about_means(
    fit: Fit,
    unknowns: Unknowns,
    components: np.ndarray,
    anchored: np.ndarray,
    counted: np.ndarray,
    slopes: Sequence[sparse.csr_array],
) -> tuple[np.ndarray, np.ndarray]:
    """Give levels about the mean of each component without an anchor, and their errors.

    Exposures without a pair, or with a defect, count in a mean only if all are such. Nothing
    constrains a plane that is common to all exposures. With slopes, errors are about that plane.
    """
    n, nowhere = len(components), np.where(components < 0, np.nan, 0.0)
    levels = sparse_matrix((n, len(fit.unknowns)), np.arange(n), unknowns.level_of[:n])
    values, variances = levels @ fit.unknowns, fit.variances(levels)
    for component in np.flatnonzero(~anchored):
        members = np.flatnonzero(components == component)
        clean = np.intersect1d(members, counted)
        averaged = clean if clean.size else members
        common = np.stack([rows[averaged].mean(axis=0) for rows in (levels, *slopes)])
        places = unknowns.centres[members] - unknowns.centres[averaged].mean(axis=0)
        levers = np.column_stack([np.ones(len(members)), places])[:, : len(common)]
        # Var(b - l'm) = Var(b) - 2 l'Cov(m, b) + l'Cov(m) l, with the means m and their levers l.
        solved = fit.factor.solve(common[:, fit.free].T)
        with_level = levels[members][:, fit.free] @ solved
        of_means = common[:, fit.free] @ solved
        variances[members] += np.sum((levers @ of_means - 2.0 * with_level) * levers, axis=1)
        values[members] -= common[0] @ fit.unknowns
    return values + nowhere, np.sqrt(np.maximum(variances, 0.0)) + nowhere


def _pair_results(
    pairs: Sequence[PairMeasurement], equations: Equations, fit: Fit, subtracted: Sequence[str]
) -> tuple[PairResult, ...]:
    """Compare pairs with levels, and with the planes that are subtracted."""
    is_subtracted = np.zeros(len(fit.unknowns))
    for name in subtracted:
        is_subtracted[equations.columns[name]] = 1.0
    rows = equations.offsets @ sparse.diags_array(is_subtracted)
    seams = [pair.offset for pair in pairs] - rows @ fit.unknowns
    columns = fit.sigmas, seams, np.sqrt(fit.variances(rows)), fit.weights[: len(pairs)]
    return tuple(map(PairResult, pairs, *np.array(columns).tolist()))


def _reasons(components: np.ndarray, exposures: Mapping[int, TiledExposure]) -> tuple[str, ...]:
    return tuple(
        "" if component >= 0 else exposures[k].obstacle or NO_OVERLAP
        for k, component in enumerate(components.tolist())
    )


def _backgrounds(
    fit: Fit,
    variances: Mapping[str, float],
    slopes: Sequence[sparse.csr_array],
    stacks: Sequence[Stack],
    contrasts: Mapping[str, tuple[float, float]],
) -> Backgrounds:
    """Predict gradients, and make planes of those in stacks, if any are given."""
    gradients = np.stack([rows @ fit.unknowns for rows in slopes], axis=1)
    frames = {k: f for s in stacks for k, f in zip(s.members, s.frames, strict=True)}
    planes = [
        frames[k].plane(gradient) if k in frames and gradient.any() else None
        for k, gradient in enumerate(gradients)
    ]
    return Backgrounds(
        sigmas={name: float(np.sqrt(variance)) for name, variance in variances.items()},
        gradients=gradients,
        gradient_errors=np.sqrt(np.stack([fit.variances(rows) for rows in slopes], axis=1)),
        planes=tuple(planes) if stacks else (),
        contrasts=contrasts,
    )


def _contrasts(
    fit: Fit, equations: Equations, effects: Container[str], pairs: Sequence[PairMeasurement]
) -> dict[str, tuple[float, float]]:
    """Give the contrast of each region of a detector in the model, and its error."""
    errors = np.sqrt(fit.variances(sparse.eye_array(len(fit.unknowns))))
    return {
        f"{detector} {name}": (fit.unknowns[k], errors[k])
        for name in REGIONS
        if name in effects
        for k, detector in enumerate(detectors_of(pairs), equations.columns[name].start)
    }
