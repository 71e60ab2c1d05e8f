"""`harbench tune`: search a method's configuration on validation windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harbench.cli import complete
from harbench.cli.complete import Results
from harbench.cli.run import Device, PrecisionName
from harbench.cli.say import say
from harbench.errors import HarbenchError

if TYPE_CHECKING:
    from harbench.running.tuned import Trial, TuningRecord


def tune(
    method: Annotated[
        list[str], typer.Option(help="Method (repeatable).", autocompletion=complete.methods)
    ],
    trials: Annotated[
        int, typer.Option(min=1, help="Configurations to try for each method; not with --grid.")
    ] = 20,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            help="Score key=v1,v2,... instead of searching (repeatable: all combinations)."
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="Dataset.", autocompletion=complete.datasets)
    ] = "spar",
    protocol: Annotated[
        str,
        typer.Option(
            help="Its split, labels and training corruption are used.",
            autocompletion=complete.protocols,
        ),
    ] = "clean",
    budget: Annotated[str, typer.Option(help="Epochs per stage: paper, quick, smoke.")] = "quick",
    seeds: Annotated[
        str | None, typer.Option(help="One search each, as 0-4 or 0,2; the protocol's own.")
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    precision: Annotated[PrecisionName, typer.Option(help="Of products.")] = PrecisionName.fp32,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Fixed: key=value (repeatable).")
    ] = None,
    results: Results = None,
) -> None:
    """Search each method's space for the best macro-F1 on validation windows, never on test ones.

    Each seed has its own search, and `harbench run --tuned` uses its best for that seed: so no
    search sees a window that its seed tests. The trials are written to results/tuning/ as they
    end; tables of given configurations (--grid) to results/choices/.
    """
    from harbench import registry
    from harbench.data import store
    from harbench.method import budget as get_budget
    from harbench.options import parse_pairs
    from harbench.running.grid import parse_seeds
    from harbench.running.plan import chosen_seeds
    from harbench.running.provenance import command_line
    from harbench.running.scout import Asked, plan_method, require_sound
    from harbench.running.store import default_results
    from harbench.running.tune import tunable
    from harbench.running.tune import tune as search

    def ended(number: int, trial: Trial) -> None:
        values = ", ".join(f"{key}={_short(value)}" for key, value in trial.values.items())
        score = "failed" if trial.f1_macro is None else f"validation F1 {100 * trial.f1_macro:.2f}"
        default = " (default)" if number == 0 else ""
        count = f"{number + 1}" if wanted else f"{number + 1}/{trials}"
        say(f"[{count}] {score} · {values}{default} · {trial.seconds:.0f} s")

    fixed = parse_pairs(settings or [], where="in --set")
    wanted = parse_grid(grid or [])
    data, spent = store.load(dataset), get_budget(budget)
    for name in method:
        # A wrong name behind a right one is found before the hours that the right one takes.
        require_sound(plan_method(name, [Asked(dataset, fixed)], spent, store.load))
        tunable(name, data, fixed, wanted)
    each = chosen_seeds(registry.protocol(protocol), data, parse_seeds(seeds) if seeds else None)
    for name in method:
        found: dict[int, TuningRecord] = {}
        for seed in each:
            say(f"{name} · {dataset} · budget {budget} · seed {seed}")
            path, found[seed] = search(
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
                grid=wanted,
                command=command_line(),
                ended=ended,
            )
            _say_best(found[seed], path)
        if wanted:
            say(_comparison(list(found.values())))


def parse_grid(texts: list[str]) -> dict[str, list[Any]] | None:
    """``key=v1,v2`` per key; HarbenchError where a key comes twice. None where there is none."""
    from harbench.options import parse_pairs

    values: dict[str, list[Any]] = {}
    for text in texts:
        key, _, listed = text.partition("=")
        if key in values:
            raise HarbenchError(f"--grid names {key!r} twice: write {key}=v1,v2,...")
        values[key] = [parse_pairs([f"{key}={v}"], "in --grid")[key] for v in listed.split(",")]
    return values or None


def _say_best(record: TuningRecord, path: Path) -> None:
    if record.best is None:
        say(f"No trial succeeded; see {path}.")
        raise typer.Exit(1)
    best = record.trials[record.best]
    chosen = ", ".join(f"{key}={_short(value)}" for key, value in best.values.items())
    say(f"best of {len(record.trials)}: {chosen}. Trials: {path}")


def _comparison(records: list[TuningRecord]) -> str:
    """Each configuration's macro-F1 on validation windows: mean, s.d. and s.e. over the seeds."""
    import statistics

    from tabulate import tabulate

    rows = []
    for number, trial in enumerate(records[0].trials):
        found = [record.trials[number].f1_macro for record in records]
        # A configuration that failed for one seed has no mean over all of them.
        scores = [] if None in found else [100 * score for score in found if score is not None]
        spread = statistics.stdev(scores) if len(scores) > 1 else float("nan")
        seconds = statistics.mean(record.trials[number].seconds for record in records)
        name = ", ".join(f"{key}={_short(value)}" for key, value in trial.values.items())
        error = spread / len(found) ** 0.5
        mean = statistics.mean(scores) if scores else float("nan")
        rows.append([name, mean, spread, error, seconds])
    headers = ["configuration", "validation F1", "s.d.", "s.e.", "seconds"]
    text: str = tabulate(rows, headers, floatfmt=("", ".2f", ".2f", ".2f", ".0f"))
    return text


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
