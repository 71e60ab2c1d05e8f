"""What a figure says and measures: its caption, means with intervals, what lies off the axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harbench.analysis.pairs import once, sizes
from harbench.analysis.statistics import mean_score
from harbench.discovery import title

INTERVAL = "95 % interval of the mean (corrected t over seeds)"
# Far out, by Tukey: so many interquartile ranges below the lower quartile; of five values at least.
FAR, ENOUGH = 3.0, 5
# How far intervals may stretch an axis beyond the means, as a share of the means' range.
STRETCH = 0.4


@dataclass(frozen=True)
class Mean:
    """A mean in % with its 95 % interval, NaN for one seed, over n (dataset, seed) blocks."""

    value: float
    low: float
    high: float
    n: int


def means_of(frame: pd.DataFrame, by: list[str], metric: str) -> dict[Any, Mean]:
    """The mean over datasets and seeds of each group of rows with equal values of `by`.

    Conditions of a seed are averaged first. Clean windows of several protocols count once.
    """
    frame, keys = once(frame), [*by, "dataset"]
    each = frame.groupby([*keys, "seed", "scale", "rate"])[metric].mean()
    blocks = 100 * each.groupby([*keys, "seed"]).mean()
    scores = {key: values.to_numpy() for key, values in blocks.groupby(keys)}
    parts: dict[Any, list[tuple[np.ndarray, float, float]]] = {}
    for key, part in frame.groupby(keys):
        group = key[0] if len(by) == 1 else key[:-1]
        parts.setdefault(group, []).append((scores[key], *sizes(part)))
    means = {group: mean_score(*zip(*each, strict=True)) for group, each in parts.items()}
    return {group: Mean(m.effect, m.low, m.high, m.n) for group, m in means.items()}


def about(
    frame: pd.DataFrame,
    shown: str,
    better: str = "Higher is better.",
    asked: pd.DataFrame | None = None,
) -> str:
    """A caption: data, protocol, split, budget, seeds; then what is shown and which way is better.

    frame: what is drawn; with a column `panel` where panels may have other seeds. shown: what
    points and bands are. asked: what was to be drawn; what is not is said.
    """

    def joined(column: str) -> str:
        return ", ".join(sorted(map(str, frame[column].unique())))

    keys = ["name", "dataset", *(["panel"] if "panel" in frame else [])]
    parts = frame.groupby(keys)["seed"].nunique().reset_index()
    low, high = int(parts["seed"].min()), int(parts["seed"].max())
    seeds = f"n = {low}" if low == high else f"n = {low} to {high}"
    facts = (
        f"Data {joined('dataset')}; protocol {joined('protocol')}; split {joined('split_kind')}; "
        f"budget {joined('budget')}; {seeds} seed{'s' if high > 1 else ''}."
    )
    few = set(parts.loc[parts["seed"] < high, "name"])
    less = f" Fewer seeds: {', '.join(sorted(map(title, few)))}." if few else ""
    gone = set() if asked is None else set(asked["dataset"]) - set(frame["dataset"])
    out = f" Left out, where rows lack: {', '.join(sorted(gone))}." if gone else ""
    if asked is not None and _blocks(asked[asked["dataset"].isin(frame["dataset"])]) > _blocks(
        frame
    ):
        out += " Seeds that lack conditions are left out."
    return f"{facts}{out}{less} {shown} {better}"


def _blocks(frame: pd.DataFrame) -> int:
    return len(frame[["name", "dataset", "seed"]].drop_duplicates())


def far_below(values: Mapping[str, float]) -> list[str]:
    """The names whose values lie so far below the others that an axis would show little else."""
    if len(values) < ENOUGH:
        return []
    low, high = np.percentile(list(values.values()), [25, 75])
    return [name for name, value in values.items() if value < low - FAR * max(high - low, 1.0)]


def limits(means: Sequence[Mean], most: float = 100.0) -> tuple[float, float]:
    """Ends of an axis that shows all means, and intervals as far as they stretch it little."""
    values = [mean.value for mean in means]
    low, high = min(values), max(values)
    room = STRETCH * max(high - low, 5.0)
    ends = [mean for mean in means if mean.low == mean.low]
    bottom = max([low - room, 0.0, min([low, *(mean.low for mean in ends)])])
    top = min([high + room, most, max([high, *(mean.high for mean in ends)])])
    margin = 0.04 * max(top - bottom, 1.0)
    return bottom - margin, top + margin
