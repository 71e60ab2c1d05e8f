"""HuGaDB in its official layout, its table of corrupted gyroscopes, and the genuine files."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from harbench.datasets.hugadb import ACTIVITIES, UNITS, Hugadb, HugadbOptions, corrupted_units

from harbench.data import store
from harbench.errors import HarbenchError

SHARED = Path(os.environ.get("HARBENCH_DATA") or Path(__file__).parents[3] / "shared" / "data")
GENUINE = SHARED / "hugadb.zip"
# Samples of each activity in the genuine zip; the official table, but for 93 of sitting.
SAMPLES = dict(
    zip(
        range(1, 13),
        (679073, 71653, 131604, 116637, 241756, 24112, 22373, 328655, 156560, 89144, 69729, 180573),
        strict=True,
    )
)
needs_genuine = pytest.mark.skipif(not GENUINE.is_file(), reason=f"{GENUINE} is not here")


def take(rows: list[list[int]]) -> str:
    header = "\t".join(f"c{i}" for i in range(39))
    lines = ["\t".join(map(str, row)) for row in rows]
    return "\n".join(
        ["#Activity\twalking ", "#ActivityID\t1 ", "#Date 10-20-15-35", header, *lines]
    )


def rows(count: int, label: int) -> list[list[int]]:
    return [[*([16384] * 3 + [1638] * 3) * 6, 127, 128, label] for _ in range(count)]


def zipped(tmp_path: Path, files: dict[str, str]) -> Path:
    path = tmp_path / "hugadb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("HuGaDB/Data/ReadMe.txt", "not a recording")
        for name, text in files.items():
            archive.writestr(f"HuGaDB/Data/HuGaDB_v1_{name}.txt", text + "\n")
    return path


def read(path: Path, **options: object) -> dict[str, np.ndarray]:
    takes = Hugadb(HugadbOptions(**options)).recordings(path)  # type: ignore[arg-type]
    return {take.name: take.values for take in takes}


def test_columns_units_and_labels(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"various_02_00": take(rows(3, 1) + rows(2, 9) + rows(1, 8))})
    (found,) = Hugadb(HugadbOptions()).recordings(path)
    assert found.name == "various_02_00" and found.subject == "02"
    assert found.values.shape == (6, 6, 6)
    assert np.allclose(found.values[..., :3], 1.0)
    assert np.allclose(found.values[..., 3:], 1638 / 16.384)
    assert found.labels.tolist() == [0, 0, 0, -1, -1, 7]
    (whole,) = Hugadb(HugadbOptions(activities="all")).recordings(path)
    assert whole.labels.tolist() == [0, 0, 0, 8, 8, 7]


def test_corrupted_gyroscopes_are_missing_kept_or_all_left_out(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"various_05_01": take(rows(4, 1)), "various_02_01": take(rows(4, 1))})
    lost = np.isnan(read(path)["various_05_01"])
    marked = [unit in ("rf", "rs", "lf") for unit in UNITS]
    assert lost[:, :, 3:].all(axis=(0, 2)).tolist() == marked
    assert not lost[:, :, :3].any() and not np.isnan(read(path)["various_02_01"]).any()
    assert not np.isnan(read(path, gyro="keep")["various_05_01"]).any()
    assert read(path, gyro="drop")["various_05_01"].shape == (4, 6, 3)


def test_numbers_that_16_bits_cannot_hold_are_missing(tmp_path: Path) -> None:
    table = rows(4, 1)
    table[0][0], table[1][3], table[2][7] = 32768, -32769, 4312046944
    table[3][0], table[3][3] = 32767, -32768
    values = read(zipped(tmp_path, {"walking_01_00": take(table)}))["walking_01_00"]
    assert np.argwhere(np.isnan(values)).tolist() == [[0, 0, 0], [1, 0, 3], [2, 1, 1]]


def test_the_table_is_the_official_one() -> None:
    """Its lines that begin with a blank count, too."""
    table = corrupted_units()
    assert len(table) == 465 and sum(map(len, table.values())) > 465
    readme = SHARED / "hugadb-readme.md"
    if not readme.is_file():
        pytest.skip(f"{readme} is not here")
    order = ("rf", "lf", "rs", "ls", "rt", "lt")
    official = {}
    line = r"\|\s*HuGaDB_v1_([a-z_]+?)_(\d\d)_(\d\d)\.txt\s*\|(.*)"
    for kind, subject, number, cells in re.findall(line, readme.read_text(encoding="utf-8")):
        words = [cell.strip().lower() for cell in cells.split("|")][:6]
        units = [list(UNITS).index(u) for u, word in zip(order, words, strict=True)
                 if word.startswith("corrupt")]  # fmt: skip
        official[kind, subject, int(number)] = sorted(units)
    assert {key: sorted(units) for key, units in table.items()} == official


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (take(rows(2, 1)) + "\n1\t2\t3", "line 7: expected 39 whole numbers"),
        (take(rows(2, 1)).replace("1638", "x", 1), "line 5: expected 39 whole numbers"),
        (take(rows(2, 1)).replace("1638", "1.5", 1), "line 5: expected 39 whole numbers"),
        (take(rows(1, 1)) + "\n\n" + take(rows(1, 1)).rpartition("\n")[2], "line 6: expected 39"),
        (take(rows(2, 1)).replace("16384", str(2**70), 1), "line 5: expected 39 whole numbers"),
        (take(rows(2, 1)).replace("16384", "", 1), "line 5: expected 39 whole numbers"),
        (take(rows(2, 1)).replace("16384", "1e4", 1), "line 5: expected 39 whole numbers"),
        (take(rows(2, 1)).replace("\t1\n", "\n").removesuffix("\t1"), "line 5: expected 39"),
        (take(rows(1, 1) + rows(1, 13)), "line 6: column 39 holds no known activity"),
        (take([]), "holds no samples"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = zipped(tmp_path, {"walking_01_00": text})
    with pytest.raises(HarbenchError, match=message):
        read(path)


def test_line_ends_and_blanks_of_other_systems(tmp_path: Path) -> None:
    text = take(rows(3, 1)).replace("\n", "\r\n") + "\r\n"
    values = read(zipped(tmp_path, {"walking_01_00": text}))["walking_01_00"]
    assert values.shape == (3, 6, 6) and np.allclose(values[..., :3], 1.0)


def test_another_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarbenchError, match="not the official HuGaDB"):
        read(zipped(tmp_path, {}))


@needs_genuine
def test_genuine_samples_per_activity() -> None:
    found = np.zeros(13, dtype=np.int64)
    people, takes, marked, impossible = set(), 0, 0, 0
    table = corrupted_units()
    for recording in Hugadb(HugadbOptions(activities="all", gyro="keep")).recordings(GENUINE):
        impossible += np.isnan(recording.values).sum()
        found[1:] += np.bincount(recording.labels, minlength=12)
        people.add(recording.subject)
        takes += 1
        kind, subject, number = re.match(r"(.+)_(\d\d)_(\d\d)$", recording.name).groups()  # type: ignore[union-attr]
        marked += (kind, subject, int(number)) in table
    assert dict(enumerate(found.tolist()[1:], 1)) == SAMPLES
    assert (takes, len(people), marked, len(ACTIVITIES)) == (635, 18, 465, 12)
    assert impossible == 7


@needs_genuine
def test_marked_gyroscopes_are_indeed_amplified() -> None:
    """Walking: what the table marks swings several times as much as what it does not mark."""
    swing: dict[bool, list[float]] = {True: [], False: []}
    table = corrupted_units()
    with zipfile.ZipFile(GENUINE) as archive:
        for subject in ("01", "11", "15", "18"):
            name = f"HuGaDB/Data/HuGaDB_v1_walking_{subject}_00.txt"
            text = archive.read(name).decode().splitlines()[4:]
            gyro = np.array([line.split("\t")[:36] for line in text], dtype=float)
            size = np.abs(gyro.reshape(-1, 6, 6)[..., 3:]).mean(axis=(0, 2))
            for unit in range(6):
                swing[unit in table.get(("walking", subject, 0), [])].append(size[unit])
    assert min(swing[True]) > max(swing[False])
    assert np.median(swing[True]) > 4 * np.median(swing[False])


def test_windows_are_prepared(tmp_path: Path) -> None:
    path = zipped(tmp_path, {f"various_{s:02d}_00": take(rows(300, 1) + rows(300, 2))
                             for s in range(1, 4)})  # fmt: skip
    data = store.prepare("hugadb+window=50+step=50", path)
    assert len(data) == 36 and data.shape == (50, 6, 6)


def test_classes_left_out_are_said_with_the_option_that_takes_them() -> None:
    said = store.resolve("hugadb")[1].left_out
    assert said == "bicycling, sitting in car; activities=all takes them"
    assert store.resolve("hugadb+activities=all")[1].left_out == ""
