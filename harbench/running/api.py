"""The Python way to run a grid; the command line is a thin layer over it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from harbench.errors import HarbenchError
from harbench.evaluation.predict import Precision
from harbench.running.claims import Queue, clear
from harbench.running.durations import LongestFirst, room
from harbench.running.executors import Executor, Here, News, Orders
from harbench.running.grid import Device, Grid
from harbench.running.listening import careful
from harbench.running.plan import Run, make_plan
from harbench.running.records import Failure, Record
from harbench.running.rows import frame
from harbench.running.store import ResultStore, default_results
from harbench.running.workers import Workers

Names = str | Sequence[str]


def run(
    method: Names,
    protocol: Names = "clean",
    dataset: Names = "spar",
    *,
    seeds: Sequence[int] | None = None,
    budget: str = "paper",
    device: Device = "auto",
    precision: Precision = "fp32",
    jobs: int | Literal["auto"] = 1,
    tuned: bool = False,
    results: str | os.PathLike[str] | None = None,
    force: bool = False,
    on_epoch: News | None = None,
    **config: Any,
) -> pd.DataFrame:
    """Run methods under protocols on datasets and return one row per run and test condition.

    Records that are already in `results` (default: $HARBENCH_RESULTS or ./results) are used, not
    run again, unless `force`. method: names, files, or specs such as
    ``timesnet+augment=corruption``. tuned: use the configurations that `harbench tune` chose.
    jobs: worker processes; 1 runs in this process, "auto" takes as many as cores and memory allow.
    on_epoch: called after every epoch with the
    `harbench.running.plan.Run` and its `harbench.training.fit.Progress` (stage, epoch, loss,
    validation score), in this process; when it raises it is warned of and told no more.
    config: values of the methods' configuration, for example ``lam=0.3``.
    Raises HarbenchError if an input is wrong or if a run failed (its record is kept).
    """
    store = ResultStore(Path(results) if results is not None else default_results())
    grid = Grid(
        methods=method,
        protocols=protocol,
        datasets=dataset,
        seeds=seeds,
        budget=budget,
        device=device,
        precision=precision,
        settings=config,
        tuned=tuned,
    )
    if jobs != "auto" and (not isinstance(jobs, int) or jobs < 1):
        raise HarbenchError(f"jobs must be 'auto' or a whole number from 1, got {jobs!r}.")
    runs = make_plan(grid, store.root, apart=jobs != 1)
    orders = Orders("harbench.run", force)
    workers = room(runs, store).jobs if jobs == "auto" else jobs
    executor = Workers(workers) if workers > 1 else Here()
    news = careful(on_epoch) if on_epoch else lambda _run, _progress: None
    failed = [
        f"{run}: {outcome.error}"
        for run, outcome in carry_out(runs, store, orders, executor, news)
        if isinstance(outcome, Failure)
    ]
    if failed:
        raise HarbenchError("\n".join([f"{len(failed)} of {len(runs)} runs failed.", *failed]))
    return collect(runs, store)


def carry_out(
    runs: Sequence[Run], store: ResultStore, orders: Orders, executor: Executor, news: News
) -> Iterator[tuple[Run, Record | Failure]]:
    """Run what has no record yet; store and yield each outcome as it comes.

    Runs that another process is at are left to it, and their outcomes are yielded, too.
    """
    left = [run for run in runs if orders.force or store.find(run) is None]
    for path in {store.path(run) for run in runs} - {store.path(run) for run in left}:
        clear(path)
    store.require_free(left)
    order = LongestFirst(left, store) if executor.longest_first else None
    with (
        Queue(store, left, order) as queue,
        closing(executor.outcomes(queue, orders, news)) as outcomes,
    ):
        for run, outcome in outcomes:
            queue.finish(run, outcome)
            yield run, outcome


def collect(runs: Sequence[Run], store: ResultStore) -> pd.DataFrame:
    """The records of a plan, as far as they are there, as one frame."""
    found = ((store.path(run), store.find(run)) for run in runs)
    return frame((path, record) for path, record in found if record is not None)
