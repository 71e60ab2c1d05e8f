"""A checkout runs its own code, whichever harbench is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from end_to_end.commands import read
from end_to_end.documented import ROOT

PARTS = ("harbench", "methods", "datasets", "protocols")


def test_workers_run_the_code_of_the_checkout(spar_cache: Path, tmp_path: Path) -> None:
    """A record would else say what this command planned and hold what another harbench did."""
    checkout = tmp_path / "checkout"
    for part in PARTS:
        shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", checkout)
    package = checkout / "harbench" / "__init__.py"
    package.write_text(package.read_text().replace('__version__ = "', '__version__ = "9.'))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "harbench", "run", "--method", "random_forest"),
            *("--protocol", "clean", "--seeds", "0", "--budget", "smoke", "--results", "results"),
        ],
        cwd=checkout,
        env={**os.environ, "HARBENCH_CACHE": str(spar_cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = (checkout / "results").rglob("seed-0.json")
    assert read(path)["provenance"]["harbench"].startswith("9.")
