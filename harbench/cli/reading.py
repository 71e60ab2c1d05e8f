"""Records for the verbs that show them: what cannot be shown is named, and costs exit code 1."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from harbench.cli.say import say

if TYPE_CHECKING:
    import pandas as pd

    from harbench.running.reading import Problem
    from harbench.running.records import Record

NAMED = 10
# Whether this call has left a record out; `main` clears it.
left_out: ContextVar[bool] = ContextVar("left_out", default=False)


def readable(folder: Path | None) -> list[tuple[Path, Record]]:
    """The records of a folder that can be shown; the others are named on stderr."""
    from harbench.running.store import ResultStore, default_results

    store = ResultStore(folder or default_results())
    found = store.read()
    tell(found.problems, store.root)
    return found.records


def tabled(folder: Path | None) -> pd.DataFrame:
    """The same as a table, without confusion matrices (see `running.rows.frame`)."""
    from harbench.running.store import ResultStore, default_results

    store = ResultStore(folder or default_results())
    found = store.table()
    tell(found.problems, store.root)
    return found.frame


def tell(problems: list[Problem], root: Path) -> None:
    """Name what is left out, the first ten of it."""
    for problem in problems[:NAMED]:
        say(f"harbench: left out: {problem}", err=True)
    if len(problems) > NAMED:
        more = f"{len(problems) - NAMED} more are left out"
        say(f"harbench: {more}: harbench results check {root}", err=True)
    if problems:
        left_out.set(True)
