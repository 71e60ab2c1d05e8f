"""What masked pre-training rebuilds: original, masked part, reconstruction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from harbench.analysis.figures.style import COLUMN, new


def reconstruction(
    original: np.ndarray,
    rebuilt: Mapping[str, tuple[np.ndarray, np.ndarray]],
    rate: float,
    title: str,
) -> Figure:
    """A panel per scale with one signal that is masked there.

    original: (T, N, C) standardised. rebuilt: scale -> mask and reconstruction, both (T, N, C).
    rate: Hz. The masked part is shaded; the error is over all masked values.
    """
    figure = new(COLUMN * len(rebuilt) * 0.75, 1.9, 1, len(rebuilt))
    time = np.arange(len(original)) / rate
    for axes, (scale, (mask, values)) in zip(figure.axes, rebuilt.items(), strict=True):
        # The signal with the most masked steps; of equals the one that varies most.
        weight = mask.sum(axis=0) * 1e3 + original.std(axis=0)
        sensor, channel = np.unravel_index(np.argmax(weight), weight.shape)
        hidden = mask[:, sensor, channel]
        axes.fill_between(
            time, 0, 1, where=hidden, transform=axes.get_xaxis_transform(), color="0.88", step="mid"
        )
        axes.plot(time, original[:, sensor, channel], color="black", linewidth=1, label="original")
        shown = np.where(hidden, values[:, sensor, channel], np.nan)
        axes.plot(time, shown, color="C1", linewidth=1.2, linestyle="--", label="reconstruction")
        error = np.abs(original - values)[mask].mean()
        axes.set_title(f"{scale}: sensor {sensor}, channel {channel}\nmean error {error:.2f} s.d.")
        axes.set(xlabel="time (s)")
    figure.axes[0].set_ylabel(f"{title} (s.d.)")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    return figure
