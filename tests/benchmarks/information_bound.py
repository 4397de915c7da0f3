"""The Cramer-Rao bound on the levels, and on the planes, of a simulated mosaic."""

import numpy as np

from jwst_mosaic_simulation import true_exposure
from jwst_mosaic_skymatch.exposures.models import wcs_footprint
from jwst_mosaic_skymatch.tiles.grid import shared_grid
from jwst_mosaic_skymatch.tiles.tile import drizzle_tile

# Cell size in native pixels. The true sky is one free number in each cell.
PIXEL_SCALE_RATIO = 2.2


def level_bound(models, scene):
    """Give the least errors that unbiased levels of a scene can have.

    Parameters
    ----------
    models : sequence of ImageModel
        The exposures of the scene, in the order of its pointings.
    scene : Scene
        The scene they were simulated from.

    Returns
    -------
    bound : ndarray, shape (n,)
        Errors of levels whose mean over each connected component is zero, MJy/sr.
    project : ndarray, shape (n, n)
        Matrix that takes these means out of any levels.

    Notes
    -----
    With :math:`w_{ik}` the inverse variance of exposure i in cell k, eliminating the sky gives
    the normal matrix :math:`A_{ij} = \\sum_k w_{ik} (\\delta_{ij} - w_{jk} / \\sum_l w_{lk})`.
    """
    normal, _ = _normal_matrix(models, scene, [[k] for k in range(len(models))])
    covariance = np.linalg.pinv(normal, rcond=1e-10, hermitian=True)
    project = covariance @ np.linalg.pinv(covariance, rcond=1e-8, hermitian=True)
    return np.sqrt(np.diag(covariance)), project


def plane_bound(models, scene, plane_rms, *, per_exposure=False):
    """Give the least error of backgrounds after planes have been subtracted.

    Parameters
    ----------
    models, scene
        See `level_bound`.
    plane_rms : float
        Rms of the planes over a detector, MJy/sr, which is known beforehand: the prior of both
        slopes of each plane.
    per_exposure : bool, optional
        Whether each exposure has a plane of its own; else all of a visit have one.

    Returns
    -------
    float
        Rms error in all good pixels, without the plane on the sky that is common to all, MJy/sr.
    """
    names = [p.rootname if per_exposure else p.visit_id for p in scene.pointings]
    family = np.unique(names, return_inverse=True)[1]
    n = len(names)
    unknowns = [[k, n + 2 * own, n + 2 * own + 1] for k, own in enumerate(family)]
    normal, samples = _normal_matrix(models, scene, unknowns)
    size = np.hypot(*models[0].data.shape) / np.sqrt(12.0)
    slopes = np.arange(n, len(normal))
    normal[slopes, slopes] += (size / plane_rms) ** 2
    rows, places = [], []
    for k, (x, y, offsets) in enumerate(samples):
        row = np.zeros((len(x), len(normal)))
        row[:, unknowns[k]] = offsets.T
        rows.append(row)
        places.append(np.stack(models[k].meta.wcs(x, y, with_bounding_box=False), 1))
    rows, places = np.concatenate(rows), np.concatenate(places)
    common = np.column_stack([np.ones(len(places)), places - places.mean(axis=0)])
    rows -= common @ np.linalg.lstsq(common, rows, rcond=None)[0]
    covariance = np.linalg.pinv(normal, rcond=1e-13, hermitian=True)
    return float(np.sqrt(np.mean(np.sum((rows @ covariance) * rows, axis=1))))


def _normal_matrix(models, scene, unknowns):
    """Eliminate the sky; give also some pixels of each exposure, with their design."""
    footprints = [wcs_footprint(m.meta.wcs, m.data.shape) for m in models]
    grid = shared_grid(footprints, models[0].meta.wcs, models[0].data.shape, PIXEL_SCALE_RATIO)
    n = 1 + max(max(own) for own in unknowns)
    normal, cells, samples = np.zeros((n, n)), [], []
    for model, pointing, own in zip(models, scene.pointings, unknowns, strict=True):
        truth = true_exposure(scene, pointing)
        pixel_map = grid.map_pixels(model.meta.wcs, truth.good.shape)
        y, x = np.indices(truth.good.shape).astype(np.float32)
        x, y = x - x[truth.good].mean(), y - y[truth.good].mean()
        variance, *slopes = (
            drizzle_tile(image, truth.good, pixel_map, min_coverage=0.5)
            for image in (truth.variance, x, y)[: len(own)]
        )
        rows, columns = np.nonzero(variance.weight > 0)
        weight = variance.weight[rows, columns] / variance.data[rows, columns].astype(float)
        terms = np.stack([np.ones(weight.size), *(tile.data[rows, columns] for tile in slopes)])
        normal[np.ix_(own, own)] += (terms * weight) @ terms.T
        keys = (rows + variance.y0) * 100_000 + columns + variance.x0
        cells.append((keys, weight, terms))
        some = tuple(np.argwhere(truth.good)[::199].T)
        samples.append((some[1], some[0], np.stack([np.ones(some[0].size), x[some], y[some]])))
    return normal - _of_sky(cells, unknowns, n), samples


def _of_sky(cells, unknowns, n):
    """Give the part of the normal matrix that the elimination of the sky takes away."""
    every = np.unique(np.concatenate([keys for keys, *_ in cells]))
    sums, total = np.zeros((n, every.size)), np.zeros(every.size)
    for (keys, weight, terms), own in zip(cells, unknowns, strict=True):
        place = np.searchsorted(every, keys)
        total[place] += weight
        for unknown, term in zip(own, terms, strict=True):
            sums[unknown, place] += weight * term
    return (sums / total) @ sums.T
