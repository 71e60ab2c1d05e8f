"""Processes of harbench's own: how they begin, and how they are ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

import harbench

PATIENCE_SECONDS = 5.0
# Of a checkout its root, of an installed harbench nothing.
CHECKOUT = list(harbench.__path__)[1:]


def environment() -> dict[str, str]:
    """Harbench's own variables: a process may be forked from a server that is older than they."""
    return {key: value for key, value in os.environ.items() if key.startswith("HARBENCH_")}


def context(on_gpu: bool) -> ForkServerContext | SpawnContext:
    """Fork from a server that has imported torch once, where the platform and CUDA allow it."""
    if on_gpu or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["harbench.running.execute"])
    return found


@contextmanager
def deaf() -> Iterator[None]:
    """What is started here does not hear Ctrl-C, which reaches the whole process group.

    The parent decides what becomes of its workers; it hears of a Ctrl-C in between afterwards.
    Nor does it import what lies in the current folder, a person's random.py, say.
    """
    with _our_path():
        # Its own start would make SIGINT heard again, before the server of workers is started.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _our_path() -> Iterator[None]:
    """Interpreters that begin here have this harbench on their path, not the current folder."""
    # Without the root the server of workers would import another harbench that is installed.
    path = [*CHECKOUT, os.environ.get("PYTHONPATH", "")]
    variables = {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(filter(None, path))}
    kept = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def start(
    context: ForkServerContext | SpawnContext, work: Callable[..., None], *told: object
) -> tuple[Connection, BaseProcess]:
    """Begin work(connection, *told) in a process of its own; what that sends comes out here."""
    ours, theirs = context.Pipe(duplex=False)
    process: BaseProcess = context.Process(target=work, args=(theirs, *told), daemon=True)
    with deaf():
        process.start()
    theirs.close()
    return ours, process


def send(connection: Connection, message: object) -> None:
    """Send to the parent; where that is gone nobody wants to know, and this process ends, too."""
    try:
        connection.send(message)
    except BrokenPipeError:
        os._exit(1)


def end(processes: Sequence[BaseProcess]) -> None:
    """End processes, those that do not listen the hard way."""
    for process in processes:
        process.terminate()
    patience = time.monotonic() + PATIENCE_SECONDS
    for process in processes:
        process.join(max(0.0, patience - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
