"""How often each test is wrong, and how often it sees a true difference, by simulation.

Each repetition makes finite datasets of Gaussian classes with two blocks of features that are
equally informative, draws the suite's splits (8:1:1, 15 % labels, one per seed), trains a ridge
classifier on each block, and tests the paired differences of their accuracy. Splits of one finite
dataset overlap, which is what makes the plain paired t-test wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harbench.analysis.statistics import Differences, corrected_t, sign_flip, wilcoxon

WINDOWS, CLASSES, FEATURES = 400, 4, 8
TEST, LABELLED = 0.1, 0.15 * 0.8
RATIO = TEST / 0.8
SIGNAL = 0.55
PENALTY = 1.0
NAMES = {
    1: ("nb-t", "paired t (not offered)", "signflip", "wilcoxon"),
    3: ("nb-t-pooled", "t over dataset means (not offered)", "signflip", "wilcoxon"),
}


@dataclass(frozen=True)
class Design:
    """What is simulated. delta: how much less signal b's features carry; 0 is the null."""

    datasets: int
    seeds: int
    delta: float


def simulate(design: Design, repetitions: int, seed: int) -> list[Differences]:
    """Differences in accuracy, in points: for each repetition one array (seeds,) per dataset."""
    generator = np.random.default_rng([seed, design.datasets, design.seeds])
    return [
        [_dataset(design, generator) for _ in range(design.datasets)] for _ in range(repetitions)
    ]


def _dataset(design: Design, generator: np.random.Generator) -> np.ndarray:
    labels = np.arange(WINDOWS) % CLASSES
    # Both have the same class centres, so that under the null neither is better on this data.
    centres = SIGNAL * generator.normal(size=(CLASSES, FEATURES))
    blocks = [
        share * centres[labels] + generator.normal(size=(WINDOWS, FEATURES))
        for share in (1.0, 1 - design.delta)
    ]
    differences = []
    for _ in range(design.seeds):
        order = generator.permutation(WINDOWS)
        test = order[: round(TEST * WINDOWS)]
        labelled = order[-round(LABELLED * WINDOWS) :]
        a, b = (_accuracy(block, labels, labelled, test) for block in blocks)
        differences.append(100 * (a - b))
    return np.array(differences)


def _accuracy(
    features: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray
) -> float:
    """Accuracy of a ridge classifier (least squares on +-1 targets)."""
    x = np.column_stack([features[train], np.ones(len(train))])
    targets = 2.0 * (labels[train][:, None] == np.arange(CLASSES)) - 1
    weights = np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ targets)
    found = np.column_stack([features[test], np.ones(len(test))]) @ weights
    return float(np.mean(found.argmax(axis=1) == labels[test]))


def rejections(samples: Sequence[Differences], alpha: float) -> pd.Series:
    """The share of samples in which each test finds a difference at `alpha`."""
    datasets = len(samples[0])
    ratios = [RATIO] * datasets
    rows = []
    for differences in samples:
        means = [np.array([d.mean() for d in differences])]
        plain = differences if datasets == 1 else means
        p = [
            corrected_t(differences, ratios, "").p,
            corrected_t(plain, [0.0], "").p,
            sign_flip(differences, ratios).p,
            wilcoxon(differences, ratios).p,
        ]
        rows.append([value < alpha for value in p])
    names = NAMES.get(datasets, NAMES[3])
    return pd.DataFrame(rows, columns=list(names)).mean()


def calibrate(
    repetitions: int = 400, seeds: int = 5, alpha: float = 0.05, delta: float = 0.15, seed: int = 0
) -> pd.DataFrame:
    """False positive rate and power of every test, for one dataset and for three, in %.

    Columns: datasets, test, false_positives, power, error (standard error of the former at alpha).
    """
    tables = []
    for datasets in (1, 3):
        null, alternative = (
            rejections(simulate(Design(datasets, seeds, d), repetitions, seed), alpha)
            for d in (0.0, delta)
        )
        table = pd.DataFrame({"false_positives": 100 * null, "power": 100 * alternative})
        table.insert(0, "test", table.index)
        table.insert(0, "datasets", datasets)
        tables.append(table)
    found = pd.concat(tables, ignore_index=True)
    found["error"] = 100 * np.sqrt(alpha * (1 - alpha) / repetitions)
    return found
