"""`harbench reproduce`: the paper's tables and figures with our numbers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.say import say

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console


class Item(StrEnum):
    """What the paper shows."""

    table1 = "table1"
    table2 = "table2"
    table3 = "table3"
    fig3 = "fig3"
    fig4a = "fig4a"
    fig4b = "fig4b"
    fig5 = "fig5"


DATASETS = ("opportunity", "realworld", "czu-mhad")
PROTOCOLS = {
    Item.table2: ("clean",),
    Item.table3: ("missing-5", "missing-10", "missing-15"),
    Item.fig3: ("ablation",),
    Item.fig4a: ("balance",),
    Item.fig4b: ("mask-rate",),
}


def reproduce(
    item: Annotated[Item, typer.Argument(help="Table or figure of the paper.")],
    dataset: Annotated[
        list[str] | None, typer.Option(help="Datasets (repeatable); the paper's three.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Methods (repeatable); the paper's nine.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Epochs per stage: paper, quick, smoke.")] = "paper",
    seeds: Annotated[str | None, typer.Option(help="For example 0-4.")] = None,
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Run what is missing, or use what is there.")
    ] = True,
    jobs: Annotated[int, typer.Option(min=1, help="Runs side by side.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for figures; the current one.")] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of records; $HARBENCH_RESULTS or ./results.")
    ] = None,
) -> None:
    """Print or draw an item of the paper beside the published numbers.

    table1: datasets. table2: clean windows. table3: 5, 10, 15 % missing. fig3: ablation. fig4a:
    balance lambda. fig4b: mask rate. fig5: reconstruction. A dataset that is absent is said, and
    left out.
    """
    from harbench.cli.console import terminal

    console = terminal()
    present = available(dataset or list(DATASETS), console)
    if item is Item.table1:
        _sizes(present, console)
        return
    if item is Item.fig5:
        _reconstructions(present, method, budget, out or Path())
        return
    from harbench.analysis.published import published

    names = method or (
        [name for name in dict.fromkeys(published(item.value)["method"]) if name]
        if item in (Item.table2, Item.table3)
        else ["robusthar"]
    )
    frame = _records(item, present, names, budget, seeds, run, jobs, results)
    if item in (Item.table2, Item.table3):
        _scores(item, frame, console)
    else:
        _curves(item, frame, out or Path(), console)


def available(wanted: list[str], console: Console) -> list[str]:
    """The datasets that are there; the others are named with what to do."""
    from harbench.data import store
    from harbench.errors import HarbenchError

    present = []
    for name in wanted:
        try:
            present.append(store.load(name).spec)
        except HarbenchError as error:
            console.print(f"{name} is left out: {error}", style="yellow")
    return present


def _sizes(present: list[str], console: Console) -> None:
    import numpy as np
    from rich.table import Table

    from harbench.analysis.published import published
    from harbench.data import store

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("dataset", "quantity", "published", "ours"):
        table.add_column(title, justify="left" if title in ("dataset", "quantity") else "right")
    given = published(Item.table1.value).set_index(["dataset", "quantity"])["value"]
    datasets = dict.fromkeys([*given.index.unique("dataset"), *present])
    for name in datasets:
        ours = {}
        if name in present:
            data = store.load(name)
            ours = {
                "sensors": data.shape[1],
                "classes": len(np.unique(data.labels)),
                "subjects": len(np.unique(data.subjects)),
                "windows": len(data),
            }
        for quantity in ("sensors", "classes", "subjects", "windows"):
            number = given.get((name, quantity))
            paper = "" if number is None else f"{number:,.0f}"
            table.add_row(name, quantity, paper, f"{ours[quantity]:,}" if ours else "")
    console.print(table)


def _records(
    item: Item,
    datasets: list[str],
    methods: list[str],
    budget: str,
    seeds: str | None,
    run: bool,
    jobs: int,
    results: Path | None,
) -> pd.DataFrame:
    """The records of an item's grid, after running what is missing if that is wanted."""
    import pandas as pd

    from harbench.running.api import carry_out, collect
    from harbench.running.executors import Orders
    from harbench.running.plan import make_plan, parse_seeds
    from harbench.running.provenance import command_line
    from harbench.running.store import ResultStore, default_results

    if not datasets:
        return pd.DataFrame()
    chosen = parse_seeds(seeds) if seeds is not None else None
    runs = make_plan(methods, datasets, PROTOCOLS[item], chosen, budget)
    store = ResultStore(results or default_results())
    if run:
        missing = sum(store.find(each) is None for each in runs)
        say(f"{len(runs)} runs, {missing} of them still to do.", err=True)
        for each, outcome in carry_out(runs, store, Orders(command_line()), jobs, _silent):
            say(f"{each}: {outcome.status}", err=True)
    return collect(runs, store)


def _silent(*_: object) -> None:
    pass


def _scores(item: Item, frame: pd.DataFrame, console: Console) -> None:
    from rich.table import Table

    from harbench.analysis.published import beside

    found = beside(item.value, frame)
    table = Table(box=None, header_style="bold", pad_edge=False)
    titles = ("dataset", "protocol", "method", "score", "published", "ours", "95 % interval", "n",
              "difference", "published inside")  # fmt: skip
    for index, title in enumerate(titles):
        table.add_column(title, justify="left" if index < 4 else "right", overflow="fold")
    for row in found.to_dict("records"):
        known = row["ours"] == row["ours"]
        interval = f"{row['low']:.2f} to {row['high']:.2f}" if row["low"] == row["low"] else ""
        table.add_row(
            *(str(row[key]) for key in ("dataset", "protocol", "method", "quantity")),
            _number(row["published"]),
            _number(row["ours"]),
            interval,
            str(int(row["n"])) if known else "",
            _number(row["difference"], "+.2f"),
            row["inside"],
        )
    console.print(table)
    console.print(
        "Ours: mean over seeds (weighted F1; with missing data the mixed condition), interval with "
        "the Nadeau-Bengio correction. The paper gives neither deviations nor its own mixture of "
        "scales.",
        style="dim",
    )


def _number(value: float, form: str = ".2f") -> str:
    return "" if value != value else format(value, form)


def _curves(item: Item, frame: pd.DataFrame, out: Path, console: Console) -> None:
    from harbench.analysis.figures.bars import ablation
    from harbench.analysis.figures.curves import sweep
    from harbench.cli.figure import write_figure

    if frame.empty:
        console.print("There are no records to draw.")
        return
    for dataset, part in frame.groupby("dataset"):
        drawn = (ablation if item is Item.fig3 else sweep)(part)
        write_figure(drawn, out / f"{item.value}-{dataset}.pdf")


def _reconstructions(
    datasets: list[str], methods: list[str] | None, budget: str, out: Path
) -> None:
    from harbench.cli.figure import rebuilt, write_figure

    for dataset in datasets:
        drawn = rebuilt(methods, [dataset], budget)
        write_figure(drawn, out / f"{Item.fig5.value}-{dataset}.pdf")
