"""Where runs are carried out: in this process, or in worker processes side by side.

Each run has a process of its own: its memory is freed, its peak is its own, and one that dies
(out of memory, a crash) costs its run and never the grid.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

from harbench.running import processes
from harbench.running.claims import Queue
from harbench.running.execute import execute, failure
from harbench.running.plan import Run
from harbench.running.provenance import now
from harbench.running.records import Failure, Record
from harbench.training.fit import Progress

# How often is looked for what other processes have finished, and for runs that take too long.
POLL_SECONDS = 0.25

Outcome = Record | Failure
Outcomes = Generator[tuple[Run, Outcome], None, None]
News = Callable[[Run, Progress], None]


@dataclass(frozen=True)
class Orders:
    """What holds for all runs of a call.

    command: what the user typed, for the records. environment: see `processes`. time_limit:
    seconds after which a run in a worker process is ended, waiting for shared stages included.
    """

    command: str
    force: bool = False
    time_limit: float | None = None
    environment: dict[str, str] = field(default_factory=processes.environment)


def in_process(queue: Queue, orders: Orders, news: News) -> Outcomes:
    """One run after another in this process."""
    while queue.waiting:
        run = queue.take()
        yield from queue.elsewhere()
        if run is None:
            time.sleep(POLL_SECONDS if queue.waiting else 0)
            continue

        def tell(progress: Progress, run: Run = run) -> None:
            news(run, progress)

        yield run, execute(run, orders.command, tell, orders.force)


@dataclass(frozen=True)
class _Worker:
    run: Run
    process: BaseProcess
    started: str
    deadline: float


def in_workers(queue: Queue, orders: Orders, news: News, jobs: int) -> Outcomes:
    """Up to `jobs` runs at a time; yields each as it ends. Ends its workers when closed."""
    context = processes.context(any(run.device == "cuda" for run in queue.waiting.values()))
    active: dict[Connection, _Worker] = {}
    try:
        while queue.waiting or active:
            while len(active) < jobs and (run := queue.take()) is not None:
                started, worker = _start(context, run, orders)
                active[started] = worker
            yield from queue.elsewhere()
            for connection in wait(list(active), POLL_SECONDS):
                assert isinstance(connection, Connection)
                worker = active[connection]
                message = _receive(connection)
                if isinstance(message, Progress):
                    news(worker.run, message)
                    continue
                del active[connection]
                connection.close()
                worker.process.join()
                yield worker.run, message or _died(worker, orders)
            for late in [each for each, w in active.items() if time.monotonic() > w.deadline]:
                worker = active.pop(late)
                processes.end([worker.process])
                late.close()
                yield worker.run, _too_long(worker, orders)
    finally:
        processes.end([worker.process for worker in active.values()])


def _start(
    context: ForkServerContext | SpawnContext, run: Run, orders: Orders
) -> tuple[Connection, _Worker]:
    ours, theirs = context.Pipe(duplex=False)
    process: BaseProcess = context.Process(target=_work, args=(theirs, run, orders), daemon=True)
    started, limit = now(), orders.time_limit
    with processes.deaf():
        process.start()
    theirs.close()
    deadline = math.inf if limit is None else time.monotonic() + limit
    return ours, _Worker(run, process, started, deadline)


def _work(connection: Connection, run: Run, orders: Orders) -> None:
    os.environ.update(orders.environment)
    tell = partial(processes.send, connection)
    tell(execute(run, orders.command, tell, orders.force))


def _receive(connection: Connection) -> Progress | Outcome | None:
    try:
        message: Progress | Outcome = connection.recv()
    except (EOFError, OSError):
        return None
    return message


def _died(worker: _Worker, orders: Orders) -> Failure:
    code = worker.process.exitcode or 0
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    hint = " (out of memory?)" if how == "SIGKILL" else ""
    error = f"The worker process died: {how}{hint}. The next call continues from its last epoch."
    return failure(worker.run, error, "", orders.command, worker.started)


def _too_long(worker: _Worker, orders: Orders) -> Failure:
    error = (
        f"Ended after {orders.time_limit:g} seconds: --time-limit. The next call continues from "
        "its last epoch."
    )
    return failure(worker.run, error, "", orders.command, worker.started)
