"""The Transformer layer against PyTorch's own, and the dropout that it uses."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harbench.nn.dropout import BitDropout
from harbench.nn.transformer import PreNormLayer, ReluLayer, attend

PRE_NORM = {f"linear{i}": f"feedforward.{n}" for i, n in ((1, 0), (2, 2))}
POST_NORM = {"linear1": "expand", "linear2": "reduce"}


@pytest.mark.parametrize("tokens", [1, 7, 50])
@pytest.mark.parametrize("pre", [True, False])
def test_layers_are_those_of_pytorch(pre: bool, tokens: int) -> None:
    torch.manual_seed(0)
    ours = (PreNormLayer if pre else ReluLayer)(16, 4, 32, 0.0)
    kind = "gelu" if pre else "relu"
    theirs = nn.TransformerEncoderLayer(16, 4, 32, 0.0, kind, batch_first=True, norm_first=pre)
    linear = PRE_NORM if pre else POST_NORM
    names = {
        "self_attn.in_proj_weight": "attention.project.weight",
        "self_attn.in_proj_bias": "attention.project.bias",
        **{f"self_attn.out_proj.{k}": f"attention.out.{k}" for k in ("weight", "bias")},
        **{f"{n}.{k}": f"{own}.{k}" for n, own in linear.items() for k in ("weight", "bias")},
        **{f"norm1.{k}": f"norm_attention.{k}" for k in ("weight", "bias")},
        **{f"norm2.{k}": f"norm_feedforward.{k}" for k in ("weight", "bias")},
    }
    state = ours.state_dict()
    theirs.load_state_dict({name: state[own] for name, own in names.items()})
    x = torch.randn(3, tokens, 16)
    gradients = []
    for layer in (ours, theirs):
        given_tokens = x.clone().requires_grad_()
        out = layer(given_tokens)
        out.square().sum().backward()
        gradients.append((out.detach(), given_tokens.grad))
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("tokens", [1, 7, 50])
def test_attention_is_that_of_pytorch(tokens: int, causal: bool) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, tokens, 8).unbind()
    theirs = F.scaled_dot_product_attention(query, key, value, is_causal=causal)
    torch.testing.assert_close(attend(query, key, value, causal=causal), theirs)


def test_attention_drops_weights_and_keeps_their_mean() -> None:
    torch.manual_seed(0)
    query, value = torch.zeros(400, 4, 50, 8), torch.ones(400, 4, 50, 8)
    mixed = attend(query, query, value, dropout=0.25)
    assert float(mixed.mean()) == pytest.approx(1, abs=1e-3)
    assert float(mixed[..., 0].var()) == pytest.approx(0.25 / 0.75 / 50, rel=0.05)


@settings(max_examples=20)
@given(rate=st.floats(0, 0.95), seed=st.integers(0, 1000))
def test_dropout_drops_at_its_rate_and_keeps_the_mean(rate: float, seed: int) -> None:
    torch.manual_seed(seed)
    layer, x = BitDropout(rate), torch.ones(101, 199)
    out = layer(x)
    error = 5 * (rate * (1 - rate) / x.numel()) ** 0.5 + 2**-16
    assert float((out == 0).float().mean()) == pytest.approx(rate, abs=error)
    assert float(out.mean()) == pytest.approx(1, abs=(error + 1e-4) / (1 - rate))
    assert torch.equal(layer.eval()(x), x)


def test_dropout_masks_are_independent_of_each_other() -> None:
    torch.manual_seed(0)
    zero = (BitDropout(0.5)(torch.ones(40_000)) == 0).double()
    for lag in (1, 2, 3, 4, 8):
        assert abs(float(torch.corrcoef(torch.stack([zero[:-lag], zero[lag:]]))[0, 1])) < 0.03
