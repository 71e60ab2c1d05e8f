"""Standardised batches: training statistics only, masked values never matter, disk = memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harbench.data import source as module
from harbench.data.missing import corrupt, counted
from harbench.data.source import Standardiser, WindowSource
from harbench.data.store import from_arrays
from harbench.dataset import DatasetInfo, HARDataset, Sensor
from harbench.errors import HarbenchError
from harbench.protocol import Condition

SENSORS = (Sensor("s", (0, 0, 0)), Sensor("t", (0, 0, 1)))
INFO = DatasetInfo("t", SENSORS, ("x", "y", "z"), ("g",) * 3, ("a", "b"), 10.0, "", "")
CPU = torch.device("cpu")


def dataset(seed: int = 0, holes: float = 0.1) -> HARDataset:
    rng = np.random.default_rng(seed)
    windows = rng.normal(3, 2, size=(40, 12, 2, 3)).astype(np.float32)
    windows[rng.random(windows.shape) < holes] = np.nan
    return from_arrays(windows, np.arange(40) % 2, INFO)


def test_statistics_come_from_observed_training_values_only() -> None:
    data = dataset()
    train = np.arange(0, 30)
    fitted = Standardiser.fit(data, train)
    values = data.windows[train].astype(np.float64)
    assert fitted.mean == pytest.approx(np.nanmean(values, axis=(0, 1)), rel=1e-6)
    assert fitted.std == pytest.approx(np.nanstd(values, axis=(0, 1)), rel=1e-6)
    data.windows[30:] = 1e6
    again = Standardiser.fit(data, train)
    assert (again.mean == fitted.mean).all() and (again.std == fitted.std).all()


def test_a_channel_that_training_never_saw_says_nothing() -> None:
    data = dataset()
    data.windows[:30, :, 1, 2] = np.nan
    fitted = Standardiser.fit(data, np.arange(30))
    x = fitted(data.windows[30:].copy(), ~np.isnan(data.windows[30:]))
    assert np.isfinite(x).all() and np.abs(x[..., 1, 2]).max() < 1e-20 < np.abs(x[..., 1, 1]).max()


@given(seed=st.integers(0, 20), holes=st.sampled_from([0.0, 0.001, 0.01, 0.2]))
@settings(max_examples=20)
def test_gaps_and_complete_part_the_test_windows(seed: int, holes: float) -> None:
    data, test = dataset(seed, holes), np.arange(5, 37)
    gaps = np.isnan(data.windows[test]).any(axis=(1, 2, 3))
    assert counted(Condition(), data, test, 0).all()
    assert counted(Condition(scale="sensor", rate=0.1), data, test, 0).all()
    lacks = {"gaps": "has missing values of its own", "complete": "is complete"}
    for scale, expected in (("gaps", gaps), ("complete", ~gaps)):
        condition = Condition(scale=scale)  # type: ignore[arg-type]
        if expected.any():
            assert (counted(condition, data, test, 0) == expected).all()
        else:
            said = f"{lacks[scale]}: there is nothing to score under '{scale}'"
            with pytest.raises(HarbenchError, match=said):
                counted(condition, data, test, 0)


def test_constant_and_never_observed_channels_are_harmless() -> None:
    data = dataset()
    data.windows[:, :, 0, 0] = 7.0
    data.windows[:, :, 1, 1] = np.nan
    fitted = Standardiser.fit(data, np.arange(40))
    x, observed = WindowSource(data, np.arange(40), fitted, CPU).batch(torch.arange(40))
    assert torch.isfinite(x).all()
    assert (x[:, :, 0, 0] == 0).all() and not observed[:, :, 1, 1].any()


@settings(max_examples=15)
@given(
    scale=st.sampled_from(["segment", "channel", "sensor", "mixed"]),
    junk=st.sampled_from([np.nan, 1e9, -3.0]),
)
def test_values_under_the_mask_never_matter(scale: str, junk: float) -> None:
    data, rows = dataset(), np.arange(10, 40)
    condition = Condition(scale=scale, rate=0.3)  # type: ignore[arg-type]
    missing = corrupt(condition, len(rows), data.shape, data.fingerprint, 0)
    fitted = Standardiser.fit(data, np.arange(10))
    x, observed = WindowSource(data, rows, fitted, CPU, missing).batch(torch.arange(30))
    hidden = ~missing.observed(slice(None))
    data.windows[rows] = np.where(hidden, np.float32(junk), data.windows[rows])
    again = WindowSource(data, rows, fitted, CPU, missing).batch(torch.arange(30))
    assert torch.equal(again[0], x) and torch.equal(again[1], observed)
    assert (x[~observed] == 0).all()


def test_reading_from_disk_gives_the_bits_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data, rows = dataset(), np.arange(5, 40)
    missing = corrupt(Condition(scale="mixed", rate=0.2), 35, data.shape, data.fingerprint, 0)
    fitted = Standardiser.fit(data, rows, missing)
    resident = WindowSource(data, rows, fitted, CPU, missing)
    monkeypatch.setattr(module, "RESIDENT_SHARE", 0.0)
    on_disk = WindowSource(data, rows, fitted, CPU, missing)
    picked = torch.tensor([3, 0, 30, 3])
    assert on_disk._resident is None and resident._resident is not None
    for ours, theirs in zip(on_disk.batch(picked), resident.batch(picked), strict=True):
        assert torch.equal(ours, theirs)
