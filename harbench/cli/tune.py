"""`harbench tune`: search a method's configuration on validation windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.run import Device, PrecisionName

if TYPE_CHECKING:
    from harbench.running.tuned import Trial


def tune(
    method: Annotated[list[str], typer.Option(help="Method (repeatable).")],
    trials: Annotated[int, typer.Option(min=1, help="Configurations to try for each method.")],
    dataset: Annotated[str, typer.Option(help="Dataset.")] = "spar",
    protocol: Annotated[
        str, typer.Option(help="Its split, labels and training corruption are used.")
    ] = "clean",
    budget: Annotated[str, typer.Option(help="Epochs per stage: paper, quick, smoke.")] = "quick",
    seed: Annotated[int, typer.Option(min=0, help="Of the split that selects.")] = 0,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    precision: Annotated[PrecisionName, typer.Option(help="Of products.")] = PrecisionName.fp32,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Fixed: key=value (repeatable).")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of records; $HARBENCH_RESULTS or ./results.")
    ] = None,
) -> None:
    """Search each method's space for the best macro-F1 on validation windows, never on test ones.

    The trials are written to results/tuning/ as they end; `harbench run --tuned` uses the best.
    """
    from harbench.data import store
    from harbench.options import parse_pairs
    from harbench.running.provenance import command_line
    from harbench.running.store import default_results
    from harbench.running.tune import tunable
    from harbench.running.tune import tune as search

    def ended(number: int, trial: Trial) -> None:
        values = ", ".join(f"{key}={_short(value)}" for key, value in trial.values.items())
        score = "failed" if trial.f1_macro is None else f"validation F1 {100 * trial.f1_macro:.2f}"
        default = " (default)" if number == 0 else ""
        typer.echo(f"[{number + 1}/{trials}] {score} · {values}{default} · {trial.seconds:.0f} s")

    fixed = parse_pairs(settings or [], where="in --set")
    for name in method:
        # A wrong name behind a right one is found before the hours that the right one takes.
        tunable(name, store.load(dataset), fixed)
    for name in method:
        typer.echo(f"{name} · {dataset} · budget {budget} · seed {seed}")
        try:
            path, record = search(
                name,
                dataset,
                trials,
                results or default_results(),
                protocol_name=protocol,
                budget_name=budget,
                seed=seed,
                device=device.value,
                precision=precision.value,
                settings=fixed,
                command=command_line(),
                ended=ended,
            )
        except KeyboardInterrupt:
            typer.echo("harbench: interrupted; the same command goes on from here.", err=True)
            raise typer.Exit(130) from None
        if record.best is None:
            typer.echo(f"No trial succeeded; see {path}.")
            raise typer.Exit(1)
        best = record.trials[record.best]
        chosen = ", ".join(f"{key}={_short(value)}" for key, value in best.values.items())
        typer.echo(f"best of {len(record.trials)}: {chosen}. Trials: {path}")


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
