"""Two exposures with different backgrounds, and their differences cell by cell."""

import numpy as np
from jwst.skymatch import SkyMatchStep
from matplotlib import pyplot as plt
from matplotlib.colors import AsinhNorm

from jwst_mosaic_simulation import (
    Cirrus,
    Galaxy,
    StarCounts,
    compose_scene,
    mosaic_pointings,
    simulate_models,
)
from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.exposures.models import borrowed, read_footprint
from jwst_mosaic_skymatch.exposures.pixels import good_bits, good_pixels
from jwst_mosaic_skymatch.tiles.grid import shared_grid
from jwst_mosaic_skymatch.tiles.tile import drizzle_tile
from jwst_mosaic_skymatch.tiles.windows import BLOCK_CELLS

RANGE = 1.0  # of differences in colour, MJy/sr


def measured_offset(step, models):
    """Compute the difference of the levels of two models by a step."""
    levels = []
    with step.run([model.copy() for model in models]) as library:
        for k in range(2):
            with borrowed(library, k) as model:
                levels.append(model.meta.background.level)
    return levels[0] - levels[1]


def drizzle(models):
    """Drizzle exposures onto one grid."""
    first = models[0]
    footprints = [read_footprint(model.meta.wcsinfo.s_region) for model in models]
    grid = shared_grid(footprints, first.meta.wcs, first.data.shape, 2.2)
    bits = good_bits("~DO_NOT_USE+NON_SCIENCE")
    for model in models:
        good = good_pixels(model.data, model.dq, good_bits=bits)
        pixel_map = grid.map_pixels(model.meta.wcs, good.shape)
        tile = drizzle_tile(model.data, good, pixel_map)
        image = np.full(np.add(grid.wcs.array_shape, BLOCK_CELLS), np.nan)
        x_min, x_max, y_min, y_max = tile.bounds
        image[y_min:y_max, x_min:x_max] = tile.data
        yield image


scene = compose_scene(
    "pair",
    mosaic_pointings(2, 1, overlap=0.5, visit_per_tile=True),
    components=(Galaxy(6.0, 15.0), Cirrus(0.5, 0.8)),
    stars=StarCounts(800, flux=15.0),
    binning=4,
    seed=1,
)
models = simulate_models(scene)
true = np.subtract(*(scene.levels[pointing.rootname] for pointing in scene.pointings))
ours = measured_offset(PixelSkyMatchStep(), models)
stock = measured_offset(SkyMatchStep(), models)
images = list(drizzle(models))
difference = images[0] - images[1]

figure = plt.figure(figsize=(10, 7), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(2.1, 1.0))
panels = above.subplots(2, 2)
sky = np.nanpercentile(images, 10)
brightness = AsinhNorm(linear_width=0.5, vmin=-1.0, vmax=10.0)
titles = ("First exposure", "Second exposure", "First minus second", "Minus the offset")
for panel, image, title in zip(
    panels.flat, (*images, difference, difference - ours), titles, strict=True
):
    if title.endswith("exposure"):
        style = {"norm": brightness, "cmap": "magma"}
        image = image - sky
    else:
        style = {"vmin": -RANGE, "vmax": RANGE, "cmap": "RdBu_r"}
    panel.imshow(image, origin="lower", interpolation="nearest", **style)
    panel.set(title=title, xticks=[], yticks=[], facecolor="0.8")
for row, label, ticks in zip(
    panels,
    ("MJy/sr above the sky", "difference, MJy/sr"),
    ((-1, 0, 1, 3, 10), (-RANGE, 0, RANGE)),
    strict=True,
):
    bar = above.colorbar(row[0].images[0], ax=row, label=label, extend="both")
    bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])

ax = below.subplots()
ax.hist(difference.ravel(), bins=np.linspace(true - 0.5, true + 0.5, 101), color="0.7")
for value, colour, style, name in (
    (true, "black", "-", "true offset"),
    (ours, "#0b5fa5", "--", "PixelSkyMatchStep"),
    (stock, "#b3261e", "-.", "SkyMatchStep"),
):
    ax.axvline(value, color=colour, linestyle=style, label=f"{name}: {value:.3f}")
ax.set(xlabel="difference of a cell, MJy/sr", ylabel="cells")
ax.legend()
