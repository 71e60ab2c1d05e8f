"""Losses as they happen: exact as stated, nested, seeded, consistent on the signal."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harbench.data.losses import BURST, lose
from harbench.data.lost import Missing, Part
from harbench.data.missing import corruptions
from harbench.data.source import Standardiser, WindowSource
from harbench.data.store import from_arrays
from harbench.dataset import DatasetInfo, HARDataset, Sensor
from harbench.errors import HarbenchError
from harbench.protocol import OF_SENSORS, Condition, Loss
from harbench.testing.windows import training
from harbench.training.fit import fit

LOSSES = get_args(Loss)
RATES = (0.05, 0.1, 0.25, 0.5)
ALL = slice(None)
shapes = st.tuples(st.integers(4, 24), st.integers(2, 5), st.integers(1, 4))


def data(
    shape: tuple[int, int, int], recordings: int = 4, each: int = 6, step: int = 0, gaps: float = 0
) -> HARDataset:
    """Recordings of `each` windows, two of a subject, cut every `step` samples (side by side)."""
    steps, sensors, channels = shape
    step = step or steps
    rng = np.random.default_rng(recordings)
    count = recordings * each
    signal = rng.normal(size=(recordings, each * step + steps, sensors, channels))
    signal[rng.random(signal.shape[:3]) < gaps] = np.nan
    starts = np.tile(np.arange(each) * step, recordings)
    owners = np.repeat(np.arange(recordings), each)
    windows = np.stack([signal[r, s : s + steps] for r, s in zip(owners, starts, strict=True)])
    places = tuple(Sensor(f"s{i}", (0.0, 0.0, 0.0)) for i in range(sensors))
    names = tuple(f"c{i}" for i in range(channels))
    info = DatasetInfo("t", places, names, names, ("a", "b"), 10.0, "", "")
    made = from_arrays(windows, np.arange(count) % 2, info)
    subjects = np.array([f"p{owner // 2}" for owner in owners])
    return replace(made, recordings=owners, starts=starts, subjects=subjects)


def under(scale: str, rate: float, dataset: HARDataset, seed: int = 0) -> Missing:
    """The corruption of all windows."""
    part = Part(dataset, np.arange(len(dataset)), seed)
    return lose(Condition(scale=scale, rate=rate), part)  # type: ignore[arg-type]


def touched(scale: str, rate: float, dataset: HARDataset, seed: int = 0) -> np.ndarray:
    """(W, T, N, C), True where a value is lost or its sensor is stuck."""
    found = under(scale, rate, dataset, seed)
    lost = ~found.observed(ALL)
    if found.stuck is not None:
        lost |= (np.arange(found.steps)[:, None] >= found.stuck[:, None])[..., None]
    return lost


@settings(max_examples=60)
@given(
    scale=st.sampled_from(LOSSES),
    rate=st.sampled_from(RATES),
    shape=shapes,
    each=st.integers(1, 8),
    step=st.integers(0, 8),
    seed=st.integers(0, 9),
)
def test_rates_are_exact_as_each_definition_says(
    scale: str, rate: float, shape: tuple[int, int, int], each: int, step: int, seed: int
) -> None:
    steps, sensors, channels = shape
    made = data(shape, each=each, step=step)
    count = len(made)
    lost = touched(scale, rate, made, seed)
    wanted = rate * lost.size
    if scale == "joint":
        assert 0 <= wanted - lost.sum() < steps * channels + steps + sensors * channels + 1
    elif scale in ("blackout", "strap"):
        longest = each if scale == "blackout" else 2 * each
        whole = lost.all(axis=(1, 3))
        assert (lost.any(axis=(1, 3)) == whole).all()
        off = abs(whole.sum() - rate * count * sensors)
        assert off <= longest / 2 or whole.sum() == longest
    elif scale == "burst":
        line = Part(made, np.arange(count), seed).timeline
        cells = np.zeros((len(line.since), sensors), dtype=bool)
        cells[line.of] = lost.all(axis=3)
        assert (cells[line.of] == lost.any(axis=3)).all()
        assert cells.sum() == round(rate * cells.size)
    elif scale == "stuck":
        assert lost.any(axis=3).sum() == round(rate * count * steps * sensors)
        assert not lost[:, 0].any()
    else:
        each_channel = lost.sum(axis=(0, 1))
        assert (each_channel == round(rate * count * steps)).all()


@settings(max_examples=60)
@given(
    scale=st.sampled_from(LOSSES),
    shape=shapes,
    step=st.integers(0, 8),
    gaps=st.sampled_from([0, 0.3]),
    seed=st.integers(0, 9),
    rates=st.lists(st.floats(0.01, 0.45), min_size=2, max_size=4).map(sorted),
)
def test_lower_rates_are_nested_and_a_window_keeps_something(
    scale: str,
    shape: tuple[int, int, int],
    step: int,
    gaps: float,
    seed: int,
    rates: list[float],
) -> None:
    made = data(shape, step=step, gaps=gaps)
    masks = [touched(scale, rate, made, seed) for rate in rates]
    assert all((low <= high).all() for low, high in itertools.pairwise(masks))
    if scale not in ("saturated", "stuck"):
        has = ~np.isnan(made.windows)
        left = (has & ~masks[-1]).any(axis=(1, 2, 3))
        assert scale == "joint" or (left == has.any(axis=(1, 2, 3))).all()
        # The channel that a joint loss leaves may have a gap of its own outside the segment.
        assert not masks[-1].all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize("scale", LOSSES)
def test_they_depend_on_seed_part_and_data_alone(scale: str) -> None:
    made = data((12, 4, 3), recordings=8)
    base = touched(scale, 0.25, made)
    assert (touched(scale, 0.25, made) == base).all()
    if scale != "saturated":
        other = replace(made, fingerprint="other")
        assert (touched(scale, 0.25, made, seed=1) != base).any()
        assert (touched(scale, 0.25, other) != base).any()


@settings(max_examples=30)
@given(scale=st.sampled_from(LOSSES), rows=st.lists(st.integers(0, 23), min_size=1, max_size=9))
def test_some_windows_have_the_corruption_that_all_have(scale: str, rows: list[int]) -> None:
    made, chosen = data((10, 3, 2), step=5), np.array(rows)
    whole = under(scale, 0.25, made)
    some = whole.select(chosen)
    assert (some.observed(ALL) == whole.observed(ALL)[chosen]).all()
    assert (whole.observed(chosen) == some.observed(ALL)).all()
    expected = whole.values(made.windows, ALL)[chosen]
    np.testing.assert_array_equal(some.values(made.windows[chosen], ALL), expected)


@settings(max_examples=30)
@given(scale=st.sampled_from(["blackout", "strap", "burst"]), step=st.integers(1, 9))
def test_overlapping_windows_agree_on_what_is_lost(scale: str, step: int) -> None:
    made = data((10, 3, 2), step=step)
    lost = touched(scale, 0.25, made)
    line = Part(made, np.arange(len(made)), 0).timeline
    cells = np.zeros((len(line.since), 3, 2), dtype=bool)
    cells[line.of] = lost
    assert (cells[line.of] == lost).all()


def test_bursts_are_geometric_with_their_mean() -> None:
    """At a small rate few meet: (1 - p)-quantiles of the runs fit a memoryless law."""
    steps, rate = 5, 0.02
    made = data((steps, 6, 1), recordings=6, each=2000)
    part = Part(made, np.arange(len(made)), 0)
    lost = ~under("burst", rate, made).observed(ALL)[..., 0]
    cells = np.zeros((len(part.timeline.since), 6), dtype=int)
    cells[part.timeline.of] = lost
    edges = np.diff(np.pad(cells.T, ((0, 0), (1, 1))), axis=1)
    runs = np.argwhere(edges == -1)[:, 1] - np.argwhere(edges == 1)[:, 1]
    mean = BURST * steps / (1 - rate)
    assert len(runs) > 300
    assert runs.mean() == pytest.approx(mean, rel=0.15)
    assert np.mean(runs > mean) == pytest.approx(np.exp(-1), abs=0.07)


def test_a_burst_goes_on_through_a_pause_between_windows() -> None:
    """Windows far apart in a recording are as good as independent, near ones are not."""

    def agreement(step: int) -> float:
        made = data((4, 3, 1), recordings=2, each=800, step=step)
        lost = touched("burst", 0.3, made)[:, :, :, 0].any(axis=1).reshape(2, 800, 3)
        return float((lost[:, 1:] & lost[:, :-1]).sum() / lost[:, :-1].sum())

    assert agreement(4) > agreement(40) + 0.2


def test_stuck_sensors_repeat_their_last_value_and_are_observed() -> None:
    made = data((12, 3, 2), gaps=0.2)
    found = under("stuck", 0.3, made)
    assert found.observed(ALL).all() and found.stuck is not None
    values = found.values(made.windows, ALL)
    for window, sensor, channel in np.ndindex(len(made), 3, 2):
        since = found.stuck[window, sensor]
        before = made.windows[window, :since, sensor, channel]
        after, was = (
            values[window, since:, sensor, channel],
            made.windows[window, since:, sensor, channel],
        )
        np.testing.assert_array_equal(values[window, :since, sensor, channel], before)
        np.testing.assert_array_equal(np.isnan(after), np.isnan(was))
        last = before[~np.isnan(before)][-1:]
        if len(last):
            assert (after[~np.isnan(after)] == last).all()


def test_a_method_sees_what_a_stuck_sensor_repeats() -> None:
    made = data((12, 3, 2))
    part = np.arange(len(made))
    found = under("stuck", 0.3, made)
    source = WindowSource(made, part, Standardiser.fit(made, part), torch.device("cpu"), found)
    x, observed = source.batch(torch.arange(len(made)))
    assert found.stuck is not None and observed.all()
    window, sensor = np.argwhere(found.stuck < 12)[0]
    since = found.stuck[window, sensor]
    assert (x[window, since:, sensor] == x[window, since - 1, sensor]).all()


@settings(max_examples=30)
@given(rate=st.floats(0.01, 0.9), decimals=st.integers(0, 3))
def test_saturated_values_are_the_farthest(rate: float, decimals: int) -> None:
    made = data((12, 2, 2), gaps=0.1)
    made = replace(made, windows=np.round(made.windows, decimals))
    lost = touched("saturated", rate, made)
    there = ~np.isnan(made.windows)
    assert not (lost & ~there).any()
    for sensor, channel in np.ndindex(2, 2):
        pick = (ALL, ALL, sensor, channel)
        values = made.windows[pick][there[pick]]
        gone = lost[pick][there[pick]]
        far = np.abs(values - np.median(values))
        assert gone.sum() == round(rate * len(values))
        assert not gone.any() or gone.all() or far[gone].min() >= far[~gone].max()


def test_what_does_not_fit_is_said_in_words() -> None:
    lone = data((6, 1, 3))
    with pytest.raises(HarbenchError, match="each moment keeps one of 1 sensors"):
        under("burst", 0.2, lone)
    with pytest.raises(HarbenchError, match="Leave the scale 'blackout' out"):
        under("blackout", 0.2, lone)
    with pytest.raises(HarbenchError, match=r"stuck 95 %: .* Use a smaller rate"):
        under("stuck", 0.95, lone)
    for scale in set(LOSSES) - OF_SENSORS:
        assert touched(scale, 0.25, lone).any()
    # Each window has one of two sensors in turn, so that no recording can do without either.
    gappy = data((6, 2, 1), each=8)
    gappy.windows[::2, :, 0] = gappy.windows[1::2, :, 1] = np.nan
    gappy.windows[gappy.recordings == 0] = 0.0
    with pytest.raises(HarbenchError, match=r"whole sensors can lose \d+ % here"):
        under("blackout", 0.9, gappy)


@settings(max_examples=20)
@given(scale=st.sampled_from(LOSSES), shape=shapes)
def test_half_of_everything_can_go(scale: str, shape: tuple[int, int, int]) -> None:
    assume(scale != "stuck" or shape[0] > 4)
    lost = touched(scale, 0.5, data(shape, recordings=6))
    assert 0.3 < lost.mean() < 0.6


def test_a_condition_is_the_same_alone_and_among_others() -> None:
    made = data((10, 3, 2))
    conditions = [Condition(scale=scale, rate=0.1) for scale in ("mixed", *LOSSES)]
    found = dict(corruptions(conditions, made, np.arange(len(made)), 0))
    for scale in LOSSES:
        condition = Condition(scale=scale, rate=0.1)
        alone = under(scale, 0.1, made)
        assert (found[condition].observed(ALL) == alone.observed(ALL)).all()


@pytest.mark.parametrize("scale", LOSSES)
def test_training_windows_can_lose_the_same(scale: str) -> None:
    """What a matrix of training faults by test faults needs: the labelled windows have it, too."""
    clean = training("cnn", data((16, 3, 2), recordings=10))
    faulty = replace(clean, train_missing=Condition(scale=scale, rate=0.3))  # type: ignore[arg-type]
    weights = [fit(each).network.state_dict() for each in (clean, faulty)]
    assert all(torch.isfinite(value).all() for value in weights[1].values())
    assert any((weights[1][key] != value).any() for key, value in weights[0].items())


@settings(max_examples=20)
@given(shape=shapes, rate=st.floats(0.5, 0.95), seed=st.integers(0, 9))
def test_a_joint_loss_leaves_a_present_channel_outside_the_segment(
    shape: tuple[int, int, int], rate: float, seed: int
) -> None:
    made = data(shape, recordings=6)
    windows = np.array(made.windows)
    windows[::2, :, 1:] = np.nan
    found = under("joint", rate, replace(made, windows=windows), seed)
    left = ~found.lost & ~np.isnan(windows).all(axis=1)
    assert left.any(axis=(1, 2)).all() and (found.end - found.begin < shape[0]).all()
