"""The Cramer-Rao bound on the levels of a simulated mosaic."""

import numpy as np

from jwst_mosaic_skymatch.exposures.models import wcs_footprint
from jwst_mosaic_skymatch.simulation import true_exposure
from jwst_mosaic_skymatch.tiles.grid import shared_grid
from jwst_mosaic_skymatch.tiles.tile import drizzle_tile


def level_covariance(models, scene, *, pixel_scale_ratio=2.2):
    """Find the least covariance that unbiased levels of a scene can have.

    Parameters
    ----------
    models : sequence of ImageModel
        The exposures of the scene, in the order of its pointings.
    scene : Scene
        The scene they were simulated from.
    pixel_scale_ratio : float, optional
        Cell size in native pixels. The true sky is one free number in each cell.

    Returns
    -------
    ndarray, shape (n, n)
        Pseudo-inverse of the joint normal matrix: covariance of levels whose
        mean over each connected component is zero, (MJy/sr)^2.

    Notes
    -----
    With :math:`w_{ik}` the inverse variance of exposure i in cell k,
    eliminating the sky gives
    :math:`A_{ij} = \\sum_k w_{ik} (\\delta_{ij} - w_{jk} / \\sum_l w_{lk})`.
    """
    footprints = [wcs_footprint(m.meta.wcs, m.data.shape) for m in models]
    grid = shared_grid(
        footprints, models[0].meta.wcs, models[0].meta.wcsinfo.instance, pixel_scale_ratio
    )
    tiles = []
    for model, pointing in zip(models, scene.pointings, strict=True):
        truth = true_exposure(scene, pointing)
        pixel_map = grid.map_pixels(model.meta.wcs, truth.good.shape)
        tiles.append(drizzle_tile(truth.variance, truth.good, pixel_map, min_coverage=0.5))
    return np.linalg.pinv(_normal_matrix(tiles), rcond=1e-10, hermitian=True)


def _normal_matrix(tiles):
    bounds = np.array([tile.bounds for tile in tiles])
    x0, y0 = bounds[:, 0].min(), bounds[:, 2].min()
    shape = (bounds[:, 3].max() - y0, bounds[:, 1].max() - x0)
    weights, total = [], np.zeros(shape)
    for tile in tiles:
        window = np.s_[
            tile.bounds[2] - y0 : tile.bounds[3] - y0, tile.bounds[0] - x0 : tile.bounds[1] - x0
        ]
        weight = np.where(tile.weight > 0, tile.weight / tile.data.astype(float), 0.0)
        total[window] += weight
        weights.append((window, weight))
    normal = np.zeros((len(tiles), len(tiles)))
    for i, (window_i, weight_i) in enumerate(weights):
        share = np.zeros(shape)
        share[window_i] = weight_i / np.maximum(total[window_i], np.finfo(float).tiny)
        normal[i, i] += weight_i.sum()
        for j, (window_j, weight_j) in enumerate(weights):
            normal[i, j] -= float((share[window_j] * weight_j).sum())
    return normal
