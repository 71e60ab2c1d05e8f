"""Where harbench keeps things, and how files are written so that none is ever half there."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout

from harbench.errors import HarbenchError

# What `tempfile` makes of the prefix below: a dot, the name that is written, eight characters.
TEMPORARY = re.compile(r"\.(.+)\.[a-z0-9_]{8}", re.DOTALL)
NUMBERS = re.compile(r"\[\n([\d\s,.eE+-]+)\]")


def cache_dir() -> Path:
    """`$HARBENCH_CACHE`, or the user's cache directory."""
    return Path(os.environ.get("HARBENCH_CACHE") or platformdirs.user_cache_dir("harbench"))


def data_dir() -> Path | None:
    """`$HARBENCH_DATA`, the folder with raw archives, if set."""
    folder = os.environ.get("HARBENCH_DATA")
    return Path(folder) if folder else None


def require_other(out: Path, inputs: Iterable[Path]) -> None:
    """Raise HarbenchError where what is to be written would take the place of what is read."""
    for each in inputs:
        if out.resolve() == each.resolve():
            raise HarbenchError(f"--out {out} is what is read, and would be lost. Choose another.")


@contextmanager
def writing(path: Path, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    durable: what was written is on the disk before it takes its name, so that not even a loss of
    power leaves half of it there.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            raise HarbenchError(f"{path} is not a file: nothing is written in its place.")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)
        if durable:
            _sync(temporary)
        temporary.replace(path)
        if durable:
            _sync_names(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """The same for a whole folder; a folder that is already there is replaced."""
    path = path.absolute()
    temporary: Path | None = None
    older: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        yield temporary
        temporary.chmod(0o755)
        for part in temporary.iterdir():
            _sync(part)
        if path.exists():
            older = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
            path.replace(older / path.name)
        temporary.replace(path)
        _sync_names(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if older is not None and not path.exists():
            with suppress(OSError):
                (older / path.name).replace(path)
        for each in (temporary, older):
            if each is not None:
                shutil.rmtree(each, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until a file is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_names(folder: Path) -> None:
    """Wait until the names in a folder are; not every file system can."""
    with suppress(OSError):
        _sync(folder)


def leftovers(*paths: Path) -> list[Path]:
    """The temporary files and folders that killed writers of `paths`, of one folder, have left.

    Only who keeps others from writing `paths` meanwhile may remove them.
    """
    names = {path.name for path in paths}
    try:
        found = list(paths[0].parent.iterdir())
    except OSError:
        return []
    marks = ((path, TEMPORARY.fullmatch(path.name)) for path in found)
    return [path for path, mark in marks if mark and mark[1] in names]


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it; one that is gone, or stays, is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`: another process that wants it waits."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(path).acquire()
    except OSError as error:
        raise cannot_write(Path(error.filename or path), error) from error
    with held:
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file `path` at the moment."""
    if not path.exists():
        return False
    try:
        FileLock(path, timeout=0).acquire().lock.release()
    except (Timeout, OSError):
        return True
    return False


def write_json(path: Path, values: Any) -> None:
    """Write `values` as indented JSON, atomically; a list of numbers takes one line."""
    text = json.dumps(values, indent=1)
    text = NUMBERS.sub(
        lambda match: "[" + ", ".join(match[1].replace(",", " ").split()) + "]", text
    )
    with writing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def cannot_write(path: Path, error: OSError) -> HarbenchError:
    """The error for a file or folder that the system refuses to write."""
    reason = error.strerror or str(error)
    free = "Free some space, or choose" if error.errno in (ENOSPC, EDQUOT) else "Choose"
    return HarbenchError(
        f"Cannot write {path}: {reason}. {free} another place: $HARBENCH_CACHE (data, "
        "checkpoints), --results (records), --out (all else)."
    )
