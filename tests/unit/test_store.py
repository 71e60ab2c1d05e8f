"""Prepared datasets: round trip, fingerprint, and nothing half-written."""

from __future__ import annotations

import inspect
import json
import shutil
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from harbench.data import origin, store
from harbench.data.audit import audit
from harbench.data.paths import cache_dir, writing
from harbench.dataset import (
    DATASETS,
    Dataset,
    DatasetInfo,
    Recording,
    Sensor,
    WindowOptions,
)
from harbench.errors import HarbenchError


class Fake(Dataset):
    """Recordings r00, r01, ... of noise; class variables plant irregularities."""

    name = "fake"
    embedded = True
    count, samples, classes = 8, 640, 2
    names: tuple[str, ...] = ()
    poke = 0.0
    error: OSError | None = None

    @property
    def info(self) -> DatasetInfo:
        sensors = (Sensor("s", (0, 0, 0)), Sensor("t", (0, 0, 1)))
        return DatasetInfo("t", sensors, ("x",), ("g",), ("a", "b"), 50.0, "", "")

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        for index in range(self.count):
            values = np.random.default_rng(index).normal(size=(self.samples, 2, 1))
            values[0, 0, 0] += self.poke
            values[5:9, 1] = np.nan
            yield Recording(
                self.names[index] if self.names else f"r{index:02d}",
                f"p{index % 3}",
                np.arange(self.samples) / 50.0,
                values.astype(np.float32),
                np.full(self.samples, index % self.classes),
            )
        if self.error:
            raise self.error


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    class Local(Fake):
        pass

    monkeypatch.setitem(DATASETS, "fake", Local)
    return Local


def leftovers() -> list[str]:
    folder = cache_dir() / "datasets"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_round_trip(fake: type[Fake]) -> None:
    data = store.load("fake")
    again = store.load("fake")
    assert isinstance(again.windows, np.memmap) and not again.windows.flags.writeable
    assert len(data) == 8 * 9 and data.shape == (128, 2, 1)
    assert np.array_equal(data.windows, again.windows, equal_nan=True)
    first = next(iter(fake(WindowOptions()).recordings(None)))
    assert np.array_equal(data.windows[1], first.values[64:192], equal_nan=True)
    assert np.isnan(data.windows[0, 5:9, 1]).all() and np.isnan(data.windows).sum() == 8 * 4
    assert data.labels[:10].tolist() == [0] * 9 + [1]
    assert data.starts[:3].tolist() == [0, 64, 128] and data.info == fake(WindowOptions()).info
    assert leftovers() == ["fake"]


def test_no_window_crosses_recordings(fake: type[Fake]) -> None:
    data = store.load("fake+window=50+step=30")
    takes = [take.values for take in fake(WindowOptions()).recordings(None)]
    for window, owner, start in zip(data.windows, data.recordings, data.starts, strict=True):
        assert np.array_equal(window, takes[owner][start : start + 50], equal_nan=True)


def test_the_fingerprint_is_that_of_the_content(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.prepare("fake").fingerprint
    assert store.prepare("fake").fingerprint == first
    assert store.prepare("fake+step=128").fingerprint != first
    monkeypatch.setattr(fake, "poke", 1e-3)
    assert store.prepare("fake").fingerprint != first


def test_options_make_a_dataset_of_their_own(fake: type[Fake]) -> None:
    assert store.load("fake+window=64").spec == "fake+window=64"
    assert store.load("fake+window=128").spec == "fake"
    assert leftovers() == ["fake", "fake+window=64"]


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("classes", 1, "windows of 1 class only"),
        ("samples", 100, "no window of 128 steps"),
        ("names", ("a", "b", "b", "c", "d", "e", "f", "g"), "'b' is there twice"),
        ("poke", np.inf, "infinite value"),
        ("classes", 3, r"'r02': label 2, but the dataset has 2 classes"),
        ("error", PermissionError(13, "Permission denied", "raw.csv"), "Cannot read raw.csv: Perm"),
    ],
)
def test_nothing_is_left_of_a_failed_preparation(
    fake: type[Fake],
    monkeypatch: pytest.MonkeyPatch,
    attribute: str,
    value: object,
    message: str,
) -> None:
    monkeypatch.setattr(fake, attribute, value)
    with pytest.raises(HarbenchError, match=message):
        store.prepare("fake")
    assert leftovers() == []


def test_what_a_kill_has_left_is_removed(fake: type[Fake]) -> None:
    folder = cache_dir() / "datasets"
    for name in (".fake.abcd1234", ".fake+step=50.abcd1234"):
        (folder / name).mkdir(parents=True)
        (folder / name / "windows.f32").write_text("half")
    store.prepare("fake")
    assert leftovers() == [".fake+step=50.abcd1234", "fake"]
    store.prepare("fake+step=50")
    assert leftovers() == ["fake", "fake+step=50"]


