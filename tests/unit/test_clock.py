"""Sampling times from arrival times: stalls are undone, losses stay, order is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harbench.data.clock import sampling_times, stalls

COUNT = 4000
periods = st.floats(0.005, 0.05)
seeds = st.integers(0, 2**32 - 1)


def arrivals(sampled: np.ndarray, seed: int, stalls: int = 8) -> np.ndarray:
    """Whole ms, up to 1 ms of jitter; in a stall nothing comes, then all at 1 ms each."""
    draws = np.random.default_rng(seed)
    stamps = sampled + draws.uniform(0, 0.001, len(sampled))
    period = np.median(np.diff(sampled))
    for begin in np.sort(draws.choice(len(sampled) // 200 - 1, stalls, replace=False)) * 200 + 20:
        length = int(draws.integers(2, 100))
        inside = np.arange(begin, begin + 2 * length)
        release = sampled[begin] + length * period
        late = release + 0.001 * (inside - begin)
        stamps[inside] = np.maximum(stamps[inside], late)
    return np.round(np.maximum.accumulate(stamps), 3)


@settings(max_examples=40)
@given(period=periods, seed=seeds)
def test_stalls_are_undone(period: float, seed: int) -> None:
    sampled = 1e9 + period * np.arange(COUNT)
    stamps = arrivals(sampled, seed)
    times, kept = sampling_times(stamps)
    assert np.abs(stamps - sampled).max() > 0.003 and kept.all()
    np.testing.assert_allclose(times, sampled, rtol=0, atol=0.002)


@settings(max_examples=40)
@given(period=periods, seed=seeds, lost=st.integers(2, 200), place=st.integers(160, COUNT - 160))
def test_a_loss_stays_a_gap_of_its_length(period: float, seed: int, lost: int, place: int) -> None:
    sampled = period * np.delete(np.arange(COUNT + lost), np.arange(place, place + lost))
    stamps = np.round(sampled + np.random.default_rng(seed).uniform(0, 0.001, COUNT), 3)
    times, kept = sampling_times(stamps)
    pauses = np.diff(times)
    assert kept.all() and np.argmax(pauses) == place - 1
    assert pauses[place - 1] == pytest.approx((lost + 1) * period, abs=0.002)
    np.testing.assert_allclose(times, sampled, rtol=0, atol=0.002)


@settings(max_examples=20)
@given(seed=seeds, place=st.integers(1000, COUNT - 1200))
def test_stalls_do_not_hide_a_loss(seed: int, place: int) -> None:
    sampled = 0.02 * np.delete(np.arange(COUNT + 50), np.arange(place, place + 50))
    times, _ = sampling_times(arrivals(sampled, seed, stalls=5))
    assert np.diff(times).max() > 0.2
    away = np.abs(np.arange(COUNT) - place) > 250
    np.testing.assert_allclose(times[away], sampled[away], rtol=0, atol=0.002)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=2500), st.booleans())
def test_any_stamps_give_increasing_times_that_are_not_late(steps: list[int], equal: bool) -> None:
    stamps = np.cumsum(np.array(steps) + (not equal)) / 1000
    times, kept = sampling_times(stamps)
    assert (np.diff(times) > 0).all() and len(times) == kept.sum() > 0
    assert (times <= stamps[kept] + 1e-9).all()
    assert equal or kept.all()


@settings(max_examples=100)
@given(periods, st.integers(1, 3000))
def test_a_clean_series_is_left(period: float, count: int) -> None:
    stamps = np.round(period * np.arange(count), 3)
    times, kept = sampling_times(stamps)
    assert kept.all()
    np.testing.assert_allclose(times, stamps, rtol=0, atol=0.004)


@pytest.mark.parametrize(("catches_up", "found"), [(True, 5), (False, 0)])
def test_a_stall_differs_from_a_pause(catches_up: bool, found: int) -> None:
    """A sensor that was switched off and goes on at its rate has no stall."""
    time = np.arange(3000) / 50
    kept = np.ones(len(time), dtype=bool)
    late = time.copy()
    for begin in range(5, 55, 10):
        held = (time >= begin) & (time < begin + 1)
        kept &= catches_up | ~held
        late[held] = begin + 0.99 + np.arange(held.sum()) / 1e4
    assert stalls(late[kept], 0.2) == found
    assert stalls(late[:300][kept[:300]], 0.2) == 0 and stalls(time[:2], 0.2) == 0
