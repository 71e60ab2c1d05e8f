"""A method of one's own: a new file, a file by its path, a package with an entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from end_to_end.commands import DATASET, Cli, read

from harbench import registry
from harbench.errors import HarbenchError

SMOKE = ("--dataset", DATASET, "--budget", "smoke", "--seeds", "0", "--protocol", "clean")


def test_from_nothing_to_a_row(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = cli("new", "method", "my_net", "--here")
    assert made.code == 0 and "harbench check ./my_net.py" in made.out
    assert cli("check", "./my_net.py").code == 0
    done = cli("run", "--method", "./my_net.py", "--set", "width=8", *SMOKE)
    assert done.code == 0 and "my_net" in done.out
    record = read(tmp_path / "results" / DATASET / "clean/smoke/my_net+width=8/seed-0.json")
    assert record["identity"]["method"] == "my_net"
    again = cli("run", "--method", str(tmp_path / "my_net.py"), "--set", "width=8", *SMOKE)
    assert "1 of 1 runs are already there" in again.out
    # A changed line makes another method of it, whose record is not there yet.
    file = tmp_path / "other" / "my_net.py"
    file.parent.mkdir()
    file.write_text((tmp_path / "my_net.py").read_text().replace("nn.ReLU()", "nn.GELU()"))
    changed = cli("run", "--method", str(file), "--set", "width=8", *SMOKE)
    assert changed.code == 0 and "already there" not in changed.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("My-Net", "--here"), "lower-case letters"),
        (("class", "--here"), "lower-case letters"),
        (("cnn", "--here"), "already"),
        (("taken", "--here"), "exists already"),
        (("random", "--here"), "There is a Python module 'random'"),
    ],
)
def test_a_name_that_cannot_be(
    cli: Cli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.py").write_text("")
    answer = cli("new", "method", *arguments)
    assert answer.code == 2 and message in answer.err and "Traceback" not in answer.err
    assert (tmp_path / "taken.py").read_text() == ""


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("empty", "", "registers no method called 'empty'"),
        ("cnn", "", "'cnn' is taken"),
    ],
)
def test_a_file_that_holds_no_method(
    cli: Cli, tmp_path: Path, name: str, source: str, message: str
) -> None:
    file = tmp_path / f"{name}.py"
    file.write_text(source)
    answer = cli("run", "--method", str(file), *SMOKE)
    assert answer.code == 2 and message in answer.err and "Traceback" not in answer.err


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(HarbenchError, match=r"nowhere\.py does not exist"):
        registry.method_class("nowhere.py")


PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "their-methods"
version = "1.0"
[project.entry-points."harbench.methods"]
theirs = "their_methods.theirs"
broken = "their_methods.broken"
[tool.setuptools]
packages = ["their_methods"]
"""


def test_a_package_registers_by_its_entry_points(cli: Cli, tmp_path: Path) -> None:
    package = tmp_path / "project" / "their_methods"
    package.mkdir(parents=True)
    (package.parent / "pyproject.toml").write_text(PROJECT)
    (package / "__init__.py").write_text("")
    (package / "broken.py").write_text("import a_package_that_nobody_has\n")
    os.chdir(package)
    assert cli("new", "method", "theirs", "--here").code == 0
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    pip += ["--no-build-isolation", "--target", str(site), str(package.parent)]
    subprocess.run(pip, check=True, capture_output=True)
    paths = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"}

    def harbench(*arguments: str) -> str:
        call = [sys.executable, "-m", "harbench", *arguments]
        done = subprocess.run(
            call, env=environment, capture_output=True, text=True, check=True, timeout=300
        )
        return done.stdout

    listed = harbench("list", "methods")
    assert "theirs" in listed and "robusthar" in listed
    assert "broken" in listed and "a_package_that_nobody_has" in listed
    assert "theirs" in harbench("run", "--method", "theirs", "--set", "width=8", *SMOKE)


def test_a_file_of_the_current_folder_is_no_library(tmp_path: Path) -> None:
    """A worker is an interpreter of its own: it must not import a person's random.py."""
    for name in ("random", "torch", "signal"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not the library')\n")
    command = [Path(sys.executable).with_name("harbench"), "run", "--method", "cnn", "--budget"]
    more = ["smoke", "--protocol", "clean", "--dataset", DATASET, "--seeds", "0"]
    done = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "results").rglob("seed-0.json"))


def test_a_class_is_not_called_as_what_the_file_imports(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sensor", "recording"):
        answer = cli("new", "dataset", name, "--here")
        assert answer.code == 2 and "uses for something else" in answer.err
