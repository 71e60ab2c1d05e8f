"""Training steps timed against their straightforward formulation, on one thread.

Both take steps in turn on the same windows, so that a busy machine slows both. Time is this
process's CPU time; of the rounds of each the least counts, because other programs only ever add.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.autograd.profiler import profile

from harbench import registry
from harbench.evaluation.predict import one_thread
from harbench.method import BUDGETS, Batch, InputShape, LabelledBatch, Method, Stage
from harbench.testing.yardsticks import LOSS, plain
from harbench.training.loop import set_mode, trained_parameters
from harbench.training.steps import Step, named

# The shape of DSADS.
SHAPE = InputShape(
    125, 5, 9, 19, 25.0, ((0, 0, 0.3), (0.3, 0, 0), (-0.3, 0, 0), (0.1, 0, -0.4), (-0.1, 0, -0.4))
)
KERNELS = ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm", "aten::_addmm_activation")
CONVOLUTIONS = ("aten::mkldnn_convolution", "aten::convolution_backward")
ATTENTION = "scaled_dot_product"
ABSOLUTE, RELATIVE = 1e-9, 1e-8


@dataclass(frozen=True)
class Speed:
    """One stage. ours, plain: milliseconds of a training step, the least of the rounds.

    ratio: plain / ours. low, high: the quartiles of the ratios of the single rounds. floor: the
    share of our step inside matrix products, attention and convolutions.
    """

    method: str
    stage: str
    batch: int
    ours: float
    plain: float
    ratio: float
    low: float
    high: float
    floor: float


def measure(methods: Sequence[str], rounds: int) -> Iterator[Speed]:
    """Time every stage with gradients of the methods."""
    for name in methods:
        cls = registry.method_class(name)
        method = cls(cls.Config())
        for index, stage in enumerate(method.stages(BUDGETS["quick"])):
            if isinstance(stage, Stage):
                with one_thread(), torch.random.fork_rng():
                    yield _time(method, index, rounds)


def _time(method: Method, index: int, rounds: int) -> Speed:
    stage = cast(Stage, method.stages(BUDGETS["quick"])[index])
    batch = windows(stage.batch_size)
    torch.manual_seed(0)
    network = method.build(SHAPE)
    steps = (
        step(stage, stage.loss, network, batch),
        step(stage, yardstick(method, stage), plain(network), batch, fused=False),
    )
    for each in steps:
        each()
    times = np.array([[_seconds(each) for each in steps] for _ in range(rounds)])
    ours, theirs = times.min(axis=0)
    low, high = np.quantile(times[:, 1] / times[:, 0], [0.25, 0.75])
    return Speed(
        method.name,
        stage.name,
        stage.batch_size,
        1000 * float(ours),
        1000 * float(theirs),
        float(theirs / ours),
        float(low),
        float(high),
        floor_share(steps[0]),
    )


def yardstick(method: Method, stage: Stage) -> Callable[[Any, Any], Any]:
    """The loss of a stage in its straightforward formulation."""
    return LOSS.get((method.name, stage.name), stage.loss)


def windows(size: int) -> LabelledBatch:
    """Noisy slow oscillations of every channel, as movements are; all observed."""
    draws = torch.Generator().manual_seed(0)
    seconds = torch.arange(SHAPE.steps) / SHAPE.rate
    shape = (size, 1, SHAPE.sensors, SHAPE.channels)
    hertz = 0.4 + 2.6 * torch.rand(size, 1, 1, 1, generator=draws)
    phase = 2 * torch.pi * torch.rand(shape, generator=draws)
    x = torch.sin(2 * torch.pi * hertz * seconds[:, None, None] + phase)
    x = x + 0.5 * torch.randn(x.shape, generator=draws)
    y = torch.randint(SHAPE.classes, (size,), generator=draws)
    return LabelledBatch(x, torch.ones_like(x, dtype=torch.bool), draws, y)


def step(
    stage: Stage,
    loss: Callable[[Any, Any], Any],
    network: nn.Module,
    batch: Batch,
    fused: bool = True,
) -> Callable[[], None]:
    """One training step, to be called again and again. fused=False: the optimiser as by default."""
    with trained_parameters(stage, network) as trained:
        optimizer = stage.optimizer(iter(trained))
    for group in optimizer.param_groups if not fused else []:
        if "fused" in group:
            group["fused"] = None

    own = Step(dataclasses.replace(stage, loss=loss), network, optimizer, trained)

    def take() -> None:
        set_mode(stage, network)
        with trained_parameters(stage, network):
            own.take(batch)

    return take


def _seconds(call: Callable[[], None]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def floor_share(call: Callable[[], None]) -> float:
    """The share of a call's time inside matrix products, attention and convolutions."""
    # Without Kineto, which writes lines of its own to the terminal.
    with profile(use_kineto=False) as found:
        for _ in range(3):
            call()
    rows = [(event.key, event.self_cpu_time_total) for event in found.key_averages()]
    inside = sum(t for key, t in rows if key in KERNELS + CONVOLUTIONS or ATTENTION in key)
    return float(inside / sum(t for _, t in rows))


def deviation(method: Method, index: int) -> float:
    """How far loss and gradients are from those of the straightforward formulation, 1: too far.

    The method is taken without dropout, whose random numbers differ, and in double precision: in
    single precision rounding chooses other maxima, and gradients go other ways.
    """
    names = {field.name for field in dataclasses.fields(method.config)}
    off = {name: 0.0 for name in ("dropout", "attention_dropout") if name in names}
    method = type(method)(dataclasses.replace(method.config, **off))
    stage = cast(Stage, method.stages(BUDGETS["quick"])[index])
    with double():
        return _deviation(method, stage)


@contextmanager
def double() -> Iterator[None]:
    """Everything that is made inside is in double precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _deviation(method: Method, stage: Stage) -> float:
    torch.manual_seed(0)
    network, batch = method.build(SHAPE), windows(8)
    batch = dataclasses.replace(batch, x=batch.x.double())
    found = []
    for each, loss in (
        (network, stage.loss),
        (plain(network), yardstick(method, stage)),
    ):
        batch.generator.manual_seed(0)
        set_mode(stage, each)
        with trained_parameters(stage, each):
            value = named(loss(each, batch))["loss"]
            value.backward()  # type: ignore[no-untyped-call]
        gradients = {k: p.grad for k, p in each.named_parameters() if p.grad is not None}
        norm = torch.stack([g.norm() for g in gradients.values()]).norm()
        found.append({**gradients, "loss": value.detach(), "norm": norm})
    ours, theirs = found
    shared = ours.keys() & theirs.keys()
    scale = float(theirs["norm"])
    return max(
        float((ours[k] - theirs[k]).norm() / (ABSOLUTE * scale + RELATIVE * theirs[k].norm()))
        for k in shared
    )
