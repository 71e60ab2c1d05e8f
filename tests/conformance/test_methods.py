"""What every registered method must do: the checks of `harbench check`, and agreement on CUDA."""

from __future__ import annotations

import pytest
import torch

from harbench import registry
from harbench.method import BUDGETS, Stage
from harbench.testing.bench import SHAPE
from harbench.testing.conformance import CHECKS, SHAPES, check
from harbench.testing.devices import META, waits
from harbench.testing.windows import made_up, scores, training
from harbench.training.fit import Fitted, fit

methods = pytest.mark.parametrize("name", registry.method_names())


@methods
@pytest.mark.parametrize("which", CHECKS)
def test_conformance(name: str, which: str) -> None:
    assert check(name, which) == ""


# What cannot be a CUDA graph: a period is a shape, and the places of visible values are counted.
WAITS = {("maskcae", "pretrain"), ("msgnet", "supervised"), ("st_mae", "pretrain"),
         ("timesnet", "supervised")}  # fmt: skip


@methods
def test_the_host_waits_for_the_device_in_known_stages_only(name: str) -> None:
    cls = registry.method_class(name)
    method = cls(cls.Config())
    network = method.build(SHAPE).to(META)
    stages = [stage for stage in method.stages(BUDGETS["quick"]) if isinstance(stage, Stage)]
    found = {(name, stage.name) for stage in stages if waits(stage, network, SHAPE)}
    assert found == {each for each in WAITS if each[0] == name}


@pytest.mark.cuda
@methods
def test_cuda_agrees_with_the_cpu(name: str) -> None:
    data = made_up(SHAPES["body"])
    cpu, cuda = training(name, data), training(name, data, "cuda")
    fitted = fit(cpu)
    found = scores(cpu, fitted)
    moved = Fitted(fitted.network.to("cuda"), fitted.standardiser, fitted.stages)
    torch.testing.assert_close(scores(cuda, moved), found, atol=1e-4, rtol=1e-3)
    assert scores(cuda, fit(cuda)).isfinite().all()


def test_checks_take_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many as there are cores, on a busy machine, they took 128 s instead of 18 s."""
    seen = []
    monkeypatch.setitem(CHECKS, "threads", lambda name: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert check("cnn", "threads") == "" and seen == [1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
