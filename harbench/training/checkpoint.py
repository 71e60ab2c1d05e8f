"""Tensors and a JSON header in one safetensors file, written atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from harbench.data.paths import writing

Tensors = dict[str, Tensor]


def save(path: Path, tensors: Tensors, header: dict[str, Any]) -> None:
    """Write `tensors` and `header`; an older file stays whole until the new one is complete."""
    # A network may hold one tensor under two names, which safetensors refuses: copy each.
    plain = {
        key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()
    }
    with writing(path) as temporary:
        try:
            save_file(plain, temporary, metadata={"header": json.dumps(header)})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load(path: Path) -> tuple[Tensors, dict[str, Any]] | None:
    """The tensors and header, or None where there is no readable file."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["header"])
            return {key: file.get_tensor(key) for key in file.keys()}, header  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


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
    """The inverse of `optimizer_tensors`."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **plain["entries"]}.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": plain["groups"]})
