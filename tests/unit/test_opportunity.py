"""Opportunity's loader against files in its raw format, with every fact and trap planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from unit.opportunity_files import GESTURES, RUNS, Table, table, text, write, zipped

from harbench.data import store
from harbench.dataset import Recording
from harbench.errors import HarbenchError

# Columns from 1, as in the official list: acc, gyro, mag of BACK, RUA, RLA, LUA, LLA.
COLUMNS = [list(range(first, first + 9)) for first in (38, 51, 64, 77, 90)]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("opportunity"))


def recordings(source: Path, spec: str = "opportunity") -> list[Recording]:
    return list(store.resolve(spec)[1].recordings(source))


def changed(raw: Path, tmp_path: Path, run: str, data: bytes | None) -> Path:
    """The raw folder with one file's bytes replaced, or the file left out."""
    folder = tmp_path / "changed"
    folder.mkdir()
    for path in raw.rglob("*.dat"):
        if path.stem != run:
            (folder / path.name).symlink_to(path)
        elif data is not None:
            (folder / path.name).write_bytes(data)
    return folder


def test_all_24_runs_of_the_five_jacket_imus(raw: Path) -> None:
    found = recordings(raw)
    assert [r.name for r in found] == sorted(RUNS)
    assert [r.subject for r in found] == [name[:2] for name in sorted(RUNS)]
    for recording in (found[0], found[-1]):
        wanted = 1000.0 * np.array(COLUMNS)[None] + np.arange(210)[:, None, None]
        np.testing.assert_array_equal(recording.values, wanted.astype(np.float32))


def test_rounded_milliseconds_lie_on_the_grid(raw: Path) -> None:
    np.testing.assert_allclose(recordings(raw)[0].time, np.arange(210) / 30)
    data = store.prepare("opportunity", raw)
    # Windows hold raw samples: nothing was interpolated.
    assert data.windows[0, :, 0, 0].tolist() == [38_000 + row for row in range(30, 90)]


def test_gestures_without_null(raw: Path) -> None:
    data = store.prepare("opportunity", raw)
    assert len(data.info.classes) == 17 and data.shape == (60, 5, 9)
    found = recordings(raw)[0]
    codes = table("S1-ADL1")[:, 249].astype(int)
    for label, code in zip(found.labels, codes, strict=True):
        assert label == (-1 if code == 0 else GESTURES.index(code))
    # S1-ADL1 begins with 30 null samples and 30 of the first gesture: of equals null wins.
    assert (data.labels[0], data.starts[0]) == (0, 30)


def test_locomotion(raw: Path) -> None:
    data = store.prepare("opportunity+labels=locomotion", raw)
    assert data.info.classes == ("stand", "walk", "sit", "lie")
    assert data.spec == "opportunity+labels=locomotion"
    assert set(data.labels) <= {0, 1, 2, 3} and len(set(data.labels)) > 1


def test_missing_values_stay_missing_but_for_short_gaps(raw: Path, tmp_path: Path) -> None:
    values = table("S1-ADL1")
    values[10:13, 37] = np.nan
    values[50:100, 37] = np.nan
    values[:5, 62] = np.nan
    source = changed(raw, tmp_path, "S1-ADL1", text(values))
    found = recordings(source)[0].values
    assert found[10:13, 0, 0].tolist() == [38_010, 38_011, 38_012]
    assert np.isnan(found[50:100, 0, 0]).all() and not np.isnan(found[100:, 0, 0]).any()
    # Column 63 is the quaternion of RUA: not one of ours.
    assert not np.isnan(found[:5]).any()
    kept = recordings(source, "opportunity+fill_gap=0")[0].values
    assert np.isnan(kept[10:13, 0, 0]).all()


def test_no_window_crosses_a_pause(raw: Path, tmp_path: Path) -> None:
    values = table("S1-ADL1")
    values[100:, 0] += 10_000
    data = store.prepare("opportunity", changed(raw, tmp_path, "S1-ADL1", text(values)))
    first = data.windows[data.recordings == 0][:, :, 0, 0]
    assert (np.diff(first, axis=1) == 1).all()
    assert data.starts[data.recordings == 0].max() >= 400


def test_a_missing_label_is_null(raw: Path, tmp_path: Path) -> None:
    values = table("S1-ADL1")
    values[40, 243] = np.nan
    source = changed(raw, tmp_path, "S1-ADL1", text(values))
    assert recordings(source, "opportunity+labels=locomotion")[0].labels[40] == -1


