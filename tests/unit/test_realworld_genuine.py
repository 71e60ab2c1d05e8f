"""RealWorld's loader on the genuine excerpt of subject 1 in $HARBENCH_DATA."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from unit.realworld_files import PREFIX, pack

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
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The excerpt's files as they are; kinds of sensor that it lacks are without a sample."""
    folder = tmp_path_factory.mktemp("realworld")
    with zipfile.ZipFile(EXCERPT) as archive:
        archive.extractall(folder)
    for kind, title in PREFIX.items():
        for activity in ("climbingup", "walking"):
            file = folder / f"proband1/data/{kind}_{activity}_csv.zip"
            if not file.exists():
                file.write_bytes(pack([(f"{title}_{activity}_waist.csv", b"")]))
    return folder


@pytest.fixture(scope="module")
def walking(source: Path) -> Recording:
    _, found = store.resolve("realworld")[1].recordings(source)
    return found


@pytest.fixture(scope="module")
def raw(source: Path) -> tuple[np.ndarray, np.ndarray]:
    """The waist's stamps in seconds and accelerations."""
    file = source / "proband1/data/acc_walking_csv.zip"
    with zipfile.ZipFile(file) as inner, inner.open("acc_walking_waist.csv") as stream:
        table = pd.read_csv(stream)
    return table["attr_time"].to_numpy() / 1000, table.iloc[:, 2:].to_numpy()


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


def test_the_repair_is_said_and_windows_are_whole(source: Path) -> None:
    data = store.prepare("realworld", source)
    assert any("arrival times" in note for note in store.notes(data.spec))
    assert not np.isnan(data.windows[:, :, WAIST, :3]).any()
