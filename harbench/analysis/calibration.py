"""How often each statement is wrong, and how often a test sees a true difference, by simulation.

Each repetition makes finite datasets of Gaussian classes with two blocks of features that are
equally informative, draws the suite's splits (one per seed), trains a ridge classifier on each
block, and tests the paired differences of their accuracy. Splits of one finite dataset overlap,
which is what makes the plain paired t-test wrong. Scenarios: windows that are independent; windows
of one take that resemble each other, split at random or by folds of subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harbench.analysis.slope import robustness_slopes
from harbench.analysis.statistics import (
    DECIMALS,
    Differences,
    corrected_t,
    nb_t,
    resolution,
    sign_flip,
    wilcoxon,
)

WINDOWS, CLASSES, FEATURES = 400, 4, 8
SUBJECTS, TAKE = 10, 10
SIGNAL, RESEMBLANCE, HABIT = 0.55, 1.0, 0.5
PENALTY = 1.0
DISCRETE = 304
NAMES = ("nb-t", "paired t (not offered)", "signflip", "wilcoxon")


@dataclass(frozen=True)
class Design:
    """What is simulated. delta: how much less signal b's features carry; 0 is the null.

    clustered: windows of one take share a part of their noise, and so do all takes of one activity
    of one person. split: "random" (8:1:1, 15 % labels) or "subject" (folds of people as many as
    seeds, all windows of the others but one more fold, 15 % labels).
    """

    datasets: int
    seeds: int
    delta: float
    clustered: bool = False
    split: str = "random"

    @property
    def ratio(self) -> float:
        """n_test / n_train."""
        return 0.125 if self.split == "random" else 1 / (self.seeds - 2 if self.seeds > 2 else 1)


def simulate(design: Design, repetitions: int, seed: int) -> list[Differences]:
    """Differences in accuracy, in points: for each repetition one array (seeds,) per dataset."""
    generator = np.random.default_rng([seed, design.datasets, design.seeds])
    return [
        [_dataset(design, generator) for _ in range(design.datasets)] for _ in range(repetitions)
    ]


def _dataset(design: Design, generator: np.random.Generator) -> np.ndarray:
    # A take is one activity of one person: consecutive windows of one class.
    takes = np.arange(WINDOWS) // TAKE
    labels = takes % CLASSES
    habits = _subjects() * CLASSES + labels
    # Both have the same class centres, so that under the null neither is better on this data.
    centres = SIGNAL * generator.normal(size=(CLASSES, FEATURES))
    blocks = []
    for share in (1.0, 1 - design.delta):
        noise = generator.normal(size=(WINDOWS, FEATURES))
        if design.clustered:
            noise += RESEMBLANCE * generator.normal(size=(takes[-1] + 1, FEATURES))[takes]
            noise += HABIT * generator.normal(size=(SUBJECTS * CLASSES, FEATURES))[habits]
        blocks.append(share * centres[labels] + noise)
    differences = []
    for labelled, test in _splits(design, generator):
        a, b = (_accuracy(block, labels, labelled, test) for block in blocks)
        differences.append(100 * (a - b))
    return np.array(differences)


def _subjects() -> np.ndarray:
    return np.arange(WINDOWS) * SUBJECTS // WINDOWS


def _splits(design: Design, generator: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Labelled training windows and test windows of each seed."""
    if design.split == "random":
        orders = [generator.permutation(WINDOWS) for _ in range(design.seeds)]
        labelled, tested = round(0.12 * WINDOWS), round(0.1 * WINDOWS)
        return [(order[-labelled:], order[:tested]) for order in orders]
    folds = (generator.permutation(SUBJECTS) % design.seeds)[_subjects()]
    found = []
    for seed in range(design.seeds):
        used = [seed, (seed + 1) % design.seeds] if design.seeds > 2 else [seed]
        train = generator.permutation(np.flatnonzero(~np.isin(folds, used)))
        found.append((train[: round(0.15 * len(train))], np.flatnonzero(folds == seed)))
    return found


def _accuracy(
    features: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> float:
    """Accuracy of a ridge classifier (least squares on +-1 targets)."""
    x = np.column_stack([features[train], np.ones(len(train))])
    targets = 2.0 * (labels[train][:, None] == np.arange(CLASSES)) - 1
    weights = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ targets)
    found = np.column_stack([features[test], np.ones(len(test))]) @ weights
    return float(np.mean(found.argmax(axis=1) == labels[test]))


def rejections(samples: Sequence[Differences], design: Design, alpha: float) -> pd.Series:
    """The share of samples in which each test finds a difference at `alpha`."""
    ratios = [design.ratio] * design.datasets
    fraction = 0.1 if design.split == "random" else 1 / design.seeds
    floors = [resolution(fraction * WINDOWS)] * design.datasets
    rows = []
    for differences in samples:
        means = [np.array([d.mean() for d in differences])]
        plain = differences if design.datasets == 1 else means
        p = [
            nb_t(differences, ratios, floors).p,
            corrected_t(plain, [0.0], "").p,
            sign_flip(differences, ratios).p,
            wilcoxon(differences, ratios).p,
        ]
        rows.append([value < alpha for value in p])
    return pd.DataFrame(rows, columns=list(NAMES)).mean()


