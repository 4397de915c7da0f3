"""Levels of pieces of exposures, relative to the levels of these."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jwst_mosaic_skymatch.levels.gauge import inverse_variance_mean
from jwst_mosaic_skymatch.levels.results import Match

__all__ = ["PieceOffsets", "place_pieces"]


@dataclass(frozen=True)
class PieceOffsets:
    """Levels of pieces minus those of their exposures.

    Attributes
    ----------
    owners : ndarray of int, shape (n_pieces,)
        Position of the exposure that each piece is a part of.
    values : ndarray, shape (n_pieces,)
        Level of the piece minus level of the exposure, MJy/sr: what the match has found or,
        where it relates the two by nothing, ``mean``, or zero.
    mean : float
        Mean of those that were found, weighted by the inverse variances, MJy/sr; NaN for none.
    scatter : float
        Their standard deviation, MJy/sr; NaN for fewer than two.
    n_found : int
        Number of these.
    """

    owners: np.ndarray
    values: np.ndarray
    mean: float = np.nan
    scatter: float = np.nan
    n_found: int = 0

    def follow(self, levels: np.ndarray) -> np.ndarray:
        """Add levels of pieces to those of exposures.

        Parameters
        ----------
        levels : ndarray, shape (n_exposures,)
            Levels of the exposures, MJy/sr; NaN for none.

        Returns
        -------
        ndarray, shape (n,)
            Levels of all images; NaN for pieces of exposures without one.
        """
        return np.append(levels, levels[self.owners] + self.values)

    def complete(self, levels: np.ndarray) -> np.ndarray:
        """Give pieces without a level one that follows from their exposure's.

        Parameters
        ----------
        levels : ndarray, shape (n,)
            Levels of all images, MJy/sr; NaN for none.

        Returns
        -------
        ndarray, shape (n,)
            The same, where a piece without a level has that of `follow`.
        """
        n_exposures = len(levels) - len(self.owners)
        return np.where(np.isfinite(levels), levels, self.follow(levels[:n_exposures]))


def place_pieces(match: Match, owners: Sequence[int]) -> tuple[Match, PieceOffsets]:
    """Put pieces that the match does not relate to any exposure beside their own.

    Parameters
    ----------
    match : Match
        Match of exposures and, after them, of pieces.
    owners : sequence of int
        Position of the exposure that each piece is a part of.

    Returns
    -------
    match : Match
        The same, where pieces that overlap no exposure, directly or through others, have the
        level of their own plus the mean offset of the other pieces. The scatter of these is in
        their errors, which are NaN if there is none. Pieces of exposures without a level have none.
    offsets : PieceOffsets
        By how much pieces lie above their exposures.
    """
    owner = np.array(owners, dtype=int)
    n = len(match.levels) - owner.size
    levels, errors = match.levels.copy(), match.level_errors.copy()
    components = match.components.copy()
    of_piece, of_owner = components[n:], components[owner]
    difference = levels[n:] - levels[owner]
    variance = errors[n:] ** 2 + errors[owner] ** 2
    found = (of_piece == of_owner) & (of_piece >= 0)
    mean, scatter = _mean_and_scatter(difference[found], variance[found])
    lost = of_owner < 0
    placed = ~lost & ~np.isin(of_piece, components[:n][components[:n] >= 0])
    values = np.where(placed | lost, np.nan_to_num(mean), difference)
    # What overlaps of pieces have found among themselves stays.
    for group in set(zip(of_piece[placed].tolist(), of_owner[placed].tolist(), strict=True)):
        together = placed & (of_piece == group[0]) & (of_owner == group[1])
        if group[0] >= 0:
            values[together] += difference[together] - difference[together].mean()

    positions = n + np.flatnonzero(placed)
    levels[positions] = (levels[owner] + values)[placed]
    errors[positions] = np.hypot(errors[owner], scatter if found.any() else np.nan)[placed]
    components[n:][placed] = of_owner[placed]
    levels[n:][lost] = errors[n:][lost] = np.nan
    components[n:][lost] = -1
    reasons = np.array(match.reasons, dtype=object)
    reasons[positions] = ""
    reasons[n:][lost] = reasons[owner][lost]
    noise = match.level_noise.copy()
    noise[n:][placed | lost] = np.nan
    skies = match.skies.copy()
    skies[n:] = np.nan  # they are those of the whole exposures
    placed_match = replace(
        match,
        levels=levels,
        level_errors=errors,
        level_noise=noise,
        components=_renumbered(components),
        skies=skies,
        reasons=tuple(reasons.tolist()),
        placed=frozenset(positions.tolist()),
    )
    return placed_match, PieceOffsets(owner, values, mean, scatter, int(found.sum()))


def _mean_and_scatter(values: np.ndarray, variances: np.ndarray) -> tuple[float, float]:
    if not values.size:
        return np.nan, np.nan
    mean, _ = inverse_variance_mean(values, variances)
    return mean, float(values.std(ddof=1)) if values.size > 1 else np.nan


def _renumbered(components: np.ndarray) -> np.ndarray:
    """Number components without gaps, in the same order; -1 stays."""
    numbers = components.copy()
    _, numbers[components >= 0] = np.unique(components[components >= 0], return_inverse=True)
    return numbers
