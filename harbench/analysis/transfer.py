"""Does what a model learned under one fault help under another? Training by test faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tabulate import tabulate

from harbench.analysis.pairs import METRICS, tested
from harbench.errors import HarbenchError

WIDTH = 80
HOLE = "-"
# tabulate's columns are two wider than their heads, and lie two apart.
PADDED = "{}  "


@dataclass(frozen=True)
class Transfer:
    """One method's matrix. faults: how it was trained; conditions: (scale, rate) of the tests.

    mean, sd: (faults, conditions) in %, over seeds, NaN where a record or a second seed is missing.
    seeds: (faults,) how many each row has.
    """

    method: str
    faults: tuple[str, ...]
    conditions: tuple[tuple[str, float], ...]
    mean: np.ndarray
    sd: np.ndarray
    seeds: tuple[int, ...]

    @property
    def titles(self) -> list[str]:
        """The test conditions in words, without the rate where all that have one have the same."""
        several = len(self._rates()) > 1
        return [tested(scale, rate) if several else scale for scale, rate in self.conditions]

    @property
    def tested(self) -> str:
        """What the columns are, and their rate where all that have one have the same."""
        rates = self._rates()
        return f"tested with ({100 * rates[0]:g} % lost)" if len(rates) == 1 else "tested with"

    def _rates(self) -> list[float]:
        return sorted({rate for _, rate in self.conditions} - {0})

    def best(self) -> np.ndarray:
        """(faults, conditions), True where no other training does better under the test."""
        highest = np.max(self.mean, axis=0, initial=-np.inf, where=~np.isnan(self.mean))
        return np.asarray(self.mean == highest)


def transfer(
    frame: pd.DataFrame,
    method: str,
    labels: Mapping[str, str],
    conditions: Sequence[tuple[str, float]],
    metric: str = "f1_macro",
) -> Transfer:
    """The matrix of one method from records of one dataset, protocol and budget.

    labels: training fault -> the row of records that was trained with it, in the order of the
    matrix. conditions: (scale, rate) of its columns. Raises HarbenchError where there is no record.
    """
    chosen = frame[frame["method"].isin(labels.values())] if len(frame) else frame
    if chosen.empty:
        raise HarbenchError(f"There is no record of {method} to draw a matrix of.")
    shape = len(labels), len(conditions)
    mean, sd = np.full(shape, np.nan), np.full(shape, np.nan)
    for i, label in enumerate(labels.values()):
        row = chosen[chosen["method"] == label]
        for j, (scale, rate) in enumerate(conditions):
            scores = 100 * row[(row["scale"] == scale) & (row["rate"] == rate)][metric]
            mean[i, j], sd[i, j] = scores.mean(), scores.std(ddof=1)
    seeds = tuple(
        int(chosen[chosen["method"] == label]["seed"].nunique()) for label in labels.values()
    )
    return Transfer(method, tuple(labels), tuple(conditions), mean, sd, seeds)


def as_text(found: Transfer, metric: str = "f1_macro") -> str:
    """The matrix as text of 80 columns at most; what does not fit side by side goes below.

    The best training of each test is marked with *.
    """
    best, titles = found.best(), found.titles
    head = max(map(len, (PADDED.format("trained with"), *found.faults)))
    blocks: list[list[int]] = []
    left = 0
    for j, title in enumerate(titles):
        needed = max(len(PADDED.format(title)), len("*100.0")) + 2
        if not blocks or needed > left:
            blocks.append([])
            left = WIDTH - head
        blocks[-1].append(j)
        left -= needed
    tables = [
        tabulate(
            [
                [fault, *(_cell(found.mean[i, j], bool(best[i, j])) for j in block)]
                for i, fault in enumerate(found.faults)
            ],
            headers=["trained with", *(titles[j] for j in block)],
            tablefmt="simple",
            colalign=("left", *("right" for _ in block)),
            disable_numparse=True,
        )
        for block in blocks
    ]
    title = f"{found.method}: {METRICS[metric]} %, {found.tested}"
    return "\n\n".join(["\n".join([title, tables[0]]), *tables[1:], "\n".join(notes(found))])


def notes(found: Transfer) -> list[str]:
    """What a reader of the matrix must know."""
    counts = sorted(set(found.seeds))
    several = "" if len(counts) == 1 else f" (not equal: {', '.join(map(str, found.seeds))})"
    lines = [f"Mean over {counts[-1]} seed{'s' * (counts[-1] > 1)}{several}; * best of a test."]
    if np.isfinite(found.sd).any():
        lines.append(f"Standard deviation over seeds up to {np.nanmax(found.sd):.1f} points.")
    return lines


def _cell(mean: float, best: bool) -> str:
    if np.isnan(mean):
        return HOLE
    return f"{'*' * best}{mean:.1f}"
