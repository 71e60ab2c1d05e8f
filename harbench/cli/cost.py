"""`harbench cost`: how large and how slow methods are on a dataset's windows."""

from __future__ import annotations

from typing import Annotated

import typer

from harbench.cli import complete


def cost(
    methods: Annotated[
        list[str] | None, typer.Argument(help="Methods; all by default.", metavar="[METHOD]...")
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="Dataset whose windows are used.", autocompletion=complete.datasets)
    ] = "spar",
    protocol: Annotated[str, typer.Option(help="Its labelled share is used.")] = "clean",
) -> None:
    """Parameters, floating-point operations per window and milliseconds per training step."""
    from rich.table import Table

    from harbench import registry
    from harbench.cli.console import terminal
    from harbench.running.estimate import sizes
    from harbench.running.grid import Grid
    from harbench.running.plan import make_plan
    from harbench.running.scout import require_sound

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("method", "parameters", "MFLOP per window", "training step"):
        table.add_column(title, justify="left" if title in ("method", "training step") else "right")
    names = methods or registry.method_names()
    runs = make_plan(Grid(names, [protocol], [dataset], [0], "smoke"))
    require_sound(runs)
    for run in runs:
        size = sizes(run)
        flops = "" if size.flops is None else f"{size.flops / 1e6:,.1f}"
        steps = ", ".join(
            f"{stage}: {1000 * seconds:,.0f} ms" + (f" at batch {batch}" if batch else " in all")
            for stage, batch, seconds in size.stages
        )
        table.add_row(run.label, f"{size.parameters:,}" if size.parameters else "", flops, steps)
    terminal().print(table)
