"""Recordings of one's own, without code."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from end_to_end.commands import Cli

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


def test_empty_labels_are_none_however_they_are_written(lab: Path) -> None:
    recording = table()
    recording.loc[recording["time"] < 3, "label"] = np.nan
    for subject in ("anna", "ben", "cleo"):
        recording.to_csv(lab / subject / "monday.csv", index=False)
    column = store.prepare(SPEC, lab).fingerprint
    table(label=False).to_csv(lab / "ben" / "monday.csv", index=False)
    spans = "begin,end,label\n0,3,\n3,6,sit\n6,9,walk\n9,12,sit\n"
    (lab / "ben" / "monday.labels.csv").write_text(spans)
    assert store.prepare(SPEC, lab).fingerprint == column
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (harbench[parquet])")
    (lab / "anna" / "monday.csv").unlink()
    coded = recording.assign(label=recording["label"].astype("category"))
    coded.to_parquet(lab / "anna" / "monday.Parquet")
    assert store.prepare(SPEC, lab).fingerprint == column
    recording["hip.x"] = [[1.0, 2.0]] * len(recording)
    recording.to_parquet(lab / "anna" / "monday.Parquet")
    with pytest.raises(HarbenchError, match=r"line 2: hip.x is '\[1. 2.\]', not a number"):
        store.prepare(SPEC, lab)


def test_what_windows_writes_is_read(lab: Path) -> None:
    before = store.prepare(SPEC, lab).fingerprint
    (lab / "ben" / "monday.csv").rename(lab / "ben" / "monday.CSV")
    (lab / "dataset.toml").write_text(FACTS, encoding="utf-8-sig")
    table(label=False).to_csv(lab / "cleo" / "monday.csv", index=False)
    spans = "begin,end,label\n0,3,walk\n3,6,sit\n6,9,walk\n9,12,sit\n"
    (lab / "cleo" / "monday.labels.CSV").write_text(spans)
    assert store.prepare(SPEC, lab).fingerprint == before


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


def _labels(spans: str) -> Callable[[Path], None]:
    def write(lab: Path) -> None:
        table(label=False).to_csv(lab / "ben" / "monday.csv", index=False)
        (lab / "ben" / "monday.labels.csv").write_text(f"begin,end,label\n{spans}")

    return write


def _commas(lab: Path) -> None:
    path = lab / "ben" / "monday.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(f"{row}," for row in rows)]))


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
    "commas": (_commas, "more fields than its header"),
    "backwards": (_labels("3,0,walk\n"), "line 2: end does not come after begin"),
    "milliseconds": (_labels("3000,6000,walk\n"), "no line reaches a sample.*0 to 11.98"),
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


def test_devices_with_clocks_of_their_own(lab: Path) -> None:
    """Each device samples the same signal at its own times; on the grid they agree."""
    for subject in ("anna", "ben", "cleo"):
        (lab / subject / "monday.csv").unlink()
        for sensor, rate, begin in (("wrist", 50.4, 0.13), ("hip", 47.0, 0.0)):
            time = begin + np.arange(int(12 * rate)) / rate
            for channel, sign in (("x", 1), ("y", -1)):
                own = time + (0.004 if channel == "y" else 0.0)
                columns = {"time": own, channel: sign * own}
                pd.DataFrame(columns).to_csv(
                    lab / subject / f"monday.{sensor}.{channel}.csv", index=False
                )
        spans = {"begin": [0, 6], "end": [6, 99], "label": ["walk", "sit"]}
        pd.DataFrame(spans).to_csv(lab / subject / "monday.labels.csv", index=False)
    data = store.load(SPEC + "+window=50+step=50")
    assert set(data.recordings) == {0, 1, 2} and not np.isnan(data.windows).any()
    times = 0.134 + (data.starts[:, None] + np.arange(50)) / 50
    for sensor in (0, 1):
        assert np.abs(data.windows[:, :, sensor, 0] - times).max() < 1e-4
        assert np.abs(data.windows[:, :, sensor, 1] + times).max() < 1e-4
    assert data.labels[:11].tolist() == [0] * 6 + [1] * 5


def _devices(lab: Path, **columns: object) -> None:
    (lab / "ben" / "monday.csv").unlink()
    whole = table()
    wrist = whole.rename(columns={"wrist.x": "x", "wrist.y": "y"})[["time", "x", "y", "label"]]
    wrist.to_csv(lab / "ben" / "monday.wrist.csv", index=False)
    hip = whole.rename(columns={"hip.x": "x", "hip.y": "y"})[["time", "x", "y"]].assign(**columns)
    hip.to_csv(lab / "ben" / "monday.hip.csv", index=False)


def test_a_device_per_file_says_the_same_as_one_table(lab: Path) -> None:
    before = store.load(SPEC)
    _devices(lab)
    assert np.array_equal(store.load(SPEC).windows, before.windows)
    assert np.array_equal(store.load(SPEC).labels, before.labels)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"time": 1e9 + np.arange(600) / 50}, "share no interval of time"),
        ({"label": "walk"}, "only one of its files may have"),
        ({"z": 1.0}, "Unknown column 'z'"),
    ],
)
def test_devices_that_do_not_fit_are_refused(
    columns: dict[str, object], message: str, lab: Path
) -> None:
    _devices(lab, **columns)
    with pytest.raises(HarbenchError, match=message):
        store.load(SPEC)


def test_arrival_times_are_repaired_if_asked(lab: Path) -> None:
    """The hip's delivery stalls for 0.6 s; as its signal is the true time, the grid shows it."""
    for subject in ("anna", "ben", "cleo"):
        (lab / subject / "monday.csv").unlink()
        time = np.arange(600) / 50
        late = np.where(time >= 5, np.maximum(time, 5.6 + (time - 5) / 20), time)
        for sensor, stamps in (("wrist", time), ("hip", late)):
            columns = {"time": stamps, "x": time, "y": float(ord(subject[0]))}
            if sensor == "wrist":
                columns["label"] = np.where(time < 6, "walk", "sit")
            pd.DataFrame(columns).to_csv(lab / subject / f"monday.{sensor}.csv", index=False)
    assert np.isnan(store.load(SPEC).windows).any() and not store.notes(SPEC)
    spec = SPEC + "+clock=arrival"
    data = store.load(spec)
    np.testing.assert_allclose(data.windows[:, :, 1, 0], data.windows[:, :, 0, 0], atol=1e-4)
    (note,) = store.notes(spec)
    assert "arrival times" in note


