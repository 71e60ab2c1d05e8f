"""SIGKILL at any moment: records are whole or absent, and end as if nothing had happened."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from pathlib import Path
from typing import Any

import pytest
from end_to_end.commands import read
from end_to_end.kills import METHODS, PROTOCOLS, grid

from harbench.running import processes
from harbench.running.store import ResultStore

RUNS = len(METHODS) * len(PROTOCOLS) * 2


def begin(folder: Path) -> multiprocessing.process.BaseProcess:
    """The grid on a cache and a results folder of this one."""
    environment = {**processes.environment(), "HARBENCH_CACHE": str(folder / "cache")}
    context = processes.context(on_gpu=False)
    process = context.Process(target=grid, args=(environment, folder / "results"))
    process.start()
    return process


def outcome(folder: Path) -> dict[str, Any]:
    """Everything of the records but times, memory and provenance."""
    found = {}
    for path in sorted((folder / "results").rglob("seed-*.json")):
        record = read(path)
        record["cost"]["stages"] = [
            {key: stage[key] for key in ("name", "epochs", "best_epoch")}
            for stage in record["cost"]["stages"]
        ]
        cost = {key: record["cost"][key] for key in ("parameters", "stages", "device")}
        kept = {**record, "cost": cost, "provenance": None}
        found[str(path.relative_to(folder))] = json.loads(json.dumps(kept).replace(str(folder), ""))
    return found


def leftovers(folder: Path) -> list[str]:
    """Files that only a running process may have."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return [name for name in names if name.endswith(".claim") or "partial" in name or "tmp" in name]


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_grids_end_like_an_undisturbed_one(tmp_path: Path, kills: int) -> None:
    begun = time.monotonic()
    undisturbed = begin(tmp_path / "whole")
    undisturbed.join()
    whole, wanted = time.monotonic() - begun, outcome(tmp_path / "whole")
    assert undisturbed.exitcode == 0 and len(wanted) == RUNS
    lives, cycle, killed, halfway = random.Random(0), 0, 0, 0
    while killed < kills:
        folder = tmp_path / f"cycle-{cycle}"
        process = begin(folder)
        if killed == 0:
            # One kill between two records is certain, however fast the machine is.
            while not list(folder.rglob("seed-*.json")):
                assert process.is_alive()
                time.sleep(0.001)
        else:
            process.join(lives.uniform(0, whole / 2))
        if process.is_alive():
            process.kill()
            process.join()
            killed += 1
            if (folder / "results").is_dir():
                found = ResultStore(folder / "results").read()
                assert found.problems == []
                halfway += 0 < len(found.records) < RUNS
            continue
        assert process.exitcode == 0 and outcome(folder) == wanted
        cycle += 1
    last = tmp_path / f"cycle-{cycle}"
    process = begin(last)
    process.join()
    assert process.exitcode == 0 and outcome(last) == wanted
    assert leftovers(last) == []
    assert halfway > 0
