"""Corruption: exact rates, nested, never a whole window, the same for everyone."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harbench.data.lost import Part
from harbench.data.missing import Missing, corrupt
from harbench.data.store import from_arrays
from harbench.dataset import DatasetInfo, Sensor
from harbench.errors import HarbenchError
from harbench.evaluation import EVALUATOR
from harbench.protocol import Condition

SCALES = ("segment", "channel", "sensor", "mixed")
RATES = (0.05, 0.10, 0.15)
shapes = st.tuples(st.integers(2, 80), st.integers(2, 7), st.integers(1, 9))


def mask(
    scale: str,
    rate: float,
    count: int,
    shape: tuple[int, int, int],
    seed: int = 0,
    fingerprint: str = "f",
) -> np.ndarray:
    """True where missing, (W, T, N, C)."""
    condition = Condition(scale=scale, rate=rate)  # type: ignore[arg-type]
    return ~corrupt(condition, count, shape, fingerprint, seed).observed(slice(None))


@settings(max_examples=80)
@given(
    scale=st.sampled_from(SCALES[:3]),
    rate=st.floats(0.01, 0.45),
    count=st.integers(1, 60),
    shape=shapes,
    seed=st.integers(0, 10),
)
def test_rates_are_exact_and_no_window_is_lost(
    scale: str, rate: float, count: int, shape: tuple[int, int, int], seed: int
) -> None:
    steps, sensors, channels = shape
    assume(scale != "sensor" or round(rate * count * sensors) <= count * (sensors - 1))
    lost = mask(scale, rate, count, shape, seed)
    if scale == "segment":
        runs = lost.all(axis=(2, 3))
        assert (lost.any(axis=(2, 3)) == runs).all()
        assert (runs.sum(axis=1) == round(rate * steps)).all()
        edges = np.diff(np.pad(runs, ((0, 0), (1, 1))).astype(int), axis=1)
        assert ((edges == 1).sum(axis=1) <= 1).all()
    else:
        cells = lost.all(axis=1)
        assert (lost.any(axis=1) == cells).all()
        if scale == "sensor":
            assert (cells.all(axis=2) == cells.any(axis=2)).all()
            assert cells.all(axis=2).sum() == round(rate * count * sensors)
        else:
            assert cells.sum() == round(rate * count * sensors * channels)
    assert not lost.all(axis=(1, 2, 3)).any()


@settings(max_examples=40)
@given(
    scale=st.sampled_from(SCALES), count=st.integers(1, 80), shape=shapes, seed=st.integers(0, 9)
)
def test_lower_rates_are_nested_in_higher_ones(
    scale: str, count: int, shape: tuple[int, int, int], seed: int
) -> None:
    masks = [mask(scale, rate, count, shape, seed) for rate in RATES]
    assert all((low <= high).all() for low, high in itertools.pairwise(masks))


def test_mixed_gives_each_scale_a_third_of_the_windows() -> None:
    _, sensors, channels = shape = (50, 5, 9)
    lost = mask("mixed", 0.10, 300, shape)
    segment = lost.all(axis=(2, 3)).any(axis=1)
    assert segment.sum() == 100
    assert (lost[segment].all(axis=(2, 3)).sum(axis=1) == 5).all()
    whole_sensors = lost[~segment].all(axis=(1, 3)).sum()
    assert lost[~segment].all(axis=1).sum() - channels * whole_sensors == pytest.approx(
        round(0.10 * 100 * sensors * channels), abs=channels
    )
    assert whole_sensors == pytest.approx(round(0.10 * 100 * sensors), abs=1)
    assert lost.mean() == pytest.approx(0.10, abs=1e-3)


def test_it_depends_on_fingerprint_seed_and_scale() -> None:
    base = mask("channel", 0.1, 50, (20, 3, 4))
    assert (mask("channel", 0.1, 50, (20, 3, 4)) == base).all()
    assert (mask("channel", 0.1, 50, (20, 3, 4), seed=1) != base).any()
    assert (mask("channel", 0.1, 50, (20, 3, 4), fingerprint="g") != base).any()


def test_a_part_of_the_windows_has_the_same_mask() -> None:
    whole: Missing = corrupt(Condition(scale="mixed", rate=0.1), 60, (20, 3, 4), "f", 0)
    rows = np.array([7, 3, 41])
    assert (whole.select(rows).observed(slice(None)) == whole.observed(slice(None))[rows]).all()
    assert (whole.observed(rows) == whole.observed(slice(None))[rows]).all()


@settings(max_examples=40)
@given(
    scale=st.sampled_from(["channel", "sensor"]),
    rate=st.sampled_from([0.1, 0.3, 0.5]),
    seed=st.integers(0, 5),
    gaps=st.integers(0, 2**15 - 1),
)
def test_a_window_keeps_what_it_alone_has(scale: str, rate: float, seed: int, gaps: int) -> None:
    """With gaps of its own a window never loses the last sensor (channel) that has values."""
    present = np.ones((30, 5, 3), dtype=bool)
    present[:15] = np.array([gaps >> bit & 1 for bit in range(15)], dtype=bool).reshape(5, 3)
    condition = Condition(scale=scale, rate=rate)  # type: ignore[arg-type]
    lost = corrupt(condition, 30, (10, 5, 3), "f", seed, present=present).lost
    cells, had = (lost, present) if scale == "channel" else (lost.all(axis=2), present.any(axis=2))
    assert cells.sum() == round(rate * cells.size)
    left = (had & ~cells).reshape(30, -1).any(axis=1)
    assert (left == had.reshape(30, -1).any(axis=1)).all()


@settings(max_examples=200)
@given(
    scale=st.sampled_from(["channel", "sensor"]),
    present=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=5),
    seed=st.integers(0, 100),
)
def test_every_window_that_has_something_keeps_something(
    scale: str, present: list[list[bool]], seed: int
) -> None:
    """One sensor of one channel each; a window that has nothing needs no protection."""
    has = np.array(present)[:, :, None]
    keeping = int(has.any(axis=(1, 2)).sum())
    rate = (has.size - keeping) / has.size
    assume(0 < rate < 1)
    condition = Condition(scale=scale, rate=rate)  # type: ignore[arg-type]
    lost = corrupt(condition, len(has), (4, 3, 1), "f", seed, present=has).lost
    assert lost.sum() == has.size - keeping, "all but one of each window that has something"
    assert ((has & ~lost).any(axis=(1, 2)) == has.any(axis=(1, 2))).all()


def test_clean_windows_lose_nothing() -> None:
    assert not mask("clean", 0.0, 5, (4, 2, 2)).any()


@pytest.mark.parametrize(
    ("sensors", "channels", "scales"),
    [(1, 1, {"segment"}), (1, 2, {"segment", "channel"}), (2, 1, {"channel", "sensor", "segment"})],
)
def test_mixed_draws_from_all_scales_that_a_shape_can_have(
    sensors: int, channels: int, scales: set[str]
) -> None:
    condition = Condition(scale="mixed", rate=0.5)
    missing = corrupt(condition, 60, (10, sensors, channels), "f", 0)
    share = 60 // len(scales)
    assert (missing.end > missing.begin).sum() == share
    # Of two cells each scale takes half of its windows' cells.
    assert missing.lost.any(axis=(1, 2)).sum() == (len(scales) - 1) * share


def test_present_channels_are_those_with_any_value() -> None:
    windows = np.zeros((5, 6, 2, 3), dtype=np.float32)
    windows[2, :, 1, 0] = np.nan
    windows[3, 1:, 0, 0] = np.nan
    info = DatasetInfo("t", (Sensor("s", (0, 0, 0)),), ("x",), ("g",), ("a", "b"), 10.0, "", "")
    found = Part(from_arrays(windows, np.arange(5) % 2, info), np.arange(5), 0).present
    assert np.argwhere(~found).tolist() == [[2, 1, 0]]


def test_one_sensor_loses_no_sensor_and_mixed_draws_from_the_rest() -> None:
    lost = mask("mixed", 0.2, 40, (20, 1, 3))
    segments = lost.all(axis=(2, 3)).any(axis=1)
    assert segments.sum() == 20 and not lost[~segments].all(axis=(1, 2, 3)).any()
    assert (mask("mixed", 0.2, 40, (20, 1, 1)).all(axis=(2, 3)).sum(axis=1) == 4).all()


def test_the_bits_are_those_of_evaluator_2() -> None:
    """Records stay valid only as long as the same windows lose the same values."""
    present = np.random.default_rng(0).random((70, 5, 9)) < 0.9
    digest = hashlib.sha256()
    for scale, rate in itertools.product(SCALES, RATES):
        condition = Condition(scale=scale, rate=rate)  # type: ignore[arg-type]
        for part, has in (("test", None), ("train", present)):
            found = corrupt(condition, 70, (50, 5, 9), "f", 3, part, has)
            digest.update(np.packbits(found.observed(slice(None))).tobytes())
    pinned = "5f77e79caf08d59aaa2dc82929949707fd874dd58ecb6c3c24535897eaa8b2be"
    assert digest.hexdigest() == pinned and EVALUATOR == 2


@pytest.mark.parametrize("sensors", [2, 3, 5, 7])
def test_half_of_the_sensors_can_go(sensors: int) -> None:
    for scale in ("sensor", "mixed"):
        lost = mask(scale, 0.5, 31, (20, sensors, 2))
        assert not lost.all(axis=(1, 2, 3)).any()
        assert lost.mean() == pytest.approx(0.5, abs=0.02)


def test_an_impossible_rate_is_refused() -> None:
    with pytest.raises(HarbenchError, match="keeps one of its 1 sensors"):
        mask("sensor", 0.1, 50, (20, 1, 3))
    with pytest.raises(HarbenchError, match="would remove all 20 steps"):
        mask("segment", 0.99, 50, (20, 2, 3))


def test_windows_with_gaps_are_found_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from harbench.data import lost, missing
    from harbench.testing.windows import made_up

    monkeypatch.setattr(lost, "BLOCK", 7)
    data = made_up((40, 2, 3))
    windows = np.array(data.windows)
    windows[[0, 8, 20], 3, 1, 2] = np.nan
    data = type(data)(**{**vars(data), "windows": windows})
    test = np.array([20, 1, 2, 0, 3, 4, 5, 6, 8, 9])
    found = missing.counted(Condition(scale="gaps"), data, test, 0)
    assert found.tolist() == np.isin(test, [0, 8, 20]).tolist()
