"""CZU-MHAD's loader against files in its raw formats, with every fact and trap planted."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from harbench.datasets.czu_mhad import decode_clock
from hypothesis import given
from hypothesis import strategies as st
from unit.czu_files import device, packed, recording, write_mat, write_text

from harbench.data import store
from harbench.dataset import Recording
from harbench.errors import HarbenchError


def recordings(source: Path, spec: str = "czu-mhad") -> list[Recording]:
    return list(store.resolve(spec)[1].recordings(source))


def small(folder: Path) -> Path:
    """Two subjects, three actions, two repetitions, as .mat files."""
    for subject in ("cyy", "zyh"):
        for action in (1, 2, 12):
            for take in (1, 2):
                path = folder / "sensors_mat" / f"{subject}_a{action}_t{take}.mat"
                write_mat(path, recording(seconds=6 + take))
    return folder


@given(st.floats(0, 86399.999999))
def test_the_clock_is_decoded(seconds: float) -> None:
    np.testing.assert_allclose(decode_clock(packed(np.array([seconds]))), seconds, atol=2e-6)


def test_the_clock_of_the_official_example() -> None:
    assert decode_clock(np.array([104809409120.0]))[0] == pytest.approx(
        10 * 3600 + 48 * 60 + 9.409120
    )


@pytest.mark.parametrize("begin", [3596.0, 35996.0, 43196.5, 86396.0, 59.0])
def test_minutes_hours_and_midnight_do_not_jump(begin: float) -> None:
    time = decode_clock(packed(begin + np.arange(0, 8, 0.01)))
    np.testing.assert_allclose(np.diff(time), 0.01, atol=3e-6)


def test_every_recording_is_one_window(tmp_path: Path) -> None:
    data = store.prepare("czu-mhad", small(tmp_path))
    assert data.shape == (128, 10, 6) and len(data) == 12
    assert sorted(set(data.labels)) == [0, 1, 11] and set(data.subjects) == {"cyy", "zyh"}
    assert data.info.classes[11] == "left foot kick forward" and len(data.info.classes) == 22


def test_devices_are_aligned_on_time(tmp_path: Path) -> None:
    write_mat(tmp_path / "cyy_a1_t1.mat", recording())
    values = recordings(tmp_path)[0].values
    # All share 0.09 s (the last one's start) to about 6.82 s (the last one's end).
    step = (6.82 - 0.09) / 128
    wanted = 0.09 + step * (np.arange(128) + 0.5)
    for i in range(10):
        for channel in range(6):
            found = values[:, i, channel] - 100 * channel - 1000 * i
            np.testing.assert_allclose(found, wanted, atol=0.01)


def test_a_fast_oscillation_is_filtered_out(tmp_path: Path) -> None:
    devices = recording()
    time = decode_clock(devices[0][:, 6])
    devices[0][:, 0] = 50 * np.sin(2 * np.pi * 100 * time)
    write_mat(tmp_path / "cyy_a1_t1.mat", devices)
    # At 18 steps a second, 100 Hz would fold back to 8 Hz with nearly full amplitude.
    assert np.abs(recordings(tmp_path)[0].values[:, 0, 0]).max() < 15


def test_a_rate_that_changes_and_a_pause_are_no_matter(tmp_path: Path) -> None:
    devices = recording()
    slow, fast = device(36000, 36003, 342), device(36003.15, 36007, 555)
    devices[0] = np.vstack([slow, fast])
    write_mat(tmp_path / "cyy_a1_t1.mat", devices)
    step = (6.82 - 0.09) / 128
    wanted = 0.09 + step * (np.arange(128) + 0.5)
    np.testing.assert_allclose(recordings(tmp_path)[0].values[:, 0, 0], wanted, atol=0.03)


def test_what_lies_in_a_long_pause_is_missing(tmp_path: Path) -> None:
    devices = recording()
    devices[0] = np.vstack([device(36000, 36002, 342), device(36004, 36007, 342)])
    devices[1][300, 2] = np.nan
    write_mat(tmp_path / "cyy_a1_t1.mat", devices)
    values = recordings(tmp_path)[0].values
    step = (6.82 - 0.09) / 128
    begin = 0.09 + step * np.arange(128)
    inside = (begin > 2) & (begin + step < 4)
    assert np.isnan(values[inside, 0]).all() and inside.sum() > 30
    outside = (begin + step < 2) | (begin > 4)
    assert not np.isnan(values[outside, 0]).any()
    assert not np.isnan(values[:, 1:]).any(), "one missing sample does not spoil its step"
    wide = recordings(tmp_path, "czu-mhad+max_gap=2.5")[0].values
    assert not np.isnan(wide).any()


def test_stamps_that_repeat_or_go_back_are_dropped(tmp_path: Path) -> None:
    devices = recording()
    devices[0][100:110, 6] = devices[0][99, 6]
    devices[0][200, 6] = devices[0][150, 6]
    devices[0][200, 0] = 1e6
    write_mat(tmp_path / "cyy_a1_t1.mat", devices)
    assert np.abs(recordings(tmp_path)[0].values[:, 0]).max() < 1000


def test_a_device_without_samples_is_missing(tmp_path: Path) -> None:
    devices = [*recording()[:9], None]
    write_mat(tmp_path / "cyy_a1_t1.mat", devices)
    values = recordings(tmp_path)[0].values
    assert np.isnan(values[:, 9]).all() and not np.isnan(values[:, :9]).any()


def test_eight_repetitions_unless_all_are_wanted(tmp_path: Path) -> None:
    short = [d[:200] for d in recording()]
    for take in range(1, 12):
        write_mat(tmp_path / f"cx_a1_t{take}.mat", short)
    assert [r.name for r in recordings(tmp_path)] == [f"cx-a01-t{t:02d}" for t in range(1, 9)]
    assert len(recordings(tmp_path, "czu-mhad+repetitions=0")) == 11
    assert len(recordings(tmp_path, "czu-mhad+repetitions=3")) == 3


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("sensors_mat/cyy_a1_t1.mat", "cyy-a01-t01"),
        ("sensor_mat/cyy_a22_t10.mat", "cyy-a22-t10"),
        ("x1_a1_t1.mat", "x1-a01-t01"),
        ("cyy_a3_t2_sensor.mat", "cyy-a03-t02"),
        ("a01_s02_e03_sensor.mat", "s02-a01-t03"),
    ],
)
def test_names_that_are_about(tmp_path: Path, name: str, wanted: str) -> None:
    write_mat(tmp_path / name, recording())
    assert [r.name for r in recordings(tmp_path)] == [wanted]


def test_the_text_layout_says_the_same(tmp_path: Path) -> None:
    write_mat(tmp_path / "mat" / "cyy_a2_t1.mat", recording())
    write_text(tmp_path / "text" / "sensors" / "cyy" / "action_2" / "time_1", recording())
    (mat,), (text,) = recordings(tmp_path / "mat"), recordings(tmp_path / "text")
    assert mat.name == text.name == "cyy-a02-t01"
    np.testing.assert_allclose(mat.values, text.values, atol=1e-4)


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    folder = small(tmp_path / "raw")
    prints = {store.prepare("czu-mhad", folder).fingerprint}
    for order in (1, -1):
        target = tmp_path / f"{order}.zip"
        with zipfile.ZipFile(target, "w") as archive:
            for path in sorted(folder.rglob("*.mat"))[::order]:
                archive.write(path, path.relative_to(folder).as_posix())
        prints.add(store.prepare("czu-mhad", target).fingerprint)
    assert len(prints) == 1


def _mat_of(devices: list[np.ndarray | None]) -> Callable[[Path], None]:
    return lambda path: write_mat(path, devices)


def _bytes(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data)


def _nan_clock() -> list[np.ndarray | None]:
    devices = recording()
    devices[3][5, 6] = np.nan
    return [*devices]


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no MATLAB file": (_bytes(b"hello" * 100), "is not a MATLAB file"),
    "empty": (_bytes(b""), "is not a MATLAB file"),
    "HDF5": (_bytes(b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\x00\x02IM"), "is not a MATLAB file"),
    "nine devices": (_mat_of([*recording()[:9]]), "`sensor` has 9 entries, expected 10"),
    "six columns": (_mat_of([d[:, :6] for d in recording()]), r"expected numbers \(n, 7\)"),
    "no sample": (_mat_of([None] * 10), "holds no sample"),
    "no stamp": (_mat_of(_nan_clock()), "sensor 3: a time stamp is missing"),
    "no overlap": (_mat_of([*recording()[:9], device(50000, 50005, 342)]), "share no interval"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named(name: str, tmp_path: Path) -> None:
    make, message = BROKEN[name]
    make(tmp_path / "cyy_a1_t1.mat")
    with pytest.raises(HarbenchError, match=message) as error:
        store.prepare("czu-mhad", tmp_path)
    assert "cyy_a1_t1.mat" in str(error.value)
    assert not store.is_prepared("czu-mhad")


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "sensors" / "cyy" / "action_1" / "time_1"
    write_text(folder, recording())
    lines = (folder / "pi04").read_text().split("\n")
    lines[6] = "1 2 three 4 5 6 7"
    (folder / "pi04").write_text("\n".join(lines))
    with pytest.raises(HarbenchError, match=r"pi04, line 7: expected 7 numbers"):
        recordings(tmp_path)


def test_what_does_not_belong_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarbenchError, match="it is not the CZU-MHAD sensor data"):
        recordings(tmp_path)
    write_mat(tmp_path / "cyy_a23_t1.mat", recording())
    with pytest.raises(HarbenchError, match="names action 23; there are 22"):
        recordings(tmp_path)


def test_a_recording_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    write_mat(tmp_path / "a" / "cyy_a1_t1.mat", recording())
    write_mat(tmp_path / "b" / "cyy_a1_t1.mat", recording())
    with pytest.raises(HarbenchError, match="are the same recording"):
        recordings(tmp_path)


def test_without_the_data_it_is_said_where_to_get_it() -> None:
    with pytest.raises(HarbenchError, match="no official address"):
        store.load("czu-mhad")
