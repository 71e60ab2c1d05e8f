"""`harbench results`: what has been run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harbench.cli.table import Filter, chosen


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
    from harbench.running.store import ResultStore, default_results

    table = chosen(folder, method=method, dataset=dataset, protocol=protocol, budget=budget)
    if csv is not None:
        with writing(csv) as temporary:
            table.to_csv(temporary, index=False)
        typer.echo(f"{len(table)} rows written to {csv}")
        return
    console = Console(highlight=False)
    for part in results_tables(table):
        console.print(part)
    console.print(footnote(table), style="dim")
    for path in ResultStore(folder or default_results()).failures():
        console.print(f"failed: {path}", style="red")
