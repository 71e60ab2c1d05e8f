"""A table as it is printed: columns under headings, in panels that fit a width."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from harbench.analysis.pairs import METRICS, Condition, tested
from harbench.analysis.statistics import Result
from harbench.analysis.table import Cell, Column, PaperTable
from harbench.discovery import title

HOLE = "-"
GAP = 2
MARKS = {"better": "*", "worse": "†", "n/a": " n/a"}


@dataclass(frozen=True)
class Piece:
    """One cell. place: 1 best, 2 second, else 0. mark: what stands behind the number."""

    text: str
    place: int = 0
    mark: str = ""


@dataclass(frozen=True)
class Lane:
    """One printed column, a piece per row. above: headings that it shares with its neighbours.

    spare: whether it may be left out where there is no room.
    """

    title: str
    pieces: list[Piece]
    above: tuple[str, ...] = ()
    spare: bool = False

    @property
    def width(self) -> int:
        """Characters of its widest line, marks in a place of their own."""
        texts, marks = ([getattr(p, key) for p in self.pieces] for key in ("text", "mark"))
        return max(len(self.title), max(map(len, texts), default=0) + max(map(len, marks)))


@dataclass(frozen=True)
class Sheet:
    """Rows with their labels, lanes of pieces, and the words around them.

    corner: what the labels are. marked: the highlighted row, -1 for none.
    """

    corner: str
    rows: list[str]
    lanes: list[Lane]
    caption: str
    notes: list[str] = field(default_factory=list)
    marked: int = -1

    def panels(self, room: int) -> list[list[list[Lane]]]:
        """Groups of lanes with common headings, dealt into panels of at most `room` characters.

        Labels of rows are not counted. What is too wide for one panel is divided at its headings.
        """
        found: list[list[list[Lane]]] = []
        left = -1
        for group in _groups(self.lanes, room):
            wide = group_width(group)
            if wide > left:
                found.append([])
                left = room
            found[-1].append(group)
            left -= wide
        return found


def _groups(lanes: Sequence[Lane], room: int, depth: int = 1) -> Iterator[list[Lane]]:
    """Neighbours with the same `depth` headings, or more where they are too wide together."""
    keys = (lane.above[:depth] if len(lane.above) >= depth else i for i, lane in enumerate(lanes))
    for _, run in groupby(zip(keys, lanes, strict=True), key=itemgetter(0)):
        group = [lane for _, lane in run]
        if group_width(group) <= room or len(group) == 1:
            yield group
        else:
            yield from _groups(group, room, depth + 1)


def group_width(group: Sequence[Lane]) -> int:
    """Characters of neighbours, with the gaps before them and room for their headings."""
    return sum(GAP + width for width in widths(group))


def widths(lanes: Sequence[Lane]) -> list[int]:
    """Characters of each lane; the first under a heading takes what the heading needs more."""
    found = [lane.width for lane in lanes]
    for line in reversed(headings(lanes)):
        at = 0
        for text, count in line:
            found[at] += max(0, len(text) - sum(found[at : at + count]) - GAP * (count - 1))
            at += count
    return found


def headings(lanes: Sequence[Lane]) -> list[list[tuple[str, int]]]:
    """Line by line from the top: each heading and over how many lanes it reaches."""
    return [
        [
            (above[level] if level < len(above) else "", len(list(run)))
            for above, run in groupby(lane.above[: level + 1] for lane in lanes)
        ]
        for level in range(max(len(lane.above) for lane in lanes))
    ]


def sheet_of(table: PaperTable) -> Sheet:
    """A paper table, its rows by their display names."""
    control = table.rules.control
    names = list(table.rows)
    protocols = ", ".join(dict.fromkeys(c.condition.protocol for c in table.columns))
    metric = METRICS[table.rules.metric]
    lanes = [
        lane for index, column in enumerate(table.columns) for lane in _lanes(table, index, column)
    ]
    return Sheet(
        "method",
        [title(name) + (" (control)" if name == control else "") for name in names],
        [*lanes, *_tail(table)],
        f"Protocol {protocols}: {metric}, which decides, in %.",
        table.notes,
        names.index(control) if control in names else -1,
    )


def _lanes(table: PaperTable, index: int, column: Column) -> Iterator[Lane]:
    """Score with deviation, the score beside it, and seeds and words where cells differ in them."""
    rules, above = table.rules, (column.dataset, _words(table, column.condition))
    cells = [row[index] for row in table.rows.values()]
    yield Lane(METRICS[rules.metric], [_score(cell, rules.alpha) for cell in cells], above)
    second = [Piece(f"{cell.beside:.2f}" if cell else HOLE) for cell in cells]
    yield Lane(METRICS[rules.beside], second, above, spare=True)
    if len({cell.n for row in table.rows.values() for cell in row if cell}) > 1:
        yield Lane("n", [Piece(str(cell.n) if cell else "") for cell in cells], above)
    if any(cell and cell.note for cell in cells):
        yield Lane("remark", [Piece(cell.note if cell else "") for cell in cells], above)


def _words(table: PaperTable, condition: Condition) -> str:
    """The condition, with its protocol where another one of the table tests alike."""
    conditions = {column.condition for column in table.columns}
    alike = [c for c in conditions if (c.scale, c.rate) == (condition.scale, condition.rate)]
    return str(condition) if len(alike) > 1 else tested(condition.scale, condition.rate)


def _tail(table: PaperTable) -> Iterator[Lane]:
    """Average, rank and difference, as far as they mean something."""
    names = list(table.rows)

    def numbers(found: dict[str, float], form: str) -> list[Piece]:
        return [Piece(format(found[name], form) if name in found else HOLE) for name in names]

    if table.average and len(table.columns) > 1:
        yield Lane("average", numbers(table.average, ".2f"))
    if table.ranks:
        yield Lane("rank", numbers(table.ranks, ".1f"))
    if table.overall:
        found = [_difference(table.overall.get(name), table.rules.alpha) for name in names]
        yield Lane("difference", found)


def _mark(result: Result | None, alpha: float) -> str:
    return MARKS.get(result.verdict(alpha), "") if result else ""


def _score(cell: Cell | None, alpha: float) -> Piece:
    if cell is None:
        return Piece(HOLE)
    spread = "" if math.isnan(cell.spread) else f" ± {cell.spread:.2f}"
    return Piece(f"{cell.mean:.2f}{spread}", cell.rank, _mark(cell.result, alpha))


def _difference(result: Result | None, alpha: float) -> Piece:
    if result is None:
        return Piece("")
    text = f"{result.effect:+.2f}"
    if not math.isnan(result.low):
        text += f" [{result.low:+.2f}, {result.high:+.2f}]"
    return Piece(text, mark=_mark(result, alpha))
