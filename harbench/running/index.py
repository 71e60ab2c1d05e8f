"""The records of a folder as one table; only files that changed since the last call are read."""

from __future__ import annotations

import gc
import hashlib
import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
from pydantic_core import from_json

import harbench
from harbench.data.paths import cache_dir
from harbench.errors import HarbenchError
from harbench.running.reading import Problem, candidates, misfit, problem_of, read_record, unfit
from harbench.running.rows import Row, assemble, row_of

# What an entry of the index follows from, besides its file.
CODE = ("evaluation/metrics.py", "protocol.py", "outside.py")
CODE_HERE = ("index.py", "reading.py", "records.py", "rows.py")
TABLE = """create table if not exists record (
    path text primary key, state text not null, run text not null, reason text not null,
    facts text not null, scores text not null)"""
Entries = dict[str, "_Entry"]


@dataclass(frozen=True)
class Table:
    """One row per record and condition (see `rows.assemble`), and what is left out of it."""

    frame: pd.DataFrame
    problems: list[Problem]


@dataclass(frozen=True)
class _Entry:
    """What the index keeps of a record.

    state: size, time and inode of its file. run: a digest of its identity. reason: why it cannot
    lie where it lies, or "". facts, scores: a `Row` as JSON.
    """

    state: str
    run: str
    reason: str
    facts: str
    scores: str


def read_table(root: Path) -> Table:
    """What `read_folder` finds, without the confusion matrices, as a table.

    The index lies in the cache. It only saves time: where it is damaged, or cannot be written,
    the records are read.
    """
    files = {str(path.relative_to(root)): path for path in candidates(root)}
    database = _database(root)
    known = _known(database)
    entries: Entries = {}
    problems: list[Problem] = []
    fresh: Entries = {}
    for name, path in files.items():
        state = _state(path)
        entry = known.get(name)
        if entry is None or entry.state != state:
            try:
                entry = fresh[name] = _entry(path, state)
            except HarbenchError as error:
                problems.append(problem_of(path, error))
                continue
        entries[name] = entry
    _keep(database, fresh, known.keys() - files.keys())
    bad = unfit((files[name], each.run, each.reason) for name, each in entries.items())
    problems += [Problem(path, reason) for path, reason in bad.items()]
    rows = _rows({files[n]: each for n, each in entries.items() if files[n] not in bad})
    return Table(assemble(rows), sorted(problems, key=lambda problem: problem.path))


def _entry(path: Path, state: str) -> _Entry:
    record = read_record(path)
    row = row_of(path, record)
    return _Entry(
        state=state,
        run=hashlib.sha256(record.identity.model_dump_json().encode()).hexdigest(),
        reason=misfit(path, record),
        facts=json.dumps(row.facts),
        scores=json.dumps(row.scores),
    )


def _rows(entries: dict[Path, _Entry]) -> list[Row]:
    # Looking for cycles among these many lists, in vain, would take most of the time.
    gc.disable()
    try:
        return [
            Row(path, from_json(entry.facts), from_json(entry.scores))
            for path, entry in entries.items()
        ]
    finally:
        gc.enable()


def _state(path: Path) -> str:
    """What changes when a file does; a record takes its place by a new name, so a new inode."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"


def _database(root: Path) -> Path:
    place = hashlib.sha256(f"{root.resolve()}\n{_code()}".encode()).hexdigest()
    return cache_dir() / "indexes" / f"{place[:32]}.sqlite"


@cache
def _code() -> str:
    here = Path(__file__).parent
    files = [here / name for name in CODE_HERE]
    files += [Path(harbench.__file__).parent / name for name in CODE]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _known(database: Path) -> Entries:
    """What the index says; nothing where it is absent or damaged."""
    if not database.is_file():
        return {}
    try:
        with closing(sqlite3.connect(database)) as connection:
            found = connection.execute("select * from record").fetchall()
    except sqlite3.Error:
        return {}
    return {name: _Entry(*rest) for name, *rest in found}


def _keep(database: Path, fresh: Entries, gone: Iterable[str]) -> None:
    rows = [(name, *vars(entry).values()) for name, entry in fresh.items()]
    old = [(name,) for name in gone]
    if not (rows or old):
        return
    for _ in range(2):
        try:
            database.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(database)) as connection, connection:
                connection.execute(TABLE)
                connection.executemany("insert or replace into record values (?,?,?,?,?,?)", rows)
                connection.executemany("delete from record where path = ?", old)
            return
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                return
            database.unlink(missing_ok=True)
        except OSError:
            return
