"""Which sensors a trained method can lose: worst sets, Shapley values, what each activity loses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harbench.analysis.shapley import ordered_gains, shapley

Floats = NDArray[np.float64]
HOLE = "-"


@dataclass(frozen=True)
class SensorScores:
    """Scores of one method on one dataset for sets of kept sensors, in %.

    positions: metres from the pelvis (right, forward, up). kept: (M, n), True where a sensor is
    kept; the row with all is there. scores: (S, M), a row per seed. none: (S,), with every sensor
    lost. per_class: (S, M, K), NaN for a class without test windows. orders: the orders of
    joining that the sets were sampled by, none where all sets are there. ratio: n_test / n_train,
    0 where all seeds share one split.
    """

    method: str
    dataset: str
    sensors: tuple[str, ...]
    positions: tuple[tuple[float, float, float], ...]
    classes: tuple[str, ...]
    kept: NDArray[np.bool_]
    scores: Floats
    none: Floats
    per_class: Floats
    orders: tuple[tuple[int, ...], ...]
    ratio: float

    @property
    def everything(self) -> int:
        """The row of `kept` with all sensors."""
        return int(self.kept.all(axis=1).argmax())

    def words(self, row: int) -> str:
        """A set of kept sensors in words, by what is lost or by what is kept, the shorter."""
        kept = [name for name, there in zip(self.sensors, self.kept[row], strict=True) if there]
        lost = [name for name in self.sensors if name not in kept]
        if not lost:
            return "all"
        short = len(lost) <= len(kept)
        return f"without {', '.join(lost)}" if short else f"only {', '.join(kept)}"


@dataclass(frozen=True)
class Size:
    """All scored sets of one size: their mean score, and the rows of the worst and the best set.

    A set's score is the mean over seeds.
    """

    lost: int
    sets: int
    mean: float
    worst: int
    best: int


@dataclass(frozen=True)
class Value:
    """The Shapley value of one sensor in points. errors: standard errors.

    seed_error: over seeds, with the Nadeau-Bengio variance; NaN for one seed. order_error: over
    the sampled orders; 0 where all sets were scored.
    """

    sensor: str
    mean: float
    seed_error: float
    order_error: float


def sensor_values(scores: SensorScores) -> list[Value]:
    """What each sensor is worth; over all sensors it adds up to the score with all less none."""
    values = np.concatenate([scores.none[:, None], scores.scores], axis=1)
    place = {0: 0} | {_bits(row): i for i, row in enumerate(scores.kept, start=1)}
    order_error = np.zeros(len(scores.sensors))
    if scores.orders:
        gains = ordered_gains(values, place, scores.orders)
        seeds = gains.mean(axis=1)
        means = gains.mean(axis=0)
        order_error = means.std(axis=0, ddof=1) / math.sqrt(len(means))
    else:
        seeds = shapley(values[:, [place[bits] for bits in range(len(place))]])
    count = len(seeds)
    seed_error = np.full(len(scores.sensors), math.nan)
    if count > 1:
        seed_error = seeds.std(axis=0, ddof=1) * math.sqrt(1 / count + scores.ratio)
    columns = (scores.sensors, seeds.mean(axis=0), seed_error, order_error)
    return [
        Value(name, float(mean), float(seed), float(order))
        for name, mean, seed, order in zip(*columns, strict=True)
    ]


def by_size(scores: SensorScores) -> list[Size]:
    """Sets of each size, from none lost on."""
    means, lost = scores.scores.mean(axis=0), (~scores.kept).sum(axis=1)
    found = []
    for count in np.unique(lost):
        rows = np.flatnonzero(lost == count)
        worst, best = rows[means[rows].argmin()], rows[means[rows].argmax()]
        mean = float(means[rows].mean())
        found.append(Size(int(count), len(rows), mean, int(worst), int(best)))
    return found


def class_drops(scores: SensorScores) -> Floats:
    """(K, n): points of F1 that a class loses where one sensor alone is lost, mean over seeds.

    NaN for a class that no seed tests.
    """
    lost = ~scores.kept
    only = lost.sum(axis=1) == 1
    alone = [int((only & lost[:, i]).argmax()) for i in range(len(scores.sensors))]
    drops = scores.per_class[:, [scores.everything]] - scores.per_class[:, alone]
    tested = np.isfinite(drops)
    total = np.where(tested, drops, 0).sum(axis=0) / np.maximum(tested.sum(axis=0), 1)
    return np.where(tested.any(axis=0), total, math.nan).T


def _bits(kept: NDArray[np.bool_]) -> int:
    return sum(1 << int(i) for i in np.flatnonzero(kept))


def size_rows(scores: SensorScores) -> list[list[str]]:
    """How much is left when some sensors are lost; the first row is the header."""
    rows = [["lost", "sets", "mean", "worst", "worst set", "best", "best set"]]
    means = scores.scores.mean(axis=0)
    for size in by_size(scores):
        rows.append([str(size.lost), str(size.sets), f"{size.mean:.1f}"])
        for row in (size.worst, size.best):
            rows[-1] += [f"{means[row]:.1f}", scores.words(row)]
    return rows


def value_rows(scores: SensorScores) -> list[list[str]]:
    """What each sensor is worth, the most valuable first; the first row is the header."""
    sampled = ["± orders"] if scores.orders else []
    rows = [["sensor", "Shapley value", "± seeds", *sampled, "kept alone", "lost alone"]]
    means, count = scores.scores.mean(axis=0), scores.kept.sum(axis=1)
    values = sensor_values(scores)
    for index in sorted(range(len(values)), key=lambda i: -values[i].mean):
        value, mine = values[index], scores.kept[:, index]
        alone = means[int((mine & (count == 1)).argmax())]
        without = means[int((~mine & (count == len(values) - 1)).argmax())]
        error = HOLE if math.isnan(value.seed_error) else f"{value.seed_error:.1f}"
        order = [f"{value.order_error:.1f}"] if sampled else []
        rows.append([value.sensor, f"{value.mean:.1f}", error, *order,
                     f"{alone:.1f}", f"{without:.1f}"])  # fmt: skip
    return rows


def activity_rows(scores: SensorScores) -> list[list[str]]:
    """Which activity suffers from the loss of which sensor; the first row is the header."""
    rows = [["F1 lost without", *scores.sensors]]
    drops = class_drops(scores)
    for index in most_hit(drops):
        cells = [HOLE if math.isnan(drop) else f"{drop:.1f}" for drop in drops[index]]
        rows.append([scores.classes[index], *cells])
    return rows


def most_hit(drops: Floats) -> list[int]:
    """The classes (rows of `drops`), that with the largest drop first, those without any last."""
    worst = np.where(np.isfinite(drops), drops, -np.inf).max(axis=1)
    return [int(index) for index in np.argsort(-worst, kind="stable")]


def notes(scores: SensorScores) -> list[str]:
    """How the numbers are to be read."""
    values, everything = sensor_values(scores), scores.scores[:, scores.everything].mean()
    total = sum(value.mean for value in values)
    seeds = len(scores.scores)
    how = f"estimated from {len(scores.orders)} orders" if scores.orders else "from all sets"
    lines = [
        f"Means over {seeds} seed{'s' if seeds > 1 else ''}. With all sensors {everything:.1f}, "
        f"with none {scores.none.mean():.1f}: a window that has nothing left is answered with the "
        "most frequent class of the labelled training windows.",
        f"Shapley values, {how}: what a sensor adds, averaged over all orders of adding the "
        f"sensors; they add up to {total:.1f}. ± seeds: standard error with the Nadeau-Bengio "
        f"variance (n_test/n_train = {scores.ratio:.2f}).",
    ]
    if scores.orders:
        lines.append(
            f"± orders: standard error over the orders. {len(scores.kept)} sets were sampled: "
            "worst and best are of these."
        )
    return lines
