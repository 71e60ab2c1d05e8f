"""Where runs are carried out: in this process, in worker processes, or on a cluster."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Protocol

from harbench.running import processes
from harbench.running.claims import Queue
from harbench.running.execute import execute
from harbench.running.plan import Run
from harbench.running.records import Failure, Record
from harbench.training.fit import Progress

# How often is looked for what other processes have finished, and for runs that take too long.
POLL_SECONDS = 0.25
# What an allocation that fails says: of Python, of CUDA, of torch on the CPU.
OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError", "can't allocate memory")

Outcome = Record | Failure
Outcomes = Generator[tuple[Run, Outcome], None, None]
News = Callable[[Run, Progress], None]


@dataclass(frozen=True)
class Orders:
    """What holds for all runs of a call.

    begun: seconds since the epoch; with `force` what was trained before it is trained anew.
    command: what the user typed, for the records. environment: see `processes`. time_limit:
    seconds after which a run in a worker process is ended, waiting for shared stages included.
    """

    command: str
    force: bool = False
    time_limit: float | None = None
    environment: dict[str, str] = field(default_factory=processes.environment)
    begun: float = field(default_factory=time.time)

    @property
    def renew(self) -> float:
        """The time before which a finished stage is no longer good enough."""
        return self.begun if self.force else -math.inf

    def deadline(self) -> float:
        """When a run that begins now is ended, by the monotonic clock."""
        return math.inf if self.time_limit is None else time.monotonic() + self.time_limit


class Executor(Protocol):
    """Takes runs from a queue until none is left and yields each with its outcome, as it comes.

    Runs that the queue finds finished by other processes are yielded, too. Whoever closes the
    generator ends all that it has begun.
    """

    @property
    def longest_first(self) -> bool:
        """Whether runs go side by side, so that their order matters for the time they take."""

    def outcomes(self, queue: Queue, orders: Orders, news: News) -> Outcomes:
        """Carry out the queue's runs; `news` hears of every epoch."""


@dataclass(frozen=True)
class Here:
    """One run after another in this process, in the order of the plan."""

    longest_first: bool = False

    def outcomes(self, queue: Queue, orders: Orders, news: News) -> Outcomes:
        """Carry out the queue's runs."""
        while queue.left:
            run = queue.take()
            yield from queue.elsewhere()
            if run is None:
                time.sleep(POLL_SECONDS if queue.left else 0)
                continue

            def tell(progress: Progress, run: Run = run) -> None:
                news(run, progress)

            yield run, execute(run, orders.command, tell, orders.renew)


def again(queue: Queue, run: Run, outcome: Outcome, died: bool, most: int = 1) -> bool:
    """Whether a run that died or lacked memory goes back into the queue, `most` times.

    Its turn comes after all others: it goes on from its last epoch, with fewer runs beside it.
    """
    if not isinstance(outcome, Failure):
        return False
    if not died and not any(words in outcome.error for words in OUT_OF_MEMORY):
        return False
    if not queue.put_back(run, most):
        return False
    print(f"note: {run} is tried again: {outcome.error}", file=sys.stderr)
    return True
