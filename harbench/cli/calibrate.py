"""`harbench calibrate`: how often the offered tests are wrong, and how often they see a truth."""

from __future__ import annotations

import math
from typing import Annotated

import typer


def calibrate(
    repetitions: Annotated[int, typer.Option(min=20, help="Simulated comparisons.")] = 1000,
    seeds: Annotated[int, typer.Option(min=2, max=10, help="Seeds per dataset.")] = 5,
    alpha: Annotated[float, typer.Option(min=0.001, max=0.5, help="Error rate.")] = 0.05,
    delta: Annotated[
        float, typer.Option(min=0, max=1, help="How much less signal b has, for the power.")
    ] = 0.15,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = 0,
) -> None:
    """Simulate equal and unequal methods on shared splits; print false positives and power."""
    from rich.table import Table

    from harbench.analysis.calibration import calibrate as simulate
    from harbench.cli.console import terminal

    found = simulate(repetitions, seeds, alpha, delta, seed)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("scenario", "datasets", "test", "false positives %", "power %"):
        table.add_column(title, justify="left" if title in ("scenario", "test") else "right")
    for row in found.to_dict("records"):
        table.add_row(
            row["scenario"],
            str(row["datasets"]),
            row["test"],
            f"{row['false_positives']:.1f}",
            "" if math.isnan(row["power"]) else f"{row['power']:.1f}",
        )
    console = terminal()
    console.print(table)
    console.print(
        f"{seeds} seeds per dataset, alpha {alpha:g}, {repetitions} repetitions (standard error of "
        f"a rate at alpha: {found['error'][0]:.1f} points). Any star: in a Holm-adjusted column; "
        "otherwise each test alone.",
        style="dim",
    )
