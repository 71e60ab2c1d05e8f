"""Records as a leaderboard: entries, their standings in every column, and what cannot stand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from harbench.analysis.pairs import METRICS, Condition, named, place, tested
from harbench.analysis.table import Rules
from harbench.errors import HarbenchError
from harbench.leaderboard.ranking import Standing, standings
from harbench.running.records import Record

BLOCK = ["budget", "dataset", "protocol"]
Block = tuple[str, str, str]
BUDGETS = ("paper", "quick", "smoke")
# Splits whose seeds together test everybody exactly once.
FOLDED = ("subject", "loso")


@dataclass(frozen=True)
class Statement:
    """What a protocol claims: its headline condition, how it compares, and over how many seeds.

    seeds: none where the protocol's file is not at hand, or where they are its people.
    """

    condition: Condition
    rules: Rules
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A row under one dataset, protocol and budget: its records, and whether they are all there.

    number: unique on the page. wanted: seeds of the protocol.
    """

    number: int
    name: str
    dataset: str
    protocol: str
    budget: str
    split: str
    records: list[tuple[Path, Record]]
    wanted: int

    @cached_property
    def complete(self) -> bool:
        """Whether every seed of the protocol has a record, with every condition of its rules.

        Else a row could keep the conditions of its best seeds.
        """
        return len(self.records) >= self.wanted and not any(r.lacking for _, r in self.records)

    @property
    def block(self) -> Block:
        """Which records it stands among, as `BLOCK` names them."""
        return self.budget, self.dataset, self.protocol

    @property
    def seconds(self) -> float:
        """Mean training time of a run."""
        times = [sum(s.seconds for s in record.cost.stages) for _, record in self.records]
        return sum(times) / len(times)

    @property
    def parameters(self) -> int:
        """Largest number of trained parameters."""
        return max(record.cost.parameters for _, record in self.records)


@dataclass(frozen=True)
class Line:
    """One line of the table: an entry's standing under one condition and metric."""

    entry: Entry
    condition: str
    metric: str
    headline: bool
    standing: Standing


@dataclass
class Board:
    """Everything that the page shows; frames: the rows of each block, for figures and tests.

    apart: why blocks of records are not compared.
    """

    entries: list[Entry] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    frames: dict[Block, pd.DataFrame] = field(default_factory=dict)
    statements: Mapping[str, Statement] = field(default_factory=dict)
    apart: list[str] = field(default_factory=list)

    @property
    def budgets(self) -> list[str]:
        """The budgets of the page, the longest first."""
        found = {entry.budget for entry in self.entries}
        return sorted(found, key=lambda b: (BUDGETS.index(b) if b in BUDGETS else 9, b))

    def headlines(self, budget: str) -> list[list[Line]]:
        """The lines of each block's headline, best first."""
        groups: dict[tuple[str, str], list[Line]] = {}
        for line in self.lines:
            metric = self.statements[line.entry.protocol].rules.metric
            if line.headline and line.metric == metric and line.entry.budget == budget:
                groups.setdefault((line.entry.dataset, line.entry.protocol), []).append(line)
        return list(groups.values())


def make_board(
    records: Iterable[tuple[Path, Record]],
    to_frame: Callable[[Iterable[tuple[Path, Record]]], pd.DataFrame],
    statements: Mapping[str, Statement],
) -> Board:
    """Rank every block of records that may stand side by side; others are named in `apart`."""
    by_path = {str(path): (path, record) for path, record in records}
    frame = to_frame(by_path.values())
    board = Board(statements=statements)
    for (budget, dataset, protocol), block in frame.groupby(BLOCK, sort=True):
        try:
            data = named(block)
        except HarbenchError as error:
            board.apart.append(f"{dataset}, {protocol}, budget {budget}: {error}")
            continue
        statement = statements[str(protocol)]
        other = _other_seeds(data, statement)
        if other.any():
            paths = sorted(data.loc[other, "path"].unique())
            board.apart.append(
                f"{dataset}, {protocol}, budget {budget}: {len(paths)} records of seeds that are "
                f"not the protocol's, such as {paths[0]}"
            )
        data = data[~other]
        if data.empty:
            continue
        board.frames[str(budget), str(dataset), str(protocol)] = data
        _add(board, data, statement, by_path)
    return board


def _add(
    board: Board,
    data: pd.DataFrame,
    statement: Statement,
    by_path: Mapping[str, tuple[Path, Record]],
) -> None:
    """The entries and lines of one block."""
    entries: dict[str, Entry] = {}
    for name, rows in data.groupby("name", sort=True):
        first = rows.iloc[0]
        entries[str(name)] = Entry(
            number=len(board.entries) + len(entries) + 1,
            name=str(name),
            dataset=str(first["dataset"]),
            protocol=str(first["protocol"]),
            budget=str(first["budget"]),
            split=str(first["split_kind"]),
            records=[by_path[path] for path in dict.fromkeys(rows["path"])],
            wanted=seeds_wanted(data, rows, len(statement.seeds)),
        )
    board.entries += entries.values()
    complete = {name for name, entry in entries.items() if entry.complete}
    rules = statement.rules
    headline = (statement.condition.scale, statement.condition.rate)
    tests = {(str(s), float(r)) for s, r in zip(data["scale"], data["rate"], strict=True)}
    for scale, rate in sorted(tests, key=place):
        part = data[(data["scale"] == scale) & (data["rate"] == rate)]
        for metric in METRICS:
            for row in standings(part, metric, complete, rules.test, rules.alpha):
                shown = (scale, rate) == headline
                words = tested(scale, rate)
                board.lines.append(Line(entries[row.name], words, metric, shown, row))


def _other_seeds(data: pd.DataFrame, statement: Statement) -> pd.Series:
    """Which rows are of seeds that the protocol does not have: whoever chooses seeds can choose."""
    if not statement.seeds:
        return pd.Series(False, index=data.index)
    return ~data["seed"].isin(statement.seeds) & ~data["split_kind"].isin(FOLDED)


def seeds_wanted(data: pd.DataFrame, rows: pd.DataFrame, declared: int) -> int:
    """How many seeds a row must have to be complete.

    Under a split by people: those that together test every window once, whatever a protocol says
    of folds (few people make fewer). Else the protocol's own, or what the fullest row has.
    """
    runs = rows.drop_duplicates("seed")
    first = runs.iloc[0]
    if first["split_kind"] in FOLDED:
        total = int(first["n_train"] + first["n_validation"] + first["n_test"])
        if int(runs["n_test"].sum()) >= total:
            return len(runs)
        folds = int(json.loads(first["rules"]).get("folds", 0))
        return max(folds, declared, len(runs) + 1)
    fullest = int(data.groupby("name")["seed"].nunique().max())
    return declared or fullest
