"""Bars, points and matrices: ablation, cost, average ranks, confusion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scikit_posthocs
import seaborn as sns
from matplotlib.figure import Figure

from harbench.analysis.figures.style import COLUMN, looks, new
from harbench.analysis.pairs import METRICS, ORDER, blocks, named, require_one_training, tested
from harbench.analysis.ranks import friedman
from harbench.errors import HarbenchError

GREYS = ("0.85", "0.65", "0.45", "0.25", "0.1")
HATCHES = ("", "///", "...", "xxx", "---")


def ablation(frame: pd.DataFrame, metric: str = "f1_macro") -> Figure:
    """A group of bars per variant, one per test condition; lines are standard deviations."""
    data = frame[frame["variant"] != ""]
    if data.empty:
        raise HarbenchError("No record is of a sweep; run the protocol ablation.")
    require_one_training(data)
    variants = list(dict.fromkeys(data["variant"]))
    found = set(zip(data["scale"], data["rate"], strict=True))
    conditions = sorted(found, key=lambda each: (ORDER[each[0]], each[1]))
    figure = new(COLUMN * 2, 2.8)
    (axes,) = figure.axes
    width = 0.8 / len(conditions)
    colours = sns.color_palette("colorblind")
    for i, (scale, rate) in enumerate(conditions):
        part = data[(data["scale"] == scale) & (data["rate"] == rate)]
        grouped = 100 * part.groupby("variant")[metric].agg(["mean", "std"]).loc[variants]
        axes.bar(
            np.arange(len(variants)) + (i - (len(conditions) - 1) / 2) * width,
            grouped["mean"],
            width,
            yerr=grouped["std"].fillna(0),
            label=tested(scale, rate),
            color=colours[i % len(colours)],
            hatch=HATCHES[i % len(HATCHES)],
            edgecolor="white",
            error_kw={"linewidth": 0.7},
        )
    lowest = 100 * data[metric].min()
    axes.set_ylim(max(0, np.floor(lowest / 5) * 5 - 5), 100)
    axes.set_xticks(np.arange(len(variants)), variants, rotation=30, ha="right")
    axes.set(ylabel=f"{METRICS[metric]} (%), axis cut")
    axes.grid(axis="x", visible=False)
    figure.legend(loc="outside upper center", ncols=len(conditions), frameon=False)
    return figure


def cost(frame: pd.DataFrame, metric: str = "f1_macro") -> Figure:
    """Mean score against training seconds (logarithmic), datasets and seeds averaged.

    Clean windows count once; protocols that do not train alike are refused.
    """
    data = named(frame)
    require_one_training(data)
    scores = {
        name: np.mean([scores.mean() for scores in blocks(data, name, metric).values()])
        for name in sorted(data["name"].unique())
    }
    runs = data.drop_duplicates(["name", "dataset", "seed"])
    seconds = runs.groupby("name")["train_seconds"].mean()
    figure = new(1.5 * COLUMN)
    (axes,) = figure.axes
    for name, look in looks(list(scores)).items():
        x, y = float(seconds[name]), float(scores[name])
        style = {"color": look["color"], "marker": look["marker"], "label": name}
        axes.plot(x, y, linestyle="none", markersize=5, **style)  # type: ignore[arg-type]
    axes.set(xscale="log", xlabel="training time (s)", ylabel=f"mean {METRICS[metric]} (%)")
    figure.legend(loc="outside right center", frameon=False)
    return figure


def critical_difference(frame: pd.DataFrame, metric: str = "f1_macro") -> Figure:
    """Average ranks over (dataset, seed) blocks, conditions averaged, with Nemenyi's test.

    Bars join what the test does not tell apart. Where blocks share a dataset they are not
    independent: then the ranks are descriptive, without p, critical difference and bars. Raises
    HarbenchError below ten complete blocks, or where protocols do not train alike.
    """
    data = named(frame)
    require_one_training(data)
    conditions = data.pivot_table(
        index=["dataset", "seed"], columns=["name", "scale", "rate"], values=metric
    )
    # A method counts in a block only with all of its conditions.
    rows = {
        name: pd.DataFrame(conditions.xs(name, axis=1, level="name")).mean(axis=1, skipna=False)
        for name in conditions.columns.unique("name")
    }
    scores = pd.DataFrame(rows)
    found = friedman(scores)
    figure = new(COLUMN * 1.5, 0.9 + 0.16 * len(found.ranks))
    (axes,) = figure.axes
    shared = scores.dropna().index.get_level_values("dataset").nunique() < found.blocks
    bars = 0 * found.pairs if shared else found.pairs
    scikit_posthocs.critical_difference_diagram(found.ranks, bars, ax=axes)
    p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.3f}"
    test = f"Friedman {p}, CD = {found.critical_difference:.2f}"
    note = "blocks share datasets: descriptive, no test" if shared else test
    axes.set_title(f"{found.blocks} blocks (dataset, seed), {note}", fontsize=7)
    return figure


def confusion(frame: pd.DataFrame, name: str, classes: list[str] | None = None) -> Figure:
    """The confusion matrix of one row of the table, in % of each true class, summed over seeds.

    frame: with the column `confusion`, of one dataset and one condition.
    """
    data = named(frame)
    data = data[data["name"] == name]
    if data.empty or data["dataset"].nunique() > 1:
        raise HarbenchError(f"Choose one method and one dataset; {name!r} has {len(data)} records.")
    if data["protocol"].nunique() > 1:
        protocols = ", ".join(sorted(data["protocol"].unique()))
        raise HarbenchError(f"Choose one protocol ({protocols}) with --protocol: never pooled.")
    counts = np.sum([np.array(matrix) for matrix in data["confusion"]], axis=0)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.2 + 0.2 * len(shares)
    figure = new(side + 0.8, side)
    (axes,) = figure.axes
    names = classes or [str(i) for i in range(len(shares))]
    text = np.where(shares >= 0.5, np.round(shares).astype(int).astype(str), "")
    sns.heatmap(
        shares,
        ax=axes,
        cmap="Blues",
        vmin=0,
        vmax=100,
        annot=text,
        fmt="",
        annot_kws={"size": 5},
        xticklabels=names,
        yticklabels=names,
        cbar_kws={"label": "% of true class"},
        square=True,
    )
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(labelsize=5)
    return figure
