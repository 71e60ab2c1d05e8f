"""Names written beside what they name, instead of in a legend, none over another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Affine2D, Bbox

from harbench.analysis.figures.style import Look
from harbench.discovery import title

FONT = 6.5
# Points between two lines of that size; width of a character in points.
LINE, CHARACTER = 8.0, 3.4
INCH = 72.0
# Of a panel's inches its axis.
AXIS = 0.75
# Where a name may stand around its point, in points, and how it is aligned there.
PLACES = (
    *((6, 0, "left", "center"), (-6, 0, "right", "center")),
    *((0, 6, "center", "bottom"), (0, -6, "center", "top")),
    *((5, 6, "left", "bottom"), (5, -6, "left", "top")),
    *((-5, 6, "right", "bottom"), (-5, -6, "right", "top")),
    *((14, 12, "left", "bottom"), (14, -12, "left", "top")),
    *((-14, 12, "right", "bottom"), (-14, -12, "right", "top")),
)


def apart(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the values, in their order and at least `gap` apart, between low and high.

    Where there is no room for all of them they reach below `low`.
    """
    order = np.argsort(values, kind="stable")
    places = np.array(values, dtype=float)
    before = low - gap
    for index in order:
        before = places[index] = max(places[index], before + gap)
    after = high + gap
    for index in order[::-1]:
        after = places[index] = min(places[index], after - gap)
    return [float(place) for place in places]


def room(names: Iterable[str]) -> float:
    """Inches that the names at the ends of lines take."""
    return 0.25 + CHARACTER * max((len(title(name)) for name in names), default=0) / INCH


def height(lines: int, least: float) -> float:
    """Inches of a panel beside which the names of so many lines stand apart."""
    return max(least, LINE * lines / INCH / AXIS)


def label_ends(
    axes: Axes, ends: Mapping[str, tuple[float, float]], looks: Mapping[str, Look], control: str
) -> None:
    """Write each row's name right of the panel, joined with the end (x, y) of its line.

    The panel's limits must be set.
    """
    if not ends:
        return
    low, high = axes.get_ylim()
    figure = axes.figure
    rows = axes.get_subplotspec().get_gridspec().nrows  # type: ignore[union-attr]
    tall = AXIS * figure.get_figheight() / rows * INCH  # type: ignore[union-attr]
    gap = (high - low) * LINE / tall
    places = apart([y for _, y in ends.values()], gap, low, high)
    for (name, (x, y)), place in zip(ends.items(), places, strict=True):
        axes.text(
            1.04, place, title(name), transform=axes.get_yaxis_transform(), fontsize=FONT,
            fontweight="bold" if name == control else "normal", va="center", parse_math=False,
        )  # fmt: skip
        # Whole under the marker: cutting the ends of arrows took most of the time of a figure.
        arrow = {"arrowstyle": "-", "color": looks[name]["color"], "linewidth": 0.6,
                 "linestyle": ":",  # solid it would look like more of the line
                 "shrinkA": 0, "shrinkB": 0}  # fmt: skip
        axes.annotate(
            "", (x, y), (1.03, place), textcoords=("axes fraction", "data"),
            annotation_clip=False, arrowprops=arrow, zorder=1,
        )  # fmt: skip


def label_points(
    axes: Axes,
    points: Mapping[str, tuple[float, float]],
    control: str,
    path: Sequence[tuple[float, float]] = (),
) -> None:
    """Write each row's name beside its point (x, y), where it covers no other name or point.

    path: corners of a line of horizontal and vertical pieces that no name should cover either.
    """
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    scale = INCH / axes.figure.dpi
    inside = axes.get_window_extent().transformed(Affine2D().scale(scale))
    at = {name: scale * axes.transData.transform(point) for name, point in points.items()}
    taken = [Bbox.from_bounds(x - 3, y - 3, 6, 6) for x, y in at.values()]
    corners = [scale * axes.transData.transform(point) for point in path]
    for (x, y), (u, v) in pairwise(corners):
        taken.append(Bbox.from_extents(min(x, u), min(y, v), max(x, u) + 2, max(y, v) + 2))
    for name, (x, y) in at.items():
        text = title(name)
        boxes = [_box(x + dx, y + dy, text, ha, va) for dx, dy, ha, va in PLACES]
        # The own point, and what leaves the panel, count like other names.
        costs = [
            sum(_common(box, other) for other in taken) + 4 * _outside(box, inside) for box in boxes
        ]
        best = int(np.argmin(costs))
        taken.append(boxes[best])
        dx, dy, ha, va = PLACES[best]
        led = abs(dx) > INCH / 6 or _nearest(boxes[best], at) != name
        axes.annotate(
            text, points[name], (dx, dy), textcoords="offset points", ha=ha, va=va, fontsize=FONT,
            fontweight="bold" if name == control else "normal", parse_math=False,
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.5}
            if led else None,
        )  # fmt: skip


def _box(x: float, y: float, text: str, ha: str, va: str) -> Bbox:
    wide = CHARACTER * len(text)
    left = {"left": x, "center": x - wide / 2, "right": x - wide}[ha]
    low = {"bottom": y, "center": y - LINE / 2, "top": y - LINE}[va]
    return Bbox.from_bounds(left, low, wide, LINE)


def _nearest(box: Bbox, points: Mapping[str, np.ndarray]) -> str:
    """Whose point lies nearest to a box."""

    def far(name: str) -> float:
        x, y = points[name]
        return float(np.hypot(max(box.x0 - x, 0, x - box.x1), max(box.y0 - y, 0, y - box.y1)))

    return min(points, key=far)


def _common(one: Bbox, other: Bbox) -> float:
    """The area that two boxes share."""
    shared = Bbox.intersection(one, other)
    return float(shared.width * shared.height) if shared else 0.0


def _outside(box: Bbox, inside: Bbox) -> float:
    """The area of a box that lies outside another."""
    return float(box.width * box.height) - _common(box, inside)
