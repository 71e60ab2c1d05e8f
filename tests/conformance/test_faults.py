"""A method whose class scores or stages are no use fails its run in words, and leaves no record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from end_to_end.commands import DATASET
from harbench.methods.cnn import CNN, CNNNet
from torch import Tensor

import harbench
from harbench.errors import HarbenchError
from harbench.method import METHODS, Batch, Budget, Stage


class Faulty(CNN):
    """Trains as CNN does; what it answers is `spoilt`."""

    name = "faulty"

    def logits(self, network: CNNNet, batch: Batch) -> Any:
        return self.spoilt(super().logits(network, batch))

    def spoilt(self, logits: Tensor) -> Any:
        raise NotImplementedError


class OneWindowIsNotANumber(Faulty):
    def spoilt(self, logits: Tensor) -> Tensor:
        return logits.index_fill(0, torch.tensor([0]), torch.nan)


class Infinite(Faulty):
    def spoilt(self, logits: Tensor) -> Tensor:
        return logits - torch.inf


class AClassIsLacking(Faulty):
    def spoilt(self, logits: Tensor) -> Tensor:
        return logits[:, 1:]


class AClassTooMany(Faulty):
    def spoilt(self, logits: Tensor) -> Tensor:
        return torch.cat([logits, logits[:, :1]], dim=1)


class AWindowIsLacking(Faulty):
    def spoilt(self, logits: Tensor) -> Tensor:
        return logits[1:]


class OneNumberPerWindow(Faulty):
    def spoilt(self, logits: Tensor) -> Tensor:
        return logits.argmax(dim=1)


class Complex(Faulty):
    def spoilt(self, logits: Tensor) -> Tensor:
        return torch.complex(logits, logits)


class AnArray(Faulty):
    def spoilt(self, logits: Tensor) -> Any:
        return logits.numpy()


class NoStage(CNN):
    name = "faulty"

    def stages(self, budget: Budget) -> list[Stage]:
        return []


class NoLabelledStage(CNN):
    name = "faulty"

    def stages(self, budget: Budget) -> list[Stage]:
        (stage,) = super().stages(budget)
        return [Stage(**{**vars(stage), "labelled": False, "select": "last"})]


FAULTS = {
    OneWindowIsNotANumber: r"class scores of 1 of \d+ windows are not finite",
    Infinite: r"class scores of (\d+) of \1 windows are not finite",
    AClassIsLacking: r"(\d+) windows and 3 classes must be \(\1, 3\), got \(\1, 2\)",
    AClassTooMany: r"must be \((\d+), 3\), got \(\1, 4\)",
    AWindowIsLacking: r"must be \(\d+, 3\), got \(\d+, 3\)",
    OneNumberPerWindow: r"must be \((\d+), 3\), got \(\1,\)",
    Complex: r"must be a tensor of real numbers, got torch\.complex64",
    AnArray: r"must be a tensor of real numbers, got ndarray",
    NoStage: r"'faulty' has no labelled stage at budget 'smoke'",
    NoLabelledStage: r"'faulty' has no labelled stage at budget 'smoke'",
}


@pytest.fixture(params=FAULTS, ids=lambda cls: cls.__name__)
def fault(request: pytest.FixtureRequest) -> Iterator[type[CNN]]:
    METHODS["faulty"] = request.param
    yield request.param
    del METHODS["faulty"]


def test_a_fault_is_said(fault: type[CNN], tmp_path: Path) -> None:
    with pytest.raises(HarbenchError, match=FAULTS[fault]) as error:
        harbench.run("faulty", "clean", DATASET, seeds=[0], budget="smoke", device="cpu")
    assert "Error" not in str(error.value), "in words, without the name of an exception"
    assert not list((tmp_path / "results").rglob("seed-0.json"))
