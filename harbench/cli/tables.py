"""Results as terminal tables."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from itertools import zip_longest

import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text

from harbench.analysis.notes import leaks, seeds_and_sizes
from harbench.analysis.pairs import row_names, tested
from harbench.analysis.summary import SAME, alike, summarise

METRICS = {"f1_macro": "macro F1", "accuracy": "accuracy", "f1_weighted": "weighted F1"}
# Longer names are wrapped before a "+" and go on beside the next conditions.
LABEL = 17


def results_tables(frame: pd.DataFrame) -> Iterator[Group]:
    """One table per dataset, protocol and budget: mean ± standard deviation over seeds."""
    summary = summarise(frame, list(METRICS))
    for (dataset, protocol, budget), part in summary.groupby(
        ["dataset", "protocol", "budget"], sort=False
    ):
        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
        for column in ("method", "test data"):
            table.add_column(column, no_wrap=True)
        for column in ("seeds", *METRICS.values()):
            table.add_column(column, justify="right", no_wrap=True)
        for (name, *_), rows in part.groupby([row_names(part), *SAME], sort=False):
            for label, cells in zip_longest(_wrapped(str(name)), _cells(rows), fillvalue=""):
                table.add_row(label, *cells)
        yield Group(Text(f"{dataset} · {protocol} · budget {budget} · %", "bold"), table, "")


def _wrapped(name: str) -> list[str]:
    """A row's name in lines that end before a "+"."""
    lines = textwrap.wrap(
        name.replace("+", " +"), LABEL, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(" +", "+") for line in lines]


def _cells(rows: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for row in rows.to_dict("records"):
        scores = [_cell(row[f"{m}_mean"], row[f"{m}_sd"]) for m in METRICS]
        yield tested(row["scale"], row["rate"]), str(row["n_seeds"]), *scores


def _cell(mean: float, spread: float) -> str:
    return f"{mean:.2f}" if math.isnan(spread) else f"{mean:.2f} ± {spread:.2f}"


def footnote(frame: pd.DataFrame) -> str:
    """What a reader must know to read the tables right."""
    first = "Mean ± standard deviation over seeds; macro F1 decides."
    row = ["dataset", "protocol", "budget", row_names(frame)]
    kinds = alike(frame).groupby(row)[SAME].nunique()
    apart = (
        "A row that is there again has records of other code, configuration, precision, rules or "
        "data, which are never averaged."
    )
    twice = [apart] if (kinds > 1).any(axis=None) else []
    return "\n".join([first, *twice, *seeds_and_sizes(frame), *leaks(frame)])
