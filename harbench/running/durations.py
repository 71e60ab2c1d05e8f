"""How long and how large runs will be, from records of their kind: who begins, how many at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import psutil

from harbench.data import store as datasets
from harbench.errors import HarbenchError
from harbench.running.plan import Run
from harbench.running.reading import read_record
from harbench.running.records import Failure, Record
from harbench.running.shards import training_key
from harbench.running.store import ResultStore

# Seeds and protocols of a kind take about the same time and memory.
Kind = tuple[str, str, str]
# Python with torch, its threads and a small network; the smallest record says 500 MiB.
PROCESS_BYTES = 512 * 2**20
# Windows, their masks, and both once more while they are put together.
BYTES_PER_VALUE = 10
# Of the memory that is free; the rest is for what others start, and for files that are read.
SHARE = 0.8


def kind(run: Run) -> Kind:
    """What runs have in common that take the same time."""
    return run.label, run.dataset, run.budget.name


def records_of(runs: Iterable[Run], store: ResultStore) -> dict[Kind, Record]:
    """A record of each kind, of whatever protocol and seed, where there is a readable one."""
    found: dict[Kind, Record] = {}
    for run in {kind(run): run for run in runs}.values():
        for path in store.like(run):
            try:
                found[kind(run)] = read_record(path)
                break
            except HarbenchError:
                continue
    return found


class LongestFirst:
    """The order in which a plan's runs are begun, so that the last worker does not run alone.

    One run of each kind that no record knows, then those that take longest. Runs whose training
    has been begun by another one come last: till then it is finished.
    """

    def __init__(self, runs: Sequence[Run], store: ResultStore) -> None:
        self._seconds = {key: _seconds(each) for key, each in records_of(runs, store).items()}
        # Asked for again and again, and slower than what is done with it.
        self._training = {id(run): training_key(run) for run in runs}
        self._kinds: set[Kind] = set()
        self._trainings: set[object] = set()

    def __call__(self, run: Run) -> tuple[int, float]:
        """Smallest first."""
        if self._training[id(run)] in self._trainings:
            return 2, 0.0
        seconds = self._seconds.get(kind(run), math.inf)
        return int(seconds < math.inf or kind(run) in self._kinds), -seconds

    def begun(self, run: Run) -> None:
        """A run has been handed out."""
        self._kinds.add(kind(run))
        self._trainings.add(self._training[id(run)])

    def ended(self, run: Run, outcome: Record | Failure) -> None:
        """A run is over."""
        if isinstance(outcome, Record):
            self._seconds[kind(run)] = _seconds(outcome)


def _seconds(record: Record) -> float:
    return sum(stage.seconds for stage in record.cost.stages)


@dataclass(frozen=True)
class Room:
    """places: usable cores, or runs that share a GPU. free, needed: bytes, here and by a run."""

    places: int
    free: int
    needed: int

    @property
    def jobs(self) -> int:
        """How many runs fit side by side; one always does."""
        return max(1, min(self.places, int(SHARE * self.free / self.needed)))


def room(runs: Sequence[Run], store: ResultStore, per_gpu: int = 1) -> Room:
    """What there is, and what the largest of the runs needs.

    A run needs what a record of its kind says; where there is none, its dataset is counted.
    """
    process = psutil.Process()
    usable = process.cpu_affinity() if hasattr(process, "cpu_affinity") else None
    free = psutil.virtual_memory().available
    known = records_of(runs, store)
    needed = [
        known[kind(run)].cost.peak_memory
        if kind(run) in known and known[kind(run)].cost.device == "cpu"
        else _guess(run.source)
        for run in {kind(run): run for run in runs}.values()
    ]
    cores = len(usable or []) or psutil.cpu_count() or 1
    places = per_gpu if runs[0].device == "cuda" else cores
    return Room(min(places, len(runs)), free, max(needed))


def _guess(source: str) -> int:
    dataset = datasets.load(source)
    return PROCESS_BYTES + BYTES_PER_VALUE * len(dataset) * int(np.prod(dataset.shape))