def starred(seeds: int, rows: int, repetitions: int, alpha: float, seed: int) -> dict[str, float]:
    """How often a column of equal methods has any star, with the floor and without.

    Scores are counts of right windows among DISCRETE, all methods with the same chance of 0.97; a
    seed's windows are as hard for all, which is what pairing is for.
    """
    generator = np.random.default_rng([seed, seeds, rows])
    floors = {"nb-t": [resolution(DISCRETE)], "nb-t without floor (before)": None}
    found = dict.fromkeys(floors, 0)
    for _ in range(repetitions):
        level = generator.normal(0.97, 0.005, seeds).clip(0, 1)
        scores = 100 * generator.binomial(DISCRETE, level, (rows + 1, seeds)) / DISCRETE
        gaps = np.round(scores[0] - scores[1:], DECIMALS)
        for name, floor in floors.items():
            # Holm's smallest p decides whether there is any star, and it is the largest t's.
            spread = np.maximum(gaps.var(axis=1, ddof=1), floor[0] if floor else 1e-30)
            largest = int(np.argmax(np.abs(gaps.mean(axis=1)) / np.sqrt(spread)))
            found[name] += rows * _counted(gaps[largest], floor) < alpha
    return {name: 100 * count / repetitions for name, count in found.items()}


def _counted(difference: np.ndarray, floor: list[float] | None) -> float:
    result = nb_t([difference], [0.125], floor)
    # Without a floor equal differences had no variance at all, and p = 0.
    return 0.0 if np.isnan(result.p) else result.p


def slopes(seeds: int, repetitions: int, alpha: float, seed: int, spread: float = 0.0) -> float:
    """How often a difference is found between two slopes that are equal, in %.

    spread: standard deviation of the slopes of single runs, points per 100 % missing.
    """
    generator = np.random.default_rng([seed, seeds])
    methods, rates = ("a", "b"), (0.0, 0.05, 0.10, 0.15)
    found = 0
    for _ in range(repetitions):
        blocks, runs = generator.normal(0, 1, seeds), generator.normal(0, 1, (2, seeds))
        falls = generator.normal(40, spread, (2, seeds))
        rows = [
            (method, "d", s, rate, level / 100)
            for m, method in enumerate(methods)
            for s in range(seeds)
            for rate in rates
            for level in [
                90 + blocks[s] + runs[m, s] - falls[m, s] * rate + generator.normal(0, 0.5)
            ]
        ]
        frame = pd.DataFrame(rows, columns=["method", "dataset", "seed", "rate", "accuracy"])
        # Runs share no training windows here, so that no variance is to be corrected.
        frame = frame.assign(protocol="p", split="one", n=DISCRETE, n_test=1, n_train=1)
        slopes = robustness_slopes(frame, "accuracy", "a")
        found += float(slopes["p"]["b"]) < alpha
    return 100 * found / repetitions


def calibrate(
    repetitions: int = 400, seeds: int = 5, alpha: float = 0.05, delta: float = 0.15, seed: int = 0
) -> pd.DataFrame:
    """False positive rate and power of every statement, in %.

    Columns: scenario, datasets, test, false_positives, power (NaN where not simulated), error
    (standard error of the former at alpha).
    """
    rows: list[tuple[str, int, str, float, float]] = []
    scenarios = [(False, "random", "windows independent, split at random"),
                 (True, "random", "people and takes, split at random"),
                 (True, "subject", "people and takes, folds of subjects")]  # fmt: skip
    for clustered, split, scenario in scenarios:
        for datasets in (1, 3):
            null, alternative = (
                rejections(simulate(design, repetitions, seed), design, alpha)
                for design in (Design(datasets, seeds, d, clustered, split) for d in (0.0, delta))
            )
            names = [("nb-t-pooled" if n == "nb-t" and datasets > 1 else n) for n in NAMES]
            rows += [
                (scenario, datasets, name, 100 * a, 100 * b)
                for name, a, b in zip(names, null, alternative, strict=True)
            ]
    for number in sorted({2, 3, seeds}):
        for compared in (8, 16):
            for name, rate in starred(number, compared, repetitions, alpha, seed).items():
                scenario = f"any star, {compared} rows, {number} seeds, {DISCRETE} windows"
                rows.append((scenario, 1, name, rate, np.nan))
    for spread in (0, 20):
        words = f"equal slopes, of runs ± {spread}"
        rows.append((words, 1, "slope", slopes(seeds, repetitions, alpha, seed, spread), np.nan))
    columns = ["scenario", "datasets", "test", "false_positives", "power"]
    found = pd.DataFrame(rows, columns=columns)
    found["error"] = 100 * np.sqrt(alpha * (1 - alpha) / repetitions)
    return found
