"""Runs in worker processes of this machine, side by side.

Each run has a process of its own: its memory is freed, its peak is its own, and one that dies
(out of memory, a crash) costs its run and never the grid.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

from harbench.running import processes
from harbench.running.claims import Queue
from harbench.running.execute import execute, failure
from harbench.running.executors import POLL_SECONDS, News, Orders, Outcome, Outcomes, again
from harbench.running.plan import Run
from harbench.running.provenance import now
from harbench.running.records import Failure
from harbench.training.fit import Progress


@dataclass(frozen=True)
class Workers:
    """Up to `jobs` runs at a time, those that take longest first."""

    jobs: int
    longest_first: bool = True

    def outcomes(self, queue: Queue, orders: Orders, news: News) -> Outcomes:
        """Carry out the queue's runs; the workers are ended when this is closed."""
        context = processes.context(any(run.device == "cuda" for run in queue.waiting.values()))
        active: dict[Connection, _Worker] = {}
        try:
            while queue.left or active:
                while len(active) < self.jobs and (run := queue.take()) is not None:
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
                    died = message is None and (worker.process.exitcode or 0) < 0
                    outcome = message or _died(worker, orders)
                    if not again(queue, worker.run, outcome, died):
                        yield worker.run, outcome
                for late in [each for each, w in active.items() if time.monotonic() > w.deadline]:
                    worker = active.pop(late)
                    processes.end([worker.process])
                    late.close()
                    yield worker.run, too_long(worker.run, worker.started, orders)
        finally:
            processes.end([worker.process for worker in active.values()])


@dataclass(frozen=True)
class _Worker:
    run: Run
    process: BaseProcess
    started: str
    deadline: float


def _start(
    context: ForkServerContext | SpawnContext, run: Run, orders: Orders
) -> tuple[Connection, _Worker]:
    started = now()
    connection, process = processes.start(context, _work, run, orders)
    return connection, _Worker(run, process, started, orders.deadline())


def _work(connection: Connection, run: Run, orders: Orders) -> None:
    os.environ.update(orders.environment)
    tell = partial(processes.send, connection)
    tell(execute(run, orders.command, tell, orders.renew))


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


def too_long(run: Run, started: str, orders: Orders) -> Failure:
    """The failure of a run that was ended because of its time."""
    error = (
        f"Ended after {orders.time_limit:g} seconds: --time-limit. The next call continues from "
        "its last epoch."
    )
    return failure(run, error, "", orders.command, started)
