"""The straightforward formulation of each method, as public code writes it: the same mathematics.

`plain` turns a network into one that computes the same numbers from the same weights by the steps
of the papers and their code: one operation after another, none merged, torch's own layers and
dropout. It is what the suite's own formulation is checked against and timed against.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harbench.method import Batch
from harbench.nn.geometric_mask import geometric_mask


def plain(network: nn.Module) -> nn.Module:
    """A copy of a network with the straightforward formulation of each part that has one."""
    network = copy.deepcopy(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for parent in list(network.modules()):
        for name, module in parent.named_children():
            if type(module).__name__ in REPLACED:
                setattr(parent, name, REPLACED[type(module).__name__](module))
    for module in network.modules():
        if type(module).__name__ in FORWARD:
            module.forward = MethodType(FORWARD[type(module).__name__], module)
    return network


def _dropout(module: Any) -> nn.Module:
    return nn.Dropout(module.rate)


def _torch_layer(module: Any, names: dict[str, str], pre: bool) -> nn.Module:
    """nn.TransformerEncoderLayer with a layer's weights."""
    attention, width = module.attention, module.norm_attention.weight.shape[0]
    parameters = dict(module.named_parameters())
    layer = nn.TransformerEncoderLayer(
        width,
        attention.heads,
        parameters[f"{names['linear1']}.weight"].shape[0],
        module.dropout.rate,
        "gelu" if pre else "relu",
        batch_first=True,
        norm_first=pre,
    )
    layer.self_attn.dropout = attention.dropout
    pairs = {
        "self_attn.in_proj_": "attention.project.",
        "self_attn.out_proj.": "attention.out.",
        "norm1.": "norm_attention.",
        "norm2.": "norm_feedforward.",
        **{f"{theirs}.": f"{ours}." for theirs, ours in names.items()},
    }
    state = {a + k: parameters[b + k] for a, b in pairs.items() for k in ("weight", "bias")}
    layer.load_state_dict(state)
    return layer


def _pre_norm(module: Any) -> nn.Module:
    return _torch_layer(module, {"linear1": "feedforward.0", "linear2": "feedforward.2"}, pre=True)


def _post_norm(module: Any) -> nn.Module:
    return _torch_layer(module, {"linear1": "expand", "linear2": "reduce"}, pre=False)


def _heads(projected: Tensor, heads: int) -> Tensor:
    batch, steps, width = projected.shape
    return projected.view(batch, steps, heads, width // heads).transpose(1, 2)


def lsh_attention(self: Any, hidden: Tensor, draw: Tensor) -> Tensor:
    """Reformer: hash, sort, attend in chunks, sort back, weight the rounds."""
    (batch, steps, width), heads, bucket = hidden.shape, self.config.heads, self.config.bucket
    padded = F.pad(hidden, (0, 0, 0, -steps % (2 * bucket)))
    query = _heads(self.query_key(padded), heads).reshape(batch * heads, -1, width // heads)
    value = _heads(self.value(padded), heads).reshape(query.shape)
    rows, length, size = query.shape
    rounds = draw.shape[2]
    turned = torch.einsum("btd,dhr->bhtr", query.detach(), draw[0])
    buckets = torch.cat([turned, -turned], dim=-1).argmax(dim=-1)
    time = torch.arange(length, device=query.device)
    order = (buckets * length + time).argsort(dim=-1)
    back = order.argsort(dim=-1)[..., None]
    line = order.flatten(1)

    def chunks(values: Tensor) -> Tensor:
        sorted_values = values.gather(1, line[..., None].expand(-1, -1, values.shape[-1]))
        return sorted_values.view(rows, -1, bucket, values.shape[-1])

    def with_previous(values: Tensor) -> Tensor:
        return torch.cat([values, values.roll(1, dims=1)], dim=2)

    queries, places = chunks(query), chunks(time[None, :, None].expand(rows, -1, 1))
    keys = F.normalize(with_previous(queries), dim=-1)
    logits = queries @ keys.transpose(-1, -2) * size**-0.5
    logits = logits.masked_fill(places == with_previous(places).transpose(-1, -2), -5e4)
    total = logits.logsumexp(dim=-1, keepdim=True)
    found = (logits - total).exp() @ with_previous(chunks(value))
    found = found.view(rows, rounds, length, size).gather(2, back.expand(-1, -1, -1, size))
    share = total.view(rows, rounds, length, 1).gather(2, back).softmax(dim=1)
    mixed = (found * share).sum(dim=1).view(batch, heads, length, size)
    out: Tensor = self.out(mixed.transpose(1, 2).flatten(2)[:, :steps])
    return out


def prob_sparse_attention(self: Any, hidden: Tensor, draw: Tensor) -> Tensor:
    """Informer: gather the sampled keys of every query, then attend from the chosen queries."""
    (batch, steps, width), heads = hidden.shape, self.config.heads
    query, key, value = (_heads(p(hidden), heads) for p in (self.query, self.key, self.value))
    sampled = (query[..., None, :] @ key[:, :, draw].transpose(-1, -2)).squeeze(-2)
    measure = sampled.amax(dim=-1) - sampled.sum(dim=-1) / steps
    chosen = measure.topk(draw.shape[1], dim=-1).indices
    rows = torch.arange(batch)[:, None, None], torch.arange(heads)[None, :, None], chosen
    weights = torch.softmax(query[rows] @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]), -1)
    context = value.mean(dim=2, keepdim=True).expand_as(value).clone()
    context[rows] = weights @ value
    out: Tensor = self.out(context.transpose(1, 2).reshape(batch, steps, width))
    return out


