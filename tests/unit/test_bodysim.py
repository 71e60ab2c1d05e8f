"""The synthetic body obeys physics, and is a function of its seed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from harbench.datasets.bodysim import (
    ACTIVITIES,
    RATE,
    SEGMENTS,
    Bodysim,
    BodysimOptions,
    measure,
    person,
    simulate,
)
from scipy.spatial.transform import Rotation

from harbench.data import store
from harbench.errors import HarbenchError
from harbench.streams import stream

SMALL = BodysimOptions(subjects=2, sensors=3, activities=4, seconds=6)


def record(options: BodysimOptions = SMALL) -> dict[str, np.ndarray]:
    return {r.name: r.values for r in Bodysim(options).recordings(None)}


def test_a_resting_accelerometer_measures_gravity_and_a_gyroscope_its_bias() -> None:
    standing = record()["a00-s0000"]
    force = np.linalg.norm(standing[:, :, :3], axis=2)
    assert np.abs(force.mean(axis=0) - 9.81).max() < 0.3
    assert np.abs(standing[:, :, 3:].mean(axis=0)).max() < 0.15


def test_a_free_fall_measures_nothing_and_a_circle_its_centripetal_force() -> None:
    time = np.arange(100) / RATE
    still = Rotation.identity(100)
    fall = measure(np.outer(-0.5 * 9.81 * time**2, [0, 0, 1]), still)
    assert np.abs(fall[4:-4]).max() < 1e-6
    radius, rate = 0.5, 3.0
    circle = radius * np.stack([np.cos(rate * time), np.sin(rate * time), 0 * time], axis=1)
    turned = Rotation.from_rotvec(np.outer(rate * time, [0, 0, 1]))
    got = measure(circle, turned)[4:-4]
    want = [-radius * rate**2, 0, 9.81, 0, 0, rate]
    assert np.abs(got - want).max() < 0.02


def test_integrated_angular_rate_is_the_change_of_orientation() -> None:
    poses = simulate(ACTIVITIES["running"], 0, 0, 200, stream(0, "test"))
    position, orientation = poses["right shank"]
    rates = measure(position, orientation)[:, 3:]
    now = orientation[2]
    for step in range(2, 198):
        now = now * Rotation.from_rotvec((rates[step] + rates[step + 1]) / 2 / RATE)
    assert (now.inv() * orientation[198]).magnitude() < np.radians(4)


@pytest.mark.parametrize("subject", [0, 1, 2])
def test_walking_has_its_peak_at_the_cadence_of_the_subject(subject: int) -> None:
    options = dataclasses.replace(SMALL, subjects=3, seconds=60)
    values = record(options)[f"a03-s{subject:04d}"]
    spectrum = np.abs(np.fft.rfft(values[:, 1, 3] - values[:, 1, 3].mean()))
    frequencies = np.fft.rfftfreq(len(values), 1 / RATE)
    _, _, cadence = person(ACTIVITIES["walking"], options.seed, subject)
    # One bin, and the 3 % by which the cadence wanders.
    tolerance = frequencies[1] + 0.03 * cadence
    assert frequencies[spectrum.argmax()] == pytest.approx(cadence, abs=tolerance)


def test_segments_keep_their_lengths() -> None:
    poses = simulate(ACTIVITIES["jumping"], 3, 1, 60, stream(3, "test"))
    for name, segment in SEGMENTS.items():
        if segment.parent:
            length = np.linalg.norm(poses[name][0] - poses[segment.parent][0], axis=1)
            assert np.ptp(length) < 1e-9


def test_a_subject_does_not_depend_on_how_many_there_are() -> None:
    few, many = record(), record(dataclasses.replace(SMALL, subjects=4, activities=5))
    assert set(few) < set(many)
    assert all((few[name] == many[name]).all() for name in few)
    other = record(dataclasses.replace(SMALL, seed=1))
    assert all((few[name] != other[name]).any() for name in few)


def test_missing_samples_come_in_runs_of_one_sensor() -> None:
    options = dataclasses.replace(SMALL, missing=0.2, seconds=120)
    lost = np.concatenate([np.isnan(v) for v in record(options).values()])
    assert (lost.all(axis=2) == lost.any(axis=2)).all()
    assert lost.mean() == pytest.approx(0.2, abs=0.03)
    edges = np.diff(lost[:, 0, 0].astype(int))
    assert lost[:, 0, 0].sum() / (edges == 1).sum() == pytest.approx(25, rel=0.4)


def test_lost_samples_are_the_only_difference() -> None:
    whole, holed = record(), record(dataclasses.replace(SMALL, missing=0.3))
    for name, values in holed.items():
        kept = ~np.isnan(values)
        assert 0 < kept.mean() < 1 and (values[kept] == whole[name][kept]).all()


def test_the_share_of_lost_samples_is_that_of_the_options_from_the_start() -> None:
    options = dataclasses.replace(SMALL, subjects=250, sensors=1, seconds=0.2, missing=0.5)
    lost = np.concatenate([np.isnan(v[:, :, 0]) for v in record(options).values()])
    assert lost.mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("option", ["seconds=inf", "seconds=nan", "seconds=0", "sensors=11"])
def test_impossible_sizes_are_refused(option: str) -> None:
    with pytest.raises(HarbenchError, match=f"dataset 'bodysim': {option.split('=')[0]}="):
        store.resolve(f"bodysim+{option}")


def test_sizes_follow_the_options() -> None:
    data = store.load("bodysim+subjects=3+sensors=10+activities=10+seconds=8+window=50+step=25")
    assert data.shape == (50, 10, 6)
    assert len(data) == 3 * 10 * 15
    assert len(data.info.classes) == 10 and len(np.unique(data.subjects)) == 3
