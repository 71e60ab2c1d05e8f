"""`harbench bench`: how fast the methods train, against the straightforward formulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    methods: Annotated[
        list[str] | None,
        typer.Argument(
            help="Methods; all that train by gradient by default.", metavar="[METHOD]..."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Steps of each formulation, in turn.")] = 9,
    out: Annotated[Path | None, typer.Option(help="Write the numbers to this JSON file.")] = None,
) -> None:
    """Time training steps on one thread against public code's way of writing them."""
    from dataclasses import asdict

    from rich.table import Table

    from harbench import registry
    from harbench.cli.console import terminal
    from harbench.data.paths import write_json
    from harbench.errors import HarbenchError
    from harbench.running.provenance import command_line, now, provenance
    from harbench.testing.bench import Speed, measure

    started = now()
    console, found = terminal(), list[Speed]()
    for speed in measure(methods or registry.method_names(), rounds):
        found.append(speed)
        console.print(f"{speed.method} {speed.stage}: {speed.ratio:.2f}", style="dim")
    if not found:
        raise HarbenchError(
            "None of these methods is trained by gradients: there is no step to time."
        )
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("method", "stage"):
        table.add_column(title)
    for title in ("batch", "plain ms", "ours ms", "ratio", "quartiles", "in products"):
        table.add_column(title, justify="right")
    for s in found:
        times = (f"{s.plain:,.1f}", f"{s.ours:,.1f}", f"{s.ratio:.2f}")
        spread = f"{s.low:.2f} - {s.high:.2f}"
        table.add_row(s.method, s.stage, str(s.batch), *times, spread, f"{s.floor:.0%}")
    console.print(table)
    if out is not None:
        made = provenance(command_line(), started).model_dump(mode="json")
        write_json(out, {"rounds": rounds, "stages": [asdict(s) for s in found], **made})
