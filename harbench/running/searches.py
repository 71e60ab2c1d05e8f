"""Searches of several methods and seeds, side by side in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from harbench.errors import HarbenchError
from harbench.running import processes
from harbench.running.tuned import Trial, TuningRecord

Wanted = tuple[str, int]
Found = tuple[Path, TuningRecord]
Ended = Callable[[str, int, int, Trial], None]


def searches(
    wanted: Sequence[Wanted],
    search: Callable[..., Found],
    ended: Ended,
    jobs: int = 1,
    on_gpu: bool = False,
) -> Generator[tuple[Wanted, Found]]:
    """Carry out a search for each (method, seed), up to `jobs` at a time, as they end.

    search: `tune`, with all else that it needs; it is called with method, `seed`, `report` and
    `ended`, and must be picklable where jobs > 1. ended: told of method, seed, number and trial.
    Raises HarbenchError where a search does, and where its process dies; the others are ended, and
    go on where they were when they are called again. Close it to end all.
    """
    if jobs == 1:
        for method, seed in wanted:
            yield (method, seed), search(method, seed=seed, ended=partial(ended, method, seed))
        return
    context, waiting = processes.context(on_gpu), list(wanted)
    active: dict[Connection, tuple[Wanted, BaseProcess]] = {}
    try:
        while waiting or active:
            while waiting and len(active) < jobs:
                each = waiting.pop(0)
                told = search, each, processes.environment()
                ours, process = processes.start(context, _work, *told)
                active[ours] = each, process
            for connection in wait(list(active)):
                assert isinstance(connection, Connection)
                each, process = active[connection]
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    process.join()
                    message = HarbenchError(
                        f"The search of {each[0]}, seed {each[1]}, died (exit code "
                        f"{process.exitcode}; out of memory?). The same command goes on from its "
                        "last trial."
                    )
                if isinstance(message, HarbenchError):
                    raise message
                if message is None:
                    continue
                number, trial, found = message
                if found is None:
                    ended(*each, number, trial)
                    continue
                del active[connection]
                connection.close()
                process.join()
                yield each, found
    finally:
        processes.end([process for _, process in active.values()])


def _work(
    connection: Connection,
    search: Callable[..., Found],
    wanted: Wanted,
    environment: Mapping[str, str],
) -> None:
    os.environ.update(environment)
    method, seed = wanted
    tell = partial(processes.send, connection)
    try:
        found = search(
            method,
            seed=seed,
            # Nothing to say of an epoch, but a parent that is gone is noticed then.
            report=lambda *_: tell(None),
            ended=lambda number, trial: tell((number, trial, None)),
        )
    except HarbenchError as error:
        tell(HarbenchError(str(error)))
    else:
        tell((0, None, found))
