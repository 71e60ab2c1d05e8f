"""Every method computes what its straightforward formulation computes."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from harbench import registry
from harbench.evaluation.predict import one_thread
from harbench.method import BUDGETS, Method, Stage
from harbench.testing.bench import SHAPE, deviation, measure
from harbench.testing.yardsticks import FORWARD, REPLACED


def method(name: str) -> Method:
    cls = registry.method_class(name)
    return cls(cls.Config())


STAGES = [
    (name, index)
    for name in registry.method_names()
    for index, stage in enumerate(method(name).stages(BUDGETS["smoke"]))
    if isinstance(stage, Stage)
]


@pytest.mark.parametrize(("name", "index"), STAGES)
def test_both_formulations_agree(name: str, index: int) -> None:
    """Same weights, windows and masks: the same loss and gradients, up to rounding."""
    with one_thread():
        assert deviation(method(name), index) < 1


def test_every_formulation_is_of_a_part_that_is_used() -> None:
    """A part that is renamed must not silently be compared with itself."""
    names = {name for name, _ in STAGES}
    used = {type(m).__name__ for name in names for m in method(name).build(SHAPE).modules()}
    assert (FORWARD.keys() | REPLACED.keys()) <= used


def test_a_wrong_formulation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = FORWARD["CausalAttention"]
    wrong = lambda self, hidden, draw=None: 1.1 * right(self, hidden, draw)  # noqa: E731
    monkeypatch.setitem(FORWARD, "CausalAttention", wrong)
    assert deviation(method("msgnet"), 0) > 1


def test_measured_speeds_hang_together() -> None:
    (speed,) = measure(["cnn"], rounds=3)
    assert speed.ratio == pytest.approx(speed.plain / speed.ours)
    assert speed.low <= speed.high and 0 < speed.floor < 1
    assert dataclasses.asdict(speed)["method"] == "cnn" and torch.is_grad_enabled()
