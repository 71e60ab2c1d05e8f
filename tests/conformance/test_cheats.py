"""A planted cheating method of each kind is caught by the probe that is meant for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from harbench.methods.cnn import CNN, CNNNet
from torch import Tensor

from harbench.method import METHODS, Batch, Budget, FitStage, LabelledBatch, Stage
from harbench.testing.conformance import check
from harbench.training.identity import Training


def _peek() -> Training:
    """The training in progress, stolen from a caller's frame."""
    frame = sys._getframe()
    while frame is not None:
        found = frame.f_locals.get("training")
        if isinstance(found, Training):
            return found
        frame = frame.f_back
    raise AssertionError("nothing to steal")


class Cheat(CNN):
    """Adds `stolen(training)` times the first weight to the loss."""

    name = "cheat"

    def stages(self, budget: Budget) -> list[Stage]:
        def loss(network: CNNNet, batch: LabelledBatch) -> Tensor:
            value = float(self.stolen(_peek()))
            logits = network(batch.x)
            return torch.nn.functional.cross_entropy(logits, batch.y) + value * logits[:, 0].mean()

        (stage,) = super().stages(budget)
        return [Stage(**{**vars(stage), "loss": loss})]

    def stolen(self, training: Training) -> Any:
        raise NotImplementedError


class SeesTestWindows(Cheat):
    def stolen(self, training: Training) -> Any:
        return abs(training.dataset.windows[training.split.test]).mean()


class SeesTestLabels(Cheat):
    def stolen(self, training: Training) -> Any:
        return training.dataset.labels[training.split.test[:5]].sum()


class SeesWithheldLabels(Cheat):
    def stolen(self, training: Training) -> Any:
        labels = training.dataset.labels
        hidden = set(training.split.train) - set(training.split.labelled)
        return sum(int(labels[row]) * (i + 1) for i, row in enumerate(sorted(hidden)))


class LooksUpTestLabels(CNN):
    """Answers with the true label where it can find it."""

    name = "cheat"

    def logits(self, network: CNNNet, batch: Batch) -> Tensor:
        frame = sys._getframe()
        while frame is not None:
            source = frame.f_locals.get("source")
            if source is not None:
                rows = source.indices[frame.f_locals["rows"]]
                labels = torch.from_numpy(source.dataset.labels[rows])
                return torch.nn.functional.one_hot(labels, 3).float()
            frame = frame.f_back
        return super().logits(network, batch)


class LearnsFromTestWindows(CNN):
    """Normalises each batch that it scores by what it has seen so far."""

    name = "cheat"

    def logits(self, network: CNNNet, batch: Batch) -> Tensor:
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm1d):
                layer.train()
        return super().logits(network, batch)


class ScoresTheBatch(CNN):
    """Centres class scores over the windows that it scores together."""

    name = "cheat"

    def logits(self, network: CNNNet, batch: Batch) -> Tensor:
        scores = super().logits(network, batch)
        return scores - scores.mean(dim=0)


class WritesIntoItsInput(CNN):
    name = "cheat"

    def logits(self, network: CNNNet, batch: Batch) -> Tensor:
        batch.x.mul_(2)
        return super().logits(network, batch)


class DrawsGlobally(CNN):
    name = "cheat"

    def logits(self, network: CNNNet, batch: Batch) -> Tensor:
        scores = super().logits(network, batch)
        return scores + 1e-3 * torch.randn_like(scores)


class KeepsStateElsewhere(CNN):
    """What it learns is not in the network's state, so that it is lost when it is saved."""

    name = "cheat"

    def stages(self, budget: Budget) -> list[Stage | FitStage]:
        def fit(network: CNNNet, batch: LabelledBatch) -> None:
            network.bias = batch.y.float().mean() + 1

        return [*super().stages(budget), FitStage("fit", fit)]

    def logits(self, network: CNNNet, batch: Batch) -> Tensor:
        scores = super().logits(network, batch)
        scores[:, 0] += getattr(network, "bias", 0.0)
        return scores


class CountsSteps(CNN):
    """A curriculum by a number that no state keeps: a resumed training begins to count anew."""

    name = "cheat"

    def stages(self, budget: Budget) -> list[Stage]:
        def loss(network: CNNNet, batch: LabelledBatch) -> Tensor:
            network.count = getattr(network, "count", 0) + 1
            return network.count * torch.nn.functional.cross_entropy(network(batch.x), batch.y)

        (stage,) = super().stages(budget)
        return [Stage(**{**vars(stage), "loss": loss})]


class MixesDevices(CNN):
    """On a GPU its new tensor would lie on the CPU."""

    name = "cheat"

    def logits(self, network: CNNNet, batch: Batch) -> Tensor:
        scores = super().logits(network, batch)
        return scores + torch.zeros(scores.shape[1])


CAUGHT = {
    SeesTestWindows: "training ignores test windows",
    SeesTestLabels: "training ignores test labels",
    SeesWithheldLabels: "training ignores withheld labels",
    LooksUpTestLabels: "scoring ignores test labels",
    LearnsFromTestWindows: "scoring learns nothing",
    ScoresTheBatch: "scores each window alone",
    WritesIntoItsInput: "leaves inputs and randomness alone",
    DrawsGlobally: "leaves inputs and randomness alone",
    KeepsStateElsewhere: "survives save and load",
    CountsSteps: "resumes to the bit",
    MixesDevices: "computes where its batch is",
}


@pytest.fixture(params=CAUGHT, ids=lambda cls: cls.__name__)
def cheat(request: pytest.FixtureRequest) -> Iterator[type[CNN]]:
    METHODS["cheat"] = request.param
    yield request.param
    del METHODS["cheat"]


def test_a_cheat_is_caught(cheat: type[CNN]) -> None:
    assert check("cheat", CAUGHT[cheat]) != ""
