"""Where prepared data came from, and whether that is still what it was made of."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import sys
import zlib
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from harbench.data import (
    clock,
    coverage,
    devices,
    facts,
    gaps,
    interpolation,
    repeats,
    tables,
    windows,
)
from harbench.data.paths import cache_dir, writing
from harbench.dataset import Dataset

BLOCK = 1 << 20
# What is read of a raw file rather than trusted to its size and time.
SMALL = (".toml",)
# The engine's part in what a raw file becomes.
STEPS = (clock, coverage, devices, facts, gaps, interpolation, repeats, tables, windows)
_verified: set[tuple[str, int, int, int]] = set()


def origin(dataset: Dataset, source: Path | None) -> dict[str, Any]:
    """What prepared data depends on, as JSON values.

    source: the raw zip or folder, None where the dataset is embedded. files: name -> size in bytes
    and modification time in ns (a zip is one file), the sha256 in place of the time for small
    files. options: all of them. code: sha256 of the dataset's module and of the engine's cutting.
    """
    return {
        "source": None if source is None else str(source.resolve()),
        "files": {} if source is None else _files(source),
        "options": asdict(dataset.options),
        "code": _code(dataset),
    }


def change(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Why data of origin `old` is not that of `new`, in words; empty where it is.

    A source that lies elsewhere with the same files is no change.
    """
    before, after = old["files"], new["files"]
    if before != after:
        words = (
            ("is new", [name for name in after if name not in before]),
            ("is gone", [name for name in before if name not in after]),
            ("has changed", [n for n in after if n in before and before[n] != after[n]]),
        )
        what = [f"{names[0]} {word}{_others(names)}" for word, names in words if names]
        source = Path(new["source"])
        return f"{'; '.join(what)} in {source.parent if source.name in after else source}"
    added = [key for key in new["options"] if key not in old["options"]]
    if added:
        return f"it was made before there was the option {', '.join(added)}"
    changed = [key for key, value in new["options"].items() if old["options"][key] != value]
    if changed:
        return f"the default of {', '.join(changed)} has changed"
    return "" if old["code"] == new["code"] else "the code that reads it has changed"


def _others(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _files(source: Path) -> dict[str, list[Any]]:
    if not source.is_dir():
        return {source.name: _mark(source)}
    found = {}
    for folder, _, names in os.walk(source):
        for path in (Path(folder) / name for name in names):
            found[path.relative_to(source).as_posix()] = _mark(path)
    return dict(sorted(found.items()))


def _mark(path: Path) -> list[Any]:
    """Size, and time or digest; of the link itself where a link leads nowhere."""
    try:
        facts = path.stat()
        if path.suffix in SMALL:
            return [facts.st_size, hashlib.sha256(path.read_bytes()).hexdigest()]
    except OSError:
        facts = path.lstat()
    return [facts.st_size, facts.st_mtime_ns]


def _code(dataset: Dataset) -> str:
    modules = (sys.modules[type(dataset).__module__], *STEPS)
    parts = [_without_layout(inspect.getsource(module)) for module in modules]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


@cache
def _without_layout(source: str) -> str:
    return hashlib.sha256(ast.dump(ast.parse(source)).encode()).hexdigest()


def remember(dataset: Dataset, source: Path) -> None:
    """Keep where the raw data of `dataset` lies, for all of its option sets."""
    with writing(_note(dataset)) as temporary:
        temporary.write_text(json.dumps(str(source.resolve())), encoding="utf-8")


def remembered(dataset: Dataset) -> Path | None:
    """The source that was given last, if it is still there."""
    try:
        source = Path(json.loads(_note(dataset).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return source if source.exists() else None


def _note(dataset: Dataset) -> Path:
    return cache_dir() / "sources" / f"{dataset.name}+{dataset.raw_name}.json"


def checksum(path: Path) -> int:
    """CRC-32 of a file: finds damage at about 1 GB a second, no forgery."""
    value = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            value = zlib.crc32(block, value)
    return value


def verify(path: Path, expected: int) -> None:
    """Compare a file with its checksum, once per process for each state of the file.

    Raises ValueError where it differs.
    """
    facts = path.stat()
    state = (str(path.resolve()), facts.st_size, facts.st_mtime_ns, expected)
    if state in _verified:
        return
    if checksum(path) != expected:
        raise ValueError(f"{path.name} does not have its checksum")
    _verified.add(state)
