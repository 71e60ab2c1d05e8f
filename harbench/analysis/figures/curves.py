"""Scores along something: missing rate, a configuration value, labelled share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harbench.analysis.figures.style import COLUMN, looks, new
from harbench.analysis.pairs import (
    METRICS,
    ORDER,
    SCALES,
    TESTING,
    named,
    require_one_training,
    split_ratio,
    tested,
)
from harbench.analysis.robustness import AREA, curve_scales, summary_table
from harbench.analysis.slope import robustness_slopes
from harbench.analysis.statistics import corrected_t, resolution
from harbench.analysis.table import Rules
from harbench.errors import HarbenchError


def missing(frame: pd.DataFrame, metric: str = "f1_macro") -> Figure:
    """A panel per scale: mean over datasets and seeds against the missing rate, 95 % bands.

    Clean records count as rate 0 of every scale, once for all protocols that train alike; others
    are refused.
    """
    data = named(frame)
    require_one_training(data)
    scales = [scale for scale in SCALES if (data["scale"] == scale).any()]
    if not scales:
        raise HarbenchError("No record has missing data; run a protocol such as missing-10.")
    figure = new(COLUMN * min(2, len(scales)), 2.3 * ((len(scales) + 1) // 2),
                 (len(scales) + 1) // 2, min(2, len(scales)))  # fmt: skip
    style = looks(sorted(data["name"].unique()))
    for axes, scale in zip(figure.axes, scales, strict=False):
        part = data[data["scale"].isin(("clean", scale))]
        for name, look in style.items():
            mine = part[part["name"] == name]
            if (mine["scale"] == scale).any():
                _line(axes, mine, "rate", metric, name, look, unit=100)
        axes.set(title=scale, xlabel="missing data (%)", ylabel=f"{METRICS[metric]} (%)")
    for axes in figure.axes[len(scales) :]:
        axes.remove()
    limits = [axes.get_ylim() for axes in figure.axes]
    for axes in figure.axes:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    _legend(figure)
    return figure


def sweep(frame: pd.DataFrame, metric: str = "f1_macro") -> Figure:
    """A protocol's variants along the number in their names ("lambda 0.3"), clean and corrupted."""
    data = frame[frame["variant"].str.contains(r"[\d.]+$")].copy()
    if data.empty:
        raise HarbenchError("No record is of a sweep; run the protocol balance or mask-rate.")
    require_one_training(data)
    data["value"] = data["variant"].str.extract(r"([\d.]+)$")[0].astype(float)
    data["setting"] = data["variant"].str.replace(r"\s*[\d.]+$", "", regex=True)
    settings = sorted(data["setting"].unique())
    figure = new(COLUMN * len(settings), 2.4, 1, len(settings))
    for axes, setting in zip(figure.axes, settings, strict=True):
        part = data[data["setting"] == setting]
        found = sorted(part.groupby(["scale", "rate"]), key=lambda each: _place(each[0]))
        groups = {tested(*key): rows for key, rows in found}
        for (name, rows), look in zip(groups.items(), looks(list(groups)).values(), strict=True):
            _line(axes, rows, "value", metric, name, look)
        axes.set(xlabel=setting, ylabel=f"{METRICS[metric]} (%)")
    _legend(figure)
    return figure


def labels(frame: pd.DataFrame, metric: str = "f1_macro") -> Figure:
    """Clean scores against the labelled share of the training windows, on a logarithmic axis."""
    data = named(frame)
    data = data[(data["scale"] == "clean")].assign(share=100 * data["label_fraction"])
    if data["share"].nunique() < 2:
        raise HarbenchError(
            "All records have the same labelled share; run the protocol full-labels, or one of "
            "your own with another label_fraction."
        )
    require_one_training(data, (*TESTING, "label_fraction"))
    figure = new()
    (axes,) = figure.axes
    for name, look in looks(sorted(data["name"].unique())).items():
        _line(axes, data[data["name"] == name], "share", metric, name, look)
    axes.set(xscale="log", xlabel="labelled training windows (%)")
    shares = sorted(data["share"].unique())
    axes.set_xticks(shares, [f"{share:g}" for share in shares])
    axes.set_xticks([], minor=True)
    axes.set(ylabel=f"{METRICS[metric]} (%)")
    _legend(figure)
    return figure


