"""Steps that are replayed as a graph, with a device that can be played on the CPU."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from unit.toy import ToyConfig, same, training, weights

from harbench.errors import TrainingError
from harbench.method import Stage
from harbench.training import loop, steps
from harbench.training.fit import fit
from harbench.training.steps import Cuda, GraphedStep, Losses, Step


class Played:
    """Graphs that compute again what they captured, with the learning rates of that moment."""

    def __init__(self, waits: str = "", slow: float = 0.0, fails: bool = False) -> None:
        self.waits, self.slow, self.fails = waits, slow, fails
        self.captured, self.replays = 0, 0
        self.optimizer: Any = None

    def wait(self) -> None:
        pass

    def watch(self, take: Callable[[], Losses]) -> tuple[Losses, str]:
        return take(), self.waits

    def capture(self, take: Callable[[], Losses], generator: torch.Generator) -> tuple[Any, Losses]:
        if self.fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.captured += 1
        self.take, self.left = take, dict[str, torch.Tensor]()
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        return self, self.left

    def replay(self) -> None:
        self.replays += 1
        time.sleep(self.slow)
        groups = self.optimizer.param_groups
        before = [group["lr"] for group in groups]
        for group, rate in zip(groups, self.rates, strict=True):
            group["lr"] = rate
        self.left.update(self.take())
        for group, number in zip(groups, before, strict=True):
            group["lr"] = number


def play(monkeypatch: pytest.MonkeyPatch, **how: Any) -> list[Played]:
    """Let every stage have graphs that are played; one entry per stage."""
    made: list[Played] = []

    def step_of(stage: Stage, network: Any, optimizer: Any, trained: Any, _: Any) -> Step:
        made.append(Played(**how))
        made[-1].optimizer = optimizer
        step = GraphedStep(stage, network, optimizer, trained, made[-1])
        for group in optimizer.param_groups:
            group["capturable"] = False  # which only accelerators have
        return step

    monkeypatch.setattr(loop, "step_of", step_of)
    # Which of two is faster is chance here.
    if not how.get("slow"):
        monkeypatch.setattr(GraphedStep, "_timed", lambda _, take: (take(), 1.0))
    return made


LONG = (12, 12)


@pytest.mark.parametrize("clip", [None, 0.1])
def test_replayed_steps_end_with_the_same_bits(
    clip: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ToyConfig(clip=clip)
    plain = fit(training(config, LONG))
    made = play(monkeypatch)
    replayed = fit(training(config, LONG))
    assert same(weights(replayed), weights(plain))
    assert [s.history for s in replayed.stages] == [s.history for s in plain.stages]
    assert [each.captured for each in made] == [1, 1]


def test_every_full_step_after_the_first_is_replayed_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = training(epochs=LONG)
    made = play(monkeypatch)
    fit(plan)
    full = len(plan.split.train) // 16 * LONG[0]
    assert len(plan.split.train) % 16 > 1, "there is a smaller last batch"
    assert made[0].replays == full - steps.WARM_UP - steps.TIMED


def test_a_schedule_reaches_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ToyConfig(schedule=True)
    plain = weights(fit(training(config, LONG)))
    made = play(monkeypatch)
    replayed = weights(fit(training(config, LONG)))
    assert made[0].captured
    for key, value in plain.items():
        torch.testing.assert_close(replayed[key], value, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("how", "captured", "words"),
    [({"waits": "a.py:3 waits for it"}, 0, "a.py:3 waits for it"), ({"slow": 0.01}, 1, "as long")],
)
def test_what_cannot_be_a_graph_or_gains_nothing_is_said_once(
    how: dict[str, Any],
    captured: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = weights(fit(training(epochs=LONG)))
    made = play(monkeypatch, **how)
    assert same(weights(fit(training(epochs=LONG))), plain)
    lines = capsys.readouterr().err.splitlines()
    assert [each.captured for each in made] == [captured] * 2
    assert len(lines) == 2
    for name, line in zip(("pretrain", "supervised"), lines, strict=True):
        assert line.startswith(f"note: stage {name!r} is not replayed as a graph: ")
        assert words in line


def test_a_capture_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, fails=True)
    with pytest.raises(TrainingError, match=r"'pretrain' cannot be a CUDA graph.*Run without"):
        fit(training(epochs=LONG))


@pytest.mark.cuda
def test_graphs_on_a_gpu_end_near_the_plain_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = dataclasses.replace(training(epochs=LONG), device="cuda")
    plain = weights(fit(plan))
    captured: list[torch.Generator] = []
    capture = Cuda.capture

    def noted(self: Cuda, take: Callable[[], Losses], generator: torch.Generator) -> Any:
        captured.append(generator)
        return capture(self, take, generator)

    monkeypatch.setattr(Cuda, "capture", noted)
    monkeypatch.setenv("HARBENCH_CUDA_GRAPHS", "1")
    replayed = weights(fit(plan))
    assert len(captured) == 2
    for key, value in plain.items():
        torch.testing.assert_close(replayed[key], value, atol=1e-3, rtol=1e-2)
