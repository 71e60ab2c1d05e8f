"""Whether a method computes where its batch lies: found without a GPU, on PyTorch's meta device.

Tensors on it have shapes and no values. Most operations refuse to mix them with those of the CPU,
and whatever makes the host look at a value, for which it would wait on a GPU, cannot go on.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from harbench import registry
from harbench.method import InputShape, LabelledBatch, Stage
from harbench.testing.leakage import SHAPE, CheckError
from harbench.testing.windows import BUDGET, made_up
from harbench.training.fit import input_shape
from harbench.training.steps import named

META = torch.device("meta")


class _Draws(torch.Generator):
    """Says that it lies on the meta device, which has no generators of its own."""

    device = META


def computes_where_its_batch_is(name: str) -> None:
    """No stage and no scoring mixes tensors of the batch's device with new ones on the CPU."""
    cls = registry.method_class(name)
    method = cls(cls.test_config())
    shape = input_shape(made_up(SHAPE))
    network = method.build(shape).to(META)
    for stage in method.stages(BUDGET):
        if isinstance(stage, Stage):
            waits(stage, network, shape)
    if any(True for _ in network.parameters()):
        _waits(lambda batch: method.logits(network.eval(), batch), _batch(shape, 4), "scoring")


def waits(stage: Stage, network: nn.Module, shape: InputShape) -> bool:
    """Whether the host waits for the device in a step of `stage`; `network` lies on META.

    Raises CheckError where the step mixes devices.
    """

    def take(batch: LabelledBatch) -> Any:
        loss = named(stage.loss(network.train(), batch))["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    return _waits(take, _batch(shape, stage.batch_size), f"stage {stage.name!r}")


def _batch(shape: InputShape, size: int) -> LabelledBatch:
    x = torch.empty(size, shape.steps, shape.sensors, shape.channels, device=META)
    y = torch.empty(size, dtype=torch.int64, device=META)
    return LabelledBatch(x, torch.empty_like(x, dtype=torch.bool), _Draws(), y)


def _waits(take: Any, batch: LabelledBatch, where: str) -> bool:
    try:
        found = take(batch)
    except NotImplementedError:  # an operation whose result's shape is a value, or a copy
        return True
    except RuntimeError as error:
        if "meta tensor" in str(error):  # a value as a number
            return True
        if "device" not in str(error):
            raise
        raise CheckError(
            f"{where} mixes devices; make tensors on batch.x.device: {error}"
        ) from None
    if found.device != META:
        raise CheckError(f"{where} leaves the device of its batch")
    return False
