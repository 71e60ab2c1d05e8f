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
    """Every query map (f2) fused with every class map (f1) of its episode, in both directions."""
    classes, queries = arrays["input/f1"], arrays["input/f2"]
    episodes, size = len(classes), classes.shape[2:]
    shape = (episodes, queries.shape[1], classes.shape[1], *size)
    module = CrossAttention(size[1] * size[2]).eval()
    copy_weights(module, arrays, NAMES)

    def tokens(maps: Tensor) -> Tensor:
        return maps.expand(shape).flatten(0, 2).flatten(2).transpose(1, 2)

    fused = zip(
        ("f1", "f2"), module(tokens(classes[:, None]), tokens(queries[:, :, None])), strict=True
    )
    with torch.no_grad():
        return {name: maps.transpose(1, 2).reshape(shape) for name, maps in fused}
