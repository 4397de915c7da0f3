"""The way from exposures to levels."""

from matplotlib import pyplot as plt

THINGS = (
    ("exposures", "data, DQ, errors, WCS"),
    ("tiles", "one of each exposure, on a shared grid"),
    ("means", "one of each stack"),
    ("levels", "one of each exposure"),
    ("metadata", "meta.background, meta.cal_step.skymatch"),
)
WAYS = (
    (
        "divide into groups, by metadata, and stacks, by footprints",
        "mask: DQ, limits, what is left out",
        "map pixels to cells by the WCS",
        "drizzle onto a cutout of the grid",
    ),
    (
        "compare pairs inside a stack, cell by cell",
        "solve: level and shift of each exposure in its stack",
        "leave out cells that most partners find too bright",
        "average tiles less their levels",
    ),
    (
        "compare pairs of stacks, cell by cell",
        "solve: level and shift of each stack",
        "add up: level of the stack, level in the stack",
    ),
    ("fix the free constant: the smallest level is zero", "or that of a reference"),
)
BOX, LINE, GAP = 1.0, 0.5, 0.35  # heights

figure, ax = plt.subplots(figsize=(7, 7.4), layout="constrained")
y = 0.0
for k, (name, what) in enumerate(THINGS):
    ax.add_patch(plt.Rectangle((0, y - BOX), 10, BOX, facecolor="#dbe7f3", edgecolor="#0b5fa5"))
    ax.text(0.3, y - BOX / 2, name, weight="bold", size=13, va="center")
    ax.text(3.0, y - BOX / 2, what, size=11, va="center")
    y -= BOX
    if k < len(WAYS):
        length = LINE * len(WAYS[k]) + 2 * GAP
        arrow = {"arrowstyle": "-|>", "linewidth": 1.5, "color": "#0b5fa5"}
        ax.annotate("", (1.2, y - length), (1.2, y), arrowprops=arrow)
        for i, way in enumerate(WAYS[k]):
            ax.text(1.8, y - GAP - LINE * (i + 0.5), way, size=11, va="center")
        y -= length
ax.set(xlim=(-0.1, 10.1), ylim=(y - 0.1, 0.1))
ax.axis("off")
