"""A dataset as a picture: its sensors on a body, and a window of every class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from harbench.analysis.figures.style import new

COLUMNS = 4
# A standing person from the front: right and up of the pelvis, metres.
LIMBS = (
    ((0.0, 0.45), (0.0, 0.0)),
    ((-0.20, 0.40), (0.20, 0.40)),
    ((-0.20, 0.40), (-0.30, 0.15), (-0.35, -0.10)),
    ((0.20, 0.40), (0.30, 0.15), (0.35, -0.10)),
    ((-0.12, 0.0), (0.12, 0.0)),
    ((-0.12, 0.0), (-0.14, -0.45), (-0.15, -0.90)),
    ((0.12, 0.0), (0.14, -0.45), (0.15, -0.90)),
)


@dataclass(frozen=True)
class Example:
    """One window of a class: values (T, C) of one sensor, NaN where missing."""

    name: str
    values: np.ndarray


def show(
    title: str,
    sensors: Mapping[str, tuple[float, float, float]],
    examples: list[Example],
    rate: float,
    shown: str,
) -> Figure:
    """The body on the left, windows on the right; parts that are missing are shaded.

    sensors: name -> metres from the pelvis (right, forward, up). shown: what the windows are of.
    """
    rows = -(-len(examples) // COLUMNS)
    figure = new(11.0, max(3.2, 1.1 * rows), 1, 1)
    figure.clear()
    grid = figure.add_gridspec(rows, COLUMNS + 1, width_ratios=[1.5] + [1] * COLUMNS)
    body = figure.add_subplot(grid[:, 0])
    _body(body, sensors)
    body.set_title(title, fontsize=7)
    for index, example in enumerate(examples):
        axes = figure.add_subplot(grid[index // COLUMNS, 1 + index % COLUMNS])
        _window(axes, example, rate)
        if index // COLUMNS < rows - 1:
            axes.set_xticklabels([])
        else:
            axes.set_xlabel("s", fontsize=6)
    figure.supxlabel(shown, fontsize=7)
    return figure


def _body(axes: Axes, sensors: Mapping[str, tuple[float, float, float]]) -> None:
    for limb in LIMBS:
        axes.plot(*zip(*limb, strict=True), color="0.75", linewidth=5, solid_capstyle="round")
    axes.add_patch(Circle((0.0, 0.62), 0.12, color="0.75"))
    for name, (right, _, up) in sensors.items():
        # Seen from the front, so the body's right is on the left of the picture.
        axes.plot(-right, up, "o", color="C1", markersize=5)
        axes.annotate(name, (-right, up), xytext=(4, 2), textcoords="offset points", fontsize=6)
    axes.set(xlim=(-0.75, 0.75), ylim=(-1.0, 0.85), aspect="equal")
    axes.axis("off")


def _window(axes: Axes, example: Example, rate: float) -> None:
    time = np.arange(len(example.values)) / rate
    missing = np.isnan(example.values).any(axis=1)
    axes.fill_between(
        time, 0, 1, where=missing, transform=axes.get_xaxis_transform(), color="0.85", step="mid"
    )
    axes.plot(time, example.values, linewidth=0.7)
    axes.set_title(example.name, fontsize=6, pad=2)
    axes.tick_params(labelsize=5)
