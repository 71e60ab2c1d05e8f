"""The script for a GPU runs, where there is none on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "bench" / "gpu.py"


@pytest.mark.slow
def test_the_script_for_a_gpu_measures_every_part(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    call = ("--device", "cpu", "--methods", "cnn", "--processes", "2", "--seconds", "0.1")
    subprocess.run([sys.executable, SCRIPT, *call, "--out", out], check=True, timeout=300)
    found = json.loads(out.read_text())
    (step,) = found["steps"]
    assert step["stage"] == "supervised" and step["milliseconds"] > 0
    assert found["equality"] == [{"method": "cnn", "largest_difference": 0.0}]
    assert found["side_by_side"][0]["steps_per_second"] > 0
    assert found["projected"][0]["hours"]["cnn"] > 0
