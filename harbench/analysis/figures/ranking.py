"""All methods in one picture: sorted means with intervals, one row per method."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harbench.analysis.figures.style import (
    COLUMN,
    ROW,
    caption,
    emphasise,
    horizontal,
    keep,
    looks,
    new,
)
from harbench.analysis.figures.words import INTERVAL, Mean, about, far_below, limits, means_of
from harbench.analysis.pairs import (
    capital,
    everywhere,
    named,
    once,
    place,
    require_poolable,
    shared,
    tested,
)
from harbench.discovery import title
from harbench.errors import HarbenchError

PANEL = 1.35
MOST_PANELS = 6


def ranking(
    frame: pd.DataFrame,
    metric: str = "f1_macro",
    control: str = "",
    condition: tuple[str, float] | None = None,
) -> Figure:
    """A row per method, the best on top; a panel per dataset, or per condition of one dataset.

    condition: (scale, rate) that is drawn of several datasets; by default all conditions of a
    dataset are averaged. Rows are sorted by the mean of their ranks in the panels. What lies far
    below all others is named and left off the axis. Raises HarbenchError where protocols do not
    train alike, or no record is of the condition.
    """
    data = named(frame)
    require_poolable(data)
    if condition:
        data = data[(data["scale"] == condition[0]) & (data["rate"] == condition[1])]
        if data.empty:
            raise HarbenchError(f"There is no record of the condition {tested(*condition)}.")
    parts = _panels(data, condition)
    means = {panel: means_of(part, ["name"], metric) for panel, part in parts.items()}
    ranks = pd.DataFrame({p: {n: m.value for n, m in found.items()} for p, found in means.items()})
    order = ranks.rank(ascending=False).mean(axis=1).sort_values(kind="stable").index
    names = [str(name) for name in order]
    rows = -(-len(parts) // MOST_PANELS)
    columns = -(-len(parts) // rows)
    width = max(COLUMN * 1.4, 1.6 + PANEL * columns)
    figure = new(width, (0.75 + ROW * len(names)) * rows + 0.55, rows, columns)
    gone: list[str] = []
    for index, (axes, (panel, found)) in enumerate(zip(figure.axes, means.items(), strict=False)):
        gone += _draw(axes, panel, found, names, control, index % columns == 0)
    keep(figure, len(means))
    line = f" Grey line: {title(control)}." if control in names else ""
    off = f" Off the axis: {', '.join(gone)}." if gone else ""
    shown = f"Dot: mean; line: {INTERVAL}, cut at the axis.{line}{off}"
    caption(figure, about(data, f"{capital(metric)} in %. {shown}"))
    return figure


def _panels(data: pd.DataFrame, condition: tuple[str, float] | None) -> dict[str, pd.DataFrame]:
    """Title -> records: by dataset, or where there is one by condition."""
    if data["dataset"].nunique() > 1:
        parts = [(name, _alike(part)) for name, part in once(data).groupby("dataset")]
        return {f"{name}\n{_conditions(part, condition)}": part for name, part in parts}
    keys = sorted(set(zip(data["scale"], data["rate"], strict=True)), key=place)
    return {tested(*k): data[(data["scale"] == k[0]) & (data["rate"] == k[1])] for k in keys}


def _alike(part: pd.DataFrame) -> pd.DataFrame:
    """What all rows have of one dataset, and of each the seeds that have all of it."""
    return everywhere(shared(part, ["scale", "rate"]), ["scale", "rate"])


def _conditions(part: pd.DataFrame, condition: tuple[str, float] | None) -> str:
    """What the means of a panel are of."""
    if condition:
        return tested(*condition)
    count = len(part[["scale", "rate"]].drop_duplicates())
    return f"mean of {count} condition{'s' if count > 1 else ''}"


def _draw(
    axes: Axes,
    panel: str,
    found: dict[str, Mean],
    names: Sequence[str],
    control: str,
    labelled: bool,
) -> list[str]:
    """Draw one panel; what is off its axis, in words."""
    gone = far_below({name: mean.value for name, mean in found.items()})
    left, right = limits([mean for name, mean in found.items() if name not in gone])
    if control in found and control not in gone:
        axes.axvline(found[control].value, color="0.7", linewidth=1, zorder=1)
    for at, (name, look) in enumerate(looks(names, control).items()):
        if name in gone or name not in found:
            word = "no record" if name not in found else f"{found[name].value:.1f} ←"
            axes.text(left, at, f" {word}", fontsize=6, va="center", color="0.4")
            continue
        mean = found[name]
        ends = [max(mean.low, left), min(mean.high, right)]
        axes.plot(ends, [at, at], color=look["color"], linewidth=look["linewidth"])
        size = look["markersize"] + 0.5
        axes.plot(mean.value, at, "o", color=look["color"], markersize=size, zorder=3)
    axes.set_title(panel)
    axes.set_xlim(left, right)
    axes.locator_params(axis="x", nbins=4)
    horizontal(axes, [title(name) if labelled else "" for name in names])
    emphasise(axes.get_yticklabels(), names, control)
    where = panel.replace("\n", ", ")
    return [f"{title(name)} ({found[name].value:.1f} %, {where})" for name in gone]
