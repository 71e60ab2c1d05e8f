"""Windowing: on time stamps, never across gaps, labelled by majority."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harbench.data.interpolation import interpolate
from harbench.data.windows import check_recording, cut, resample
from harbench.dataset import Recording, WindowOptions
from harbench.errors import HarbenchError

RATE = 50.0
OPTIONS = WindowOptions(window=10, step=5)


def recording(time: np.ndarray, labels: np.ndarray | None = None) -> Recording:
    """Two sensors, one channel, values equal to the time stamp (and its double)."""
    values = np.stack([time, 2 * time], axis=1)[:, :, None].astype(np.float32)
    labels = np.zeros(len(time), dtype=np.int64) if labels is None else labels
    return Recording("r", "s", time, values, labels)


def regular(count: int, start: float = 0.0) -> np.ndarray:
    return start + np.arange(count) / RATE


def test_a_regular_recording_is_cut_untouched() -> None:
    take = recording(regular(30))
    windows = list(cut(take, RATE, OPTIONS))
    assert [w.start for w in windows] == [0, 5, 10, 15, 20]
    for window in windows:
        assert (window.values == take.values[window.start : window.start + 10]).all()


@settings(max_examples=40)
@given(
    jitter=st.floats(0, 0.9),
    rate=st.sampled_from([20.0, 33.0, 50.0, 120.0]),
    seed=st.integers(0, 99),
)
def test_resampling_follows_the_time_stamps(jitter: float, rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    time = regular(60) + jitter * rng.uniform(-0.5, 0.5, 60) / RATE
    grid, values, labels = resample(recording(time), rate)
    if len(grid) > 1 and not np.array_equal(grid, time):
        assert np.allclose(np.diff(grid), 1 / rate)
    assert grid[0] == time[0] and grid[-1] <= time[-1] + 1e-6
    assert np.allclose(values[:, 0, 0], grid, atol=1e-4)
    assert np.allclose(values[:, 1, 0], 2 * grid, atol=1e-4)
    assert len(labels) == len(grid)


@settings(max_examples=40)
@given(
    first=st.integers(5, 40),
    second=st.integers(5, 40),
    pause=st.floats(0.25, 3),
    window=st.integers(2, 12),
    step=st.integers(1, 12),
)
def test_no_window_crosses_a_gap(
    first: int, second: int, pause: float, window: int, step: int
) -> None:
    time = np.concatenate([regular(first), regular(second, regular(first)[-1] + pause)])
    options = WindowOptions(window=window, step=step)
    windows = list(cut(recording(time), RATE, options))
    expected = sum(max(0, (n - window) // step + 1) for n in (first, second))
    assert len(windows) == expected
    for piece in windows:
        assert np.diff(piece.values[:, 0, 0]).max() < 0.03


def test_starts_on_both_sides_of_a_gap_keep_their_distance_in_time() -> None:
    time = np.concatenate([regular(10), regular(10, 1.0)])
    starts = [w.start for w in cut(recording(time), RATE, OPTIONS)]
    assert starts == [0, 50]


def test_the_label_is_that_of_the_majority() -> None:
    labels = np.array([0] * 14 + [1] * 16)
    windows = list(cut(recording(regular(30), labels), RATE, OPTIONS))
    assert [w.label for w in windows] == [0, 0, 1, 1, 1]
    strict = dataclasses.replace(OPTIONS, label_share=0.95)
    assert [w.start for w in cut(recording(regular(30), labels), RATE, strict)] == [0, 15, 20]


def test_null_windows_are_dropped() -> None:
    labels = np.array([-1] * 12 + [2] * 18)
    assert [w.label for w in cut(recording(regular(30), labels), RATE, OPTIONS)] == [2, 2, 2]


def test_missing_samples_stay_missing_and_do_not_spread() -> None:
    take = recording(regular(20))
    take.values[7, 1] = np.nan
    _, values, _ = resample(take, RATE)
    assert np.isnan(values[:, 1, 0]).nonzero()[0].tolist() == [7]
    _, finer, _ = resample(take, 2 * RATE)
    assert np.isnan(finer[:, 1, 0]).nonzero()[0].tolist() == [13, 14, 15]
    assert not np.isnan(finer[:, 0]).any()


@settings(max_examples=40)
@given(origin=st.integers(0, 1_500_000_000_000))
def test_a_grid_point_on_a_sample_needs_only_that_sample(origin: int) -> None:
    milliseconds = origin + 10 * np.arange(200)
    take = recording(milliseconds / 1000)
    take.values[:] = np.arange(200)[:, None, None]
    take.values[1::2] = np.nan
    _, values, _ = resample(take, RATE)
    assert (values[:, 0, 0] == np.arange(0, 200, 2)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": regular(20)[::-1].copy()}, "must increase"),
        ({"time": np.zeros(20)}, "must increase"),
        ({"labels": np.zeros(3, dtype=np.int64)}, "expected time"),
    ],
)
def test_wrong_recordings_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    take = dataclasses.replace(recording(regular(20)), **change)
    with pytest.raises(HarbenchError, match=message):
        check_recording(take)


def test_infinite_values_are_refused_with_their_place() -> None:
    take = recording(regular(20))
    take.values[4] = np.inf
    with pytest.raises(HarbenchError, match="'r': sample 4 holds an infinite value"):
        check_recording(take)


def tone(time: np.ndarray, frequency: float) -> Recording:
    """One sensor, one channel: a sine of amplitude 1 about 10."""
    values = 10 + np.sin(2 * np.pi * frequency * time)
    return Recording("r", "s", time, values[:, None, None].astype(np.float32),
                     np.zeros(len(time), dtype=np.int64))  # fmt: skip


def uneven(seconds: float = 8.0, seed: int = 0) -> np.ndarray:
    """Stamps like those of CZU-MHAD: 342 Hz that turn into 555 Hz, with jitter."""
    periods = np.concatenate([np.full(int(342 * seconds / 2), 1 / 342),
                              np.full(int(555 * seconds / 2), 1 / 555)])  # fmt: skip
    return np.cumsum(periods * np.random.default_rng(seed).uniform(0.7, 1.3, len(periods)))


STAMPS = {
    "even, a multiple": np.arange(1600) / 200,
    "even, no multiple": np.arange(2736) / 342,
    "uneven": uneven(),
}


@pytest.mark.parametrize("time", STAMPS.values(), ids=STAMPS.keys())
@pytest.mark.parametrize("frequency", [28.0, 45.0, 52.0, 80.0])
def test_what_the_lower_rate_cannot_hold_leaves_no_alias(
    time: np.ndarray, frequency: float
) -> None:
    _, values, _ = resample(tone(time, frequency), RATE)
    assert np.abs(values[12:-12] - 10).max() < 0.05
    assert np.abs(values - 10).max() < 1.2


@pytest.mark.parametrize("time", STAMPS.values(), ids=STAMPS.keys())
@pytest.mark.parametrize("frequency", [0.5, 3.0, 12.0])
def test_what_the_lower_rate_holds_stays(time: np.ndarray, frequency: float) -> None:
    grid, values, _ = resample(tone(time, frequency), RATE)
    expected = 10 + np.sin(2 * np.pi * frequency * grid)
    assert np.abs(values[12:-12, 0, 0] - expected[12:-12]).max() < 0.05


def test_without_a_lower_rate_nothing_is_filtered() -> None:
    """Straight lines, as ever: at the same rate but off the grid, and at a higher one."""
    time = np.arange(400) / RATE * 0.995
    for rate in (RATE, 2 * RATE):
        take = tone(time, 20.0)
        grid, values, _ = resample(take, rate)
        expected = np.interp(grid, time, take.values[:, 0, 0])
        assert np.abs(values[:, 0, 0] - expected).max() < 3e-3


@settings(max_examples=30)
@given(
    holes=st.lists(st.tuples(st.integers(0, 799), st.integers(1, 60)), max_size=12),
    even=st.booleans(),
    level=st.floats(-50, 50),
)
def test_a_low_pass_respects_gaps(holes: list[tuple[int, int]], even: bool, level: float) -> None:
    """Missing exactly where straight lines are; each run is filtered as if it were alone."""
    time = np.arange(800) / 200 if even else uneven(2.0)[:800]
    take = Recording("r", "s", time, np.zeros((800, 2, 1), np.float32), np.zeros(800, np.int64))
    take.values[:, 0, 0], take.values[:, 1, 0] = level, 3 * time
    for begin, length in holes:
        take.values[begin : begin + length] = np.nan
    grid, values, _ = resample(take, RATE)
    lines, _ = interpolate(time, take.values, grid)
    assert (np.isnan(values) == np.isnan(lines)).all()
    # A constant and a ramp come out as they are, at the edges of gaps, too.
    assert np.allclose(values, lines, atol=2e-4, equal_nan=True)


def test_what_lies_behind_a_gap_has_no_influence() -> None:
    time = np.arange(800) / 200
    calm, wild = tone(time, 3.0), tone(time, 3.0)
    for take in (calm, wild):
        take.values[397:401] = np.nan
    wild.values[401:] = 1e6
    ours, theirs = resample(calm, RATE)[1], resample(wild, RATE)[1]
    assert np.array_equal(ours[:100], theirs[:100], equal_nan=True)
    assert np.isfinite(ours[:99]).all() and (theirs[101:] == 1e6).all()


def test_a_burst_of_stamps_does_not_swell_the_fine_grid() -> None:
    """Half of the samples a microsecond apart: 100,000 samples take well under a second."""
    time = np.cumsum(np.tile([1e-6, 1 / 100], 50_000))
    grid, values, _ = resample(tone(time, 2.0), RATE)
    assert len(grid) == pytest.approx(25_000, abs=10)
    assert np.abs(values[:, 0, 0] - 10 - np.sin(4 * np.pi * grid)).max() < 0.02


@pytest.mark.parametrize("rate", [1e-9, 0.02, 0.11, 1.0])
def test_a_rate_with_few_or_no_periods_in_a_stretch(rate: float) -> None:
    time = np.arange(2000) / 200
    grid, values, _ = resample(recording(time), rate)
    assert len(grid) == int(10 * rate - 0.005 * rate) + 1
    assert np.allclose(values[:, 0, 0], grid, atol=1e-3)
