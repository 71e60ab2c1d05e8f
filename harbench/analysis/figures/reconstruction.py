"""What masked pre-training rebuilds: original, masked part, reconstruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from harbench.analysis.figures.style import COLUMN, caption, new

REBUILT = "#D55E00"


def reconstruction(
    original: np.ndarray,
    rebuilt: Mapping[str, tuple[np.ndarray, np.ndarray]],
    rate: float,
    title: str,
    sensors: Sequence[str],
    channels: Sequence[str],
    about: str = "",
) -> Figure:
    """A panel per scale with one signal that is masked there.

    original: (T, N, C) standardised. rebuilt: scale -> mask and reconstruction, both (T, N, C).
    rate: Hz. sensors, channels: their names (N,), (C,). about: what the caption begins with. The
    masked part is shaded; the error is over all masked values.
    """
    figure = new(max(COLUMN * 1.5, 0.8 * COLUMN * len(rebuilt)), 2.5, 1, len(rebuilt))
    time = np.arange(len(original)) / rate
    for axes, (scale, (mask, values)) in zip(figure.axes, rebuilt.items(), strict=True):
        # The signal with the most masked steps; of equals the one that varies most.
        weight = mask.sum(axis=0) * 1e3 + original.std(axis=0)
        sensor, channel = np.unravel_index(np.argmax(weight), weight.shape)
        hidden = mask[:, sensor, channel]
        axes.fill_between(
            time, 0, 1, where=hidden, transform=axes.get_xaxis_transform(), color="0.88", step="mid"
        )
        axes.plot(time, original[:, sensor, channel], color="black", linewidth=1)
        shown = np.where(hidden, values[:, sensor, channel], np.nan)
        axes.plot(time, shown, color=REBUILT, linewidth=1.4, linestyle="--")
        error = np.abs(original - values)[mask].mean()
        axes.set_title(
            f"{scale}: {sensors[int(sensor)]}, {channels[int(channel)]}\n"
            f"mean error {error:.2f} s.d."
        )
        axes.set(xlabel="time (s)")
    figure.axes[0].set_ylabel(f"{title} (s.d.)")
    shown_as = (
        "Black: the standardised signal; shaded: what was masked; dashed: what was rebuilt of it. "
        "The error is over all masked values; less is better."
    )
    caption(figure, f"{about} {shown_as}".strip())
    return figure
