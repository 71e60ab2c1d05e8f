"""What makes a training unique: hashes of code and of everything that it depends on."""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import harbench
from harbench.data.splits import Split
from harbench.dataset import HARDataset
from harbench.evaluation.predict import Precision
from harbench.method import Budget, Method
from harbench.protocol import Condition

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
ENGINE = ("data", "evaluation", "training")


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


def stage_keys(training: Training) -> list[str]:
    """One key per stage; equal keys mean equal weights. Each depends on the stage before."""
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
    }
    keys: list[str] = []
    for stage in training.method.stages(training.budget):
        labels = _digest(training.split.labelled) if stage.labelled else None
        parts = {**base, "stage": stage.name, "labelled": labels, "previous": keys[-1:]}
        keys.append(sha256(parts))
    return keys


def method_code(cls: type[Method]) -> str:
    """The hash of a method's module and of the blocks of harbench.nn that it is built from."""
    source = inspect.getsource(sys.modules[cls.__module__])
    found = {cls.__module__: source}
    waiting = [source]
    while waiting:
        for name in _blocks(waiting.pop()) - set(found):
            found[name] = inspect.getsource(importlib.import_module(name))
            waiting.append(found[name])
    return code_hash(found[name] for name in sorted(found))


def _blocks(source: str) -> set[str]:
    """The modules of harbench.nn that a source imports from."""
    nodes = ast.walk(ast.parse(source))
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name for name in names if name.startswith("harbench.nn.")}


@cache
def engine_code() -> str:
    """The hash of the parts of harbench that trained weights depend on."""
    root = Path(harbench.__file__).parent
    files = sorted(file for part in ENGINE for file in (root / part).glob("*.py"))
    return code_hash(file.read_text(encoding="utf-8") for file in files)


def code_hash(sources: Iterable[str]) -> str:
    """sha256 of Python sources; comments, docstrings, layout and `reproduce` do not count."""
    digest = hashlib.sha256()
    for source in sources:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                node.body = [n for n in node.body if getattr(n, "name", "") != "reproduce"]
            if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


def sha256(values: Any) -> str:
    """sha256 of JSON values, independent of the order of keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _digest(indices: Any) -> str:
    return hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()
