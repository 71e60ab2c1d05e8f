"""`harbench results`: what has been run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.complete import Datasets, Filter, Methods, Protocols
from harbench.cli.reading import chosen
from harbench.cli.rerun import rerun
from harbench.cli.say import say

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    help="Records: list, hours, trials, check, predictions, rerun.", invoke_without_command=True
)
Folder = Annotated[
    Path | None, typer.Option("--results", help="Folder; $HARBENCH_RESULTS or ./results.")
]
Csv = Annotated[Path | None, typer.Option(help="Write one row per run and condition to this file.")]


app.command("rerun")(rerun)


@app.callback()
def results(
    context: typer.Context,
    folder: Folder = None,
    method: Methods = None,
    dataset: Datasets = None,
    protocol: Protocols = None,
    budget: Filter = None,
    csv: Csv = None,
) -> None:
    """Show the records of a folder as a table, filtered, or export them to CSV: like `list`."""
    if context.invoked_subcommand is None:
        list_(folder, method, dataset, protocol, budget, csv)
    elif any((folder, method, dataset, protocol, budget, csv)):
        from harbench.errors import HarbenchError

        word = context.invoked_subcommand
        raise HarbenchError(f"Options go behind the word: harbench results {word} --option ...")


@app.command("list")
def list_(
    folder: Folder = None,
    method: Methods = None,
    dataset: Datasets = None,
    protocol: Protocols = None,
    budget: Filter = None,
    csv: Csv = None,
) -> None:
    """Show the records of a folder as a table, filtered, or export them to CSV."""
    from harbench.cli.console import terminal
    from harbench.cli.tables import footnote, results_tables
    from harbench.running.store import ResultStore, default_results

    table = chosen(folder, method=method, dataset=dataset, protocol=protocol, budget=budget)
    if csv is not None:
        _write(table, csv)
        return
    console = terminal()
    for part in results_tables(table):
        console.print(part)
    console.print(footnote(table), style="dim")
    filters = [names for names in (method, dataset, protocol, budget) if names]
    for path in ResultStore(folder or default_results()).failures():
        if not all(set(names) & set(path.parts) for names in filters):
            continue
        console.print(f"failed: {path}", style="red")


@app.command("hours")
def hours_(
    folder: Folder = None,
    method: Methods = None,
    dataset: Datasets = None,
    protocol: Protocols = None,
    budget: Filter = None,
    csv: Csv = None,
) -> None:
    """Sum up what records have cost: hours of training and evaluation for each method."""
    from harbench.analysis.hours import hours, hours_sheet
    from harbench.cli.sheets import show

    table = chosen(folder, method=method, dataset=dataset, protocol=protocol, budget=budget)
    found = hours(table)
    if csv is not None:
        _write(found, csv)
        return
    show(hours_sheet(found))


@app.command("trials")
def trials_(
    folder: Folder = None,
    method: Methods = None,
    dataset: Datasets = None,
    budget: Filter = None,
    csv: Annotated[Path | None, typer.Option(help="Write one row per trial to this file.")] = None,
) -> None:
    """Show what `harbench tune` tried: searches, and configurations that --grid compared."""
    from harbench.analysis.trials import trial_sheets
    from harbench.cli.sheets import show
    from harbench.errors import HarbenchError, unknown
    from harbench.running.store import default_results
    from harbench.running.trials import trials

    root = folder or default_results()
    table = trials(root)
    table["name"] = [name.partition("+")[0] for name in table["method"]]
    wanted = {"name": method, "dataset": dataset, "budget": budget}
    for column, names in wanted.items():
        for name in (names or ()) if len(table) else ():
            if name not in set(table[column]):
                raise unknown(f"{column} in the trials of {root}", name, set(table[column]))
        table = table[table[column].isin(names)] if names else table
    if table.empty:
        raise HarbenchError(f"No trials in {root}. Make some: harbench tune --method NAME")
    if csv is not None:
        _write(table.drop(columns="name"), csv)
        return
    for sheet in trial_sheets(table):
        show(sheet)


def _write(table: pd.DataFrame, csv: Path) -> None:
    from harbench.data.paths import writing
    from harbench.outside import spreadsheet

    with writing(csv) as temporary:
        spreadsheet(table).to_csv(temporary, index=False)
    say(f"{len(table)} rows written to {csv}")


@app.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder; $HARBENCH_RESULTS or ./results.")
    ] = None,
    results: Folder = None,
) -> None:
    """Name every record that is unreadable, impossible, misplaced or there twice.

    Labels beside a record must give its confusion matrices, and its name must stand for its
    configuration: one from before a default changed poses as the new default.
    """
    from harbench.running.configure import other_default
    from harbench.running.predictions import wrong_labels
    from harbench.running.reading import Problem
    from harbench.running.store import ResultStore, default_results

    root = folder or results or default_results()
    found = ResultStore(root).read()
    wrong = {
        path: wrong_labels(path, record) or other_default(path.parent.name, record.identity)
        for path, record in found.records
    }
    problems = [*found.problems, *(Problem(path, why) for path, why in wrong.items() if why)]
    for problem in problems:
        say(str(problem))
    good = len(found.records) + len(found.problems) - len(problems)
    say(f"{root}: {good} records hold, {len(problems)} do not.")
    if problems:
        raise typer.Exit(1)


@app.command()
def predictions(
    what: Annotated[str, typer.Argument(help="A method's label, or the file of a record.")],
    out: Annotated[Path, typer.Option(help="CSV or Parquet file.")],
    folder: Folder = None,
    dataset: Datasets = None,
    protocol: Protocols = None,
    budget: Filter = None,
) -> None:
    """Export what runs answered, a row per test condition and window.

    Probabilities are there while the cache has them; labels lie beside the records.
    """
    import pandas as pd

    from harbench.data.paths import writing
    from harbench.errors import HarbenchError, needs
    from harbench.outside import spreadsheet
    from harbench.running.predictions import exported
    from harbench.running.reading import read_record

    if out.suffix not in (".csv", ".parquet"):
        raise HarbenchError(f"{out}: the name of the file ends in .csv or .parquet.")
    if out.suffix == ".parquet":
        needs("pyarrow", "parquet")
    if Path(what).is_file():
        paths = [Path(what)]
    else:
        table = chosen(folder, method=what, dataset=dataset, protocol=protocol, budget=budget)
        paths = [Path(path) for path in table["path"].unique()]
    frame = pd.concat([exported(path, read_record(path)) for path in paths], ignore_index=True)
    with writing(out) as temporary:
        if out.suffix == ".csv":
            spreadsheet(frame).to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)
    say(f"{len(frame)} rows of {len(paths)} runs written to {out}")
