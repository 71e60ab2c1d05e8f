"""Records for the verbs that show them: what cannot be shown is named, and costs exit code 1."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from harbench.cli.say import say

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def chosen(
    folder: Path | None,
    *,
    dataset: Sequence[str] | str | None = None,
    method: Sequence[str] | str | None = None,
    protocol: Sequence[str] | str | None = None,
    budget: Sequence[str] | str | None = None,
    confusion: bool = False,
) -> pd.DataFrame:
    """The records of a results folder as a frame, filtered; an unknown name is an error.

    method: labels; a sweep's variants are chosen by the method that they are variants of, too.
    """
    import pandas as pd

    from harbench.errors import HarbenchError, unknown
    from harbench.running.rows import frame
    from harbench.running.store import default_results

    root = folder or default_results()
    table = frame(readable(root), confusion) if confusion else tabled(root)
    if table.empty:
        raise HarbenchError(f"No records in {root}.")
    wanted = {"dataset": dataset, "method": method, "protocol": protocol, "budget": budget}
    fits = pd.Series(True, index=table.index)
    for column, given in wanted.items():
        names = [given] if isinstance(given, str) else given
        if not names:
            continue
        if column == "dataset":
            names = [_canonical(name) for name in names]
        if column == "protocol":
            names = [Path(name).stem if name.endswith(".toml") else name for name in names]
        known = set(table[column]) | (set(_varied(table)) - {""} if column == "method" else set())
        for name in names:
            if name not in known:
                raise unknown(f"{column} in {root}", name, known)
        fits &= fitting(table, column, names)
    if not fits.any():
        raise HarbenchError(
            f"No record in {root} has all of what is asked for: leave out a filter."
        )
    return table[fits]


def fitting(table: pd.DataFrame, column: str, names: Sequence[str]) -> pd.Series:
    """Which rows a filter leaves: a method's are its variants in a sweep, too."""
    fits = table[column].isin(names)
    return fits | _varied(table).isin(names) if column == "method" else fits


def _varied(table: pd.DataFrame) -> pd.Series:
    """The method whose variant each row of a sweep is; "" elsewhere."""
    base = table["method"].map(lambda label: str(label).partition("+")[0])
    return base.where(table["variant"] != "", "")


def _canonical(spec: str) -> str:
    """The spec as records have it; the text itself where no such dataset is known here."""
    from harbench.data.store import resolve
    from harbench.errors import HarbenchError

    try:
        return resolve(spec)[0]
    except HarbenchError:
        return spec
