"""`harbench probe sensors`: questions to trained methods that no protocol asks."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli import complete
from harbench.cli.complete import Results
from harbench.cli.probing import require_possible
from harbench.cli.run import Device, Seeds

if TYPE_CHECKING:
    from rich.console import Console

    from harbench.analysis.sensors import SensorScores
    from harbench.running.plan import Run
    from harbench.running.probe_records import SensorProbe

# Sensors in one table of activities: so many fit into 80 letters.
SIDE_BY_SIDE = 7


class SetMetric(StrEnum):
    """What a set of sensors is scored by."""

    f1_macro = "f1_macro"
    accuracy = "accuracy"


def sensors(
    method: Annotated[list[str], typer.Argument(help="Methods, or Python files with one.")],
    dataset: Annotated[
        str,
        typer.Option(help="Dataset with two sensors or more.", autocompletion=complete.datasets),
    ],
    protocol: Annotated[
        str, typer.Option(help="Whose split and labels.", autocompletion=complete.protocols)
    ] = "subject",
    seeds: Seeds = None,
    budget: Annotated[str, typer.Option(help="Epochs per stage: paper, quick, smoke.")] = "paper",
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    metric: Annotated[
        SetMetric, typer.Option(help="Score of a set of sensors.")
    ] = SetMetric.f1_macro,
    figure: Annotated[
        Path | None, typer.Option(help="Draw all methods as well: PDF, PNG or SVG file.")
    ] = None,
    results: Results = None,
    force: Annotated[bool, typer.Option("--force", help="Score anew.")] = False,
) -> None:
    """Which sensors can be lost: every set of sensors scored with the trained method.

    Trains where the cache has no trained method; all else is forward passes. Each method's scores
    go to results/probes/, and are used again by the next call.
    """
    from harbench.cli.console import terminal
    from harbench.cli.figure import write_figure
    from harbench.leaderboard.maps import as_scores
    from harbench.running.grid import Grid, parse_seeds
    from harbench.running.plan import make_plan
    from harbench.running.scout import require_sound
    from harbench.running.store import default_results, require_writable

    require_possible(protocol, figure)
    chosen = parse_seeds(seeds) if seeds is not None else None
    plans = [
        make_plan(Grid([name], [protocol], [dataset], chosen, budget, device.value))
        for name in dict.fromkeys(method)
    ]
    for runs in plans:
        require_sound(runs)
    root = results or default_results()
    require_writable(root)
    console, found = terminal(), []
    for runs in plans:
        probe = _probe(runs, root, force, console)
        found.append(as_scores(probe, runs[0].label, metric.value))
        _show(console, found[-1], metric.value)
    if figure is not None:
        from harbench.analysis.figures.sensors import sensor_map

        write_figure(sensor_map(found, metric.value), figure)


def _probe(runs: list[Run], root: Path, force: bool, console: Console) -> SensorProbe:
    """The probe of a method's runs, from the results folder where it is there."""
    from harbench.cli.progress import Display
    from harbench.running.probe_records import find_probe, probe_path, write_probe
    from harbench.running.provenance import command_line
    from harbench.running.sensors import probe_sensors

    path = probe_path(root, runs[0], "sensors")
    probe = None if force else find_probe(path, runs)
    if probe is None:
        with Display(console, runs, runs) as display:
            probe = probe_sensors(
                runs,
                command_line(),
                display.news,
                lambda run, found: display.ended(run, f"{len(found.kept)} sets of sensors"),
            )
        write_probe(path, probe)
    console.print(f"Scores: {path}", style="dim", soft_wrap=True)
    return probe


def _show(console: Console, scores: SensorScores, metric: str) -> None:
    """The three tables of a method, and how to read them."""
    from rich.table import Table

    from harbench.analysis.pairs import METRICS
    from harbench.analysis.sensors import activity_rows, notes, size_rows, value_rows

    console.print(f"\n{scores.method} · {scores.dataset} · {METRICS[metric]} %", style="bold")
    first, *others = zip(*activity_rows(scores), strict=True)
    blocks = [
        [list(row) for row in zip(first, *others[at : at + SIDE_BY_SIDE], strict=True)]
        for at in range(0, len(others), SIDE_BY_SIDE)
    ]
    for head, *body in (size_rows(scores), value_rows(scores), *blocks):
        table = Table(box=None, header_style="bold", pad_edge=False)
        for index, title in enumerate(head):
            words = title in ("worst set", "best set") or not index
            table.add_column(
                title,
                justify="left" if words else "right",
                overflow="fold",
                min_width=max(map(len, title.split())),
            )
        for row in body:
            table.add_row(*row)
        console.print(table)
        console.print()
    console.print("\n".join(notes(scores)), style="dim")
