"""Closing short gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harbench.data.devices import aligned
from harbench.data.gaps import close_gaps, on_grid
from harbench.dataset import DatasetInfo, Sensor

NAN = float("nan")


def test_short_gaps_are_lines_and_long_ones_stay() -> None:
    values = np.array([NAN, 1, NAN, 3, NAN, NAN, NAN, 7, NAN], dtype=np.float32)[:, None]
    time = np.arange(9.0)
    np.testing.assert_array_equal(
        close_gaps(time, values, 2.0)[:, 0], [NAN, 1, 2, 3, NAN, NAN, NAN, 7, NAN]
    )
    np.testing.assert_array_equal(
        close_gaps(time, values, 4.0)[:, 0], [NAN, 1, 2, 3, 4, 5, 6, 7, NAN]
    )
    np.testing.assert_array_equal(close_gaps(time, values, 0.0), values)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.floats(0, 10))
def test_a_straight_line_is_restored_and_present_values_are_kept(
    present: list[bool], longest: float
) -> None:
    line = np.arange(len(present), dtype=np.float32)[:, None, None] * np.ones((1, 2, 3))
    values = np.where(np.array(present)[:, None, None], line, NAN).astype(np.float32)
    before = values.copy()
    filled = close_gaps(np.arange(len(present)) * 1.0, values, longest)
    known = ~np.isnan(filled)
    np.testing.assert_allclose(filled[known], line[known], rtol=1e-6)
    assert known[np.array(present)].all()
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("offset", [0.0, 0.013, 1.7])
@pytest.mark.parametrize("frequency", [3.0, 28.0, 80.0])
def test_denser_samples_on_a_grid_leave_no_alias(offset: float, frequency: float) -> None:
    """342 Hz to 50 Hz, a long pause in it: only the ends of its two parts may hold an alias."""
    time = np.cumsum(np.random.default_rng(1).uniform(0.7, 1.3, 2000) / 342)
    time = time[(time < 2.5) | (time > 3.1)]
    grid = time[0] + offset + np.arange(180) / 50
    signal = np.sin(2 * np.pi * frequency * time)[:, None]
    found = on_grid(time, signal, grid, 0.2)[:, 0]
    pause = (grid > time[time < 2.5][-1]) & (grid < time[time > 3.1][0])
    assert (np.isnan(found) == pause).all()
    expected = np.sin(2 * np.pi * frequency * grid) if frequency < 25 else np.zeros(len(grid))
    near = (np.abs(grid - 2.5) < 0.3) | (np.abs(grid - 3.1) < 0.3) | (grid < time[0] + 0.25)
    assert np.abs(found - expected)[~near & ~pause].max() < 0.05


@given(count=st.integers(2, 60), spare=st.integers(0, 40), rate=st.sampled_from([20.0, 50.0, 90.0]))
def test_a_ramp_on_a_grid_stays(count: int, spare: int, rate: float) -> None:
    grid = 1.0 + np.arange(count) / rate
    time = np.linspace(grid[0] - spare / 100, grid[-1] + spare / 200, 4 * count + 2 * spare)
    assert np.allclose(on_grid(time, time[:, None], grid, 1.0)[:, 0], grid, atol=1e-4)


@given(st.lists(st.booleans(), min_size=4, max_size=40), st.sampled_from([0, 0.007, 0.013]))
def test_what_a_device_lacks_is_missing_on_the_common_grid(
    present: list[bool], late: float
) -> None:
    """As in one table of all sensors: an empty cell is missing, however short the gap."""
    info = DatasetInfo("t", (Sensor("wrist", (0, 0, 0)),), ("x",), ("g",), ("a",), 50.0, "", "")
    time = np.arange(len(present)) / 50
    values = np.where(present, np.arange(len(present)), NAN).astype(np.float32)[:, None, None]
    device = {"wrist": (time, values, None), "wrist.late": (time + late, values * NAN, None)}
    grid, found, _ = aligned(device, info, 0.2, "here")
    lines = np.interp(grid, time, values[:, 0, 0])
    exact = np.isin(grid, time)
    lines[exact] = values[np.searchsorted(time, grid[exact]), 0, 0]
    # One value gives no line.
    if sum(present) > 1:
        np.testing.assert_array_equal(np.isnan(found[:, 0, 0]), np.isnan(lines))
