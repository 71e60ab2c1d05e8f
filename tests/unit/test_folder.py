"""Recordings of one's own, without code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harbench.data import store
from harbench.errors import HarbenchError

FACTS = """
title = "lab"
rate = 50.0
classes = ["walk", "sit"]
channels = ["x", "y"]
[[sensors]]
name = "wrist"
position = [0.3, 0.0, 0.0]
[[sensors]]
name = "hip"
position = [0.1, 0.0, 0.0]
"""
SPEC = "folder+at=lab"


def table(rows: int = 600, label: bool = True) -> pd.DataFrame:
    row = np.arange(rows)
    columns = {"time": row / 50, "wrist.x": row, "wrist.y": -row, "hip.x": 2 * row, "hip.y": 5.0}
    found = pd.DataFrame(columns)
    if label:
        found["label"] = np.where(row // 150 % 2, "sit", "walk")
    return found


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three subjects; $HARBENCH_DATA is the folder above."""
    folder = tmp_path / "lab"
    for subject in ("anna", "ben", "cleo"):
        (folder / subject).mkdir(parents=True)
        table().to_csv(folder / subject / "monday.csv", index=False)
    (folder / "dataset.toml").write_text(FACTS)
    monkeypatch.setenv("HARBENCH_DATA", str(tmp_path))
    return folder


def test_from_files_to_windows(lab: Path) -> None:
    data = store.load(f"{SPEC}+step=50+window=100")
    assert data.spec == "folder+at=lab+step=50+window=100"
    assert data.shape == (100, 2, 2) and data.info.classes == ("walk", "sit")
    assert sorted(set(data.subjects)) == ["anna", "ben", "cleo"]
    first = data.windows[0]
    np.testing.assert_array_equal(first[:, 0, 0], np.arange(100))
    np.testing.assert_array_equal(first[:, 1, 0], 2 * np.arange(100))
    assert set(data.labels) == {0, 1}


def test_labels_beside_the_recording_say_the_same(lab: Path) -> None:
    with_column = store.prepare(SPEC, lab).fingerprint
    table(label=False).to_csv(lab / "ben" / "monday.csv", index=False)
    spans = "begin,end,label\n0,3,walk\n3,6,sit\n6,9,walk\n9,12,sit\n"
    (lab / "ben" / "monday.labels.csv").write_text(spans)
    assert store.prepare(SPEC, lab).fingerprint == with_column


def test_missing_cells_and_columns(lab: Path) -> None:
    recording = table().drop(columns="hip.y")
    recording.loc[10:12, "wrist.x"] = np.nan
    recording.to_csv(lab / "anna" / "monday.csv", index=False)
    values = store.prepare(SPEC, lab).windows[0]
    assert np.isnan(values[:, 1, 1]).all()
    assert np.isnan(values[:, 0, 0]).nonzero()[0].tolist() == [10, 11, 12]
    filled = store.prepare(f"{SPEC}+fill_gap=0.1", lab).windows[0]
    np.testing.assert_allclose(filled[:, 0, 0], np.arange(128))


def test_another_rate_is_brought_to_the_dataset_s(lab: Path) -> None:
    fast = table(2400)
    fast["time"] = np.arange(2400) / 200
    fast.to_csv(lab / "anna" / "monday.csv", index=False)
    values = store.prepare(SPEC, lab).windows[0]
    np.testing.assert_allclose(values[:, 0, 0], 4 * np.arange(128), atol=1e-3)