def causal_attention(self: Any, hidden: Tensor, _: Tensor | None = None) -> Tensor:
    """MSGNet: scores, mask, softmax, dropout, product."""
    batch, steps, width = hidden.shape
    query, key, value = (
        p(hidden).view(batch, steps, self.heads, -1) for p in (self.query, self.key, self.value)
    )
    scores = torch.einsum("blhe,bshe->bhls", query, key) / math.sqrt(query.shape[-1])
    later = torch.triu(torch.ones(1, 1, steps, steps, dtype=torch.bool), diagonal=1)
    weights = torch.softmax(scores.masked_fill(later, -torch.inf), dim=-1)
    weights = F.dropout(weights, self.dropout, self.training)
    mixed = torch.einsum("bhls,bshd->blhd", weights, value)
    out: Tensor = self.out(mixed.reshape(batch, steps, width))
    return out


def scale_graph(self: Any, hidden: Tensor) -> Tensor:
    """MSGNet: start convolution, mix-hop propagation, 1x1 convolution, GELU, time convolution."""
    steps = hidden.shape[1]
    adjacency = torch.softmax(torch.relu(self.source @ self.target), dim=1)
    graph = adjacency + torch.eye(len(adjacency))
    graph = graph / graph.sum(dim=1, keepdim=True)
    image = hidden.transpose(1, 2)[:, None]
    x = F.conv2d(image, self.start.weight[..., None], self.start.bias)
    hops = [x]
    for _ in range(self.depth):
        spread = torch.einsum("ncwl,vw->ncvl", hops[-1], graph)
        hops.append(self.alpha * x + (1 - self.alpha) * spread)
    mixing = self.hops.weight[:, :, None, None]
    mixed = F.gelu(F.conv2d(torch.cat(hops, dim=1), mixing, self.hops.bias))
    over_time = self.time.weight.view(steps, steps, -1).transpose(1, 2)[:, :, None]
    nodes = F.conv2d(mixed, over_time, self.time.bias)[..., 0]
    out: Tensor = self.norm(hidden + self.back(nodes))
    return out


def inception(self: Any, image: Tensor) -> Tensor:
    """TimesNet: the mean of the convolutions with kernels 1, 3, ..., 2J-1, one after another."""
    pairs = enumerate(zip(self.weights, self.biases, strict=True))
    maps = [F.conv2d(image, weight, bias, padding=j) for j, (weight, bias) in pairs]
    return torch.stack(maps, dim=-1).mean(dim=-1)


