"""Sensors on a body: their order along it, and features of their coordinates."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

EXACT_UP_TO = 10
Positions = tuple[tuple[float, float, float], ...]


def body_order(positions: Positions) -> list[int]:
    """The shortest open path through the coordinates that starts at the highest sensor.

    Exact (Held and Karp) up to 10 sensors; beyond, nearest neighbour improved by 2-opt.
    A body is symmetric: of equal paths one is taken by height, then from left to right, whatever
    the order in which a dataset lists its sensors.
    """
    points = np.asarray(positions, dtype=float)
    ranked = np.lexsort((points[:, 1], points[:, 0], -points[:, 2]))
    distance = np.linalg.norm(points[ranked, None] - points[None, ranked], axis=-1).round(9)
    path = (_shortest_path if len(points) <= EXACT_UP_TO else _improved_path)(distance)
    return [int(ranked[i]) for i in path]


def distance_matrix_mix(positions: Positions, scale: float) -> NDArray[np.float32]:
    """Row-normalised I + exp(-dist^2/scale^2) without its own diagonal, (N, N)."""
    points = np.asarray(positions, dtype=float)
    squared = ((points[:, None] - points[None]) ** 2).sum(-1)
    mix = np.eye(len(points)) + np.exp(-squared / scale**2)
    return np.asarray(mix / mix.sum(1, keepdims=True), dtype=np.float32)


def coordinate_features(positions: Positions, octaves: int = 4) -> Tensor:
    """sin and cos of 2^k pi times each coordinate, k < octaves: (N, 6 * octaves)."""
    points = torch.tensor(positions, dtype=torch.float32)
    angles = points[:, :, None] * math.pi * 2.0 ** torch.arange(octaves)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)


class BodyVariation(nn.Module):
    """Location-inspired 3D variation X = D A (RobustHAR, Eq. 1): windows (B, T, N, C) rearranged.

    A permutes the sensors along the body; ordered=False: at random, and the locations are unknown.
    mix_scale: metres over which neighbours are smeared into each other before (a variant).
    locations: features (N, F) of the sensors' coordinates in their new order, or None.
    """

    def __init__(self, positions: Positions, ordered: bool, mix_scale: float | None) -> None:
        super().__init__()
        order = body_order(positions) if ordered else torch.randperm(len(positions))
        self.order: Tensor
        self.register_buffer("order", torch.as_tensor(order))
        self.mix: Tensor | None
        self.register_buffer("mix", None)
        if ordered and mix_scale is not None:
            self.mix = torch.from_numpy(distance_matrix_mix(positions, mix_scale))
        self.locations = coordinate_features(positions)[self.order] if ordered else None

    def forward(self, x: Tensor) -> Tensor:
        if self.mix is not None:
            x = torch.einsum("mn,btnc->btmc", self.mix, x)
        return x[:, :, self.order]

    def observed(self, observed: Tensor) -> Tensor:
        """Where rearranged values are observed; of mixed sensors, where all of them are."""
        if self.mix is not None:
            return self(observed.to(self.mix.dtype)) > 0.999  # type: ignore[no-any-return]
        return observed[:, :, self.order]

    def restore(self, values: Tensor) -> Tensor:
        """Sensors back in the order in which they came."""
        return values[:, :, self.order.argsort()]


def _shortest_path(distance: NDArray[np.float64]) -> list[int]:
    """From sensor 0: dynamic programming over (visited set, last sensor)."""
    count = len(distance)
    best: dict[tuple[frozenset[int], int], tuple[float, list[int]]] = {
        (frozenset({0}), 0): (0.0, [0])
    }
    for size in range(1, count):
        for chosen in itertools.combinations(range(1, count), size):
            visited = frozenset(chosen) | {0}
            for last in chosen:
                before = visited - {last}
                best[visited, last] = min(
                    (cost + distance[path[-1], last], [*path, last])
                    for end in sorted(before)
                    if (before, end) in best
                    for cost, path in [best[before, end]]
                )
    everything = frozenset(range(count))
    return min(best[everything, end] for end in range(count) if (everything, end) in best)[1]


def _improved_path(distance: NDArray[np.float64]) -> list[int]:
    path, left = [0], list(range(1, len(distance)))
    while left:
        path.append(min(left, key=lambda i: distance[path[-1], i]))
        left.remove(path[-1])

    def length(order: list[int]) -> float:
        return float(distance[order[:-1], order[1:]].sum())

    improved = True
    while improved:
        improved = False
        for i, j in itertools.combinations(range(1, len(path)), 2):
            candidate = path[:i] + path[i : j + 1][::-1] + path[j + 1 :]
            if length(candidate) < length(path) - 1e-12:
                path, improved = candidate, True
    return path
