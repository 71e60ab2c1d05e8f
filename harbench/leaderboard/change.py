"""What a submission would change: the headline table before and after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tabulate import tabulate

from harbench.discovery import title
from harbench.leaderboard.board import Board, Line
from harbench.leaderboard.submission import Submission
from harbench.running.records import Record

Records = list[tuple[Path, Record]]


def with_submission(records: Records, submission: Submission, root: Path) -> Records:
    """The records of a folder as they would be with those of the submission among them."""
    found = dict(records)
    for name, (_, record) in submission.records.items():
        found[root / name.removeprefix("records/")] = record
    return sorted(found.items(), key=lambda each: each[0])


def before_and_after(
    records: Records, submission: Submission, root: Path, board_of: Callable[[Records], Board]
) -> str:
    """A markdown table of every headline row of the comparisons that the submission touches."""
    after = board_of(with_submission(records, submission, root))
    before = board_of(records) if records else Board()
    touched = {
        (r.identity.budget, r.identity.dataset, r.identity.protocol)
        for _, r in submission.records.values()
    }
    old, new = _rows(before), _rows(after)
    keys = [key for key in [*new, *(key for key in old if key not in new)] if key[:3] in touched]
    rows = [[*key[1:3], key[0], title(key[3]), *_told(old, key), *_told(new, key)] for key in keys]
    head = ["dataset", "protocol", "budget", "row"]
    head += [f"{what} {when}" for when in ("before", "after") for what in ("rank", "score %")]
    table = tabulate(rows, head, tablefmt="github", disable_numparse=True)
    reasons = [f"Not compared: {reason}" for reason in after.apart if reason not in before.apart]
    return "\n\n".join([table, *reasons])


def _rows(board: Board) -> dict[tuple[str, str, str, str], Line]:
    """(budget, dataset, protocol, row) -> its line under the protocol's headline."""
    return {
        (line.entry.budget, line.entry.dataset, line.entry.protocol, line.standing.name): line
        for budget in board.budgets
        for lines in board.headlines(budget)
        for line in lines
    }


def _told(rows: dict[tuple[str, str, str, str], Line], key: tuple[str, str, str, str]) -> list[str]:
    """Rank and score of a row; a dash where it is not there."""
    if key not in rows:
        return ["-", "-"]
    line = rows[key]
    seeds = f"{line.standing.n} of {line.entry.wanted} seeds"
    return [str(line.standing.rank or seeds), f"{line.standing.mean:.2f}"]
