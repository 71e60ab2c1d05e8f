"""A run repeated from its record alone: the same bits, or what differs, and why it may."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from end_to_end.commands import DATASET, Cli, folder, read

import harbench
from harbench.data.paths import cache_dir
from harbench.running.predictions import _digest
from harbench.running.reading import read_record

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    results, cache = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARBENCH_CACHE", str(cache))
        harbench.run("cnn", "missing-10", DATASET, budget="smoke", seeds=[1], results=results)
    return results, cache


@pytest.fixture
def path(made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the record; its cache is in use."""
    monkeypatch.setenv("HARBENCH_CACHE", str(made[1]))
    record = folder(made[0], "missing-10", "cnn") / "seed-1.json"
    copy = tmp_path / "cnn" / record.name
    copy.parent.mkdir()
    copy.write_bytes(record.read_bytes())
    return copy


def files() -> Files:
    return {str(p): p.read_bytes() for p in cache_dir().rglob("*")
            if p.is_file() and p.suffix != ".lock"}  # fmt: skip


def lines(out: str) -> dict[str, str]:
    return {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines()}


def test_a_record_is_enough_for_the_same_bits(path: Path, cli: Cli) -> None:
    before = files()
    answer = cli("results", "rerun", path)
    assert answer.code == 0, answer
    found = lines(answer.out)
    conditions = len(read(path)["conditions"])
    assert found["metrics"] == f"identical {conditions} conditions"
    assert all(found[part].startswith("identical") for part in ("predictions", "logits", "weights"))
    assert files() == before, "nothing that is kept has changed"


def test_without_what_the_cache_kept_the_metrics_decide(
    path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARBENCH_CACHE", str(tmp_path / "empty"))
    answer = cli("results", "rerun", path)
    assert answer.code == 0, answer
    found = lines(answer.out)
    assert found["metrics"].startswith("identical")
    assert all(found[k].startswith("not compared") for k in ("predictions", "logits", "weights"))


def test_what_differs_is_said(path: Path, cli: Cli) -> None:
    record = read(path)
    record["conditions"][0]["nll"] += 1e-9
    path.write_text(json.dumps(record))
    kept = cache_dir() / record["predictions"]
    whole = kept.read_bytes()
    try:
        with np.load(kept) as file:
            arrays = {key: file[key] for key in file.files}
        arrays["identity"] = np.array(_digest(read_record(path).identity))
        arrays["predicted"][0, 0] = (arrays["predicted"][0, 0] + 1) % 3
        with kept.open("wb") as out:
            np.savez(out, **arrays)
        answer = cli("results", "rerun", path)
    finally:
        kept.write_bytes(whole)
    assert answer.code == 1, answer
    found = lines(answer.out)
    assert found["metrics"].startswith("different clean: nll")
    assert found["predictions"].startswith("different 1 of")
    assert found["logits"].startswith("identical") and found["weights"].startswith("identical")


def version(record: dict[str, Any]) -> None:
    record["provenance"]["packages"]["torch"] = "1.0"


def code(record: dict[str, Any]) -> None:
    record["identity"]["code"] = "0" * 64


def data(record: dict[str, Any]) -> None:
    record["identity"]["fingerprint"] = "0" * 64


def device(record: dict[str, Any]) -> None:
    record["cost"]["device"] = "an abacus"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (version, "torch is "),
        (code, "the method's code has changed"),
        (data, "the data has changed"),
        (device, "device"),
    ],
)
def test_where_it_cannot_agree_it_is_refused(
    path: Path, cli: Cli, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    record = read(path)
    change(record)
    path.write_text(json.dumps(record))
    refused = cli("results", "rerun", path)
    assert refused.code == 2 and words in refused.err and not refused.out, refused
    anyway = cli("results", "rerun", path, "--anyway")
    assert anyway.code == 0 and "note: " in anyway.err, anyway
    assert lines(anyway.out)["metrics"].startswith("identical")


def test_a_method_s_own_file_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("new", "method", "mine", "--here").code == 0
    results = tmp_path / "results"
    run = ("run", "--dataset", DATASET, "--protocol", "clean", "--budget", "smoke", "--seeds", "0")
    assert cli(*run, "--method", tmp_path / "mine.py").code == 0
    path = folder(results, "clean", "mine") / "seed-0.json"
    assert cli("results", "rerun", path).code == 2
    answer = cli("results", "rerun", path, "--method", tmp_path / "mine.py")
    assert answer.code == 0 and lines(answer.out)["weights"].startswith("identical"), answer
