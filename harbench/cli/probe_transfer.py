"""`harbench probe transfer`: training faults against test faults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli import complete
from harbench.cli.complete import Metric, Results
from harbench.cli.probing import require_possible
from harbench.cli.run import Device, Jobs, Seeds
from harbench.cli.say import say

if TYPE_CHECKING:
    from harbench.analysis.transfer import Transfer
    from harbench.protocol import Protocol
    from harbench.running.grid import Grid
    from harbench.running.plan import Run
    from harbench.running.prepared import Prepared
    from harbench.running.store import ResultStore


def transfer(
    method: Annotated[
        list[str],
        typer.Option(
            help="Method trained by gradients, or a file (repeatable).",
            autocompletion=complete.methods,
        ),
    ],
    protocol: Annotated[
        str,
        typer.Option(
            help="Whose split, labels and test conditions.", autocompletion=complete.protocols
        ),
    ],
    dataset: Annotated[
        str, typer.Option(help="Dataset.", autocompletion=complete.datasets)
    ] = "spar",
    faults: Annotated[
        str | None, typer.Option(help="Training faults, for example none,sensor,burst; all.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Share lost in the tests; the headline's.")
    ] = None,
    metric: Metric = "f1_macro",
    seeds: Seeds = None,
    budget: Annotated[str, typer.Option(help="Epochs per stage: paper, quick, smoke.")] = "paper",
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    jobs: Jobs = "auto",
    figure: Annotated[
        Path | None, typer.Option(help="Draw the matrices as well: PDF, PNG or SVG file.")
    ] = None,
    results: Results = None,
) -> None:
    """Does a model trained on one fault survive another? Rows: training, columns: test.

    Each training is an ordinary run (`harbench run --method cnn+augment=sensor`): those that have a
    record are not repeated.
    """
    from harbench.analysis.pairs import METRICS
    from harbench.analysis.transfer import as_text
    from harbench.cli.run import completed, exit_of, local
    from harbench.errors import unknown
    from harbench.running.grid import Grid, parse_seeds
    from harbench.running.plan import left_out
    from harbench.running.prepared import Prepared
    from harbench.running.store import ResultStore, default_results

    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    require_possible(protocol, figure)
    chosen = parse_seeds(seeds) if seeds is not None else None
    grid = Grid(method, [protocol], [dataset], chosen, budget, device.value)
    prepared = Prepared()
    plans = {name: _plan(name, grid, faults, prepared) for name in grid.methods}
    runs = [run for plan in plans.values() for run in plan]
    conditions = _conditions(runs[0].protocol, rate)
    for note in left_out(runs, grid, prepared):
        say(f"note: {note}", err=True)
    store = ResultStore(results or default_results())
    failures = completed(runs, store, local(jobs, runs, store))
    matrices = [_matrix(plan, store, conditions, metric) for plan in plans.values()]
    for found in matrices:
        say(f"\n{as_text(found, metric)}")
    if figure is not None:
        from harbench.analysis.figures.transfer import transfer_maps
        from harbench.cli.figure import write_figure

        about = (
            f"Data {dataset}; protocol {protocol}; split {runs[0].protocol.split}; "
            f"budget {budget}; n = {len({run.seed for run in runs})} seeds."
        )
        write_figure(transfer_maps(matrices, about, metric), figure)
    if failures:
        raise exit_of(failures)


def _plan(name: str, grid: Grid, faults: str | None, prepared: Prepared) -> list[Run]:
    """The runs of one method of a grid under every training fault."""
    from dataclasses import replace
    from typing import get_args

    from harbench.errors import HarbenchError, unknown
    from harbench.method import Augment
    from harbench.options import parse_spec
    from harbench.running.plan import make_plan

    wanted = get_args(Augment) if faults is None else tuple(faults.split(","))
    for fault in wanted:
        if fault not in get_args(Augment):
            raise unknown("training fault", fault, get_args(Augment))
    if "augment" in parse_spec(name)[1]:
        raise HarbenchError(f"{name}: leave augment out, the matrix has a row for each.")
    specs = [f"{name}+augment={fault}" for fault in wanted]
    return make_plan(replace(grid, methods=specs), prepared=prepared)


def _conditions(protocol: Protocol, rate: float | None) -> list[tuple[str, float]]:
    """The protocol's test conditions that take nothing away, and the others at one rate."""
    from harbench.errors import HarbenchError

    rates = sorted({each.rate for each in protocol.conditions if each.corrupts})
    if not rates:
        raise HarbenchError(f"Protocol {protocol.name!r} takes nothing away from test windows.")
    taken = rate if rate is not None else protocol.headline.rate or rates[0]
    if taken not in rates:
        known = ", ".join(f"{each:g}" for each in rates)
        raise HarbenchError(f"Protocol {protocol.name!r} has no rate {taken:g}: it has {known}.")
    return [(c.scale, c.rate) for c in protocol.conditions if c.rate in (0, taken)]


def _matrix(
    plan: list[Run], store: ResultStore, conditions: list[tuple[str, float]], metric: str
) -> Transfer:
    from harbench.analysis.transfer import transfer
    from harbench.options import format_spec, parse_spec
    from harbench.running.api import collect

    labels: dict[str, str] = {run.options.augment: run.label for run in plan}
    name, options = parse_spec(plan[0].label)
    options.pop("augment", None)
    return transfer(collect(plan, store), format_spec(name, options), labels, conditions, metric)