def test_parquet(lab: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (harbench[parquet])")
    before = store.prepare(SPEC, lab).fingerprint
    (lab / "ben" / "monday.csv").unlink()
    table().to_parquet(lab / "ben" / "monday.parquet")
    assert store.prepare(SPEC, lab).fingerprint == before


def _csv(change: Callable[[pd.DataFrame], object]) -> Callable[[Path], None]:
    def write(lab: Path) -> None:
        recording = table().astype(object)
        change(recording)
        recording.to_csv(lab / "ben" / "monday.csv", index=False)

    return write


def _facts(old: str, new: str) -> Callable[[Path], object]:
    return lambda lab: (lab / "dataset.toml").write_text(FACTS.replace(old, new))


def _move(lab: Path) -> None:
    (lab / "ben" / "monday.csv").rename(lab / "monday.csv")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (_csv(lambda t: t.__setitem__("hip.x", ["a"] * 600)), r"line 2: hip.x is 'a'"),
    "infinite": (_csv(lambda t: t.__setitem__("hip.x", ["inf"] * 600)), "not a number"),
    "time": (_csv(lambda t: t.__setitem__("time", [0.0] * 600)), "line 3: time is missing or"),
    "no time": (_csv(lambda t: t.pop("time")), "has no column `time`"),
    "column": (_csv(lambda t: t.insert(1, "wrst.x", 1)), "Did you mean 'wrist.x'"),
    "class": (_csv(lambda t: t.__setitem__("label", ["wlak"] * 600)), "Did you mean 'walk'"),
    "no label": (_csv(lambda t: t.pop("label")), "needs either a column `label` or"),
    "toml": (_facts('title = "lab"', "title = lab"), "dataset.toml: not valid TOML"),
    "rate": (_facts("50.0", "0"), "dataset.toml: rate: Input should be greater than 0"),
    "key": (_facts("rate =", "Rate ="), "dataset.toml: rate: Field required"),
    "twice": (_facts('"hip"', '"wrist"'), "two entries of sensor have one name"),
    "one class": (_facts(', "sit"', ""), "classes: Tuple should have at least 2"),
    "place": (_move, "recordings lie in a folder for each subject"),
    "no toml": (lambda lab: (lab / "dataset.toml").unlink(), "holds 0 files dataset.toml"),
    "binary": (lambda lab: (lab / "ben" / "monday.csv").write_bytes(bytes(range(256))), "ben/"),
    "empty": (lambda lab: (lab / "ben" / "monday.csv").write_bytes(b""), "cannot be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_named(name: str, lab: Path) -> None:
    change, message = BROKEN[name]
    change(lab)
    with pytest.raises(HarbenchError, match=message):
        store.load(SPEC)
    assert not store.is_prepared(SPEC)


def test_a_folder_needs_a_name() -> None:
    with pytest.raises(HarbenchError, match=r"Name your folder: --dataset folder\+at=NAME"):
        store.load("folder")
    with pytest.raises(HarbenchError, match="at="):
        store.load("folder+at=../etc")


def _new_recording(lab: Path) -> None:
    table().to_csv(lab / "ben" / "tuesday.csv", index=False)


def _swap_classes(lab: Path) -> None:
    text = (lab / "dataset.toml").read_text()
    (lab / "dataset.toml").write_text(text.replace('"walk", "sit"', '"sit", "walk"'))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_new_recording, "ben/tuesday.csv is new in "),
        (lambda lab: (lab / "ben" / "monday.csv").unlink(), "ben/monday.csv is gone in "),
        (_swap_classes, "dataset.toml has changed in "),
    ],
)
def test_changed_raw_data_is_noticed(
    change: Callable[[Path], object], reason: str, lab: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = store.load(SPEC)
    assert store.load(SPEC).fingerprint == before.fingerprint
    assert capsys.readouterr().err == ""
    change(lab)
    after = store.load(SPEC)
    assert f"{SPEC} is prepared anew: {reason}" in capsys.readouterr().err
    assert not np.array_equal(after.labels, before.labels)


def test_the_source_given_is_remembered_for_every_option_set(
    lab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HARBENCH_DATA")
    first = store.prepare(SPEC, lab)
    assert len(store.load(SPEC + "+window=64")) > len(first)
    lab.rename(lab.with_name("moved"))
    assert store.load(SPEC).fingerprint == first.fingerprint
    assert store.prepare(SPEC, lab.with_name("moved")).fingerprint == first.fingerprint
    assert capsys.readouterr().err == ""
