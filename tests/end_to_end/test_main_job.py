"""The README's first command, whole: minutes, so it runs in its own tox environment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harbench.running.rows import frame
from harbench.running.store import ResultStore


@pytest.mark.slow
def test_the_first_command_of_the_readme(tmp_path: Path) -> None:
    begun = time.monotonic()
    command = [
        "run",
        "--method",
        "robusthar",
        "--protocol",
        "missing-10",
        "--budget",
        "quick",
        "--jobs",
        "2",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "harbench", *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HARBENCH_RESULTS": str(tmp_path / "results")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "spar · missing-10 · budget quick" in done.stdout
    table = frame(ResultStore(tmp_path / "results").read().records)
    assert sorted(table["seed"].unique()) == [0, 1, 2, 3, 4]
    means = table.groupby("scale")["accuracy"].mean()
    assert means["clean"] > 0.85 and means["mixed"] > 0.75
    assert time.monotonic() - begun < 360, "on two cores it takes less than six minutes"
