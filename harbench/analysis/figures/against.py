"""Robustness in one number per method: slopes, and areas under curves against a control."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from harbench.analysis.figures.style import (
    COLUMN,
    ROW,
    beside,
    caption,
    emphasise,
    horizontal,
    keep,
    looks,
    new,
)
from harbench.analysis.figures.words import about
from harbench.analysis.notes import left_out
from harbench.analysis.pairs import METRICS, everywhere, named, require_names, require_poolable
from harbench.analysis.robustness import AREA, curve_scales, summary_table
from harbench.analysis.slope import robustness_slopes
from harbench.analysis.table import Rules
from harbench.discovery import title

# Inches of a panel beside its labels.
PANEL = 2.4


def slope(frame: pd.DataFrame, control: str, metric: str = "f1_macro") -> Figure:
    """Points that each method loses per 1 % of missing data, the most robust one on top.

    Over the rates of `control`, of the datasets on which each row has all of them; rows that lack
    one everywhere are named and left out. Lines are 95 % intervals of the difference to `control`,
    drawn around the method's slope.
    """
    data = named(frame)
    data = data[data["scale"].isin(("clean", "mixed"))].assign(method=data["name"])
    require_names(data["name"], [control])
    require_poolable(data)
    data = data[data["rate"].isin(data.loc[data["name"] == control, "rate"])]
    rates = data.groupby("name")["rate"].nunique()
    lacking = rates.index[rates < rates.loc[control]]
    data = data[~data["name"].isin(lacking)]
    asked, data = data, everywhere(data, ["rate"])
    found = robustness_slopes(data, metric, control).sort_values("slope", ascending=False)
    names = [str(name) for name in found.index]
    data = data[data["name"].isin(names)]
    base = -float(found["slope"].to_dict()[control])
    labels = list(map(title, names))
    figure = new(max(COLUMN * 1.4, beside(labels) + PANEL), 1.5 + ROW * len(found))
    (axes,) = figure.axes
    axes.axvline(base, color="0.7", linewidth=1, zorder=1)
    for place, (name, look) in enumerate(looks(names, control).items()):
        row = found.loc[name]
        if name != control:
            # A method lacking seeds is compared with the control's slope on its own ones.
            paired = row["difference"] - row["slope"]
            ends = [paired - row["high"], paired - row["low"]]
            axes.plot(ends, [place, place], color=look["color"], linewidth=1.3)
        axes.plot(-row["slope"], place, "o", color=look["color"],
                  markersize=look["markersize"] + 0.5, zorder=3)  # fmt: skip
    horizontal(axes, labels)
    axes.set_xlabel(f"points of {METRICS[metric]} lost per 1 % missing")
    emphasise(axes.get_yticklabels(), names, control)
    shown = (
        f"Mixed losses. Dot: slope; line: 95 % interval of the difference to {title(control)} "
        f"(grey line), paired t of the runs' own slopes, not adjusted. {left_out(lacking)}"
    )
    caption(figure, about(data, shown.rstrip(), "Further left is better: less is lost.", asked))
    return figure


def areas(frame: pd.DataFrame, control: str, metric: str = "f1_macro") -> Figure:
    """A panel per dataset and scale: area under the score-rate curve, each row less `control`.

    95 % intervals of the paired corrected t, not adjusted. Left of 0 the control is better.
    """
    table = summary_table(frame, curve_scales(frame), Rules(metric=metric, control=control))
    panels = [i for i, c in enumerate(table.columns) if c.condition.scale.startswith(AREA)]
    wide, names = min(2, len(panels)), [name for name in table.rows if name != control]
    high, labels = -(-len(panels) // wide), list(map(title, names))
    width = max(COLUMN * wide + 0.6, (beside(labels) + PANEL) * wide)
    figure = new(width, (0.8 + ROW * len(names)) * high + 0.5, high, wide)
    for axes, panel in zip(figure.axes, panels, strict=False):
        axes.axvline(0, color="0.4", linewidth=1, zorder=1)
        for place, (name, look) in enumerate(looks(names).items()):
            cell = table.rows[name][panel]
            if cell and cell.result:
                found = cell.result
                ends = [-found.high, -found.low]
                axes.plot(ends, [place, place], color=look["color"], linewidth=1.3)
                axes.plot(-found.effect, place, "o", color=look["color"], markersize=4.5)
            else:
                axes.text(0, place, " no seed in common", fontsize=6, va="center", color="0.4")
        horizontal(axes, labels)
        column = table.columns[panel]
        axes.set_title(f"{column.dataset}, {column.condition.scale}")
        axes.set_xlabel(f"points of {METRICS[metric]}, row less {title(control)}")
    keep(figure, len(panels))
    data = named(frame)
    left = left_out(sorted(set(data["name"]) - set(table.rows)))
    shown = "Mean score along the missing rate; line: 95 % interval (paired t, not adjusted)."
    better = f"Right of 0 the row is better than {title(control)}."
    caption(figure, about(data[data["name"].isin(table.rows)], f"{shown} {left}".rstrip(), better))
    return figure