def slope(frame: pd.DataFrame, control: str, metric: str = "f1_macro") -> Figure:
    """Points lost per 1 % of missing data: each method's difference to `control`, 95 % interval."""
    data = named(frame)
    data = data[data["scale"].isin(("clean", "mixed"))].assign(method=data["name"])
    require_one_training(data)
    found = robustness_slopes(data, metric, control).sort_values("difference", kind="stable")
    figure = new(COLUMN, 0.9 + 0.24 * len(found))
    (axes,) = figure.axes
    places = np.arange(len(found))
    errors = [found["difference"] - found["low"], found["high"] - found["difference"]]
    axes.errorbar(found["difference"], places, xerr=errors, fmt="o", color="black", capsize=2)
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set_yticks(places, list(found.index))
    axes.set(xlabel=f"points of {METRICS[metric]} per 1 % missing,\nagainst {control}")
    axes.margins(y=0.15)
    return figure


def areas(frame: pd.DataFrame, control: str, metric: str = "f1_macro") -> Figure:
    """A panel per dataset and scale: area under the score-rate curve, each row less `control`.

    95 % intervals of the paired corrected t, not adjusted. Left of 0 the control is better.
    """
    table = summary_table(frame, curve_scales(frame), Rules(metric=metric, control=control))
    panels = [i for i, c in enumerate(table.columns) if c.condition.scale.startswith(AREA)]
    wide, names = min(2, len(panels)), [name for name in table.rows if name != control]
    high = -(-len(panels) // wide)
    figure = new(COLUMN * wide, (0.9 + 0.24 * len(names)) * high, high, wide)
    for axes, panel in zip(figure.axes, panels, strict=False):
        for place, name in enumerate(names):
            cell = table.rows[name][panel]
            if cell and cell.result:
                found = cell.result
                bars = [[found.high - found.effect], [found.effect - found.low]]
                axes.errorbar(-found.effect, place, xerr=bars, fmt="o", color="black", capsize=2)
        axes.axvline(0, color="grey", linewidth=0.8)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(-0.6, len(names) - 0.4)
        column = table.columns[panel]
        axes.set_title(f"{column.dataset}, {column.condition.scale}", fontsize=7)
        axes.set_xlabel(f"points of {METRICS[metric]}, row less {control}")
    for axes in figure.axes[len(panels) :]:
        axes.remove()
    return figure


def _line(
    axes: Axes,
    rows: pd.DataFrame,
    column: str,
    metric: str,
    name: str,
    look: dict[str, object],
    unit: float = 1,
) -> None:
    """Means over datasets with the corrected t's 95 % interval as a band."""
    points = []
    for value, part in rows.groupby(column):
        blocks = 100 * part.groupby(["dataset", "seed"])[metric].mean()
        groups = [blocks.xs(d).to_numpy() for d in blocks.index.unique(0)]
        parts = [part[part["dataset"] == d] for d in blocks.index.unique(0)]
        ratios = [split_ratio(p) for p in parts]
        found = corrected_t(groups, ratios, "", [resolution(float(p["n"].mean())) for p in parts])
        points.append((unit * float(str(value)), found.effect, found.low, found.high))
    x, mean, low, high = np.array(points).T
    axes.plot(x, mean, label=name, markersize=3, linewidth=1, **look)  # type: ignore[arg-type]
    axes.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)


def _place(condition: tuple[str, float]) -> tuple[int, float]:
    scale, rate = condition
    return ORDER[scale], rate


def _legend(figure: Figure) -> None:
    """One legend below all panels, each name once."""
    found: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, names = axes.get_legend_handles_labels()
        found |= {str(name): handle for name, handle in zip(names, handles, strict=True)}
    if len(found) > 1:
        figure.legend(
            list(found.values()), list(found), loc="outside lower center", ncols=3, frameon=False
        )
