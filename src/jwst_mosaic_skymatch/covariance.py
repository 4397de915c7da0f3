"""Errors of levels from the joint normal matrix."""

import numpy as np
from scipy import linalg

from jwst_mosaic_skymatch.tile import candidate_pairs, overlap_windows

__all__ = ["covariance_of_components", "joint_normal_matrix"]


def joint_normal_matrix(tiles, inflation):
    r"""Build the normal matrix of all levels with the sky eliminated.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.
    inflation : sequence of float
        Factor on the variance of each tile's noise.

    Returns
    -------
    ndarray, shape (n, n)
        Inverse variances, (MJy/sr)^-2, or relative ones when the noise of the
        tiles is not known. Row sums are zero.

    Notes
    -----
    Every cell k is one unknown of the sky, seen by tile i with inverse variance
    :math:`w_{ik}`. Eliminating the sky leaves
    :math:`A_{ij} = \sum_k w_{ik} (\delta_{ij} - w_{jk} / \sum_l w_{lk})`.
    Unlike the covariance of pairwise fits it knows that pairs share noise.
    """
    measured = all(tile.noise.measured for tile in tiles)
    neighbours = [[] for _ in tiles]
    for i, j in candidate_pairs(tiles):
        neighbours[i].append(j)
        neighbours[j].append(i)
    normal = np.zeros((len(tiles), len(tiles)))
    for i, tile in enumerate(tiles):
        # One tile's window at a time: no array is larger than a tile.
        own = _inverse_variance(tile, np.s_[:, :], inflation[i], measured)
        total, others = own.copy(), []
        for j in neighbours[i]:
            in_i, in_j = overlap_windows(tile, tiles[j])
            weight = _inverse_variance(tiles[j], in_j, inflation[j], measured)
            total[in_i] += weight
            if j > i:
                others.append((j, in_i, weight))
        share = own / np.maximum(total, np.finfo(np.float32).tiny)
        for j, in_i, weight in others:
            normal[i, j] = normal[j, i] = -(share[in_i] * weight).sum(dtype=np.float64)
    np.fill_diagonal(normal, -normal.sum(axis=1))
    return normal


def _inverse_variance(tile, window, factor, measured):
    """Inverse variance of the cells in a window of a tile; 0 where it has no data."""
    weight = tile.weight[window].astype(np.float32)
    if measured:
        weight /= tile.noise(np.nan_to_num(tile.data[window])).astype(np.float32)
    return weight / np.float32(factor)


def covariance_of_components(normal, components):
    """Invert a normal matrix within each connected component.

    Parameters
    ----------
    normal : ndarray, shape (n, n)
        Normal matrix with zero row sums.
    components : ndarray of int, shape (n,)
        Component of each unknown; -1 for none.

    Returns
    -------
    ndarray, shape (n, n)
        Covariance of levels whose mean over each component is zero; NaN for
        unknowns without component.
    """
    covariance = np.zeros_like(normal)
    for component in range(components.max(initial=-1) + 1):
        members = np.flatnonzero(components == component)
        block = normal[np.ix_(members, members)]
        # What leads out of the component (too few cells to be a pair) is no tie.
        block = block - np.diag(block.sum(axis=1))
        # The pseudo-inverse of a Laplacian: lift its null vector, invert, drop it.
        lift = np.full_like(block, np.trace(block) / len(members) ** 2)
        if len(members) > 1:
            inverse = linalg.inv(block + lift)
            centre = np.eye(len(members)) - 1.0 / len(members)
            covariance[np.ix_(members, members)] = centre @ inverse @ centre
    outside = components < 0
    covariance[outside], covariance[:, outside] = np.nan, np.nan
    return covariance
