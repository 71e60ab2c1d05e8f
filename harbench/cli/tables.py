"""Results as terminal tables."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text

from harbench.analysis.notes import leaks, seeds_and_sizes
from harbench.analysis.pairs import tested
from harbench.analysis.summary import summarise

METRICS = {"f1_macro": "macro F1 %", "accuracy": "accuracy %", "f1_weighted": "weighted F1 %"}


def results_tables(frame: pd.DataFrame) -> Iterator[Group]:
    """One table per dataset, protocol and budget: mean ± standard deviation over seeds."""
    summary = summarise(frame, list(METRICS))
    for (dataset, protocol, budget), part in summary.groupby(
        ["dataset", "protocol", "budget"], sort=False
    ):
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("method", overflow="fold")
        table.add_column("test data", no_wrap=True)
        for column in ("seeds", *METRICS.values()):
            table.add_column(column, justify="right", no_wrap=True)
        previous = ""
        for row in part.to_dict("records"):
            name = row["variant"] or row["method"]
            cells = [_cell(row[f"{m}_mean"], row[f"{m}_sd"]) for m in METRICS]
            shown = name if name != previous else ""
            previous = name
            condition = tested(row["scale"], row["rate"])
            table.add_row(shown, condition, str(row["n_seeds"]), *cells)
        yield Group(Text(f"{dataset} · {protocol} · budget {budget}", "bold"), table, "")


def _cell(mean: float, spread: float) -> str:
    return f"{mean:.2f}" if math.isnan(spread) else f"{mean:.2f} ± {spread:.2f}"


def footnote(frame: pd.DataFrame) -> str:
    """What a reader must know to read the tables right."""
    first = "Mean ± standard deviation over seeds; macro F1 decides."
    return "\n".join([first, *seeds_and_sizes(frame), *leaks(frame)])
