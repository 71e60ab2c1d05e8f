"""Learning curves: macro-F1 on validation windows along the steps of a stage."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from harbench.analysis.figures.style import COLUMN, caption, keep, new
from harbench.discovery import title
from harbench.errors import HarbenchError

COLUMNS = 3
TITLE = 32


@dataclass(frozen=True)
class Line:
    """One training on a dataset.

    steps, f1: where validation windows were scored, and macro-F1 (0 to 1) there.
    chosen: which of them patience would choose. end: the step at which it would end the training.
    """

    name: str
    dataset: str
    steps: Sequence[int]
    f1: Sequence[float]
    chosen: int
    end: int

    @property
    def lost(self) -> float:
        """How much better the best of all steps is."""
        return max(self.f1) - self.f1[self.chosen]


def learning(lines: Sequence[Line], budget: str = "long") -> Figure:
    """A panel per method, a line per training; what patience would have made of each.

    A dot is the chosen step, a vertical line the end; behind the title the points of macro-F1 that
    each training loses by ending there, where one goes on.
    """
    if not lines:
        raise HarbenchError(
            "There is no learning curve of this budget; run: harbench tune --budget long --grid ..."
        )
    names = sorted({line.name for line in lines}, key=title)
    goes_on = any(line.end < line.steps[-1] for line in lines)
    columns = min(COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    figure = new(max(COLUMN * 1.3, COLUMN * 0.85 * columns), 1.9 * rows + 0.7, rows, columns)
    for axes, name in zip(figure.axes, names, strict=False):
        mine = [line for line in lines if line.name == name]
        for index, line in enumerate(mine):
            colour = f"C{index}"
            f1 = 100 * np.array(line.f1)
            axes.plot(line.steps, f1, color=colour, linewidth=0.6)
            axes.plot(line.steps[line.chosen], f1[line.chosen], "o", color=colour, markersize=3)
            axes.axvline(line.end, color=colour, linewidth=0.6, linestyle="--")
        lost = ", ".join(f"{100 * line.lost:.1f}" for line in mine)
        words = f"{title(name)} ({lost})" if goes_on else title(name)
        axes.set(title="\n".join(textwrap.wrap(words, TITLE)), xlabel="steps")
        axes.locator_params(axis="x", nbins=5)
        axes.set_ylabel("macro F1 (%)")
    keep(figure, len(names))
    data = ", ".join(sorted({line.dataset for line in lines}))
    ends = "would end" if goes_on else "ends"
    lost = " In brackets: points lost by that, one number per line." if goes_on else ""
    caption(
        figure,
        f"Data {data}; budget {budget}. Macro F1 on validation windows along the last stage; a "
        f"line is a training. Dot: the chosen step; dashed: where patience {ends} the stage."
        f"{lost} Higher is better.",
    )
    return figure
