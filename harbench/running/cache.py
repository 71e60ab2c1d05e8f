"""What lies in the cache, what of it can go, and whether it is whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harbench.data import store, tensor_files
from harbench.data.paths import TEMPORARY, cache_dir, is_locked, remove
from harbench.errors import HarbenchError
from harbench.running.predictions import damage
from harbench.training.cache import StageCache

DAY = 86_400.0
# What nobody's lock protects is left by a kill if it is older than any writing takes.
WRITING_SECONDS = 3_600.0
PARTIAL = ".partial.safetensors"
KINDS = {
    "datasets": "prepared datasets",
    "downloads": "downloaded archives",
    "stages": "trained stages",
    "partial": "stages in progress",
    "imputers": "trained imputers",
    "predictions": "predictions",
    "indexes": "tables of records",
    "leftovers": "left by a kill",
    "other": "locks and notes",
}


@dataclass(frozen=True)
class Entry:
    """Something that is kept or removed as one: a file, or a folder of a dataset.

    kind: a key of `KINDS`. used: when it was last read or written, in seconds since 1970.
    """

    path: Path
    kind: str
    size: int
    used: float


def entries() -> Iterator[Entry]:
    """Everything in the cache."""
    root = cache_dir()
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        folder = parts[0] == "datasets" and path.is_dir()
        inside = parts[0] == "datasets" and len(parts) > 2
        if inside or (path.is_dir() and not folder) or len(parts) == 1:
            continue
        files = [file for file in path.rglob("*") if file.is_file()] if folder else [path]
        try:
            facts = [file.stat() for file in files]
        except FileNotFoundError:
            continue
        used = max((max(each.st_atime, each.st_mtime) for each in facts), default=0.0)
        yield Entry(path, _kind(parts), sum(each.st_size for each in facts), used)


def _kind(parts: tuple[str, ...]) -> str:
    name = parts[-1]
    if TEMPORARY.fullmatch(name):
        return "leftovers"
    if name.endswith(PARTIAL):
        return "partial"
    known = parts[0] in KINDS and not name.endswith(".lock")
    return parts[0] if known else "other"


def prune(days: float | None = None) -> list[Entry]:
    """Remove what kills have left, and states and halves of stages that nothing will go on from.

    days: also stages, their states, imputers, predictions and tables that nobody has used for so
    long. What a process is working on stays. All that is removed can be made again by running.
    """
    removed = []
    for entry in list(entries()):
        old = days is not None and time.time() - entry.used > days * DAY
        if _needless(entry, old):
            remove(entry.path)
            removed.append(entry)
    return removed


def _needless(entry: Entry, old: bool) -> bool:
    lock = _lock(entry.path)
    if is_locked(lock):
        return False
    finished = StageCache.default().has(lock.stem)
    if entry.kind == "leftovers":
        return lock.exists() or time.time() - entry.used > WRITING_SECONDS
    if entry.kind == "partial":
        return old or finished
    if entry.kind == "stages":
        return old or not finished
    return old and entry.kind in ("imputers", "predictions", "indexes")


def _lock(path: Path) -> Path:
    """The lock of whoever writes a stage or a dataset; one that is not there for anything else."""
    mark = TEMPORARY.fullmatch(path.name)
    name = mark[1] if mark else path.name
    if path.parent.name in ("stages", "imputers"):
        return path.with_name(f"{name.partition('.')[0]}.lock")
    return cache_dir() / "locks" / f"{name}.lock"


def damages() -> Iterator[tuple[Path, str]]:
    """What is damaged, each with what to do about it."""
    stages = StageCache.default()
    for entry in entries():
        name, again = entry.path.name, "the next run that needs it makes it anew"
        whole = True
        if entry.kind in ("partial", "imputers"):
            whole = tensor_files.load(entry.path) is not None
        elif entry.kind == "stages" and name.endswith(".json"):
            whole = stages.is_whole(name.removesuffix(".json"))
        elif entry.kind == "predictions":
            whole, again = not damage(entry.path), "a run with --force makes them anew"
        elif entry.kind == "datasets":
            try:
                store.check(name)
            except HarbenchError as error:
                yield entry.path, str(error)
        if not whole:
            yield entry.path, f"{entry.path} is damaged; {again}."
