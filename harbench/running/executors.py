"""Where runs are carried out: in this process, or in worker processes side by side.

Each run has a process of its own: its memory is freed, its peak is its own, and one that dies
(out of memory, a crash) costs its run and never the grid.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

from harbench.running.execute import execute, failure
from harbench.running.plan import Run
from harbench.running.provenance import now
from harbench.running.records import Failure, Record
from harbench.training.fit import Progress

Outcome = Record | Failure
News = Callable[[Run, Progress], None]


@dataclass(frozen=True)
class Orders:
    """What holds for all runs of a call.

    command: what the user typed, for the records. environment: harbench's own variables, because
    a worker is forked from a server that may have started before they were set.
    """

    command: str
    force: bool = False
    environment: dict[str, str] = field(
        default_factory=lambda: {k: v for k, v in os.environ.items() if k.startswith("HARBENCH_")}
    )


def in_process(runs: Sequence[Run], orders: Orders, news: News) -> Iterator[tuple[Run, Outcome]]:
    """One run after another in this process."""
    for run in runs:

        def tell(progress: Progress, run: Run = run) -> None:
            news(run, progress)

        yield run, execute(run, orders.command, tell, orders.force)


def in_workers(
    runs: Sequence[Run], orders: Orders, news: News, jobs: int
) -> Iterator[tuple[Run, Outcome]]:
    """Up to `jobs` runs at a time; yields each as it ends. Ends its workers when closed."""
    context = _context(runs)
    waiting = list(reversed(runs))
    active: dict[Connection, tuple[Run, BaseProcess, str]] = {}
    process: BaseProcess
    try:
        while waiting or active:
            while waiting and len(active) < jobs:
                run = waiting.pop()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(theirs, run, orders), daemon=True)
                process.start()
                theirs.close()
                active[ours] = (run, process, now())
            for connection in wait(list(active)):
                assert isinstance(connection, Connection)
                run, process, started = active[connection]
                message = _receive(connection)
                if isinstance(message, Progress):
                    news(run, message)
                    continue
                del active[connection]
                connection.close()
                process.join()
                yield run, message or _died(run, process, orders, started)
    finally:
        for _, process, _ in active.values():
            process.terminate()
        for _, process, _ in active.values():
            process.join()


def _context(runs: Sequence[Run]) -> ForkServerContext | SpawnContext:
    """Fork from a server that has imported torch once, where the platform and CUDA allow it."""
    on_gpu = any(run.device == "cuda" for run in runs)
    if on_gpu or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["harbench.running.execute"])
    return context


def _work(connection: Connection, run: Run, orders: Orders) -> None:
    # Ctrl-C reaches the whole process group; the parent decides what happens to its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(orders.environment)
    connection.send(execute(run, orders.command, connection.send, orders.force))


def _receive(connection: Connection) -> Progress | Outcome | None:
    try:
        message: Progress | Outcome = connection.recv()
    except (EOFError, OSError):
        return None
    return message


def _died(run: Run, process: BaseProcess, orders: Orders, started: str) -> Failure:
    code = process.exitcode or 0
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    hint = " (out of memory?)" if how == "SIGKILL" else ""
    error = f"The worker process died: {how}{hint}. The next call continues from its last epoch."
    return failure(run, error, "", orders.command, started)
