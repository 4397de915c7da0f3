"""The matrix of the mixed model equations of a small mosaic."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import LogNorm
from scipy import sparse

from jwst_mosaic_simulation import Imperfections, compose_scene, mosaic_pointings, simulate_models
from jwst_mosaic_skymatch.compute.executors import open_workers
from jwst_mosaic_skymatch.exposures.library import open_input
from jwst_mosaic_skymatch.levels.equations import Unknowns, build_equations
from jwst_mosaic_skymatch.run import match_library
from jwst_mosaic_skymatch.stacking import pair_shares
from jwst_mosaic_skymatch.step import PixelSkyMatchStep
from jwst_mosaic_skymatch.tiles.mean import mean_shares

SIGMAS = {"visit gradient": 0.002, "exposure gradient": 0.002}  # MJy/sr per cell and axis


def match(models):
    """Match models with the parameters of the step."""
    parameters = PixelSkyMatchStep().get_pars()
    with open_workers() as workers, TemporaryDirectory() as directory:
        step_input = open_input(models, on_disk=False, own_models=list)
        return match_library(step_input, parameters, workers, directory).match


def shares_of(matched, n):
    """Build the matrix of the shares of exposures in pairs inside stacks, then of stacks."""
    between = np.zeros((len(matched.stack_pairs), n))
    for row, pair in zip(between, matched.stack_pairs, strict=True):
        ends = [matched.stacks[k] for k in (pair.measurement.first, pair.measurement.second)]
        for sign, own, other in ((1.0, *ends), (-1.0, *ends[::-1])):
            row[list(own.members)] = sign * mean_shares(own.coverage, other.summary.coverage)
    inside = pair_shares(n, [pair.measurement for pair in matched.exposure_pairs])
    return sparse.vstack([inside, between], format="csr")


def normal_matrix(matched, family_of):
    """Build C with levels and gradients; the second value has the ends of its three blocks."""
    pairs = [*matched.exposure_pairs, *matched.stack_pairs]
    n = len(family_of)
    centres = np.zeros((n, 2))
    for stack in matched.stacks:
        centres[list(stack.members)] = [frame.centre for frame in stack.frames]
    unknowns = Unknowns(np.arange(n), family_of, np.arange(n), centres, np.full(n, np.nan))
    variances = np.array([(pair.error**2, 1.0) for pair in pairs])
    equations = build_equations(
        [pair.measurement for pair in pairs], shares_of(matched, n), variances, unknowns
    )
    blocks = [slice(0, n), *(equations.columns[name] for name in SIGMAS)]
    precision = np.zeros(equations.design.shape[1])
    for name, sigma in SIGMAS.items():
        precision[equations.columns[name]] = sigma**-2
    normal = (equations.design.T @ equations.design).toarray() + np.diag(precision)
    chosen = np.concatenate([np.arange(block.start, block.stop) for block in blocks])
    return normal[np.ix_(chosen, chosen)], np.cumsum([0, *(b.stop - b.start for b in blocks)])


scene = compose_scene(
    "matrix",
    mosaic_pointings(5, 1, overlap=0.3, dithers=3, visit_per_tile=True),
    binning=8,
    seed=1,
    imperfections=Imperfections(visit_gradient_rms=0.05, exposure_gradient_rms=0.02),
)
visits = [pointing.visit_id for pointing in scene.pointings]
matched = match(simulate_models(scene))
matrix, ends = normal_matrix(matched, np.unique(visits, return_inverse=True)[1])

root = np.sqrt(np.diag(matrix))
size = np.abs(matrix / np.outer(root, root))
figure, ax = plt.subplots(figsize=(6.2, 5.6), layout="constrained")
image = ax.imshow(
    np.where(size > 1e-4, size, np.nan),
    norm=LogNorm(1e-4, 1.0),
    cmap="Blues",
    interpolation="nearest",
)
for end in ends[1:-1]:
    ax.axhline(end - 0.5, color="#b3261e", linewidth=1.2)
    ax.axvline(end - 0.5, color="#b3261e", linewidth=1.2)
names = ("levels", "gradients\nof visits", "gradients of exposures\nalong x, and along y")
middles = 0.5 * (ends[:-1] + ends[1:]) - 0.5
ax.set_xticks(middles, names)
ax.set_yticks(middles, names, rotation=90, va="center")
ax.tick_params(length=0)
figure.colorbar(image, label=r"$|C_{kl}|\,/\,\sqrt{C_{kk}\,C_{ll}}$", shrink=0.8)
figure.savefig(Path(__file__).parents[1] / "images" / "matrix.png", dpi=120)
