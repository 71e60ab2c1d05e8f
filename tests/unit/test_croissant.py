"""Metadata that other people's tools can read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from end_to_end.commands import Cli

SPEC = "bodysim+subjects=2"


@pytest.fixture
def metadata(cli: Cli) -> str:
    answer = cli("data", "describe", SPEC, "--croissant")
    assert answer.code == 0
    return answer.out


def test_mlcroissant_accepts_it(metadata: str, tmp_path: Path) -> None:
    package = pytest.importorskip("mlcroissant", reason="mlcroissant is in the extra `test`")
    file = tmp_path / "croissant.json"
    file.write_text(metadata, encoding="utf-8")
    found = package.Dataset(jsonld=str(file))
    assert not found.metadata.issues.errors
    assert found.metadata.name == SPEC
    assert {each.name for each in found.metadata.distribution} == {"windows.f32", "index.npz"}
    names = [row["classes/name"] for row in found.records("classes")]
    assert len(names) == 8


def test_it_holds_the_facts_and_no_signal(metadata: str) -> None:
    found = json.loads(metadata)
    assert "windows of" in found["description"] and found["version"].startswith("1.0.0+")
    assert all(len(each["sha256"]) == 64 for each in found["distribution"])
    assert len(found["variableMeasured"]) > 3 and len(metadata) < 20_000
    assert set(found["recordSet"][0]["data"][0]) == {"classes/index", "classes/name"}
    assert np.isfinite([row["classes/index"] for row in found["recordSet"][0]["data"]]).all()
