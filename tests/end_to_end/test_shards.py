"""A grid from a file, in one piece and in shards whose folders are copied together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from end_to_end.commands import DATASET, Cli, read

TEXT = f"""
methods = ["cnn", "cnn+augment=sensor"]
protocols = ["clean", "missing-10"]
datasets = ["{DATASET}"]
seeds = [0, 1]
budget = "smoke"

[settings]
width = 8
layers = 1
"""


def scores(results: Path) -> dict[str, str]:
    """The bytes of each record's identity and scores."""
    found = {str(path.relative_to(results)): read(path) for path in results.rglob("seed-*.json")}
    return {
        name: json.dumps([record["identity"], record["conditions"]])
        for name, record in found.items()
    }


def test_shards_are_the_grid(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.toml").write_text(TEXT)
    run = ("run", "--config", tmp_path / "run.toml", "--jobs", "1")
    shown = cli(*run, "--dry-run").out
    assert "4 trainings serve 8 runs; stages: 4 to train, 4 shared" in " ".join(shown.split())
    assert cli(*run, "--results", tmp_path / "whole").code == 0
    merged = tmp_path / "merged"
    for part in ("1/2", "2/2"):
        # Machines that share nothing.
        monkeypatch.setenv("HARBENCH_CACHE", str(tmp_path / f"cache-{part[0]}"))
        answer = cli(*run, "--shard", part, "--results", tmp_path / part[0])
        assert answer.code == 0 and "[4/4]" in answer.out, answer.err
        shutil.copytree(tmp_path / part[0], merged, dirs_exist_ok=True)
    assert scores(merged) == scores(tmp_path / "whole") and len(scores(merged)) == 8
    assert "8 of 8 runs are already there" in cli(*run, "--results", merged).out
    empty = cli(*run, "--shard", "9/9", "--results", tmp_path / "none")
    assert empty.code == 0 and "holds no run" in empty.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name a --method, or a file with --config."),
        (("--method", "cnn"), "Name a --protocol, or a file with --config."),
        (("--config", "none.toml"), "none.toml: cannot be read: No such file"),
        (("--method", "cnn", "--protocol", "clean", "--shard", "2"), "write i/n"),
    ],
)
def test_mistakes_are_explained(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    answer = cli("run", *arguments)
    assert answer.code == 2 and message in answer.err and len(answer.err.splitlines()) == 1
