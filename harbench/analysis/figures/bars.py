"""Differences, points and matrices: ablation, cost, average ranks, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scikit_posthocs
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harbench.analysis.figures.labels import label_points
from harbench.analysis.figures.style import COLUMN, ROW, caption, horizontal, keep, looks, new
from harbench.analysis.figures.words import about, far_below, means_of
from harbench.analysis.pairs import (
    METRICS,
    named,
    once,
    pairs,
    place,
    require_poolable,
    score_grid,
    shared,
    tested,
)
from harbench.analysis.ranks import friedman
from harbench.analysis.statistics import corrected_t
from harbench.discovery import title
from harbench.errors import HarbenchError

MOST_PANELS = 5
# Seconds of the quickest training that is drawn where it is.
QUICKEST = 0.1
# Where an axis of seconds has ticks.
TICKS = {0.01: "0.01 s", QUICKEST: "0.1 s", 1: "1 s", 5: "5 s", 20: "20 s", 60: "1 min",
         300: "5 min", 1200: "20 min", 3600: "1 h", 4 * 3600: "4 h", 24 * 3600: "1 d",
         96 * 3600: "4 d"}  # fmt: skip


def ablation(
    frame: pd.DataFrame, metric: str = "f1_macro", order: Sequence[str] = (), note: str = ""
) -> Figure:
    """A row per variant, a panel per test condition: paired differences to the first variant.

    order: all variants as they are to be shown; the one called full, or else the first, is what
    the others are compared with. Intervals are of the paired corrected t, not adjusted. note: what
    is said beside that. Raises HarbenchError where no record is of a sweep.
    """
    data = frame[frame["variant"] != ""]
    if data.empty:
        raise HarbenchError("No record is of a sweep; run the protocol ablation.")
    require_poolable(data)
    there = list(dict.fromkeys(data["variant"]))
    variants = [*(v for v in order if v in there), *(v for v in there if v not in order)]
    full = next((v for v in variants if v == "full"), variants[0])
    rows = [variant for variant in variants if variant != full]
    if not rows:
        raise HarbenchError(f"There are records of the variant {full!r} alone; run the others.")
    data = named(data)
    found = set(zip(data["scale"], data["rate"], strict=True))
    conditions = sorted(found, key=place)
    high = -(-len(conditions) // MOST_PANELS)
    wide = -(-len(conditions) // high)
    size = max(COLUMN * 1.4, 1.6 + 1.35 * wide), (0.75 + ROW * len(rows)) * high + 0.75
    figure = new(*size, high, wide)
    for index, (scale, rate) in enumerate(conditions):
        part = data[(data["scale"] == scale) & (data["rate"] == rate)]
        axes = figure.axes[index]
        _differences(axes, part, full, rows, metric)
        axes.set_title(tested(scale, rate))
        horizontal(axes, rows if index % wide == 0 else [""] * len(rows))
    keep(figure, len(conditions))
    shown = (
        f"Points of {METRICS[metric]} that a variant has more (right of 0) or less than {full}: "
        f"mean, 95 % interval (paired corrected t, not adjusted). {note}"
    )
    caption(figure, about(data, shown.strip(), "Left of 0 the part that was taken away helps."))
    return figure


def _differences(
    axes: Axes, part: pd.DataFrame, full: str, rows: Sequence[str], metric: str
) -> None:
    """A dot and an interval per row: variant minus full."""
    axes.axvline(0, color="0.4", linewidth=1, zorder=1)
    grid = score_grid(part, metric)
    for at, name in enumerate(rows):
        pair = pairs(part, name, full, metric, grid)
        if not pair.differences:
            axes.text(0, at, " no record", fontsize=6, va="center", color="0.4")
            continue
        found = corrected_t(pair.differences, pair.ratios, "", pair.floors)
        axes.plot([found.low, found.high], [at, at], color="#0072B2", linewidth=1.3)
        axes.plot(found.effect, at, "o", color="#0072B2", markersize=4.5, zorder=3)
    axes.locator_params(axis="x", nbins=4)


def cost(frame: pd.DataFrame, metric: str = "f1_macro", control: str = "") -> Figure:
    """Mean score against training time (logarithmic), datasets and seeds averaged.

    Averaged are the datasets, seeds and conditions that all rows have. A grey line joins what
    nothing beats in both. Clean windows count once; protocols that do not train alike are refused.
    What lies far below all others is named and left off the axis.
    """
    data = named(frame)
    require_poolable(data)
    asked, data = data, shared(once(data), ["dataset", "seed", "scale", "rate"])
    scores = {name: mean.value for name, mean in means_of(data, ["name"], metric).items()}
    runs = data.drop_duplicates(["name", "dataset", "seed"])
    seconds = runs.groupby("name")["train_seconds"].mean()
    quick = seconds.index[seconds < QUICKEST]
    seconds = seconds.clip(lower=QUICKEST)
    gone = far_below(scores)
    points = {n: (float(seconds[n]), y) for n, y in scores.items() if n not in gone}
    figure = new(5.2, 3.6)
    (axes,) = figure.axes
    best = _unbeaten(points)
    axes.plot(*zip(*best, strict=True), color="0.75", linewidth=1.2, zorder=1)
    for name, look in looks(list(points), control).items():
        axes.plot(*points[name], look["marker"], color=look["color"],
                  markersize=look["markersize"] + 1, zorder=3)  # fmt: skip
    axes.set(xscale="log", ylabel=f"mean {METRICS[metric]} (%)")
    axes.set_xlabel("training time of a run")
    axes.margins(x=0.12, y=0.1)
    low, high = axes.get_xlim()
    if sum(low <= second <= high for second in TICKS) < 2:
        # A scale needs two numbers.
        low = max((second for second in TICKS if second <= low), default=low)
        high = min((second for second in TICKS if second >= high), default=high)
        axes.set_xlim(low, high)
    ticks = {second: text for second, text in TICKS.items() if low <= second <= high}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_xticks([], minor=True)
    off = ", ".join(f"{title(n)} ({scores[n]:.1f} %, {seconds[n]:.0f} s)" for n in gone)
    shown = (
        "Means over the datasets, seeds and conditions "
        f"({len(data[['scale', 'rate']].drop_duplicates())}) that all have; grey line: no other "
        f"method is both better and faster.{f' Off the axis: {off}.' if off else ''}"
        + (f" Faster than {QUICKEST:g} s: {', '.join(map(title, quick))}." if len(quick) else "")
    )
    caption(figure, about(data, shown, f"Devices: {', '.join(sorted(data['device'].unique()))}. "
                          "Higher and further left is better.", asked))  # fmt: skip
    label_points(axes, points, control, best)
    return figure


def _unbeaten(points: Mapping[str, tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners of the steps over the points (seconds, score) that no other one beats in both."""
    found: list[tuple[float, float]] = []
    for x, y in sorted(points.values(), key=lambda point: (point[0], -point[1])):
        if not found or y > found[-1][1]:
            found += [(x, found[-1][1])] if found else []
            found.append((x, y))
    return found


