"""Who begins and how many at once, from records; what is tried once more."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from unit.frames import made_up_record
from unit.test_plan import plan

from harbench.running.claims import Queue
from harbench.running.durations import LongestFirst, Room, room
from harbench.running.execute import failure
from harbench.running.executors import Here, Orders, again
from harbench.running.plan import Run
from harbench.running.records import Record, StageCostRecord
from harbench.running.store import ResultStore


def taking(run: Run, seconds: float, memory: int = 2**30) -> Record:
    """A record of a run that took so long."""
    stage = StageCostRecord(name="s", epochs=1, best_epoch=1, seconds=seconds, cached=False)
    record = made_up_record(run.identity, 16)
    cost = record.cost.model_copy(update={"stages": [stage], "peak_memory": memory})
    return record.model_copy(update={"cost": cost})


def names(runs: list[Run]) -> list[str]:
    return [
        f"{run.label.removeprefix('cnn+width=')} {run.protocol.name} {run.seed}" for run in runs
    ]


def all_taken(queue: Queue) -> list[Run]:
    found = []
    while (run := queue.take()) is not None:
        found.append(run)
    return found


METHODS = ["cnn+width=4", "cnn+width=8", "cnn+width=16"]


def test_unknown_kinds_are_tried_then_the_longest_begin(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "results")
    runs = plan(METHODS, ["clean", "missing-5"], [0, 1, 2])
    seconds = dict(zip(METHODS, (5.0, 30.0, 10.0), strict=True))
    by_width = {run.label: run for run in runs}
    # Of one it is known from a record of another seed and protocol.
    known = by_width["cnn+width=16"]
    store.write(dataclasses.replace(known, seed=7), taking(known, seconds["cnn+width=16"]))
    with Queue(store, runs, LongestFirst(runs, store)) as queue:
        begun = []
        for _ in range(len(runs)):
            run = queue.take()
            assert run is not None
            begun.append(run)
            queue.finish(run, taking(run, seconds[run.label]))
        assert queue.take() is None and not queue.left
    trained = [f"{width} clean {seed}" for width in (8, 16, 4) for seed in range(3)]
    tested = [f"{width} missing-5 {seed}" for width in (4, 8, 16) for seed in range(3)]
    explored = ["4 clean 0", "8 clean 0"]
    assert names(begun) == [
        *explored,
        *(name for name in trained if name not in explored),
        *tested,
    ]


def test_without_an_order_runs_come_as_planned(tmp_path: Path) -> None:
    runs = plan(METHODS, ["clean", "missing-5"], [0, 1])
    with Queue(ResultStore(tmp_path / "results"), runs) as queue:
        assert all_taken(queue) == runs
    assert not list((tmp_path / "results").rglob("*.claim"))


@pytest.mark.parametrize(
    ("error", "died", "tried"),
    [
        ("The worker process died: SIGSEGV.", True, True),
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", False, True),
        ("RuntimeError: DefaultCPUAllocator: can't allocate memory", False, True),
        ("The loss is not finite in stage 'pretrain', epoch 1.", False, False),
    ],
)
def test_what_may_not_happen_again_is_tried_once_more(
    error: str, died: bool, tried: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = plan(["cnn+width=4"], seeds=[0, 1])
    with Queue(ResultStore(tmp_path / "results"), runs) as queue:
        first = queue.take()
        assert first == runs[0]
        outcome = failure(first, error, "", "test", "2026-01-01T00:00:00+00:00")
        assert again(queue, first, outcome, died) is tried
        assert ("is tried again" in capsys.readouterr().err) is tried
        assert queue.take() == runs[1], "after all others"
        assert queue.left is tried
        if tried:
            assert queue.take() == first
            assert not again(queue, first, outcome, died), "only once"


def test_jobs_are_as_many_as_fit() -> None:
    gib = 2**30
    assert Room(places=8, free=10 * gib, needed=2 * gib).jobs == 4
    assert Room(places=2, free=10 * gib, needed=2 * gib).jobs == 2
    assert Room(places=8, free=gib, needed=2 * gib).jobs == 1


def test_a_record_says_what_a_run_needs(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "results")
    runs = plan(["cnn+width=4", "cnn+width=8"], seeds=[0, 1])
    guessed = room(runs, store).needed
    for run in runs[::2]:
        store.write(run, taking(run, 1.0, 10 * guessed if "8" in run.label else guessed))
    assert room(runs, store).needed == 10 * guessed
    assert room(runs[:2], store).needed == guessed


def test_the_executor_of_this_process_keeps_the_order(tmp_path: Path) -> None:
    runs = [dataclasses.replace(run, broken="broken") for run in plan(["cnn"], seeds=[2, 0, 1])]
    with Queue(ResultStore(tmp_path / "results"), runs) as queue:
        done = [run.seed for run, _ in Here().outcomes(queue, Orders("test"), lambda *_: None)]
    assert done == [2, 0, 1]
