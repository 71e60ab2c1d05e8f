"""`harbench tune`: search a method's configuration on validation windows."""

from __future__ import annotations

from contextlib import closing
from functools import partial
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
    jobs: Annotated[
        int, typer.Option(min=1, help="Searches side by side, each in a process of its own.")
    ] = 1,
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
    from harbench.running.plan import chosen_seeds, resolve_device
    from harbench.running.provenance import command_line
    from harbench.running.scout import Asked, plan_method, require_sound
    from harbench.running.searches import searches
    from harbench.running.store import default_results
    from harbench.running.tune import tunable
    from harbench.running.tune import tune as tune_one

    def ended(name: str, seed: int, number: int, trial: Trial) -> None:
        values = ", ".join(f"{key}={_short(value)}" for key, value in trial.values.items())
        score = "failed" if trial.f1_macro is None else f"validation F1 {100 * trial.f1_macro:.2f}"
        default = " (default)" if number == 0 else ""
        count = f"{number + 1}" if wanted else f"{number + 1}/{trials}"
        said = f"[{count}] {score} · {values}{default} · {trial.trained:.0f} s"
        say(f"{name} · seed {seed} · {said}")

    fixed = parse_pairs(settings or [], where="in --set")
    wanted = parse_grid(grid or [])
    data, spent = store.load(dataset), get_budget(budget)
    for name in method:
        # A wrong name behind a right one is found before the hours that the right one takes.
        require_sound(plan_method(name, [Asked(dataset, fixed)], spent, store.load))
        tunable(name, data, fixed, wanted)
    each = chosen_seeds(registry.protocol(protocol), data, parse_seeds(seeds) if seeds else None)
    say(f"{', '.join(method)} · {dataset} · budget {budget} · seeds {', '.join(map(str, each))}")
    search = partial(
        tune_one,
        dataset_spec=dataset,
        trials=trials,
        root=results or default_results(),
        protocol_name=protocol,
        budget_name=budget,
        device=device.value,
        precision=precision.value,
        settings=fixed,
        grid=wanted,
        command=command_line(),
    )
    found: dict[str, dict[int, TuningRecord]] = {name: {} for name in method}
    on_gpu = resolve_device(device.value, precision.value) == "cuda"
    asked = [(name, seed) for name in found for seed in each]
    with closing(searches(asked, search, ended, jobs, on_gpu)) as outcomes:
        for (name, seed), (path, record) in outcomes:
            found[name][seed] = record
            say(f"{name} · seed {seed} · {_best(record, path)}")
    for records in found.values() if wanted else []:
        say(_comparison([records[seed] for seed in each]))
    if any(record.best is None for records in found.values() for record in records.values()):
        raise typer.Exit(1)


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


def _best(record: TuningRecord, path: Path) -> str:
    if record.best is None:
        return f"no trial succeeded; see {path}."
    best = record.trials[record.best]
    chosen = ", ".join(f"{key}={_short(value)}" for key, value in best.values.items())
    return f"best of {len(record.trials)}: {chosen}. Trials: {path}"


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
        seconds = statistics.mean(record.trials[number].trained for record in records)
        name = ", ".join(f"{key}={_short(value)}" for key, value in trial.values.items())
        error = spread / len(found) ** 0.5
        mean = statistics.mean(scores) if scores else float("nan")
        rows.append([name, mean, spread, error, seconds])
    headers = ["configuration", "validation F1", "s.d.", "s.e.", "seconds"]
    text: str = tabulate(rows, headers, floatfmt=("", ".2f", ".2f", ".2f", ".0f"))
    return text


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
