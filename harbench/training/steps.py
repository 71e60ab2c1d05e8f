"""One optimiser step: as it is written, or replayed on a GPU as a CUDA graph.

A small network's step is hundreds of short kernels, and starting them takes longer than they do. A
graph starts them all at once, on memory that stays where it is: so only for batches of full size.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from harbench.errors import TrainingError, one_line
from harbench.method import Batch, LabelledBatch, Stage

Losses = dict[str, Tensor]
# Real steps of the training, too: first to set libraries up, then to compare the two ways.
WARM_UP, TIMED = 3, 10


def named(losses: Tensor | Losses) -> Losses:
    """What a stage's loss gives, as a dict; its entry "loss" is minimised."""
    return {"loss": losses} if isinstance(losses, Tensor) else losses


@dataclass(eq=False)
class Step:
    """Forward, backward, clipping and optimiser, one kernel after another."""

    stage: Stage
    network: nn.Module
    optimizer: torch.optim.Optimizer
    trained: list[nn.Parameter]

    def __post_init__(self) -> None:
        self.rates: list[float] = [group["lr"] for group in self.optimizer.param_groups]

    def __call__(self, batch: Batch, progress: float) -> Losses:
        """Take the step and give its losses. progress: of the stage, from 0 to 1."""
        if self.stage.schedule is not None:
            self._set(self._now(progress))
        return self.take(batch)

    def take(self, batch: Batch) -> Losses:
        """The same with the learning rates as they are."""
        losses = named(self.stage.loss(self.network, batch))
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        if self.stage.clip is not None:
            nn.utils.clip_grad_norm_(self.trained, self.stage.clip)
        self.optimizer.step()
        return {key: value.detach() for key, value in losses.items()}

    def _now(self, progress: float) -> list[float]:
        factor = 1.0 if self.stage.schedule is None else self.stage.schedule(progress)
        return [rate * factor for rate in self.rates]

    def _set(self, rates: Sequence[float | Tensor]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate


class Graphs(Protocol):
    """What a device must be able to do for graphs."""

    def wait(self) -> None:
        """Return when the device has done what it was given."""

    def watch(self, take: Callable[[], Losses]) -> tuple[Losses, str]:
        """Run `take` apart from other work; also why it could not be captured, or ""."""

    def capture(self, take: Callable[[], Losses], generator: torch.Generator) -> tuple[Any, Losses]:
        """A graph of `take` with a method `replay`, and where each replay leaves its losses."""


class Cuda:
    """CUDA graphs of PyTorch."""

    def __init__(self) -> None:
        self.side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def wait(self) -> None:
        """See `Graphs`."""
        torch.cuda.synchronize()

    def watch(self, take: Callable[[], Losses]) -> tuple[Losses, str]:
        """See `Graphs`."""
        # An attempt that fails leaves a process that can draw no random numbers any more, so what
        # would make it fail is found before: a host that waits for the device.
        self.side.wait_stream(torch.cuda.current_stream())
        before = torch.cuda.get_sync_debug_mode()
        with torch.cuda.stream(self.side), warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                losses = take()
            finally:
                torch.cuda.set_sync_debug_mode(before)
        torch.cuda.current_stream().wait_stream(self.side)
        # Switching the mode on warns, too, with other words.
        waits = [each for each in heard if "called a synchronizing" in str(each.message)]
        return losses, f"{waits[0].filename}:{waits[0].lineno} waits for it" if waits else ""

    def capture(self, take: Callable[[], Losses], generator: torch.Generator) -> tuple[Any, Losses]:
        """See `Graphs`."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        context: AbstractContextManager[None] = torch.cuda.graph(graph)
        with context:
            losses = take()
        return graph, losses


@dataclass(eq=False)
class GraphedStep(Step):
    """A step that is replayed where a graph can be had and is faster; a line says why it is not.

    Batches of another size than the stage's are taken as they are. All batches must come with the
    same generator. why: the reason why there is no graph, "" while there may be one.
    """

    graphs: Graphs

    def __post_init__(self) -> None:
        super().__post_init__()
        self.graph, self.why = None, ""
        self.taken, self.eager, self.replayed = 0, 0.0, 0.0
        for group in self.optimizer.param_groups:
            group["capturable"] = True  # its counts of steps live on the device

    def __call__(self, batch: Batch, progress: float) -> Losses:
        """See `Step`."""
        if self.why or len(batch.x) != self.stage.batch_size:
            return super().__call__(batch, progress)
        self.taken += 1
        plain = super().__call__
        if self.taken <= WARM_UP:
            losses, why = self.graphs.watch(lambda: plain(batch, progress))
            if why:
                self._give_up(why)
        elif self.taken <= WARM_UP + TIMED:
            losses, seconds = self._timed(lambda: plain(batch, progress))
            self.eager += seconds
        elif self.taken <= WARM_UP + 2 * TIMED:
            if self.graph is None:
                self._capture(batch)
            losses, seconds = self._timed(lambda: self._replay(batch, progress))
            self.replayed += seconds
            if self.taken == WARM_UP + 2 * TIMED and self.replayed > self.eager:
                self._give_up(f"it takes {self.replayed / self.eager:.1f} times as long")
        else:
            losses = self._replay(batch, progress)
        return losses

    def _timed(self, take: Callable[[], Losses]) -> tuple[Losses, float]:
        self.graphs.wait()
        begun = time.perf_counter()
        losses = take()
        self.graphs.wait()
        return losses, time.perf_counter() - begun

    def _give_up(self, why: str) -> None:
        self.graph, self.why = None, why
        print(f"note: stage {self.stage.name!r} is not replayed as a graph: {why}", file=sys.stderr)

    def _capture(self, batch: Batch) -> None:
        """Nothing is computed yet: the graph is made for values to come."""
        self.given = _copy(batch)
        before = self._now(0.0)
        if self.stage.schedule is not None:  # a number would be frozen into the graph
            self.now = [torch.tensor(rate, device=batch.x.device) for rate in before]
            self._set(self.now)
        try:
            found = self.graphs.capture(lambda: self.take(self.given), batch.generator)
        except (RuntimeError, AttributeError) as error:  # what an older torch lacks
            raise TrainingError(
                f"Stage {self.stage.name!r} cannot be a CUDA graph: {one_line(error)}. "
                "Run without HARBENCH_CUDA_GRAPHS."
            ) from None
        self.graph, self.left = found
        self._set(before)

    def _replay(self, batch: Batch, progress: float) -> Losses:
        for name, place in _tensors(self.given).items():
            place.copy_(getattr(batch, name))
        if self.stage.schedule is not None:
            for place, rate in zip(self.now, self._now(progress), strict=True):
                place.fill_(rate)
        assert self.graph is not None
        self.graph.replay()
        return {key: value.clone() for key, value in self.left.items()}


def _tensors(batch: Batch) -> dict[str, Tensor]:
    found = {"x": batch.x, "observed": batch.observed}
    return {**found, "y": batch.y} if isinstance(batch, LabelledBatch) else found


def _copy(batch: Batch) -> Batch:
    """The same values in memory of their own."""
    copies: dict[str, Any] = {name: value.clone() for name, value in _tensors(batch).items()}
    return replace(batch, **copies)


def with_graphs(device: torch.device) -> bool:
    """Whether HARBENCH_CUDA_GRAPHS=1 asks for graphs and the device may have them."""
    return device.type == "cuda" and os.environ.get("HARBENCH_CUDA_GRAPHS") == "1"


def step_of(
    stage: Stage,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    trained: list[nn.Parameter],
    device: torch.device,
) -> Step:
    """The step of a stage on a device."""
    if with_graphs(device):
        return GraphedStep(stage, network, optimizer, trained, Cuda())
    return Step(stage, network, optimizer, trained)
