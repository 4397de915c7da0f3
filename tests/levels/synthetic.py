"""Made-up measurements of pairs of tiles with known levels and backgrounds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jwst_mosaic_skymatch.levels.assembly import Measurements, pair_shares
from jwst_mosaic_skymatch.levels.equations import Unknowns
from jwst_mosaic_skymatch.levels.shifts import align_pairs
from jwst_mosaic_skymatch.offsets.results import PairMeasurement, PairQuality
from jwst_mosaic_skymatch.offsets.trends import Region, StripScatter

# Half of the side of an exposure, cells.
REACH = 100.0


@dataclass(frozen=True)
class Sky:
    """True unknowns of n exposures, and the errors of measurements.

    ``gradients`` (MJy/sr per cell) and ``shifts`` (cells) have shape (n, 2). ``glow`` is that of
    the left edge of the detector. ``noise`` and ``trend_noise`` are the errors of offsets and of
    gradients.
    """

    levels: np.ndarray
    centres: np.ndarray
    gradients: np.ndarray
    gains: np.ndarray
    shifts: np.ndarray
    glow: float = 0.0
    noise: float = 1e-3
    trend_noise: float = 1e-5


def quality(noise: float = 1e-3, **changes: object) -> PairQuality:
    """Quality of a pair without structure, hits, or noise beyond the quoted one."""
    flat = np.full((2, 2), noise**2)
    values = dict(
        noise_ratio=1.0,
        asymmetry=0.0,
        alone=1.0,
        excess=0.0,
        strips=StripScatter(flat, flat, np.tile([20.0, 5.0], (2, 1))),
        n_cells=1000,
        outside=1.0,
    )
    return PairQuality(**(values | changes))


def measure(
    sky: Sky,
    ends: tuple[Sequence[int], Sequence[int]],
    rng: np.random.Generator,
    positions: tuple[int, int] | None = None,
) -> PairMeasurement:
    """Measure the mean of some exposures against that of others, where both overlap."""
    first, second = (list(end) for end in ends)
    members, sizes = np.array(first + second), [len(first), len(second)]
    shares = np.repeat([1.0 / len(first), -1.0 / len(second)], sizes)
    sides = np.repeat([sky.levels[first].mean(), sky.levels[second].mean()], sizes)
    place = sky.centres[members].mean(axis=0) + rng.uniform(-0.2, 0.2, 2) * REACH
    brightness, lever, of_shifts = rng.uniform(0.0, 2.0), np.zeros(2), np.zeros(2)
    if sky.shifts.any():
        lever, of_shifts = rng.normal(0.0, [[0.02], [0.01]], (2, 2))
    gradients, gains, shifts = (v[members] for v in (sky.gradients, sky.gains, sky.shifts))
    tilts = np.sum((place - sky.centres[members]) * gradients, axis=1)
    truth = [
        shares @ (sky.levels[members] + shifts @ lever + tilts + gains * (brightness + sides)),
        *(shares @ shifts),
        *(shares @ gradients),
        shares @ gains,
    ]
    sigmas = [sky.noise, 0.01, 0.01, sky.trend_noise, sky.trend_noise, 1e-3]
    # The mean image has half of each level.
    centre = [*lever, *place, brightness + 0.5 * abs(shares) @ sky.levels[members]]
    regions = ()
    if sky.glow:
        # Two edges of one detector, which do not cover each other.
        regions, edge = (Region("MIRIMAGE", "left", 0),), rng.uniform(-0.5, 0.5)
        truth[0] += sky.glow * edge
        truth.append(sky.glow)
        sigmas.append(5.0 * sky.noise)
        centre.append(edge)
    noise = np.delete(sigmas, [1, 2]) * rng.standard_normal(len(sigmas) - 2)
    estimate = np.array(truth) + np.insert(noise, 1, of_shifts)
    i, j = positions or (first[0], second[0])
    covariance, centre = np.diag(np.square(sigmas)), np.array(centre)
    return PairMeasurement(i, j, estimate, covariance, centre, regions, quality(sky.noise))


def measurements_of(n: int, pairs: Sequence[PairMeasurement], **changes: object) -> Measurements:
    """Put pairs of two exposures in terms of n exposures, and of an image after them."""
    shares = pair_shares(n + 1, pairs)
    aligned, shifts, shift_errors = align_pairs(pairs, shares)
    values = dict(
        pairs=aligned,
        shares=shares,
        shifts=shifts,
        shift_errors=shift_errors,
        n_inside=0,
    )
    return Measurements(**(values | changes))


def unknowns_of(sky: Sky, **changes: object) -> Unknowns:
    """Number a level, a family and an exposure for each exposure, and an image after them."""
    n = len(sky.levels)
    values = dict(
        level_of=np.arange(n + 1),
        family_of=np.arange(n + 1),
        exposure_of=np.arange(n + 1),
        centres=np.append(sky.centres, np.zeros((1, 2)), axis=0),
        held=np.append(np.full(n, np.nan), 0.0),
    )
    return Unknowns(**(values | changes))


def grid(side: int, rng: np.random.Generator, **changes: object) -> Sky:
    """Place exposures in a square of ``side`` x ``side``, with levels of some MJy/sr."""
    y, x = np.divmod(np.arange(side**2), side)
    centres = 1.5 * REACH * np.stack([x, y], axis=1).astype(float)
    levels = rng.normal(0.0, 1.0, side**2)
    gradients, shifts = np.zeros((2, *centres.shape))
    values = dict(gradients=gradients, gains=np.zeros_like(levels), shifts=shifts)
    return Sky(levels - levels.mean(), centres, **(values | changes))


def neighbours(sky: Sky) -> list[tuple[int, int]]:
    """List the exposures that overlap: those beside each other, and diagonal ones."""
    distance = np.abs(sky.centres[:, None] - sky.centres).max(axis=2)
    return [(i, j) for i, j in np.argwhere(distance < 2.0 * REACH).tolist() if i < j]


def measure_all(
    sky: Sky, rng: np.random.Generator, ends: Sequence[tuple[int, int]] | None = None
) -> list[PairMeasurement]:
    """Measure some pairs of exposures, by default all that overlap."""
    ends = neighbours(sky) if ends is None else ends
    return [measure(sky, ((i,), (j,)), rng) for i, j in ends]


def change_offset(
    pair: PairMeasurement, change: float = 0.0, variance: float | None = None
) -> PairMeasurement:
    """Add a value to the offset of a pair, and replace its variance."""
    estimate, covariance = pair.estimate.copy(), pair.covariance.copy()
    estimate[0] += change
    covariance[0, 0] = covariance[0, 0] if variance is None else variance
    return replace(pair, estimate=estimate, covariance=covariance)


def made(*ends: int, **changes: object) -> PairMeasurement:
    """Measure a pair of four exposures in a square, and change the measurement."""
    sky = grid(2, np.random.default_rng(0))
    return replace(measure_all(sky, np.random.default_rng(sum(ends)), [ends])[0], **changes)
