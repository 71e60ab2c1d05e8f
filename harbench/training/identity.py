"""What makes a training unique: hashes of code and of everything that it depends on."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

import harbench
from harbench.data.impute import any_gaps
from harbench.data.splits import Split
from harbench.dataset import HARDataset
from harbench.discovery import is_method
from harbench.evaluation.predict import Precision
from harbench.method import Budget, EngineOptions, FitStage, Method, Stage
from harbench.protocol import Condition
from harbench.training.steps import with_graphs

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
ENGINE = ("data", "evaluation", "training")
# Folders of installed packages: versions, not sources, tell these apart.
LIBRARIES = frozenset({"site-packages", "dist-packages"})
# What fits a method without gradients, beside torch.
FITTING = ("scikit-learn", "aeon", "numba")
# What a class says beside its training: it does not change what is learned.
ASIDE = frozenset(
    {"rebuild", "reproduce", "search_space", "title", "colour", "presets", "named_presets"}
)


@dataclass(frozen=True)
class Training:
    """Everything that the stages of one training depend on."""

    method: Method
    dataset: HARDataset
    split: Split
    train_missing: Condition
    budget: Budget
    seed: int
    precision: Precision
    device: str
    options: EngineOptions = field(default_factory=EngineOptions)

    def stages(self) -> list[Stage | FitStage]:
        """What is trained, in order; without pre-training no gradients of unlabelled windows."""
        return [
            stage
            for stage in self.method.stages(self.budget)
            if self.options.pretrain or stage.labelled or isinstance(stage, FitStage)
        ]


def stage_keys(training: Training) -> list[str]:
    """One key per stage; equal keys mean equal weights. Each depends on the stage before.

    How gaps are filled counts only where a stage sees any: on complete windows the rows of all
    imputations share one training.
    """
    filled = _filled(training)
    base = {
        "fingerprint": training.dataset.fingerprint,
        "method": training.method.name,
        "config": asdict(training.method.config),
        "code": method_code(type(training.method)),
        "engine": engine_code(),
        "train": _digest(training.split.train),
        "validation": _digest(training.split.validation),
        "missing": training.train_missing.model_dump(),
        "budget": asdict(training.budget),
        "seed": training.seed,
        "precision": training.precision,
        "device": training.device,
        "indicator": training.options.indicator,
        "torch": torch.__version__,
    }
    if with_graphs(torch.device(training.device)):
        base["graphs"] = True
    keys: list[str] = []
    options = training.options
    for stage in training.stages():
        lossy = filled or (stage.labelled and options.augment != "none")
        impute = options.impute if lossy else "zero"
        parts = {**base, "stage": stage.name, "previous": keys[-1:], "impute": impute}
        if stage.labelled:
            parts |= {"labelled": _digest(training.split.labelled), "augment": options.augment}
        if isinstance(stage, FitStage):
            parts["fitted"] = [_version(package) for package in FITTING]
        if impute == "saits":
            parts["pypots"] = _version("pypots")
        keys.append(sha256(parts))
    return keys


def _version(package: str) -> str:
    """The version of a package, "" where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _filled(training: Training) -> bool:
    """Whether training or validation windows have gaps that the imputation fills."""
    if training.options.impute == "zero":
        return False
    seen = np.concatenate([training.split.train, training.split.validation])
    return training.train_missing.corrupts or any_gaps(training.dataset, seen)


@cache
def method_code(cls: type[Method]) -> str:
    """The hash of the sources of `method_modules`."""
    return code_hash(inspect.getsource(sys.modules[name]) for name in method_modules(cls))


@cache
def method_modules(cls: type[Method]) -> tuple[str, ...]:
    """A method's module, then the loaded modules that it is built from, sorted.

    These are blocks of harbench.nn, methods of harbench that it takes over, the rest of its own
    package and all else that is no installed library. A file has the same code as the same file
    in methods/, so that its records stay current when it is merged.
    """
    found: set[str] = set()
    waiting = [cls.__module__]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _parts(name)
    return (cls.__module__, *sorted(found - {cls.__module__}))


def _parts(module: str) -> list[str]:
    """The loaded modules that a module imports and that count as its parts."""
    # Of a package's own __init__ that is the package, of its modules what they lie in.
    parent = sys.modules[module].__package__
    names: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(base, parent or None)
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return [name for name in names if name in sys.modules and _is_part(name, module)]


def _is_part(name: str, module: str) -> bool:
    """Whether the module `name` belongs to the code of a method that `module` is part of."""
    root = name.partition(".")[0]
    if root == "harbench":
        return name.startswith(("harbench.nn.", "harbench.methods."))
    file = Path(getattr(sys.modules[name], "__file__", None) or "")
    library = root in sys.stdlib_module_names or not LIBRARIES.isdisjoint(file.parts)
    return file.suffix == ".py" and (root == module.partition(".")[0] or not library)


def _engine() -> list[str]:
    root = Path(harbench.__file__).parent
    files = sorted(file for part in ENGINE for file in (root / part).glob("*.py"))
    return [file.read_text(encoding="utf-8") for file in files]


# Read with the engine itself: the files may change while processes that have imported it train on.
ENGINE_SOURCES = _engine()


@cache
def engine_code() -> str:
    """The hash of the parts of harbench that trained weights depend on."""
    return code_hash(ENGINE_SOURCES)


def code_hash(sources: Iterable[str]) -> str:
    """sha256 of Python sources; comments, docstrings, layout and what is ASIDE do not count.

    Nor do the defaults of a method's configuration: every value has its place in the identity, so
    that another default makes no trained network and no record outdated.
    """
    digest = hashlib.sha256()
    for source in sources:
        tree = ast.parse(source)
        configurations = _configurations(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and is_method(node):
                node.body = [n for n in node.body if not ASIDE & _names(n)]
            if isinstance(node, ast.ClassDef) and node.name in configurations:
                for line in node.body:
                    # What is no field has no other place in the identity.
                    if isinstance(line, ast.AnnAssign) and "ClassVar" not in ast.dump(line):
                        line.value = None
            if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


def _configurations(tree: ast.Module) -> set[str]:
    """The classes that the methods of a source name as their `Config`."""
    lines = [
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and is_method(node)
        for line in node.body
    ]
    named = [n for n in lines if isinstance(n, ast.Assign) and "Config" in _names(n)]
    return {n.value.id for n in named if isinstance(n.value, ast.Name)} | {
        n.name for n in lines if isinstance(n, ast.ClassDef) and n.name == "Config"
    }


def _names(node: ast.stmt) -> set[str]:
    """What a line of a class defines."""
    targets: list[ast.AST] = [node]
    if isinstance(node, ast.Assign):
        targets = [*node.targets]
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return {getattr(each, "name", "") or getattr(each, "id", "") for each in targets}


def sha256(values: Any) -> str:
    """sha256 of JSON values, independent of the order of keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _digest(indices: Any) -> str:
    return hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()
