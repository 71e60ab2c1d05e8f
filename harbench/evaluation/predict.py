"""A trained network's class scores for the windows of a source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from harbench.data.source import WindowSource
from harbench.errors import HarbenchError
from harbench.method import Batch, Method
from harbench.streams import torch_seed

Precision = Literal["fp32", "tf32", "bf16"]
BATCH = 256


def precision_context(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Set how float32 products are computed; the context is mixed precision for bf16."""
    if precision == "tf32" and device.type != "cuda":
        raise HarbenchError("--precision tf32 needs a CUDA GPU; use fp32 or bf16 on this device.")
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, then restore the caller's number.

    The number of threads changes the last bits of sums; runs side by side use the cores better.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
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
    """Logits (n, K) float32 on the CPU. Methods that draw at evaluation get a seeded generator."""
    network.eval()
    generator = torch.Generator(source.device)
    parts = []
    with precision_context(precision, source.device):
        for rows in torch.split(torch.arange(len(source)), BATCH):
            generator.manual_seed(torch_seed(seed, "evaluation"))
            batch = Batch(*source.batch(rows), generator)
            parts.append(method.logits(network, batch).float().cpu())
    return torch.cat(parts)
