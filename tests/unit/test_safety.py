"""Nothing in the sources runs what a file from elsewhere says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The one place: what a method without gradients has fitted, from a cache that is the user's own.
PICKLE = "harbench/nn/estimator.py"
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
NAMES = {"eval", "exec", "compile", "__import__"}
ATTRIBUTES = {
    *("torch.load", "os.system", "os.popen", "pd.read_pickle", "pandas.read_pickle"),
    *("yaml.load", "tempfile.mktemp", "pty.spawn"),
}
METHODS = {"extractall", "unpack_archive", "to_pickle", "read_pickle"}


def sources() -> list[Path]:
    folders = ("harbench", "methods", "datasets")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def dangers(source: str) -> Iterator[str]:
    """What in a source could run or write what somebody else chose."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            full = [f"{module}.{alias.name}" for alias in node.names]
            yield from (name for name in full if module.partition(".")[0] in MODULES)
            yield from (name for name in full if name in ATTRIBUTES)
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name in ATTRIBUTES or node.attr in METHODS:
                yield name
        elif isinstance(node, ast.Name) and node.id in NAMES:
            yield node.id
        elif isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            said = f"{node.arg}={ast.unparse(node.value)}"
            yield from [said] if not said.endswith("=False") else []


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_source_is_free_of_dangers(path: Path) -> None:
    found = list(dangers(path.read_text(encoding="utf-8")))
    if str(path.relative_to(ROOT)) == PICKLE:
        assert found == ["pickle"]
    else:
        assert not found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib.numpy_pickle",
        "from pickle import loads",
        "from torch import load",
        "torch.load(f)",
        "model = eval(text)",
        "map(exec, texts)",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=wanted)",
        "np.load(f, allow_pickle=True)",
        "archive.extractall()",
        "os.system(command)",
    ],
)
def test_dangers_are_seen(source: str) -> None:
    assert len(list(dangers(source))) == 1


def test_what_only_looks_so_is_fine() -> None:
    source = "network.eval()\nloader.exec_module(m)\nre.compile(x)\nnp.load(f, allow_pickle=False)"
    assert not list(dangers(source))
