"""Effect of gradients on levels: a row of four exposures, in one dimension, without noise."""

import numpy as np
from matplotlib import pyplot as plt

WIDTH, STEP = 1.0, 0.8  # width of an exposure, and distance of neighbours
LEVELS = np.array([0.3, 1.1, 0.1, 0.7])  # at the middle of each exposure
SLOPES = np.array([0.5, -0.1, 0.1, 0.4])

middles = STEP * np.arange(LEVELS.size)
inside = np.linspace(-WIDTH / 2, WIDTH / 2, 101)
backgrounds = LEVELS[:, None] + SLOPES[:, None] * inside

# Offsets in the overlaps of neighbours, and the constants by least squares.
place = STEP / 2
offsets = (LEVELS + SLOPES * place)[:-1] - (LEVELS - SLOPES * place)[1:]
pairs = np.eye(4)[:-1] - np.eye(4)[1:]
constants = np.linalg.pinv(pairs) @ offsets

common = np.median(SLOPES)  # remains: no overlap constrains it
panels = (
    ("As observed", backgrounds - LEVELS.mean()),
    ("Constants subtracted", backgrounds - LEVELS.mean() - constants[:, None]),
    ("Constants and gradients subtracted", common * (middles[:, None] - middles.mean() + inside)),
)

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True, layout="constrained")
colours = ("#0b5fa5", "#b3261e", "#4d7c0f", "#6b3fa0")
for ax, (title, curves) in zip(axes, panels, strict=True):
    for middle, curve, colour in zip(middles, curves, colours, strict=True):
        ax.plot(middle + inside, curve, color=colour, linewidth=2)
        ax.plot(middle, curve[50], "o", color=colour)
    ax.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    ax.set(title=title, xlabel="place, widths of an exposure")
axes[0].set_ylabel("background, arbitrary")
