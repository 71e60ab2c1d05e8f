"""Several processes on one grid: each run is executed once, and all have all results."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from end_to_end.commands import DATASET, Cli, read
from end_to_end.test_foreign import method, outcomes

import harbench
from harbench.data import paths
from harbench.errors import HarbenchError
from harbench.running.store import ResultStore


@pytest.fixture
def logged(tmp_path: Path) -> str:
    """A method that writes a letter whenever it is trained."""
    return writing(tmp_path, "mine")


def writing(folder: Path, name: str, end: str = "pass", seconds: float = 1.0) -> str:
    """A method whose training writes a letter, takes a while and does what `end` says."""
    log = str(folder / "log")
    return method(
        folder, name, fitted=f"open({log!r}, 'a').write('x'); time.sleep({seconds}); {end}"
    )


@pytest.mark.parametrize("more", [(), ("--force",)], ids=["plain", "force"])
def test_each_run_is_executed_once(more: tuple[str, ...], tmp_path: Path) -> None:
    # Longer than processes begin one after another on a busy machine: one that begins after an
    # outcome is a next call, which tries a failure again, and everything with --force.
    fine = writing(tmp_path, "mine", seconds=5.0)
    diverging = writing(tmp_path, "fails", "1 / 0", seconds=5.0)
    command = [
        *(sys.executable, "-m", "harbench", "run", "--method", fine, "--method", diverging),
        *("--dataset", DATASET, "--protocol", "clean", "--budget", "smoke", "--seeds", "0-2"),
        *("--jobs", "2", *more),
    ]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        out, errors = process.communicate(timeout=300)
        assert process.returncode == 1 and "Traceback" not in out + errors, out + errors
        assert "3 of 6 runs failed" in out
    assert (tmp_path / "log").read_text() == "x" * 6
    names = {path.name for path in (tmp_path / "results").rglob("seed-*")}
    ends = (".json", ".labels.npz", ".failed.json")
    assert names == {f"seed-{n}{end}" for n in range(3) for end in ends}


def test_a_dead_process_s_run_is_taken_over_and_its_leftovers_go(
    logged: str, tmp_path: Path
) -> None:
    place = tmp_path / "results" / DATASET / "clean" / "smoke" / "mine"
    place.mkdir(parents=True)
    claim = place / "seed-0.claim"
    claim.write_text(json.dumps({"host": platform.node(), "pid": 1, "began": 0.0}))
    for name in ("seed-0.json", "seed-0.labels.npz"):
        (place / f".{name}.abcd1234").write_text("{")
    harbench.run(logged, "clean", DATASET, seeds=[0], budget="smoke")
    left = sorted(path.name for path in place.iterdir())
    assert left == ["seed-0.json", "seed-0.labels.npz"]


def test_what_another_one_has_finished_is_used(
    logged: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harbench.run(logged, "clean", DATASET, seeds=[0], budget="smoke", results=tmp_path / "other")
    store = ResultStore(tmp_path / "results")
    (path, _), *_ = ResultStore(tmp_path / "other").read().records
    place = store.root / path.relative_to(tmp_path / "other")
    place.parent.mkdir(parents=True)
    place.with_suffix(".claim").write_text(json.dumps({"host": "elsewhere", "pid": 1, "began": 0}))
    polls = iter(range(100))

    def wait(_: float) -> None:
        if next(polls) == 2:
            os.link(path, place)

    monkeypatch.setattr("harbench.running.executors.time.sleep", wait)
    frame = harbench.run(logged, "clean", DATASET, seeds=[0], budget="smoke")
    assert len(frame) == 1 and read(place)["identity"]["method"] == "mine"
    assert (tmp_path / "log").read_text() == "x", "it was trained for the other folder only"


def test_the_results_folder_is_tried_before_the_first_training(
    cli: Cli, logged: str, tmp_path: Path
) -> None:
    """Every run's folder, not only the first one's."""
    place = tmp_path / "results" / DATASET / "clean" / "smoke"
    place.mkdir(parents=True)
    other = method(tmp_path, "other")
    (place / "other").write_text("in the way")
    base = ("--dataset", DATASET, "--protocol", "clean", "--budget", "smoke", "--seeds", "0")
    answer = cli("run", "--method", logged, "--method", other, *base)
    assert answer.code == 2 and "Cannot write" in answer.err and "other" in answer.err
    assert not (tmp_path / "log").exists()
    assert outcomes(tmp_path / "results") == {}


def test_a_complete_cache_need_not_be_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a shared disk; root's rights are above those of a read-only folder."""

    def run(results: str) -> list[float]:
        frame = harbench.run(
            *("cnn", "clean", DATASET), seeds=[0], budget="smoke", results=tmp_path / results
        )
        return list(frame["accuracy"])

    def sealed(whole: Any, place: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            path = named.get(place) or given[0]
            if "cache" in Path(getattr(path, "lock_file", path)).parts:
                raise OSError(30, "Read-only file system")
            return whole(*given, **named)

        return call

    first = run("first")
    monkeypatch.setattr(paths.tempfile, "mkstemp", sealed(paths.tempfile.mkstemp, "dir"))
    monkeypatch.setattr(paths.FileLock, "acquire", sealed(paths.FileLock.acquire, "self"))
    assert run("second") == first
    (predictions,) = (tmp_path / "cache" / "predictions").rglob("*.npz")
    predictions.unlink()
    with pytest.raises(HarbenchError, match="Read-only file system"):
        run("third")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harbench", "list", "methods"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