@pytest.mark.parametrize("every", [1, 20])
def test_outer_joined_devices_are_warned_of(lab: Path, every: int) -> None:
    """At equal rates, too, where half of all values is missing."""
    whole = table()
    hip = whole.iloc[::every][["time", "hip.x", "hip.y"]].assign(time=lambda t: t["time"] + 0.003)
    wrist = whole.drop(columns=["hip.x", "hip.y"])
    for place, subject in enumerate(("anna", "ben", "cleo")):
        joined = wrist.assign(**{"wrist.y": place}).merge(hip, on="time", how="outer")
        joined.to_csv(lab / subject / "monday.csv", index=False)
    store.load(SPEC)
    note, *rest = store.notes(SPEC)
    assert note.startswith("Hardly any sample of anna/monday") and ".<sensor>.csv" in note
    assert [each.startswith("Sensor hip lacks 95.") for each in rest] == [True] * (every > 1)


@pytest.mark.parametrize("rate", ["inf", "1e300", "1e9", "1e7", "nan", "-1.0"])
def test_absurd_rates_are_refused(rate: str, lab: Path) -> None:
    (lab / "dataset.toml").write_text(FACTS.replace("50.0", rate))
    with pytest.raises(HarbenchError, match=r"dataset.toml: rate: Input should be"):
        store.load(SPEC)


@pytest.mark.parametrize("place", ["nan", "inf", "30.0"])
def test_absurd_positions_are_refused(place: str, lab: Path) -> None:
    (lab / "dataset.toml").write_text(FACTS.replace("0.3,", f"{place},"))
    with pytest.raises(HarbenchError, match=r"dataset.toml: sensors.0.position.0: Input should"):
        store.load(SPEC)


def test_a_small_zip_with_a_huge_table_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "lab.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lab/dataset.toml", FACTS)
        archive.writestr("lab/anna/monday.csv", "time,label\n" + "0,walk\n" * 10_000_000)
    assert bomb.stat().st_size < 1e6
    with pytest.raises(HarbenchError, match=r"monday.csv would swell 200 times"):
        store.prepare(SPEC, bomb)


def test_a_suggestion_repeats_the_user_s_own_spec(lab: Path) -> None:
    with pytest.raises(HarbenchError, match=r"window: folder\+at=lab\+step=50\+window=1000\."):
        store.load(SPEC + "+window=2000+step=50")