def test_too_few_windows_for_the_classes(fake: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "count", 2)
    monkeypatch.setattr(fake, "samples", 192)
    with pytest.raises(HarbenchError, match="has 4 windows for 2 classes"):
        store.prepare("fake")


def test_a_failed_preparation_keeps_the_older_copy(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.prepare("fake").fingerprint
    monkeypatch.setattr(fake, "classes", 1)
    with pytest.raises(HarbenchError):
        store.prepare("fake")
    assert store.load("fake").fingerprint == before


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8])


def half_zeros(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


def one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def no_checksum(path: Path) -> None:
    index = json.loads(path.read_text())
    del index["checksum"]
    path.write_text(json.dumps(index))


def one_label_less(path: Path) -> None:
    with np.load(path) as arrays:
        columns = {key: arrays[key] for key in arrays}
    np.savez(path, **{**columns, "labels": columns["labels"][1:]})


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("windows.f32", cut_short),
        ("windows.f32", Path.unlink),
        ("windows.f32", half_zeros),
        ("windows.f32", one_bit),
        ("windows.f32", lambda path: path.write_bytes(b"")),
        ("windows.f32", lambda path: path.write_bytes(bytes(path.stat().st_size))),
        ("index.npz", cut_short),
        ("index.npz", Path.unlink),
        ("index.npz", lambda path: path.write_bytes(b"")),
        ("index.npz", one_label_less),
        ("index.npz", half_zeros),
        ("origin.json", cut_short),
        ("origin.json", half_zeros),
        ("origin.json", Path.unlink),
        ("dataset.json", half_zeros),
        ("dataset.json", no_checksum),
        ("dataset.json", cut_short),
        ("dataset.json", lambda path: path.write_text("{}")),
        ("dataset.json", lambda path: path.write_text("[]")),
    ],
)
def test_a_damaged_file_is_said(
    fake: type[Fake], file: str, damage: Callable[[Path], object]
) -> None:
    before = store.prepare("fake").fingerprint
    damage(cache_dir() / "datasets" / "fake" / file)
    with pytest.raises(HarbenchError, match=r"is damaged .* harbench data prepare fake"):
        store.load("fake")
    assert store.prepare("fake").fingerprint == before
    assert store.load("fake").fingerprint == before


def test_without_its_description_it_is_prepared_anew(fake: type[Fake]) -> None:
    before = store.prepare("fake").fingerprint
    (cache_dir() / "datasets" / "fake" / "dataset.json").unlink()
    assert store.load("fake").fingerprint == before


def test_processes_that_need_the_same_dataset_prepare_it_once(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    both, began = threading.Barrier(2), []

    class Slow(fake):
        def recordings(self, source: Path | None) -> Iterator[Recording]:
            began.append(threading.get_ident())
            for recording in super().recordings(source):
                time.sleep(0.01)
                yield recording

    monkeypatch.setitem(DATASETS, "fake", Slow)

    def load(_: int) -> str:
        both.wait()
        return store.load("fake").fingerprint

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(load, range(2)))) == 1
    assert len(began) == 1 and leftovers() == ["fake"]


def test_one_recording_at_a_time_is_in_memory(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "count", 60)
    monkeypatch.setattr(fake, "samples", 20_000)
    tracemalloc.start()
    data = store.prepare("fake")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data.windows.nbytes > 18e6 and peak < 6e6


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.json"
    message = r"Cannot write .*file\.json: No space left"
    with pytest.raises(HarbenchError, match=message), writing(target) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert list(target.parent.iterdir()) == []


def test_an_unwritable_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(HarbenchError, match="Cannot write"), writing(tmp_path / "file" / "x"):
        pass


