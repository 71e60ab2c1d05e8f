"""Training faults against test faults, one heat map per method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from harbench.analysis.figures.style import caption, new
from harbench.analysis.pairs import METRICS
from harbench.analysis.transfer import Transfer
from harbench.discovery import title

CELL = 0.42, 0.24


def transfer_maps(matrices: Sequence[Transfer], about: str, metric: str = "f1_macro") -> Figure:
    """Side by side on one scale of colours, values written in; the best of each test is bold.

    about: data, protocol, budget and seeds, in words: what the caption begins with.
    """
    first = matrices[0]
    width = 1.1 + len(matrices) * (0.3 + CELL[0] * len(first.conditions)) + 0.6
    figure = new(width, 1.2 + CELL[1] * len(first.faults), columns=len(matrices))
    limits = [f([f(m.mean) for m in matrices]) for f in (np.nanmin, np.nanmax)]
    for axes, found in zip(figure.axes, matrices, strict=True):
        sns.heatmap(
            found.mean,
            ax=axes,
            cmap="Blues",
            vmin=limits[0],
            vmax=limits[1],
            annot=True,
            fmt=".1f",
            annot_kws={"size": 6},
            linewidths=0.5,
            xticklabels=found.titles,
            yticklabels=found.faults if axes is figure.axes[0] else False,
            cbar=False,
        )
        # seaborn writes the cells that have a value, row by row.
        for text, best in zip(axes.texts, found.best()[~np.isnan(found.mean)], strict=True):
            text.set_fontweight("bold" if best else "normal")
        axes.set(title=title(found.method), xlabel=found.tested)
        axes.tick_params(axis="x", labelrotation=45, labelsize=6)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
        axes.tick_params(axis="y", labelrotation=0, labelsize=6)
    figure.axes[0].set_ylabel("trained with")
    colours = figure.axes[0].collections[0]
    bar = figure.colorbar(colours, ax=figure.axes, label=f"{METRICS[metric]} (%)", shrink=0.9)
    bar.outline.set_visible(False)
    caption(figure, f"{about} Means; bold: the best training of a test. Higher is better.")
    return figure
