"""The Cramer-Rao bound on the levels, and on the planes, of a simulated mosaic."""

import numpy as np

from jwst_mosaic_simulation import true_exposure
from jwst_mosaic_skymatch.exposures.models import wcs_footprint
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
    tiles = [
        drizzle_tile(truth.variance, truth.good, pixel_map, min_coverage=0.5)
        for truth, pixel_map in _exposures(models, scene, pixel_scale_ratio)
    ]
    return np.linalg.pinv(_normal_matrix(tiles), rcond=1e-10, hermitian=True)


def plane_bound(models, scene, plane_rms, *, per_exposure=False, pixel_scale_ratio=2.2):
    """Find the least error that backgrounds can have after planes have been subtracted.

    Parameters
    ----------
    models, scene, pixel_scale_ratio
        See `level_covariance`.
    plane_rms : float
        Rms of the planes over a detector, MJy/sr, which is known beforehand.
    per_exposure : bool, optional
        Whether each exposure has a plane of its own; else all of a visit have one.

    Returns
    -------
    float
        Rms error in all good pixels, without the plane on the sky that is common to all, MJy/sr.

    Notes
    -----
    As for levels, with three unknowns of a background, of which the two slopes have a prior of
    the variance that they were drawn with.
    """
    names = [p.rootname if per_exposure else p.visit_id for p in scene.pointings]
    family = np.unique(names, return_inverse=True)[1]
    n, n_families = len(names), family.max() + 1
    n_unknowns = n + 2 * n_families
    size = np.hypot(*models[0].data.shape) / np.sqrt(12.0)
    totals, samples, places = {}, [], []
    normal = np.diag(np.append(np.zeros(n), np.full(2 * n_families, (size / plane_rms) ** 2)))
    for k, (truth, pixel_map) in enumerate(_exposures(models, scene, pixel_scale_ratio)):
        y, x = np.indices(truth.good.shape).astype(np.float32)
        x, y = x - x[truth.good].mean(), y - y[truth.good].mean()
        variance, u, v = (
            drizzle_tile(image, truth.good, pixel_map, min_coverage=0.5)
            for image in (truth.variance, x, y)
        )
        rows, columns = np.nonzero(variance.weight > 0)
        cells = rows, columns
        weight = variance.weight[cells] / variance.data[cells].astype(float)
        terms = np.stack([np.ones(weight.size), u.data[cells], v.data[cells]])
        unknowns = [k, n + 2 * family[k], n + 2 * family[k] + 1]
        normal[np.ix_(unknowns, unknowns)] += (terms * weight) @ terms.T
        keys = (rows + variance.y0) * 100_000 + columns + variance.x0
        totals[k] = keys, weight, terms, unknowns
        some = np.argwhere(truth.good)[::199]
        row = np.zeros((len(some), n_unknowns))
        row[:, unknowns] = np.stack([np.ones(len(some)), x[tuple(some.T)], y[tuple(some.T)]], 1)
        samples.append(row)
        places.append(np.stack(models[k].meta.wcs(*some.T[::-1], with_bounding_box=False), 1))
    normal -= _of_sky(totals, n_unknowns)
    samples, places = np.concatenate(samples), np.concatenate(places)
    common = np.column_stack([np.ones(len(places)), places - places.mean(axis=0)])
    samples -= common @ np.linalg.lstsq(common, samples, rcond=None)[0]
    covariance = np.linalg.pinv(normal, rcond=1e-13, hermitian=True)
    return float(np.sqrt(np.mean(np.sum((samples @ covariance) * samples, axis=1))))


def _of_sky(totals, n_unknowns):
    """What eliminating the sky takes from the normal matrix."""
    keys = np.unique(np.concatenate([own[0] for own in totals.values()]))
    sums, total = np.zeros((n_unknowns, keys.size)), np.zeros(keys.size)
    for own, weight, terms, unknowns in totals.values():
        cells = np.searchsorted(keys, own)
        total[cells] += weight
        for unknown, term in zip(unknowns, terms, strict=True):
            sums[unknown, cells] += weight * term
    return (sums / total) @ sums.T


def _exposures(models, scene, pixel_scale_ratio):
    """Give the truth of each exposure, and where its pixels lie on a shared grid."""
    footprints = [wcs_footprint(m.meta.wcs, m.data.shape) for m in models]
    grid = shared_grid(footprints, models[0].meta.wcs, models[0].data.shape, pixel_scale_ratio)
    for model, pointing in zip(models, scene.pointings, strict=True):
        truth = true_exposure(scene, pointing)
        yield truth, grid.map_pixels(model.meta.wcs, truth.good.shape)


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
