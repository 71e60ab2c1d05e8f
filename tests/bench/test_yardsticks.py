"""Training steps of every method beside their straightforward formulation: `tox -e bench`.

`harbench bench` takes both in turn, which is fairer on a busy machine.
"""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from harbench import registry
from harbench.evaluation.predict import one_thread
from harbench.method import BUDGETS, Method, Stage
from harbench.testing.bench import SHAPE, step, windows, yardstick
from harbench.testing.yardsticks import plain


def method(name: str) -> Method:
    cls = registry.method_class(name)
    return cls(cls.Config())


STAGES = [
    pytest.param(name, index, id=f"{name}-{stage.name}")
    for name in registry.method_names()
    for index, stage in enumerate(method(name).stages(BUDGETS["quick"]))
    if isinstance(stage, Stage)
]


@pytest.mark.parametrize(("name", "index"), STAGES)
@pytest.mark.parametrize("which", ["plain", "ours"])
def test_training_step(name: str, index: int, which: str, benchmark: BenchmarkFixture) -> None:
    stage = method(name).stages(BUDGETS["quick"])[index]
    assert isinstance(stage, Stage)
    benchmark.group = f"{name} {stage.name}"
    torch.manual_seed(0)
    network, batch = method(name).build(SHAPE), windows(stage.batch_size)
    loss = stage.loss
    if which == "plain":
        network, loss = plain(network), yardstick(method(name), stage)
    with one_thread():
        call = step(stage, loss, network, batch, fused=which == "ours")
        benchmark.pedantic(call, rounds=5, warmup_rounds=1)
