"""Methods by datasets and conditions: means, significance against a control, ranks, footnotes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from harbench.analysis.notes import footnotes
from harbench.analysis.pairs import (
    Condition,
    named,
    only,
    pairs,
    require_names,
    score_grid,
    unpoolable,
)
from harbench.analysis.statistics import DECIMALS, Result, find_test, holm
from harbench.errors import HarbenchError


@dataclass(frozen=True)
class Rules:
    """How a table compares. control: the row that all others are compared with; "" for none.

    rows: the declared comparisons that share the error rate, whether they were run or not; other
    rows are shown and not tested. None: every row of the table. metrics: what the protocol reports.
    """

    metric: str = "f1_macro"
    control: str = ""
    test: str = "nb-t"
    alpha: float = 0.05
    family: str = "column"
    rows: tuple[str, ...] | None = None
    metrics: tuple[str, ...] = ()

    @property
    def beside(self) -> str:
        """The score printed beside the one that decides: the first other one that is reported."""
        reported = (*self.metrics, "accuracy", "f1_macro")
        return next(metric for metric in reported if metric != self.metric)

    def compared(self, names: Sequence[str]) -> list[str]:
        """The declared rows (all of `names` where none are declared), without the control."""
        return [n for n in (names if self.rows is None else self.rows) if n != self.control]


@dataclass(frozen=True)
class Cell:
    """mean, spread: of the n seeds, in %; spread NaN for one seed.

    rank: 1 best, 2 second of those with all seeds of the column, else 0.

    beside: mean of the second score. result: the control minus this row; None in the control's own
    row or where pairs lack. note: what must be said beside the number.
    """

    mean: float
    spread: float
    seeds: frozenset[int]
    beside: float
    rank: int = 0
    result: Result | None = None
    note: str = ""

    @property
    def n(self) -> int:
        """How many seeds it is the mean of."""
        return len(self.seeds)


@dataclass(frozen=True)
class Column:
    """One dataset under one condition."""

    dataset: str
    condition: Condition


@dataclass
class PaperTable:
    """rows[name][column] is a Cell, or None for a hole; the best row first, holes last.

    overall: control minus row, pooled.
    average, ranks and overall are empty where columns differ in split, labelled share or training
    data, which are never pooled; average, too, where a dataset's columns rest on different seeds.
    Rows that lack seeds of others have neither average nor rank: other seeds test other windows.
    """

    rules: Rules
    columns: list[Column]
    rows: dict[str, list[Cell | None]]
    average: dict[str, float]
    ranks: dict[str, float]
    overall: dict[str, Result]
    notes: list[str] = field(default_factory=list)

    @property
    def short(self) -> list[str]:
        """Rows that lack a seed of others in some column."""
        return short_rows(self.rows)

    @property
    def unequal(self) -> bool:
        """Whether columns of one dataset rest on different seeds."""
        return _unequal(self.rows, self.columns)

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
    frame: pd.DataFrame,
    conditions: Sequence[Condition],
    rules: Rules,
    complete: bool = False,
    pool: bool = True,
) -> PaperTable:
    """Build the table of all methods in `frame` under `conditions`, a column per dataset.

    frame: with a column `note` where cells need words. complete: raise HarbenchError where a cell
    lacks, or is of other seeds than another. pool: whether averages over columns mean something.
    """
    find_test(rules.test)
    frame = only(named(frame), conditions)
    if frame.empty:
        raise HarbenchError(
            f"There are no records of {', '.join(map(str, conditions))} among the chosen ones."
        )
    if rules.control:
        require_names(frame["name"], [rules.control])
    datasets = sorted(frame["dataset"].unique())
    columns = [Column(d, c) for d in datasets for c in conditions if _part(frame, d, c).size]
    rows: dict[str, list[Cell | None]] = {name: [] for name in sorted(frame["name"].unique())}
    for column in columns:
        for name, cell in _column(frame, column, list(rows), rules).items():
            rows[name].append(cell)
    rows = _best_first(rows)
    if rules.family == "table":
        rows = _adjust_all(rows, rules, len(columns))
    pooled = pool and not unpoolable(frame)
    table = PaperTable(
        rules,
        columns,
        rows,
        _averages(rows, columns) if pooled else {},
        _average_ranks(rows) if pooled else {},
        compare_all(frame, list(rows), rules) if pooled else {},
    )
    if complete:
        _require_complete(table, bool((frame["split_kind"] == "loso").any()))
    table.notes = footnotes(table, frame, "no record" if pool else "no seed with all conditions")
    return table


def _best_first(rows: dict[str, list[Cell | None]]) -> dict[str, list[Cell | None]]:
    """The rows by their mean rank over columns, then their mean; those with holes come last."""
    means = pd.DataFrame({n: [c.mean if c else math.nan for c in r] for n, r in rows.items()})
    ranks = means.round(DECIMALS).rank(axis=1, ascending=False).mean()
    keys = {n: (None in rows[n], float(ranks[n]), -float(means.loc[:, n].mean()), n) for n in rows}
    order = sorted(rows, key=keys.__getitem__)
    return {name: rows[name] for name in order}


def _part(frame: pd.DataFrame, dataset: str, condition: Condition) -> pd.DataFrame:
    return only(frame[frame["dataset"] == dataset], [condition])


def _column(
    frame: pd.DataFrame, column: Column, names: Sequence[str], rules: Rules
) -> dict[str, Cell | None]:
    part = _part(frame, column.dataset, column.condition)
    cells: dict[str, Cell | None] = {}
    for name in names:
        mine = part[part["name"] == name]
        scores = 100 * mine[rules.metric]
        spread = float(scores.std(ddof=1)) if len(scores) > 1 else math.nan
        beside = float(100 * mine[rules.beside].mean())
        note = str(mine["note"].iloc[0]) if "note" in mine and len(mine) else ""
        cell = Cell(float(scores.mean()), spread, frozenset(mine["seed"]), beside, note=note)
        cells[name] = cell if len(scores) else None
    whole = frozenset(part["seed"])
    means = {round(c.mean, DECIMALS) for c in cells.values() if c and c.seeds == whole}
    places = dict(zip(sorted(means, reverse=True)[:2], (1, 2), strict=False))
    results = compare_all(part, names, rules)
    return {
        name: cell
        and replace(
            cell,
            rank=places.get(round(cell.mean, DECIMALS), 0) if cell.seeds == whole else 0,
            result=results.get(name),
        )
        for name, cell in cells.items()
    }


def compare_all(frame: pd.DataFrame, names: Sequence[str], rules: Rules) -> dict[str, Result]:
    """The control minus every other row, adjusted for the declared ones; others are not tested.

    Rows without pairs are left out.
    """
    if not rules.control:
        return {}
    test = find_test(rules.test)
    grid = score_grid(frame, rules.metric)
    found = {}
    for name in names:
        if name != rules.control:
            pair = pairs(frame, rules.control, name, rules.metric, grid)
            if pair.differences:
                found[name] = test(pair.differences, pair.ratios, pair.floors)
    family = rules.compared(names)
    inside = [name for name in found if name in family]
    adjusted = holm([found[name] for name in inside], len(family))
    untested = {name: replace(result, tested=False) for name, result in found.items()}
    return untested | dict(zip(inside, adjusted, strict=True))


def _adjust_all(
    rows: dict[str, list[Cell | None]], rules: Rules, columns: int
) -> dict[str, list[Cell | None]]:
    """Holm over all cells of the table instead of those of a column."""
    places = [
        (n, i)
        for n, r in rows.items()
        for i, c in enumerate(r)
        if c and c.result and c.result.tested
    ]
    results = [cell.result for n, i in places if (cell := rows[n][i]) and cell.result]
    adjusted = {name: list(cells) for name, cells in rows.items()}
    family = columns * len(rules.compared(list(rows)))
    for (name, index), result in zip(places, holm(results, family), strict=True):
        cell = adjusted[name][index]
        assert cell is not None
        adjusted[name][index] = replace(cell, result=result)
    return adjusted


def short_rows(rows: dict[str, list[Cell | None]]) -> list[str]:
    """The rows that lack a seed of others in some column."""
    whole = _all_seeds(rows)
    return [
        name
        for name, cells in rows.items()
        if any(cell and cell.seeds < seeds for cell, seeds in zip(cells, whole, strict=True))
    ]


def _all_seeds(rows: dict[str, list[Cell | None]]) -> list[frozenset[int]]:
    """The seeds of all rows together in each column."""
    columns = zip(*rows.values(), strict=True)
    return [frozenset().union(*(cell.seeds for cell in cells if cell)) for cells in columns]


def _unequal(rows: dict[str, list[Cell | None]], columns: Sequence[Column]) -> bool:
    """Whether columns of one dataset rest on different seeds."""
    seeds = {(c.dataset, of) for c, of in zip(columns, _all_seeds(rows), strict=True)}
    return len(seeds) > len({dataset for dataset, _ in seeds})


def _averages(rows: dict[str, list[Cell | None]], columns: Sequence[Column]) -> dict[str, float]:
    """Means over columns of rows with all seeds; none where a dataset's columns rest on others."""
    if _unequal(rows, columns):
        return {}
    short = short_rows(rows)
    whole = {n: [c.mean for c in r if c] for n, r in rows.items() if n not in short}
    return {n: float(np.mean(means)) for n, means in whole.items() if len(means) == len(columns)}


