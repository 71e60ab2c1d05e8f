"""The state of a training as tensors and plain values, by names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harbench.data.tensor_files import Tensors


def with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """Every key with `prefix.` before it."""
    return {f"{prefix}.{key}": value for key, value in tensors.items()}


def under_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """The entries below `prefix.`, with the prefix taken off."""
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[Tensors, dict[str, Any]]:
    """An optimiser's state as tensors and as plain values (state entries, parameter groups)."""
    state = optimizer.state_dict()
    tensors: Tensors = {}
    plain: dict[str, Any] = {}
    for index, entries in state["state"].items():
        for key, value in entries.items():
            target = tensors if isinstance(value, Tensor) else plain
            target[f"{index}.{key}"] = value
    return tensors, {"entries": plain, "groups": state["param_groups"]}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Tensors, plain: dict[str, Any]
) -> None:
    """The inverse of `optimizer_tensors`; each tensor lies in memory as its parameter does."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **plain["entries"]}.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": plain["groups"]})
    for parameter, entries in optimizer.state.items():
        for key, value in entries.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                # A fused step walks through memory, and a file knows no order but the usual one.
                alike = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False)
                entries[key] = alike.copy_(value)
