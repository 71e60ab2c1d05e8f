"""Physical Therapy Exercises in the official layout, and the genuine files."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from harbench.datasets.physical_therapy import (
    HEADER,
    PhysicalTherapy,
    PhysicalTherapyOptions,
)

from harbench.data import store
from harbench.dataset import Recording
from harbench.errors import HarbenchError

SHARED = Path(os.environ.get("HARBENCH_DATA") or Path(__file__).parents[3] / "shared" / "data")
GENUINE = SHARED / "physical-therapy.zip"
# Samples of each exercise in the genuine zip: template sessions and tests of five subjects.
TEMPLATES = (7969, 7469, 7276, 6532, 6359, 6657, 6701, 6362)
TESTS = (27923, 27854, 27864, 27423, 27238, 27394, 27200, 27382)
Files = dict[str, str]


def table(unit: int, count: int, end: str = "\r\n") -> str:
    """Lines whose channels are the unit's number + 0.1, 0.2 .. 0.9."""
    values = ";".join(str(unit + channel / 10) for channel in range(1, 10))
    lines = [HEADER, *(f"{line};{values}" for line in range(1, count + 1))]
    return end.join([*lines, ""])


def session(where: str, count: int, kind: str = "test") -> Files:
    """One session; the units' files end their lines in different ways."""
    ends = ("\r\n", "\n", "\r\n", "\n", "\r\n")
    return {f"{where}/u{u}/{kind}.txt": table(u, count, ends[u - 1]) for u in range(1, 6)}


def zipped(tmp_path: Path, files: Files) -> Path:
    """A zip with what else an archive of the web holds."""
    path = tmp_path / "physical-therapy.zip"
    others = {
        "Description.pdf": "x",
        "__MACOSX/s1/e1/u1/._test.txt": "x",
        "s1/e1/template_times.txt": "execution type;start;end\r\n1;31.5;52.5\r\n",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (others | files).items():
            archive.writestr(name, text)
    return path


def read(path: Path) -> list[Recording]:
    return list(PhysicalTherapy(PhysicalTherapyOptions()).recordings(path))


def changed(old: str, new: str, unit: int = 3) -> Files:
    """A session of four lines in which one unit's file differs once."""
    files = session("s1/e1", 4)
    name = f"s1/e1/u{unit}/test.txt"
    assert old in files[name]
    return files | {name: files[name].replace(old, new, 1)}


def test_units_channels_time_and_labels(tmp_path: Path) -> None:
    files = session("s2/e8", 6) | session("s2/e8", 4, "template_session") | session("s1/e3", 5)
    found = read(zipped(tmp_path, files))
    assert [take.name for take in found] == ["s1-e3-test", "s2-e8-template", "s2-e8-test"]
    assert [take.subject for take in found] == ["s1", "s2", "s2"]
    assert [take.values.shape for take in found] == [(5, 5, 9), (4, 5, 9), (6, 5, 9)]
    assert [set(take.labels.tolist()) for take in found] == [{2}, {7}, {7}]
    assert np.allclose(found[2].time, [0, 0.04, 0.08, 0.12, 0.16, 0.2])
    expected = np.arange(1, 6)[:, None] + np.arange(1, 10) / 10
    for take in found:
        assert np.allclose(take.values, expected)


def test_a_folder_is_read_like_the_zip(tmp_path: Path) -> None:
    path = zipped(tmp_path, session("s1/e1", 7))
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    (whole,), (unpacked,) = read(path), read(tmp_path / "unpacked")
    assert np.array_equal(whole.values, unpacked.values) and whole.name == unpacked.name


def test_lines_that_are_not_there_are_a_pause_in_time(tmp_path: Path) -> None:
    files = {name: text.replace("\n4;", "\n104;") for name, text in session("s1/e1", 4).items()}
    (found,) = read(zipped(tmp_path, files))
    assert np.allclose(found.time, [0, 0.04, 0.08, 4.12])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (changed("\r\n2;", "\r\n2;7;"), r"u3/test\.txt, line 3: expected 10 numbers"),
        (changed("\r\n1;", "\r\n1;7;"), r"u3/test\.txt, line 2: expected 10 numbers"),
        (changed(";3.3;", ";"), "line 2: expected 10 numbers"),
        (changed(";3.3;", ";x;"), "line 2: expected 10 numbers"),
        (changed(";3.3;", ";;"), "line 2: expected 10 numbers"),
        (changed(";3.3;", ";inf;"), "line 2: expected 10 numbers"),
        (changed(";3.3;", ";1e300;"), "line 2: expected 10 numbers"),
        (changed("\r\n3;", "\r\n\r\n3;"), "line 4: expected 10 numbers"),
        (changed("gyr_x;gyr_y", "gyr_y;gyr_x"), "line 1: expected 'time index;acc_x"),
        (changed("\r\n3;", "\r\n2;"), "line 4: the time index must increase"),
        (changed("\r\n3;", "\r\n2.5;"), "line 4: the time index must increase"),
        (changed("\r\n1;", "\r\n0;"), "line 2: the time index must increase, from 1"),
        (changed("\r\n4;", "\r\n5;"), "u3/test.txt and s1/e1/u1/test.txt have different time"),
        (session("s1/e1", 4) | {"s1/e1/u2/test.txt": table(2, 3)}, "3 and 4 lines"),
        (session("s1/e1", 0), "holds no samples"),
        (session("s1/e9", 4), "names exercise 9; there are 8"),
        (session("s0/e1", 4), "names subject 0; there are 5"),
        (session("s1/e1", 4) | {"s1/e1/u6/test.txt": table(6, 4)}, "names unit 6; there are 5"),
        (session("s1/e1", 4) | session("copy/s1/e1", 4), "are the same recording"),
        ({"s1/e1/u1/test.txt": table(1, 4)}, "lacks the same file of u2, u3, u4, u5"),
        ({}, "not the official archive"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, files: Files, message: str) -> None:
    with pytest.raises(HarbenchError, match=message):
        read(zipped(tmp_path, files))


def test_windows_are_prepared(tmp_path: Path) -> None:
    files: Files = {}
    for subject in (1, 2):
        for exercise in (1, 2):
            files |= session(f"s{subject}/e{exercise}", 60)
    data = store.prepare("physical-therapy+window=20+step=20", zipped(tmp_path, files))
    assert len(data) == 12 and data.shape == (20, 5, 9)
    assert Counter(data.labels.tolist()) == {0: 6, 1: 6}


@pytest.mark.skipif(not GENUINE.is_file(), reason=f"{GENUINE} is not here")
def test_the_genuine_zip() -> None:
    samples: Counter[tuple[str, int]] = Counter()
    people = set()
    rest: list[list[np.ndarray]] = [[] for _ in range(5)]
    for take in PhysicalTherapy(PhysicalTherapyOptions()).recordings(GENUINE):
        kind = take.name.rpartition("-")[2]
        samples[kind, int(take.labels[0])] += len(take.time)
        people.add(take.subject)
        assert not np.isnan(take.values).any()
        still = np.linalg.norm(take.values[..., 3:6], axis=2) < 0.05
        size = np.linalg.norm(take.values[..., :3], axis=2)
        for unit in range(5):
            rest[unit].append(size[still[:, unit], unit])
    # What is at rest shows gravity.
    assert all(9.6 < np.median(np.concatenate(sizes)) < 10.0 for sizes in rest)
    assert [samples["template", n] for n in range(8)] == list(TEMPLATES)
    assert [samples["test", n] for n in range(8)] == list(TESTS)
    assert people == {f"s{n}" for n in range(1, 6)}
