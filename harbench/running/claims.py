"""Which process carries out which run: a claim is a file beside the record, made only once.

It names host, process and when that began. The claim of a process that is gone is taken over; one
of another host cannot be looked at: it counts until its file is deleted.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

import psutil

from harbench.data.paths import cannot_write, leftovers, remove
from harbench.errors import HarbenchError
from harbench.running.predictions import keep_labels, labels_path
from harbench.running.records import Failure, Record
from harbench.running.store import ResultStore

if TYPE_CHECKING:
    from harbench.running.durations import LongestFirst
    from harbench.running.plan import Run

# A claim that is still empty after this time was left by a process that died while making it.
EMPTY_SECONDS = 10.0
# By how much the start of a process seems to move when the clock is set right.
CLOCK_SECONDS = 5.0


def acquire(path: Path) -> bool:
    """Claim `path` for this process; False where another one has it.

    Raises HarbenchError where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return _take_over(path)
        try:
            with path.open("x") as file:
                _write(file)
        except FileExistsError:
            return False
        return True
    except OSError as error:
        raise cannot_write(path, error) from error


def _take_over(path: Path) -> bool:
    """Claim what a dead process had claimed; of several that try, one succeeds."""
    if _alive(path):
        return False
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # Another one may have been here first, or have ended and removed the file.
            if not os.path.samestat(os.fstat(file.fileno()), path.stat()) or _alive(path):
                return False
            _write(file)
            return True
    except FileNotFoundError:
        return False


def clear(record: Path) -> None:
    """Remove the claim of a process that was killed after it had stored its record."""
    claim = _claim(record)
    # Where nothing can be written, the claim harms nobody: the record is there.
    with suppress(HarbenchError):
        if claim.exists() and acquire(claim):
            claim.unlink(missing_ok=True)


def owner(path: Path) -> str:
    """Who has claimed `path`, in words."""
    said = _read(path)
    return f"process {said['pid']} on {said['host']}" if said else "another process"


def _write(file: TextIO) -> None:
    said = {"host": platform.node(), "pid": os.getpid(), "began": _began(os.getpid())}
    file.write(json.dumps(said))
    file.truncate()
    file.flush()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        said = json.loads(path.read_text())
        return said if {"host", "pid", "began"} <= said.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _alive(path: Path) -> bool:
    said = _read(path)
    if said is None:
        try:
            return time.time() - path.stat().st_mtime < EMPTY_SECONDS
        except FileNotFoundError:
            return True
    if said["host"] != platform.node():
        return True
    try:
        return bool(abs(_began(said["pid"]) - said["began"]) < CLOCK_SECONDS)
    except (psutil.Error, TypeError, ValueError, OverflowError):
        return False


def _began(pid: int) -> float:
    process = psutil.Process(pid)
    if process.status() == psutil.STATUS_ZOMBIE:
        raise psutil.NoSuchProcess(pid)
    return float(process.create_time())


class Queue:
    """Runs that are still to do; each is claimed before it is handed out.

    What other processes finish meanwhile, record or failure, is used and not done again. Claims
    are given back when the context ends. order: of the plan where it is None.
    """

    def __init__(
        self, store: ResultStore, runs: Sequence[Run], order: LongestFirst | None = None
    ) -> None:
        self.store = store
        self.order = order
        self.waiting = {store.path(run): run for run in runs}
        self._before = {path: _state(path) for path in self.waiting}
        self._elsewhere: list[tuple[Run, Record | Failure]] = []
        self._held: set[Path] = set()
        self._put_back: dict[Path, Run] = {}
        self._tries: dict[Path, int] = {}
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for path in self._held:
            _claim(path).unlink(missing_ok=True)

    def take(self) -> Run | None:
        """A run to carry out; None where there is none left that nobody else is at."""
        run = self._next()
        if run is None and self._put_back:
            return self._put_back.pop(next(iter(self._put_back)))
        if run is not None and self.order is not None:
            self.order.begun(run)
        return run

    @property
    def left(self) -> bool:
        """Whether there may still be a run to take."""
        return bool(self.waiting or self._put_back)

    def put_back(self, run: Run, most: int = 1) -> bool:
        """Hand a taken run out again, after all others; False where that was done `most` times."""
        path = self.store.path(run)
        self._tries[path] = self._tries.get(path, 0) + 1
        if self._tries[path] > most:
            return False
        self._put_back[path] = run
        return True

    def _next(self) -> Run | None:
        """The first waiting run that this process can claim."""
        waiting = list(self.waiting.items())
        if self.order is not None:
            order = self.order
            waiting.sort(key=lambda each: order(each[1]))
        for path, run in waiting:
            claim = _claim(path)
            if self._made_elsewhere(path, run):
                continue
            if not acquire(claim):
                self._tell(claim)
                continue
            self._held.add(path)
            if self._made_elsewhere(path, run):
                self._release(path)
                continue
            return self.waiting.pop(path)
        return None

    def elsewhere(self) -> list[tuple[Run, Record | Failure]]:
        """What other processes have finished since the last call."""
        found, self._elsewhere = self._elsewhere, []
        return found

    def finish(self, run: Run, outcome: Record | Failure) -> None:
        """Store the outcome of a run that `take` gave, with its labels, and give its claim back."""
        path = self.store.path(run)
        if self.order is not None:
            self.order.ended(run, outcome)
        if path in self._held:
            for left in leftovers(path, self.store.failed(run), labels_path(path)):
                remove(left)
            if isinstance(outcome, Record):
                keep_labels(path, outcome)
            self.store.write(run, outcome)
            self._release(path)

    def _made_elsewhere(self, path: Path, run: Run) -> bool:
        """Whether the run has got an outcome since this queue began; if so it no longer waits."""
        state = _state(path)
        if state == self._before[path]:
            return False
        self._before[path] = state
        outcome = self.store.find(run) or self.store.find_failure(run)
        if outcome is not None:
            self._elsewhere.append((run, outcome))
            del self.waiting[path]
        return outcome is not None

    def _release(self, path: Path) -> None:
        _claim(path).unlink(missing_ok=True)
        self._held.discard(path)

    def _tell(self, claim: Path) -> None:
        if not self._told:
            self._told = True
            print(
                f"note: {owner(claim)} is at runs of this grid; their results are used here, too. "
                f"Is it gone for good? Delete its {claim}",
                file=sys.stderr,
            )


def _claim(path: Path) -> Path:
    return path.with_suffix(".claim")


def _state(path: Path) -> list[int]:
    """When record and failure were written, 0 where they are absent."""
    times = []
    for each in (path, path.with_suffix(".failed.json")):
        times.append(0)
        with suppress(OSError):
            times[-1] = each.stat().st_mtime_ns
    return times
