"""Gaps of genuine data in a file without any signal, and how other windows get them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harbench.data.lost import Missing, Part, pack
from harbench.dataset import BoolArray, HARDataset
from harbench.errors import HarbenchError, first_wrong
from harbench.protocol import Replay

Count = Annotated[int, Field(ge=0, le=2**53)]
Positive = Annotated[int, Field(ge=1, le=2**53)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Shares = tuple[Share, ...]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Statistics(_Part):
    """How gaps lie. A sensor is missing when any of its channels is.

    windows, affected: how many there are, and how many of them have gaps. missing: (N,) share of
    samples that each sensor lacks. lengths: (N) pairs of seconds and how many gaps are that long,
    on recordings, longest last. together: (N, N), how often the sensor of the column is missing
    when that of the row is; None where that one never is. by_activity: (K, N) missing shares, None
    for an activity without windows. by_time: (10, N) missing shares in each tenth of a recording.
    """

    windows: Positive
    affected: Positive
    missing: Shares
    lengths: tuple[tuple[tuple[Seconds, Positive], ...], ...]
    together: tuple[Shares | None, ...]
    by_activity: tuple[Shares | None, ...]
    by_time: tuple[Shares | None, ...]


class Mask(_Part):
    """The gaps of `count` windows that have the same ones: (sensor, channel, begin, end) each."""

    count: Positive
    gaps: Annotated[tuple[tuple[Count, Count, Count, Count], ...], Field(min_length=1)]


class GapFile(_Part):
    """Which windows of a dataset lack what, and nothing of their values.

    rate: Hz. steps: of a window.
    """

    schema_version: Literal[1] = Field(alias="schema")
    dataset: str
    fingerprint: str
    rate: Seconds
    steps: Positive
    sensors: Annotated[tuple[str, ...], Field(min_length=1)]
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    activities: tuple[str, ...]
    statistics: Statistics
    masks: Annotated[tuple[Mask, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _inside(self) -> Self:
        for place, mask in enumerate(self.masks):
            for sensor, channel, begin, end in mask.gaps:
                known = sensor < len(self.sensors) and channel < len(self.channels)
                if not known or not begin < end <= self.steps:
                    raise ValueError(
                        f"masks.{place}: the gap {[sensor, channel, begin, end]} lies outside "
                        f"windows of {self.steps} steps, {len(self.sensors)} sensors and "
                        f"{len(self.channels)} channels"
                    )
        return self

    def patterns(self) -> tuple[BoolArray, NDArray[np.float64]]:
        """The masks (P, T, N, C), True where missing, and the share of each among the windows."""
        lost = np.zeros(
            (len(self.masks), self.steps, len(self.sensors), len(self.channels)), dtype=bool
        )
        for place, mask in enumerate(self.masks):
            for sensor, channel, begin, end in mask.gaps:
                lost[place, begin:end, sensor, channel] = True
        counts = np.array([mask.count for mask in self.masks], dtype=np.float64)
        return lost, counts / counts.sum()


def read_gaps(path: Path) -> GapFile:
    """Read and check a file that `harbench data gaps` wrote.

    Raises HarbenchError that names the file, the key and what is wrong with it.
    """
    try:
        return GapFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise HarbenchError(f"{path}: cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        key, message = first_wrong(error)
        raise HarbenchError(
            f"{path}: {key}: {message}. Is it a file of `harbench data gaps`?"
        ) from None


def replayed(replay: Replay | None, part: Part) -> Missing:
    """The windows of `part` with the gaps of the windows of another dataset.

    Every window gets those of one window that has any, drawn as often as they occur. A file of the
    same sensors gives each its own gaps; else each sensor here gets, for all windows alike, those
    of one there, drawn without repetition while there are enough. A channel gets those of the
    channel of its name, and none where the file lacks the name; where it lacks all of them, each
    channel goes with its sensor. Time is stretched: what filled a third of a window fills a third.
    Gaps that would leave a window here nothing, or take nothing of it, are not drawn. Raises
    HarbenchError where there are no others.
    """
    if replay is None or replay.path is None:
        raise HarbenchError("The scale 'replay' needs a file of gaps: replay = ... in a protocol.")
    gaps = _same(replay.path, replay.sha256)
    draws = part.draws("replay")
    lost, shares = gaps.patterns()
    lost = _fitted(lost, gaps, part.dataset, draws)
    able = lost.any(axis=(1, 2, 3)) & ~lost.all(axis=(1, 2, 3))
    if not able.any():
        raise HarbenchError(
            f"{replay.path}: each of its gaps would take nothing, or everything, of a window of "
            f"{part.dataset.spec}. Leave `replay` out of the protocol."
        )
    chosen = draws.choice(
        np.flatnonzero(able), size=len(part.indices), p=shares[able] / shares[able].sum()
    )
    return Missing.of(len(part.indices), part.dataset.shape, packed=pack(lost)[chosen])


def _fitted(
    lost: BoolArray, gaps: GapFile, dataset: HARDataset, draws: np.random.Generator
) -> BoolArray:
    """Masks (P, T, N, C) of a file's windows as masks of a dataset's."""
    steps = dataset.shape[0]
    names = [sensor.name for sensor in dataset.info.sensors]
    order = draws.permutation(len(gaps.sensors)).tolist()
    known = set(names) <= set(gaps.sensors)
    sensors = [
        gaps.sensors.index(name) if known else order[place % len(order)]
        for place, name in enumerate(names)
    ]
    lost = lost[:, np.arange(steps) * gaps.steps // steps][:, :, sensors]
    channels = dataset.info.channels
    if not set(channels) & set(gaps.channels):
        return np.repeat(lost.any(axis=3, keepdims=True), len(channels), axis=3)
    fitted = np.zeros((*lost.shape[:3], len(channels)), dtype=bool)
    for place, name in enumerate(channels):
        if name in gaps.channels:
            fitted[..., place] = lost[..., gaps.channels.index(name)]
    return fitted


@cache
def _same(path: Path, sha256: str) -> GapFile:
    """The file, which must still be the one that the protocol was read with."""
    gaps = read_gaps(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise HarbenchError(f"{path} changed after the protocol was read. Start again.")
    return gaps
