"""The Python way to run a grid; the command line is a thin layer over it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from harbench.errors import HarbenchError
from harbench.evaluation.predict import Precision
from harbench.running.claims import Queue
from harbench.running.executors import News, Orders, in_process, in_workers
from harbench.running.plan import Run, make_plan
from harbench.running.records import Failure, Record
from harbench.running.store import ResultStore, default_results, frame

Names = str | Sequence[str]


def run(
    method: Names,
    protocol: Names = "clean",
    dataset: Names = "spar",
    *,
    seeds: Sequence[int] | None = None,
    budget: str = "paper",
    device: str = "auto",
    precision: Precision = "fp32",
    jobs: int = 1,
    tuned: bool = False,
    results: str | os.PathLike[str] | None = None,
    force: bool = False,
    **config: Any,
) -> pd.DataFrame:
    """Run methods under protocols on datasets and return one row per run and test condition.

    Records that are already in `results` (default: $HARBENCH_RESULTS or ./results) are used, not
    run again, unless `force`. method: names, files, or specs such as
    ``timesnet+augment=corruption``. tuned: use the configurations that `harbench tune` chose.
    jobs: worker processes; 1 runs in this process. config: values of the methods' configuration,
    for example ``lam=0.3``.
    Raises HarbenchError if an input is wrong or if a run failed (its record is kept).
    """
    store = ResultStore(Path(results) if results is not None else default_results())
    runs = make_plan(
        _names(method),
        _names(dataset),
        _names(protocol),
        seeds,
        budget,
        device,
        precision,
        config,
        store.root if tuned else None,
        apart=jobs > 1,
    )
    orders = Orders("harbench.run", force)
    workers = jobs if jobs > 1 else 0
    failed = [
        f"{run}: {outcome.error}"
        for run, outcome in carry_out(runs, store, orders, workers, lambda _run, _progress: None)
        if isinstance(outcome, Failure)
    ]
    if failed:
        raise HarbenchError("\n".join([f"{len(failed)} of {len(runs)} runs failed.", *failed]))
    return collect(runs, store)


def carry_out(
    runs: Sequence[Run], store: ResultStore, orders: Orders, jobs: int, news: News
) -> Iterator[tuple[Run, Record | Failure]]:
    """Run what has no record yet; store and yield each outcome as it comes.

    Runs that another process is at are left to it, and their outcomes are yielded, too.

    jobs: worker processes; 0 runs in this process.
    """
    left = [run for run in runs if orders.force or store.find(run) is None]
    store.require_free(left)
    with Queue(store, left) as queue:
        outcomes = (
            in_workers(queue, orders, news, jobs) if jobs else in_process(queue, orders, news)
        )
        with closing(outcomes):
            for run, outcome in outcomes:
                queue.finish(run, outcome)
                yield run, outcome


def collect(runs: Sequence[Run], store: ResultStore) -> pd.DataFrame:
    """The records of a plan, as far as they are there, as one frame."""
    found = ((store.path(run), store.find(run)) for run in runs)
    return frame((path, record) for path, record in found if record is not None)


def _names(given: Names) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
