"""Two methods, condition by condition, with a verdict in plain language."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from harbench.analysis.pairs import (
    CONDITION,
    METRICS,
    ORDER,
    Condition,
    named,
    only,
    pairs,
    require_names,
    same_people,
    trainings,
)
from harbench.analysis.resampling import (
    FEWEST_BLOCKS,
    interquartile_mean,
    interquartile_mean_interval,
    seeds_ahead,
)
from harbench.analysis.sheet import Lane, Piece, Sheet
from harbench.analysis.statistics import (
    Posterior,
    Result,
    bayesian_t,
    find_test,
    holm,
)
from harbench.discovery import title
from harbench.errors import HarbenchError

ROPE = 0.5


@dataclass(frozen=True)
class Difference:
    """a minus b under one condition on one dataset, or pooled over those that train alike.

    ahead: in how many pairs of a seed of a and one of b a is ahead, and of how many. dropped:
    (dataset, seed) blocks that only one of them has. scores: of a and of b in %, per dataset.
    """

    where: str
    result: Result
    posterior: Posterior
    ahead: tuple[float, int]
    dropped: int
    scores: tuple[list[np.ndarray], list[np.ndarray]]


def compare(frame: pd.DataFrame, a: str, b: str, metric: str, test: str) -> list[Difference]:
    """Every condition that both have, Holm-adjusted together, then all pooled (not adjusted).

    Pooled is only what trains alike: protocols of one split and one labelled share. Of several
    datasets, each is pooled by itself, too.
    Raises HarbenchError where they share none.
    """
    frame = named(frame)
    require_names(frame["name"], [a, b])
    if a == b:
        raise HarbenchError(f"{a} is compared with itself; name two rows.")
    frame = frame[frame["name"].isin([a, b])]
    conditions = [Condition(*row) for row in _shared(frame, a, b)]
    if not conditions:
        raise HarbenchError(f"{a} and {b} have no condition, dataset and seed in common.")
    rows = []
    for dataset in sorted(frame["dataset"].unique()):
        for condition in conditions:
            part = only(frame[frame["dataset"] == dataset], [condition])
            if part["name"].nunique() == 2:
                rows.append((f"{dataset}, {condition}", part))

    def differences(parts: Sequence[tuple[str, pd.DataFrame]]) -> list[Difference]:
        every = [_difference(part, a, b, metric, test, where) for where, part in parts]
        return [each for each in every if each]

    found = differences(rows)
    adjusted = holm([row.result for row in found])
    found = [replace(row, result=result) for row, result in zip(found, adjusted, strict=True)]
    if len(found) > 1:
        found += differences(_pooled(only(frame, conditions)))
    if not found:
        raise HarbenchError(f"{a} and {b} have no seed in common.")
    return found


def _pooled(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """What is averaged and pooled: all that may be, of several datasets each before it."""
    found = []
    groups = [part for _, part in frame.groupby(trainings(frame), sort=True)]
    for group in groups:
        protocols = ", ".join(sorted(group["protocol"].unique()))
        datasets = [(str(name), part) for name, part in group.groupby("dataset")]
        datasets = [(name, part) for name, part in datasets if part["name"].nunique() == 2]
        for dataset, part in datasets if len(datasets) > 1 else []:
            where = dataset if len(groups) == 1 else f"{protocols}, {dataset}"
            # One condition is a row already.
            if len(part[CONDITION].drop_duplicates()) > 1:
                found.append((f"all of {where}", part))
        if not same_people(group):
            found.append(("all together" if len(groups) == 1 else f"all of {protocols}", group))
    return found


def _shared(frame: pd.DataFrame, a: str, b: str) -> Sequence[tuple[str, str, float]]:
    keys = [
        set(zip(part["protocol"], part["scale"], part["rate"], strict=True))
        for part in (frame[frame["name"] == name] for name in (a, b))
    ]
    return sorted(keys[0] & keys[1], key=lambda key: (key[0], ORDER[key[1]], key[2]))


def _difference(
    frame: pd.DataFrame, a: str, b: str, metric: str, test: str, where: str
) -> Difference | None:
    pair = pairs(frame, a, b, metric)
    if not pair.differences:
        return None
    result = find_test(test)(pair.differences, pair.ratios, pair.floors)
    posterior = bayesian_t(pair.differences, pair.ratios, ROPE, pair.floors)
    scores = [of_a for of_a, _ in pair.scores], [of_b for _, of_b in pair.scores]
    return Difference(where, result, posterior, seeds_ahead(*scores), pair.dropped, scores)


def middles(difference: Difference, a: str, b: str) -> str:
    """Interquartile means with their bootstrap intervals, "" below ten blocks."""
    if difference.result.n < FEWEST_BLOCKS:
        return ""
    said = []
    for name, scores in zip((a, b), difference.scores, strict=True):
        low, high = interquartile_mean_interval(scores)
        said.append(f"{title(name)} {interquartile_mean(scores):.2f} [{low:.2f}, {high:.2f}]")
    return (
        f"Interquartile means of the {difference.result.n} blocks, {difference.where}: "
        f"{', '.join(said)} (95 % of bootstraps of the seeds within datasets; not tested)."
    )


def word(difference: Difference, alpha: float = 0.05) -> str:
    """What the test says of a against b: better, worse, unclear, or n/a where nothing could be."""
    return difference.result.verdict(alpha) or "unclear"


def verdict(difference: Difference, a: str, b: str, alpha: float = 0.05) -> str:
    """One sentence that claims no more than the test shows."""
    result = difference.result
    if math.isnan(result.p):
        few = "one seed only" if result.n == 1 else "a dataset has one seed only"
        return f"{few}: {result.effect:+.2f} points, no statement is possible"
    interval = f"the interval is {result.low:+.1f} to {result.high:+.1f} points"
    if math.isnan(result.low):
        interval = f"{result.effect:+.2f} points, without an interval"
    found = result.verdict(alpha)
    if found == "n/a":
        return f"{result.test} cannot reach alpha with n = {result.n}; {interval}"
    adjusted = result.p if math.isnan(result.adjusted_p) else result.adjusted_p
    if found == "" and adjusted < alpha:
        return f"ranks and mean point in opposite directions (p = {adjusted:.2g}): {interval}"
    if found == "" and result.p <= alpha:
        return f"a difference before Holm's adjustment only (p = {adjusted:.2g} after): {interval}"
    if found == "":
        return f"no evidence of a difference (p = {adjusted:.2g}): {interval}"
    winner, loser = (a, b) if found == "better" else (b, a)
    return f"{winner} is better than {loser} (p = {adjusted:.2g}): {interval}"


def compared(
    rows: Sequence[Difference], a: str, b: str, metric: str, alpha: float, notes: list[str]
) -> Sheet:
    """The differences as a table of at most 80 characters, with a word for each."""
    known = [not math.isnan(row.result.low) for row in rows]
    lanes = {
        "n": [str(row.result.n) for row in rows],
        "a - b": [f"{row.result.effect:+.2f}" for row in rows],
        "lower": [f"{r.result.low:+.2f}" if k else "" for r, k in zip(rows, known, strict=True)],
        "upper": [f"{r.result.high:+.2f}" if k else "" for r, k in zip(rows, known, strict=True)],
        "same": [f"{row.posterior.equivalent:.2f}" for row in rows],
        "ahead": [f"{row.ahead[0]:g}/{row.ahead[1]}" for row in rows],
        "verdict": [word(row, alpha) for row in rows],
    }
    notes = [*notes, *filter(None, (middles(row, a, b) for row in rows))]
    lanes["same"] = ["" if text == "nan" else text for text in lanes["same"]]
    return Sheet(
        "where",
        [row.where for row in rows],
        [Lane(name, [Piece(text) for text in texts]) for name, texts in lanes.items()],
        f"Points of {METRICS[metric]}, a = {title(a)}, b = {title(b)}.",
        notes,
    )
