"""What the board shows, in sentences: each follows from the standings, none claims more."""

from __future__ import annotations

import math
from collections import Counter

from harbench.analysis.notes import TESTS
from harbench.analysis.pairs import METRICS
from harbench.discovery import title
from harbench.leaderboard.board import Board, Line

NAMED = 4


def headline(board: Board, budget: str) -> str:
    """One sentence: who has the best mean on how many comparisons, and where it is alone."""
    blocks = [ranked for lines in board.headlines(budget) if (ranked := _ranked(lines))]
    if not blocks:
        return "No comparison is complete yet"
    first = Counter(lines[0].standing.name for lines in blocks)
    most, count = first.most_common(1)[0]
    where = f"{count} of {len(blocks)} comparisons" if len(blocks) > 1 else _where(blocks[0][0])
    said = f"{title(most)} has the best mean on {where}"
    alone = sum(
        len(lines) > 1 and sum(line.standing.rank == 1 for line in lines) == 1
        for lines in blocks
        if lines[0].standing.name == most
    )
    if alone == count:
        return f"{said}, significantly before every other complete row"
    if alone == 0:
        return f"{said}, not told apart from the runner-up"
    return f"{said}, on {alone} of them significantly before every other complete row"


def findings(board: Board, budget: str, control: str) -> list[str]:
    """A sentence or two for every comparison of a budget."""
    found = []
    for lines in board.headlines(budget):
        ranked = _ranked(lines)
        if ranked:
            found.append(_leader(ranked))
        found += _control(lines, ranked, control)
        if drop := _losses(board, lines):
            found.append(drop)
    return found


def incomplete(board: Board, budget: str) -> list[str]:
    """Which rows have no rank, and why."""
    return [
        f"{title(entry.name)} on {entry.dataset}, {entry.protocol}: {len(entry.records)} of "
        f"{entry.wanted} seeds."
        for entry in board.entries
        if entry.budget == budget and not entry.complete
    ]


def test_words(board: Board, budget: str) -> str:
    """The tests that the budget's protocols name."""
    names = {board.statements[line.entry.protocol].rules.test for line in board.lines
             if line.entry.budget == budget}  # fmt: skip
    return "; ".join(TESTS[name] for name in sorted(names))


def _ranked(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line.standing.rank]


def _where(line: Line) -> str:
    entry = line.entry
    return f"{entry.dataset} ({entry.protocol}, split by {entry.split}, {line.condition})"


def _score(line: Line) -> str:
    own = line.standing
    text = f"{own.mean:.1f} % {METRICS[line.metric]}"
    return text if math.isnan(own.low) else f"{text} [{own.low:.1f}, {own.high:.1f}]"


def _names(names: list[str]) -> str:
    shown = [title(name) for name in names[:NAMED]]
    if len(names) > NAMED:
        shown.append(f"{len(names) - NAMED} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _leader(ranked: list[Line]) -> str:
    best, rest = ranked[0], ranked[1:]
    text = f"{_where(best)}: {title(best.standing.name)} has the best mean, {_score(best)}."
    groups = {
        "It is significantly better than {}.": "worse",
        "It is not told apart from {}.": "not told apart",
        "There are too few seeds to tell it from {}.": "too few seeds to tell",
    }
    for words, verdict in groups.items():
        names = [line.standing.name for line in rest if line.standing.verdict == verdict]
        if names:
            text += " " + words.format(_names(names))
    return text


def _control(lines: list[Line], ranked: list[Line], control: str) -> list[str]:
    """Where the control stands, unless it leads and all is said."""
    own = next((line for line in lines if line.standing.name == control), None)
    if own is None or (ranked and own is ranked[0]):
        return []
    if not own.standing.rank:
        entry = own.entry
        return [
            f"{_where(own)}: {title(control)} has {len(entry.records)} of {entry.wanted} seeds "
            f"({_score(own)}): no statement yet."
        ]
    behind = own.standing.behind
    assert behind is not None, "a ranked row that does not lead"
    interval = "" if math.isnan(behind.low) else f" [{behind.low:+.1f}, {behind.high:+.1f}]"
    return [
        f"{_where(own)}: {title(control)} has rank {own.standing.rank} with {_score(own)}, "
        f"{behind.effect:.1f} points{interval} behind {title(ranked[0].standing.name)}: "
        f"{own.standing.verdict}."
    ]


def _losses(board: Board, lines: list[Line]) -> str:
    """Which complete rows lose most and least from clean to the hardest measured condition."""
    metric, block = lines[0].metric, {line.entry.number for line in _ranked(lines)}
    means: dict[str, dict[str, float]] = {}
    for line in board.lines:
        if line.entry.number in block and line.metric == metric and "%" in line.condition:
            means.setdefault(line.condition, {})[line.standing.name] = line.standing.mean
    clean = {
        line.standing.name: line.standing.mean
        for line in board.lines
        if line.entry.number in block and line.metric == metric and line.condition == "clean"
    }
    if not means or len(clean) < 2:
        return ""
    hardest = min(means, key=lambda name: sum(means[name].values()) / len(means[name]))
    lost = {name: clean[name] - mean for name, mean in means[hardest].items()}
    least, most = min(lost, key=lost.__getitem__), max(lost, key=lost.__getitem__)
    entry = lines[0].entry
    return (
        f"{entry.dataset} ({entry.protocol}): under {hardest}, the condition with the lowest mean "
        f"of all, {title(least)} loses least ({lost[least]:.1f} points) and {title(most)} most "
        f"({lost[most]:.1f}); these are means, not tested."
    )
