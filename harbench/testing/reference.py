"""Comparison with recorded numbers of an original implementation.

A reference file (npz) holds weights, inputs, random draws and outputs of an original; a method's
`reproduce` builds itself at the same sizes, takes over weights and draws, and gives every output
that it can, under the recorded names. A random quantity is given as `samples/<name>` (S, ...),
drawn anew S times: the recorded one must lie within four standard deviations of their mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harbench import registry
from harbench.errors import HarbenchError, one_line, unknown
from harbench.method import InputShape

Arrays = Mapping[str, Tensor]
Names = tuple[tuple[str, str], ...]
GRADIENT = "grad_norm/"
SAMPLES = "samples/"
ABSOLUTE, RELATIVE, GRADIENT_RELATIVE, STANDARD_DEVIATIONS = 1e-5, 1e-4, 1e-3, 4.0

# TSLib's and Informer2020's names of embedding, encoder layers and head.
ENCODER_NAMES: Names = (
    (r"^(enc_embedding\.)?value_embedding\.tokenConv", "embedding.token"),
    (r"^encoder\.attn_layers\.", "layers."),
    (r"^encoder\.norm", "norm"),
    (r"\.conv1", ".expand"),
    (r"\.conv2", ".reduce"),
    (r"\.norm1", ".norm_attention"),
    (r"\.norm2", ".norm_feedforward"),
    (r"^projection", "head.projection"),
)


@dataclass(frozen=True)
class Comparison:
    """One recorded output. deviation: the largest |ours - theirs|, None where we give none.

    sampled: `ours` is the mean of a random quantity.
    """

    output: str
    deviation: float | None
    agrees: bool
    sampled: bool = False


def verify(path: Path) -> list[Comparison]:
    """Compare every output of a reference file; raises HarbenchError for anything else."""
    config, arrays = read(path)
    name = config.get("method")
    if not isinstance(name, str):
        raise HarbenchError(f"{path}: its config names no method.")
    if name not in registry.method_names():
        # Not a path: what a file from elsewhere names must not be executed.
        raise HarbenchError(f"{path}: {unknown('method', name, registry.method_names())}")
    method = registry.method_class(name)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            ours = method.reproduce(config, arrays)
            return [_compare(key, ours, value) for key, value in _outputs(arrays).items()]
    except HarbenchError as error:
        raise HarbenchError(f"{path}: {error}") from None
    except Exception as error:  # sizes and weights from elsewhere may lead to anything
        reason = " ".join(str(error).split())
        raise HarbenchError(
            f"{path}: {name} cannot be built from it ({type(error).__name__}: {reason}). "
            f"Config, weights and inputs must belong together."
        ) from error


def _outputs(arrays: Arrays) -> dict[str, Tensor]:
    return {k.removeprefix("output/"): v for k, v in arrays.items() if k.startswith("output/")}


def read(path: Path) -> tuple[dict[str, Any], Arrays]:
    """The configuration and the arrays of a reference file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            config = json.loads(str(file["config"]))
            arrays = {k: torch.from_numpy(file[k]) for k in file.files if k != "config"}
    except Exception as error:  # numpy, zipfile, zlib and json raise many kinds; all mean damage
        raise HarbenchError(f"{path} is not a reference file: {one_line(error)}.") from None
    if not isinstance(config, dict):
        raise HarbenchError(f"{path} is not a reference file: its config is no JSON object.")
    return config, arrays


def _compare(output: str, given: Arrays, theirs: Tensor) -> Comparison:
    samples = given.get(SAMPLES + output)
    ours = given.get(output) if samples is None else samples.double().mean(dim=0)
    sampled = samples is not None
    if ours is None:
        return Comparison(output, None, True)
    if ours.shape != theirs.shape:
        return Comparison(output, float("inf"), False, sampled)
    ours, theirs = ours.detach().double(), theirs.double()
    difference = (ours - theirs).abs()
    if samples is None:
        relative = GRADIENT_RELATIVE if output.startswith(GRADIENT) else RELATIVE
        agrees = torch.allclose(ours, theirs, atol=ABSOLUTE, rtol=relative)
    else:
        agrees = bool((difference <= STANDARD_DEVIATIONS * samples.double().std(dim=0)).all())
    return Comparison(output, float(difference.max()), agrees, sampled)


def series_shape(config: Mapping[str, Any]) -> InputShape:
    """The shape of a supervised file: V variables are V sensors of one channel."""
    places = ((0.0, 0.0, 0.0),) * config["V"]
    return InputShape(config["T"], config["V"], 1, config["classes"], 1.0, places)


def run_statistics(masked: Tensor) -> Tensor:
    """(S, 2) of masks (S, L): the masked share, and the mean length of masked runs."""
    starts = (masked[:, 1:] & ~masked[:, :-1]).sum(dim=1) + masked[:, 0]
    count = masked.sum(dim=1)
    return torch.stack([count / masked.shape[1], count / starts.clamp_min(1)], dim=1)


def own_name(theirs: str, names: Names) -> str:
    """A weight's name here: each (pattern, replacement) is applied in turn."""
    for pattern, replacement in names:
        theirs = re.sub(pattern, replacement, theirs)
    return theirs


def copy_weights(
    network: nn.Module,
    arrays: Arrays,
    names: Names,
    convert: Callable[[str, Tensor], Tensor] = lambda _, value: value,
    absent: Iterable[str] = (),
) -> None:
    """Copy every recorded weight and statistic; no weight here may be left without one.

    convert(own name, value) rearranges a weight that is laid out differently here. absent: name
    prefixes of weights that the file does not hold, because it records another stage.
    """
    state = network.state_dict()
    left = ("num_batches_tracked", tuple(absent))
    copied = {k: v for k, v in state.items() if k.endswith(left[0]) or k.startswith(left[1])}
    for key, value in arrays.items():
        kind, _, theirs = key.partition("/")
        name = own_name(theirs, names)
        if kind in ("param", "buffer") and name in state:
            copied[name] = convert(name, value).reshape(state[name].shape)
    network.load_state_dict(copied)


def supervised_outputs(
    network: nn.Module,
    arrays: Arrays,
    names: Names,
    call: Callable[[Tensor, list[Tensor]], Tensor],
) -> dict[str, Tensor]:
    """Logits together and one window at a time, and gradient norms, of a classifier.

    call(x, draws) gives the logits of windows (B, T, V, 1) with the recorded draws injected.
    """
    x = arrays["input/x"][..., None]
    drawn = (k for k in arrays if k.startswith("random/"))
    draws = [arrays[k] for k in sorted(drawn, key=lambda k: int(k.removeprefix("random/")))]
    network.eval()
    logits = call(x, draws)
    alone = torch.cat([call(window, draws) for window in torch.split(x, 1)])
    torch.autograd.backward((logits * arrays["input/cotangent"]).sum())
    gradients = dict(network.named_parameters())
    outputs = {"logits": logits, "logits_one_window_at_a_time": alone}
    for key in arrays:
        theirs = key.removeprefix(f"output/{GRADIENT}")
        parameter = gradients.get(own_name(theirs, names))
        if theirs != key and parameter is not None and parameter.grad is not None:
            outputs[GRADIENT + theirs] = parameter.grad.norm()
    return outputs
