"""Corruption as augmentation."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from harbench.data.augment import LARGEST_RATE, lose_at_random

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


def test_the_generator_decides() -> None:
    x = torch.ones(8, 20, 3, 2)
    first, second, other = (
        lose_at_random(x, x > 0, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, second) and not torch.equal(first, other)
