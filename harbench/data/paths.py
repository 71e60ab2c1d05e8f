"""Where harbench keeps things, and how files are written so that none is ever half there."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

from harbench.errors import HarbenchError

NUMBERS = re.compile(r"\[\n([\d\s,.eE+-]+)\]")


def cache_dir() -> Path:
    """`$HARBENCH_CACHE`, or the user's cache directory."""
    return Path(os.environ.get("HARBENCH_CACHE") or platformdirs.user_cache_dir("harbench"))


def data_dir() -> Path | None:
    """`$HARBENCH_DATA`, the folder with raw archives, if set."""
    folder = os.environ.get("HARBENCH_DATA")
    return Path(folder) if folder else None


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` on success, remove it on failure."""
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
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """The same for a whole folder; a folder that is already there is replaced."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


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
    return HarbenchError(
        f"Cannot write {path}: {reason}. Free some space, or choose another place with "
        "$HARBENCH_CACHE (data, checkpoints) or --results (records)."
    )
