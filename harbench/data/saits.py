"""Gaps filled by SAITS, a self-attention network for imputation (PyPOTS)."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harbench.data import tensor_files
from harbench.data.missing import Missing
from harbench.data.paths import cache_dir, locked
from harbench.data.source import Standardiser, read
from harbench.dataset import FloatArray, HARDataset, IntArray
from harbench.errors import needs
from harbench.streams import torch_seed

WINDOWS = 2000
SETTINGS = {
    "n_layers": 2,
    "d_model": 64,
    "n_heads": 4,
    "d_k": 16,
    "d_v": 16,
    "d_ffn": 128,
    "epochs": 100,
}


class Saits:
    """SAITS (Du et al., Expert Systems with Applications 2023), trained on training windows only.

    It learns when the first gap is met, on at most 2,000 evenly spaced training windows and on the
    CPU: two layers, width 64, four heads, 100 epochs of Adam, no dropout. It sees (T, V) windows
    with their own gaps; PyPOTS hides a fifth of what is there and learns to rebuild it. Raises
    HarbenchError where PyPOTS is not installed. What it has learned is kept in the cache: the
    methods of a seed share it.
    """

    def __init__(
        self,
        dataset: HARDataset,
        train: IntArray,
        standardiser: Standardiser,
        missing: Missing | None,
        seed: int,
    ) -> None:
        needs("pypots", "impute")
        self.dataset = dataset
        self.train = train
        self.standardiser = standardiser
        self.missing = missing
        self.seed = seed

    def __call__(self, x: Tensor, observed: Tensor, _windows: IntArray | None) -> Tensor:
        """Values for the gaps of x (B, T, N, C), one window at a time."""
        series = x.masked_fill(~observed, torch.nan).flatten(2).cpu().numpy()
        filled = [np.asarray(self._network.impute({"X": window[None]})) for window in series]
        found = torch.from_numpy(np.concatenate(filled)).to(x)
        return found.view(x.shape).masked_fill(~observed.flatten(1).any(1)[:, None, None, None], 0)

    @cached_property
    def _network(self) -> Any:
        count = min(WINDOWS, len(self.train))
        rows = np.linspace(0, len(self.train) - 1, count).round().astype(np.int64)
        raw, observed = read(self.dataset, self.train, rows, self.missing)
        values = np.where(observed, self.standardiser(raw, observed), np.float32(np.nan))
        return _trained(values.reshape(*values.shape[:2], -1), self.seed)


def _trained(values: FloatArray, seed: int) -> Any:
    """SAITS for windows (W, T, V) with NaN as gaps, from the cache where it was trained before."""
    import pypots
    from pypots.imputation import SAITS

    told = f"{values.shape} {seed} {SETTINGS} {pypots.__version__}".encode()
    path = cache_dir() / "imputers" / f"{sha256(told + values.tobytes()).hexdigest()}.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(torch_seed(seed, "imputation"))
        _, steps, features = values.shape
        network = SAITS(n_steps=steps, n_features=features, device="cpu", verbose=False, **SETTINGS)
        # First without the lock: a cache that has everything may be one that cannot be written.
        if not _load(path, network.model):
            with locked(path.with_suffix(".lock")):
                if not _load(path, network.model):
                    network.fit({"X": values})
                    tensor_files.save(path, network.model.state_dict(), {})
    return network


def _load(path: Path, network: nn.Module) -> bool:
    """Whether the network has the weights of the file now; not where it is damaged or missing."""
    found = tensor_files.load(path)
    if found is not None:
        network.load_state_dict(found[0])
        network.eval()
    return found is not None
