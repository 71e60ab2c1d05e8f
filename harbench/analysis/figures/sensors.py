"""Which sensors can be lost, as one picture: body, score against sensors lost, activities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from harbench.analysis.figures.dataset import outline
from harbench.analysis.figures.style import caption, new
from harbench.analysis.pairs import METRICS
from harbench.analysis.sensors import SensorScores, by_size, class_drops, most_hit, sensor_values
from harbench.discovery import title

WIDTH, HEIGHT = 7.2, 2.9
# Activities that can still be read in a panel of that height.
MOST_CLASSES = 20
COLOURS = "Blues"
# Points squared of a circle of the largest value, and of one that is worth nothing.
LARGEST, SMALLEST = 260.0, 50.0
# Metres within which two circles and their texts would cover each other.
TOGETHER = 0.17
# Metres: where texts begin, how far apart two of them are, and what is the middle of the body.
BESIDE, LINES, MIDDLE = 0.5, 0.22, 0.1
# So many names of sensors fit side by side.
LEVEL = 6


def sensor_map(methods: Sequence[SensorScores], metric: str = "f1_macro") -> Figure:
    """A row per method: Shapley values on the body, scores of sets by size, F1 lost by activity.

    Rows of one figure share their scales.
    """
    figure = new(WIDTH, HEIGHT * len(methods), len(methods), 3)
    figure.clear()
    grid = figure.add_gridspec(len(methods), 3, width_ratios=[1.0, 1.0, 1.25])
    values = [[value.mean for value in sensor_values(scores)] for scores in methods]
    drops = [class_drops(scores) for scores in methods]
    highest = max(map(max, values))
    most = max(float(np.nanmax(drop)) for drop in drops)
    lowest = min(float(scores.scores.mean(axis=0).min()) for scores in methods)
    for row, (scores, drop) in enumerate(zip(methods, drops, strict=True)):
        body, curve, heat = (figure.add_subplot(grid[row, column]) for column in range(3))
        _body(body, scores, highest)
        _curve(curve, scores, metric, lowest)
        _heat(heat, scores, drop, most)
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    n = len(methods[0].scores)
    caption(
        figure,
        f"Data {methods[0].dataset}; n = {n} seed{'s' if n > 1 else ''}. Left: what a sensor adds, "
        "averaged over all orders of adding them, ± standard error over seeds. Middle: scores of "
        "sets by their size; higher is better. Right: F1 of an activity with all sensors less "
        "without the one; lower is better.",
    )
    return figure


def _body(axes: Axes, scores: SensorScores, highest: float) -> None:
    """A circle per sensor, the larger and darker the more it is worth; the value beside it."""
    outline(axes, "0.85")
    axes.set_ylim(-1.0, 1.0)
    colours = sns.color_palette(COLOURS, as_cmap=True)
    places = _apart(scores.positions)
    for value, (x, y), (side, height) in zip(
        sensor_values(scores), places, _labels(places), strict=True
    ):
        share = max(0.0, value.mean / highest) if highest > 0 else 0.0
        size = SMALLEST + (LARGEST - SMALLEST) * share
        axes.scatter(x, y, s=size, color=colours(share), edgecolor="black", linewidth=0.7, zorder=3)
        error = "" if math.isnan(value.seed_error) else f" ± {value.seed_error:.1f}"
        axes.annotate(
            f"{value.sensor}\n{value.mean:.1f}{error}",
            (x, y),
            xytext=(BESIDE * side, height),
            fontsize=6,
            ha="right" if side < 0 else "left",
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.4", "linewidth": 0.6},
            zorder=2,
        )
    axes.set_title(
        f"{title(scores.method)}, {scores.dataset}:\nShapley values (points)", fontsize=7
    )


def _labels(places: Sequence[tuple[float, float]]) -> list[tuple[int, float]]:
    """On which side of the body (-1, 1) and at which height each place has its text.

    Texts of one side do not cover each other; what lies in the middle goes where there is room.
    """
    sides: dict[int, list[int]] = {-1: [], 1: []}
    for index in sorted(range(len(places)), key=lambda i: -abs(places[i][0])):
        x = places[index][0]
        fewer = min(sides, key=lambda side: (len(sides[side]), -side))
        sides[fewer if abs(x) < MIDDLE else int(math.copysign(1, x))].append(index)
    found = {}
    for side, members in sides.items():
        above = math.inf
        for index in sorted(members, key=lambda i: -places[i][1]):
            above = min(places[index][1], above - LINES)
            found[index] = (side, above)
    return [found[index] for index in range(len(places))]


def _apart(positions: Sequence[tuple[float, float, float]]) -> list[tuple[float, float]]:
    """Places in the picture, seen from the front; of sensors in one place one goes below another.

    The body's right is on the left of the picture.
    """
    found: list[tuple[float, float]] = []
    for right, _, up in positions:
        while any(abs(-right - x) < TOGETHER and abs(up - y) < TOGETHER for x, y in found):
            up -= TOGETHER / 4
        found.append((-right, up))
    return found


def _curve(axes: Axes, scores: SensorScores, metric: str, lowest: float) -> None:
    """Best, mean and worst set against the number of sensors lost."""
    sizes, means = by_size(scores), scores.scores.mean(axis=0)
    lost = [size.lost for size in sizes]
    best, worst = ([means[getattr(size, end)] for size in sizes] for end in ("best", "worst"))
    axes.fill_between(lost, worst, best, color="0.9", linewidth=0)
    lines = {"best set": (best, "^", "-"), "mean": ([s.mean for s in sizes], "o", "--"),
             "worst set": (worst, "v", "-")}  # fmt: skip
    for (name, (line, marker, dashes)), colour in zip(
        lines.items(), sns.color_palette("colorblind", 3), strict=True
    ):
        axes.plot(lost, line, marker=marker, linestyle=dashes, color=colour, markersize=4,
                  linewidth=1, label=name)  # fmt: skip
    axes.set(xlabel="sensors lost", ylabel=f"{METRICS[metric]} (%)")
    axes.set_ylim(max(0.0, math.floor(lowest / 10) * 10.0 - 5), 100)
    axes.set_xticks(lost)
    axes.grid(linewidth=0.5)
    axes.legend(frameon=False, fontsize=6, loc="lower left")


def _heat(axes: Axes, scores: SensorScores, drops: np.ndarray, most: float) -> None:
    """Points of F1 that each activity loses with each sensor; the least hit ones are left out."""
    order = most_hit(drops)[:MOST_CLASSES]
    shown = drops[order]
    text = np.array([[f"{v:.0f}" if np.isfinite(v) and abs(v) >= 0.5 else "" for v in row]
                     for row in shown])  # fmt: skip
    sns.heatmap(
        shown,
        ax=axes,
        cmap=COLOURS,
        vmin=0,
        vmax=max(most, 1.0),
        annot=text,
        fmt="",
        annot_kws={"size": 5},
        xticklabels=scores.sensors,
        yticklabels=[scores.classes[index] for index in order],
        cbar=False,
        linewidths=0.3,
    )
    left = len(drops) - len(order)
    axes.set_title("F1 lost (points) without the sensor", fontsize=7)
    axes.set_xlabel(f"{left} activities that lose less are left out" if left else "")
    axes.tick_params(axis="y", labelsize=5, rotation=0)
    axes.tick_params(axis="x", labelsize=6, rotation=30 if len(scores.sensors) <= LEVEL else 90)
