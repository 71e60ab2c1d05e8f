"""RobustHAR's fusion against the cited cross attention network (Hou et al. 2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harbench.nn.cross_attention import CrossAttention
from harbench.testing.reference import copy_weights

NAMES = (
    (r"^conv1\.conv", "fusion.reduce"),
    (r"^conv1\.bn", "fusion.norm"),
    (r"^conv2", "fusion.expand"),
)


def cross_attention_outputs(arrays: Any) -> dict[str, Tensor]:
    """Every query map (f2) fused with every class map (f1), in both directions."""
    classes, queries = arrays["input/f1"][0], arrays["input/f2"][0]
    size = classes.shape[1:]
    module = CrossAttention(size[1] * size[2]).eval()
    copy_weights(module, arrays, NAMES)

    def tokens(maps: Tensor) -> Tensor:
        return maps.flatten(2).transpose(1, 2)

    first = tokens(classes).repeat(len(queries), 1, 1)
    second = tokens(queries).repeat_interleave(len(classes), dim=0)
    shape = (1, len(queries), len(classes), *size)
    fused = zip(("f1", "f2"), module(first, second), strict=True)
    with torch.no_grad():
        return {name: maps.transpose(1, 2).reshape(shape) for name, maps in fused}
