"""Timings on the embedded dataset with one thread: `tox -e bench`.

One pre-training epoch, one fine-tuning epoch, and the evaluation of 13 conditions (clean, and
four scales at three rates). Compare ratios of one run on one machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from harbench import registry
from harbench.data import splits, store
from harbench.method import Budget
from harbench.protocol import Condition, Protocol
from harbench.running.execute import evaluate
from harbench.running.grid import Grid
from harbench.running.plan import Run, make_plan
from harbench.training.fit import Fitted, fit
from harbench.training.identity import Training

RATES = (0.05, 0.10, 0.15)
SCALES = ("mixed", "segment", "channel", "sensor")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def training(pretrain: int, supervised: int) -> Training:
    dataset = store.load("spar")
    method = registry.method_class("robusthar")
    return Training(
        method=method(method.Config(mstm=pretrain > 0)),
        dataset=dataset,
        split=splits.split(dataset, "random", 0.15, 0),
        train_missing=Condition(),
        budget=Budget("bench", pretrain, supervised),
        seed=0,
        precision="fp32",
        device="cpu",
    )


def timed(benchmark: BenchmarkFixture, call: Callable[[], Any]) -> Any:
    return benchmark.pedantic(call, rounds=3, iterations=1, warmup_rounds=1)


def test_one_pretraining_epoch(benchmark: BenchmarkFixture) -> None:
    fitted: Fitted = timed(benchmark, lambda: fit(training(1, 0)))
    assert [stage.epochs for stage in fitted.stages] == [1, 0]


def test_one_finetuning_epoch(benchmark: BenchmarkFixture) -> None:
    fitted: Fitted = timed(benchmark, lambda: fit(training(0, 1)))
    assert [stage.epochs for stage in fitted.stages] == [1]


def test_evaluation_of_13_conditions(benchmark: BenchmarkFixture) -> None:
    protocol = Protocol(name="all", description="all", scales=SCALES, rates=RATES)
    plan = training(0, 1)
    fitted = fit(plan)
    template = make_plan(Grid(["robusthar"], ["clean"], ["spar"], [0], device="cpu"))[0]
    run = Run(**{**vars(template), "protocol": protocol})
    rows, _ = timed(benchmark, lambda: evaluate(run, plan, fitted))
    assert len(rows) == 13
