"""`harbench results`: what has been run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Filter = Annotated[list[str] | None, typer.Option(help="Only these (repeatable).")]


def results(
    folder: Annotated[
        Path | None, typer.Option("--results", help="Folder; $HARBENCH_RESULTS or ./results.")
    ] = None,
    method: Filter = None,
    dataset: Filter = None,
    protocol: Filter = None,
    budget: Filter = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write one row per run and condition to this file.")
    ] = None,
) -> None:
    """Show the records of a folder as a table, filtered, or export them to CSV."""
    from rich.console import Console

    from harbench.cli.tables import footnote, results_tables
    from harbench.data.paths import writing
    from harbench.errors import HarbenchError, unknown
    from harbench.running.store import ResultStore, default_results, frame

    store = ResultStore(folder or default_results())
    table = frame(store.records())
    wanted = {"method": method, "dataset": dataset, "protocol": protocol, "budget": budget}
    for column, names in wanted.items():
        if not names or table.empty:
            continue
        for name in names:
            if name not in set(table[column]):
                raise unknown(f"{column} in {store.root}", name, set(table[column]))
        table = table[table[column].isin(names)]
    if table.empty:
        raise HarbenchError(f"No records in {store.root}.")
    if csv is not None:
        with writing(csv) as temporary:
            table.to_csv(temporary, index=False)
        typer.echo(f"{len(table)} rows written to {csv}")
        return
    console = Console(highlight=False)
    for part in results_tables(table):
        console.print(part)
    console.print(footnote(table), style="dim")
    for path in store.failures():
        console.print(f"failed: {path}", style="red")
