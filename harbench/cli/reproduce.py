"""`harbench reproduce`: the paper's tables and figures with our numbers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli import complete
from harbench.cli.complete import Results

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from harbench.running.records import Failure


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
# What the paper chose along the axes of figure 4: lambda, mask rate; "" for other datasets.
CHOSEN = {
    Item.fig4a: {"czu-mhad": 0.7, "": 0.5},
    Item.fig4b: {"realworld": 0.5, "": 0.3},
}


def reproduce(
    item: Annotated[Item, typer.Argument(help="Table or figure of the paper.")],
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            help="Datasets (repeatable); the paper's three.", autocompletion=complete.datasets
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Methods (repeatable); the paper's nine.", autocompletion=complete.methods
        ),
    ] = None,
    budget: Annotated[str, typer.Option(help="Epochs per stage: paper, quick, smoke.")] = "paper",
    seeds: Annotated[str | None, typer.Option(help="For example 0-4.")] = None,
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Run what is missing, or use what is there.")
    ] = True,
    jobs: Annotated[
        str, typer.Option(metavar="N|auto", help="Runs side by side; auto: by cores and memory.")
    ] = "auto",
    out: Annotated[Path | None, typer.Option(help="Folder for figures; the current one.")] = None,
    results: Results = None,
) -> None:
    """Print or draw an item of the paper beside the published numbers.

    table1: datasets. table2: clean windows. table3: 5, 10, 15 % missing. fig3: ablation. fig4a:
    balance lambda. fig4b: mask rate. fig5: reconstruction. A dataset that is absent is said, and
    left out.
    """
    from harbench.cli.console import terminal
    from harbench.data import store
    from harbench.errors import HarbenchError
    from harbench.method import budget as known

    known(budget)
    if item is Item.fig5 and not run:
        raise HarbenchError("fig5 trains what is not cached: leave out --no-run.")
    console = terminal()
    wanted = dataset or list(DATASETS)
    if run or item in (Item.table1, Item.fig5):
        present = available(wanted, console, run)
    else:
        present = [store.resolve(name)[0] for name in wanted]
    if item is Item.table1:
        _sizes(present, console)
        return
    if item is Item.fig5:
        _reconstructions(present, method, budget, out or Path())
        return
    from harbench.analysis.published import published, side_by_side
    from harbench.cli.run import exit_of
    from harbench.cli.sheets import show

    names = method or (
        [name for name in dict.fromkeys(published(item.value)["method"]) if name]
        if item in (Item.table2, Item.table3)
        else ["robusthar"]
    )
    find = _ran if run else _there
    frame, failures = find(PROTOCOLS[item], present, names, budget, seeds, jobs, results)
    if item in (Item.table2, Item.table3):
        show(side_by_side(item.value, frame, [*wanted, *present] if dataset else ()))
    else:
        _curves(item, frame, out or Path(), console)
    if failures:
        raise exit_of(failures)


def available(wanted: list[str], console: Console, fetch: bool) -> list[str]:
    """The datasets that are there; the others are named with what to do.

    fetch: whether what is absent may be fetched and prepared.
    """
    from harbench.data import store
    from harbench.errors import HarbenchError

    present = []
    for name in wanted:
        try:
            if not fetch and not store.is_current(name):
                raise HarbenchError("it is not prepared (leave out --no-run to prepare it).")
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


def _ran(
    protocols: tuple[str, ...],
    datasets: list[str],
    methods: list[str],
    budget: str,
    seeds: str | None,
    jobs: str,
    results: Path | None,
) -> tuple[pd.DataFrame, list[Failure]]:
    """The records of a grid, after running what is missing, and what failed."""
    import pandas as pd

    from harbench.cli.run import completed, local
    from harbench.running.api import collect
    from harbench.running.grid import Grid, parse_seeds
    from harbench.running.plan import make_plan
    from harbench.running.store import ResultStore, default_results

    if not datasets:
        return pd.DataFrame(), []
    chosen = parse_seeds(seeds) if seeds is not None else None
    runs = make_plan(Grid(methods, protocols, datasets, chosen, budget))
    store = ResultStore(results or default_results())
    failures = completed(runs, store, local(jobs, runs, store))
    return collect(runs, store), failures


def _there(
    protocols: tuple[str, ...],
    datasets: list[str],
    methods: list[str],
    budget: str,
    seeds: str | None,
    _jobs: str,
    results: Path | None,
) -> tuple[pd.DataFrame, list[Failure]]:
    """The records that are there, whatever data and methods are at hand: nothing is fetched."""
    from harbench.cli.reading import fitting, tabled
    from harbench.running.grid import parse_seeds

    found = tabled(results)
    if found.empty:
        return found, []
    wanted = {"protocol": protocols, "dataset": datasets, "method": methods, "budget": [budget]}
    for column, names in wanted.items():
        found = found[fitting(found, column, names)]
    return found[found["seed"].isin(parse_seeds(seeds))] if seeds is not None else found, []


def _curves(item: Item, frame: pd.DataFrame, out: Path, console: Console) -> None:
    """Figures 3 and 4 with what is published: the values of Tables 2 and 3, none of the figures."""
    from harbench.analysis.figures.bars import ablation
    from harbench.analysis.figures.curves import sweep
    from harbench.analysis.published import of_tables
    from harbench.cli.figure import variants, write_figure

    if frame.empty:
        console.print("There are no records to draw.")
        return
    for dataset, part in frame.groupby("dataset"):
        given = of_tables(str(dataset))
        if item is Item.fig3:
            values = ", ".join(f"{name} {value:.2f}" for name, value in given.items())
            note = f"Published accuracy of full (Tables 2, 3): {values}." if values else ""
            drawn = ablation(part, "accuracy", variants(part), note)
        else:
            at = CHOSEN[item].get(str(dataset), CHOSEN[item][""])
            note = f"Star: published (Tables 2, 3), at the paper's choice {at:g}." if given else ""
            drawn = sweep(part, "accuracy", at if given else None, given, note)
        write_figure(drawn, out / f"{item.value}-{dataset}.pdf")


def _reconstructions(
    datasets: list[str], methods: list[str] | None, budget: str, out: Path
) -> None:
    from harbench.cli.figure import rebuilt, write_figure

    for dataset in datasets:
        drawn = rebuilt(methods, [dataset], budget)
        write_figure(drawn, out / f"{Item.fig5.value}-{dataset}.pdf")
