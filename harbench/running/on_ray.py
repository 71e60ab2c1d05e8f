"""Runs as tasks of a Ray cluster; records come back and are stored where the command runs.

Every node needs harbench, and sees the cache (`HARBENCH_CACHE`) and the working folder under the
same path: prepared datasets, trained stages and predictions are shared through them.
"""

from __future__ import annotations

import importlib
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harbench.errors import HarbenchError, needs, one_line
from harbench.running.claims import Queue
from harbench.running.execute import execute, failure
from harbench.running.executors import POLL_SECONDS, News, Orders, Outcome, Outcomes, again
from harbench.running.plan import Run
from harbench.running.provenance import now
from harbench.running.workers import too_long
from harbench.training.fit import Progress

# How often a run is begun anew whose worker or node is gone: nodes are lost more often than one's
# own machine, and it is not known which of the two it was.
TRIES = 3


@dataclass(frozen=True)
class OnRay:
    """As many runs at a time as the cluster has CPUs, or GPUs times `per_gpu`; `jobs` at most.

    address: of a running cluster, "auto" for the one of this machine; "local" starts one.
    """

    address: str
    jobs: int | None = None
    per_gpu: int = 1
    longest_first: bool = True

    def outcomes(self, queue: Queue, orders: Orders, news: News) -> Outcomes:
        """Carry out the queue's runs; the tasks are ended when this is closed."""
        on_gpu = any(run.device == "cuda" for run in queue.waiting.values())
        with _connected(self.address) as ray:
            tasks = _Tasks(ray, orders, 1 / self.per_gpu if on_gpu else 0)
            try:
                while queue.left or tasks.active:
                    while len(tasks.active) < self._places(ray, on_gpu) and (run := queue.take()):
                        tasks.begin(run)
                    yield from queue.elsewhere()
                    for run, outcome, died in tasks.ended(news):
                        if not again(queue, run, outcome, died, TRIES):
                            yield run, outcome
            except SystemError as error:
                # While Ray waits, what a signal's handler raises comes as the cause of this.
                raise error.__cause__ or error from None
            finally:
                tasks.cancel()

    def _places(self, ray: Any, on_gpu: bool) -> int:
        """How many runs the cluster, as it is now, has room for."""
        there = ray.cluster_resources()
        places = int(there.get("GPU", 0) * self.per_gpu if on_gpu else there.get("CPU", 0))
        if on_gpu and not places:
            raise HarbenchError("The Ray cluster has no GPU: use --device cpu, or add a node.")
        return max(1, min(places, self.jobs or places))


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected to a cluster; a cluster that was started for this ends with it."""
    needs("ray", "ray")
    # Ray would report to its makers, as this machine's user has not agreed to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = importlib.import_module("ray")
    heard = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    begun = not ray.is_initialized()
    if begun:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            raise HarbenchError(
                f"No Ray cluster at {address!r}: {one_line(error)} Start one (ray start --head), "
                "or use --address local."
            ) from error
        for number, handler in heard.items():
            signal.signal(number, handler)
    try:
        yield ray
    finally:
        if begun:
            ray.shutdown()


class _Mailbox:
    """An actor beside the command, to which the tasks report."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, Progress | None]] = []

    def put(self, number: int, message: Progress | None) -> None:
        self.messages.append((number, message))

    def take(self) -> list[tuple[int, Progress | None]]:
        found, self.messages = self.messages, []
        return found


@dataclass
class _Task:
    run: Run
    number: int
    started: str
    deadline: float = math.inf


class _Tasks:
    """The tasks that have been begun, and what is heard of them."""

    def __init__(self, ray: Any, orders: Orders, gpus: float) -> None:
        self.ray = ray
        self.orders = orders
        self.active: dict[Any, _Task] = {}
        self.begun = 0
        # A worker of its own for each run, as on one machine: its memory is freed and measured.
        self.work = ray.remote(
            num_cpus=1, num_gpus=gpus, max_retries=0, max_calls=1, scheduling_strategy="SPREAD"
        )(_work)
        # It must outlive every node but the command's own.
        here = importlib.import_module("ray.util.scheduling_strategies")
        node = ray.get_runtime_context().get_node_id()
        beside = here.NodeAffinitySchedulingStrategy(node, soft=False)
        self.mailbox = ray.remote(num_cpus=0, scheduling_strategy=beside)(_Mailbox).remote()
        try:
            ray.get(self.mailbox.take.remote())
        except ray.exceptions.RayError as error:
            raise HarbenchError(
                f"The Ray cluster cannot run harbench: {_last_line(error)}. Its nodes need the "
                "Python packages of this command: start Ray in an environment that has them."
            ) from error

    def begin(self, run: Run) -> None:
        """Submit a run."""
        self.begun += 1
        task = self.work.remote(self.mailbox, self.begun, run, self.orders, str(Path.cwd()))
        self.active[task] = _Task(run, self.begun, now())

    def ended(self, news: News) -> list[tuple[Run, Outcome, bool]]:
        """Wait a little: runs that are over, with their outcomes and whether they died."""
        if not self.active:
            time.sleep(POLL_SECONDS)
            return []
        done, _ = self.ray.wait(list(self.active), timeout=POLL_SECONDS)
        self._hear(news)
        found = [self._outcome(each) for each in done]
        for late in [each for each, t in self.active.items() if time.monotonic() > t.deadline]:
            task = self.active.pop(late)
            self.ray.cancel(late, force=True)
            found.append((task.run, too_long(task.run, task.started, self.orders), False))
        return found

    def cancel(self) -> None:
        """End what is still running."""
        for each in self.active:
            # Where the cluster itself is gone there is nothing left to end.
            with suppress(Exception):
                self.ray.cancel(each, force=True)
        self.active.clear()

    def _hear(self, news: News) -> None:
        numbers = {task.number: task for task in self.active.values()}
        for number, message in self.ray.get(self.mailbox.take.remote()):
            task = numbers.get(number)
            if task is not None and message is not None:
                news(task.run, message)
            elif task is not None:
                task.deadline = self.orders.deadline()

    def _outcome(self, done: Any) -> tuple[Run, Outcome, bool]:
        task = self.active.pop(done)
        try:
            return task.run, self.ray.get(done), False
        except self.ray.exceptions.RayError as error:
            words = (
                f"Its Ray worker or node is gone: {_last_line(error)}. The next call continues "
                "from its last epoch."
            )
            command = self.orders.command
            return task.run, failure(task.run, words, str(error), command, task.started), True


def _last_line(error: BaseException) -> str:
    """What Ray says in the end: tracebacks of other processes come before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__


def _work(mailbox: Any, number: int, run: Run, orders: Orders, folder: str) -> Outcome:
    """One task, on whatever node: `folder` is where the command was given, if it is there, too."""
    mailbox.put.remote(number, None)
    if Path(folder).is_dir():
        os.chdir(folder)
    os.environ.update(orders.environment)

    def tell(progress: Progress) -> None:
        mailbox.put.remote(number, progress)

    return execute(run, orders.command, tell, orders.renew)
