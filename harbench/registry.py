"""How methods, datasets and protocols are found: by file name, by entry point, or by path.

Names are listed without importing anything; a module is imported when it is asked for. One that
cannot be imported is reported as broken and stops nobody else.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from harbench import discovery
from harbench.dataset import DATASETS, Dataset
from harbench.errors import BrokenCodeError, HarbenchError, line_of, one_line, unknown
from harbench.method import METHODS, Method
from harbench.options import differences, format_spec
from harbench.protocol import Protocol, read_protocol

OF_FILE = "harbench_file_"
REGISTERED: dict[str, dict[str, Any]] = {"method": METHODS, "dataset": DATASETS}
# What is registered beside the files that are being imported now.
_BESIDE: list[dict[str, dict[str, Any]]] = []


def method_names() -> list[str]:
    """Every registered method, sorted."""
    return sorted(discovery.modules("methods"))


def dataset_names() -> list[str]:
    """Every registered dataset, sorted."""
    return sorted(discovery.modules("datasets"))


def method_class(name: str) -> type[Method]:
    """The method called `name`, or that of the Python file at the path `name`.

    HarbenchError if there is none or if its import fails.
    """
    if name.endswith(".py"):
        found: type[Method] = _of_file("method", Path(name).resolve())
        return found
    _import("method", name)
    return METHODS[name]


def dataset_class(name: str) -> type[Dataset]:
    """The dataset called `name`, or that of the Python file at the path `name`.

    HarbenchError if there is none or if its import fails.
    """
    if name.endswith(".py"):
        found: type[Dataset] = _of_file("dataset", Path(name).resolve())
        return found
    _import("dataset", name)
    return DATASETS[name]


def require_no_path(name: str, where: object) -> None:
    """Raise HarbenchError where a name that a file gives is a path: what it names would be run."""
    if name.endswith(".py"):
        raise HarbenchError(
            f"{where} names the file {name!r}, whose code is not run because a file says so. Give "
            "it yourself if you trust it: --method FILE, --dataset FILE."
        )


def is_foreign(name: str) -> bool:
    """Whether a method is not one of harbench's own folder: a file's, or another package's."""
    module = discovery.modules("methods").get(name, "")
    return name.endswith(".py") or not module.startswith("harbench.")


def text_of(name: str) -> bytes:
    """The source of the method called `name`, nothing where it cannot be found."""
    try:
        if name.endswith(".py"):
            return Path(name).read_bytes()
        found = importlib.util.find_spec(discovery.modules("methods")[name])
        return Path(found.origin).read_bytes() if found and found.origin else b""
    except (OSError, ImportError, KeyError, ValueError):
        return b""


def spoken(dataset: Dataset) -> str:
    """The spec of a dataset as a user types it: the path where it is a Python file's."""
    cls = type(dataset)
    module = sys.modules[cls.__module__]
    name = cls.name
    if cls.__module__.startswith(OF_FILE) and module.__file__:
        path = Path(module.__file__)
        here = Path.cwd()
        name = f"./{path.relative_to(here)}" if path.is_relative_to(here) else str(path)
    return format_spec(name, differences(dataset.options, cls.Options()))


def _import(kind: str, name: str) -> None:
    registered = REGISTERED[kind]
    known = discovery.modules(f"{kind}s")
    if name not in known:
        if name in registered:
            return
        raise _absent(kind, name, known)
    try:
        importlib.import_module(known[name])
    # A broken plug-in may raise anything, and even exit; it is reported, not hidden.
    except (Exception, SystemExit) as error:
        raise BrokenCodeError(
            f"{kind.capitalize()} {name!r} cannot be imported from {known[name]}: {_why(error)}"
        ) from error
    for beside in _BESIDE:
        if name in beside[kind]:
            registered[name] = beside[kind][name]
    if name not in registered:
        raise HarbenchError(
            f"Module {known[name]} registers no {kind} called {name!r}: "
            f"its class needs @register_{kind} and name = {name!r}."
        )


