"""`harbench compare`: two methods, or one method in two results folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.table import Filter, chosen

if TYPE_CHECKING:
    import pandas as pd


def compare(
    a: Annotated[str, typer.Argument(help="A method, or a results folder.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    metric: Annotated[
        str, typer.Option(help="accuracy, f1_macro, f1_weighted, balanced_accuracy.")
    ] = "accuracy",
    test: Annotated[str, typer.Option(help="nb-t, signflip, wilcoxon.")] = "nb-t",
    alpha: Annotated[float, typer.Option(min=0, max=1, help="Error rate.")] = 0.05,
    dataset: Filter = None,
    protocol: Filter = None,
    method: Annotated[
        str | None, typer.Option(help="Of two folders: the method to compare.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Where records have several.")] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of records; $HARBENCH_RESULTS or ./results.")
    ] = None,
) -> None:
    """Differences a - b per condition, with interval and verdict; seeds are paired."""
    import pandas as pd
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from harbench.analysis.compare import ROPE, verdict
    from harbench.analysis.compare import compare as differences
    from harbench.analysis.table import METRICS
    from harbench.errors import unknown

    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    if Path(a).is_dir() and Path(b).is_dir():
        parts = []
        for folder in (a, b):
            part = chosen(
                Path(folder), dataset=dataset, method=method, protocol=protocol, budget=budget
            )
            parts.append(_one_method(part, folder))
        frame = pd.concat(parts, ignore_index=True)
    else:
        frame = chosen(results, dataset=dataset, protocol=protocol, budget=budget)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in (
        "where",
        "n",
        f"{METRICS[metric]} a - b",
        f"P(|a - b| < {ROPE})",
        "P(a > b)",
        "verdict",
    ):
        table.add_column(title, justify="left" if title in ("where", "verdict") else "right")
    for row in differences(frame, a, b, metric, test):
        table.add_row(
            row.where,
            str(row.result.n),
            f"{row.result.effect:+.2f}",
            f"{row.posterior.equivalent:.2f}",
            f"{row.improvement:.2f}",
            escape(verdict(row, a, b, alpha)),
        )
    console = Console(highlight=False)
    console.print(f"a = {a}, b = {b}", markup=False)
    console.print(table)
    console.print(
        f"Two-sided {test}, Holm-adjusted over the conditions (not 'all together', which averages "
        "conditions inside a seed); 95 % intervals, not adjusted. P(|a - b| < ...): of practical "
        "equivalence, Bayesian correlated t-test; P(a > b): share of seed pairs with a ahead.",
        style="dim",
    )


def _one_method(frame: pd.DataFrame, folder: str) -> pd.DataFrame:
    """The records of a folder as a method that is named by it."""
    from harbench.errors import HarbenchError

    if frame["method"].nunique() > 1:
        names = ", ".join(sorted(frame["method"].unique()))
        raise HarbenchError(f"{folder} holds several methods ({names}): choose one, --method.")
    return frame.assign(method=folder, variant="")
