"""RealWorld's loader against nested zips in its raw format, with every fact and trap planted."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from unit.realworld_files import POSITIONS, csv, in_parts, inner, pack, plain, samples, write

from harbench.data import store
from harbench.data.gaps import on_grid
from harbench.dataset import Recording
from harbench.errors import HarbenchError


def recordings(source: Path, spec: str = "realworld") -> list[Recording]:
    return list(store.resolve(spec)[1].recordings(source))


def one(folder: Path, change: Callable[[str, str], bytes | None]) -> Path:
    return write(folder, {(1, "walking"): lambda kind, act: inner(kind, act, change)})


def test_all_sensors_lie_on_one_grid(tmp_path: Path) -> None:
    (found,) = recordings(one(tmp_path, plain))
    assert found.name == "proband01-walking-1" and found.subject == "proband01"
    assert np.allclose(np.diff(found.time), 0.02) and set(found.labels) == {7}
    begin = max(samples(p, k)[0][0] for p in POSITIONS for k in ("acc", "gyr", "mag"))
    for p in range(7):
        for k in range(3):
            for a in range(3):
                # Every axis rises by one a second, so interpolation is exact.
                values = found.values[:, p, 3 * k + a] - (100 * p + 10 * k + a)
                wanted = (begin - 1_435_993_000_000) / 1000 + found.time
                np.testing.assert_allclose(values, wanted, atol=2e-3)


def test_names_of_csv_files_that_are_about(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        {
            (4, "walking"): lambda kind, act: inner(kind, act, number="_2"),
            (4, "climbingup"): in_parts,
            (1, "jumping"): inner,
        },
    )
    assert [r.name for r in recordings(source)] == [
        "proband01-jumping-1",
        "proband04-climbingup-1",
        "proband04-climbingup-2",
        "proband04-climbingup-3",
        "proband04-walking-1",
    ]


def test_subjects_2_and_6_only_if_wanted(tmp_path: Path) -> None:
    def without(position: str, kind: str) -> bytes | None:
        return None if position == "forearm" else plain(position, kind)

    source = write(
        tmp_path,
        {
            (1, "walking"): inner,
            (2, "climbingup"): lambda kind, act: inner(kind, act, without),
            (6, "sitting"): inner,
        },
    )
    assert [r.subject for r in recordings(source)] == ["proband01"]
    kept = recordings(source, "realworld+all_subjects=true")
    assert [r.subject for r in kept] == ["proband01", "proband02", "proband06"]
    assert np.isnan(kept[1].values[:, 1]).all()
    assert not np.isnan(np.delete(kept[1].values, 1, axis=1)).any()


def test_stamps_are_sorted_and_unique(tmp_path: Path) -> None:
    def shuffled(position: str, kind: str) -> bytes:
        time, values = samples(position, kind)
        order = np.random.default_rng(0).permutation(len(time))
        again = np.concatenate([order, order[:20]])
        return csv(time[again], values[again])

    (a,), (b,) = recordings(one(tmp_path / "a", plain)), recordings(one(tmp_path / "b", shuffled))
    np.testing.assert_array_equal(a.values, b.values)


def test_a_long_pause_is_missing_and_a_short_one_is_not(tmp_path: Path) -> None:
    def paused(position: str, kind: str) -> bytes:
        time, values = samples(position, kind)
        if (position, kind) == ("head", "gyr"):
            offset = time - time[0]
            kept = ((offset < 3000) | (offset > 4000)) & ((offset < 1000) | (offset > 1100))
            return csv(time[kept], values[kept])
        return csv(time, values)

    (found,) = recordings(one(tmp_path, paused))
    lost = np.isnan(found.values)
    assert 0.9 < lost[:, 2, 3].sum() / 50 < 1.2
    lost[:, 2, 3:6] = False
    assert not lost.any()


def test_only_what_all_devices_share(tmp_path: Path) -> None:
    def early(position: str, kind: str) -> bytes:
        time, values = samples(position, kind)
        return csv(time[:150], values[:150]) if position == "shin" else csv(time, values)

    (found,) = recordings(one(tmp_path, early))
    assert 2.5 < found.time[-1] < 3.1


def test_windows_and_fingerprint(tmp_path: Path) -> None:
    folder = write(tmp_path / "raw", {(1, "walking"): inner, (3, "lying"): inner})
    prints, target = set(), tmp_path / "all.zip"
    for order in (1, -1):
        with zipfile.ZipFile(target, "w") as archive:
            for path in sorted(folder.rglob("*.zip"))[::order]:
                archive.write(path, f"realworld/{path.relative_to(folder).as_posix()}")
        prints.add(store.prepare("realworld", target).fingerprint)
    data = store.prepare("realworld", folder)
    assert prints == {data.fingerprint}
    assert data.shape == (150, 7, 9) and set(data.labels) == {3, 7}


def _csv_of(data: bytes) -> Callable[[str, str], bytes | None]:
    return lambda p, k: data if (p, k) == ("thigh", "mag") else plain(p, k)


def _lines(change: Callable[[list[bytes]], None]) -> Callable[[str, str], bytes | None]:
    lines = csv(*samples("thigh", "mag")).split(b"\n")
    change(lines)
    return _csv_of(b"\n".join(lines))


BROKEN: dict[str, tuple[Callable[[str, str], bytes | None], str]] = {
    "text": (_lines(lambda x: x.__setitem__(4, b"4,abc,1,2,3")), "line 5: expected 5 numbers"),
    "few": (_lines(lambda x: x.__setitem__(4, b"4,1,2")), "line 5: expected 5 numbers"),
    "many": (_lines(lambda x: x.__setitem__(4, b"4,1,2,3,4,5,6")), "line 5: expected 5 numbers"),
    "header": (_lines(lambda x: x.__setitem__(0, b"id,time,x,y,z")), "its header is not"),
    "utf-16": (_csv_of(csv(*samples("thigh", "mag")).decode().encode("utf-16")), "thigh.csv"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named(name: str, tmp_path: Path) -> None:
    change, message = BROKEN[name]
    with pytest.raises(HarbenchError, match=message) as error:
        store.prepare("realworld", one(tmp_path, change))
    assert "mag_walking_csv.zip: MagneticField_walking_thigh.csv" in str(error.value)
    assert not store.is_prepared("realworld")


@pytest.mark.parametrize("data", [b"", b"id,attr_time,attr_x,attr_y,attr_z\n"])
def test_an_empty_file_is_a_missing_sensor(data: bytes, tmp_path: Path) -> None:
    (found,) = recordings(one(tmp_path, _csv_of(data)))
    assert np.isnan(found.values[:, 4, 6:]).all() and not np.isnan(found.values[:, 4, :6]).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda kind, act: inner(kind, act, lambda position, of: b""),
        lambda kind, act: inner(kind, act, lambda position, of: None),
        lambda kind, act: pack([(f"{kind}_{act}_2_csv.zip", inner(kind, act, lambda *_: b""))]),
    ],
    ids=["empty files", "no files", "an empty part"],
)
def test_a_recording_without_a_sample_is_refused(
    make: Callable[[str, str], bytes], tmp_path: Path
) -> None:
    with pytest.raises(HarbenchError, match="proband1, walking: there is no sample"):
        recordings(write(tmp_path, {(1, "walking"): make}))


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    def marked(position: str, kind: str) -> bytes:
        return b"\xef\xbb\xbf" + csv(*samples(position, kind))

    (one_marked,) = recordings(one(tmp_path / "marked", marked))
    (one_plain,) = recordings(one(tmp_path / "plain", plain))
    np.testing.assert_array_equal(one_marked.values, one_plain.values)


def test_a_damaged_inner_zip_is_named(tmp_path: Path) -> None:
    one(tmp_path, plain)
    path = tmp_path / "proband1" / "data" / "gyr_walking_csv.zip"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(HarbenchError, match=r"gyr_walking_csv\.zip is not a complete zip"):
        recordings(tmp_path)


def test_an_excerpt_is_read_and_said_to_be_one(tmp_path: Path) -> None:
    folder = write(tmp_path / "raw", {(1, "walking"): inner, (3, "lying"): inner})
    (folder / "proband1" / "data" / "gyr_walking_csv.zip").unlink()
    data = store.prepare("realworld", folder)
    walking = data.windows[data.labels == 7]
    assert np.isnan(walking[..., 3:6]).all() and not np.isnan(walking[..., :3]).any()
    incomplete = store.notes("realworld")[1]
    assert incomplete.startswith("INCOMPLETE: raw lacks 307 of the official archive's 312 files")
    assert "proband1/data/acc_climbingdown_csv.zip" in incomplete


def test_devices_that_never_meet(tmp_path: Path) -> None:
    def late(position: str, kind: str) -> bytes:
        time, values = samples(position, kind)
        return csv(time + 3_600_000 * (position == "waist"), values)

    with pytest.raises(HarbenchError, match="proband01-walking-1: its devices share no interval"):
        recordings(one(tmp_path, late))


def test_another_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarbenchError, match="not the official RealWorld 2016 archive"):
        recordings(tmp_path)


def test_on_grid_keeps_exact_samples_beside_a_gap() -> None:
    time, values = np.array([0.0, 1.0, 5.0, 6.0]), np.array([[0.0], [1.0], [5.0], [6.0]])
    found = on_grid(time, values, np.arange(-1.0, 8.0), 1.0)[:, 0]
    np.testing.assert_array_equal(found, [np.nan, 0, 1, np.nan, np.nan, np.nan, 5, 6, np.nan])
