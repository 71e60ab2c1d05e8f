"""`harbench power`: how small a difference the records could have shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harbench.cli import complete
from harbench.cli.complete import Budget, Datasets, Methods, OwnMetric, Results
from harbench.cli.reading import chosen
from harbench.cli.table import headline, rules_of
from harbench.cli.written import Written, write


def power(
    protocol: Annotated[
        str,
        typer.Option(
            help="Whose headline condition, family and alpha.", autocompletion=complete.protocols
        ),
    ],
    control: Annotated[str, typer.Option(help="What all others are compared with.")] = "robusthar",
    metric: OwnMetric = None,
    scale: Annotated[
        str | None, typer.Option(help="Another scale than the protocol's headline.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(min=1e-4, max=0.5, help="Error rate; the protocol's.")
    ] = None,
    dataset: Datasets = None,
    method: Methods = None,
    budget: Budget = None,
    form: Written = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    results: Results = None,
) -> None:
    """The smallest difference from a control that these seeds, with their spread, could show.

    A comparison without a star has shown nothing about smaller differences than these.
    """
    from harbench import registry
    from harbench.analysis.power import power_sheet, powers
    from harbench.analysis.render import csv_text

    rules = rules_of(registry.protocol(protocol), control=control, metric=metric, alpha=alpha)
    condition = headline(registry.protocol(protocol), scale)
    frame = chosen(results, dataset=dataset, method=method, protocol=[protocol], budget=budget)
    found = powers(frame, condition, rules)
    write([power_sheet(found, condition, rules)], form, out, csv_text(found))
