"""What audits found, as files that the page reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harbench.errors import HarbenchError, first_wrong
from harbench.running.records import Digest, Provenance, Record

Grade = Literal["same bits", "same predictions", "inside the interval", "failed"]
LARGEST = 10_000_000


class AuditedCell(BaseModel):
    """One record that was run again. record: sha256 of its file. detail: what differed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    record: Digest
    grade: Grade
    detail: str = ""
    seconds: float = Field(default=0, ge=0, allow_inf_nan=False)


class Audit(BaseModel):
    """The result of one audit. of: how many records the submission has."""

    model_config = ConfigDict(extra="forbid", strict=True)

    schema_version: Literal[1] = Field(alias="schema", serialization_alias="schema")
    submission: Digest
    salt: str
    of: int = Field(ge=1)
    cells: list[AuditedCell]
    provenance: Provenance


@dataclass(frozen=True)
class Audited:
    """How many of `total` records were run again with success, and how many failed."""

    passed: int
    failed: int
    total: int

    @classmethod
    def of_digests(cls, digests: Iterable[str], audits: Mapping[str, str]) -> Self:
        """Count the records of some digests."""
        wanted = list(digests)
        grades = [audits[digest] for digest in wanted if digest in audits]
        failed = grades.count("failed")
        return cls(len(grades) - failed, failed, len(wanted))

    @classmethod
    def of(cls, records: Sequence[tuple[Path, Record]], audits: Mapping[str, str]) -> Self:
        """Count records by their files; without any audit no file is read."""
        if not audits:
            return cls(0, 0, len(records))
        return cls.of_digests((file_digest(path) for path, _ in records), audits)

    def __str__(self) -> str:
        text = f"{self.passed}/{self.total}"
        return f"{text}, {self.failed} failed" if self.failed else text


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_audits(files: Iterable[Path]) -> dict[str, str]:
    """Record digest -> grade; a record that failed once stays failed."""
    found: dict[str, str] = {}
    for file in files:
        for cell in read_audit(file).cells:
            if found.get(cell.record) != "failed":
                found[cell.record] = cell.grade
    return found


def read_audit(file: Path) -> Audit:
    """One audit; HarbenchError that says what is wrong with the file."""
    try:
        if file.stat().st_size > LARGEST:
            raise HarbenchError(f"{file}: too large to be an audit.")
        return Audit.model_validate_json(file.read_bytes())
    except OSError as error:
        raise HarbenchError(f"{file}: cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        key, message = first_wrong(error)
        raise HarbenchError(f"{file}: {key}: {message}. Audit again.") from None
