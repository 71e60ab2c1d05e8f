"""A dataset as a picture: its sensors on a body, and a window of every class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.text import Text

from harbench.analysis.figures.style import new

COLUMNS = 4
# Standard deviations between bands; metres within which sensors count as in one place.
BAND, TOGETHER = 6.0, 0.04
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
    channels: Sequence[str],
) -> Figure:
    """The body on the left, windows on the right; parts that are missing are shaded.

    sensors: name -> metres from the pelvis (right, forward, up). shown: the sensor that the windows
    are of. Every channel is in standard deviations from its mean over all windows drawn. Channels
    of one kind (what stands before the last underscore: acc, gyr, mag) share a band, three lines
    at most in each; the bands lie one above the other. Texts are drawn as they are, without
    mathematics.
    """
    columns = min(COLUMNS, len(examples))
    rows = -(-len(examples) // columns)
    bands = kinds(channels)
    height = max(3.2, (0.6 + 0.5 * len(bands)) * rows)
    figure = new(3.0 + 2.0 * columns, height, 1, 1)
    figure.clear()
    grid = figure.add_gridspec(rows, columns + 1, width_ratios=[1.5] + [1] * columns)
    body = figure.add_subplot(grid[:, 0])
    _body(body, sensors)
    figure.suptitle(title, fontsize=8)
    centre, spread = _spread(np.concatenate([example.values for example in examples]))
    first: Axes | None = None
    for index, example in enumerate(examples):
        row, column = divmod(index, columns)
        axes = figure.add_subplot(grid[row, 1 + column], sharex=first, sharey=first)
        first = first or axes
        _window(axes, example.name, (example.values - centre) / spread, rate, bands)
        last = row == rows - 1
        axes.tick_params(labelsize=5, labelbottom=last, labelleft=column == 0)
        if last:
            axes.set_xlabel("s", fontsize=6)
        axes.set_yticks([-BAND * band for band in range(len(bands))], list(bands))
        axes.set_ylim(-BAND * (len(bands) - 0.5), BAND / 2)
    assert first is not None, "a dataset has classes"
    most = max(bands.values(), key=len)
    figure.legend(
        first.lines[: len(most)] if len(bands) == 1 else _lines(first, bands, most),
        [channels[index] if len(bands) == 1 else axis_name(channels[index]) for index in most],
        loc="outside lower center",
        ncols=len(most),
        fontsize=6,
        title=f"{shown}; a band is {BAND:g} standard deviations high",
        title_fontsize=6,
    )
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure


def kinds(channels: Sequence[str]) -> dict[str, list[int]]:
    """Kind -> indices of its channels; all in one where the names tell no kinds apart."""
    found: dict[str, list[int]] = {}
    for index, channel in enumerate(channels):
        found.setdefault(channel.rpartition("_")[0], []).append(index)
    if "" in found or len(found) == len(channels):
        return {"s.d.": list(range(len(channels)))}
    return found


def axis_name(channel: str) -> str:
    """What stands after the kind: x of acc_x."""
    return channel.rpartition("_")[2]


def _lines(axes: Axes, bands: Mapping[str, list[int]], most: list[int]) -> list[Line2D]:
    drawn = [index for members in bands.values() for index in members]
    return [axes.lines[drawn.index(index)] for index in most]


def _places(
    sensors: Mapping[str, tuple[float, float, float]],
) -> dict[tuple[float, float], list[str]]:
    """(right, up), metres -> the sensors there, seen from the front; one label serves them all."""
    found: dict[tuple[float, float], list[str]] = {}
    for name, (right, _, up) in sensors.items():
        near = [p for p in found if abs(p[0] - right) < TOGETHER and abs(p[1] - up) < TOGETHER]
        found.setdefault(near[0] if near else (right, up), []).append(name)
    return found


def outline(axes: Axes, grey: str = "0.75") -> None:
    """Draw a standing person from the front, metres from the pelvis, without axes."""
    for limb in LIMBS:
        axes.plot(*zip(*limb, strict=True), color=grey, linewidth=5, solid_capstyle="round")
    axes.add_patch(Circle((0.0, 0.62), 0.12, color=grey))
    axes.set(xlim=(-0.95, 0.95), ylim=(-1.0, 0.85), aspect="equal")
    axes.axis("off")


def _body(axes: Axes, sensors: Mapping[str, tuple[float, float, float]]) -> None:
    outline(axes)
    for (right, up), names in _places(sensors).items():
        # Seen from the front, so the body's right is on the left of the picture.
        axes.plot(-right, up, "o", color="C1", markersize=5)
        outwards = -1 if right > 0 else 1
        axes.annotate(
            ", ".join(names),
            (-right, up),
            xytext=(5 * outwards, 2),
            textcoords="offset points",
            fontsize=6,
            ha="right" if right > 0 else "left",
        )


def _spread(values: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel of (S, C), 0 and 1 where there is none."""
    present = [column[np.isfinite(column)] for column in values.T]
    centre = [float(column.mean()) if len(column) else 0.0 for column in present]
    spread = [float(column.std()) if len(column) else 0.0 for column in present]
    return centre, [value or 1.0 for value in spread]


def _window(
    axes: Axes, name: str, values: np.ndarray, rate: float, bands: Mapping[str, list[int]]
) -> None:
    time = np.arange(len(values)) / rate
    for band, members in enumerate(bands.values()):
        missing = np.isnan(values[:, members]).any(axis=1)
        low, high = -BAND * (band + 0.5), -BAND * (band - 0.5)
        axes.fill_between(time, low, high, where=missing, color="0.85", step="mid", linewidth=0)
        lines = np.clip(values[:, members], -BAND / 2, BAND / 2) - BAND * band
        for colour, line in enumerate(lines.T):
            axes.plot(time, line, linewidth=0.7, color=f"C{colour}")
    axes.set_title(name, fontsize=6, pad=2)
