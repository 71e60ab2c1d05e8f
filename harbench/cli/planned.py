"""The plan that `--dry-run` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from harbench.running.estimate import Estimator, total_seconds
from harbench.running.plan import Run
from harbench.running.store import ResultStore


def plan_table(
    runs: Sequence[Run], store: ResultStore, jobs: int, force: bool
) -> tuple[Table, float]:
    """Every run with the state of its stages and its estimated time; and the plan's seconds."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("run", overflow="fold")
    table.add_column("stages", no_wrap=True)
    table.add_column("minutes", justify="right", no_wrap=True)
    estimator = Estimator()
    needed = []
    for run in runs:
        if not force and store.find(run) is not None:
            table.add_row(str(run), "record is there", "0")
            continue
        if run.broken:
            table.add_row(str(run), "its code cannot be run", "0")
            continue
        states, seconds = estimator.run(run, force)
        needed.append(seconds)
        words = ", ".join(f"{name}: {state}" for name, state in states)
        table.add_row(str(run), words, f"{seconds / 60:.1f}")
    return table, total_seconds(needed, jobs)