def test_the_fingerprint_is_that_of_the_content(raw: Path, tmp_path: Path) -> None:
    prints = {
        store.prepare("opportunity", source).fingerprint
        for source in (
            raw,
            zipped(raw, tmp_path / "a.zip"),
            zipped(raw, tmp_path / "b.zip", order=-1),
        )
    }
    assert len(prints) == 1


def _cell(row: int, column: int, value: str) -> bytes:
    lines = text(table("S2-ADL3")).split(b"\n")
    fields = lines[row - 1].split()
    fields[column - 1] = value.encode()
    lines[row - 1] = b" ".join(fields)
    return b"\n".join(lines)


def _line(row: int, change: slice | bytes) -> bytes:
    lines = text(table("S2-ADL3")).split(b"\n")
    fields = lines[row - 1].split()
    lines[row - 1] = b" ".join(fields[change] if isinstance(change, slice) else [*fields, change])
    return b"\n".join(lines)


def _values(row: int, column: int, value: float) -> bytes:
    values: Table = table("S2-ADL3")
    values[row - 1, column - 1] = value
    return text(values)


BROKEN = {
    "text": (lambda: _cell(7, 40, "abc"), "line 7: expected 250 numbers"),
    "a comma": (lambda: _cell(7, 40, "1,5"), "line 7: expected 250 numbers"),
    "infinite": (lambda: _cell(7, 40, "inf"), "line 7: a value is infinite"),
    "fewer columns": (lambda: _line(9, slice(0, 249)), "line 9: expected 250 numbers"),
    "far fewer": (lambda: _line(9, slice(0, 3)), "line 9: expected 250 numbers"),
    "more columns": (lambda: _line(9, b"5"), "line 9: expected 250 numbers"),
    "many more": (lambda: _line(9, b"5 6 7"), "line 9: expected 250 numbers"),
    "first line": (lambda: _line(1, b"5"), "line 1: expected 250 numbers, got 251"),
    "time goes back": (lambda: _values(30, 1, 0), "line 30: time does not increase"),
    "time twice": (lambda: _values(2, 1, 0), "line 2: time does not increase"),
    "no time": (lambda: _values(30, 1, np.nan), "line 30: no time stamp"),
    "unknown gesture": (lambda: _values(31, 250, 406599), "line 31: column 250 holds no known"),
    "empty": (lambda: b"", "is empty"),
    "utf-16": (lambda: text(table("S2-ADL3")).decode().encode("utf-16"), "S2-ADL3.dat"),
    "binary": (lambda: bytes(range(256)) * 50, "S2-ADL3.dat"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_its_line(name: str, raw: Path, tmp_path: Path) -> None:
    make, message = BROKEN[name]
    source = changed(raw, tmp_path, "S2-ADL3", make())
    with pytest.raises(HarbenchError, match=message) as error:
        store.prepare("opportunity", source)
    assert "S2-ADL3.dat" in str(error.value)
    assert not store.is_prepared("opportunity")


def test_an_absent_run_is_named(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(HarbenchError, match=r"lacks 1 of the 24 files, first S2-ADL3\.dat"):
        store.prepare("opportunity", changed(raw, tmp_path, "S2-ADL3", None))


def test_a_run_that_is_there_twice_is_refused(raw: Path, tmp_path: Path) -> None:
    source = changed(raw, tmp_path, "", None)
    (source / "copy").mkdir()
    (source / "copy" / "S1-ADL1.dat").write_text("")
    with pytest.raises(HarbenchError, match="are the same run"):
        store.prepare("opportunity", source)


def test_a_truncated_or_hostile_zip_is_refused(raw: Path, tmp_path: Path) -> None:
    whole = zipped(raw, tmp_path / "a.zip").read_bytes()
    short = tmp_path / "short.zip"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HarbenchError, match="not a complete zip file"):
        store.prepare("opportunity", short)
    flipped = bytearray(whole)
    begin = whole.index(b"S3-ADL2.dat") + 2000
    flipped[begin : begin + 50] = bytes(50)
    (tmp_path / "bad.zip").write_bytes(flipped)
    with pytest.raises(HarbenchError, match=r"S3-ADL2\.dat cannot be read"):
        store.prepare("opportunity", tmp_path / "bad.zip")
    # A declared size of 4 GB is refused before a byte is read.
    entry = whole.rindex(b"S3-ADL2.dat") - len("OpportunityUCIDataset/dataset/") - 46
    bomb = bytearray(whole)
    bomb[entry + 24 : entry + 28] = (0xF0000000).to_bytes(4, "little")
    (tmp_path / "bomb.zip").write_bytes(bomb)
    with pytest.raises(HarbenchError, match="bytes long; at most 200,000,000"):
        store.prepare("opportunity", tmp_path / "bomb.zip")
