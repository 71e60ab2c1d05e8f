"""RealWorld's loader on the genuine excerpt of subject 1 in $HARBENCH_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from harbench.data import store
from harbench.data.gaps import on_grid
from harbench.dataset import Recording

EXCERPT = Path(os.environ.get("HARBENCH_DATA", "")) / "realworld-excerpt.zip"
pytestmark = pytest.mark.skipif(
    not EXCERPT.is_file(), reason="the genuine realworld-excerpt.zip is not in $HARBENCH_DATA"
)
SHIN, WAIST = 3, 6
THERE = [1, SHIN, WAIST]
STRETCH, STRIDES = 75, range(40, 75)


@pytest.fixture(scope="module")
def walking() -> Recording:
    _, found = store.resolve("realworld")[1].recordings(EXCERPT)
    return found


@pytest.fixture(scope="module")
def raw() -> tuple[np.ndarray, np.ndarray]:
    """The waist's stamps in seconds and accelerations."""
    _, dataset = store.resolve("realworld")
    (waist,) = (s for s in dataset.stamped(EXCERPT) if s.name == "proband01-walking-1.waist.acc")
    return waist.stamps, waist.values


def test_no_false_gap(walking: Recording) -> None:
    # The forearm's doubtful 0.89 s are samples too many, not too few: no gap either.
    assert not np.isnan(walking.values[:, THERE, :3]).any()
    assert not np.isnan(walking.values[:, SHIN, 3:6]).any()
    assert walking.name == "proband01-walking-1" and 639 < walking.time[-1] < 640


def test_stalled_strides_are_like_the_ones_before(
    walking: Recording, raw: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, samples = raw
    stalls = stamps[np.flatnonzero(np.diff(stamps) > 0.5)] - stamps[0]
    assert len(stalls) == 12
    by_stamps = on_grid(stamps - stamps[0], samples, walking.time, np.inf)
    repaired = walking.values[:, WAIST, :3]
    calm = np.arange(30, 600, 7.0)
    calm = calm[np.abs(calm[:, None] - stalls).min(axis=1) > 5]
    before, after, usual = (
        np.median([likeness(signal, time) for time in times])
        for signal, times in ((by_stamps, stalls), (repaired, stalls), (repaired, calm))
    )
    assert before < 0.5 and after > 0.7 and after > usual - 0.15, (before, after, usual)


def likeness(signal: np.ndarray, time: float) -> float:
    """The best correlation of 1.5 s from `time` on with what lies one stride earlier."""
    begin = round(50 * time)
    here = signal[begin : begin + STRETCH]
    return max(correlation(here, signal[begin - lag : begin - lag + STRETCH]) for lag in STRIDES)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(axis=0), other - other.mean(axis=0)
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def test_the_bare_excerpt_is_prepared_and_all_is_said() -> None:
    data = store.prepare("realworld", EXCERPT)
    said = "\n".join(store.notes(data.spec))
    assert "arrival times" in said and "INCOMPLETE: realworld-excerpt.zip lacks 309 of" in said
    assert "Sensor chest is wholly missing." in said
    assert not np.isnan(data.windows[:, :, WAIST, :3]).any()
