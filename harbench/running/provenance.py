"""Where, when and with what a record was made."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import harbench
from harbench.outside import visible
from harbench.running.records import Provenance

PACKAGES = (
    *("torch", "numpy", "pandas", "scipy", "scikit-learn", "einops", "safetensors"),
    # What some methods compute with, where it is installed.
    *("aeon", "numba", "pypots"),
)


def now() -> str:
    """The present time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance(command: str, started: str) -> Provenance:
    """The provenance of something that started at `started` and ends now."""
    commit, dirty = source_state()
    return Provenance(
        harbench=harbench.__version__,
        commit=commit,
        dirty=dirty,
        packages=installed(PACKAGES),
        python=platform.python_version(),
        platform=platform.platform(),
        command=command,
        started=started,
        ended=now(),
    )


def installed(names: Iterable[str]) -> dict[str, str]:
    """The version of each package that is there."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def command_line() -> str:
    """The command as the user typed it, without the interpreter's path; a record can hold it."""
    program = Path(sys.argv[0])
    module = program.name == "__main__.py"
    name = f"python -m {program.parent.name}" if module else program.name
    return visible(" ".join([name, *sys.argv[1:]]))


@cache
def source_state() -> tuple[str | None, bool | None]:
    """Commit of the checkout that harbench runs from, and whether it has changes; else None."""
    root = Path(harbench.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None, None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--", "harbench", "methods", "datasets")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(changes)


def _git(root: Path, *arguments: str) -> str:
    call = ["git", "-C", str(root), *arguments]
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
