"""`harbench run`: carry out a grid of runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harbench.cli.say import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harbench.running.plan import Run
    from harbench.running.records import Failure, Record
    from harbench.running.store import ResultStore


class Device(StrEnum):
    """Where to compute; auto takes a GPU if there is one."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class PrecisionName(StrEnum):
    """How products are computed."""

    fp32 = "fp32"
    tf32 = "tf32"
    bf16 = "bf16"


def run(
    method: Annotated[
        list[str], typer.Option(help="Method, or a Python file with one (repeatable).")
    ],
    protocol: Annotated[list[str], typer.Option(help="Protocol, or a TOML file (repeatable).")],
    dataset: Annotated[list[str] | None, typer.Option(help="Dataset (repeatable); spar.")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="For example 0-4 or 0,2; default: the protocol's.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Epochs per stage: paper, quick, smoke.")] = "paper",
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    precision: Annotated[PrecisionName, typer.Option(help="Of products.")] = PrecisionName.fp32,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs side by side; default: CPU cores, or 1 on a GPU."),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(min=1, metavar="SECONDS", help="End a run that takes longer as failed."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Configuration key=value (repeatable).")
    ] = None,
    tuned: Annotated[
        bool, typer.Option("--tuned", help="Use what `harbench tune` chose (results/tuning/).")
    ] = False,
    results: Annotated[
        Path | None, typer.Option(help="Folder of records; $HARBENCH_RESULTS or ./results.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Train and test anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
) -> None:
    """Train and test methods under protocols; finished runs are not repeated."""
    from harbench.options import parse_pairs
    from harbench.running.plan import left_out, make_plan, parse_seeds
    from harbench.running.store import ResultStore, default_results

    store = ResultStore(results or default_results())
    runs = make_plan(
        method,
        dataset or ["spar"],
        protocol,
        parse_seeds(seeds) if seeds is not None else None,
        budget,
        device.value,
        precision.value,
        parse_pairs(settings or [], where="in --set"),
        store.root if tuned else None,
        apart=True,
        limit=time_limit,
    )
    for note in left_out(runs, protocol):
        say(f"note: {note}", err=True)
    jobs = jobs or default_jobs(runs)
    if dry_run:
        _show_plan(runs, store, jobs, force)
        return
    failures = completed(runs, store, jobs, force, time_limit)
    _show_results(runs, store)
    if failures:
        count = f"{len(failures)} of {len(runs)} runs failed"
        say(f"{count}; the same command tries them again.")
        raise typer.Exit(2 if any(failure.mendable for failure in failures) else 1)


def _headline(run: Run, record: Record) -> str:
    """The number that the protocol stands for, in words."""
    wanted = run.protocol.headline
    score = next(
        getattr(row, wanted.metric)
        for row in record.conditions
        if (row.scale, row.rate) == (wanted.scale, wanted.rate)
    )
    return f"{wanted.metric} {100 * score:.2f} % ({wanted})"


def default_jobs(runs: Sequence[Run]) -> int:
    """As many as there are usable cores and runs; one on a GPU."""
    import psutil

    if runs[0].device == "cuda":
        return 1
    process = psutil.Process()
    usable = process.cpu_affinity() if hasattr(process, "cpu_affinity") else None
    return max(1, min(len(usable or []) or psutil.cpu_count() or 1, len(runs)))


def _show_plan(runs: Sequence[Run], store: ResultStore, jobs: int, force: bool) -> None:
    from harbench.cli.console import terminal
    from harbench.cli.planned import plan_table

    console = terminal()
    table, seconds = plan_table(runs, store, jobs, force)
    console.print(table)
    early = ", if no stage ends early" if any(run.budget.patience for run in runs) else ""
    console.print(f"{len(runs)} runs, {jobs} at a time: about {seconds / 60:.1f} minutes{early}.")


def completed(
    runs: Sequence[Run],
    store: ResultStore,
    jobs: int,
    force: bool = False,
    time_limit: float | None = None,
) -> list[Failure]:
    """Carry out what has no record, with a display of how far it is; what failed."""
    from harbench.cli.console import terminal
    from harbench.cli.progress import Display
    from harbench.running.api import carry_out
    from harbench.running.executors import Orders
    from harbench.running.provenance import command_line
    from harbench.running.records import Failure

    left = [run for run in runs if force or store.find(run) is None]
    failures: list[Failure] = []
    with Display(terminal(), runs, left) as display:
        orders = Orders(command_line(), force, time_limit)
        for run, outcome in carry_out(runs, store, orders, jobs, display.news):
            if isinstance(outcome, Failure):
                failures.append(outcome)
                note = store.path(run).with_suffix(".failed.json")
                display.ended(run, f"failed: {outcome.error} ({note})", "red")
            else:
                display.ended(run, _headline(run, outcome))
    return failures


def _show_results(runs: Sequence[Run], store: ResultStore) -> None:
    from harbench.cli.console import terminal
    from harbench.cli.tables import footnote, results_tables
    from harbench.running.api import collect

    console = terminal()
    frame = collect(runs, store)
    if not frame.empty:
        for table in results_tables(frame):
            console.print(table)
        console.print(footnote(frame), style="dim")
        console.print(f"Records: {store.root}", style="dim")
