"""A trained network's class scores for the windows of a source."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from harbench.data.source import WindowSource
from harbench.errors import HarbenchError, TrainingError
from harbench.method import Batch, Method
from harbench.streams import torch_seed

Precision = Literal["fp32", "tf32", "bf16"]
BATCH = 256


def precision_context(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Set how products and convolutions of float32 are computed; with bf16 a mixed precision.

    It keeps no casts of weights: it may surround many steps, each of which changes them.
    """
    if precision == "tf32" and device.type != "cuda":
        raise HarbenchError("--precision tf32 needs a CUDA GPU; use fp32 or bf16 on this device.")
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    # PyTorch rounds the inputs of convolutions to TF32 unless it is told not to.
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
    return nullcontext()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, in torch and in libraries such as BLAS, then as before.

    The number of threads changes the last bits of sums; runs side by side use the cores better.
    """
    # Numba starts threads for all cores when it is first used, and sets torch's number to that.
    if "numba" not in sys.modules:
        os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def predict(
    method: Method,
    network: nn.Module,
    source: WindowSource,
    seed: int,
    precision: Precision = "fp32",
) -> Tensor:
    """Logits (n, K) float32 on the CPU. Methods that draw at evaluation get a seeded generator.

    Raises TrainingError for class scores that are not one finite real number per window and class.
    """
    network.eval()
    generator = torch.Generator(source.device)
    parts = []
    with precision_context(precision, source.device):
        for rows in torch.split(torch.arange(len(source)), BATCH):
            generator.manual_seed(torch_seed(seed, "evaluation"))
            batch = Batch(*source.batch(rows), generator)
            logits = method.logits(network, batch)
            _check(logits, (len(rows), len(source.dataset.info.classes)), method.name)
            parts.append(logits.float().cpu())
    return torch.cat(parts)


def _check(logits: object, shape: tuple[int, int], method: str) -> None:
    where = f"Method {method!r}: class scores"
    if not isinstance(logits, Tensor) or logits.is_complex():
        kind = str(logits.dtype) if isinstance(logits, Tensor) else type(logits).__name__
        raise TrainingError(f"{where} must be a tensor of real numbers, got {kind}.")
    if logits.shape != shape:
        raise TrainingError(
            f"{where} of {shape[0]} windows and {shape[1]} classes must be {shape}, "
            f"got {tuple(logits.shape)}."
        )
    bad = int((~logits.float().isfinite()).any(dim=1).sum())
    if bad:
        raise TrainingError(f"{where} of {bad} of {shape[0]} windows are not finite.")
