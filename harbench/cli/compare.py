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
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from harbench.analysis.compare import ROPE, verdict
    from harbench.analysis.compare import compare as differences
    from harbench.analysis.table import METRICS
    from harbench.errors import unknown

    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    filters = {"dataset": dataset, "protocol": protocol, "budget": budget}
    if Path(a).is_dir() and Path(b).is_dir():
        frame = _folders(a, b, method, filters)
    else:
        frame = chosen(results, **filters)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("where", "n", f"{METRICS[metric]} a - b", f"P(|a - b| < {ROPE})", "verdict"):
        table.add_column(title, justify="left" if title in ("where", "verdict") else "right")
    for row in differences(frame, a, b, metric, test):
        table.add_row(
            row.where,
            str(row.result.n),
            f"{row.result.effect:+.2f}",
            f"{row.posterior.equivalent:.2f}",
            escape(verdict(row, a, b, alpha)),
        )
    console = Console(highlight=False)
    console.print(f"a = {a}, b = {b}", markup=False)
    console.print(table)
    console.print(
        f"Two-sided {test}, Holm-adjusted over the conditions (not 'all together', which averages "
        "conditions inside a seed); 95 % intervals, not adjusted. P: posterior probability of "
        "practical equivalence, Bayesian correlated t-test.",
        style="dim",
    )


def _folders(
    a: str, b: str, method: str | None, filters: dict[str, list[str] | str | None]
) -> pd.DataFrame:
    """The records of one method in two folders, as two methods named by their folders."""
    import pandas as pd

    from harbench.errors import HarbenchError

    parts = []
    for folder in (a, b):
        frame = chosen(Path(folder), **filters, method=method)
        if frame["method"].nunique() > 1:
            names = ", ".join(sorted(frame["method"].unique()))
            raise HarbenchError(f"{folder} holds several methods ({names}): choose one, --method.")
        parts.append(frame.assign(method=folder, variant=""))
    return pd.concat(parts, ignore_index=True)
