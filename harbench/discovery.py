"""What methods and datasets there are and what methods say of themselves; imports none of them."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from zlib import crc32

OWN = "harbench.methods."
# Okabe and Ito's colours without orange and black: for methods that name none.
COLOURS = ("#0072B2", "#009E73", "#56B4E9", "#CC79A7", "#F0E442")


@dataclass(frozen=True)
class Described:
    """A method's class attributes, read from its source. title: its display name."""

    name: str
    title: str
    colour: str
    kind: str = ""
    reference: str = ""


def name_of(kind: str, module: str) -> str:
    """What the method or dataset of a file is called: datasets have hyphens for underscores."""
    return module.replace("_", "-") if kind == "dataset" else module


@cache
def modules(group: str) -> dict[str, str]:
    """Name -> module path of everything in harbench.<group> and its entry points."""
    package = importlib.import_module(f"harbench.{group}")
    found = {
        name_of(group.removesuffix("s"), module.name): f"harbench.{group}.{module.name}"
        for module in pkgutil.iter_modules(package.__path__)
    }
    for point in entry_points(group=f"harbench.{group}"):
        found.setdefault(point.name, point.value.partition(":")[0])
    return found


@cache
def described(name: str) -> Described:
    """What the method `name` says of itself; its name alone where its source cannot be read."""
    said = _attributes(modules("methods").get(name, ""))
    said.setdefault("title", name)
    said.setdefault("colour", COLOURS[crc32(name.encode()) % len(COLOURS)])
    return Described(**{**said, "name": name})


def title(row: str) -> str:
    """How people write a row: "CNN, augment=corruption" for ``cnn+augment=corruption``."""
    name, *options = row.split("+")
    return ", ".join([described(name).title, *options])


def docstring(name: str) -> str:
    """What the class of the method `name` says of itself; "" where its source cannot be found."""
    node = _class(modules("methods").get(name, ""))
    return (ast.get_docstring(node) or "") if node else ""


def defines(name: str, function: str) -> bool:
    """Whether the class of the method `name` has a function of that name of its own."""
    node = _class(modules("methods").get(name, ""))
    return any(getattr(line, "name", "") == function for line in node.body) if node else False


def _class(module: str) -> ast.ClassDef | None:
    """The registered class of a module, as it is written; None in what is no Python."""
    try:
        tree = ast.parse(source(module))
    except SyntaxError:
        return None
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return next(filter(is_method, classes), None)


def _attributes(module: str) -> dict[str, str]:
    """The words that the registered class of a module assigns to the fields of Described."""
    node, wanted = _class(module), {field.name for field in fields(Described)}
    found: dict[str, str] = {}
    for line in node.body if node else []:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
            names = {target.id for target in line.targets if isinstance(target, ast.Name)}
            found |= {key: str(line.value.value) for key in names & wanted}
    return found


def source(module: str) -> str:
    """A module's text; empty where it cannot be read without running foreign code."""
    parent, _, last = module.rpartition(".")
    folders = importlib.import_module(parent).__path__ if module.startswith(OWN) else []
    for folder in folders:
        path = Path(folder) / f"{last}.py"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return ""


def is_method(node: ast.ClassDef) -> bool:
    """Whether a class is a registered method; a network may have functions of the same names."""
    return any(getattr(each, "id", "") == "register_method" for each in node.decorator_list)
