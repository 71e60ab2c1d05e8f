"""Genuine gaps: exported without signal, read strictly, replayed on complete windows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harbench import registry
from harbench.data.gap_export import export, write_gaps
from harbench.data.lost import Part
from harbench.data.missing import corruptions, counted
from harbench.data.replay import read_gaps
from harbench.data.store import from_arrays
from harbench.dataset import DatasetInfo, HARDataset, Sensor
from harbench.errors import HarbenchError
from harbench.protocol import Condition, Replay

REPLAY = Condition(scale="replay")
RATE = 10.0


def dataset(
    windows: np.ndarray, sensors: list[str], channels: list[str], step: int = 0
) -> HARDataset:
    """Two recordings; the activities alternate."""
    places = tuple(Sensor(name, (0.0, 0.0, 0.0)) for name in sensors)
    units = ("g",) * len(channels)
    info = DatasetInfo("t", places, tuple(channels), units, ("a", "b"), RATE, "", "")
    made = from_arrays(windows, np.arange(len(windows)) % 2, info)
    half = len(windows) // 2
    owners = (np.arange(len(windows)) >= half).astype(np.int64)
    starts = (np.arange(len(windows)) - half * owners) * (step or windows.shape[1])
    return replace(made, recordings=owners, starts=starts)


def signal(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, *shape)).astype(np.float32)


def source() -> HARDataset:
    """Twelve windows of 8 steps: a hip whose gyroscope fails, a wrist that drops out."""
    windows = signal(12, (8, 2, 2))
    windows[2:4, :, 0, 1] = np.nan
    windows[7, 2:6, 1] = np.nan
    windows[10, 4:, 0, 1] = np.nan
    windows[10, :2, 1] = np.nan
    return dataset(windows, ["hip", "wrist"], ["acc", "gyr"])


def written(made: HARDataset, path: Path) -> Replay:
    write_gaps(export(made), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Replay(name=path.stem, sha256=digest, path=path)


def lost(replay: Replay, made: HARDataset, seed: int = 0) -> np.ndarray:
    """(W, T, N, C), True where replay takes a value from a complete window."""
    rows = np.arange(len(made))
    ((_, found),) = corruptions([REPLAY], made, rows, seed, replay=replay)
    return ~found.observed(slice(None))


def test_the_file_says_where_gaps_lie_and_nothing_of_the_signal(tmp_path: Path) -> None:
    made = source()
    write_gaps(export(made), tmp_path / "gaps.json")
    other = replace(made, windows=made.windows * -3 + 100)
    write_gaps(export(other), tmp_path / "other.json")
    assert (tmp_path / "gaps.json").read_bytes() == (tmp_path / "other.json").read_bytes()
    found = read_gaps(tmp_path / "gaps.json")
    said = found.statistics
    assert (said.windows, said.affected) == (12, 4)
    assert said.missing == pytest.approx((20 / 96, 6 / 96), abs=1e-4)
    # The two windows of the hip lie side by side, the others end with their window.
    assert said.lengths == (((0.4, 1), (1.6, 1)), ((0.2, 1), (0.4, 1)))
    assert said.together == ((1.0, 0.0), (0.0, 1.0))
    shares = np.array(said.by_activity)
    assert shares == pytest.approx(np.array([[12, 2], [8, 4]]) / 48, abs=1e-4)
    assert len(said.by_time) == 10 and sum(row[0] for row in said.by_time if row) > 0
    assert sum(mask.count for mask in found.masks) == 4


def test_gaps_of_overlapping_windows_count_once(tmp_path: Path) -> None:
    whole = signal(1, (40, 1, 1))[0]
    whole[10:16] = np.nan
    cut = [whole[start : start + 8] for start in range(0, 33, 4)]
    made = dataset(np.stack([*cut, *cut]), ["hip"], ["x"], step=4)
    assert export(made).statistics.lengths == (((0.6, 2),),)
    with pytest.raises(HarbenchError, match="lacks nothing"):
        export(replace(made, windows=np.nan_to_num(made.windows)))
    assert not list(tmp_path.iterdir())


@settings(max_examples=30)
@given(bits=st.integers(1, 2**24 - 1), seed=st.integers(0, 9))
def test_windows_of_the_same_sensors_get_exactly_the_exported_masks(
    bits: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    windows = signal(8, (6, 2, 2))
    gaps = np.array([bits >> bit & 1 for bit in range(24)], dtype=bool).reshape(6, 2, 2)
    gaps[0, 0, 0] = False
    gaps[1, 0, 0] = True
    windows[3][gaps] = np.nan
    windows[6, 2:4, 1, 0] = np.nan
    given = dataset(windows, ["hip", "wrist"], ["acc", "gyr"])
    replay = written(given, tmp_path_factory.mktemp("gaps") / "g.json")
    target = dataset(signal(40, (6, 2, 2)), ["hip", "wrist"], ["acc", "gyr"])
    found = lost(replay, target, seed)
    known = {np.isnan(window).tobytes() for window in windows[[3, 6]]}
    assert {mask.tobytes() for mask in found} <= known
    assert (found == lost(replay, target, seed)).all()


def test_other_sensors_and_channels_get_gaps_that_leave_something(tmp_path: Path) -> None:
    replay = written(source(), tmp_path / "gaps.json")
    shape = (20, 5, 3)
    made = dataset(signal(60, shape), list("abcde"), ["gyr", "acc", "mag"])
    found = lost(replay, made)
    assert found.any(axis=(1, 2, 3)).all() and not found.all(axis=(1, 2, 3)).any()
    assert not found[..., 2].any(), "the file knows no magnetometer"
    alone = dataset(signal(60, (20, 2, 2)), ["one", "two"], ["x", "y"])
    found = lost(replay, alone)
    assert (found.all(axis=3) == found.any(axis=3)).all()
    assert found.any(axis=(1, 2, 3)).all() and not found.all(axis=(1, 2, 3)).any()
    everything = source()
    windows = np.array(everything.windows)
    windows[:] = signal(12, (8, 2, 2))
    windows[3] = np.nan
    replay = written(replace(everything, windows=windows), tmp_path / "all.json")
    with pytest.raises(HarbenchError, match="would take nothing, or everything"):
        lost(replay, alone)


def test_replay_scores_the_complete_windows(tmp_path: Path) -> None:
    made = source()
    rows = np.arange(len(made))
    scored = counted(REPLAY, made, rows, 0)
    assert (scored == counted(Condition(scale="complete"), made, rows, 0)).all()
    assert (scored == Part(made, rows, 0).complete).all() and scored.sum() == 8
    with pytest.raises(HarbenchError, match="needs a file of gaps"):
        list(corruptions([REPLAY], made, rows, 0))
    replay = written(made, tmp_path / "gaps.json")
    changed = replay.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(HarbenchError, match="changed after the protocol was read"):
        lost(changed, made)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("schema", 2, r"schema: Input should be 1"),
        ("rate", "fast", r"rate: .*number"),
        ("masks", [], r"masks: .*at least 1"),
        ("masks", [{"count": 1, "gaps": [[5, 0, 0, 4]]}], r"masks\.0: the gap \[5, 0, 0, 4\] lies"),
        ("masks", [{"count": 1, "gaps": [[0, 0, 4, 4]]}], r"lies outside windows of 8 steps"),
        ("signal", [1.0], r"signal: Extra inputs"),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(
    key: str, value: Any, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "gaps.json"
    write_gaps(export(source()), path)
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(HarbenchError, match=rf"gaps\.json: .*{said}"):
        read_gaps(path)
    path.write_text("[")
    with pytest.raises(HarbenchError, match=r"gaps\.json: file: Invalid JSON"):
        read_gaps(path)


def test_the_shipped_gaps_are_those_of_hugadb_s_gyroscopes() -> None:
    replay = registry.protocol("robust").replay
    assert replay is not None and replay.path is not None
    gaps = read_gaps(replay.path)
    assert gaps.dataset == "hugadb" and replay.path.stat().st_size < 100_000
    masks, shares = gaps.patterns()
    numbers = shares @ masks.reshape(len(masks), -1, 2, 3).any(axis=(1, 3))
    assert numbers[1] > 0.999 and numbers[0] < 0.001, "all but one number are of gyroscopes"
    assert masks.any(axis=(1, 2, 3)).all() and shares.sum() == pytest.approx(1)
