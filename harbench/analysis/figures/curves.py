"""Scores along something: missing rate, a configuration value, labelled share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from harbench.analysis.figures.labels import height, label_ends, room
from harbench.analysis.figures.style import Look, caption, keep, looks, new
from harbench.analysis.figures.words import INTERVAL, Mean, about, far_below, limits, means_of
from harbench.analysis.pairs import (
    METRICS,
    SCALES,
    TESTING,
    everywhere,
    named,
    place,
    require_poolable,
    shared,
    tested,
)
from harbench.discovery import COLOURS, title
from harbench.errors import HarbenchError

# Inches of a panel without the names right of it.
PANEL = 2.9
# From so many measured places on, points are joined by a line.
LINE_FROM = 3
# With more rows intervals cover each other: then only the control has one.
MOST_BANDS = 3
# Points between the bars of two rows at one place.
APART = 3.0
Points = dict[float, Mean]


def missing(frame: pd.DataFrame, metric: str = "f1_macro", control: str = "") -> Figure:
    """A panel per scale: mean over datasets and seeds against the missing rate, 95 % bands.

    A panel averages the datasets and seeds on which each of its rows has all of its rates. Clean
    records count as rate 0 of every scale, once for all protocols that train alike; others are
    refused. What lies far below all others is named and left off the axis.
    """
    data = named(frame)
    require_poolable(data)
    scales = [scale for scale in SCALES if (data["scale"] == scale).any()]
    if not scales:
        raise HarbenchError("No record has missing data; run a protocol such as missing-10.")
    panels, parts = {}, []
    for scale in scales:
        lost = set(data.loc[data["scale"] == scale, "name"])
        part = data[data["scale"].isin(("clean", scale)) & data["name"].isin(lost)]
        part = everywhere(part, ["rate"])
        words = f"{scale}: {_datasets(part)}" if data["dataset"].nunique() > 1 else scale
        panels[words] = _lines(part, "rate", metric, 100)
        parts.append(part.assign(panel=scale))
    asked, data = data, pd.concat(parts)
    middle = _middle(panels.values())
    gone = {name: middle[name] for name in far_below(middle)}
    style = looks(list(middle), control)
    wide = min(2, len(scales))
    high = -(-len(scales) // wide)
    tall = height(max(map(len, panels.values())), 2.3)
    figure = new((PANEL + room(style)) * wide, tall * high + 0.6, high, wide)
    for axes, (words, lines) in zip(figure.axes, panels.items(), strict=False):
        _panel(axes, {n: p for n, p in lines.items() if n not in gone}, style, control)
        axes.set(title=words, xlabel="missing data (%)", ylabel=f"{METRICS[metric]} (%)")
    _finish(figure, panels.values(), gone, style, control)
    caption(figure, about(data, _shown(panels.values(), control, gone), asked=asked))
    return figure


def sweep(
    frame: pd.DataFrame,
    metric: str = "f1_macro",
    chosen: float | None = None,
    published: Mapping[str, float] | None = None,
    note: str = "",
) -> Figure:
    """A protocol's variants along the number in their names ("lambda 0.3"), clean and corrupted.

    Of the datasets, seeds and conditions that all variants of a setting have. chosen: a number that
    is marked. published: test condition -> a score in % that is marked there. note: what the marks
    are.
    """
    data = frame[frame["variant"].str.contains(r"[\d.]+$")]
    if data.empty:
        raise HarbenchError("No record is of a sweep; run the protocol balance or mask-rate.")
    data = named(data)
    require_poolable(data)
    data["value"] = data["variant"].str.extract(r"([\d.]+)$")[0].astype(float)
    data["setting"] = data["variant"].str.replace(r"\s*[\d.]+$", "", regex=True)
    settings = sorted(data["setting"].unique())
    panels, parts = [], []
    for setting in settings:
        part = shared(data[data["setting"] == setting], ["dataset", "seed", "scale", "rate"])
        parts.append(part.assign(panel=setting))
        lines = {}
        for scale, rate in sorted(set(zip(part["scale"], part["rate"], strict=True)), key=place):
            rows = part[(part["scale"] == scale) & (part["rate"] == rate)]
            lines[tested(scale, rate)] = means_of(rows, ["value"], metric)
        panels.append(lines)
    style = looks(list(_middle(panels)))
    for look, colour in zip(style.values(), cycle(COLOURS), strict=False):
        look["color"] = colour
    tall = height(max(map(len, panels)), 2.9)
    figure = new((PANEL + room(style)) * len(settings), tall, 1, len(settings))
    for axes, setting, lines in zip(figure.axes, settings, panels, strict=True):
        _panel(axes, lines, style, "")
        axes.set(xlabel=setting, ylabel=f"{METRICS[metric]} (%)")
        for name, score in (published or {}).items():
            if chosen is not None and name in lines:
                axes.plot(chosen, score, marker="*", markersize=11, color=style[name]["color"],
                          markeredgecolor="black", markeredgewidth=0.6, zorder=4)  # fmt: skip
        if chosen is not None:
            axes.axvline(chosen, color="0.6", linewidth=0.8, linestyle=":")
    _finish(figure, panels, {}, style, "", list((published or {}).values()))
    shown = f"{_shown(panels, '', {})} {note}".strip()
    caption(figure, about(pd.concat(parts), shown, asked=data))
    return figure


def labels(frame: pd.DataFrame, metric: str = "f1_macro", control: str = "") -> Figure:
    """Clean scores against the labelled share of the training windows, on a logarithmic axis.

    Means over the datasets and seeds on which each row has all of its shares. Rows with one share
    only are named and left out.
    """
    data = named(frame)
    data = data[(data["scale"] == "clean")].assign(share=100 * data["label_fraction"])
    if data["share"].nunique() < 2:
        raise HarbenchError(
            "All records have the same labelled share; run the protocol full-labels, or one of "
            "your own with another label_fraction."
        )
    require_poolable(data, (*TESTING, "label_fraction"))
    shares_of = data.groupby("name")["share"].nunique()
    single = shares_of.index[shares_of < 2]
    data = data[~data["name"].isin(single)]
    if data.empty:
        raise HarbenchError("No row has two labelled shares; run one under both protocols.")
    asked, data = data, everywhere(data, ["share"])
    lines = _lines(data, "share", metric)
    middle = _middle([lines])
    gone = {name: middle[name] for name in far_below(middle)}
    style = looks(list(middle), control)
    figure = new(PANEL + room(style), height(len(lines), 3.0))
    (axes,) = figure.axes
    _panel(axes, {n: p for n, p in lines.items() if n not in gone}, style, control)
    axes.set(xscale="log", xlabel="labelled training windows (%)", ylabel=f"{METRICS[metric]} (%)")
    shares = sorted(data["share"].unique())
    axes.set_xticks(shares, [f"{share:g}" for share in shares])
    axes.set_xticks([], minor=True)
    _finish(figure, [lines], gone, style, control)
    less = f" One share only, so left out: {', '.join(map(title, single))}." if len(single) else ""
    shown = f"Complete test windows. {_shown([lines], control, gone)}{less}"
    caption(figure, about(data, shown, asked=asked))
    return figure


def _datasets(frame: pd.DataFrame) -> str:
    return ", ".join(sorted(frame["dataset"].unique()))


def _lines(frame: pd.DataFrame, column: str, metric: str, unit: float = 1) -> dict[str, Points]:
    """The points of every row along a column."""
    lines: dict[str, Points] = {}
    for (name, value), mean in means_of(frame, ["name", column], metric).items():
        lines.setdefault(name, {})[unit * float(value)] = mean
    return lines


def _middle(panels: Iterable[Mapping[str, Points]]) -> dict[str, float]:
    """Each row's mean over all that is drawn of it."""
    found: dict[str, list[float]] = {}
    for lines in panels:
        for name, points in lines.items():
            found.setdefault(name, []).extend(mean.value for mean in points.values())
    return {name: sum(values) / len(values) for name, values in found.items()}


