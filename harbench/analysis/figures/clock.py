"""A repaired clock as a picture: stamps as they come, the even clock, the signal on both."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from harbench.analysis.figures.style import new

AROUND = 4.0
AXES = 3


def clock(
    name: str,
    stamps: NDArray[np.float64],
    times: NDArray[np.float64],
    values: NDArray[np.float64],
) -> Figure:
    """Three panels over the seconds around the stamp that is latest.

    name: the series. stamps, times: (S,) seconds, as they come and repaired. values: (S, V), of
    which the first three are drawn. Above: which sample came when; below: the signal on both.
    """
    middle = times[int(np.argmax(stamps - times))]
    begin = float(stamps[0])
    shown = (np.abs(times - middle) < AROUND) | (np.abs(stamps - middle) < AROUND)
    figure = new(6.0, 4.6, 3, 1)
    samples, raw, repaired = figure.axes
    number = np.flatnonzero(shown)
    samples.plot(
        stamps[shown] - begin, number, "o", markersize=2, color="C1", label="stamps as they come"
    )
    samples.plot(times[shown] - begin, number, linewidth=0.8, color="C0", label="repaired clock")
    samples.set_ylabel("sample")
    samples.legend(loc="lower right", frameon=False)
    late = 1000 * (stamps - times)
    samples.set_title(f"{name}: stamps up to {late.max():,.0f} ms late")
    _signal(raw, stamps[shown] - begin, values[shown], "by the stamps")
    _signal(repaired, times[shown] - begin, values[shown], "repaired")
    for axes in (samples, raw, repaired):
        axes.set_xlim(middle - begin - AROUND, middle - begin + AROUND)
    repaired.set_xlabel("seconds of the series")
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure


def _signal(axes: Axes, time: NDArray[np.float64], values: NDArray[np.float64], title: str) -> None:
    for column in values.T[:AXES]:
        axes.plot(time, column, linewidth=0.7)
    axes.set_ylabel(title)