def _upsampled(active: Tensor, like: Tensor) -> Tensor:
    return active.repeat_interleave(like.shape[2] // active.shape[2], dim=2)


def _sparse_norm(norm: Any, values: Tensor, active: Tensor) -> Tensor:
    visible = _upsampled(active, values)[:, 0]
    last = values.permute(0, 2, 3, 1)
    filled = torch.zeros_like(last)
    filled[visible] = F.batch_norm(
        last[visible],
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
        norm.training,
        norm.momentum,
        norm.eps,
    )
    return filled.permute(0, 3, 1, 2).contiguous()


def encoder_block(self: Any, values: Tensor, active: Tensor | None = None) -> Tensor:
    """MaskCAE: convolution, batch norm of the visible positions, ReLU, pooling, masked each."""
    values = self.convolution(values)
    if active is None:
        dense: Tensor = self.pool(F.relu(self.norm(values)))
        return dense
    values = values * _upsampled(active, values)
    pooled: Tensor = self.pool(F.relu(_sparse_norm(self.norm, values, active)))
    return pooled * _upsampled(active, pooled)


def mask_decoder(self: Any, maps: list[Tensor], active: Tensor) -> Tensor:
    """MaskCAE: normalise, fill masked places, project, add, decode."""
    decoded: Any = 0
    levels = zip(self.norms, self.tokens, self.projections, self.blocks, strict=True)
    for (norm, token, project, block), values in zip(levels, maps[::-1], strict=True):
        normalised = _sparse_norm(norm, values, active)
        visible = _upsampled(active, values).expand_as(normalised)
        filled = torch.where(visible, normalised, token.expand_as(normalised))
        decoded = block(decoded + project(filled))
    out: Tensor = self.out(decoded)
    return out


def simmtm_loss(network: Any, batch: Batch) -> Tensor:
    """SimMTM: every row of the similarity matrix aggregated and rebuilt, then the targets taken."""
    config = network.config
    series = batch.x.flatten(2).transpose(1, 2)
    known = batch.observed.flatten(2).transpose(1, 2)
    windows, variables, steps = series.shape
    rows = (config.copies + 1) * windows
    chains = (rows - windows) * variables
    masked = geometric_mask(chains, steps, config.mask_rate, config.run, batch.generator)
    copies = series.repeat(config.copies, 1, 1).masked_fill(masked.view(-1, variables, steps), 0)
    features = network.features(torch.cat([series, copies]))
    unit = F.normalize(network.projector(features.flatten(1)), dim=1)
    itself = torch.eye(rows, dtype=torch.bool)
    scaled = (unit @ unit.T / config.temperature).masked_fill(itself, -1e12)
    origin = torch.arange(rows) % windows
    same = (origin[:, None] == origin) & ~itself
    contrastive = -(torch.log_softmax(scaled, dim=1) * same).sum() / rows
    rebuilt = network.rebuild(torch.softmax(scaled, dim=1) @ features.flatten(1))
    error = (rebuilt.view(rows, variables, steps)[:windows] - series).square()
    reconstruction = (error * known).sum() / known.sum().clamp_min(1)
    squares = network.loss_weights.square()
    parts = zip((contrastive, reconstruction), squares, strict=True)
    return torch.stack([loss / (2 * p) + torch.log(1 + p) for loss, p in parts]).sum()


LOSS: dict[tuple[str, str], Callable[[Any, Any], Tensor]] = {("simmtm", "pretrain"): simmtm_loss}
REPLACED: dict[str, Callable[[Any], nn.Module]] = {
    "BitDropout": _dropout,
    "PreNormLayer": _pre_norm,
    "ReluLayer": _post_norm,
}
FORWARD: dict[str, Callable[..., Tensor]] = {
    "LSHAttention": lsh_attention,
    "ProbSparseAttention": prob_sparse_attention,
    "CausalAttention": causal_attention,
    "ScaleGraph": scale_graph,
    "Inception": inception,
    "EncoderBlock": encoder_block,
    "Decoder": mask_decoder,
}
