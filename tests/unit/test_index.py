"""The index says what reading every record would say, whatever happened in between."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.frames import made_up_identity, made_up_record

from harbench.data.paths import cache_dir
from harbench.running import index
from harbench.running.index import read_table
from harbench.running.reading import read_folder
from harbench.running.rows import frame


def put(root: Path, seed: int, right: int = 16, label: str = "cnn") -> Path:
    path = root / "bodysim+activities=3" / "clean" / "quick" / label / f"seed-{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = made_up_record(made_up_identity(seed), right)
    # A record takes its place under a new name, as `writing` does it.
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(record.model_dump(mode="json")))
    temporary.replace(path)
    return path


def agrees(root: Path) -> None:
    wanted, found = read_folder(root), read_table(root)
    expected = frame(wanted.records)
    if len(expected):
        order = ["path", "scale", "rate"]
        expected, table = (each.sort_values(order) for each in (expected, found.frame))
        pd.testing.assert_frame_equal(expected.reset_index(drop=True), table.reset_index(drop=True))
    else:
        assert found.frame.empty
    assert list(map(str, found.problems)) == list(map(str, wanted.problems))


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "remove", "damage", "copy", "misplace"]),
            st.integers(0, 2),
            st.integers(2, 17),
        ),
        max_size=8,
    )
)
def test_what_changed_is_read_anew(changes: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for what, seed, right in changes:
            path = put(root, seed, right)
            if what == "remove":
                path.unlink()
            elif what == "damage":
                path.write_text("{")
            elif what == "copy":
                shutil.copy(path, put(root, seed, right, "cnn+width=8"))
            elif what == "misplace":
                path.replace(path.with_name(f"seed-{seed + 5}.json"))
            agrees(root)
        agrees(root)


def test_only_changed_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = index.read_record
    monkeypatch.setattr(index, "read_record", lambda p: (read.append(p.name), real(p))[1])
    for seed in range(3):
        put(tmp_path, seed)
    read_table(tmp_path)
    assert sorted(read) == ["seed-0.json", "seed-1.json", "seed-2.json"]
    read.clear()
    put(tmp_path, 1, right=12)
    agrees(tmp_path)
    assert read == ["seed-1.json"]


def damaged(database: Path) -> None:
    database.write_bytes(b"no database" * 100)


def truncated(database: Path) -> None:
    os.truncate(database, 4096)


def foreign(database: Path) -> None:
    database.unlink()
    database.mkdir()


@pytest.mark.parametrize("spoil", [damaged, truncated, foreign])
def test_a_spoilt_index_costs_time_only(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    for seed in range(2):
        put(tmp_path, seed)
    read_table(tmp_path)
    (database,) = (cache_dir() / "indexes").iterdir()
    spoil(database)
    agrees(tmp_path)
    agrees(tmp_path)


def test_a_cache_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "results", 0)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARBENCH_CACHE", str(tmp_path / "file" / "cache"))
    agrees(tmp_path / "results")


def test_the_current_folder_is_a_results_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a root that is written `.` nothing is cut from the names of its datasets."""
    for seed, data in ((0, "a1"), (1, "b1")):
        record = made_up_record(made_up_identity(seed).model_copy(update={"dataset": data}))
        path = tmp_path / data / "clean" / "quick" / "cnn" / f"seed-{seed}.json"
        path.parent.mkdir(parents=True)
        path.write_text(record.model_dump_json(by_alias=True))
    monkeypatch.chdir(tmp_path)
    assert set(read_table(Path()).frame["dataset"]) == {"a1", "b1"}
