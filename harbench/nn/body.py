"""Sensors on a body: their order along it, and features of their coordinates."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

EXACT_UP_TO = 10
Positions = tuple[tuple[float, float, float], ...]


def body_order(positions: Positions) -> list[int]:
    """The shortest open path through the coordinates that starts at the highest sensor.

    Exact (Held and Karp) up to 10 sensors; beyond, nearest neighbour improved by 2-opt.
    Of equal paths, and of equally high sensors, the first in the given order is taken.
    """
    points = np.asarray(positions, dtype=float)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    start = int(np.argmax(points[:, 2]))
    if len(points) <= EXACT_UP_TO:
        return _shortest_path(distance, start)
    return _improved_path(distance, start)


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


def _shortest_path(distance: NDArray[np.float64], start: int) -> list[int]:
    """Dynamic programming over (visited set, last sensor)."""
    count = len(distance)
    others = [i for i in range(count) if i != start]
    best: dict[tuple[frozenset[int], int], tuple[float, list[int]]] = {
        (frozenset({start}), start): (0.0, [start])
    }
    for size in range(1, count):
        for chosen in itertools.combinations(others, size):
            visited = frozenset(chosen) | {start}
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


def _improved_path(distance: NDArray[np.float64], start: int) -> list[int]:
    path, left = [start], [i for i in range(len(distance)) if i != start]
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
