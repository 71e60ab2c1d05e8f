"""Methods that are fitted, not trained by gradients, as modules of the engine."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harbench.method import Batch

LOWEST = 1e-12


class Estimator(nn.Module):
    """Holds a fitted object (`fitted`); its pickle is part of the module's state.

    So it is cached, restored and checked by its sha256 like any network's weights. To unpickle runs
    code: the cache of stages refuses such a file where another user has written it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fitted: Any = None

    def get_extra_state(self) -> Tensor:
        """The pickle of `fitted` as bytes (n,)."""
        return torch.frombuffer(bytearray(pickle.dumps(self.fitted)), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """The inverse of `get_extra_state`."""
        self.fitted = pickle.loads(state.cpu().numpy().tobytes())


def series(batch: Batch) -> np.ndarray:
    """The windows as (B, V, T) float32, V = N C sensor by sensor, as aeon and sktime want them."""
    windows = batch.x.cpu().numpy()
    return np.ascontiguousarray(windows.reshape(*windows.shape[:2], -1).swapaxes(1, 2))


def random_state(batch: Batch) -> int:
    """A seed for a library, from the generator of the batch."""
    return int(torch.randint(2**31 - 1, (), generator=batch.generator, device=batch.x.device))


@contextmanager
def own_randomness() -> Iterator[None]:
    """Undo what a library does to the global generators of NumPy and torch."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002


def all_classes(scores: np.ndarray, classes: np.ndarray, count: int, like: Tensor) -> Tensor:
    """Scores (B, K) from an estimator's scores (B, its classes); lowest for a class it lacks.

    A binary estimator may give (B,): the score of its second class.
    """
    if scores.ndim == 1:
        scores = np.stack([-scores, scores], axis=1)
    full = np.full((len(scores), count), scores.min() - 1.0)
    full[:, classes] = scores
    return torch.from_numpy(full).to(like)


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Logarithms that stay finite where a probability is 0."""
    return np.asarray(np.log(np.maximum(probabilities, LOWEST)))
