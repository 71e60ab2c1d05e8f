"""Every test has a cache and a results folder of its own; nothing of the user's is touched."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Tests run side by side; a second thread each would only slow them down.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from end_to_end.commands import Answer, Cli
from hypothesis import settings

from harbench.cli.main import main
from harbench.data import store

RESULTS = Path(__file__).resolve().parents[1] / "results"

# The same examples in every run, and no clock: a gate that fails by chance tells nothing.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HARBENCH_RESULTS", str(tmp_path / "results"))
    # Text folds as in a terminal of 80 columns, whatever the terminal of the tests is.
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("HARBENCH_DATA", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell starts what is in its background deaf to Ctrl-C, and the tests' commands with it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def _spar_prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache that holds the prepared spar, made once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("shared-cache")
        patch.setenv("HARBENCH_CACHE", str(folder))
        store.prepare("spar")
        yield folder


@pytest.fixture
def spar_cache(_spar_prepared: Path, tmp_path: Path) -> Path:
    """This test's own cache, with spar already prepared in it."""
    cache = tmp_path / "cache"
    (cache / "datasets").mkdir(parents=True)
    (cache / "datasets" / "spar").symlink_to(_spar_prepared / "datasets" / "spar")
    return cache


@pytest.fixture(scope="session")
def _indexes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("indexes")


@pytest.fixture
def committed(_indexes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The committed records are the results folder; they are read and checked once a session."""
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "indexes").symlink_to(_indexes)
    monkeypatch.setenv("HARBENCH_RESULTS", str(RESULTS))


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """``cli("run", "--method", "robusthar")``."""

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["harbench", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code: Any = 0
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return Answer(int(code or 0), printed.out, printed.err)

    return call


def pytest_collection_finish() -> None:
    """What is imported by then stays: collecting garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    import torch

    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason="no CUDA GPU"))
