"""Dominant periods of a hidden series (TimesNet, ICLR 2023, Eqs. 1-3)."""

from __future__ import annotations

import torch
from torch import Tensor


def dominant_periods(hidden: Tensor, count: int, per_window: bool) -> tuple[Tensor, Tensor]:
    """Periods (B, k) in steps and their weights (B, k) of a series (B, T, d).

    The k largest bins of the amplitude spectrum, averaged over d, without bin 0; the period of
    bin f is floor(T / f), its weight the softmax of the window's own amplitudes. The original
    chooses the bins for the whole batch together (per_window=False), so that a window's scores
    depend on who else is in the batch; per_window=True chooses them for each window alone.
    """
    amplitudes = torch.fft.rfft(hidden, dim=1).abs().mean(dim=2)
    # Bin 0 (the mean) gets score 0, so it is chosen only where nothing else is left.
    scores = torch.cat([torch.zeros_like(amplitudes[:, :1]), amplitudes[:, 1:]], dim=1)
    if not per_window:
        scores = scores.mean(dim=0, keepdim=True)
    bins = scores.topk(count, dim=1).indices.expand(len(hidden), -1)
    weights = torch.softmax(amplitudes.gather(1, bins), dim=1)
    return hidden.shape[1] // bins.clamp_min(1), weights
