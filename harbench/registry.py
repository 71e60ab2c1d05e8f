"""How methods, datasets and protocols are found: by file name, by entry point, or by path.

Names are listed without importing anything; a module is imported when it is asked for. One that
cannot be imported is reported as broken and stops nobody else.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
import traceback
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from harbench.dataset import DATASETS, Dataset
from harbench.errors import HarbenchError, one_line, unknown
from harbench.method import METHODS, Method
from harbench.protocol import Protocol, read_protocol


@cache
def _modules(group: str) -> dict[str, str]:
    """Name -> module path of everything in harbench.<group> and its entry points."""
    package = importlib.import_module(f"harbench.{group}")
    # Names of datasets are written with hyphens, which no module can have.
    hyphen = "-" if group == "datasets" else "_"
    found = {
        module.name.replace("_", hyphen): f"harbench.{group}.{module.name}"
        for module in pkgutil.iter_modules(package.__path__)
    }
    for point in entry_points(group=f"harbench.{group}"):
        found.setdefault(point.name, point.value.partition(":")[0])
    return found


def method_names() -> list[str]:
    """Every registered method, sorted."""
    return sorted(_modules("methods"))


def dataset_names() -> list[str]:
    """Every registered dataset, sorted."""
    return sorted(_modules("datasets"))


def method_class(name: str) -> type[Method]:
    """The method called `name`, or that of the Python file at the path `name`.

    HarbenchError if there is none or if its import fails.
    """
    if name.endswith(".py"):
        return _method_of_file(Path(name).resolve())
    _import("method", "methods", name, METHODS)
    return METHODS[name]


def dataset_class(name: str) -> type[Dataset]:
    """The dataset called `name`; HarbenchError if there is none or if its import fails."""
    _import("dataset", "datasets", name, DATASETS)
    return DATASETS[name]


def _import(kind: str, group: str, name: str, registered: dict[str, type]) -> None:
    if name in registered:
        return
    modules = _modules(group)
    if name not in modules:
        raise unknown(kind, name, modules, hint=f"harbench list {group}")
    try:
        importlib.import_module(modules[name])
    except Exception as error:  # a broken plug-in may raise anything; it is reported, not hidden
        raise HarbenchError(
            f"{kind.capitalize()} {name!r} cannot be imported from {modules[name]}: "
            f"{one_line(error)}"
        ) from error
    if name not in registered:
        raise HarbenchError(
            f"Module {modules[name]} registers no {kind} called {name!r}: "
            f"its class needs @register_{kind} and name = {name!r}."
        )


@cache
def _method_of_file(path: Path) -> type[Method]:
    name = path.stem
    if not path.is_file():
        raise HarbenchError(f"Method file {path} does not exist.")
    if name in _modules("methods"):
        raise HarbenchError(f"{path}: {name!r} is taken by {_modules('methods')[name]}. Rename it.")
    # The whole path is in the name, so that two files of one name do not mix.
    module_name = f"harbench_file_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{name}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything
        lines = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
        ]
        where = f"{path}, line {lines[-1]}" if lines else str(path)
        raise HarbenchError(f"{where}: cannot be imported: {one_line(error)}") from error
    found = METHODS.pop(name, None)
    if found is None or found.__module__ != module_name:
        raise HarbenchError(
            f"{path} registers no method called {name!r}: "
            f"its class needs @register_method and name = {name!r}."
        )
    return found


@cache
def _protocol_files() -> dict[str, Path]:
    package = importlib.import_module("harbench.protocols")
    return {file.stem: file for folder in package.__path__ for file in Path(folder).glob("*.toml")}


def protocol_names() -> list[str]:
    """Every shipped protocol, sorted."""
    return sorted(_protocol_files())


def protocol(name: str) -> Protocol:
    """The shipped protocol called `name`, or the one in the TOML file at the path `name`."""
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise HarbenchError(f"Protocol file {name} does not exist.")
        return read_protocol(Path(name))
    files = _protocol_files()
    if name not in files:
        raise unknown("protocol", name, files, hint="harbench list protocols")
    return read_protocol(files[name])
