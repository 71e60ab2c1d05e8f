"""Named random streams: one seed per run, one independent generator per purpose.

A stream is derived by hashing (seed, names), so adding a stream changes no other one, and two
purposes never share draws.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np


def stream_seed(seed: int, *names: str | int | float, bits: int = 128) -> int:
    """A `bits`-bit integer that depends on `seed` and on every name."""
    text = json.dumps([seed, *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[: bits // 8], "big")


def stream(seed: int, *names: str | int | float) -> np.random.Generator:
    """The NumPy generator of one purpose, for example ``stream(0, "split", fingerprint)``."""
    return np.random.Generator(np.random.PCG64(stream_seed(seed, *names)))


def torch_seed(seed: int, *names: str | int | float) -> int:
    """A 63-bit seed for a torch generator."""
    return stream_seed(seed, *names, bits=64) >> 1