def _panel(
    axes: Axes, lines: Mapping[str, Points], style: Mapping[str, Look], control: str
) -> None:
    """Draw all lines of a panel, points alone where too few are measured; side by side bars."""
    shown = [name for name in lines if name == control or len(lines) <= MOST_BANDS]
    for name, points in lines.items():
        x, means = list(points), list(points.values())
        look = style[name]
        if len(x) < LINE_FROM:
            look = Look(**{**look, "linestyle": "none"})
        axes.plot(x, [m.value for m in means], label=title(name), **look)
        if name not in shown:
            continue
        low, high = ([getattr(m, end) for m in means] for end in ("low", "high"))
        if len(shown) == 1 and len(x) >= LINE_FROM:
            axes.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
        else:
            aside = APART * (shown.index(name) - (len(shown) - 1) / 2)
            beside = offset_copy(axes.transData, axes.get_figure(root=True), aside, units="points")
            axes.vlines(x, low, high, color=look["color"], linewidth=1.1, transform=beside)
    places = sorted({at for points in lines.values() for at in points})
    axes.set_xticks(places, [f"{at:g}" for at in places])
    axes.grid(axis="x", visible=False)


def _finish(
    figure: Figure,
    panels: Iterable[Mapping[str, Points]],
    gone: Mapping[str, float],
    style: Mapping[str, Look],
    control: str,
    more: Sequence[float] = (),
) -> None:
    """Common limits, names at the ends of the lines, no empty panels."""
    panels = list(panels)
    kept = [{n: p for n, p in lines.items() if n not in gone} for lines in panels]
    means = [mean for lines in kept for points in lines.values() for mean in points.values()]
    bottom, top = limits(means + [Mean(v, v, v, 1) for v in more])
    keep(figure, len(panels))
    for axes, lines in zip(figure.axes, kept, strict=True):
        axes.set_ylim(bottom, top)
        ends = {name: (max(p), p[max(p)].value) for name, p in lines.items()}
        label_ends(axes, ends, style, control)


def _shown(panels: Iterable[Mapping[str, Points]], control: str, gone: Mapping[str, float]) -> str:
    """What points and bands are, and what is off the axis."""
    off = ", ".join(f"{title(name)} ({value:.1f} % on average)" for name, value in gone.items())
    lines = [points for panel in panels for points in panel.values()]
    rows = max(len(panel) for panel in panels)
    several = 1 < rows <= MOST_BANDS
    band = "bar" if several or max(map(len, lines)) < LINE_FROM else "band"
    whose = f" of {title(control)}" if control and rows > MOST_BANDS else ""
    bands = f"; {band}{whose}: {INTERVAL}" if control or rows <= MOST_BANDS else ""
    less = f" Off the axis: {off}." if off else ""
    return f"Points: means{bands}, cut at the axis.{less}" if bands else f"Points: means.{less}"
