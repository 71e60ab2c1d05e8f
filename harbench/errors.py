"""Errors that a person reads: what was wrong, where, what to do."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable
from traceback import extract_tb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class HarbenchError(ValueError):
    """A mistake that the user can mend: printed without a traceback, exit code 2."""


class BrokenCodeError(HarbenchError):
    """Someone's method or dataset fails while it is imported."""


class TrainingError(Exception):
    """A training that cannot go on (a loss that is not finite): its run ends as failed."""


def unknown(kind: str, name: str, known: Iterable[str], hint: str = "") -> HarbenchError:
    """The error for a name that does not exist; it suggests the nearest one."""
    # numpy's texts would be printed with their type.
    name, options = str(name), sorted(map(str, known))
    near = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    advice = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(options) or 'none'}."
    return HarbenchError(" ".join(filter(None, [f"Unknown {kind} {name!r}.", advice, hint])))


def first_wrong(error: ValidationError, whole: str = "file") -> tuple[str, str]:
    """The key of the first value that is wrong, `whole` where there is none, and why it is."""
    first = error.errors()[0]
    return ".".join(map(str, first["loc"])) or whole, first["msg"].removeprefix("Value error, ")


def one_line(error: BaseException) -> str:
    """An exception as one line: its type and the first line of its message."""
    try:
        text = str(error).strip().splitlines()
    except Exception:  # a foreign exception may be unable to say what it is
        text = []
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def line_of(file: str, error: BaseException) -> str:
    """The file, and the last of its lines that led to an error, if any did."""
    lines = [at.lineno for at in extract_tb(error.__traceback__) if at.filename == file]
    return f"{file}, line {lines[-1]}" if lines else file


def needs(package: str, extra: str) -> None:
    """Raise HarbenchError where an optional package is not installed."""
    if importlib.util.find_spec(package) is None:
        raise HarbenchError(
            f"This needs {package}. Install it with: pip install 'harbench[{extra}]'"
        )
