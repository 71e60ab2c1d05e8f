"""The plan that `--dry-run` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from harbench.cli.console import terminal
from harbench.running.durations import room
from harbench.running.estimate import Estimator, total_seconds
from harbench.running.plan import Run
from harbench.running.prepared import Prepared
from harbench.running.store import ResultStore


def show_plan(
    runs: Sequence[Run],
    store: ResultStore,
    jobs: int | None,
    per_gpu: int,
    force: bool,
    prepared: Prepared,
) -> None:
    """Print every run, what they share, and how long they take; jobs: None for automatic."""
    console, there = terminal(), room(runs, store, per_gpu)
    side_by_side = jobs or there.jobs
    table, counts, seconds = plan_table(runs, store, side_by_side, force, prepared)
    console.print(table)
    console.print(counts)
    early = ", if no stage ends early" if any(run.budget.patience for run in runs) else ""
    time = f"{len(runs)} runs, {side_by_side} at a time: about {seconds / 60:.1f} minutes{early}."
    console.print(time)
    console.print(
        f"--jobs auto: {there.jobs}, of {there.places} places; a run needs up to "
        f"{there.needed / 2**30:.1f} GiB, {there.free / 2**30:.1f} GiB are free."
    )


def plan_table(
    runs: Sequence[Run], store: ResultStore, jobs: int, force: bool, prepared: Prepared
) -> tuple[Table, str, float]:
    """Every run with the state of its stages and its time; what they share; the plan's seconds."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("run", overflow="fold")
    table.add_column("stages", overflow="fold")
    table.add_column("minutes", justify="right", no_wrap=True)
    estimator = Estimator(prepared)
    needed: list[float] = []
    stages: Counter[str] = Counter()
    trainings = 0
    for run in runs:
        if not force and store.find(run) is not None:
            table.add_row(str(run), "record is there", "0")
            continue
        if run.broken:
            table.add_row(str(run), "its code cannot be run", "0")
            continue
        states, seconds = estimator.run(run, force)
        needed.append(seconds)
        stages.update(state for _, state in states)
        trainings += any(state == "train" for _, state in states)
        words = ", ".join(f"{name}: {state}" for name, state in states)
        table.add_row(str(run), words, f"{seconds / 60:.1f}")
    counts = (
        f"{trainings} trainings serve {len(needed)} runs; stages: {stages['train']} to train, "
        f"{stages['shared']} shared with another run of the plan, {stages['cached']} cached."
    )
    return table, counts, total_seconds(sorted(needed, reverse=True), jobs)