def test_short_recordings_are_counted_or_padded(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(fake):
        def recordings(self, source: Path | None) -> Iterator[Recording]:
            for index, each in enumerate(super().recordings(source)):
                size = 100 if index in (2, 5) else 640
                yield Recording(
                    each.name,
                    each.subject,
                    each.time[:size],
                    each.values[:size],
                    each.labels[:size],
                )

    monkeypatch.setitem(DATASETS, "fake", Short)
    assert len(store.load("fake")) == 6 * 9
    short, remedy = store.notes("fake")
    assert short == "2 of 8 recordings gave no window: each is shorter than a window."
    assert "window=100 keeps" in remedy and "fake+short=pad" in remedy
    data = store.load("fake+short=pad")
    assert len(data) == 6 * 9 + 2
    (window,) = np.asarray(data.windows[data.recordings == 2])
    assert np.isnan(window[100:]).all() and not np.isnan(window[:100, 0]).any()
    assert store.notes("fake+short=pad") == ["2 windows are padded; padding counts as missing."]


def test_a_class_without_a_window_is_said(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fleeting(fake):
        @property
        def info(self) -> DatasetInfo:
            return replace(super().info, classes=("a", "b", "blink"))

        def recordings(self, source: Path | None) -> Iterator[Recording]:
            for each in super().recordings(source):
                each.labels[:10] = 2
                yield each

    monkeypatch.setitem(DATASETS, "fake", Fleeting)
    store.load("fake")
    assert store.notes("fake") == ["No window is left of class blink."]


def test_far_time_stamps_do_not_fill_the_memory(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Far(fake):
        def recordings(self, source: Path | None) -> Iterator[Recording]:
            for each in super().recordings(source):
                each.time[-1] = 1e12
                yield each

    monkeypatch.setitem(DATASETS, "fake", Far)
    with pytest.raises(HarbenchError, match=r"'r00': 640 samples over 1e\+12 s would be 5e\+13"):
        store.prepare("fake+max_gap=inf")
    assert len(store.prepare("fake")) == 8 * 8


def test_a_name_too_long_for_a_folder_is_refused(fake: type[Fake]) -> None:
    with pytest.raises(HarbenchError, match="at most 200"):
        store.load("folder+at=" + "x" * 300)


def _changed(
    monkeypatch: pytest.MonkeyPatch, fake: type[Fake], change: Callable[[Recording], Recording]
) -> None:
    class Changed(fake):
        def recordings(self, source: Path | None) -> Iterator[Recording]:
            return map(change, super().recordings(source))

    monkeypatch.setitem(DATASETS, "fake", Changed)


def test_recordings_that_repeat_each_other_are_said_and_can_be_left_out(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    def repeated(each: Recording) -> Recording:
        index = int(each.name[1:])
        if index in (3, 6):
            each.values[:] = np.random.default_rng(99).normal(size=each.values.shape)
        elif index in (2, 4):
            each.values[:] = np.nan
        return replace(each, subject="one") if index in (3, 6) else each

    _changed(monkeypatch, fake, repeated)
    data = store.load("fake")
    note, *rest = store.notes("fake")
    assert note.startswith("REPEATED: 1 of the recordings") and "(r06 = r03)" in note
    assert "`random` and `recording` splits" in note and note.endswith("fake+repeats=drop")
    assert not any("REPEATED" in other for other in rest)
    fewer = store.load("fake+repeats=drop")
    assert len(data) - len(fewer) == 9 and "r06 = r03" in store.notes("fake+repeats=drop")[0]
    copied = {row.kind: row.copied for row in audit(data, seeds=5)}
    assert copied["random"] > 0 and copied["subject"] == copied["loso"] == 0
    clean = {row.kind: row for row in audit(fewer, seeds=1)}
    assert clean["subject"].copied == 0


def test_a_shifted_copy_under_another_person_s_name_is_found(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As DSADS has two of person 4's takes under person 8, ten samples later."""
    signal = np.random.default_rng(5).normal(size=(700, 2, 1))

    def repeated(each: Recording) -> Recording:
        index = int(each.name[1:])
        if index in (0, 5):
            each.values[:] = signal[2 * index : 2 * index + len(each.values)]
        return replace(each, subject=each.name)

    _changed(monkeypatch, fake, repeated)
    data = store.load("fake")
    note = store.notes("fake")[0]
    assert "1 of the recordings" in note and "(r05 ~ r00; ~: most of the samples" in note
    assert "every split can test a copy" in note
    assert len(store.load("fake+repeats=drop")) < len(data)
    copied = {row.kind: row.copied for row in audit(data, seeds=5)}
    assert copied["subject"] > 0 and copied["loso"] > 0


def test_copies_of_another_subject_spoil_every_split(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    def alike(each: Recording) -> Recording:
        each.values[:] = 1.0 if each.name in ("r00", "r01") else each.values
        return each

    _changed(monkeypatch, fake, alike)
    store.load("fake")
    assert "every split can test a copy" in store.notes("fake")[0]


def test_a_class_of_one_subject_is_said(fake: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(each: Recording) -> Recording:
        return replace(each, subject="p0" if each.labels[0] else each.subject)

    _changed(monkeypatch, fake, alone)
    store.load("fake")
    (note,) = store.notes("fake")
    assert note.startswith("Only one subject has class b:")


def test_missing_channels_and_sensors_are_named(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Two(fake):
        @property
        def info(self) -> DatasetInfo:
            return replace(super().info, channels=("x", "y"), units=("g", "g"))

    monkeypatch.setitem(DATASETS, "fake", Two)

    def lossy(each: Recording) -> Recording:
        values = np.repeat(each.values, 2, axis=2)
        values[:, 0, 1] = np.nan
        if each.name in ("r01", "r02", "r03", "r04", "r05"):
            values[:, 1] = np.nan
        return replace(each, values=values)

    _changed(monkeypatch, Two, lossy)
    store.load("fake")
    assert store.notes("fake") == [
        "Sensor s has no y at all.",
        "Sensor t is wholly missing in 5 of 8 recordings (r01, r02, r03 and 2 more).",
        "Sensor t lacks 62.7 % of its values.",
    ]


def test_what_the_options_leave_out_is_not_called_unlabelled(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "left_out", "cycling; activities=all takes it")

    def without(each: Recording) -> Recording:
        each.labels[:] = -1 if each.name == "r03" else each.labels
        return each

    _changed(monkeypatch, fake, without)
    store.load("fake")
    assert store.notes("fake") == [
        "1 of 8 recordings gave no window: it holds nothing but what is left out "
        "(cycling; activities=all takes it)."
    ]


def test_other_code_of_the_dataset_is_noticed(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = store.load("fake").fingerprint
    read = inspect.getsource

    def edited(of: ModuleType) -> str:
        return read(of) + ("\nother = 1\n" if of.__name__ == __name__ else "")

    monkeypatch.setattr(origin.inspect, "getsource", edited)
    monkeypatch.setattr(fake, "poke", 1.0)
    assert store.load("fake").fingerprint != before
    said = capsys.readouterr().err
    assert said == "fake is prepared anew: the code that reads it has changed.\n"
    store.load("fake")
    assert capsys.readouterr().err == ""


def test_a_copy_of_an_earlier_version_is_prepared_anew(
    fake: type[Fake], capsys: pytest.CaptureFixture[str]
) -> None:
    assert not store.is_current("fake") and store.notes("fake") == []
    store.load("fake")
    assert store.is_current("fake")
    index = cache_dir() / "datasets" / "fake" / "dataset.json"
    values = json.loads(index.read_text())
    del values["origin"]
    index.write_text(json.dumps(values))
    assert not store.is_current("fake")
    store.load("fake")
    said = capsys.readouterr().err
    assert said == "fake is prepared anew: an earlier version of harbench made it.\n"


def test_check_finds_damage(fake: type[Fake]) -> None:
    store.load("fake")
    store.check("fake")
    (cache_dir() / "datasets" / "fake" / "index.npz").write_bytes(b"")
    with pytest.raises(HarbenchError, match="is damaged"):
        store.check("fake")


def test_an_embedded_dataset_is_not_read_from_a_file(fake: type[Fake], tmp_path: Path) -> None:
    with pytest.raises(HarbenchError, match="comes with harbench"):
        store.prepare("fake", tmp_path)


def test_options_are_blamed_for_what_they_break_and_only_they(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[Recording]:
        raise ValueError("no such array")

    monkeypatch.setattr(fake, "recordings", broken)
    with pytest.raises(HarbenchError, match=r"fake\+window=64 cannot be made with these options"):
        store.prepare("fake+window=64")
    with pytest.raises(ValueError, match="no such array") as found:
        store.prepare("fake")
    assert not isinstance(found.value, HarbenchError), "without options it is no user's mistake"
    assert leftovers() == []


class FromFolder(Fake):
    """The same, with a file of its own for each recording."""

    embedded = False

    def recordings(self, source: Path | None) -> Iterator[Recording]:
        assert source is not None
        for path, recording in zip(sorted(source.iterdir()), super().recordings(None), strict=True):
            path.read_bytes()
            yield recording

    def open(self, source: Path) -> None:
        if not source.is_dir():
            raise HarbenchError(f"{source} is no folder")


def test_raw_files_are_looked_at_remembered_and_may_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(DATASETS, "fake", FromFolder)
    raw = tmp_path / "raw"
    raw.mkdir()
    for index in range(FromFolder.count):
        (raw / f"r{index}.csv").write_text(str(index))
    with pytest.raises(HarbenchError, match="is no folder"):
        store.prepare("fake", raw / "r0.csv")
    told: list[tuple[str, float]] = []
    data = store.prepare("fake", raw, lambda name, share: told.append((name, share)))
    assert [name for name, _ in told] == [f"r{index:02d}" for index in range(8)]
    assert told[0][1] == 0 and all(0 <= share <= 1 for _, share in told)
    assert store.load("fake+window=64").spec == "fake+window=64", "the source is remembered"
    (raw / "r0.csv").write_text("other")
    assert not store.is_current("fake")
    shutil.rmtree(raw)
    assert store.is_current("fake"), "raw data that is not at hand cannot have changed"
    assert store.load("fake").fingerprint == data.fingerprint and not capsys.readouterr().err