def test_the_folder_that_is_not_there_is_named(lab: Path) -> None:
    with pytest.raises(HarbenchError, match=rf"neither {lab.parent}/nope nor .*folder\+at=nope"):
        store.load("folder+at=nope")


def test_words_for_nothing_are_missing_and_true_is_no_number(lab: Path) -> None:
    texts = table().astype({"hip.x": object, "hip.y": object})
    texts.loc[3, "hip.x"], texts.loc[4, "hip.x"] = "NaN", "nan"
    texts.to_csv(lab / "anna" / "monday.csv", index=False)
    window = store.load(SPEC).windows[0]
    assert np.isnan(window[3:5, 1, 0]).all() and np.isnan(window).sum() == 2
    texts.assign(**{"hip.y": True}).to_csv(lab / "anna" / "monday.csv", index=False)
    with pytest.raises(HarbenchError, match=r"line 2: hip.y is 'True', not a number"):
        store.load(SPEC)


def test_labels_that_are_left_out_count_as_none(lab: Path) -> None:
    (lab / "dataset.toml").write_text(FACTS.replace('["walk", "sit"]', '["sit", "run"]'))
    whole = table()
    running = whole.assign(label=whole["label"].replace("sit", "run"))
    running.to_csv(lab / "anna" / "monday.csv", index=False)
    with pytest.raises(HarbenchError, match=r"line 2: Unknown class 'walk'.*leave_out = "):
        store.load(SPEC)
    facts = (lab / "dataset.toml").read_text().replace("classes", 'leave_out = ["walk"]\nclasses')
    (lab / "dataset.toml").write_text(facts)
    table(150).to_csv(lab / "cleo" / "monday.csv", index=False)
    data = store.load(SPEC + "+window=100")
    assert data.info.classes == ("sit", "run") and set(data.labels) == {0, 1}
    said = " ".join(store.notes(data.spec))
    assert "it holds nothing but what is left out (walk; dataset.toml)." in said
    (lab / "dataset.toml").write_text(facts.replace('["walk"]', '["sit"]'))
    with pytest.raises(HarbenchError, match="two entries of class have one name"):
        store.prepare(SPEC)


def test_an_empty_begin_or_end_is_the_recording_s_own(lab: Path) -> None:
    before = store.load(SPEC + "+window=50+step=50").labels
    for subject in ("anna", "ben", "cleo"):
        table(label=False).to_csv(lab / subject / "monday.csv", index=False)
        spans = "begin,end,label\n,3,walk\n3,6,sit\n6,9,walk\n9,,sit\n"
        (lab / subject / "monday.labels.csv").write_text(spans)
    assert np.array_equal(store.load(SPEC + "+window=50+step=50").labels, before)


def test_bursts_after_pauses_are_said_and_drawn(lab: Path, cli: Cli, tmp_path: Path) -> None:
    """Each hip is delivered a second late, five times, and catches up at once."""
    time = np.arange(3000) / 50
    late = time.copy()
    for begin in range(5, 55, 10):
        held = (time >= begin) & (time < begin + 1)
        late[held] = begin + 0.99 + np.arange(held.sum()) / 1e4
    for place, subject in enumerate(("anna", "ben", "cleo")):
        (lab / subject / "monday.csv").unlink()
        for sensor, stamps in (("wrist", time), ("hip", late if place else time)):
            columns = pd.DataFrame({"time": stamps, "x": time, "y": float(place)})
            columns.to_csv(lab / subject / f"monday.{sensor}.csv", index=False)
        (lab / subject / "monday.labels.csv").write_text("begin,end,label\n,20,sit\n20,,walk\n")
    store.load(SPEC)
    (note,) = store.notes(SPEC)
    assert "(ben/monday.hip.csv, cleo/monday.hip.csv)" in note
    assert note.endswith("folder+at=lab+clock=arrival")
    drawn = cli("data", "show", SPEC, "--clock", "--out", tmp_path / "clock.svg")
    assert drawn.code == 0 and "ben/monday.hip" in (tmp_path / "clock.svg").read_text()
    wrong = cli("data", "show", SPEC, "--clock", "--sensor", "knee", "--out", tmp_path / "x.png")
    assert wrong.code == 2 and "no series of sensor 'knee'" in wrong.err
