"""Shapley values: what each player of a game adds, averaged over all orders of joining.

Source: Shapley, A Value for n-Person Games, 1953; the estimate from sampled orders is that of
Castro, Gomez and Tejada, Computers & Operations Research 2009.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def shapley(values: Floats) -> Floats:
    """Exact Shapley values (..., n) of games (..., 2^n).

    values: what each set of players achieves, at the index that has bit i set where player i
    takes part; index 0 is nobody.
    """
    count = values.shape[-1]
    players = count.bit_length() - 1
    if players < 1 or count != 1 << players:
        raise ValueError(f"{count} values: a game of n players has 2^n, n at least 1")
    sets = np.arange(count)
    sizes = ((sets[:, None] >> np.arange(players)) & 1).sum(axis=1)
    weights = np.array([1 / (players * math.comb(players - 1, k)) for k in range(players)])
    found = []
    for player in range(players):
        without = sets[(sets >> player) & 1 == 0]
        gains = values[..., without | 1 << player] - values[..., without]
        found.append(gains @ weights[sizes[without]])
    return np.stack(found, axis=-1)


def ordered_gains(
    values: Floats, place: Mapping[int, int], orders: Sequence[Sequence[int]]
) -> Floats:
    """What each player adds when players join in given orders: (..., m, n) of m orders.

    values: (..., sets). place: where in `values` each set stands, by its bits; every beginning of
    every order must be there, nobody (0) too. The mean over random orders estimates `shapley`.
    """
    found = np.zeros((*values.shape[:-1], len(orders), len(orders[0])))
    for row, order in enumerate(orders):
        members = 0
        for player in order:
            before, members = members, members | 1 << player
            gain = values[..., place[members]] - values[..., place[before]]
            found[..., row, player] = gain
    return found
