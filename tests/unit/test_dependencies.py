"""The packages that harbench needs have no weakness that is publicly known."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from importlib.metadata import requires
from importlib.util import find_spec

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.mark.slow
def test_no_dependency_has_a_known_weakness() -> None:
    if find_spec("pip_audit") is None:
        pytest.skip("pip-audit is not installed: it is in the slow environment of tox")
    call = [sys.executable, "-m", "pip_audit", "--path", sysconfig.get_path("purelib")]
    call += ["--format", "json", "--progress-spinner", "off", "--timeout", "30"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        pytest.skip(f"pip-audit reached no data: {done.stderr.strip()[-200:]}")
    found = json.loads(done.stdout)["dependencies"]
    looked_at = {canonicalize_name(each["name"]): each for each in found if "vulns" in each}
    own = {canonicalize_name(Requirement(text).name) for text in requires("harbench") or []}
    if not own & looked_at.keys():
        pytest.skip("pip-audit reached no data: its index knows none of our packages")
    weak = {name: looked_at[name]["vulns"] for name in own & looked_at.keys()}
    assert not {name: [v["id"] for v in found] for name, found in weak.items() if found}
