"""Records read back: each is checked, and what is none is named with the reason."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from pydantic import ValidationError

from harbench.errors import HarbenchError, first_wrong
from harbench.options import format_spec, parse_spec
from harbench.running.records import Identity, Record

LARGEST = 100_000_000
OLDER = "made by an older version of the rules: run again"
# Folders of tuning tables, whose files are named after seeds, too.
TABLES = ("tuning", "choices")


@dataclass(frozen=True)
class Problem:
    """A path that is named as a record, and why it is not shown."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Found:
    """What a folder holds: records in the order of their paths, and problems likewise."""

    records: list[tuple[Path, Record]]
    problems: list[Problem]


def read_folder(root: Path) -> Found:
    """Read every record below `root`; one bad file hides no other."""
    read: list[tuple[Path, Record]] = []
    problems: list[Problem] = []
    for path in candidates(root):
        try:
            read.append((path, read_record(path)))
        except HarbenchError as error:
            problems.append(problem_of(path, error))
    bad = unfit(
        (path, record.identity.model_dump_json(), misfit(path, record)) for path, record in read
    )
    problems += [Problem(path, reason) for path, reason in bad.items()]
    return Found(
        [(path, record) for path, record in read if path not in bad],
        sorted(problems, key=lambda problem: problem.path),
    )


def candidates(root: Path) -> Iterator[Path]:
    """Every path below `root` that is named as a record, in a fixed order."""
    for place, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if place != str(root) or name not in TABLES)
        folder = Path(place)
        for name in sorted((*folders, *files)):
            if is_named_as_record(name):
                yield folder / name


def is_named_as_record(name: str) -> bool:
    """Whether a file of that name is a record's, and not a failure's."""
    return fnmatch(name, "seed-*.json") and not name.endswith(".failed.json")


def problem_of(path: Path, error: HarbenchError) -> Problem:
    """What `read_record` said of a path, and what to do about a file that is no record."""
    reason = str(error).removeprefix(f"{path}: ")
    kept = isinstance(error.__cause__, OSError) or OLDER in reason
    return Problem(path, reason if kept else f"{reason} Delete it.")


def read_record(path: Path) -> Record:
    """One record; HarbenchError that names the file, the key and what is wrong with it."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            what = "a folder" if path.is_dir() else "not a file"
            raise HarbenchError(f"{path}: {what} in place of a record.")
        if state.st_size > LARGEST:
            raise HarbenchError(f"{path}: {state.st_size} bytes are no record.")
        content = path.read_bytes()
    except FileNotFoundError:
        what = "a link that leads nowhere" if path.is_symlink() else "is not there"
        raise HarbenchError(f"{path}: {what}.") from None
    except OSError as error:
        raise HarbenchError(f"{path}: cannot be read ({error.strerror}).") from error
    try:
        return Record.model_validate_json(content)
    except ValidationError as error:
        raise HarbenchError(f"{path}: {_reason(error)}.") from None
    except (ValueError, ArithmeticError) as error:
        raise HarbenchError(f"{path}: impossible values ({error}).") from None


def misfit(path: Path, record: Record) -> str:
    """Why a record cannot lie where it lies, "" if it can."""
    identity = record.identity
    name, place = f"seed-{identity.seed}.json", path.absolute()
    if path.name != name:
        return f"says seed {identity.seed}, so its name would be {path.with_name(name)}"
    folders = (*Path(identity.dataset).parts, identity.protocol, identity.budget)
    if place.parent.parent.parts[-len(folders) :] != folders:
        wanted = "/".join((*folders, place.parent.name, name))
        return f"is a record of .../{wanted}, not of the folder that it lies in"
    return _wrong_label(place.parent.name, identity)


def _wrong_label(label: str, identity: Identity) -> str:
    """Why a method's folder cannot hold a result, "" if it can.

    Whether it names all options that differ from the defaults is not known without the method.
    """
    try:
        method, options = parse_spec(label)
    except HarbenchError as error:
        return f"lies in a folder that names no method ({error})"
    engine = identity.options.changed()
    if identity.tuned:
        engine["tuned"] = identity.tuned
    if identity.precision != "fp32":
        engine["precision"] = identity.precision
    keys = engine.keys() | (options.keys() & identity.config.keys())
    wanted = format_spec(identity.method, {k: {**identity.config, **engine}[k] for k in keys})
    if parse_spec(wanted) != (method, options):
        return f"is a record of {wanted!r}, not of the folder that it lies in"
    return ""


def unfit(runs: Iterable[tuple[Path, str, str]]) -> dict[Path, str]:
    """Why readable records are not shown: each in a wrong place, or there twice.

    runs: each path, a text that is the same for the same run, and what `misfit` says.
    """
    known = list(runs)
    misplaced = {path: reason for path, _, reason in known if reason}
    return {**misplaced, **_copies(((path, run) for path, run, _ in known), misplaced)}


def _copies(runs: Iterable[tuple[Path, str]], misplaced: Mapping[Path, str]) -> dict[Path, str]:
    """Files that say the same run; the one that alone lies in its place is kept.

    runs: each path with a text that is the same for the same run.
    """
    groups: defaultdict[str, list[Path]] = defaultdict(list)
    for path, run in runs:
        groups[run].append(path)
    found = {}
    for paths in groups.values():
        if len(paths) < 2:
            continue
        fitting = [path for path in paths if path not in misplaced]
        for path in paths:
            if fitting == [path]:
                continue
            other = next(each for each in [*fitting, *paths] if each != path)
            found[path] = f"is the same run as {other}. Remove one of the two"
    return found


def _reason(error: ValidationError) -> str:
    if any(each["loc"] == ("schema",) for each in error.errors()):
        return OLDER
    where, message = first_wrong(error, "")
    return f"{where}: {message}" if where else message
