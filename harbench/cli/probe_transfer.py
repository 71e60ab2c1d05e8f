"""`harbench probe transfer`: training faults against test faults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.probing import require_possible
from harbench.cli.run import Device
from harbench.cli.say import say

if TYPE_CHECKING:
    from harbench.analysis.transfer import Transfer
    from harbench.protocol import Protocol
    from harbench.running.plan import Run
    from harbench.running.store import ResultStore


def transfer(
    method: Annotated[
        list[str], typer.Option(help="Method trained by gradients, or a file (repeatable).")
    ],
    protocol: Annotated[str, typer.Option(help="Whose split, labels and test conditions.")],
    dataset: Annotated[str, typer.Option(help="Dataset.")] = "spar",
    faults: Annotated[
        str | None, typer.Option(help="Training faults, for example none,sensor,burst; all.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Share lost in the tests; the headline's.")
    ] = None,
    metric: Annotated[
        str, typer.Option(help="accuracy, f1_macro, f1_weighted, balanced_accuracy.")
    ] = "f1_macro",
    seeds: Annotated[
        str | None, typer.Option(help="For example 0-4 or 0,2; default: the protocol's.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Epochs per stage: paper, quick, smoke.")] = "paper",
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs side by side; default: CPU cores, or 1 on a GPU."),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the matrices as well: PDF, PNG or SVG file.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of records; $HARBENCH_RESULTS or ./results.")
    ] = None,
) -> None:
    """Does a model trained on one fault survive another? Rows: training, columns: test.

    Each training is an ordinary run (`harbench run --method cnn+augment=sensor`): those that have a
    record are not repeated.
    """
    from harbench.analysis.pairs import METRICS
    from harbench.analysis.transfer import as_text
    from harbench.cli.run import completed, default_jobs
    from harbench.errors import unknown
    from harbench.running.plan import left_out, parse_seeds
    from harbench.running.store import ResultStore, default_results

    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    require_possible(protocol, figure)
    chosen = parse_seeds(seeds) if seeds is not None else None
    plans = {
        name: _plan(name, dataset, protocol, chosen, budget, device.value, faults)
        for name in dict.fromkeys(method)
    }
    runs = [run for plan in plans.values() for run in plan]
    conditions = _conditions(runs[0].protocol, rate)
    for note in left_out(runs, [protocol]):
        say(f"note: {note}", err=True)
    store = ResultStore(results or default_results())
    failures = completed(runs, store, jobs or default_jobs(runs))
    matrices = [_matrix(plan, store, conditions, metric) for plan in plans.values()]
    for found in matrices:
        say(f"\n{as_text(found, metric)}")
    if figure is not None:
        from harbench.analysis.figures.transfer import transfer_maps
        from harbench.cli.figure import write_figure

        write_figure(transfer_maps(matrices, metric), figure)
    if failures:
        raise typer.Exit(2 if any(failure.mendable for failure in failures) else 1)


def _plan(
    name: str,
    dataset: str,
    protocol: str,
    seeds: list[int] | None,
    budget: str,
    device: str,
    faults: str | None,
) -> list[Run]:
    """The runs of one method under every training fault."""
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
    return make_plan(specs, [dataset], [protocol], seeds, budget, device)


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

    labels: dict[str, str] = {run.augment: run.label for run in plan}
    name, options = parse_spec(plan[0].label)
    options.pop("augment", None)
    return transfer(collect(plan, store), format_spec(name, options), labels, conditions, metric)