def _average_ranks(rows: dict[str, list[Cell | None]]) -> dict[str, float]:
    """Average rank of rows with all seeds over the columns without a hole; {} where none is."""
    short = short_rows(rows)
    means = pd.DataFrame(
        {n: [c.mean if c else math.nan for c in r] for n, r in rows.items() if n not in short}
    )
    ranks = means.dropna().round(DECIMALS).rank(axis=1, ascending=False).mean().dropna()
    return {str(name): float(rank) for name, rank in ranks.items()}


def _require_complete(table: PaperTable, loso: bool) -> None:
    """Raise HarbenchError for holes and unequal seeds; of loso each dataset has its own ones."""
    if table.holes:
        raise HarbenchError(
            f"{len(table.holes)} cells have no record: {'; '.join(table.holes[:3])}"
            f"{'; ...' if len(table.holes) > 3 else ''}. Run them, or leave out --complete."
        )
    found = {
        (column.dataset if loso else "", cell.seeds)
        for cells in table.rows.values()
        for column, cell in zip(table.columns, cells, strict=True)
        if cell
    }
    if len(found) > len({dataset for dataset, _ in found}):
        shown = sorted({", ".join(map(str, sorted(seeds))) for _, seeds in found})
        raise HarbenchError(
            f"Cells are of different seeds ({'; '.join(shown[:3])}"
            f"{'; ...' if len(shown) > 3 else ''}). Run the missing ones, or leave out --complete."
        )
