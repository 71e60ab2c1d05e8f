"""What the board shows, in sentences: each follows from the standings, none claims more."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from harbench.analysis.notes import TESTS
from harbench.analysis.pairs import METRICS, named, only, tested
from harbench.analysis.statistics import Result
from harbench.analysis.table import Rules, compare_all
from harbench.discovery import title
from harbench.errors import HarbenchError
from harbench.leaderboard.board import Board, Line

NAMED = 4
ALONE = "significantly before every other complete row"
APART = "not told apart from the runner-up"


def headline(board: Board, budget: str) -> str:
    """One sentence: who has the best mean on how many comparisons, and where it is alone."""
    blocks = [ranked for lines in board.headlines(budget) if _contest(ranked := _ranked(lines))]
    if not blocks:
        return "No comparison is complete yet"
    if len(blocks) == 1:
        best = blocks[0][0]
        said = f"{title(best.standing.name)} has the best mean on {best.entry.dataset}"
        return f"{said}, {ALONE if _alone(blocks[0]) else APART}"
    first = Counter(lines[0].standing.name for lines in blocks).most_common()
    leaders = [f"{title(name)} on {count}" for name, count in first[:NAMED]]
    if others := sum(count for _, count in first[NAMED:]):
        leaders.append(f"others on {others}")
    alone = sum(map(_alone, blocks))
    said = f"Best mean of {len(blocks)} comparisons: {', '.join(leaders)}"
    verb = "is" if alone < 2 else "are"
    return f"{said}; {alone or 'none'} of these leads {verb} significant over all others"


def _contest(ranked: list[Line]) -> bool:
    """Whether two methods are compared, not one with itself or with its own variant."""
    return len({line.standing.name.partition("+")[0] for line in ranked}) > 1


def _alone(ranked: list[Line]) -> bool:
    """Whether the best row is significantly before every other one."""
    return len(ranked) > 1 and sum(line.standing.rank == 1 for line in ranked) == 1


def findings(board: Board, budget: str, control: str) -> list[tuple[str, str]]:
    """Where and what, for every comparison of a budget: of several datasets together first.

    Then those of one dataset, of two methods and more before others.
    """
    blocks = [(lines, _ranked(lines)) for lines in board.headlines(budget)]
    found = _together(board, budget, control)
    for lines, ranked in sorted(blocks, key=lambda block: not _contest(block[1])):
        said = [
            _leader(ranked),
            _control(lines, ranked, control),
            _declared(board, lines[0], control),
            _losses(board, lines),
        ]
        if any(said):
            found.append((_where(lines[0]), " ".join(filter(None, said))))
    return found


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
    return _and(shown)


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _leader(ranked: list[Line]) -> str:
    if not ranked:
        return ""
    best, rest = ranked[0], ranked[1:]
    name = title(best.standing.name)
    if not rest:
        return f"{name} has {_score(best)}; no other row is complete."
    text = f"{name} has the best mean, {_score(best)}."
    groups = {
        "significantly better than {}": "worse",
        "not told apart from {}": "not told apart",
        "of too few seeds to tell it from {}": "too few seeds to tell",
    }
    said = _grouped(groups, {line.standing.name: line.standing.verdict for line in rest})
    tested = _count(len(ranked) * len(rest) // 2, "pair")
    return f"{text} Adjusted over the {tested} of complete rows here, it is {said}."


def _control(lines: list[Line], ranked: list[Line], control: str) -> str:
    """Where the control stands, unless it leads and all is said."""
    own = next((line for line in lines if line.standing.name == control), None)
    if own is None or (ranked and own is ranked[0]):
        return ""
    if not own.standing.rank:
        entry = own.entry
        lacking = " without all conditions" if len(entry.records) >= entry.wanted else ""
        return (
            f"{title(control)} has {len(entry.records)} of {entry.wanted} seeds{lacking} "
            f"({_score(own)}): no statement yet."
        )
    behind = own.standing.behind
    if behind is None:
        return f"{title(control)} has {_score(own)}, and {own.standing.verdict} with the best mean."
    interval = "" if math.isnan(behind.low) else f" [{behind.low:+.1f}, {behind.high:+.1f}]"
    return (
        f"{title(control)} has rank {own.standing.rank} with {_score(own)}, "
        f"{behind.effect:.1f} points{interval} behind {title(ranked[0].standing.name)}: "
        f"{own.standing.verdict}."
    )


def _together(board: Board, budget: str, control: str) -> list[tuple[str, str]]:
    """The control against the rows that are complete wherever it is, pooled over its datasets.

    Of each protocol that it has on several: these are more folds than any dataset has.
    """
    found = []
    rows: dict[str, dict[str, set[str]]] = {}
    for entry in board.entries:
        if entry.budget == budget and entry.complete:
            rows.setdefault(entry.protocol, {}).setdefault(entry.dataset, set()).add(entry.name)
    for protocol, names in sorted(rows.items()):
        names = {dataset: each for dataset, each in sorted(names.items()) if control in each}
        if len(names) < 2:
            continue
        shared = set.intersection(*names.values())
        frame = pd.concat([board.frames[budget, dataset, protocol] for dataset in names])
        statement = board.statements[protocol]
        headline = statement.condition
        where = (
            f"{_and(list(names))} together ({protocol}, {tested(headline.scale, headline.rate)})"
        )
        try:
            part = only(named(frame[frame["name"].isin(shared)]), [headline])
            rules = replace(statement.rules, control=control)
            results = compare_all(part, sorted(shared), rules)
        except HarbenchError as error:
            found.append((where, f"Not pooled: {error}"))
            continue
        if results:
            said = [_pooled(results, control), _family(results, rules, control)]
            found.append((where, " ".join(filter(None, said))))
    return found


def _pooled(results: Mapping[str, Result], control: str) -> str:
    """Whose pooled interval leaves out 0."""
    behind, ahead = [], []
    for name, result in sorted(results.items(), key=lambda item: item[1].effect):
        text = f"{title(name)} ({result.effect:+.1f} [{result.low:+.1f}, {result.high:+.1f}])"
        if result.low > 0:
            ahead.append(text)
        elif result.high < 0:
            behind.append(text)
    rest = len(results) - len(behind) - len(ahead)
    said = [f"behind {_and(behind)}"] * bool(behind) + [f"ahead of {_and(ahead)}"] * bool(ahead)
    said += [f"not told apart from {_count(rest, 'other row')}"] * bool(rest)
    return (
        f"Of the rows that are complete on all of them {title(control)} is {'; '.join(said)} "
        "(points, pooled corrected t, 95 % intervals, not adjusted; conditional on these datasets)."
    )


def _declared(board: Board, line: Line, control: str) -> str:
    """What `harbench table` tests: the control against the rows that the protocol declares.

    Unlike the ranks it does not depend on which other rows lie in the folder. Rows that are not
    complete are left out: seeds could have been chosen.
    """
    rules = replace(board.statements[line.entry.protocol].rules, control=control)
    block = line.entry.block
    part = only(board.frames[block], [board.statements[line.entry.protocol].condition])
    names = sorted(e.name for e in board.entries if e.block == block and e.complete)
    if rules.rows is None or control not in names:
        return ""
    return _family(compare_all(part, names, rules), rules, control)


def _family(found: Mapping[str, Result], rules: Rules, control: str) -> str:
    """The verdicts on the declared rows, adjusted over all of them."""
    if rules.rows is None:
        return ""
    verdicts = {n: r.verdict(rules.alpha) or "unclear" for n, r in found.items() if r.tested}
    groups = {
        "significantly better than {}": "better",
        "significantly worse than {}": "worse",
        "not told apart from {}": "unclear",
        "of too few seeds to tell it from {}": "n/a",
    }
    if not verdicts:
        return ""
    family = _count(len(rules.compared([])), "row")
    return (
        f"Of the {family} that the protocol declares to be compared with it {title(control)} is "
        f"{_grouped(groups, verdicts)}."
    )


def _grouped(groups: Mapping[str, str], verdicts: Mapping[str, str]) -> str:
    """The rows of each verdict, in words."""
    found = {
        words: [name for name, verdict in verdicts.items() if verdict == wanted]
        for words, wanted in groups.items()
    }
    return "; ".join(words.format(_names(names)) for words, names in found.items() if names)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _loses(condition: str) -> bool:
    """Whether data is taken away; replayed gaps have no rate."""
    return "%" in condition or condition == "replay"


def _losses(board: Board, lines: list[Line]) -> str:
    """Which complete rows lose most and least from clean to the hardest measured condition."""
    metric, block = lines[0].metric, {line.entry.number for line in _ranked(lines)}
    means: dict[str, dict[str, float]] = {}
    for line in board.lines:
        if line.entry.number in block and line.metric == metric and _loses(line.condition):
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
    return (
        f"Under {hardest}, the condition with the lowest mean of all, {title(least)} loses "
        f"least ({lost[least]:.1f} points) and {title(most)} most ({lost[most]:.1f}); these are "
        "means, not tested."
    )
