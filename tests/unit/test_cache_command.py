"""`harbench cache`: what it counts, removes and finds damaged."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from end_to_end.commands import Cli
from unit.toy import Killed, killer, training

from harbench.data import store
from harbench.data.paths import locked
from harbench.training.cache import StageCache
from harbench.training.fit import fit
from harbench.training.identity import stage_keys

TINY = "bodysim+activities=3+seconds=24.0+sensors=3+subjects=3"


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A cache with two finished stages and one in progress."""
    cache = StageCache.default()
    fit(training(), cache)
    with pytest.raises(Killed):
        fit(training(epochs=(3, 5)), cache, killer("pretrain", 1))
    return tmp_path / "cache"


def names(cache: Path) -> set[str]:
    return {p.name for p in (cache / "stages").iterdir() if p.suffix != ".lock"}


def test_info_counts_by_kind(cli: Cli, filled: Path) -> None:
    answer = cli("cache", "info")
    assert answer.code == 0 and str(filled) in answer.out
    counts = dict(re.findall(r"^(\S.*?) {2,}(\d+)", answer.out, re.MULTILINE))
    assert counts["trained stages"] == "2" and counts["stages in progress"] == "1"
    assert counts["prepared datasets"] == "0"


def test_an_absent_cache_is_empty(cli: Cli) -> None:
    assert cli("cache", "info").code == 0
    assert "Removed 0 files" in cli("cache", "prune").out
    assert "Nothing is damaged" in cli("cache", "check").out


def test_prune_removes_what_nothing_needs(cli: Cli, filled: Path) -> None:
    kept = names(filled)
    first, second = stage_keys(training())
    stages = filled / "stages"
    left = stages / f".{first}.safetensors.abcd1234"
    half = stages / ("a" * 64 + ".safetensors")
    done = stages / f"{second}.partial.safetensors"
    for path in (left, half, done):
        path.write_text("x")
    folder = filled / "datasets" / ".spar.abcd1234"
    fresh = filled / "predictions" / ".seed-0.npz.abcd1234"
    stale = filled / "predictions" / ".seed-1.npz.abcd1234"
    (filled / "locks").mkdir()
    (filled / "locks" / "spar.lock").touch()
    for path in (folder / "windows.f32", fresh, stale):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 2048)
    os.utime(stale, (1.0, 1.0))
    with locked(filled / "locks" / "spar.lock"), locked(stages / f"{first}.lock"):
        cli("cache", "prune")
        assert left.exists() and folder.exists(), "somebody is writing them"
    answer = cli("cache", "prune")
    assert answer.code == 0 and "Removed 2 files and folders: 2.0 KiB" in answer.out
    assert names(filled) == kept and fresh.exists()
    assert not folder.exists() and not stale.exists()


def test_prune_removes_what_is_old_if_asked(cli: Cli, filled: Path) -> None:
    kept = names(filled)
    for path in (filled / "stages").iterdir():
        os.utime(path, (time.time() - 5 * 86_400,) * 2)
    cli("cache", "prune", "--older-than", "6")
    assert names(filled) == kept
    cli("cache", "prune", "--older-than", "4")
    assert names(filled) == set()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_check_names_what_is_damaged(cli: Cli, filled: Path) -> None:
    store.prepare(TINY)
    predictions = filled / "predictions" / "x" / "seed-0.npz"
    predictions.parent.mkdir(parents=True)
    predictions.write_bytes((filled / "datasets" / TINY / "index.npz").read_bytes())
    assert cli("cache", "check").code == 0
    first, second = stage_keys(training())
    (partial,) = (filled / "stages").glob("*.partial.safetensors")
    victims = [
        filled / "stages" / f"{first}.safetensors",
        partial,
        filled / "datasets" / TINY / "windows.f32",
    ]
    for path in victims:
        flip(path)
    predictions.write_bytes(predictions.read_bytes()[:-100])
    (filled / "stages" / f"{second}.json").write_text("[]")
    answer = cli("cache", "check")
    assert answer.code == 1 and len(answer.out.splitlines()) == 5
    for word in (f"{first}.json", f"{second}.json", partial.name, TINY, "seed-0.npz"):
        assert word in answer.out