def critical_difference(frame: pd.DataFrame, metric: str = "f1_macro") -> Figure:
    """Average ranks over (dataset, seed) blocks, with Nemenyi's test.

    In a block each row has its mean over the conditions that all rows have on the dataset. Bars
    join what the test does not tell apart. Where blocks share a dataset they are not independent:
    then the ranks are descriptive, without p, critical difference and bars. Raises HarbenchError
    below ten complete blocks, or where protocols do not train alike.
    """
    asked = named(frame)
    require_poolable(asked)
    data = shared(once(asked), ["dataset", "scale", "rate"])
    blocks = {str(dataset): _blocks(part, metric) for dataset, part in data.groupby("dataset")}
    scores = pd.concat(blocks).rename(columns=title)
    found = friedman(scores)
    figure = new(COLUMN * 1.5, 1.3 + 0.16 * len(found.ranks))
    (axes,) = figure.axes
    alike = scores.index.get_level_values(0).nunique() < found.blocks
    bars = 0 * found.pairs if alike else found.pairs
    scikit_posthocs.critical_difference_diagram(found.ranks, bars, ax=axes)
    p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
    test = f"Friedman {p}, CD = {found.critical_difference:.2f}"
    note = "blocks share datasets: descriptive, no test" if alike else test
    axes.set_title(f"{found.blocks} blocks (dataset, seed), {note}", fontsize=7)
    drawn = data[pd.MultiIndex.from_frame(data[["dataset", "seed"]]).isin(scores.index)]
    shown = (
        f"Average ranks by {METRICS[metric]}, over the conditions that all rows have on a dataset "
        f"({len(data[['scale', 'rate']].drop_duplicates())} in all)."
    )
    caption(figure, about(drawn, shown, "1 is the best.", asked))
    return figure


def _blocks(part: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means over conditions of one dataset, (seed) x rows, of seeds that have everything."""
    grid = part.pivot_table(index="seed", columns=["name", "scale", "rate"], values=metric)
    return grid.dropna().T.groupby(level="name").mean().T


def confusion(frame: pd.DataFrame, name: str, classes: list[str] | None = None) -> Figure:
    """The confusion matrix of one row of the table, in % of each true class, summed over seeds.

    frame: with the column `confusion`, of one dataset, protocol and condition.
    """
    data = named(frame)
    data = data[data["name"] == name]
    if data.empty or data["dataset"].nunique() > 1:
        raise HarbenchError(f"Choose one method and one dataset; {name!r} has {len(data)} records.")
    for column, option in (("protocol", "--protocol"), ("scale", "--condition"),
                           ("rate", "--condition")):  # fmt: skip
        if data[column].nunique() > 1:
            found = ", ".join(sorted(map(str, data[column].unique())))
            raise HarbenchError(f"Choose one {column} ({found}) with {option}: never pooled.")
    counts = np.sum([np.array(matrix) for matrix in data["confusion"]], axis=0)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.9 + 0.24 * len(shares)
    figure = new(side + 0.7, side + 0.5)
    (axes,) = figure.axes
    numbers = list(map(str, range(len(shares))))
    names = classes if classes and len(classes) == len(shares) else numbers
    sns.heatmap(
        shares,
        ax=axes,
        cmap="Blues",
        vmin=0,
        vmax=100,
        annot=np.where(shares >= 0.5, np.round(shares).astype(int).astype(str), ""),
        fmt="",
        annot_kws={"size": 6},
        xticklabels=names,
        yticklabels=names,
        cbar=False,
        square=True,
    )
    first = data.iloc[0]
    axes.set_title(f"{title(name)}, {first['dataset']}, {tested(first['scale'], first['rate'])}")
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(labelsize=6)
    shown = f"In % of the windows of a true class, {int(counts.sum())} windows of all seeds."
    caption(figure, about(data, shown, "The diagonal is right."))
    return figure
