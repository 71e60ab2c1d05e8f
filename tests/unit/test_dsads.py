"""DSADS in its official layout, and everything that can be wrong with an archive."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from harbench.datasets.dsads import Dsads, DsadsOptions

from harbench.data import store
from harbench.errors import HarbenchError

SHARED = Path(os.environ.get("HARBENCH_DATA") or Path(__file__).parents[3] / "shared" / "data")
GENUINE = SHARED / "dsads.zip"


def segment(activity: int, subject: int, number: int) -> str:
    """125 lines of 45 numbers; the first column counts the samples of the take."""
    values = np.full((125, 45), activity + subject / 10)
    values[:, 0] = (number - 1) * 125 + np.arange(125)
    return "\n".join(",".join(f"{v:.4f}" for v in row) for row in values) + "\n"


def files(subjects: int = 3, segments: int = 3) -> dict[str, str]:
    return {
        f"data/a{a:02d}/p{p}/s{s:02d}.txt": segment(a, p, s)
        for a in (1, 4)
        for p in range(1, subjects + 1)
        for s in range(1, segments + 1)
    }


def zipped(tmp_path: Path, content: dict[str, str]) -> Path:
    path = tmp_path / "dsads.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return path


def test_zip_and_folder_are_the_same(tmp_path: Path) -> None:
    archive = zipped(tmp_path, files())
    with zipfile.ZipFile(archive) as content:
        content.extractall(tmp_path / "unpacked")
    first = store.prepare("dsads", archive)
    assert len(first) == 18 and first.shape == (125, 5, 9)
    assert store.prepare("dsads", tmp_path / "unpacked").fingerprint == first.fingerprint
    shuffled = zipped(tmp_path, dict(reversed(files().items())))
    assert store.prepare("dsads", shuffled).fingerprint == first.fingerprint


def test_columns_go_sensor_by_sensor(tmp_path: Path) -> None:
    row = ",".join(str(i) for i in range(45))
    content = {name: "\n".join([row] * 125) for name in files()}
    take = next(Dsads(DsadsOptions()).recordings(zipped(tmp_path, content)))
    assert (take.values[0] == np.arange(45).reshape(5, 9)).all()


def test_rows_of_zeros_are_kept_or_missing(tmp_path: Path) -> None:
    content = files()
    name = "data/a04/p2/s02.txt"
    rows = content[name].split("\n")
    rows[100:125] = [",".join(["0"] * 45)] * 25
    content[name] = "\n".join(rows)
    source = zipped(tmp_path, content)
    kept = np.array(store.prepare("dsads+zero_rows=keep", source).windows)
    assert not np.isnan(kept).any() and ((kept == 0).all(axis=(2, 3)).sum(axis=1) == 25).sum() == 1
    lost = np.isnan(np.array(store.prepare("dsads", source).windows))
    # Single zeros elsewhere stay: only rows without any other value are meant.
    assert lost.sum() == 25 * 45 and lost.any(axis=(1, 2, 3)).sum() == 1


def test_a_missing_segment_is_a_gap(tmp_path: Path) -> None:
    content = files()
    del content["data/a04/p2/s02.txt"]
    archive = zipped(tmp_path, content)
    data = store.prepare("dsads", archive)
    assert len(data) == 17
    finer = store.prepare("dsads+step=25", archive)
    counts = finer.windows[:, :, 0, 0]
    assert (np.diff(counts, axis=1) == 1).all(), "no window crosses the gap"


def replace(name: str, change: Callable[[str], str]) -> Callable[[dict[str, str]], None]:
    def apply(content: dict[str, str]) -> None:
        content[name] = change(content[name])

    return apply


def line(text: str, number: int, change: Callable[[str], str]) -> str:
    rows = text.split("\n")
    rows[number - 1] = change(rows[number - 1])
    return "\n".join(rows)


NAME = "data/a01/p1/s02.txt"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (replace(NAME, lambda t: t.replace("1.1000", "walking", 1)), rf"{NAME}, line 1: expected"),
        (replace(NAME, lambda t: t[: len(t) // 2]), rf"{NAME} has \d+ lines, expected 125"),
        (replace(NAME, lambda t: t.replace(",", ";")), rf"{NAME}, line 1: expected 45 numbers"),
        (replace(NAME, lambda t: t.replace("1.1000", "inf", 1)), rf"{NAME}, line 1: expected"),
        (replace(NAME, lambda t: t + "1,2,3\n"), rf"{NAME} has 126 lines"),
        (replace(NAME, lambda t: t * 40), rf"{NAME} is [\d,]+ bytes long"),
        (replace(NAME, lambda t: line(t, 57, lambda r: r + ",1")), rf"{NAME}, line 57: expected"),
        (replace(NAME, lambda t: line(t, 57, lambda r: r[:-7])), rf"{NAME}, line 57: expected"),
        (replace(NAME, lambda t: line(t, 57, lambda r: "")), rf"{NAME}, line 57: expected"),
        (replace(NAME, lambda t: t.replace("1.1000", "1e99", 1)), rf"{NAME}, line 1: expected"),
        (lambda c: c.update({"data/a20/p1/s01.txt": "x"}), "names activity 20; there are 19"),
        (lambda c: c.update({"data/a01/p9/s01.txt": "x"}), "names subject 9; there are 8"),
        (lambda c: c.update({"data/a01/p1/s00.txt": "x"}), "names segment 0; there are 60"),
        (lambda c: c.update({f"copy/{NAME}": c[NAME]}), "are the same segment"),
        (lambda c: (c.clear(), c.update({"readme.txt": "hello"})), "not the official DSADS"),
    ],
    ids=[
        "text",
        "truncated",
        "separator",
        "infinite",
        "extra",
        "bomb",
        "a column more",
        "a column less",
        "a blank line",
        "overflow",
        "activity",
        "subject",
        "segment",
        "twice",
        "other",
    ],
)
def test_wrong_content_is_named(
    tmp_path: Path, damage: Callable[[dict[str, str]], None], message: str
) -> None:
    content = files()
    damage(content)
    with pytest.raises(HarbenchError, match=message):
        store.prepare("dsads", zipped(tmp_path, content))
    assert not store.is_prepared("dsads")


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_truncated_zip_is_said(tmp_path: Path, kept: float) -> None:
    archive = zipped(tmp_path, files())
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(HarbenchError, match="not a complete zip file"):
        store.prepare("dsads", archive)


@pytest.mark.parametrize("place", [0.02, 0.3, 0.6])
def test_a_damaged_member_is_named(tmp_path: Path, place: float) -> None:
    archive = zipped(tmp_path, files())
    content = bytearray(archive.read_bytes())
    offset = int(place * len(content))
    content[offset : offset + 40] = b"\xff" * 40
    archive.write_bytes(bytes(content))
    with pytest.raises(HarbenchError, match=r"data/a0\d/p\d/s0\d\.txt"):
        store.prepare("dsads", archive)


def test_sources_are_found_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBENCH_DATA", str(zipped(tmp_path, files()).parent))
    assert len(store.load("dsads")) == 18
    with pytest.raises(HarbenchError, match=r"nowhere\.zip does not exist"):
        store.prepare("dsads", tmp_path / "nowhere.zip")


@pytest.mark.skipif(not GENUINE.exists(), reason="the genuine DSADS subset is not here")
def test_the_genuine_subset() -> None:
    data = store.prepare("dsads", GENUINE)
    assert len(data) == 3040 and data.shape == (125, 5, 9)
    assert len(np.unique(data.subjects)) == 8
    assert np.bincount(data.labels).tolist() == [160] * 19
    # The last second of every stairs segment of subjects 1 and 6.
    gaps = np.isnan(data.windows).any(axis=(1, 2, 3))
    assert gaps.sum() == 80 and set(data.subjects[gaps]) == {"p1", "p6"}
    assert {data.info.classes[label] for label in data.labels[gaps]} == {
        "ascending stairs",
        "descending stairs",
    }
    lying = data.windows[data.labels == 2][:, :, 0, :3]
    assert np.linalg.norm(lying, axis=-1).mean() == pytest.approx(9.8, abs=0.3)
