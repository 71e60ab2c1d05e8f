"""The fusion of RobustHAR against the numbers of the cited module (Hou et al. 2019)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harbench.nn.cross_attention import CrossAttention

FILE = Path(__file__).parent / "robusthar-cross-attention-module.npz"
NAMES = {
    "reduce.weight": "param/conv1.conv.weight",
    "reduce.bias": "param/conv1.conv.bias",
    "norm.weight": "param/conv1.bn.weight",
    "norm.bias": "param/conv1.bn.bias",
    "norm.running_mean": "buffer/conv1.bn.running_mean",
    "norm.running_var": "buffer/conv1.bn.running_var",
    "norm.num_batches_tracked": "buffer/conv1.bn.num_batches_tracked",
    "expand.weight": "param/conv2.weight",
    "expand.bias": "param/conv2.bias",
}


@pytest.fixture
def reference() -> dict[str, torch.Tensor]:
    with np.load(FILE) as arrays:
        return {k: torch.from_numpy(arrays[k]) for k in arrays.files if k != "config"}


def test_cross_attention_of_both_directions(reference: dict[str, torch.Tensor]) -> None:
    """Every query map (f2) is fused with every class map (f1), in both directions."""
    tokens = reference["input/f1"].shape[-1] * reference["input/f1"].shape[-2]
    module = CrossAttention(tokens).eval()
    state = module.fusion.state_dict()
    copied = {ours: reference[theirs].reshape(state[ours].shape) for ours, theirs in NAMES.items()}
    module.fusion.load_state_dict(copied)

    def maps(name: str) -> torch.Tensor:
        """(count, m, d) from (1, count, d, h, w)."""
        return reference[name][0].flatten(2).transpose(1, 2)

    first, second = maps("input/f1"), maps("input/f2")
    for query in range(len(second)):
        for group in range(len(first)):
            both = module(first[group : group + 1], second[query : query + 1])
            for got, name in zip(both, ("output/f1", "output/f2"), strict=True):
                want = reference[name][0, query, group].flatten(1).T[None]
                torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-4)