def _absent(kind: str, name: str, known: Iterable[str]) -> HarbenchError:
    """The error for a name that is not registered; a file of that name here is what was meant."""
    # Path.is_file raises for a name that is too long to be one.
    if name.isidentifier() and os.path.isfile(f"{name}.py"):  # noqa: PTH113
        return HarbenchError(
            f"Unknown {kind} {name!r}. There is a file {name}.py here: name it by its path, "
            f"as in --{kind} ./{name}.py"
        )
    return unknown(kind, name, known, hint=f"harbench list {kind}s")


def _why(error: BaseException) -> str:
    """What an import ended with."""
    if isinstance(error, SystemExit):
        return f"it leaves with exit code {error.code}"
    return one_line(error)


@cache
def _of_file(kind: str, path: Path) -> Any:
    """The class that a Python file registers under its own name."""
    name, taken = discovery.name_of(kind, path.stem), discovery.modules(f"{kind}s")
    if not path.is_file():
        raise HarbenchError(f"{kind.capitalize()} file {path} does not exist.")
    if name in taken:
        raise HarbenchError(f"{path}: {name!r} is taken by {taken[name]}. Rename it.")
    # The whole path is in the name, so that two files of one name do not mix.
    module_name = f"{OF_FILE}{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    with _own_registration(module_name) as registered:
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # a user's file may raise anything
            where = line_of(str(path), error)
            raise BrokenCodeError(f"{where}: cannot be imported: {_why(error)}") from error
        found = registered[kind].get(name)
    if found is None or found.__module__ != module_name:
        raise HarbenchError(
            f"{path} registers no {kind} called {name!r}: "
            f"its class needs @register_{kind} and name = {name!r}."
        )
    return found


@contextmanager
def _own_registration(module: str) -> Iterator[dict[str, dict[str, Any]]]:
    """Nothing that `module` registers inside stays registered: it can take no name's place.

    What it imports is registered as always, under a name that is its own.
    """
    before = {kind: dict(known) for kind, known in REGISTERED.items()}
    for known in REGISTERED.values():
        known.clear()
    _BESIDE.append(before)
    try:
        yield REGISTERED
    finally:
        _BESIDE.pop()
        for kind, known in REGISTERED.items():
            owners = discovery.modules(f"{kind}s")
            kept = {n: c for n, c in known.items() if owners.get(n, c.__module__) == c.__module__}
            own = {name: cls for name, cls in kept.items() if cls.__module__ != module}
            known.clear()
            known.update({**own, **before[kind]})


@cache
def _protocol_files() -> dict[str, Path]:
    package = importlib.import_module("harbench.protocols")
    return {file.stem: file for folder in package.__path__ for file in Path(folder).glob("*.toml")}


def protocol_names() -> list[str]:
    """Every shipped protocol, sorted."""
    return sorted(_protocol_files())


def _of_toml(path: Path) -> Protocol:
    """A protocol of the user's own; its records must not take the place of a shipped one's."""
    found, shipped = read_protocol(path), _protocol_files().get(path.stem)
    if shipped and read_protocol(shipped).rules() != found.rules():
        raise HarbenchError(
            f"{path}: the suite has a protocol {path.stem!r} with other rules. Rename the file."
        )
    return found


def protocol(name: str) -> Protocol:
    """The shipped protocol called `name`, or the one in the TOML file at the path `name`."""
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise HarbenchError(f"Protocol file {name} does not exist.")
        return _of_toml(Path(name))
    files = _protocol_files()
    if name not in files:
        # Path.is_file raises for a name that is too long to be one.
        own = os.path.isfile(f"{name}.toml")  # noqa: PTH113
        hint = f"Or do you mean ./{name}.toml?" if own else "harbench list protocols"
        raise unknown("protocol", name, files, hint=hint)
    return read_protocol(files[name])
