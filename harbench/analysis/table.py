"""Methods by datasets and conditions: means, significance against a control, ranks, footnotes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from harbench.analysis.pairs import Condition, named, only, pairs, require_names
from harbench.analysis.statistics import CONFIDENCE, Result, find_test, holm
from harbench.errors import HarbenchError

METRICS = {
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "f1_weighted": "weighted F1",
    "balanced_accuracy": "balanced accuracy",
}


@dataclass(frozen=True)
class Rules:
    """How a table compares. control: the row that all others are compared with; "" for none."""

    metric: str = "accuracy"
    control: str = ""
    test: str = "nb-t"
    alpha: float = 0.05
    family: str = "column"


@dataclass(frozen=True)
class Cell:
    """mean, spread: of n seeds, in %; spread NaN for one seed. rank: 1 best, 2 second, else 0.

    result: the control minus this row; None in the control's own row or where pairs lack.
    """

    mean: float
    spread: float
    n: int
    rank: int = 0
    result: Result | None = None


@dataclass(frozen=True)
class Column:
    """One dataset under one condition."""

    dataset: str
    condition: Condition


@dataclass
class PaperTable:
    """rows[name][column] is a Cell, or None for a hole. overall: control minus row, pooled."""

    rules: Rules
    columns: list[Column]
    rows: dict[str, list[Cell | None]]
    average: dict[str, float]
    ranks: dict[str, float]
    overall: dict[str, Result]
    notes: list[str] = field(default_factory=list)

    @property
    def holes(self) -> list[str]:
        """Every cell without a record, in words."""
        return [
            f"{name}: {column.dataset}, {column.condition}"
            for name, cells in self.rows.items()
            for column, cell in zip(self.columns, cells, strict=True)
            if cell is None
        ]


def paper_table(
    frame: pd.DataFrame, conditions: Sequence[Condition], rules: Rules, complete: bool = False
) -> PaperTable:
    """Build the table of all methods in `frame` under `conditions`, a column per dataset.

    complete: raise HarbenchError where a cell lacks, or has fewer seeds than others.
    """
    find_test(rules.test)
    frame = only(named(frame), conditions)
    if frame.empty:
        raise HarbenchError(
            f"There are no records of {', '.join(map(str, conditions))} among the chosen ones."
        )
    if rules.control:
        require_names(frame, [rules.control])
    datasets = sorted(frame["dataset"].unique())
    columns = [Column(d, c) for d in datasets for c in conditions if _part(frame, d, c).size]
    names = sorted(frame["name"].unique(), key=lambda name: (name == rules.control, name))
    rows: dict[str, list[Cell | None]] = {name: [] for name in names}
    for column in columns:
        for name, cell in _column(frame, column, names, rules).items():
            rows[name].append(cell)
    if rules.family == "table":
        rows = _adjust_all(rows)
    table = PaperTable(
        rules,
        columns,
        rows,
        {n: float(np.mean([c.mean for c in r if c])) for n, r in rows.items() if None not in r},
        _average_ranks(rows),
        compare_all(frame, names, rules),
    )
    if complete:
        _require_complete(table)
    table.notes = footnotes(table, frame)
    return table


def _part(frame: pd.DataFrame, dataset: str, condition: Condition) -> pd.DataFrame:
    return only(frame[frame["dataset"] == dataset], [condition])


def _column(
    frame: pd.DataFrame, column: Column, names: Sequence[str], rules: Rules
) -> dict[str, Cell | None]:
    part = _part(frame, column.dataset, column.condition)
    cells: dict[str, Cell | None] = {}
    for name in names:
        scores = 100 * part.loc[part["name"] == name, rules.metric]
        spread = float(scores.std(ddof=1)) if len(scores) > 1 else math.nan
        cells[name] = Cell(float(scores.mean()), spread, len(scores)) if len(scores) else None
    means = sorted({round(c.mean, 10) for c in cells.values() if c}, reverse=True)
    results = compare_all(part, names, rules)
    return {
        name: cell
        and replace(
            cell,
            rank=rank if (rank := means.index(round(cell.mean, 10)) + 1) <= 2 else 0,
            result=results.get(name),
        )
        for name, cell in cells.items()
    }


def compare_all(frame: pd.DataFrame, names: Sequence[str], rules: Rules) -> dict[str, Result]:
    """The control minus every other row, adjusted for their number; rows without pairs are left."""
    if not rules.control:
        return {}
    test = find_test(rules.test)
    found = {}
    for name in names:
        if name != rules.control:
            pair = pairs(frame, rules.control, name, rules.metric)
            if pair.differences:
                found[name] = test(pair.differences, pair.ratios)
    adjusted = holm(list(found.values()), rules.alpha)
    return dict(zip(found, adjusted, strict=True))


def _adjust_all(rows: dict[str, list[Cell | None]]) -> dict[str, list[Cell | None]]:
    """Holm over all cells of the table instead of those of a column."""
    places = [(n, i) for n, r in rows.items() for i, c in enumerate(r) if c and c.result]
    results = [cell.result for n, i in places if (cell := rows[n][i]) and cell.result]
    adjusted = {name: list(cells) for name, cells in rows.items()}
    for (name, index), result in zip(places, holm(results), strict=True):
        cell = adjusted[name][index]
        assert cell is not None
        adjusted[name][index] = replace(cell, result=result)
    return adjusted


def _average_ranks(rows: dict[str, list[Cell | None]]) -> dict[str, float]:
    """Average rank over the columns that have no hole; NaN where there is none."""
    means = pd.DataFrame({n: [c.mean if c else math.nan for c in r] for n, r in rows.items()})
    ranks = means.dropna().round(10).rank(axis=1, ascending=False).mean()
    return {str(name): float(rank) for name, rank in ranks.items()}


def _require_complete(table: PaperTable) -> None:
    if table.holes:
        raise HarbenchError(
            f"{len(table.holes)} cells have no record: {'; '.join(table.holes[:3])}"
            f"{'; ...' if len(table.holes) > 3 else ''}. Run them, or leave out --complete."
        )
    counts = {cell.n for cells in table.rows.values() for cell in cells if cell}
    if len(counts) > 1:
        raise HarbenchError(
            f"Cells have between {min(counts)} and {max(counts)} seeds. Run the missing ones, or "
            "leave out --complete."
        )


def footnotes(table: PaperTable, frame: pd.DataFrame) -> list[str]:
    """What was done, in sentences that may go below the table."""
    rules = table.rules
    cells = [cell for row in table.rows.values() for cell in row if cell]
    counts = sorted({cell.n for cell in cells})
    seeds = f"{counts[0]} seeds" if len(counts) == 1 else "the seeds given in brackets"
    budget, metric = frame["budget"].iloc[0], METRICS[rules.metric]
    notes = [
        f"{metric[0].upper()}{metric[1:]} in %, mean ± standard deviation over {seeds}; each "
        f"seed redraws split, labels and weights. Budget {budget}. Bold: best; underlined: second."
    ]
    if rules.control:
        notes += _test_notes(table)
    if table.holes:
        notes.append(f"-: no record ({len(table.holes)} cells).")
    leakage = 100 * frame.groupby("dataset")["leakage"].max()
    if (leakage > 0).any():
        shares = ", ".join(f"{name} {share:.0f} %" for name, share in leakage.items() if share > 0)
        notes.append(f"Test windows that share samples with a training window: {shares}.")
    return notes


def _test_notes(table: PaperTable) -> list[str]:
    rules = table.rules
    results = [c.result for row in table.rows.values() for c in row if c and c.result]
    if not results:
        return ["Nothing to compare with the control."]
    words = {
        "nb-t": "two-sided paired t-test with the Nadeau-Bengio variance correction",
        "signflip": "two-sided exact sign-flip permutation test",
        "wilcoxon": "two-sided exact Wilcoxon signed-rank test",
    }[rules.test]
    family = max(result.family for result in results)
    where = "the column" if rules.family == "column" else "the table"
    adjustment = f", Holm-adjusted over the {family} comparisons of {where}" if family > 1 else ""
    notes = [
        f"* / †: {rules.control} significantly better / worse than the row, {words}{adjustment}, "
        f"alpha = {rules.alpha:g}."
    ]
    hopeless = [r for r in results if r.verdict(rules.alpha) == "n/a"]
    if hopeless:
        first = hopeless[0]
        smallest = first.family * first.smallest_p
        reason = (
            f"the smallest adjusted p that it can give is {min(1.0, smallest):.3g}"
            if first.n > 1
            else "it needs at least two seeds"
        )
        notes.append(
            f"n/a: with n = {first.n} the test cannot reach alpha ({reason}); this is not evidence "
            "of equality."
        )
    tests = {result.test for result in table.overall.values()}
    notes.append(
        f"Difference: {rules.control} minus row over all columns, rates averaged inside a seed, "
        f"with {100 * CONFIDENCE:g} % interval ({', '.join(sorted(tests))}, Holm-adjusted "
        f"markers); conditional on these datasets."
    )
    return notes
