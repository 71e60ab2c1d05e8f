"""Corruption as augmentation."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harbench.data.augment import LARGEST_RATE, lose_at_random, suffer
from harbench.method import Augment

FAULTS = [fault for fault in get_args(Augment) if fault != "none"]

size = st.integers(1, 9)


@given(st.integers(1, 40), st.integers(2, 60), size, size, st.integers(0, 2**32))
def test_what_is_lost_is_zero_and_nothing_loses_everything(
    batch: int, steps: int, sensors: int, channels: int, seed: int
) -> None:
    draws = torch.Generator().manual_seed(seed)
    x = torch.rand(batch, steps, sensors, channels, generator=draws) + 1
    observed = torch.rand(x.shape, generator=draws) < 0.9
    kept = x.clone(), observed.clone()
    lost, seen = lose_at_random(x, observed, draws)
    assert torch.equal(x, kept[0]) and torch.equal(observed, kept[1])
    assert not (seen & ~observed).any()
    assert torch.equal(lost[lost != 0], x[lost != 0])
    assert (lost != 0).flatten(1).any(dim=1).all()
    assert not seen[lost == 0].any()


def test_a_window_loses_one_scale_at_a_rate_up_to_the_largest() -> None:
    draws = torch.Generator().manual_seed(0)
    x = torch.ones(3000, 50, 5, 9)
    lost = lose_at_random(x, x > 0, draws)[0] == 0
    whole = lost.all(dim=1)
    sensors = whole.all(dim=2).any(dim=1)
    segments = lost.flatten(2).all(dim=2)
    segment = segments.any(dim=1)
    channels = whole.flatten(1).any(dim=1) & ~sensors
    assert not (segment & whole.flatten(1).any(dim=1)).any()
    assert segments.float().mean(dim=1).max() <= LARGEST_RATE
    for scale, share in ((segment, 1 / 3), (channels, 1 / 3), (sensors, 0.2)):
        assert abs(float(scale.float().mean()) - share) < 0.04
    # A third of the windows each, at 15 % on average.
    assert abs(float(lost.float().mean()) - 0.15) < 0.01


@pytest.mark.parametrize("fault", FAULTS)
def test_the_generator_decides(fault: Augment) -> None:
    x = torch.rand(8, 20, 3, 2) + 1
    first, second, other = (
        suffer(x, x > 0, fault, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, second) and not torch.equal(first, other)


@given(st.sampled_from(FAULTS), st.integers(1, 20), st.integers(2, 40), size, size, st.integers(0))
def test_no_fault_adds_or_changes_what_it_should_not(
    fault: Augment, batch: int, steps: int, sensors: int, channels: int, seed: int
) -> None:
    draws = torch.Generator().manual_seed(seed % 2**32)
    x = torch.rand(batch, steps, sensors, channels, generator=draws) + 1
    observed = torch.rand(x.shape, generator=draws) < 0.9
    x = x * observed
    kept = x.clone(), observed.clone()
    found, seen = suffer(x, observed, fault, draws)
    assert torch.equal(x, kept[0]) and torch.equal(observed, kept[1])
    assert not (seen & ~observed).any() and (found[~seen] == 0).all()
    if fault != "stuck":
        assert torch.equal(found[seen], x[seen])
    # One sensor at least is as it was, unless a segment is gone.
    if fault in ("sensor", "burst", "stuck"):
        same = ((found == x) & (seen == observed)).all(dim=1).all(dim=2)
        assert same.any(dim=1).all()


def _hit(fault: Augment) -> tuple[torch.Tensor, torch.Tensor]:
    """3,000 windows of rising values after a fault: the values, and where they changed."""
    draws = torch.Generator().manual_seed(0)
    x = torch.arange(1.0, 51).view(1, 50, 1, 1).expand(3000, 50, 5, 3).contiguous()
    found, seen = suffer(x, x > 0, fault, draws)
    assert seen.all() == (fault == "stuck")
    return found, found != x


def test_a_fault_of_one_scale_is_that_of_corruption_in_all_windows() -> None:
    _, segment = _hit("segment")
    assert (segment == segment[:, :, :1, :1]).all() and segment.any()
    _, channel = _hit("channel")
    assert (channel == channel[:, :1]).all() and not (channel == channel[..., :1]).all()
    _, sensor = _hit("sensor")
    assert (sensor == sensor[:, :1, :, :1]).all() and sensor.any()
    for lost in (segment, channel, sensor):
        assert abs(float(lost.float().mean()) - LARGEST_RATE / 2) < 0.01


def test_a_burst_reaches_an_end_of_the_window_or_both() -> None:
    _, lost = _hit("burst")
    assert (lost == lost[..., :1]).all()
    runs = lost[..., 0].transpose(1, 2)[lost[..., 0].any(dim=1)]
    assert (runs[:, 0] | runs[:, -1]).all()
    changes = (runs[:, 1:] != runs[:, :-1]).sum(dim=1)
    assert changes.max() == 1
    # A third goes throughout; of the others some by chance.
    assert abs(float(runs.all(dim=1).float().mean()) - (1 / 3 + 2 / 3 / 50)) < 0.03
    hit = lost.any(dim=1).any(dim=2).float().mean()
    assert abs(float(hit) - LARGEST_RATE / 2) < 0.01


def test_a_stuck_sensor_repeats_one_value_to_the_end_of_the_window() -> None:
    found, changed = _hit("stuck")
    hit = changed.any(dim=1)[..., 0]
    series = found[..., 0].transpose(1, 2)[hit]
    onset = (series == series[:, -1:]).float().argmax(dim=1)
    assert (onset.min(), onset.max()) == (0, 24)
    time = torch.arange(50)
    assert torch.equal(series, torch.minimum(time, onset[:, None]).float() + 1)
    assert abs(float(hit.float().mean()) - LARGEST_RATE / 2) < 0.01


def test_a_joint_loss_has_all_scales_at_about_the_rate() -> None:
    _, lost = _hit("joint")
    whole = lost.all(dim=1)
    segment = lost.flatten(2).all(dim=2).any(dim=1)
    sensor = whole.all(dim=2).any(dim=1)
    both = segment & sensor
    assert 0.1 < both.float().mean() < segment.float().mean()
    assert 0.13 < lost.float().mean() < LARGEST_RATE / 2


def test_saturated_values_are_the_farthest_from_the_training_mean() -> None:
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 50, 2, 3, generator=draws)
    _, seen = suffer(x, torch.ones_like(x, dtype=torch.bool), "saturated", draws)
    kept, lost = x.abs() * seen, torch.where(seen, 9.0, x.abs())
    assert (kept.flatten(1).max(dim=1).values < lost.flatten(1).min(dim=1).values).all()
    assert abs(float((~seen).float().mean()) - LARGEST_RATE / 2) < 0.01
