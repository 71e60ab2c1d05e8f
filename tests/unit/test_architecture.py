"""The shape of the project: who may import whom, how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Each layer may import itself and the layers after it.
LAYERS = (
    "cli",
    "classifier leaderboard",
    "running testing",
    "onnx model",
    "training",
    "evaluation",
    "data",
    "registry",
    "method protocol dataset",
    "options streams errors discovery outside",
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}
# Layers that say what records show.
OF_ANALYSIS = ("cli", "leaderboard")
ENTRY = {"harbench/__init__.py", "harbench/__main__.py"}


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a file imports at any depth, type checking included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(name: str) -> str:
    """The layer of ``harbench.data.store``: ``data``."""
    return name.split(".")[1] if name.startswith("harbench.") else ""


def engine() -> list[Path]:
    return sorted(
        path
        for path in (ROOT / "harbench").rglob("*.py")
        if str(path.relative_to(ROOT)) not in ENTRY
    )


@pytest.mark.parametrize("path", engine(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    own = path.relative_to(ROOT / "harbench").parts[0].removesuffix(".py")
    for name in imports(path):
        target = part(name)
        assert target not in ("methods", "datasets"), f"{path} imports {name}: use the registry"
        if own == "nn":
            assert target in ("", "nn", "method", "errors"), f"{path} imports {name}"
        elif own == "analysis":
            assert target in (
                "",
                "analysis",
                "errors",
                "discovery",
                "outside",
            ) and not name.startswith("torch")
        elif target in RANK:
            assert RANK[target] >= RANK[own], f"{path} imports {name}"
        else:
            assert target in ("", "nn", "__version__") or own in OF_ANALYSIS, (
                f"{path} imports {name}"
            )


@pytest.mark.parametrize("folder", ["methods", "datasets"])
def test_plug_ins_do_not_import_each_other(folder: str) -> None:
    for path in (ROOT / folder).glob("*.py"):
        for name in imports(path):
            assert part(name) not in ("methods", "datasets", "running", "training", "cli"), name
    assert not (ROOT / folder / "__init__.py").exists()


def test_analysis_and_records_need_no_torch() -> None:
    code = (
        "import sys, harbench.analysis.summary, harbench.running.store\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_can_be_read_in_one_sitting() -> None:
    folders = ("harbench", "methods", "datasets")
    for path in (p for f in folders for p in (ROOT / f).rglob("*.py")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 320, path


def test_protocol_files_are_short() -> None:
    for path in (ROOT / "protocols").glob("*.toml"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 25, path
