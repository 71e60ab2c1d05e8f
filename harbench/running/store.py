"""Records on disk: results/<dataset>/<protocol>/<budget>/<method>/seed-<s>.json."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from harbench.data.paths import cannot_write, write_json
from harbench.errors import HarbenchError
from harbench.running.index import Table, read_table
from harbench.running.reading import Found, is_named_as_record, read_folder, read_record
from harbench.running.records import Failure, Identity, Record

if TYPE_CHECKING:
    from harbench.running.plan import Run


def default_results() -> Path:
    """`$HARBENCH_RESULTS`, or ./results."""
    return Path(os.environ.get("HARBENCH_RESULTS") or "results")


def require_writable(*folders: Path) -> None:
    """Raise HarbenchError before a training whose record could not be written after it.

    A folder that is not there yet is not made: what would hold it is tried.
    """
    there = (next((p for p in (f, *f.absolute().parents) if p.exists()), f) for f in folders)
    for folder in dict.fromkeys(there):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise cannot_write(folder, error) from error


@dataclass(frozen=True)
class ResultStore:
    """One folder of records; the path of a record follows from its run."""

    root: Path

    def path(self, run: Run) -> Path:
        """Where the record of `run` lies."""
        folder = self.root / run.dataset / run.protocol.name / run.budget.name / run.label
        return folder / f"seed-{run.seed}.json"

    def like(self, run: Run) -> list[Path]:
        """Records of the same method, dataset and budget: other protocols' and seeds', too."""
        found = (self.root / run.dataset).glob(f"*/{run.budget.name}/{escape(run.label)}/*")
        return sorted(path for path in found if is_named_as_record(path.name))

    def find(self, run: Run) -> Record | None:
        """The whole record of exactly this run; None if it is absent, outdated or not readable."""
        path = self.path(run)
        if not path.is_file():
            return None
        try:
            record = read_record(path)
        except HarbenchError:
            return None
        whole = record.variant == run.variant and not record.lacking
        return record if whole and _same(record.identity, run.identity) else None

    def failed(self, run: Run) -> Path:
        """Where the failure of `run` lies."""
        return self.path(run).with_suffix(".failed.json")

    def find_failure(self, run: Run) -> Failure | None:
        """The failure of exactly this run; None if it is absent, outdated or not readable."""
        path = self.failed(run)
        if not path.is_file():
            return None
        try:
            failure = Failure.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            return None
        return failure if _same(failure.identity, run.identity) else None

    def require_free(self, runs: Iterable[Run]) -> None:
        """Raise HarbenchError before a training whose record could not be written after it."""
        paths = [self.path(run) for run in runs]
        for path in paths:
            if path.exists() and not path.is_file():
                raise HarbenchError(
                    f"{path} is not a file: a record cannot take its place. Remove it."
                )
        require_writable(*(path.parent for path in paths))

    def write(self, run: Run, result: Record | Failure) -> None:
        """Store a record; a failure goes beside it and never replaces one."""
        path, failed = self.path(run), self.failed(run)
        if isinstance(result, Record):
            write_json(path, result.model_dump(mode="json"))
            failed.unlink(missing_ok=True)
        else:
            write_json(failed, result.model_dump(mode="json"))

    def read(self) -> Found:
        """Every record below the folder, and what lies there as one but is none."""
        return read_folder(self._there())

    def table(self) -> Table:
        """The same as a table, without confusion matrices: in a moment where little changed."""
        return read_table(self._there())

    def _there(self) -> Path:
        if not self.root.is_dir():
            raise HarbenchError(f"There is no results folder {self.root}. Run something first.")
        return self.root

    def failures(self) -> list[Path]:
        """Every failure below the folder."""
        return sorted(self.root.rglob("seed-*.failed.json"))


def _same(found: Identity, wanted: Identity) -> bool:
    # Through JSON, because tuples come back from disk as lists.
    return found.model_dump(mode="json") == wanted.model_dump(mode="json")
